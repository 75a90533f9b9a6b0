"""Which operands can stand where a row has an operand word of the opcode map."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from teachvm.isa.operands import EBX, EDI, ES, ESI, Creg, Dreg, Far, Imm, Mem, Operand, Reg, Rel, Sreg
from teachvm.isa.pattern import Kind, OperandCode, Pattern

# A 32-bit register may be written where these read 16 bits: `mov ds, eax`, `lar eax, ebx`.
_READS_LOW_WORD: Final = frozenset((0x8E, 0x0F02, 0x0F03))
_IMPLICIT_BASES: Final = {Kind.X: ESI, Kind.Y: EDI, Kind.B: EBX}


@dataclass(frozen=True, slots=True)
class Target:
    """A branch target as an address; the distance follows from where the instruction ends."""

    address: int


Source = Operand | Target


class Fit(Enum):
    """How well an operand fits."""

    NO = 0
    RANGE = 1
    """Right kind, but the value is too large."""
    YES = 2


def in_range(value: int, width: int) -> bool:
    """Whether `width` bits hold a constant, read as signed or as unsigned."""
    return -(1 << width - 1) <= value < 1 << width


def _fits_signed_byte(value: int, width: int) -> bool:
    value &= (1 << width) - 1
    return value < 0x80 or value >= (1 << width) - 0x80


def _immediate(code: OperandCode, operand: Imm, opsize: int) -> Fit:
    width = code.width(opsize)
    if code.size == "bs":
        if operand.width not in (0, 8, width):
            return Fit.NO
        ok = in_range(operand.value, width) and _fits_signed_byte(operand.value, width)
        return Fit.YES if ok else Fit.RANGE
    if operand.width not in (0, width):
        return Fit.NO
    return Fit.YES if in_range(operand.value, width) else Fit.RANGE


def _register(code: OperandCode, operand: Source, pattern: Pattern, opsize: int) -> bool:
    if not isinstance(operand, Reg):
        return False
    if operand.width == code.width(opsize):
        return code.kind is not Kind.REGISTER or operand.index == code.number
    return operand.width == 32 and pattern.opcode in _READS_LOW_WORD and code.size == "w"


def _memory(code: OperandCode, operand: Mem, pattern: Pattern, opsize: int) -> bool:
    if code.kind is Kind.Y and operand.segment != ES:
        return False
    if code.kind in _IMPLICIT_BASES:
        return operand.base == _IMPLICIT_BASES[code.kind] and operand.width in (0, code.width(opsize))
    if code.kind is Kind.O and not (operand.base is None and operand.index is None):
        return False
    if not pattern.memory and code.kind is not Kind.O:
        return False
    return code.size == "" or operand.width in (0, code.memory_width(opsize))


def fit(code: OperandCode, operand: Source, pattern: Pattern, opsize: int) -> Fit:
    """Whether an operand can stand where a row has `code`."""
    ok: bool
    match code.kind:
        case Kind.E:
            if isinstance(operand, Mem):
                ok = _memory(code, operand, pattern, opsize)
            else:
                ok = pattern.register and _register(code, operand, pattern, opsize)
        case Kind.M | Kind.O | Kind.X | Kind.Y | Kind.B:
            ok = isinstance(operand, Mem) and _memory(code, operand, pattern, opsize)
        case Kind.G | Kind.Z | Kind.R | Kind.REGISTER:
            ok = _register(code, operand, pattern, opsize)
        case Kind.I:
            return _immediate(code, operand, opsize) if isinstance(operand, Imm) else Fit.NO
        case Kind.J:
            ok = isinstance(operand, Rel | Target)
        case Kind.A:
            ok = isinstance(operand, Far)
        case Kind.D:
            ok = isinstance(operand, Dreg)
        case _:
            ok = _fits_fixed(code, operand)
    return Fit.YES if ok else Fit.NO


def _fits_fixed(code: OperandCode, operand: Source) -> bool:
    match code.kind, operand:
        case Kind.SEGMENT, Sreg(index):
            return index == code.number
        case Kind.CONTROL, Creg(index):
            return index == code.number
        case Kind.CONSTANT, Imm(value, width):
            return value == code.number and width in (0, 8)
        case _:
            return False
