"""Every row encodes and decodes back; the assembler's choices are NASM's."""

import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa.addressing import default_segment
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.encode import (
    EncodeError,
    OperandsError,
    RangeError,
    Request,
    SizeNeededError,
    UnknownMnemonicError,
    encode,
    encode_as,
)
from teachvm.isa.fit import Target
from teachvm.isa.operands import (
    DS,
    EAX,
    EBP,
    EBX,
    ECX,
    EDI,
    ES,
    ESI,
    ESP,
    FS,
    SS,
    Creg,
    Dreg,
    Far,
    Imm,
    Mem,
    Operand,
    Reg,
    Rel,
    Sreg,
)
from teachvm.isa.pattern import Kind, OperandCode, Pattern
from teachvm.isa.rows import PATTERNS
from teachvm.isa.text import row_text

SIZED_BY_PREFIX = {
    *("RET", "RETF", "LEAVE", "ENTER", "LGDT", "LIDT", "SGDT", "SIDT", "JMPF", "CALLF", "JMP", "CALL", "PUSH", "POP"),
}
AX, DX, EAX32, EBX32 = Reg(EAX, 16), Reg(2, 16), Reg(EAX, 32), Reg(EBX, 32)


def address(rnd: random.Random, width: int, adsize: int) -> Mem:
    """Any address the bytes can hold, in the form decoding gives."""
    segment = rnd.randrange(6)
    disp = rnd.choice((0, 1, -1, 0x7F, -0x80, 0x80, rnd.randrange(-0x8000, 0x8000)))
    if rnd.random() < 0.15:
        return Mem(segment, None, None, 1, disp & (1 << adsize) - 1, width, adsize)
    if adsize == 16:
        base, index = rnd.choice(
            [(EBX, ESI), (EBX, EDI), (EBP, ESI), (EBP, EDI), (ESI, None), (EBX, None), (EBP, None)]
        )
        return Mem(segment, base, index, 1, disp, width, 16)
    index = rnd.choice((None, 0, 1, 2, 3, 5, 6, 7))
    scale = 1 if index is None else rnd.choice((1, 2, 4, 8))
    base = rnd.randrange(8) if index is None or scale == 1 else rnd.choice((None, *range(8)))
    return Mem(segment, base, index, scale, disp, width, 32)


def operand(  # noqa: PLR0911, PLR0912 - one case for each letter of the notation
    code: OperandCode, pattern: Pattern, opsize: int, adsize: int, rnd: random.Random
) -> Operand:
    """A random operand that `code` can hold."""
    width = code.width(opsize)
    segment = rnd.randrange(6)
    match code.kind:
        case Kind.E if pattern.register and rnd.random() < 0.4:
            return Reg(rnd.randrange(8), width)
        case Kind.E | Kind.M:
            return address(rnd, code.memory_width(opsize), adsize)
        case Kind.G | Kind.Z:
            return Reg(rnd.randrange(8), width)
        case Kind.R:
            return Reg(rnd.randrange(8), 32)
        case Kind.D:
            return Dreg(rnd.randrange(8))
        case Kind.I if code.size == "bs":
            return Imm(rnd.randrange(-0x80, 0x80) & (1 << width) - 1, width)
        case Kind.I:
            return Imm(rnd.getrandbits(width), width)
        case Kind.J:
            return Rel(rnd.randrange(-(1 << width - 1), 1 << width - 1))
        case Kind.A:
            return Far(rnd.getrandbits(16), rnd.getrandbits(opsize))
        case Kind.O:
            return Mem(segment, None, None, 1, rnd.getrandbits(adsize), width, adsize)
        case Kind.X:
            return Mem(segment, ESI, None, 1, 0, width, adsize)
        case Kind.Y:
            return Mem(ES, EDI, None, 1, 0, width, adsize)
        case Kind.B:
            return Mem(segment, EBX, None, 1, 0, width, adsize)
        case Kind.REGISTER:
            return Reg(code.number, width)
        case Kind.SEGMENT:
            return Sreg(code.number)
        case Kind.CONTROL:
            return Creg(code.number)
        case Kind.CONSTANT:
            return Imm(code.number, 8)


