"""The sixteen condition codes shared by Jcc, SETcc and CMOVcc, in opcode order.

Source: Intel SDM Vol. 1, Appendix B, EFLAGS condition codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from teachvm.isa.flags import CF, OF, PF, SF, ZF


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: the low four opcode bits, its usual suffix, the other suffixes, and the flags it reads."""

    code: int
    suffix: str
    synonyms: tuple[str, ...]
    tested: int
    meaning: str


CONDITIONS: Final = (
    Condition(0x0, "O", (), OF, "overflow"),
    Condition(0x1, "NO", (), OF, "no overflow"),
    Condition(0x2, "B", ("C", "NAE"), CF, "below (unsigned), carry"),
    Condition(0x3, "AE", ("NC", "NB"), CF, "above or equal (unsigned), no carry"),
    Condition(0x4, "E", ("Z",), ZF, "equal, zero"),
    Condition(0x5, "NE", ("NZ",), ZF, "not equal, not zero"),
    Condition(0x6, "BE", ("NA",), CF | ZF, "below or equal (unsigned)"),
    Condition(0x7, "A", ("NBE",), CF | ZF, "above (unsigned)"),
    Condition(0x8, "S", (), SF, "sign, negative"),
    Condition(0x9, "NS", (), SF, "no sign, not negative"),
    Condition(0xA, "P", ("PE",), PF, "parity even"),
    Condition(0xB, "NP", ("PO",), PF, "parity odd"),
    Condition(0xC, "L", ("NGE",), SF | OF, "less (signed)"),
    Condition(0xD, "GE", ("NL",), SF | OF, "greater or equal (signed)"),
    Condition(0xE, "LE", ("NG",), SF | OF | ZF, "less or equal (signed)"),
    Condition(0xF, "G", ("NLE",), SF | OF | ZF, "greater (signed)"),
)


def holds(code: int, eflags: int) -> bool:
    """Whether condition `code` (0..15) is true of `eflags`; an odd code negates the even one before it."""
    match code >> 1:
        case 0:
            result = eflags & OF != 0
        case 1:
            result = eflags & CF != 0
        case 2:
            result = eflags & ZF != 0
        case 3:
            result = eflags & (CF | ZF) != 0
        case 4:
            result = eflags & SF != 0
        case 5:
            result = eflags & PF != 0
        case 6:
            result = (eflags & SF != 0) != (eflags & OF != 0)
        case _:
            result = eflags & ZF != 0 or (eflags & SF != 0) != (eflags & OF != 0)
    return result != bool(code & 1)


SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{stem}{synonym}": f"{stem}{condition.suffix}"
        for condition in CONDITIONS
        for synonym in condition.synonyms
        for stem in ("J", "SET", "CMOV")
    }
)
"""Other spellings of the conditional mnemonics: `JZ` -> `JE`, `SETNAE` -> `SETB`."""

BY_MNEMONIC: Final[Mapping[str, Condition]] = MappingProxyType(
    {f"{stem}{condition.suffix}": condition for condition in CONDITIONS for stem in ("J", "SET", "CMOV")}
)
"""Row mnemonic -> its condition: `JNE`, `SETNE` and `CMOVNE` share one."""
