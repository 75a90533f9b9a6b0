"""Instruction encoding: from a mnemonic and operands to bytes, by the same rows the decoder reads.

Among the rows that fit, the one with the fewest bytes is taken; between equals, the earlier row.

Source: Intel SDM Vol. 2A, ch. 2. Choices an assembler must make (default sizes, operand order of TEST and XCHG)
follow NASM.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from teachvm.isa.addressing import AddressError, default_segment, memory_bytes, normal
from teachvm.isa.decode import (
    ADSIZE_PREFIX,
    LOCK_PREFIX,
    OPSIZE_PREFIX,
    REP_PREFIX,
    REPNE_PREFIX,
    SEGMENT_PREFIXES,
)
from teachvm.isa.fit import Fit, Source, Target, fit, in_range
from teachvm.isa.names import SPELLINGS, written
from teachvm.isa.operands import DS, ES, Dreg, Far, Imm, Mem, Reg, Rel
from teachvm.isa.pattern import Kind, OperandCode, Pattern
from teachvm.isa.rows import PATTERNS

_REP_BYTES: Final = {"": b"", "rep": bytes((REP_PREFIX,)), "repne": bytes((REPNE_PREFIX,))}
_SEGMENT_BYTES: Final = {segment: bytes((byte,)) for byte, segment in SEGMENT_PREFIXES.items()}
_COMMUTATIVE: Final = frozenset(("XCHG", "TEST"))
# A memory operand of these has the default size when the source gives none.
_DEFAULT_SIZED: Final = frozenset(("JMP", "CALL", "JMPF", "CALLF", "BOUND"))
_DEFAULT_OPERANDS: Final = {"AAM": (Imm(10, 8),), "AAD": (Imm(10, 8),)}


class EncodeError(ValueError):
    """No bytes stand for the instruction; the message says why, in words for the author of the source."""


class UnknownMnemonicError(EncodeError):
    """No instruction has that name."""


class OperandsError(EncodeError):
    """The instruction exists, but takes no such operands."""


class RangeError(EncodeError):
    """A constant or a branch distance is too large for the form."""


class SizeNeededError(EncodeError):
    """A memory operand's size is not known: it needs `byte`, `word` or `dword`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an author asked for beside the operands.

    Shape: `opsize`, `adsize` 16, 32 or None for what operands and `bits` imply; `segment` forces an override
    prefix; `reach` is 'short', 'near' or None; `at` is the instruction's own address, for `Target`; `wide` forbids
    byte-sized immediates and branches wherever a larger form exists, `wide_disp` byte-sized displacements.
    """

    bits: int = 32
    opsize: int | None = None
    adsize: int | None = None
    lock: bool = False
    rep: str = ""
    segment: int | None = None
    reach: str | None = None
    at: int = 0
    wide: bool = False
    wide_disp: bool = False


_PLAIN: Final = Request()


class _Writer:
    """Writes one instruction as one row with one operand size."""

    def __init__(self, pattern: Pattern, operands: Sequence[Source], opsize: int, request: Request) -> None:
        self.pattern = pattern
        self.pairs = tuple(zip(pattern.operands, operands, strict=False))
        self.opsize = opsize
        self.request = request
        self.segment = request.segment
        self.adsize = request.adsize or request.bits

    def write(self) -> bytes:
        """The whole instruction.

        Raises:
            RangeError: A branch distance does not fit.
            AddressError: A memory operand has no ModRM form.
        """
        opcode = bytearray(self.pattern.opcode_bytes)
        body = self._modrm() if self.pattern.modrm else b""
        for code, operand in self.pairs:
            if code.kind is Kind.Z and isinstance(operand, Reg):
                opcode[-1] |= operand.index
            elif code.kind in (Kind.O, Kind.X, Kind.Y, Kind.B) and isinstance(operand, Mem):
                body += self._implied_memory(code, operand)
        head = self._prefixes() + bytes(opcode) + body
        return head + self._constants(len(head))

    def _prefixes(self) -> bytes:
        request = self.request
        out = bytes((LOCK_PREFIX,)) if request.lock else b""
        out += _REP_BYTES[request.rep]
        if self.segment is not None:
            out += _SEGMENT_BYTES[self.segment]
        if self.opsize != request.bits:
            out += bytes((OPSIZE_PREFIX,))
        if self.adsize != request.bits:
            out += bytes((ADSIZE_PREFIX,))
        return out

    def _modrm(self) -> bytes:
        reg = self.pattern.digit or 0
        rm: Reg | Mem | None = None
        for code, operand in self.pairs:
            if code.kind in (Kind.E, Kind.M, Kind.R) and isinstance(operand, Reg | Mem):
                rm = operand
            elif code.kind in (Kind.G, Kind.D) and isinstance(operand, Reg | Dreg):
                reg = operand.index
        if isinstance(rm, Mem):
            mem = normal(rm)
            self._use_segment(mem.segment, default_segment(mem.base))
            self.adsize = mem.adsize
            return memory_bytes(mem, reg, wide=self.request.wide_disp)
        if rm is None:
            raise OperandsError(f"{self.pattern.row.syntax}: no operand for ModRM")
        return bytes((0xC0 | reg << 3 | rm.index,))

    def _use_segment(self, segment: int, default: int) -> None:
        if segment != default:
            self.segment = segment

    def _implied_memory(self, code: OperandCode, operand: Mem) -> bytes:
        self.adsize = operand.adsize
        self._use_segment(operand.segment, ES if code.kind is Kind.Y else DS)
        if code.kind is not Kind.O:
            return b""
        return (operand.disp & (1 << self.adsize) - 1).to_bytes(self.adsize // 8, "little")

    def _constants(self, written_before: int) -> bytes:
        out = b""
        for code, operand in self.pairs:
            if code.kind is Kind.I and isinstance(operand, Imm):
                width = 8 if code.size == "bs" else code.width(self.opsize)
                out += (operand.value & (1 << width) - 1).to_bytes(width // 8, "little")
            elif code.kind is Kind.A and isinstance(operand, Far):
                out += self._far(operand)
            elif code.kind is Kind.J:
                out += self._branch(code, operand, written_before)
        return out

    def _far(self, operand: Far) -> bytes:
        if not in_range(operand.offset, self.opsize) or not in_range(operand.selector, 16):
            raise RangeError(f"far target {operand.selector:#x}:{operand.offset:#x} is too large")
        offset = operand.offset & (1 << self.opsize) - 1
        return offset.to_bytes(self.opsize // 8, "little") + (operand.selector & 0xFFFF).to_bytes(2, "little")

    def _branch(self, code: OperandCode, operand: Source, written_before: int) -> bytes:
        width = code.width(self.opsize)
        if isinstance(operand, Target):
            # EIP wraps at the operand size, so the distance is taken modulo it.
            modulus = 1 << self.opsize
            distance = (operand.address - self.request.at - written_before - width // 8) % modulus
            if distance >= modulus >> 1:
                distance -= modulus
        else:
            distance = operand.displacement if isinstance(operand, Rel) else 0
        if not -(1 << width - 1) <= distance < 1 << width - 1:
            raise RangeError(f"target is {distance:+d} bytes away, a {width}-bit distance cannot reach it")
        return distance.to_bytes(width // 8, "little", signed=True)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A row and operand size that fit, before the choice between them."""

    pattern: Pattern
    operands: tuple[Source, ...]
    opsize: int

    @property
    def memory_width(self) -> int:
        """Width of the memory operand whose size the source left open, or 0."""
        for code, operand in zip(self.pattern.operands, self.operands, strict=False):
            if isinstance(operand, Mem) and operand.width == 0:
                return code.memory_width(self.opsize)
        return 0

    @property
    def is_short(self) -> bool:
        """Uses a byte-sized immediate or branch."""
        return "cb" in self.pattern.tail or any(code.size == "bs" for code in self.pattern.operands)


