"""Every row of the opcode map has exactly one meaning, and no meaning is left without a row."""

import random

import pytest

from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.pattern import Pattern
from teachvm.isa.rows import PATTERNS, ROWS
from teachvm.machine.instructions import MEANINGS, meaning_of
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.operation import Operation


def instances(rng: random.Random, pattern: Pattern, count: int) -> list[Insn]:
    """Decoded instances of a row, memory and register forms."""
    found: list[Insn] = []
    while len(found) < count:
        opcode = rng.choice(pattern.opcodes)
        code = bytearray(rng.choice((b"", b"\x66", b"\x67")))
        code += bytes((0x0F, opcode & 0xFF)) if opcode > 0xFF else bytes((opcode,))
        rest = bytearray(rng.randbytes(12))
        if pattern.modrm and pattern.digit is not None:
            rest[0] = rest[0] & 0xC7 | pattern.digit << 3
        try:
            insn = decode(bytes(code + rest))
        except DecodeError:
            continue
        if insn.row is pattern.row:
            found.append(insn)
    return found


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: f"{pattern.row.encoding} {pattern.row.syntax}")
def test_row_has_exactly_one_meaning_that_takes_its_operands(pattern: Pattern) -> None:
    for insn in instances(random.Random(1), pattern, 12):
        assert meaning_of(insn).function.__doc__
        operation = Operation(insn)
        assert operation.length == insn.length
        assert len(operation.operands) == len(insn.operands)


def test_no_meaning_is_without_a_row() -> None:
    assert set(MEANINGS) == {row.mnemonic for row in ROWS}


def test_a_second_meaning_for_a_mnemonic_is_refused() -> None:
    with pytest.raises(ValueError, match="HLT has a meaning already"):
        meaning("HLT")(lambda cpu: None)
    with pytest.raises(ValueError, match="IMUL has a meaning already"):
        meaning("IMUL")(lambda cpu: None)
