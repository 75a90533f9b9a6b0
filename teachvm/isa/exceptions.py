"""The architecture's own interrupt vectors: mnemonic, kind, and whether an error code is pushed.

Source: Intel SDM Vol. 3A, ch. 6, Table 6-1 and the exception reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final


class ExceptionKind(Enum):
    """Where the saved EIP points: FAULT at the instruction, TRAP after it, ABORT nowhere reliable."""

    FAULT = "fault"
    TRAP = "trap"
    ABORT = "abort"
    INTERRUPT = "interrupt"


class Vector(IntEnum):
    """Vectors 0..31 that the processor itself uses, by their SDM mnemonic without the `#`."""

    DE = 0
    DB = 1
    NMI = 2
    BP = 3
    OF = 4
    BR = 5
    UD = 6
    NM = 7
    DF = 8
    TS = 10
    NP = 11
    SS = 12
    GP = 13
    PF = 14
    MF = 16
    AC = 17
    MC = 18


@dataclass(frozen=True, slots=True)
class VectorInfo:
    """One row of the exception table."""

    vector: Vector
    mnemonic: str
    """As the SDM prints it: `#GP`; `NMI` has no sharp."""
    title: str
    kind: ExceptionKind
    has_error_code: bool
    contributory: bool
    """Two contributory exceptions in a row, or one while delivering #PF, become a double fault."""


def _row(
    vector: Vector,
    title: str,
    kind: ExceptionKind,
    *,
    error: bool = False,
    contributory: bool = False,
) -> VectorInfo:
    mnemonic = vector.name if vector is Vector.NMI else f"#{vector.name}"
    return VectorInfo(vector, mnemonic, title, kind, error, contributory)


_FAULT, _TRAP, _ABORT = ExceptionKind.FAULT, ExceptionKind.TRAP, ExceptionKind.ABORT

VECTORS: Final[Mapping[int, VectorInfo]] = MappingProxyType(
    {
        info.vector: info
        for info in (
            _row(Vector.DE, "Divide Error", _FAULT, contributory=True),
            # #DB is a fault for instruction breakpoints and a trap for single steps and data breakpoints.
            _row(Vector.DB, "Debug", _TRAP),
            _row(Vector.NMI, "Non-maskable Interrupt", ExceptionKind.INTERRUPT),
            _row(Vector.BP, "Breakpoint", _TRAP),
            _row(Vector.OF, "Overflow", _TRAP),
            _row(Vector.BR, "BOUND Range Exceeded", _FAULT),
            _row(Vector.UD, "Invalid Opcode", _FAULT),
            _row(Vector.NM, "Device Not Available", _FAULT),
            _row(Vector.DF, "Double Fault", _ABORT, error=True),
            _row(Vector.TS, "Invalid TSS", _FAULT, error=True, contributory=True),
            _row(Vector.NP, "Segment Not Present", _FAULT, error=True, contributory=True),
            _row(Vector.SS, "Stack-Segment Fault", _FAULT, error=True, contributory=True),
            _row(Vector.GP, "General Protection", _FAULT, error=True, contributory=True),
            _row(Vector.PF, "Page Fault", _FAULT, error=True),
            _row(Vector.MF, "x87 Floating-Point Error", _FAULT),
            _row(Vector.AC, "Alignment Check", _FAULT, error=True),
            _row(Vector.MC, "Machine Check", _ABORT),
        )
    }
)
"""Vector number -> its row. Vectors 9, 15, 19..31 are reserved, 32..255 belong to the system."""


class ErrorCode(IntEnum):
    """Low bits of a selector-shaped error code (#TS, #NP, #SS, #GP)."""

    EXT = 1 << 0
    """The fault was met while delivering something external to the program."""
    IDT = 1 << 1
    """The index names a gate of the IDT."""
    TI = 1 << 2
    """With IDT clear: the index names a descriptor of the LDT, not the GDT."""


def gate_error(vector: int, *, external: bool = False) -> int:
    """Error code that names IDT gate `vector`: 8 * vector + 2, plus EXT."""
    return vector << 3 | ErrorCode.IDT | (ErrorCode.EXT if external else 0)


def selector_error(selector: int, *, external: bool = False) -> int:
    """Error code that names a descriptor: the selector with its RPL replaced by EXT."""
    return selector & 0xFFFC | (ErrorCode.EXT if external else 0)


def spelled(vector: int) -> str:
    """What people call a vector: `#GP` for the processor's own, `int 0x20` for the rest."""
    info = VECTORS.get(vector)
    return info.mnemonic if info else f"int 0x{vector:02x}"


def becomes_double_fault(first: int, second: int) -> bool:
    """Whether exception `second`, met while delivering `first`, turns into #DF.

    Source: Intel SDM Vol. 3A, Table 6-5: two contributory exceptions, or anything contributory or a
    page fault while delivering a page fault. External interrupts are benign.
    """
    was, now = VECTORS.get(first), VECTORS.get(second)
    if was is None or now is None:
        return False
    if was.vector is Vector.PF:
        return now.contributory or now.vector is Vector.PF
    return was.contributory and now.contributory