def _by_mnemonic() -> dict[str, tuple[Pattern, ...]]:
    table: dict[str, tuple[Pattern, ...]] = {}
    # Forms assemblers do not produce come last, so that they lose every tie.
    for pattern in sorted(PATTERNS, key=lambda pattern: pattern.row.alias):
        table[pattern.row.mnemonic] = (*table.get(pattern.row.mnemonic, ()), pattern)
    return table


_FORMS: Final[Mapping[str, tuple[Pattern, ...]]] = _by_mnemonic()


def _orders(mnemonic: str, operands: tuple[Source, ...]) -> Iterable[tuple[Source, ...]]:
    """Operands in the orders that mean the same; NASM puts the first register of XCHG into ModRM's reg field."""
    if mnemonic not in _COMMUTATIVE or len(operands) != 2:
        yield operands
    elif mnemonic == "XCHG":
        yield from (operands[::-1], operands)
    else:
        yield from (operands, operands[::-1])


def _verdict(pattern: Pattern, operands: tuple[Source, ...], opsize: int) -> Fit:
    """How a whole operand list fits a row; implied operands of string instructions may be left out."""
    if len(operands) != len(pattern.operands):
        left_out = not operands and pattern.has_implied_memory and all(code.implied for code in pattern.operands)
        return Fit.YES if left_out else Fit.NO
    verdict = Fit.YES
    for code, operand in zip(pattern.operands, operands, strict=True):
        one = fit(code, operand, pattern, opsize)
        if one is Fit.NO:
            return one
        if one is Fit.RANGE:
            verdict = one
    return verdict


