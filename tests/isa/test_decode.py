"""Prefixes, operand forms and refusals, each as the manual states it."""

import pytest

from teachvm.isa.decode import ByteField, Insn, TooLong, Truncated, UndefinedOpcode, decode
from teachvm.isa.operands import (
    CS,
    DS,
    EAX,
    EBP,
    EBX,
    ECX,
    EDI,
    EDX,
    ES,
    ESI,
    ESP,
    FS,
    GS,
    SS,
    Creg,
    Dreg,
    Far,
    Imm,
    Mem,
    Reg,
    Rel,
    Sreg,
)


def dec(text: str, bits: int = 32) -> Insn:
    return decode(bytes.fromhex(text), bits)


def memory(text: str, bits: int = 32) -> Mem:
    return next(one for one in dec(text, bits).operands if isinstance(one, Mem))


@pytest.mark.parametrize(
    ("code", "operands"),
    [
        ("01 d8", (Reg(EAX, 32), Reg(EBX, 32))),
        ("66 01 d8", (Reg(EAX, 16), Reg(EBX, 16))),
        ("00 e0", (Reg(0, 8), Reg(4, 8))),
        ("b8 78563412", (Reg(EAX, 32), Imm(0x12345678, 32))),
        ("66 b8 3412", (Reg(EAX, 16), Imm(0x1234, 16))),
        ("83 c0 ff", (Reg(EAX, 32), Imm(0xFFFFFFFF, 32))),
        ("66 83 c0 80", (Reg(EAX, 16), Imm(0xFF80, 16))),
        ("6a ff", (Imm(0xFFFFFFFF, 32),)),
        ("d1 e0", (Reg(EAX, 32), Imm(1, 8))),
        ("d3 e0", (Reg(EAX, 32), Reg(ECX, 8))),
        ("8e d8", (Sreg(DS), Reg(EAX, 16))),
        ("8c d8", (Reg(EAX, 32), Sreg(DS))),
        ("0f 22 d8", (Creg(3), Reg(EAX, 32))),
        ("0f 21 f8", (Reg(EAX, 32), Dreg(7))),
        ("ea 00001000 0800", (Far(8, 0x100000),)),
        ("66 ea 0010 0800", (Far(8, 0x1000),)),
        ("eb fe", (Rel(-2),)),
        ("e8 00010000", (Rel(0x100),)),
        ("66 e9 0080", (Rel(-0x8000),)),
        ("c8 1000 02", (Imm(16, 16), Imm(2, 8))),
        ("ee", (Reg(EDX, 16), Reg(EAX, 8))),
        ("91", (Reg(ECX, 32), Reg(EAX, 32))),
        ("0f b7 c1", (Reg(EAX, 32), Reg(ECX, 16))),
        ("a5", (Mem(ES, EDI, None, 1, 0, 32), Mem(DS, ESI, None, 1, 0, 32))),
        ("64 67 66 a5", (Mem(ES, EDI, None, 1, 0, 16, 16), Mem(FS, ESI, None, 1, 0, 16, 16))),
        ("26 d7", (Mem(ES, EBX, None, 1, 0, 8),)),
    ],
)
def test_operands_are_bound_as_the_row_says(code: str, operands: tuple[object, ...]) -> None:
    assert dec(code).operands == operands


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("8b 00", Mem(DS, EAX, None, 1, 0, 32)),
        ("8b 45 08", Mem(SS, EBP, None, 1, 8, 32)),
        ("8b 45 f8", Mem(SS, EBP, None, 1, -8, 32)),
        ("8b 04 24", Mem(SS, ESP, None, 1, 0, 32)),
        ("8b 84 8d 00010000", Mem(SS, EBP, ECX, 4, 0x100, 32)),
        ("8b 04 8d 00f0ffff", Mem(DS, None, ECX, 4, -0x1000, 32)),
        ("8b 05 00f0ffff", Mem(DS, None, None, 1, 0xFFFFF000, 32)),
        ("8b 04 25 00f0ffff", Mem(DS, None, None, 1, 0xFFFFF000, 32)),
        ("8b 04 e4", Mem(SS, ESP, None, 1, 0, 32)),
        ("65 8b 45 00", Mem(GS, EBP, None, 1, 0, 32)),
        ("a1 00f0ffff", Mem(DS, None, None, 1, 0xFFFFF000, 32)),
        ("67 8b 02", Mem(SS, EBP, ESI, 1, 0, 32, 16)),
        ("67 8b 06 3412", Mem(DS, None, None, 1, 0x1234, 32, 16)),
        ("67 8b 46 fe", Mem(SS, EBP, None, 1, -2, 32, 16)),
        ("67 8b 87 ffff", Mem(DS, EBX, None, 1, -1, 32, 16)),
        ("67 a1 3412", Mem(DS, None, None, 1, 0x1234, 32, 16)),
        ("0f b6 00", Mem(DS, EAX, None, 1, 0, 8)),
        ("8c 18", Mem(DS, EAX, None, 1, 0, 16)),
        ("0f 01 10", Mem(DS, EAX, None, 1, 0, 48)),
        ("ff 28", Mem(DS, EAX, None, 1, 0, 48)),
        ("66 ff 28", Mem(DS, EAX, None, 1, 0, 32)),
        ("0f c7 08", Mem(DS, EAX, None, 1, 0, 64)),
        ("8d 00", Mem(DS, EAX, None, 1, 0, 0)),
    ],
)
def test_addresses_follow_modrm_and_sib(code: str, expected: Mem) -> None:
    assert memory(code) == expected