def samples(pattern: Pattern, bits: int, count: int, seed: int) -> Iterator[tuple[tuple[Operand, ...], int, int]]:
    rnd = random.Random(f"{pattern.row.encoding} {pattern.row.syntax} {bits} {seed}")
    for _ in range(count):
        opsize, adsize = rnd.choice((16, 32)), rnd.choice((16, 32))
        yield tuple(operand(code, pattern, opsize, adsize, rnd) for code in pattern.operands), opsize, adsize


@pytest.mark.parametrize("bits", [32, 16])
def test_every_row_encodes_and_decodes_back_to_itself(bits: int) -> None:
    for pattern in PATTERNS:
        for operands, opsize, adsize in samples(pattern, bits, 8, seed=1):
            code = encode_as(pattern, operands, opsize, Request(bits=bits, adsize=adsize))
            insn = decode(code, bits)
            assert (insn.row, insn.operands, insn.length) == (pattern.row, operands, len(code)), code.hex()
            assert insn.opsize == opsize


@pytest.mark.parametrize("bits", [32, 16])
def test_the_shortest_encoding_means_the_same(bits: int) -> None:
    for pattern in PATTERNS:
        for operands, opsize, adsize in samples(pattern, bits, 4, seed=2):
            request = Request(bits=bits, opsize=opsize, adsize=adsize)
            chosen = encode(pattern.row.name(opsize, adsize), operands, request)
            insn = decode(chosen, bits)
            longest = encode_as(pattern, operands, opsize, request)
            assert insn.mnemonic == pattern.row.name(opsize, adsize)
            assert len(chosen) <= len(longest)
            assert meaning(insn) == meaning(decode(longest, bits)), chosen.hex()


def meaning(insn: Insn) -> tuple[object, ...]:
    """What two encodings must have in common."""
    operands = tuple(loose(one) for one in insn.operands)
    # Elsewhere the name or the operands tell the size, or it means nothing.
    size = insn.opsize if insn.row.mnemonic in SIZED_BY_PREFIX else None
    if insn.row.mnemonic in ("XCHG", "TEST"):
        return insn.mnemonic, size, frozenset(operands)
    return insn.mnemonic, size, operands


def loose(one: Operand) -> object:
    """An operand without how it was written: a constant's width, `eax*2` or `eax+eax`."""
    if isinstance(one, Imm):
        return one.value
    if not isinstance(one, Mem):
        return one
    factors = Counter({one.base: 1} if one.base is not None else {})
    if one.index is not None:
        factors[one.index] += one.scale
    adsize = one.adsize if factors else None
    return one.segment, tuple(sorted(factors.items())), one.disp & (1 << one.adsize) - 1, one.width, adsize


@given(st.binary(min_size=15, max_size=15), st.sampled_from([16, 32]))
def test_what_decodes_can_be_encoded_to_the_same_meaning(code: bytes, bits: int) -> None:
    try:
        insn = decode(code, bits)
    except DecodeError:
        return
    request = Request(bits=bits, opsize=insn.opsize, adsize=insn.adsize, lock=insn.lock, rep=insn.rep)
    again = decode(encode(insn.mnemonic, insn.operands, request), bits)
    assert meaning(again) == meaning(insn)
    assert (again.lock, again.rep) == (insn.lock, insn.rep)


def mem(base: int | None = None, index: int | None = None, scale: int = 1, disp: int = 0, width: int = 0) -> Mem:
    return Mem(default_segment(base), base, index, scale, disp, width)


