"""A second opinion on encoded instructions: the rows chose the bytes, keystone must agree.

The one importer of keystone. It never sees what a person typed: each instruction is decoded from our bytes
and written anew as one canonical statement of a fixed grammar, because keystone 0.9.2 hangs on malformed
text. It runs where a wheel exists and is not needed: the bytes are the same without it.

Other bytes count as agreement when they decode to the same instruction: another of two equal forms, a longer
or shorter constant, a prefix without effect. What keystone is known to get wrong is in `FAULTS`, and not asked;
any other difference is an error that names both.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Final

from teachvm.isa.addressing import default_segment
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.operands import (
    DS,
    EAX,
    REGISTER_NAMES,
    SEGMENT_NAMES,
    SIZE_KEYWORDS,
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
from teachvm.isa.pattern import Kind
from teachvm.isa.rows import PATTERNS

try:
    import keystone as _keystone
except ImportError:  # no wheel for this platform
    _keystone = None

INSTALLED: Final = _keystone is not None
"""Whether there is a keystone to ask."""


class Agreement(Enum):
    """What keystone made of an instruction."""

    AGREED = ("=", "keystone gives the same bytes")
    EQUAL = ("~", "keystone gives other bytes for the same instruction")
    KNOWN_FAULT = ("!", "keystone is known to be wrong here and was not asked")
    NOT_ASKED = (" ", "keystone cannot be asked for this")

    def __init__(self, mark: str, explanation: str) -> None:
        """Keep the mark of the listing and the words for it beside the member."""
        self.mark = mark
        self.explanation = explanation


class DisagreementError(Exception):
    """Keystone gives bytes that mean something else; one of the two is wrong."""

    def __init__(self, statement: str, ours: bytes, theirs: bytes) -> None:
        said = f"keystone says {theirs.hex(' ')}" if theirs else "keystone refuses it"
        super().__init__(f"'{statement}' is {ours.hex(' ')} by the opcode rows, but {said}")
        self.statement = statement
        self.ours = ours
        self.theirs = theirs


@dataclass(frozen=True, slots=True)
class Fault:
    """Something keystone 0.9.2 gets wrong, and which instructions it concerns."""

    what: str
    concerns: Callable[[Insn], bool]


def _row(*mnemonics: str, codes: tuple[str, ...] = (), opsize: int = 0) -> Callable[[Insn], bool]:
    """Instructions of these rows; only with one of these operand words, only with this operand size."""
    names, words = frozenset(mnemonics), frozenset(codes)

    def concerns(insn: Insn) -> bool:
        if insn.row.mnemonic not in names or (opsize and insn.opsize != opsize):
            return False
        return not words or not words.isdisjoint(insn.row.operand_codes)

    return concerns


def _needs_ds(insn: Insn) -> bool:
    return any(isinstance(one, Mem) and one.segment == DS and default_segment(one.base) != DS for one in insn.operands)


def _bit_above_127(insn: Insn) -> bool:
    return insn.row.mnemonic in ("BT", "BTS", "BTR", "BTC") and any(
        isinstance(one, Imm) and one.value > 127 for one in insn.operands
    )


def _pushes_negative_word(insn: Insn) -> bool:
    return insn.row.mnemonic == "PUSH" and any(
        isinstance(one, Imm) and 0xFF80 <= one.value <= 0xFFFF for one in insn.operands
    )


FAULTS: Final = (
    Fault("adds 66 to lgdt and its like: a base of 24 bits instead of 32", _row("SGDT", "SIDT", "LGDT", "LIDT")),
    Fault("refuses far targets, or cuts their offset to 16 bits", _row("JMPF", "CALLF", codes=("Ap",))),
    Fault("ignores the operand size of a far pointer in memory", _row("JMPF", "CALLF", codes=("Mp",), opsize=16)),
    Fault("pushes 0xff80 to 0xffff as a negative byte", _pushes_negative_word),
    Fault("adds 66 to push and pop of es, cs, ss, ds", _row("PUSH", "POP", codes=("ES", "CS", "SS", "DS"))),
    Fault("takes movsd for the instruction of SSE", _row("MOVSD", opsize=32)),
    Fault("refuses bit numbers above 127", _bit_above_127),
    Fault("refuses a word extended to a word", _row("MOVZX", "MOVSX", codes=("Ew",), opsize=16)),
    Fault("encodes nop with an operand as 0F 18 /4", _row("NOP", codes=("Ev",))),
    Fault("refuses bswap of 16 bits", _row("BSWAP", opsize=16)),
    Fault("does not know pushfw, popfw, iretw", _row("PUSHFD", "POPFD", "IRETD", opsize=16)),
    Fault("wants the source of lar and lsl as wide as the destination", _row("LAR", "LSL")),
    Fault("drops an override to ds where the base is esp or ebp", _needs_ds),
)
"""What is not asked, because the answer is known to be wrong; each is tested to be still wrong."""

_FORMS: Final = {pattern.row: pattern for pattern in PATTERNS}
_COMMUTATIVE: Final = frozenset(("XCHG", "TEST"))
_NOTHING_EXCHANGED: Final = ({Reg(EAX, 32)}, {Reg(EAX, 16)})
_FAR_WORDS: Final = {"JMPF": "ljmp", "CALLF": "lcall"}
# Rows whose operand size changes nothing: they read a selector, or a word.
_READ_A_WORD: Final = frozenset(("LLDT", "LTR", "VERR", "VERW", "LMSW", "ARPL"))
_STORE_A_WORD: Final = frozenset(("SLDT", "STR", "SMSW"))
_ADDRESS: Final = 0x10000
"""Where statements stand for keystone: far enough from 0 for short branches back."""

_REGISTER: Final = r"[a-z]{2,3}[0-7]?"
_NUMBER: Final = r"0x[0-9a-f]{1,8}"
_MEMORY: Final = (
    r"(?:(?:byte|word|dword|fword|qword) ptr )?(?:[c-gs]s:)?"
    rf"\[(?:{_NUMBER}|{_REGISTER}(?:\*[1248])?(?: \+ {_REGISTER}\*[1248])?(?: [+-] {_NUMBER})?)\]"
)
_OPERAND: Final = rf"(?:{_REGISTER}|{_NUMBER}|{_MEMORY})"
_STATEMENT: Final = re.compile(rf"(?:lock |rep |repne )?[a-z][a-z0-9]{{1,9}}(?: {_OPERAND}(?:, {_OPERAND}){{0,2}})?")
"""The only statements keystone is ever given; everything it hangs or crashes on lies outside."""


def statement(insn: Insn) -> str:
    """An instruction as one canonical statement for keystone."""
    word = _FAR_WORDS.get(insn.row.mnemonic, insn.mnemonic.lower())
    operands = [] if _FORMS[insn.row].has_implied_memory else [_operand(operand, insn) for operand in insn.operands]
    prefix = "lock " if insn.lock else f"{insn.rep} " if insn.rep else ""
    return f"{prefix}{word} {', '.join(operands)}".rstrip()


def _operand(operand: Operand, insn: Insn) -> str:
    match operand:
        case Reg() | Sreg() | Creg() | Dreg():
            return operand.name
        case Imm(value):
            return f"{value:#x}"
        case Rel():
            return f"{_target(operand, insn):#x}"
        case Mem():
            return _memory(operand)
        case Far(selector, offset):
            return f"{selector:#x}:{offset:#x}"


def _target(operand: Rel, insn: Insn) -> int:
    return _ADDRESS + insn.length + operand.displacement & 0xFFFFFFFF


def _memory(mem: Mem) -> str:
    names = REGISTER_NAMES[mem.adsize]
    terms = [] if mem.base is None else [names[mem.base]]
    if mem.index is not None:
        terms.append(f"{names[mem.index]}*{mem.scale}")
    inside = " + ".join(terms)
    if not terms:
        inside = f"{mem.disp:#x}"
    elif mem.disp:
        inside += f" {'-' if mem.disp < 0 else '+'} {abs(mem.disp):#x}"
    keyword = "fword" if mem.width == 48 else SIZE_KEYWORDS.get(mem.width)
    size = f"{keyword} ptr " if keyword else ""
    segment = "" if mem.segment == default_segment(mem.base) else f"{SEGMENT_NAMES[mem.segment]}:"
    return f"{size}{segment}[{inside}]"


def _is_askable(insn: Insn, bits: int) -> bool:
    """Whether a statement can say all that matters of the instruction."""
    pattern = _FORMS[insn.row]
    if bits != 32 or insn.adsize != 32:
        return False
    if pattern.has_implied_memory:
        # String instructions have no place for a segment.
        overridden = any(isinstance(one, Mem) and one.segment not in (DS, 0) for one in insn.operands)
        source_is_es = any(
            code.kind is not Kind.Y and isinstance(one, Mem) and one.segment == 0
            for code, one in zip(pattern.operands, insn.operands, strict=True)
        )
        if overridden or source_is_es:
            return False
    elif insn.rep:
        return False
    shows_size = insn.mnemonic != insn.row.mnemonic or any(
        code.size in ("v", "v/w", "z", "p", "a") and isinstance(one, Reg | Mem)
        for code, one in zip(pattern.operands, insn.operands, strict=True)
    )
    return insn.opsize == 32 or shows_size or _ignores_size(insn)


def same(ours: Insn, theirs: Insn) -> bool:
    """Whether two decoded instructions do the same: as the rows tell, without keystone's word for it."""
    return _meaning(ours) == _meaning(theirs)


