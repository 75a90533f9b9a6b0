"""The register file of an IA-32 processor, and the hooks a CPU is wired with.

Source: Intel SDM Vol. 1, §3.4 (basic program execution registers); Vol. 3A, ch. 2 (system registers) and Table 9-1
(state after reset).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from teachvm.isa.control import CR0_ET, DR6_FIXED, DR7_FIXED
from teachvm.isa.descriptors import Segment, TableRegister, null_segment
from teachvm.isa.flags import RESERVED_ONE
from teachvm.machine.conclusions import Conclusions
from teachvm.machine.exceptions import CpuStopped, Fault, Interruption, StopReason
from teachvm.machine.memory import Memory, PhysicalMemory
from teachvm.machine.tlb import PageMap, Tlb
from teachvm.trace.events import Event
from teachvm.trace.recorder import Recorder

if TYPE_CHECKING:
    from teachvm.machine.operation import Operation

MASK32: Final = 0xFFFF_FFFF
GDT_LIMIT_AT_RESET: Final = 0xFFFF

# A page map that stays empty: of a processor that has to look up everything.
_NO_PAGES: Final[PageMap] = {}
_NO_MAPS: Final = (_NO_PAGES, _NO_PAGES, _NO_PAGES, _NO_PAGES)


class Ports(Protocol):
    """The I/O address space as a CPU sees it."""

    def in_(self, port: int, size: int) -> int:
        """Read 1, 2 or 4 bytes starting at a port."""

    def out(self, port: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes starting at a port."""


class InterruptSource(Protocol):
    """The INTR pin and the interrupt acknowledge cycle."""

    @property
    def pending(self) -> bool:
        """The level of the pin."""

    def acknowledge(self) -> int:
        """Answer an acknowledge cycle with a vector."""


class NoInterrupts:
    """An INTR pin nobody drives."""

    pending = False

    def acknowledge(self) -> int:
        """Never asked, since nothing is pending.

        Raises:
            RuntimeError: It was asked all the same.
        """
        raise RuntimeError("no interrupt is pending")


class Registers:
    """Everything a processor holds, and what it is connected to.

    Shape: `regs` in ModRM order EAX ECX EDX EBX ESP EBP ESI EDI, unsigned 32 bits; `segs` in the order ES CS SS DS FS
    GS. `cpl` is the current privilege level, kept beside CS so that a VMM can set both as it likes. `shadow` is the
    interrupt shadow after STI and MOV SS: no interrupt is accepted before the next instruction is done. `trap_pending`
    says that a single-step #DB is due at this boundary. `next_eip` is where EIP goes when the current instruction
    completes; until then `eip` names the instruction itself.

    Hooks, each with a default that costs nothing: `intercept` is asked before an instruction whose row has an
    intercept, and answers whether it is done already; `delivery_fault` is told of a fault met while `delivering` an
    interruption, before it is delivered instead; `control_view` changes what software reads of a control register. The
    first two may raise `Intercepted`.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "regs",
        "eip",
        "eflags",
        "segs",
        "ldtr",
        "tr",
        "gdtr",
        "idtr",
        "cr0",
        "cr2",
        "cr3",
        "cr4",
        "dr",
        "cpl",
        "halted",
        "shadow",
        "trap_pending",
        "tsc_offset",
        "stopped",
        "stop_detail",
    )
    DERIVED: ClassVar[tuple[str, ...]] = (
        "name",
        "memory",
        "ports",
        "recorder",
        "tlb",
        "next_eip",
        "intercept",
        "delivery_fault",
        "delivering",
        "control_view",
        "concluded",
        "_ram",
        "_reads",
        "_writes",
    )

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        self.name = name
        self.memory = memory
        self.ports = ports
        self.recorder = recorder
        self.tlb = tlb
        self.regs: list[int] = [0] * 8
        self.eip = 0
        self.next_eip = 0
        self.eflags = RESERVED_ONE
        self.segs: list[Segment] = [null_segment() for _ in range(6)]
        self.ldtr: Segment = null_segment()
        self.tr: Segment = null_segment()
        self.gdtr = TableRegister(0, GDT_LIMIT_AT_RESET)
        self.idtr = TableRegister(0, GDT_LIMIT_AT_RESET)
        self.cr0 = CR0_ET
        self.cr2 = 0
        self.cr3 = 0
        self.cr4 = 0
        self.dr: list[int] = [0, 0, 0, 0, 0, 0, DR6_FIXED, DR7_FIXED]
        self.cpl = 0
        self.halted = False
        self.shadow = False
        self.trap_pending = False
        self.tsc_offset = 0
        self.stopped: StopReason | None = None
        self.stop_detail = ""
        self.intercept: Callable[[Operation], bool] | None = None
        self.delivery_fault: Callable[[Interruption, Fault], None] = goes_on
        self.delivering: Interruption | None = None
        self.control_view: Callable[[int, int], int] | None = None
        self.concluded = Conclusions()
        self._ram: Memory | None = memory.ram
        self._reads: tuple[PageMap, ...] = tlb.reads if tlb is not None and self._ram is not None else _NO_MAPS
        self._writes: tuple[PageMap, ...] = tlb.writes if tlb is not None and self._ram is not None else _NO_MAPS

    @property
    def ram(self) -> Memory | None:
        """RAM the processor reaches without asking, or None."""
        return self._ram

    def set_flags(self, flags: int, mask: int) -> None:
        """Replace the EFLAGS bits of `mask` by those of `flags`."""
        self.eflags = self.eflags & ~mask | flags & mask

    def read_control(self, index: int) -> int:
        """What software reads of CR0, CR2, CR3 or CR4."""
        value = (self.cr0, 0, self.cr2, self.cr3, self.cr4)[index]
        return value if self.control_view is None else self.control_view(index, value)

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """Record a fact about this CPU, if it has a recorder."""
        if self.recorder is not None:
            fields["cpu"] = self.name
            self.recorder.record(kind, fields)

    def mark(self, kind: type[Event], **fields: Any) -> None:
        """Record a phase of this CPU, if it has a recorder.

        Raises:
            PhaseReached: The timeline asked to stop here.
        """
        if self.recorder is not None:
            fields["cpu"] = self.name
            self.recorder.record_phase(kind, fields)

    def stop(self, reason: StopReason, detail: str = "") -> CpuStopped:
        """End the CPU: it executes nothing more. The caller raises what this returns."""
        self.stopped = reason
        self.stop_detail = detail
        return CpuStopped(reason, detail)


def goes_on(first: Interruption, second: Fault) -> None:
    """Nobody takes a fault during delivery away."""
