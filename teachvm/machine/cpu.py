"""The processor: fetch, decode, execute, one instruction at a time; exceptions and interrupts at its boundaries.

The same class is the physical CPU and, with other wiring and no TLB, a VMM's software CPU.

Source: Intel SDM Vol. 3A, ch. 6 (interruption at instruction boundaries), §6.8.3 (masking by MOV SS), Vol. 1, ch. 19
(I/O protection).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from teachvm.isa.alu import DivideError
from teachvm.isa.control import DR6_BS, DR7_GD
from teachvm.isa.descriptors import TSS_32, TSS_32_BUSY, TSS_IO_MAP
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import IF, RF, TF, iopl
from teachvm.isa.operands import CS
from teachvm.machine.events import ExceptionRaised, InterruptAccepted, SoftwareInterrupted
from teachvm.machine.exceptions import (
    CpuStopped,
    Fault,
    Intercepted,
    Interruption,
    Source,
    general_protection,
    software_interruption,
)
from teachvm.machine.fetching import ATTENTION, Fetching
from teachvm.machine.interrupts import deliver_through_idt
from teachvm.machine.memory import PhysicalMemory
from teachvm.machine.operation import Operation
from teachvm.machine.registers import MASK32, InterruptSource, NoInterrupts, Ports
from teachvm.machine.tiers.engine import NO_BARRIERS, Tiers
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry

UNLIMITED: Final = 1 << 62


class Cpu(Fetching):
    """An IA-32 processor of Pentium class in protected mode, without FPU.

    Hooks, each with a default: `deliver` is what happens to an exception or an accepted interrupt; `interrupts` is the
    interrupt controller; `walker` translates on a TLB miss; `tsc` counts; `budget` is how many cycles a repeated string
    instruction may take before a device is due.

    State set from outside: registers and `segs` may be assigned freely between instructions; control registers through
    `write_cr0` and its like, or followed by `restored()`.

    Deviation: real-address mode, virtual-8086 mode and hardware task switching end the CPU with `CpuStopped`. An
    instruction breakpoint right behind a load of SS is taken, which a Pentium would pass by.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (
        *Fetching.DERIVED,
        "deliver",
        "interrupts",
        "tsc",
        "budget",
        "tiers",
    )

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        """Make a processor with everything zero, in real-address mode, which it cannot execute in.

        Args:
            name: As events call it.
            memory: The physical address space.
            ports: The I/O address space.
            recorder: Where events go; None for a silent processor.
            tlb: None for a processor that walks on every access.
        """
        super().__init__(name, memory, ports, recorder, tlb)
        self.deliver: Callable[[Cpu, Interruption], None] = deliver_through_idt
        self.interrupts: InterruptSource = NoInterrupts()
        self.tsc: Callable[[], int] = _stopped_clock
        self.budget: Callable[[], int] = _unlimited
        self.tiers = None if tlb is None or self._ram is None else Tiers(self, tlb, self._ram)
        if tlb is not None:
            tlb.dropped = self.forget_window

    # ---- execution -----------------------------------------------------------------------------

    def step(self) -> int:
        """Accept a pending interrupt or execute one instruction.

        Returns:
            Cycles: 0 when nothing retired (an exception or interrupt went to `deliver`, or the CPU is halted and
            nothing woke it), else at least 1.

        Raises:
            CpuStopped: The CPU cannot go on, now or since earlier.
        """
        if self.eflags & IF and self.interrupts.pending and not self.shadow and not self.trap_pending:
            self._accept_interrupt()
            return 0
        if self.halted or self.stopped is not None:
            self._require_running()
            return 0
        return self.execute_one()

    def burst(self, limit: int, barriers: frozenset[int] = NO_BARRIERS) -> int:
        """Execute up to `limit` instructions compiled, without a look at interrupts; see `Tiers.run`."""
        return 0 if self.tiers is None else self.tiers.run(limit, barriers)

    def execute_one(self, known: Operation | None = None) -> int:
        """Execute one instruction without looking at interrupts; returns and raises as `step`.

        Args:
            known: What is at EIP, from somebody who knows that nothing has to be looked at before.
        """
        try:
            if self.eflags & ATTENTION or self.shadow or self.trap_pending:
                return self._execute_carefully()
            eip = self.eip
            operation = known
            if operation is None and self.segs[CS] is self._code and self.cpl == self._code_cpl:
                operation = self.window.get(eip - self.window_origin)
            if operation is None:
                if self.break_at and self._broke():
                    return 0
                operation = self.fetch(eip)
            self.next_eip = eip + operation.length & MASK32
            cycles = operation.execute(self)
            self.eip = self.next_eip
        except Fault as fault:
            self.faulted(fault)
            return 0
        except DivideError:
            self.faulted(Fault(Vector.DE))
            return 0
        return cycles or 1

    def _execute_carefully(self) -> int:
        """Execute one instruction while single-stepping, in an interrupt shadow, or with RF set.

        Source: Intel SDM Vol. 3B, §17.3.1.4 (single-step exception), §17.3.1.1 (RF); Vol. 3A, §6.8.3.
        """
        shadow, resume, stepping = self.shadow, self.eflags & RF, self.eflags & TF != 0
        # A data breakpoint met by a load of SS waits, as interrupts do; single steps are not pending then.
        if self.trap_pending and (stepping or not shadow):
            self._debug_exception()
            return 0
        if self.break_at and not resume and self._broke():
            return 0
        self.shadow = False
        self.eflags &= ~RF
        try:
            operation = self.fetch(self.eip)
            self.next_eip = self.eip + operation.length & MASK32
            # Before the instruction: delivery of INT n takes the pending trap back.
            self.trap_pending |= stepping
            cycles = operation.execute(self)
        except (Fault, DivideError, Intercepted):
            self.shadow, self.trap_pending = shadow, False
            self.eflags |= resume
            raise
        self.eip = self.next_eip
        if stepping and self.shadow and operation.insn.row.mnemonic in ("MOV", "POP"):
            self.trap_pending = False
        if self.trap_pending:
            self.halted = False  # a debug exception ends HLT (SDM Vol. 2A, HLT)
            self.dr[6] |= DR6_BS if stepping else 0
        return cycles or 1

    def _broke(self) -> bool:
        """Deliver #DB before the instruction at EIP, if a breakpoint is there; RF is pushed as it is, clear."""
        bits = self.break_at.get(self.segs[CS].base + self.eip & MASK32, 0)
        if bits:
            self.dr[6] |= bits
            self._debug_exception()
        return bits != 0

    def _debug_exception(self) -> None:
        """#DB at an instruction boundary; DR6 says why."""
        self.trap_pending = False
        self.dr[7] &= ~DR7_GD
        self.mark(ExceptionRaised, vector=int(Vector.DB), error=None, eip=self.eip, cpl=self.cpl, cr2=None)
        self.deliver(self, Interruption(int(Vector.DB), None, Source.TRAP, self.eip))

    def _accept_interrupt(self) -> None:
        self._require_running()
        vector = self.interrupts.acknowledge()
        self.halted = False
        self.mark(InterruptAccepted, vector=vector, eip=self.eip, cpl=self.cpl)
        self.deliver(self, Interruption(vector, None, Source.EXTERNAL, self.eip))

    def faulted(self, fault: Fault) -> None:
        """Hand a fault of the present instruction to `deliver`."""
        self.trap_pending = False
        if fault.cr2 is not None:
            self.cr2 = fault.cr2
        self.mark(
            ExceptionRaised, vector=int(fault.vector), error=fault.error, eip=self.eip, cpl=self.cpl, cr2=fault.cr2
        )
        self.deliver(self, Interruption(int(fault.vector), fault.error, Source.FAULT, self.eip, fault.cr2))

    def _require_running(self) -> None:
        if self.stopped is not None:
            raise CpuStopped(self.stopped, self.stop_detail)

    # ---- derived state -------------------------------------------------------------------------

    def forget_window(self) -> None:
        """A translation went away: look the current code page up again at the next fetch."""
        super().forget_window()
        self.concluded.clear()
        if self.tiers is not None:
            self.tiers.forget_near()

    def restored(self) -> None:
        """State was set from outside: drop everything derived from it."""
        self.arm()
        self.delivering = None
        self.forget_window()
        if self.tlb is not None:
            self.tlb.forget()

    # ---- what instructions use -----------------------------------------------------------------

    def software_interrupt(self, vector: int) -> None:
        """INT n, INT3, INTO: go through the IDT, with a check of the gate's DPL.

        Raises:
            Fault: Delivery is impossible; nothing has changed.
        """
        self.emit(SoftwareInterrupted, vector=vector, eip=self.eip, cpl=self.cpl)
        self.deliver(self, software_interruption(vector, self.next_eip))
        self.next_eip = self.eip

    def jump(self, eip: int) -> None:
        """Go on at another offset of the same code segment.

        Raises:
            Fault: #GP(0) outside the limit.
        """
        if eip > self.segs[CS].limit:
            raise general_protection()
        self.next_eip = eip

    def debug_trap(self) -> None:
        """INT1: a #DB as if by hardware, reported after the instruction, without a check of the gate's DPL."""
        self.dr[7] &= ~DR7_GD
        self.mark(ExceptionRaised, vector=int(Vector.DB), error=None, eip=self.eip, cpl=self.cpl, cr2=None)
        self.deliver(self, Interruption(int(Vector.DB), None, Source.TRAP, self.next_eip))
        self.next_eip = self.eip

    def require_iopl(self) -> None:
        """CLI and STI: CPL must not exceed IOPL.

        Raises:
            Fault: #GP(0).
        """
        if self.cpl > iopl(self.eflags):
            raise general_protection()

    def require_port(self, port: int, size: int) -> None:
        """IN and OUT: CPL must not exceed IOPL, or the TSS's I/O permission bitmap must allow every byte.

        Raises:
            Fault: #GP(0), when a bit is set or lies outside the TSS; #PF.

        Source: Intel SDM Vol. 1, §19.5.2.
        """
        self.permit_port(port, size)
        if self._port_spots:
            self.accessed_port(port, size)

    def permit_port(self, port: int, size: int) -> None:
        """The permission alone, as `require_port` asks for it."""
        if self.cpl <= iopl(self.eflags):
            return
        tss = self.tr
        if not tss.present or tss.type not in (TSS_32, TSS_32_BUSY) or tss.limit < TSS_IO_MAP + 1:
            raise general_protection()
        where = self.read_linear(tss.base + TSS_IO_MAP & MASK32, 2) + port // 8
        # Two bytes are read always, since four ports can lie across two.
        if where + 1 > tss.limit:
            raise general_protection()
        bits = self.read_linear(tss.base + where & MASK32, 2)
        if bits >> (port & 7) & (1 << size) - 1:
            raise general_protection()

    # ---- state ---------------------------------------------------------------------------------

    def register(self, registry: Registry, path: str) -> None:
        """Enter the processor's state, and its TLB's, in a world's registry."""
        registry.add(path, self)
        if self.tlb is not None:
            registry.add(f"{path}.tlb", self.tlb)


def _stopped_clock() -> int:
    return 0


def _unlimited() -> int:
    return UNLIMITED
