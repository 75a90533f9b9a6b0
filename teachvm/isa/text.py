"""Instruction text as people read it: NASM spelling, from the rows alone, in coloured pieces.

Hexadecimal is lower case with `0x`, numbers below ten are plain. A size keyword stands where no register tells
the size. What is written assembles again to the same meaning.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from teachvm.isa.addressing import default_segment
from teachvm.isa.decode import Insn
from teachvm.isa.names import COMPARING_STRINGS, FAR_NAMES, written
from teachvm.isa.operands import (
    DS,
    REGISTER_NAMES,
    SEGMENT_NAMES,
    SIZE_KEYWORDS,
    Far,
    Imm,
    Mem,
    Operand,
    Reg,
    Rel,
)
from teachvm.isa.pattern import Kind, OperandCode

SymbolAt = Callable[[int], str | None]
"""Names an address, or says None."""


class TokenKind(Enum):
    """What a piece of instruction text is; views give each a colour."""

    MNEMONIC = "mnemonic"
    REGISTER = "register"
    NUMBER = "number"
    SYMBOL = "symbol"
    SIZE = "size"
    PUNCTUATION = "punctuation"


@dataclass(frozen=True, slots=True)
class Text:
    """An instruction in words.

    Shape: `mnemonic` includes prefixes (`rep movsd`). `tokens` joined give `str()`, spaces included.
    """

    mnemonic: str
    operands: str
    tokens: tuple[tuple[TokenKind, str], ...]

    def __str__(self) -> str:
        """The whole line."""
        return f"{self.mnemonic} {self.operands}" if self.operands else self.mnemonic


_REGISTERS: Final = frozenset(
    (
        *(name for names in REGISTER_NAMES.values() for name in names),
        *SEGMENT_NAMES,
        *(f"{letter}r{number}" for letter in "cd" for number in range(8)),
        *(f"st{number}" for number in range(8)),
        *(f"{letter}mm{number}" for letter in ("", "x") for number in range(8)),
        "st",
    )
)
_SIZES: Final = frozenset(("byte", "word", "dword", "qword", "tword", "oword", "far", "short", "near"))
_PIECE: Final = re.compile(r"[A-Za-z_.$?@][\w.$?@]*|\d\w*|\s+|.")
# A transfer or stack operation whose size no operand shows; the prefix is the only way to say it.
_SIZE_IN_PREFIX: Final = frozenset(
    ("RET", "RETF", "LEAVE", "ENTER", "LGDT", "LIDT", "SGDT", "SIDT", "JMP", "CALL", "PUSH", "POP")
)
_ABSOLUTE_PLACES: Final = frozenset((Kind.E, Kind.M, Kind.O))


def tokenise(mnemonic: str, operands: str, symbols: frozenset[str] = frozenset()) -> Text:
    """Cut an instruction's text into coloured pieces; `symbols` are the names that stand in it for addresses."""
    pieces: list[tuple[TokenKind, str]] = [(TokenKind.MNEMONIC, mnemonic)]
    if operands:
        pieces.append((TokenKind.PUNCTUATION, " "))
    pieces.extend((_kind(piece, symbols), piece) for piece in _PIECE.findall(operands))
    return Text(mnemonic, operands, tuple(pieces))


def _kind(piece: str, symbols: frozenset[str]) -> TokenKind:
    if piece in symbols:
        return TokenKind.SYMBOL
    if piece in _REGISTERS:
        return TokenKind.REGISTER
    if piece in _SIZES:
        return TokenKind.SIZE
    if piece[0].isdigit():
        return TokenKind.NUMBER
    return TokenKind.SYMBOL if piece[0].isalpha() or piece[0] in "_.$?@" else TokenKind.PUNCTUATION


def number(value: int) -> str:
    """A constant: plain below ten, else hexadecimal; negative with its sign."""
    sign = "-" if value < 0 else ""
    size = abs(value)
    return f"{sign}{size}" if size < 10 else f"{sign}{size:#x}"


def target(insn: Insn, address: int) -> int | None:
    """The address a near branch goes to, or None for any other instruction.

    Source: Intel SDM Vol. 2A, JMP: EIP is truncated to the operand size.
    """
    for operand in insn.operands:
        if isinstance(operand, Rel):
            return address + insn.length + operand.displacement & (1 << insn.opsize) - 1
    return None


def absolute(insn: Insn) -> int | None:
    """The address of a memory operand that has no register in it, or None."""
    for code, operand in zip(codes(insn), insn.operands, strict=True):
        if isinstance(operand, Mem) and code.kind in _ABSOLUTE_PLACES and operand.base is operand.index is None:
            return operand.disp
    return None


def codes(insn: Insn) -> tuple[OperandCode, ...]:
    """The row's operand words, one for each bound operand."""
    return tuple(OperandCode.of(word) for word in insn.row.operand_codes)


def size_keyword(insn: Insn, code: OperandCode, mem: Mem) -> str:
    """A memory operand's size and a space, or nothing where a register of the same size stands beside it."""
    if code.kind is Kind.M and code.size != "q":
        return ""
    for other, operand in zip(codes(insn), insn.operands, strict=True):
        register = isinstance(operand, Reg) and operand.width == mem.width
        if register and (other.kind is Kind.G or code.kind is Kind.O) and other.size == code.size:
            return ""
    return f"{SIZE_KEYWORDS[mem.width]} " if mem.width in SIZE_KEYWORDS else ""


