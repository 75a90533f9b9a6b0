"""Rows taken apart: what bytes a row's notation asks for, and which row an opcode byte means.

The notation itself is explained in `isa.row`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from teachvm.isa.row import Row

TWO_BYTE: Final = 0x0F
"""First byte of a two-byte opcode; such opcodes are numbered 0x0F00 | second byte."""

_TAILS: Final = frozenset(("ib", "iw", "iz", "cb", "cz", "ap", "mo"))
_REGISTERS: Final = {
    "AL": (0, "b"),
    "CL": (1, "b"),
    "DX": (2, "w"),
    "eAX": (0, "v"),
    "eCX": (1, "v"),
    "eDX": (2, "v"),
    "eBX": (3, "v"),
    "eSP": (4, "v"),
    "eBP": (5, "v"),
    "eSI": (6, "v"),
    "eDI": (7, "v"),
}
_SEGMENTS: Final = ("ES", "CS", "SS", "DS", "FS", "GS")


class Kind(Enum):
    """Where an operand comes from: the opcode map's letter, or a name fixed by the row."""

    E = "E"
    G = "G"
    Z = "Z"
    M = "M"
    R = "R"
    D = "D"
    I = "I"  # noqa: E741 - the opcode map's letter
    J = "J"
    A = "A"
    O = "O"  # noqa: E741 - the opcode map's letter
    X = "X"
    Y = "Y"
    B = "B"
    REGISTER = "a register"
    SEGMENT = "a segment register"
    CONTROL = "a control register"
    CONSTANT = "a constant"


@dataclass(frozen=True, slots=True)
class OperandCode:
    """One operand word of a row's syntax.

    Shape: `size` is the size letter, `bs` for a sign-extended byte, `v/w` for `Rv/Mw`, empty for none;
    `number` is the register or constant of a fixed operand.
    """

    kind: Kind
    size: str
    number: int = 0

    @classmethod
    def of(cls, word: str) -> Self:
        """Read an operand word such as `Ev`, `Ibs`, `eAX`, `CR3`, `1`.

        Raises:
            ValueError: Not an operand of the notation.
        """
        if word in _REGISTERS:
            number, size = _REGISTERS[word]
            return cls(Kind.REGISTER, size, number)
        if word in _SEGMENTS:
            return cls(Kind.SEGMENT, "w", _SEGMENTS.index(word))
        if word.isdigit():
            return cls(Kind.CONSTANT, "b", int(word))
        if word.startswith("CR"):
            return cls(Kind.CONTROL, "d", int(word[2:]))
        if word == "Rv/Mw":
            return cls(Kind.E, "v/w")
        return cls(Kind(word[0]), word[1:])

    @property
    def implied(self) -> bool:
        """Needs no bytes of its own in the instruction: string memory, the XLATB table, a fixed register."""
        return self.kind in (Kind.X, Kind.Y, Kind.B, Kind.REGISTER)

    def width(self, opsize: int) -> int:
        """Width in bits of a register or memory operand under an operand size of 16 or 32."""
        return _WIDTHS[self.size][opsize == 32]

    def memory_width(self, opsize: int) -> int:
        """Width of the operand when ModRM names memory: differs only for `Rv/Mw`."""
        return 16 if self.size == "v/w" else self.width(opsize)


