"""Instruction decoding: prefixes, opcode, ModRM, SIB, displacement, immediates, in the order memory holds them.

Source: Intel SDM Vol. 2A, ch. 2 (instruction format), and LOCK in the instruction pages.
"""

from dataclasses import dataclass
from typing import Final

from teachvm.isa.addressing import FORMS_16, default_segment
from teachvm.isa.operands import (
    CS,
    DS,
    EBP,
    EBX,
    EDI,
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
    Operand,
    Reg,
    Rel,
    Sreg,
)
from teachvm.isa.pattern import TWO_BYTE, Kind, OperandCode, Pattern
from teachvm.isa.row import InstructionClass, Row
from teachvm.isa.rows import OPCODE_MAP

MAX_LENGTH: Final = 15
"""Longest instruction in bytes; a longer one raises #GP(0)."""

OPSIZE_PREFIX: Final = 0x66
ADSIZE_PREFIX: Final = 0x67
LOCK_PREFIX: Final = 0xF0
REPNE_PREFIX: Final = 0xF2
REP_PREFIX: Final = 0xF3
SEGMENT_PREFIXES: Final = {0x26: ES, 0x2E: CS, 0x36: SS, 0x3E: DS, 0x64: FS, 0x65: GS}
PREFIXES: Final = frozenset((OPSIZE_PREFIX, ADSIZE_PREFIX, LOCK_PREFIX, REPNE_PREFIX, REP_PREFIX, *SEGMENT_PREFIXES))


class DecodeError(Exception):
    """The bytes are not one whole instruction."""


class Truncated(DecodeError):  # noqa: N818 - it is a state of the bytes, not a mistake
    """The instruction goes on past the bytes at hand; with more (up to 15) it may be whole."""


class UndefinedOpcode(DecodeError):  # noqa: N818 - the SDM's name of #UD
    """The processor raises #UD: no such opcode, a register where only memory can be, or a LOCK not allowed.

    Attributes:
        opcode: 0x00..0xFF, or 0x0F00..0x0FFF; 0xF0 behind a LOCK.
    """

    def __init__(self, opcode: int) -> None:
        super().__init__(opcode)
        self.opcode = opcode


class TooLong(DecodeError):  # noqa: N818 - it is a state of the bytes, not a mistake
    """The processor raises #GP(0): prefixes make the instruction longer than 15 bytes."""


@dataclass(frozen=True, slots=True)
class ByteField:
    """What some bytes of an instruction are: prefix, opcode, modrm, sib, disp or imm; in bytes from its start."""

    name: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Insn:
    """One decoded instruction.

    Shape: `opsize` and `adsize` are 16 or 32. `rep` is '', 'rep' (F3: REP or REPE) or 'repne' (F2), the
    last one standing; only string instructions mind it. `fields` cover every byte, in order.
    """

    row: Row
    length: int
    operands: tuple[Operand, ...]
    opsize: int
    adsize: int
    lock: bool
    rep: str
    fields: tuple[ByteField, ...]

    @property
    def mnemonic(self) -> str:
        """The name for this operand and address size, upper case: PUSHFD, PUSHFW, JCXZ."""
        return self.row.name(self.opsize, self.adsize)

    @property
    def klass(self) -> InstructionClass:
        """How the instruction stands towards privilege."""
        return self.row.klass


class _Cursor:
    """Reads the instruction's bytes one after another and notes what each was."""

    __slots__ = ("code", "fields", "position")

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.position = 0
        self.fields: list[ByteField] = []

    def take(self, size: int, name: str) -> int:
        """Consume `size` bytes as one little-endian number."""
        start = self.position
        end = start + size
        if end > MAX_LENGTH:
            raise TooLong
        if end > len(self.code):
            raise Truncated
        self.position = end
        self.fields.append(ByteField(name, start, size))
        return int.from_bytes(self.code[start:end], "little")

    def peek(self) -> int:
        """The next byte, not consumed."""
        if self.position >= MAX_LENGTH:
            raise TooLong
        if self.position >= len(self.code):
            raise Truncated
        return self.code[self.position]