def row_text(insn: Insn, address: int = 0, symbols: SymbolAt | None = None, bits: int = 32) -> Text:
    """Write a decoded instruction from its row.

    Args:
        insn: What was decoded.
        address: Where it stands, for branch targets.
        symbols: Names branch targets and plain memory addresses where it can.
        bits: Default size of the code, to tell which prefixes need words.
    """
    writer = _Writer(insn, address, symbols, bits)
    operands = writer.operands()
    return tokenise(writer.mnemonic(), operands, frozenset(writer.names))


class _Writer:
    """Spells one instruction."""

    def __init__(self, insn: Insn, address: int, symbols: SymbolAt | None, bits: int) -> None:
        self.insn = insn
        self.address = address
        self.symbols = symbols
        self.bits = bits
        self.codes = codes(insn)
        self.names: set[str] = set()

    def mnemonic(self) -> str:
        """Prefixes that matter, and the name."""
        insn = self.insn
        row_name = insn.row.mnemonic
        words = ["lock"] if insn.lock else []
        if row_name == "NOP" and insn.rep == "rep" and not insn.operands:
            return "pause"
        if self._is_string and insn.rep:
            comparing = row_name in COMPARING_STRINGS
            words.append("repe" if insn.rep == "rep" and comparing else insn.rep)
        if self._implied is not None:
            if self._implied.adsize != self.bits:
                words.append(f"a{self._implied.adsize}")
            if self._implied.segment != DS:
                words.append(SEGMENT_NAMES[self._implied.segment])
        if self._needs_size_prefix:
            words.append(f"o{insn.opsize}")
        far = any(isinstance(operand, Far) for operand in insn.operands)
        words.append(written(insn.mnemonic).removesuffix(" far") if far else written(insn.mnemonic))
        return " ".join(words)

    def operands(self) -> str:
        """Everything after the mnemonic."""
        name = self.insn.row.mnemonic
        if self._implied is not None or self._is_string or (name in ("AAM", "AAD") and self._is_decimal):
            return ""
        parts = [self._one(code, operand) for code, operand in zip(self.codes, self.insn.operands, strict=True)]
        if name in ("LOOP", "LOOPE", "LOOPNE") and self.insn.adsize != self.bits:
            parts.append(REGISTER_NAMES[self.insn.adsize][1])
        return ", ".join(parts)

    @property
    def _is_decimal(self) -> bool:
        return self.insn.operands == (Imm(10, 8),)

    @property
    def _is_string(self) -> bool:
        return any(code.kind in (Kind.X, Kind.Y) for code in self.codes)

    @property
    def _implied(self) -> Mem | None:
        """The memory operand that string instructions and XLATB do not write out; the one that can be overridden."""
        found = None
        for code, operand in zip(self.codes, self.insn.operands, strict=True):
            if isinstance(operand, Mem) and code.kind in (Kind.X, Kind.B):
                return operand
            if isinstance(operand, Mem) and code.kind is Kind.Y:
                found = Mem(DS, operand.base, None, 1, 0, operand.width, operand.adsize)
        return found

    @property
    def _needs_size_prefix(self) -> bool:
        insn = self.insn
        if insn.opsize == self.bits:
            return False
        if any(code.kind is Kind.J and code.size == "z" for code in self.codes):
            return True
        shows = any(code.kind in (Kind.E, Kind.Z, Kind.G) and code.size == "v" for code in self.codes)
        shows = shows or any(code.kind is Kind.I and code.size in ("z", "bs") for code in self.codes)
        return insn.row.mnemonic in _SIZE_IN_PREFIX and not shows

    def _one(self, code: OperandCode, operand: Operand) -> str:
        match operand:
            case Mem():
                return self._memory(code, operand)
            case Imm(value):
                return self._constant(value)
            case Rel():
                return self._name(target(self.insn, self.address) or 0)
            case Far(selector, offset):
                return f"{self._other_size}{number(selector)}:{self._name(offset)}"
            case _:
                return operand.name

    @property
    def _other_size(self) -> str:
        """The operand size and a space where only a keyword can tell that it is not the default."""
        return f"{SIZE_KEYWORDS[self.insn.opsize]} " if self.insn.opsize != self.bits else ""

    def _constant(self, value: int) -> str:
        return f"{self._other_size if self.insn.row.mnemonic == 'PUSH' else ''}{number(value)}"

    def _name(self, address: int) -> str:
        name = self.symbols(address) if self.symbols else None
        if name is None:
            return f"{address:#x}"
        self.names.add(name)
        return name

    def _memory(self, code: OperandCode, mem: Mem) -> str:
        names = REGISTER_NAMES[mem.adsize]
        parts = [names[mem.base]] if mem.base is not None else []
        if mem.index is not None:
            # Without a base the scale is written even if it is one, or the index would read as the base.
            scaled = mem.scale != 1 or mem.base is None
            parts.append(f"{names[mem.index]}*{mem.scale}" if scaled else names[mem.index])
        inside = "+".join(parts)
        if not parts:
            size = f"{SIZE_KEYWORDS[mem.adsize]} " if mem.adsize != self.bits else ""
            inside = size + self._name(mem.disp)
        elif mem.disp:
            inside += f"{'+' if mem.disp > 0 else ''}{number(mem.disp)}"
        if mem.segment != default_segment(mem.base):
            inside = f"{SEGMENT_NAMES[mem.segment]}:{inside}"
        size = self._other_size if self.insn.row.mnemonic in FAR_NAMES else size_keyword(self.insn, code, mem)
        return f"{size}[{inside}]"