@pytest.mark.parametrize(
    ("mnemonic", "operands", "expected"),
    [
        ("mov", (EAX32, EBX32), "89d8"),
        ("mov", (EAX32, mem(disp=0x1000)), "a100100000"),
        ("mov", (mem(EBX), EAX32), "8903"),
        ("mov", (Sreg(DS), AX), "8ed8"),
        ("mov", (Sreg(DS), EAX32), "8ed8"),
        ("mov", (mem(EBX), Sreg(DS)), "8c1b"),
        ("mov", (Creg(3), EAX32), "0f22d8"),
        ("mov", (mem(EBX, width=32), Imm(1, 0)), "c70301000000"),
        ("mov", (mem(EBX), Imm(1, 32)), "c70301000000"),
        ("add", (EAX32, Imm(5, 0)), "83c005"),
        ("add", (EAX32, Imm(-1, 0)), "83c0ff"),
        ("add", (EAX32, Imm(0x1234, 0)), "0534120000"),
        ("add", (Reg(0, 8), Imm(5, 0)), "0405"),
        ("add", (AX, Imm(0xFFFF, 0)), "6605ffff"),
        ("push", (Imm(5, 0),), "6a05"),
        ("push", (Imm(5, 32),), "6a05"),
        ("push", (Imm(5, 16),), "666a05"),
        ("push", (Imm(0x1234, 0),), "6834120000"),
        ("push", (Sreg(FS),), "0fa0"),
        ("pushf", (), "9c"),
        ("pushfd", (), "9c"),
        ("pushfw", (), "669c"),
        ("iret", (), "cf"),
        ("cbw", (), "6698"),
        ("movsd", (), "a5"),
        ("movsw", (), "66a5"),
        ("xchg", (EAX32, EBX32), "93"),
        ("xchg", (EBX32, EAX32), "93"),
        ("test", (EAX32, mem(EBX)), "8503"),
        ("shl", (EAX32, Imm(1, 0)), "d1e0"),
        ("sal", (EAX32, Imm(2, 0)), "c1e002"),
        ("aam", (), "d40a"),
        ("jz", (Rel(5),), "7405"),
        ("jmpf", (Far(8, 0x100000),), "ea000010000800"),
        ("call", (mem(EBX),), "ff13"),
        ("lgdt", (mem(disp=0x500),), "0f011500050000"),
        ("lea", (EAX32, mem(None, ECX, 4, 8)), "8d048d08000000"),
        ("imul", (EAX32, EBX32, Imm(5, 0)), "6bc305"),
        ("bt", (EAX32, Imm(31, 0)), "0fbae01f"),
        ("in", (Reg(0, 8), Imm(0x60, 0)), "e460"),
        ("out", (DX, Reg(0, 8)), "ee"),
        ("int", (Imm(0x80, 0),), "cd80"),
        ("enter", (Imm(16, 0), Imm(0, 0)), "c8100000"),
        ("jcxz", (Rel(0),), "67e300"),
        ("mov", (EAX32, mem(EBP)), "8b4500"),
        ("mov", (EAX32, mem(ESP)), "8b0424"),
        ("mov", (EAX32, Mem(DS, EBP, None, 1, 0, 0)), "3e8b4500"),
        ("mov", (EAX32, Mem(SS, EBX, ESP, 1, 0, 0)), "8b041c"),
    ],
)
def test_the_choice_between_forms_is_nasms(mnemonic: str, operands: tuple[Operand, ...], expected: str) -> None:
    assert encode(mnemonic, operands).hex() == expected


@pytest.mark.parametrize(
    ("mnemonic", "operands", "request_", "expected"),
    [
        ("jmp", (Target(0x100),), Request(at=0xFE), "eb00"),
        ("jmp", (Target(0x100),), Request(at=0xFE, reach="near"), "e9fdffffff"),
        ("jmp", (Target(0x1000),), Request(), "e9fb0f0000"),
        ("jmp", (Target(0),), Request(at=0x80), "e97bffffff"),
        ("jmp", (Target(0xFFFFFFF0),), Request(), "ebee"),
        ("je", (Target(0x1000),), Request(at=0x10), "0f84ea0f0000"),
        ("jmp", (Target(0x10),), Request(bits=16, at=0xFFF0), "eb1e"),
        ("movsb", (), Request(rep="rep"), "f3a4"),
        ("lodsb", (), Request(segment=FS), "64ac"),
        ("inc", (mem(EBX, width=32),), Request(lock=True), "f0ff03"),
        ("add", (EAX32, Imm(5, 0)), Request(wide=True), "0505000000"),
        ("jmp", (Target(0x100),), Request(at=0xFE, wide=True), "e9fdffffff"),
        ("mov", (EAX32, mem(EBX, disp=4)), Request(wide_disp=True), "8b8304000000"),
        ("loop", (Target(0),), Request(wide=True), "e2fe"),
        ("jmpf", (Far(8, 0x1000),), Request(bits=16, opsize=32), "66ea001000000800"),
        ("mov", (EAX32, mem(disp=0x10)), Request(segment=DS), "3ea110000000"),
        ("mov", (EAX32, EBX32), Request(bits=16), "6689d8"),
        ("iret", (), Request(bits=16), "cf"),
        ("iretd", (), Request(bits=16), "66cf"),
    ],
)
def test_what_the_author_asks_for_is_honoured(
    mnemonic: str, operands: tuple[Operand | Target, ...], request_: Request, expected: str
) -> None:
    assert encode(mnemonic, operands, request_).hex() == expected


