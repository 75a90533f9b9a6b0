"""Spellings of instructions: what people may write, which row that is, and how it is written back.

Rows carry the SDM's 32-bit names. Assembly follows NASM: `pushf` has the default size, `pushfw` and `pushfd` a
stated one, far transfers are `jmp far`, `call far`, `retf`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from teachvm.isa.conditions import SYNONYMS as CONDITION_SYNONYMS
from teachvm.isa.row import SHORT_ADDRESS_NAMES, WORD_NAMES
from teachvm.isa.rows import MNEMONICS


@dataclass(frozen=True, slots=True)
class Spelling:
    """A row's mnemonic and the operand and address size the spelling asks for, None where it asks for none."""

    mnemonic: str
    opsize: int | None = None
    adsize: int | None = None


def _spellings() -> dict[str, Spelling]:
    table = {name: Spelling(name) for name in MNEMONICS}
    table |= {name: Spelling(name, opsize=32) for name in WORD_NAMES}
    table |= {word: Spelling(name, opsize=16) for name, word in WORD_NAMES.items()}
    table |= {name: Spelling(name, adsize=32) for name in SHORT_ADDRESS_NAMES}
    table |= {short: Spelling(name, adsize=16) for name, short in SHORT_ADDRESS_NAMES.items()}
    table |= {other: Spelling(name) for other, name in CONDITION_SYNONYMS.items()}
    table |= {
        "PUSHF": Spelling("PUSHFD"),
        "POPF": Spelling("POPFD"),
        "PUSHA": Spelling("PUSHAD"),
        "POPA": Spelling("POPAD"),
        "IRET": Spelling("IRETD"),
        "SAL": Spelling("SHL"),
        "LOOPZ": Spelling("LOOPE"),
        "LOOPNZ": Spelling("LOOPNE"),
        "RETN": Spelling("RET"),
        "XLAT": Spelling("XLATB"),
        "ICEBP": Spelling("INT1"),
    }
    return table


SPELLINGS: Final[Mapping[str, Spelling]] = MappingProxyType(_spellings())
"""Every upper-case instruction name an assembler accepts -> what it stands for."""

REP_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"REP": "rep", "REPE": "rep", "REPZ": "rep", "REPNE": "repne", "REPNZ": "repne"}
)
"""Spelling of a repeat prefix -> the value of `Insn.rep`."""

COMPARING_STRINGS: Final = frozenset(("CMPSB", "CMPSD", "SCASB", "SCASD"))
"""String rows whose repetition also ends on ZF: F3 reads REPE before them."""

FAR_NAMES: Final[Mapping[str, str]] = MappingProxyType({"JMPF": "jmp far", "CALLF": "call far"})
"""Rows of far transfers -> how they are written."""


def written(mnemonic: str) -> str:
    """How an instruction's name is written in assembly: lower case, `jmp far` for JMPF."""
    return FAR_NAMES.get(mnemonic, mnemonic.lower())
