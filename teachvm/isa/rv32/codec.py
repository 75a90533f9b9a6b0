"""32 bits and what they mean, both ways.

Source: RISC-V ISA manual Vol. I, §2.2 and §2.3 (instruction formats, immediates).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from teachvm.isa.rv32.rows import ROWS, Format, Row

LENGTH: Final = 4
"""Bytes of every instruction."""


class IllegalInstructionError(Exception):
    """No row has these bits."""


class ImmediateError(ValueError):
    """An immediate does not fit; the message says in what."""


@dataclass(frozen=True, slots=True)
class Insn:
    """A decoded instruction; registers it has none of are 0, and `imm` is signed where the format's is."""

    row: Row
    rd: int
    rs1: int
    rs2: int
    imm: int


_BY_OPCODE: Final[dict[int, tuple[Row, ...]]] = {
    opcode: tuple(row for row in ROWS if row.match & 0x7F == opcode) for opcode in {row.match & 0x7F for row in ROWS}
}


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _immediate(word: int, format_: Format) -> int:
    match format_:
        case Format.I | Format.LOAD | Format.JALR:
            return _signed(word >> 20, 12)
        case Format.SHIFT:
            return word >> 20 & 31
        case Format.S:
            return _signed(word >> 25 << 5 | word >> 7 & 31, 12)
        case Format.B:
            value = word >> 31 << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1
            return _signed(value, 13)
        case Format.U:
            return word & 0xFFFF_F000
        case Format.J:
            value = word >> 31 << 20 | (word >> 12 & 255) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 1023) << 1
            return _signed(value, 21)
        case _:
            return 0


@lru_cache(maxsize=1 << 14)
def decode(word: int) -> Insn:
    """The instruction that 32 bits are.

    Raises:
        IllegalInstructionError: They are none.
    """
    for row in _BY_OPCODE.get(word & 0x7F, ()):
        if word & row.mask == row.match:
            form = row.format
            has_rd = form not in (Format.S, Format.B, Format.FENCE, Format.NONE)
            has_rs1 = form not in (Format.U, Format.J, Format.FENCE, Format.NONE)
            has_rs2 = form in (Format.R, Format.S, Format.B)
            return Insn(
                row,
                word >> 7 & 31 if has_rd else 0,
                word >> 15 & 31 if has_rs1 else 0,
                word >> 20 & 31 if has_rs2 else 0,
                _immediate(word, form),
            )
    raise IllegalInstructionError


def encode(row: Row, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The 32 bits of an instruction.

    Args:
        row: Which.
        rd: Destination register, if the format has one.
        rs1: First source register.
        rs2: Second source register.
        imm: Immediate, offset or shift amount; of LUI and AUIPC the value of the upper 20 bits, in place.

    Raises:
        ImmediateError: It does not fit, or a target is not at an even distance.
    """
    word = row.match | rd << 7 | rs1 << 15 | rs2 << 20
    match row.format:
        case Format.I | Format.LOAD | Format.JALR:
            return word | _fit(imm, 12) << 20
        case Format.SHIFT:
            if not 0 <= imm < 32:
                raise ImmediateError(f"a shift by {imm} is not 0 to 31")
            return word | imm << 20
        case Format.S:
            value = _fit(imm, 12)
            return word | (value & 31) << 7 | value >> 5 << 25
        case Format.B:
            value = _fit_even(imm, 13)
            return word | (value >> 11 & 1) << 7 | (value >> 1 & 15) << 8 | (value >> 5 & 63) << 25 | value >> 12 << 31
        case Format.U:
            if imm & 0xFFF or not -(1 << 31) <= imm < 1 << 32:
                raise ImmediateError(f"{imm:#x} is no upper immediate: the low 12 bits must be zero")
            return word | imm & 0xFFFF_F000
        case Format.J:
            value = _fit_even(imm, 21)
            low = (value >> 1 & 1023) << 21 | (value >> 11 & 1) << 20 | (value >> 12 & 255) << 12
            return word | low | value >> 20 << 31
        case Format.FENCE:
            return word | 0x0FF0_0000
        case _:
            return word


def _fit(value: int, bits: int) -> int:
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ImmediateError(f"{value} does not fit in {bits} signed bits")
    return value & (1 << bits) - 1


def _fit_even(value: int, bits: int) -> int:
    if value & 1:
        raise ImmediateError(f"the distance {value} is odd")
    return _fit(value, bits)
