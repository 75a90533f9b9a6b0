"""Jumps are as short as they can be, names may stand below their use, and the result depends on the source alone."""

import pytest

from teachvm.isa.assembler import AsmError, assemble


def _bytes(source: str) -> str:
    return assemble(source).data.hex(" ")


def test_a_jump_is_short_as_far_as_a_signed_byte_reaches():
    ahead = "jmp there\ntimes {} nop\nthere:"
    assert assemble(ahead.format(127)).data[:2] == b"\xeb\x7f"
    assert assemble(ahead.format(128)).data[:5] == b"\xe9\x80\x00\x00\x00"
    behind = "there: times {} nop\njmp there"
    assert assemble(behind.format(126)).data[-2:] == b"\xeb\x80"
    assert assemble(behind.format(127)).data[-5:] == b"\xe9\x7c\xff\xff\xff"


def test_a_conditional_jump_grows_to_six_bytes_and_a_call_is_never_short():
    assert assemble("jz there\ntimes 128 nop\nthere:").data[:6] == b"\x0f\x84\x80\x00\x00\x00"
    assert _bytes("call there\nthere:") == "e8 00 00 00 00"


def test_a_jump_that_grows_can_push_another_out_of_reach():
    made = assemble("jmp a\ntimes 125 nop\njmp b\na: times 200 nop\nb:")
    assert made.data[:5] == b"\xe9\x82\x00\x00\x00"
    assert made.data[130:135] == b"\xe9\xc8\x00\x00\x00"


def test_a_jump_may_be_told_how_far_to_reach():
    assert _bytes("a: jmp near a") == "e9 fb ff ff ff"
    assert _bytes("a: jz near a") == "0f 84 fa ff ff ff"
    assert _bytes("a: jmp short a") == "eb fe"
    with pytest.raises(AsmError, match="the target is 128 bytes ahead, and 'jmp' reaches 128"):
        assemble("jmp short a\ntimes 128 nop\na:")


def test_a_jump_to_a_plain_number_is_never_assumed_to_be_close():
    assert _bytes("org 0x1000\njmp 0x1002") == "e9 fd ff ff ff"
    assert _bytes("FIXED equ 0x1002\norg 0x1000\njmp FIXED") == "e9 fd ff ff ff"
    assert _bytes("org 0x1000\njmp short 0x1002") == "eb 00"


def test_a_thousand_jumps_settle_to_the_shortest_lengths():
    # Each jumps over the next 63, so that all are short exactly because all are short.
    source = "\n".join(f"l{i}: jmp l{i + 64}" for i in range(1000)) + "".join(f"\nl{i}:" for i in range(1000, 1064))
    assert assemble(source).data[:1872] == b"\xeb\x7e" * 936


def test_names_may_stand_below_their_use():
    assert _bytes("mov eax, SIZE\nadd eax, end - $$\nSIZE equ LATER * 2\nLATER equ 4\nend:") == (
        "b8 08 00 00 00 83 c0 08"
    )


def test_a_number_is_as_short_as_it_can_be_and_an_address_always_whole():
    assert _bytes("add eax, later\nlater equ 5") == "83 c0 05"
    assert _bytes("a: add eax, a") == "05 00 00 00 00"
    assert _bytes("a: mov eax, [ebx + a]") == "8b 83 00 00 00 00"
    assert _bytes("a: cmp dword [ebx + 4], a") == "81 7b 04 00 00 00 00"
    assert _bytes("a: nop\nb: push b - a") == "90 6a 01"


def test_here_is_the_address_of_the_statement_and_start_that_of_the_first_byte():
    assert _bytes("org 0x100\nnop\ndd $, $$\ntimes 2 db $ - $$") == "90 01 01 00 00 00 01 00 00 09 09"


def test_a_repeated_jump_counts_its_distance_from_every_round():
    assert _bytes("a: times 3 jmp a") == "eb fe eb fc eb fa"
    assert _bytes("times 2 call b\nb:") == "e8 05 00 00 00 e8 00 00 00 00"


def test_local_labels_belong_to_the_label_above():
    made = assemble("a: jmp .x\n.x: nop\nSIZE equ 1\n.y:\nb: jmp .x\n.x: jmp a.y")
    assert made.data.hex(" ") == "eb 00 90 eb 00 eb fc"
    assert dict(made.symbols) == {"a": 0, "a.x": 2, "SIZE": 1, "a.y": 3, "b": 3, "b.x": 5}


def test_alignment_fills_code_with_nops_and_data_with_what_is_said():
    assert _bytes("hlt\nalign 4\nhlt\nalign 8, db 0xcc") == "f4 90 90 90 f4 cc cc cc"


def test_a_length_that_depends_on_itself_is_refused():
    with pytest.raises(AsmError, match="the length of this instruction depends on itself"):
        assemble("a: shl eax, b - a - 2\nb:")


def test_jumps_over_alignment_come_to_rest():
    source = "\n".join(f"l{i}: jmp l{(i * 37) % 60}\n align {(2, 4, 16)[i % 3]}" for i in range(60))
    made = assemble(source)
    assert made.data == assemble(source).data
    aligned = [made.symbols[f"l{i}"] for i in range(1, 60)]
    assert all(address % (2, 4, 16)[i % 3] == 0 for i, address in enumerate(aligned))


def test_a_value_that_is_wrong_only_on_the_way_is_no_mistake():
    # While the jump is still taken for a short one, the quotient would be of a negative number.
    source = "jmp there\ntimes 200 nop\nthere:\nSIZE equ (there - $$ - 204) / 1\n mov al, SIZE"
    assert assemble(source).data[-2:] == b"\xb0\x01"
