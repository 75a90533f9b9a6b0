"""What stops an instruction: faults, interruptions on their way to a handler, and the end of the CPU.

Source: Intel SDM Vol. 3A, ch. 6 (interrupt and exception handling).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from teachvm.isa.exceptions import Vector, selector_error, spelled


class Fault(Exception):  # noqa: N818 - the SDM's class of exceptions
    """An exception of the fault class, met while an instruction executes; nothing of the instruction is done.

    Raised by the memory access methods and by the meanings of instructions; `Cpu.execute_one` turns it into an
    `Interruption`.

    Attributes:
        vector: Exception vector, 0..31.
        error: Error code, or None for a vector that has none.
        cr2: The linear address, for a page fault.
    """

    def __init__(self, vector: int, error: int | None = None, cr2: int | None = None) -> None:
        super().__init__(vector, error, cr2)
        self.vector = vector
        self.error = error
        self.cr2 = cr2

    def __str__(self) -> str:
        """As people write it: `#GP(0x0010)`."""
        return spelled(self.vector) if self.error is None else f"{spelled(self.vector)}({self.error:#06x})"


def general_protection(error: int = 0) -> Fault:
    """#GP with an error code."""
    return Fault(Vector.GP, error)


def selector_fault(vector: int, selector: int) -> Fault:
    """A fault whose error code names a descriptor."""
    return Fault(vector, selector_error(selector))


def invalid_opcode() -> Fault:
    """#UD."""
    return Fault(Vector.UD)


class Source(Enum):
    """What interrupted the program; decides DPL check, EXT bit and the saved RF."""

    FAULT = "fault"
    """An exception whose saved EIP points at the instruction."""
    TRAP = "trap"
    """An exception reported after the instruction."""
    SOFTWARE = "software"
    """INT n, INT3 or INTO: subject to the gate's DPL."""
    EXTERNAL = "external"
    """An interrupt from a pin."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """An exception or interrupt on its way to a handler.

    Attributes:
        vector: 0..255.
        error: Error code to push, or None.
        source: What it comes from.
        eip: The EIP to save: of the instruction itself for a fault, of the next one otherwise.
        cr2: The faulting linear address, for a page fault.
    """

    vector: int
    error: int | None
    source: Source
    eip: int
    cr2: int | None = None

    @property
    def external(self) -> bool:
        """Whether a fault met during delivery reports EXT: everything but the program's own INT n, INT3, INTO."""
        return self.source is not Source.SOFTWARE

    def __str__(self) -> str:
        """As people write it: `#PF(0x0006)`, `int 0x20`."""
        text = spelled(self.vector)
        return text if self.error is None else f"{text}({self.error:#06x})"


class Intercepted(Exception):  # noqa: N818 - a hook's answer, not a mistake
    """A hook took the present instruction, or the delivery of an interruption, away: nothing of it is done.

    Raised where a `Fault` may be raised, so the state is that of the instruction boundary before; it passes through the
    CPU to whoever called it. The hook's owner derives what it wants to be told from it.
    """


@lru_cache(maxsize=1 << 10)
def software_interruption(vector: int, eip: int) -> Interruption:
    """INT n on its way; the same INT n comes by often.

    Args:
        vector: n.
        eip: Of the next instruction.
    """
    return Interruption(vector, None, Source.SOFTWARE, eip)


class StopReason(Enum):
    """Why a CPU cannot go on."""

    TRIPLE_FAULT = "triple fault"
    REAL_MODE = "real-address mode is not modelled"
    VIRTUAL_8086 = "virtual-8086 mode is not modelled"
    TASK_SWITCH = "hardware task switching is not modelled"


class CpuStopped(Exception):  # noqa: N818 - an end, not a mistake
    """The CPU has ended and executes nothing more: shutdown after a triple fault, or something the model leaves out.

    The state is consistent: that of the instruction boundary at which the processor gave up.

    Attributes:
        reason: Why.
        detail: What led to it, for people.
    """

    def __init__(self, reason: StopReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
