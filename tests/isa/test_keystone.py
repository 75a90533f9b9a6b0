"""Keystone agrees with the opcode rows, or is known to be wrong, or there is an error that names both."""

import random
from collections.abc import Iterator

import pytest

from teachvm.isa import keystone
from teachvm.isa.addressing import default_segment
from teachvm.isa.assembler import AsmError, assemble
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.encode import EncodeError, Request, encode_as
from teachvm.isa.keystone import FAULTS, Agreement, DisagreementError, agreement, asked, same, statement
from teachvm.isa.operands import DS, EBX, EDI, ES, ESI, Creg, Dreg, Far, Imm, Mem, Operand, Reg, Rel, Sreg
from teachvm.isa.pattern import Kind, OperandCode, Pattern
from teachvm.isa.rows import PATTERNS

installed = pytest.mark.skipif(not keystone.INSTALLED, reason="there is no keystone for this platform")

CONSTANTS = (0, 1, 5, 0x7F, 0x80, 0xFF, 0x1234, 0x8000, 0xFF80, 0xFFF0, 0xFFFF, 0x12345678, 0xFFFFFF80, 0xFFFFFFFF)


def _memory(choose: random.Random, width: int) -> Mem:
    base = choose.choice((None, *range(8)))
    index = choose.choice((None, None, 0, 1, 2, 3, 5, 6, 7))
    scale = 1 if index is None else choose.choice((1, 2, 4, 8))
    if base is None and scale == 1:
        base, index = index, None
    disp = choose.choice((0, 4, -4, 127, -128, 128, 0x12345678, -0x1000))
    segment = default_segment(base) if choose.random() < 0.7 else choose.randrange(6)
    return Mem(segment, base, index, scale, disp if base is not None or index is not None else abs(disp), width)


def _operand(choose: random.Random, code: OperandCode, pattern: Pattern, opsize: int) -> Operand:
    """Some operand that can stand where a row has this word."""
    width = code.width(opsize)
    fixed = {
        Kind.REGISTER: Reg(code.number, width),
        Kind.SEGMENT: Sreg(code.number),
        Kind.CONTROL: Creg(code.number),
        Kind.CONSTANT: Imm(code.number, 8),
        Kind.X: Mem(DS, ESI, None, 1, 0, width),
        Kind.Y: Mem(ES, EDI, None, 1, 0, width),
        Kind.B: Mem(DS, EBX, None, 1, 0, width),
        Kind.O: Mem(DS, None, None, 1, 0x1234, width),
    }
    if code.kind in fixed:
        return fixed[code.kind]
    match code.kind:
        case Kind.E if pattern.register and choose.random() < 0.5:
            return Reg(choose.randrange(8), width)
        case Kind.E | Kind.M:
            return _memory(choose, code.memory_width(opsize))
        case Kind.G | Kind.Z | Kind.R:
            return Reg(choose.randrange(8), 32 if code.kind is Kind.R else width)
        case Kind.D:
            return Dreg(choose.choice((0, 1, 2, 3, 6, 7)))
        case Kind.I:
            small = choose.choice((0, 1, 5, 127, -1, -128)) & (1 << width) - 1
            return Imm(small if code.size == "bs" else choose.choice(CONSTANTS) & (1 << width) - 1, width)
        case Kind.J:
            return Rel(choose.choice((0, 5, -5, 127, -128) if code.size == "b" else (5, 1000, -1000, 0x5432)))
        case _:
            return Far(8, choose.choice((0x10, 0x1234, 0x123456)) & (1 << opsize) - 1)


def _instructions(seed: int, each: int) -> Iterator[bytes]:
    """Every row with both operand sizes, each with some random operands."""
    choose = random.Random(seed)
    for pattern in PATTERNS:
        for opsize in (32, 16):
            for _ in range(each):
                operands = tuple(_operand(choose, code, pattern, opsize) for code in pattern.operands)
                try:
                    yield encode_as(pattern, operands, opsize, Request(opsize=opsize))
                except EncodeError:
                    continue


def _check_all_rows(seed: int, each: int) -> dict[Agreement, int]:
    counts = dict.fromkeys(Agreement, 0)
    for code in _instructions(seed, each):
        counts[agreement(code)] += 1
    return counts


@installed
def test_keystone_agrees_on_every_row_with_random_operands():
    counts = _check_all_rows(1, 6)
    assert counts[Agreement.AGREED] > 2500
    assert counts[Agreement.EQUAL] > 800
    assert counts[Agreement.KNOWN_FAULT] < 0.1 * sum(counts.values())


@installed
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 8))
def test_keystone_agrees_on_every_row_with_many_random_operands(seed):
    _check_all_rows(seed, 60)


