"""Text for people: spelling, symbols, colours, and agreement between the rows' words and capstone's."""

import random

import pytest

from teachvm.isa.decode import DecodeError, decode
from teachvm.isa.disassembler import line, lines, text
from teachvm.isa.text import TokenKind, row_text


def words(code: str, address: int = 0x1000, bits: int = 32) -> str:
    return str(text(bytes.fromhex(code), address, bits=bits))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("9c", "pushfd"),
        ("9d", "popfd"),
        ("cf", "iretd"),
        ("60", "pushad"),
        ("61", "popad"),
        ("66 9c", "pushfw"),
        ("66 cf", "iretw"),
        ("fa", "cli"),
        ("8e d8", "mov ds, ax"),
        ("8c d8", "mov eax, ds"),
        ("0f 22 d8", "mov cr3, eax"),
        ("8b 45 08", "mov eax, [ebp+8]"),
        ("8b 45 f0", "mov eax, [ebp-0x10]"),
        ("89 03", "mov [ebx], eax"),
        ("c7 03 01000000", "mov dword [ebx], 1"),
        ("c6 43 04 ff", "mov byte [ebx+4], 0xff"),
        ("64 a1 10000000", "mov eax, [fs:0x10]"),
        ("8d 04 8d 08000000", "lea eax, [ecx*4+8]"),
        ("0f b6 07", "movzx eax, byte [edi]"),
        ("83 e4 f0", "and esp, 0xfffffff0"),
        ("83 c0 ff", "add eax, 0xffffffff"),
        ("6a ff", "push 0xffffffff"),
        ("d1 e0", "shl eax, 1"),
        ("d3 20", "shl dword [eax], cl"),
        ("f3 a5", "rep movsd"),
        ("f2 ae", "repne scasb"),
        ("f3 a6", "repe cmpsb"),
        ("66 ab", "stosw"),
        ("65 ac", "gs lodsb"),
        ("6c", "insb"),
        ("e4 60", "in al, 0x60"),
        ("ef", "out dx, eax"),
        ("cd 80", "int 0x80"),
        ("cc", "int3"),
        ("eb fe", "jmp 0x1000"),
        ("75 0e", "jne 0x1010"),
        ("e8 fb0f0000", "call 0x2000"),
        ("ea 00001000 0800", "jmp 8:0x100000"),
        ("9a 00001000 1b00", "call 0x1b:0x100000"),
        ("ff 2b", "jmp far [ebx]"),
        ("ff 13", "call dword [ebx]"),
        ("0f 01 15 00050000", "lgdt [0x500]"),
        ("0f 01 38", "invlpg [eax]"),
        ("f0 ff 03", "lock inc dword [ebx]"),
        ("f0 0f b1 0b", "lock cmpxchg [ebx], ecx"),
        ("0f c7 0b", "cmpxchg8b qword [ebx]"),
        ("c8 0010 02", "enter 0x1000, 2"),
        ("c2 0400", "ret 4"),
        ("cb", "retf"),
        ("f3 90", "pause"),
        ("90", "nop"),
        ("d4 0a", "aam"),
        ("66 68 3412", "push word 0x1234"),
        ("66 c3", "o16 ret"),
        ("67 e3 fd", "jcxz 0x1000"),
        ("0f 23 f8", "mov dr7, eax"),
        ("0f 02 c3", "lar eax, bx"),
        ("d9 e8", "fld1"),
        ("dd 45 08", "fld qword [ebp+8]"),
        ("0f 0b", "ud2"),
    ],
)
def test_spelling_is_nasms(code: str, expected: str) -> None:
    assert words(code) == expected


def test_sixteen_bit_code_is_read_as_such() -> None:
    assert words("b8 3412", bits=16) == "mov ax, 0x1234"
    assert words("66 b8 78563412", bits=16) == "mov eax, 0x12345678"
    assert words("8b 07", bits=16) == "mov ax, [bx]"
    assert words("9c", bits=16) == "pushfw"
    assert words("66 ea 00001000 0800", bits=16) == "jmp dword 8:0x100000"


@pytest.mark.parametrize("code", ["", "0f", "66", "8b 84 24"])
def test_half_an_instruction_is_data(code: str) -> None:
    assert text(bytes.fromhex(code)).mnemonic == "db"