@dataclass(slots=True)
class _Prefixes:
    opsize: int
    adsize: int
    segment: int | None = None
    lock: bool = False
    rep: str = ""


def _read_prefixes(cursor: _Cursor, bits: int) -> _Prefixes:
    """Consume prefixes: any number in any order; of each group the last one counts."""
    found = _Prefixes(bits, bits)
    other = 48 - bits
    while (byte := cursor.peek()) in PREFIXES:
        cursor.take(1, "prefix")
        if byte == OPSIZE_PREFIX:
            found.opsize = other
        elif byte == ADSIZE_PREFIX:
            found.adsize = other
        elif byte == LOCK_PREFIX:
            found.lock = True
        elif byte in SEGMENT_PREFIXES:
            found.segment = SEGMENT_PREFIXES[byte]
        else:
            found.rep = "rep" if byte == REP_PREFIX else "repne"
    return found


def _read_opcode(cursor: _Cursor) -> int:
    if cursor.peek() != TWO_BYTE:
        return cursor.take(1, "opcode")
    start = cursor.position
    cursor.position += 1
    second = cursor.peek()
    cursor.position += 1
    cursor.fields.append(ByteField("opcode", start, 2))
    return TWO_BYTE << 8 | second


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> width - 1 else value


@dataclass(frozen=True, slots=True)
class _Address:
    """What ModRM and SIB say about a memory operand, before a width is known."""

    segment: int
    base: int | None
    index: int | None
    scale: int
    disp: int
    adsize: int

    def memory(self, width: int) -> Mem:
        return Mem(self.segment, self.base, self.index, self.scale, self.disp, width, self.adsize)


def _read_address_32(cursor: _Cursor, mod: int, rm: int, override: int | None) -> _Address:
    """SDM Vol. 2A, Tables 2-2 and 2-3."""
    base: int | None = rm
    index: int | None = None
    scale = 1
    if rm == ESP:
        sib = cursor.take(1, "sib")
        base, index = sib & 7, sib >> 3 & 7
        if index == ESP:
            index = None
        else:
            scale = 1 << (sib >> 6)
    if base == EBP and mod == 0:
        base = None
    disp = 0
    if mod == 1:
        disp = _signed(cursor.take(1, "disp"), 8)
    elif mod == 2 or base is None:
        disp = cursor.take(4, "disp")
        if base is not None or index is not None:
            disp = _signed(disp, 32)
    segment = default_segment(base) if override is None else override
    return _Address(segment, base, index, scale, disp, 32)


def _read_address_16(cursor: _Cursor, mod: int, rm: int, override: int | None) -> _Address:
    """SDM Vol. 2A, Table 2-1."""
    base: int | None
    index: int | None
    base, index = FORMS_16[rm]
    if mod == 0 and rm == 6:
        base = None
    disp = 0
    if mod == 1:
        disp = _signed(cursor.take(1, "disp"), 8)
    elif mod == 2:
        disp = _signed(cursor.take(2, "disp"), 16)
    elif base is None:
        disp = cursor.take(2, "disp")
    segment = default_segment(base) if override is None else override
    return _Address(segment, base, index, 1, disp, 16)