# Size letter -> width with 16-bit and with 32-bit operand size.
_WIDTHS: Final = {
    "b": (8, 8),
    "bs": (16, 32),
    "w": (16, 16),
    "d": (32, 32),
    "q": (64, 64),
    "v": (16, 32),
    "v/w": (16, 32),
    "z": (16, 32),
    "p": (32, 48),
    "s": (48, 48),
    "a": (32, 64),
    "": (0, 0),
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """The bytes of a row: opcode, whether ModRM follows and what it may say, and what comes after.

    Shape: `opcode` is 0x00..0xFF or 0x0F00..0x0FFF. `digit` fixes ModRM's reg field. `memory` and `register`
    tell which values of ModRM's mod are allowed. `mod_ignored` marks moves to control and debug registers,
    where every mod means a register.
    """

    row: Row
    opcode: int
    in_opcode: bool
    modrm: bool
    digit: int | None
    tail: tuple[str, ...]
    operands: tuple[OperandCode, ...]
    memory: bool
    register: bool
    mod_ignored: bool

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row's notation.

        Raises:
            ValueError: A word outside the notation.
        """
        words = row.encoding.split()
        opcode = 0
        if words[0] == "0F":
            opcode = TWO_BYTE << 8
            words = words[1:]
        in_opcode = words[0].endswith("+r")
        opcode |= int(words[0].removesuffix("+r"), 16)
        modrm = len(words) > 1 and words[1].startswith("/")
        tail = tuple(words[2 if modrm else 1 :])
        if not _TAILS.issuperset(tail):
            raise ValueError(f"{row.encoding}: not in the notation")
        operands = tuple(OperandCode.of(word) for word in row.operand_codes)
        mod_ignored = any(code.kind is Kind.R for code in operands)
        return cls(
            row=row,
            opcode=opcode,
            in_opcode=in_opcode,
            modrm=modrm,
            digit=int(words[1][1:]) if modrm and words[1] != "/r" else None,
            tail=tail,
            operands=operands,
            memory=modrm,
            register=modrm and not any(code.kind is Kind.M for code in operands),
            mod_ignored=mod_ignored,
        )

    @property
    def opcodes(self) -> range:
        """The opcode, or the eight of them when a register is part of it."""
        return range(self.opcode, self.opcode + 8) if self.in_opcode else range(self.opcode, self.opcode + 1)

    @property
    def opcode_bytes(self) -> bytes:
        """The opcode as it stands in memory, register number zero."""
        return bytes((TWO_BYTE, self.opcode & 0xFF)) if self.opcode > 0xFF else bytes((self.opcode,))

    @property
    def sized(self) -> bool:
        """Whether the operand size changes what the row means: some operand or immediate depends on it."""
        return any(code.size in ("v", "v/w", "z", "p", "a", "bs") for code in self.operands) or any(
            tail in ("iz", "cz", "ap") for tail in self.tail
        )

    @property
    def has_implied_memory(self) -> bool:
        """A string instruction or XLATB: memory named by registers that the syntax fixes."""
        return any(code.kind in (Kind.X, Kind.Y, Kind.B) for code in self.operands)

    def slots(self) -> Iterator[int]:
        """ModRM slots the row answers: reg field, plus 8 for a register operand (mod = 3)."""
        digits = range(8) if self.digit is None else (self.digit,)
        for digit in digits:
            if self.memory:
                yield digit
            if self.register:
                yield digit + 8


class OpcodeMap:
    """Which pattern an opcode byte, and if need be its ModRM byte, stands for."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Enter every pattern under all its opcodes.

        Raises:
            ValueError: Two rows claim the same opcode.
        """
        self._plain: dict[int, Pattern] = {}
        self._grouped: dict[int, list[Pattern | None]] = {}
        for pattern in patterns:
            for opcode in pattern.opcodes:
                self._enter(opcode, pattern)

    def _enter(self, opcode: int, pattern: Pattern) -> None:
        clash = self._plain.get(opcode)
        if pattern.modrm:
            slots = self._grouped.setdefault(opcode, [None] * 16)
            for slot in pattern.slots():
                clash = clash or slots[slot]
                slots[slot] = pattern
        else:
            clash = clash or next(filter(None, self._grouped.get(opcode, ())), None)
            self._plain[opcode] = pattern
        if clash is not None:
            raise ValueError(
                f"{pattern.row.encoding} {pattern.row.syntax}: opcode {opcode:02X} already means {clash.row.syntax}"
            )

    def plain(self, opcode: int) -> Pattern | None:
        """The row of an opcode without ModRM, or None."""
        return self._plain.get(opcode)

    def grouped(self, opcode: int) -> list[Pattern | None] | None:
        """The sixteen ModRM slots of an opcode (reg, +8 for mod = 3), or None if it has no ModRM."""
        return self._grouped.get(opcode)