def name_at(address: int) -> str | None:
    return {0x1000: "main", 0x2000: "kernel.print", 0x500: "gdt_pointer"}.get(address)


@pytest.mark.parametrize(
    ("code", "expected", "symbol"),
    [
        ("eb fe", "jmp main", "main"),
        ("e8 fb0f0000", "call kernel.print", "kernel.print"),
        ("0f 84 fa0f0000", "je kernel.print", "kernel.print"),
        ("0f 01 15 00050000", "lgdt [gdt_pointer]", "gdt_pointer"),
        ("a1 00050000", "mov eax, [gdt_pointer]", "gdt_pointer"),
        ("ff 05 00050000", "inc dword [gdt_pointer]", "gdt_pointer"),
        ("ea 00200000 0800", "jmp 8:kernel.print", "kernel.print"),
        ("e2 fe", "loop main", "main"),
    ],
)
def test_symbols_stand_for_targets_and_places(code: str, expected: str, symbol: str) -> None:
    shown = text(bytes.fromhex(code), 0x1000, name_at)
    assert str(shown) == expected
    assert (TokenKind.SYMBOL, symbol) in shown.tokens


def test_a_constant_that_happens_to_be_an_address_keeps_its_number() -> None:
    assert str(text(bytes.fromhex("b8 00100000"), 0, name_at)) == "mov eax, 0x1000"


def test_tokens_are_the_text_in_colours() -> None:
    shown = text(bytes.fromhex("c7 43 04 10000000"))
    assert shown.tokens == (
        (TokenKind.MNEMONIC, "mov"),
        (TokenKind.PUNCTUATION, " "),
        (TokenKind.SIZE, "dword"),
        (TokenKind.PUNCTUATION, " "),
        (TokenKind.PUNCTUATION, "["),
        (TokenKind.REGISTER, "ebx"),
        (TokenKind.PUNCTUATION, "+"),
        (TokenKind.NUMBER, "4"),
        (TokenKind.PUNCTUATION, "]"),
        (TokenKind.PUNCTUATION, ","),
        (TokenKind.PUNCTUATION, " "),
        (TokenKind.NUMBER, "0x10"),
    )


def random_code(rnd: random.Random) -> bytes:
    head = bytes(rnd.choices((0x66, 0x67, 0xF3, 0x26, 0x64), k=rnd.choice((0, 0, 0, 0, 1))))
    return head + (b"\x0f" if rnd.random() < 0.25 else b"") + rnd.randbytes(14)


def check_agreement(bits: int, trials: int) -> None:
    """Whichever of the two wrote a line, the rows would have written the same."""
    rnd = random.Random(bits)
    for _ in range(trials):
        code = random_code(rnd)
        try:
            insn = decode(code, bits)
        except DecodeError:
            continue
        shown = text(code, 0x1000, bits=bits)
        assert str(shown) == str(row_text(insn, 0x1000, bits=bits)), code.hex()
        assert "".join(piece for _, piece in shown.tokens) == str(shown)


@pytest.mark.parametrize("bits", [32, 16])
def test_capstones_words_and_the_rows_words_are_the_same(bits: int) -> None:
    check_agreement(bits, 5_000)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bits", [32, 16])
def test_capstones_words_and_the_rows_words_are_the_same_for_long(bits: int) -> None:
    check_agreement(bits, 300_000)


def test_a_listing_covers_every_byte_once() -> None:
    code = bytes.fromhex("fa 8b4508 d9e8 ff ff c3")
    shown = list(lines(code, 0x100))
    assert [one.address for one in shown] == [0x100, 0x101, 0x104, 0x106, 0x107]
    assert b"".join(one.code for one in shown) == code
    assert [str(one.text) for one in shown] == ["cli", "mov eax, [ebp+8]", "fld1", "db 0xff", "inc ebx"]
    assert [one.insn is None for one in shown] == [False, False, True, True, False]


def test_an_instruction_the_processor_lacks_is_shown_but_not_decoded() -> None:
    shown = line(bytes.fromhex("d9 e8"))
    assert shown.insn is None
    assert str(shown.text) == "fld1"
