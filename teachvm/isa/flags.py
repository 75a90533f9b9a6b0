"""EFLAGS bit layout, and which flags an instruction may leave undefined.

Source: Intel SDM Vol. 1, EFLAGS register; Vol. 1 Appendix A, EFLAGS cross-reference.
"""

from collections.abc import Callable, Mapping
from enum import IntFlag
from types import MappingProxyType
from typing import Final


class Flag(IntFlag):
    """Every EFLAGS bit of a Pentium, by its SDM name; IOPL is the two-bit field `IOPL_MASK`."""

    CF = 1 << 0
    PF = 1 << 2
    AF = 1 << 4
    ZF = 1 << 6
    SF = 1 << 7
    TF = 1 << 8
    IF = 1 << 9
    DF = 1 << 10
    OF = 1 << 11
    NT = 1 << 14
    RF = 1 << 16
    VM = 1 << 17
    AC = 1 << 18
    VIF = 1 << 19
    VIP = 1 << 20
    ID = 1 << 21


# Plain ints beside the enum: arithmetic on IntFlag members costs a member lookup each time.
CF: Final[int] = Flag.CF.value
PF: Final[int] = Flag.PF.value
AF: Final[int] = Flag.AF.value
ZF: Final[int] = Flag.ZF.value
SF: Final[int] = Flag.SF.value
TF: Final[int] = Flag.TF.value
IF: Final[int] = Flag.IF.value
DF: Final[int] = Flag.DF.value
OF: Final[int] = Flag.OF.value
NT: Final[int] = Flag.NT.value
RF: Final[int] = Flag.RF.value
VM: Final[int] = Flag.VM.value
AC: Final[int] = Flag.AC.value
VIF: Final[int] = Flag.VIF.value
VIP: Final[int] = Flag.VIP.value
ID: Final[int] = Flag.ID.value

IOPL_SHIFT: Final = 12
IOPL_MASK: Final = 3 << IOPL_SHIFT
RESERVED_ONE: Final = 1 << 1
"""Bit 1 reads as one on every x86."""

STATUS: Final = CF | PF | AF | ZF | SF | OF
"""The six flags arithmetic writes."""

KNOWN: Final = STATUS | TF | IF | DF | IOPL_MASK | NT | RF | VM | AC | VIF | VIP | ID
"""All bits that can be one besides bit 1; the others read as zero."""


def iopl(eflags: int) -> int:
    """I/O privilege level, 0..3: the least privileged ring that may use CLI, STI, IN and OUT freely."""
    return eflags >> IOPL_SHIFT & 3


def names(eflags: int) -> tuple[str, ...]:
    """Names of the one-bit flags set in `eflags`, lowest bit first."""
    return tuple(flag.name for flag in Flag if eflags & flag and flag.name)


def _shift(count: int, width: int) -> int:
    """Undefined after SHL, SHR, SAR by a non-zero `count`: AF, OF beyond one bit, CF once the operand is used up."""
    if count == 0:
        return 0
    return AF | (OF if count != 1 else 0) | (CF if count >= width else 0)


def _rotate(count: int, width: int) -> int:
    """Undefined after ROL, ROR, RCL, RCR by a non-zero `count`: OF beyond one bit."""
    del width
    return 0 if count in (0, 1) else OF


def _double_shift(count: int, width: int) -> int:
    """Undefined after SHLD, SHRD: AF, OF beyond one bit, and everything once `count` exceeds the operand."""
    if count == 0:
        return 0
    if count > width:
        return STATUS
    return AF | (OF if count != 1 else 0)


UNDEFINED_BY_COUNT: Final[Mapping[str, Callable[[int, int], int]]] = MappingProxyType(
    {"shift": _shift, "rotate": _rotate, "double_shift": _double_shift}
)
"""Rows whose undefined flags depend on the shift count name one of these.

Each takes (count, width): the count after masking to five bits, and the operand's width in bits; it
returns the mask of flags the SDM leaves undefined. A count of zero changes no flag at all.
For `shift` the CF part is conservative for SAR, which always copies the sign.
"""