def _meaning(insn: Insn) -> tuple[object, ...]:
    """What is left of an instruction when equal encodings are made one."""
    mnemonic, operands = insn.row.mnemonic, [_operand_meaning(operand, insn) for operand in insn.operands]
    if mnemonic in _COMMUTATIVE:
        operands.sort(key=repr)
    if mnemonic == "XCHG" and set(insn.operands) in _NOTHING_EXCHANGED:
        mnemonic, operands = "NOP", []
    size = 0 if _ignores_size(insn) else insn.opsize
    return mnemonic, size, insn.adsize, insn.lock, insn.rep, tuple(operands)


def _ignores_size(insn: Insn) -> bool:
    """Whether the operand size changes nothing about what the instruction does."""
    mnemonic, operands = insn.row.mnemonic, insn.operands
    if mnemonic in _READ_A_WORD:
        return True
    if mnemonic in _STORE_A_WORD:
        return isinstance(operands[0], Mem)
    if mnemonic == "MOV" and any(isinstance(one, Sreg) for one in operands):
        return isinstance(operands[0], Sreg | Mem)
    return bool(operands) and all(isinstance(one, Reg | Mem | Imm) and one.width == 8 for one in operands)


def _operand_meaning(operand: Operand, insn: Insn) -> object:
    if isinstance(operand, Rel):
        return _target(operand, insn)
    if isinstance(operand, Reg) and insn.row.mnemonic == "MOV" and isinstance(insn.operands[0], Sreg):
        return operand.index
    if isinstance(operand, Mem):
        disp = operand.disp & (1 << operand.adsize) - 1
        if operand.base is None and operand.scale == 2:
            # [r*2] is [r + r]; the segment, which EBP as a base would change, is compared as it is in effect.
            return replace(operand, base=operand.index, scale=1, disp=disp)
        return replace(operand, disp=disp)
    return operand