@pytest.fixture(scope="module")
def decoded() -> list[Insn]:
    """Instructions of every row."""
    return [decode(code) for code in _instructions(9, 12)]


@installed
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_known_fault_is_still_one(fault, decoded):
    answers = []
    for insn in decoded:
        if fault.concerns(insn) and sum(other.concerns(insn) for other in FAULTS) == 1:
            try:
                theirs = asked(statement(insn))
            except ValueError:  # no statement keystone could be given says this
                answers.append(False)
                continue
            try:
                answers.append(bool(theirs) and same(insn, decode(theirs)))
            except DecodeError:
                answers.append(False)
    assert answers
    assert not all(answers)


@installed
def test_a_disagreement_names_both(monkeypatch):
    monkeypatch.setattr(keystone, "asked", lambda _: b"\x90")
    agreement.cache_clear()
    with pytest.raises(DisagreementError) as caught:
        agreement(b"\x89\xd8")
    assert str(caught.value) == "'mov eax, ebx' is 89 d8 by the opcode rows, but keystone says 90"
    with pytest.raises(AsmError) as told:
        assemble(" nop\n mov eax, ebx")
    assert str(told.value) == (
        "guest.asm:2:2: 'mov eax, ebx' is 89 d8 by the opcode rows, but keystone says 90, one of the two is wrong"
    )
    monkeypatch.setattr(keystone, "asked", lambda _: b"")
    agreement.cache_clear()
    with pytest.raises(DisagreementError, match="'nop' is 90 by the opcode rows, but keystone refuses it"):
        agreement(b"\x90")
    agreement.cache_clear()


@installed
@pytest.mark.parametrize(
    "text",
    [
        "%eax",
        "= 5",
        "*nop",
        ")sti",
        '.ascii "abc',
        ".text",
        "nop; nop",
        "mov eax, [",
        "nop\n",
        ".incbin '/etc/hostname'",
        "",
    ],
)
def test_what_keystone_hangs_on_is_never_given_to_it(text):
    with pytest.raises(ValueError, match="not a canonical statement"):
        asked(text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("89d8", "mov eax, ebx"),
        ("668945fc", "mov word ptr [ebp - 0x4], ax"),
        ("26c7048578563412ff000000", "mov dword ptr es:[eax*4 + 0x12345678], 0xff"),
        ("8d4408f0", "lea eax, [eax + ecx*1 - 0x10]"),
        ("a100100000", "mov eax, dword ptr [0x1000]"),
        ("f00fb10b", "lock cmpxchg dword ptr [ebx], ecx"),
        ("f3aa", "rep stosb"),
        ("74fe", "je 0x10000"),
        ("0f20d8", "mov eax, cr3"),
        ("ff2b", "ljmp fword ptr [ebx]"),
        ("cd80", "int 0x80"),
    ],
)
def test_an_instruction_has_one_canonical_statement(code, text):
    assert statement(decode(bytes.fromhex(code))) == text


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        ("89d8", "8bc3", True),  # the two forms of mov
        ("83c005", "0505000000", True),  # a short and a long constant
        ("d1e0", "c1e001", True),  # the form for one
        ("87d8", "93", True),  # registers of xchg in either order
        ("87c0", "90", True),  # nothing exchanged
        ("668ed8", "8ed8", True),  # a prefix without effect
        ("8b0400", "8b044500000000", True),  # [eax + eax] and [eax*2]
        ("8b442d00", "8b046d00000000", False),  # [ebp + ebp] is in SS, [ebp*2] in DS
        ("3e8b03", "8b03", True),  # the segment it has anyway
        ("3e8b4500", "8b4500", False),  # another segment than EBP's own
        ("ebfe", "e9fbffffff", True),  # the same target
        ("ebfe", "e9feffffff", False),  # the same distance, from 5 bytes on
        ("ebfe", "eb00", False),
        ("89d8", "6689d8", False),
        ("c3", "66c3", False),
        ("0f0110", "660f0110", False),  # lgdt of 24 bits
        ("f3a4", "a4", False),
        ("a4", "26a4", False),
        ("01d8", "29d8", False),
    ],
)
def test_equal_encodings_are_those_that_do_the_same(ours, theirs, equal):
    assert same(decode(bytes.fromhex(ours)), decode(bytes.fromhex(theirs))) is equal


def test_16_bit_code_is_not_asked_about():
    assert agreement(b"\x89\xd8", 16) is Agreement.NOT_ASKED


def test_without_keystone_nobody_is_asked(monkeypatch):
    monkeypatch.setattr(keystone, "INSTALLED", False)
    agreement.cache_clear()
    assert agreement(b"\x89\xd8") is Agreement.NOT_ASKED
    agreement.cache_clear()