def _candidates(mnemonic: str, operands: tuple[Source, ...], request: Request) -> tuple[list[_Candidate], bool]:
    """Every row and size that fits; and whether one failed only because a constant is too large."""
    default = request.opsize or request.bits
    found: list[_Candidate] = []
    too_large = False
    for pattern in _FORMS[mnemonic]:
        if operands and len(operands) != len(pattern.operands):
            continue
        opsizes = (default,) if request.opsize or not pattern.sized else (default, 48 - default)
        for opsize in opsizes:
            for order in _orders(mnemonic, operands):
                verdict = _verdict(pattern, order, opsize)
                too_large = too_large or verdict is Fit.RANGE
                if verdict is Fit.YES:
                    found.append(_Candidate(pattern, order, opsize))
    return found, too_large


def _narrow(mnemonic: str, found: list[_Candidate], request: Request) -> list[_Candidate]:
    """Drop what the author did not mean: an unasked operand size, a reach not wanted, short forms under `wide`."""
    if mnemonic not in _DEFAULT_SIZED and len({candidate.memory_width for candidate in found}) > 1:
        raise SizeNeededError(f"{written(mnemonic)}: the size of the memory operand is not known")
    default = request.opsize or request.bits
    found = [candidate for candidate in found if candidate.opsize == default] or found
    if request.reach:
        short = request.reach == "short"
        found = [candidate for candidate in found if ("cb" in candidate.pattern.tail) == short]
    if request.wide:
        found = [candidate for candidate in found if not candidate.is_short] or found
    return found


def _lock_allowed(candidate: _Candidate) -> bool:
    return candidate.pattern.row.lockable and isinstance(candidate.operands[0], Mem)


def encode_as(pattern: Pattern, operands: Sequence[Source], opsize: int, request: Request = _PLAIN) -> bytes:
    """Write one instruction as one given row; `operands` must fit it.

    Raises:
        EncodeError: A distance or an address has no encoding.
    """
    try:
        return _Writer(pattern, operands, opsize, request).write()
    except AddressError as error:
        raise OperandsError(str(error)) from error


def encode(mnemonic: str, operands: Sequence[Source] = (), request: Request = _PLAIN) -> bytes:
    """Encode an instruction in as few bytes as its rows allow.

    Args:
        mnemonic: Any name in `names.SPELLINGS`, in either case.
        operands: As decoded, or as written: `Imm` and `Mem` may have width 0 where the source gave no size,
            `Imm.value` may be negative, a branch may be a `Target`. String instructions may leave theirs out.
        request: Sizes, prefixes and the like; see `Request`.

    Raises:
        UnknownMnemonicError: No such instruction.
        OperandsError: No form takes these operands.
        RangeError: A constant or a distance is too large.
        SizeNeededError: Memory operand of unknown size.
    """
    spelling = SPELLINGS.get(mnemonic.upper())
    if spelling is None:
        raise UnknownMnemonicError(f"unknown instruction {mnemonic!r}")
    if spelling.opsize or spelling.adsize:
        request = replace(request, opsize=spelling.opsize or request.opsize, adsize=spelling.adsize or request.adsize)
    given = tuple(operands) or _DEFAULT_OPERANDS.get(spelling.mnemonic, ())
    found, too_large = _candidates(spelling.mnemonic, given, request)
    found = _narrow(spelling.mnemonic, found, request)
    if request.lock:
        found = [candidate for candidate in found if _lock_allowed(candidate)]
    if not found and too_large:
        raise RangeError(f"{mnemonic.lower()}: the constant is too large")
    if not found:
        raise OperandsError(f"{mnemonic.lower()}: no form takes these operands")
    return _shortest(found, request)


def _shortest(found: list[_Candidate], request: Request) -> bytes:
    out_of_reach: RangeError | None = None
    best: bytes | None = None
    for candidate in found:
        try:
            code = encode_as(candidate.pattern, candidate.operands, candidate.opsize, request)
        except RangeError as error:
            out_of_reach = error
            continue
        if best is None or len(code) < len(best):
            best = code
    if best is None:
        raise out_of_reach or OperandsError("no form takes these operands")
    return best
