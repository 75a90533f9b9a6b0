"""Why the processor leaves non-root mode: VT-x's basic exit reasons, and what an exit tells.

Source: Intel SDM Vol. 3D, appendix C (VMX basic exit reasons); Vol. 3C, ch. 27 (information on VM exits). The names are
those Linux uses, which the rows of instructions carry as `intercept`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, Self

from teachvm.isa.exceptions import Vector
from teachvm.machine.exceptions import Intercepted, Interruption, Source
from teachvm.machine.operation import Operation


class ExitReason(Enum):
    """A basic exit reason: the number is its value."""

    explanation: str

    EXCEPTION_NMI = (0, "an exception the exception bitmap asks for")
    EXTERNAL_INTERRUPT = (1, "a physical interrupt, whatever the guest’s IF says")
    TRIPLE_FAULT = (2, "the guest’s processor would have shut down")
    INTERRUPT_WINDOW = (7, "the guest can take an interrupt from here on")
    TASK_SWITCH = (9, "a hardware task switch")
    CPUID = (10, "the guest asks what processor this is")
    HLT = (12, "the guest has nothing to do")
    INVD = (13, "the guest empties its caches")
    INVLPG = (14, "the guest drops a page from its TLB")
    RDTSC = (16, "the guest reads the time stamp counter")
    CR_ACCESS = (28, "the guest accesses a control register, as masks and controls ask")
    DR_ACCESS = (29, "the guest accesses a debug register")
    IO_INSTRUCTION = (30, "a port whose bit in an I/O bitmap is set")
    MSR_READ = (31, "a model-specific register whose read bit is set")
    MSR_WRITE = (32, "a model-specific register whose write bit is set")
    GDTR_IDTR = (46, "an access to GDTR or IDTR")
    LDTR_TR = (47, "an access to LDTR or TR")
    EPT_VIOLATION = (48, "the nested tables do not allow a guest-physical access")
    EPT_MISCONFIG = (49, "the nested tables hold an impossible entry")
    WBINVD = (54, "the guest writes its caches back")

    def __new__(cls, number: int, explanation: str) -> Self:
        """Keep the explanation beside the member."""
        member = object.__new__(cls)
        member._value_ = number
        member.explanation = explanation
        return member


INTERRUPTION_VALID: Final = 1 << 31
INTERRUPTION_ERROR: Final = 1 << 11
EXTERNAL, HARDWARE_EXCEPTION, SOFTWARE_INTERRUPT, PRIVILEGED_SOFTWARE, SOFTWARE_EXCEPTION = 0, 3, 4, 5, 6
"""Types of an event in bits 10:8 of interruption information."""
TYPE_NAMES: Final = {
    EXTERNAL: "external interrupt",
    HARDWARE_EXCEPTION: "hardware exception",
    SOFTWARE_INTERRUPT: "software interrupt",
    PRIVILEGED_SOFTWARE: "privileged software exception",
    SOFTWARE_EXCEPTION: "software exception",
}
FAULTING: Final = frozenset((SOFTWARE_INTERRUPT, SOFTWARE_EXCEPTION))
"""Types of which a fault during delivery is the instruction's own."""
REEXECUTED: Final = frozenset((SOFTWARE_INTERRUPT, PRIVILEGED_SOFTWARE, SOFTWARE_EXCEPTION))
"""Types whose instruction stands at the guest's EIP still: resuming executes it again."""


class Event(NamedTuple):
    """Interruption information, unpacked.

    Attributes:
        vector: 0..255.
        type: See `TYPE_NAMES`.
        error: Error code, or None.
    """

    vector: int
    type: int
    error: int | None

    @property
    def information(self) -> int:
        """The field's 32 bits; the error code has a field of its own."""
        error = 0 if self.error is None else INTERRUPTION_ERROR
        return self.vector | self.type << 8 | error | INTERRUPTION_VALID

    @classmethod
    def of(cls, interruption: Interruption, eip: int) -> Event:
        """What the processor says about an interruption.

        Args:
            interruption: On its way to a handler.
            eip: Of the instruction it happened at: INT1's own #DB is told from a single step by it.
        """
        vector, error = interruption.vector, interruption.error
        match interruption.source:
            case Source.EXTERNAL:
                return cls(vector, EXTERNAL, error)
            case Source.SOFTWARE:
                kind = SOFTWARE_EXCEPTION if vector in (Vector.BP, Vector.OF) else SOFTWARE_INTERRUPT
                return cls(vector, kind, error)
            case Source.TRAP if interruption.eip != eip:
                return cls(vector, PRIVILEGED_SOFTWARE, error)
            case _:
                return cls(vector, HARDWARE_EXCEPTION, error)

    @classmethod
    def unpack(cls, information: int, error: int) -> Event | None:
        """The event in a field; None if the field is not valid."""
        if not information & INTERRUPTION_VALID:
            return None
        return cls(information & 0xFF, information >> 8 & 7, error if information & INTERRUPTION_ERROR else None)

    def interruption(self, eip: int, cr2: int | None = None) -> Interruption:
        """As it is delivered: an event whose instruction is executed again is none."""
        exception = Source.TRAP if self.vector == Vector.DB else Source.FAULT
        return Interruption(self.vector, self.error, Source.EXTERNAL if self.type == EXTERNAL else exception, eip, cr2)


class VmExit(Intercepted):
    """The processor leaves non-root mode; raised in the middle of an instruction, of which nothing is done.

    Attributes:
        reason: Why.
        qualification: What the reason needs besides; see `vmx.nonroot`.
        event: The exception or interrupt that caused the exit, or None.
        operation: The instruction that caused it, or None: what a VMM learns from length and qualification.
        linear: The guest-linear address, where there is one.
        gpa: The guest-physical address, where there is one.
    """

    def __init__(
        self,
        reason: ExitReason,
        qualification: int = 0,
        *,
        event: Event | None = None,
        operation: Operation | None = None,
        linear: int = 0,
        gpa: int = 0,
    ) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.qualification = qualification
        self.event = event
        self.operation = operation
        self.linear = linear
        self.gpa = gpa


# ---- qualifications ------------------------------------------------------------------------------

VIOLATION_READ, VIOLATION_WRITE, VIOLATION_FETCH = 1 << 0, 1 << 1, 1 << 2
"""The access; the same three bits, three places up, say what the entry allows."""
VIOLATION_ALLOWED_SHIFT: Final = 3
VIOLATION_LINEAR_VALID: Final = 1 << 7
VIOLATION_FINAL: Final = 1 << 8
"""The guest-physical address is what the guest's walk came to; clear when it is an entry of the guest's tables."""

CR_TO, CR_FROM, CR_CLTS, CR_LMSW = range(4)
"""Access type in bits 5:4 of the qualification of CR_ACCESS."""
IO_IN: Final = 1 << 3
IO_STRING: Final = 1 << 4
IO_REP: Final = 1 << 5
IO_IMMEDIATE: Final = 1 << 6