@cache
def _engine() -> Any:
    return _keystone.Ks(_keystone.KS_ARCH_X86, _keystone.KS_MODE_32)


def asked(text: str) -> bytes:
    """Keystone's bytes for a statement of the grammar; empty where it refuses.

    Raises:
        ValueError: The statement is outside the grammar, and keystone might never return.
    """
    if not _STATEMENT.fullmatch(text):
        raise ValueError(f"not a canonical statement: {text}")
    try:
        encoded, _ = _engine().asm(text, _ADDRESS)
    except _keystone.KsError:
        return b""
    return bytes(encoded or b"")


@lru_cache(maxsize=1 << 16)
def agreement(code: bytes, bits: int = 32) -> Agreement:
    """Compare one encoded instruction with keystone's encoding of it; `bits` is the code size, 16 or 32.

    Raises:
        DisagreementError: Keystone's bytes mean something else, or it refuses.
        DecodeError: `code` is not an instruction.
    """
    if not INSTALLED:
        return Agreement.NOT_ASKED
    insn = decode(code, bits)
    if not _is_askable(insn, bits):
        return Agreement.NOT_ASKED
    if any(fault.concerns(insn) for fault in FAULTS):
        return Agreement.KNOWN_FAULT
    text = statement(insn)
    theirs = asked(text)
    if theirs == code:
        return Agreement.AGREED
    try:
        other = decode(theirs) if theirs else None
    except DecodeError:
        other = None
    if other is None or other.length != len(theirs) or not same(insn, other):
        raise DisagreementError(text, code, theirs)
    return Agreement.EQUAL