class _Binder:
    """Turns a row's operand words into operands, reading immediates as they come."""

    __slots__ = ("address", "cursor", "modrm", "opcode", "prefixes")

    def __init__(self, cursor: _Cursor, prefixes: _Prefixes, opcode: int) -> None:
        self.cursor = cursor
        self.prefixes = prefixes
        self.opcode = opcode
        self.modrm = 0
        self.address: _Address | None = None

    def find(self) -> Pattern:
        """The row of the opcode; reads ModRM and what belongs to it when there is one."""
        plain = OPCODE_MAP.plain(self.opcode)
        if plain is not None:
            return plain
        slots = OPCODE_MAP.grouped(self.opcode)
        if slots is None:
            raise self.undefined()
        self.modrm = self.cursor.take(1, "modrm")
        mod = self.modrm >> 6
        pattern = slots[self.modrm >> 3 & 7 | (8 if mod == 3 else 0)]
        if pattern is None:
            raise self.undefined()
        if mod != 3 and not pattern.mod_ignored:
            read = _read_address_32 if self.prefixes.adsize == 32 else _read_address_16
            self.address = read(self.cursor, mod, self.modrm & 7, self.prefixes.segment)
        return pattern

    def undefined(self) -> UndefinedOpcode:
        """The refusal, by LOCK if there is one."""
        return UndefinedOpcode(LOCK_PREFIX if self.prefixes.lock else self.opcode)

    def operand(self, code: OperandCode) -> Operand:
        """Bind one operand word."""
        opsize = self.prefixes.opsize
        match code.kind:
            case Kind.E | Kind.M:
                if self.address is not None:
                    return self.address.memory(code.memory_width(opsize))
                return Reg(self.modrm & 7, code.width(opsize))
            case Kind.G:
                return Reg(self.modrm >> 3 & 7, code.width(opsize))
            case Kind.Z:
                return Reg(self.opcode & 7, code.width(opsize))
            case Kind.R:
                return Reg(self.modrm & 7, 32)
            case Kind.I | Kind.J | Kind.A:
                return self._constant(code)
            case Kind.O | Kind.X | Kind.Y | Kind.B:
                return self._implied_memory(code)
            case Kind.D:
                return Dreg(self.modrm >> 3 & 7)
            case _:
                return self._fixed(code)

    def _fixed(self, code: OperandCode) -> Operand:
        if code.kind is Kind.REGISTER:
            return Reg(code.number, code.width(self.prefixes.opsize))
        if code.kind is Kind.SEGMENT:
            return Sreg(code.number)
        if code.kind is Kind.CONTROL:
            return Creg(code.number)
        return Imm(code.number, 8)

    def _constant(self, code: OperandCode) -> Operand:
        opsize = self.prefixes.opsize
        if code.kind is Kind.A:
            offset = self.cursor.take(opsize // 8, "imm")
            return Far(self.cursor.take(2, "imm"), offset)
        if code.kind is Kind.J:
            width = code.width(opsize)
            return Rel(_signed(self.cursor.take(width // 8, "imm"), width))
        width = code.width(opsize)
        if code.size == "bs":
            return Imm(_signed(self.cursor.take(1, "imm"), 8) & (1 << width) - 1, width)
        return Imm(self.cursor.take(width // 8, "imm"), width)

    def _implied_memory(self, code: OperandCode) -> Mem:
        width = code.width(self.prefixes.opsize)
        adsize = self.prefixes.adsize
        segment = DS if self.prefixes.segment is None else self.prefixes.segment
        if code.kind is Kind.O:
            return Mem(segment, None, None, 1, self.cursor.take(adsize // 8, "disp"), width, adsize)
        if code.kind is Kind.X:
            return Mem(segment, ESI, None, 1, 0, width, adsize)
        if code.kind is Kind.Y:
            return Mem(ES, EDI, None, 1, 0, width, adsize)
        return Mem(segment, EBX, None, 1, 0, width, adsize)


def decode(code: bytes, bits: int = 32) -> Insn:
    """Decode the instruction at the start of `code`.

    Args:
        code: At least one instruction, or as many of its bytes as can be read; more than 15 are not needed.
        bits: Default operand and address size of the code segment, 16 or 32.

    Raises:
        Truncated: More bytes are needed.
        UndefinedOpcode: The processor raises #UD.
        TooLong: The processor raises #GP(0).

    Deviation: an undefined opcode is reported as soon as it is known, before bytes that would follow it.
    """
    cursor = _Cursor(code)
    prefixes = _read_prefixes(cursor, bits)
    binder = _Binder(cursor, prefixes, _read_opcode(cursor))
    pattern = binder.find()
    operands = tuple([binder.operand(operand) for operand in pattern.operands])
    if prefixes.lock and not (pattern.row.lockable and isinstance(operands[0], Mem)):
        raise binder.undefined()
    return Insn(
        pattern.row,
        cursor.position,
        operands,
        prefixes.opsize,
        prefixes.adsize,
        prefixes.lock,
        prefixes.rep,
        tuple(cursor.fields),
    )