def test_in_sixteen_bit_code_the_prefixes_turn_around() -> None:
    assert dec("b8 3412", 16).operands == (Reg(EAX, 16), Imm(0x1234, 16))
    assert dec("66 b8 78563412", 16).operands == (Reg(EAX, 32), Imm(0x12345678, 32))
    assert memory("8b 07", 16) == Mem(DS, EBX, None, 1, 0, 16, 16)
    assert memory("67 8b 07", 16) == Mem(DS, EDI, None, 1, 0, 16, 32)


def test_of_several_segment_prefixes_the_last_counts() -> None:
    assert memory("2e 64 8b 00").segment == FS
    assert memory("64 2e 8b 00").segment == CS


def test_of_several_repeat_prefixes_the_last_counts() -> None:
    assert dec("f2 f3 a4").rep == "rep"
    assert dec("f3 f2 a4").rep == "repne"
    assert dec("a4").rep == ""


@pytest.mark.parametrize(
    ("code", "mnemonic"),
    [
        ("9c", "PUSHFD"),
        ("66 9c", "PUSHFW"),
        ("cf", "IRETD"),
        ("66 a5", "MOVSW"),
        ("66 98", "CBW"),
        ("98", "CWDE"),
        ("e3 00", "JECXZ"),
        ("67 e3 00", "JCXZ"),
        ("90", "NOP"),
        ("f3 90", "NOP"),
    ],
)
def test_a_name_tells_the_size(code: str, mnemonic: str) -> None:
    assert dec(code).mnemonic == mnemonic


@pytest.mark.parametrize("code", ["f0 01 00", "f0 ff 00", "f0 0f b1 08", "f0 0f ba 28 01", "f0 87 00", "f0 0f c7 08"])
def test_lock_is_allowed_before_a_memory_destination(code: str) -> None:
    assert dec(code).lock


@pytest.mark.parametrize(
    "code",
    [
        "f0 90",
        "f0 89 00",
        "f0 01 c0",
        "f0 03 00",
        "f0 39 00",
        "f0 83 38 00",
        "f0 0f a3 00",
        "f0 0f ba 20 01",
        "f0 fa",
        "f0 a4",
        "f0 87 c0",
    ],
)
def test_lock_elsewhere_is_undefined(code: str) -> None:
    with pytest.raises(UndefinedOpcode):
        dec(code)


@pytest.mark.parametrize(
    "code",
    [
        "8d c0",
        "62 c0",
        "c4 c0",
        "c5 c0",
        "0f b2 c0",
        "0f 01 d0",
        "0f 01 c0",
        "0f 01 f8",
        "0f 01 28",
        "0f c7 c8",
        "0f c7 00",
        "ff d8",
        "ff e8",
        "ff 38",
        "fe 10",
        "8f 08",
        "c6 08 00",
        "8e c8",
        "8e f0",
        "8c f0",
        "0f 20 c8",
        "0f 22 e8",
        "0f 00 30",
        "0f ba 00 00",
        "0f aa",
        "0f ff",
        "0f 0f 00 00",
        "d9 e8",
        "0f 58 c1",
        "0f 24 c0",
    ],
)
def test_what_has_no_row_is_undefined(code: str) -> None:
    with pytest.raises(UndefinedOpcode):
        dec(code + " 00" * 8)


def test_moves_to_control_registers_ignore_mod() -> None:
    assert dec("0f 22 18").operands == dec("0f 22 d8").operands
    assert dec("0f 22 18").length == 3


def test_fifteen_bytes_are_the_most() -> None:
    assert dec("66 " * 14 + "90").length == 15
    with pytest.raises(TooLong):
        dec("66 " * 15 + "90")
    with pytest.raises(TooLong):
        dec("2e " * 10 + "c7 00 00000000")


@pytest.mark.parametrize(
    "code", ["", "66", "0f", "8b", "8b 84", "8b 84 24 0000", "b8 000000", "c8 0000", "ea 00000000 00"]
)
def test_a_cut_instruction_asks_for_more(code: str) -> None:
    with pytest.raises(Truncated):
        dec(code)


def test_too_many_prefixes_alone_are_too_long_even_when_cut() -> None:
    with pytest.raises(TooLong):
        dec("66 " * 15)


def test_every_cut_of_an_instruction_asks_for_more() -> None:
    whole = bytes.fromhex("66 2e 81 84 8d 78563412 cdab")
    assert decode(whole).length == len(whole)
    for size in range(len(whole)):
        with pytest.raises(Truncated):
            decode(whole[:size])


def test_fields_cover_the_bytes_in_order() -> None:
    assert dec("66 2e 81 84 8d 78563412 cdab").fields == (
        ByteField("prefix", 0, 1),
        ByteField("prefix", 1, 1),
        ByteField("opcode", 2, 1),
        ByteField("modrm", 3, 1),
        ByteField("sib", 4, 1),
        ByteField("disp", 5, 4),
        ByteField("imm", 9, 2),
    )
    assert dec("0f 20 c0").fields == (ByteField("opcode", 0, 2), ByteField("modrm", 2, 1))


def test_bytes_after_the_instruction_do_not_matter() -> None:
    assert dec("01 d8") == dec("01 d8 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff")