@pytest.mark.parametrize(
    ("mnemonic", "operands", "request_", "error"),
    [
        ("mvo", (EAX32, EBX32), Request(), UnknownMnemonicError),
        ("mov", (mem(EBX), mem(EBX)), Request(), OperandsError),
        ("mov", (EAX32, AX), Request(), OperandsError),
        ("mov", (Sreg(1), AX), Request(), OperandsError),
        ("mov", (Creg(1), EAX32), Request(), OperandsError),
        ("lea", (EAX32, EBX32), Request(), OperandsError),
        ("hlt", (EAX32,), Request(), OperandsError),
        ("mov", (EAX32,), Request(), OperandsError),
        ("mov", (mem(EBX), Imm(1, 0)), Request(), SizeNeededError),
        ("inc", (mem(EBX),), Request(), SizeNeededError),
        ("push", (mem(EBX),), Request(), SizeNeededError),
        ("movzx", (EAX32, mem(EBX)), Request(), SizeNeededError),
        ("mov", (Reg(0, 8), Imm(256, 0)), Request(), RangeError),
        ("mov", (Reg(0, 8), Imm(-129, 0)), Request(), RangeError),
        ("mov", (EAX32, Imm(1 << 32, 0)), Request(), RangeError),
        ("int", (Imm(256, 0),), Request(), RangeError),
        ("ret", (Imm(70000, 0),), Request(), RangeError),
        ("jmp", (Target(0x1000),), Request(reach="short"), RangeError),
        ("loop", (Target(0x1000),), Request(), RangeError),
        ("loop", (Target(0),), Request(reach="near"), OperandsError),
        ("mov", (EAX32, mem(EBX, ESP, 2)), Request(), OperandsError),
        ("mov", (EAX32, mem(EBX, ECX, 3)), Request(), OperandsError),
        ("mov", (EAX32, Mem(DS, ECX, None, 1, 0, 0, 16)), Request(), OperandsError),
        ("mov", (EAX32, mem(EBX, disp=1 << 32)), Request(), OperandsError),
        ("mov", (EAX32, EBX32), Request(lock=True), OperandsError),
        ("mov", (mem(EBX), EBX32), Request(lock=True), OperandsError),
        ("jmpf", (Far(8, 0x10000),), Request(opsize=16), RangeError),
    ],
)
def test_what_cannot_be_encoded_is_an_error_in_words(
    mnemonic: str, operands: tuple[Operand | Target, ...], request_: Request, error: type[EncodeError]
) -> None:
    with pytest.raises(error) as caught:
        encode(mnemonic, operands, request_)
    assert str(caught.value)


def nasm_refuses(insn: Insn) -> bool:
    """Forms NASM has no words for: BSWAP of 16 bits, and extensions of 16 bits to 16."""
    return insn.opsize == 16 and insn.row.syntax in ("BSWAP Zv", "MOVZX Gv,Ew", "MOVSX Gv,Ew")


@pytest.mark.skipif(which("nasm") is None, reason="nasm is not installed")
@pytest.mark.parametrize("bits", [32, 16])
def test_nasm_gives_our_text_the_same_length_and_meaning(bits: int, tmp_path: Path) -> None:
    """Write every row in words, let NASM assemble them, and read NASM's bytes back."""
    insns: list[Insn] = []
    for pattern in PATTERNS:
        if any(code.kind is Kind.J for code in pattern.operands):
            continue  # a branch depends on where it stands
        for operands, opsize, adsize in samples(pattern, bits, 3, seed=3):
            request = Request(bits=bits, opsize=opsize, adsize=adsize)
            insn = decode(encode(pattern.row.name(opsize, adsize), operands, request), bits)
            if not nasm_refuses(insn):
                insns.append(insn)
    source, binary = tmp_path / "rows.asm", tmp_path / "rows.bin"
    source.write_text(f"bits {bits}\n" + "\n".join(str(row_text(insn, bits=bits)) for insn in insns) + "\n")
    done = subprocess.run(
        ["nasm", "-Ox", "-f", "bin", "-o", binary, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    code = binary.read_bytes()
    position = 0
    for insn in insns:
        again = decode(code[position : position + 15], bits)
        assert meaning(again) == meaning(insn), str(row_text(insn, bits=bits))
        position += again.length
    assert position == len(code)
