"""What the VMM does about each exit: page faults under shadow paging, violations under nested paging, instructions.

Source: Intel SDM Vol. 3C, ch. 27 (VM exits), §27.2.4 (events that exits interrupt); Adams & Agesen, ASPLOS 2006, §4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from teachvm.isa.exceptions import Vector
from teachvm.isa.operands import CS
from teachvm.isa.paging import FRAME, PAGE_SHIFT
from teachvm.isa.text import row_text
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Interruption, Source
from teachvm.machine.operation import Operation
from teachvm.vmm.addresses import Gfn, Gpa
from teachvm.vmm.changes import changes
from teachvm.vmm.engines.classify import instruction_at, instruction_reason
from teachvm.vmm.engines.monitor import Monitor
from teachvm.vmm.engines.page_faults import held_against_guest, mend, walk_visibly
from teachvm.vmm.entries import EntryKind, EntryReason
from teachvm.vmm.events import FaultClassified, InstructionDecoded, InstructionEmulated
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.prices import parts
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vmx.events import NestedFilled, VmExited
from teachvm.vmm.vmx.exits import (
    FAULTING,
    HARDWARE_EXCEPTION,
    INTERRUPTION_VALID,
    REEXECUTED,
    VIOLATION_WRITE,
    Event,
    ExitReason,
    VmExit,
)
from teachvm.vmm.vmx.fields import Field
from teachvm.vmm.vmx.setup import make_structure
from teachvm.vmm.vmx.vcpu import NonRootVcpu

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


class ExitHandling(Monitor):
    """The part of the VMM that is entered by exits.

    Attributes:
        structure: The control structure.
        walker: The page walker for nested tables, which is the hardware's.
        nested: The nested tables.
        processor: The processor in non-root mode.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (
        *Monitor.DERIVED,
        "structure",
        "walker",
        "nested",
        "processor",
        "_told",
        "_virtual",
    )

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        assert isinstance(vm.vcpu, NonRootVcpu)
        self._virtual = vm.vcpu
        made = make_structure(vm.host, vm.name, vm.memory, vm.region)
        self.structure, self.walker, self.nested, self.processor = made
        self._told = False
        """The instruction being emulated was told by an exit: its faults are injected."""
        vm.vcpu.cpu.deliver = self._deliver
        vm.vcpu.left = self.processor.taken

    def _resume(self) -> None:
        """Enter the guest."""
        raise NotImplementedError

    # ---- exits ---------------------------------------------------------------------------------

    def _exited(self, cause: VmExit) -> bool:
        """Act on an exit; true if the guest is to go on now."""
        self._virtual.take()
        self.vcpu.cpu.trap_pending = False
        self.processor.leave(cause)
        self.vm.service()
        match cause.reason:
            case ExitReason.EXTERNAL_INTERRUPT:
                self._opened(EntryReason.EXTERNAL_INTERRUPT, cause)
                assert self.host.timer is not None
                self.host.timer.end_of_interrupt()
                if self.host.reschedule():
                    return True
                self._close()
                return False
            case ExitReason.INTERRUPT_WINDOW:
                self._opened(EntryReason.INTERRUPT_WINDOW, cause)
                return True
            case ExitReason.EXCEPTION_NMI:
                return self._page_fault(cause)
            case ExitReason.EPT_VIOLATION:
                return self._violation(cause)
            case ExitReason.TRIPLE_FAULT | ExitReason.TASK_SWITCH:
                stop = cause.__cause__
                assert isinstance(stop, CpuStopped)
                raise stop
            case _:
                assert cause.operation is not None
                self._opened(instruction_reason(cause.operation.insn) or EntryReason.CPUID, cause)
                return self._emulate(cause.operation)

    def _opened(self, reason: EntryReason, cause: VmExit) -> None:
        """Note an exit and charge it, what the VMM reads, and what it does."""
        self._close()
        cpu, event = self.vcpu.cpu, cause.event
        self.entry = reason
        self.entered_at = self.clock.cycles
        self.recorder.mark(
            VmExited,
            vm=self.vm.name,
            reason=reason,
            vector=-1 if event is None else event.vector,
            error=None if event is None else event.error,
            eip=cpu.eip,
            cpl=cpu.cpl,
            number=cause.reason.value,
            name=cause.reason.name,
            kind=EntryKind.EXIT,
            qualification=cause.qualification,
        )
        self.clock.spend(self._price(reason))

    def _price(self, reason: EntryReason) -> int:
        return sum(times * self.host.costs.of(key) for key, times in parts(Technique.HARDWARE_ASSIST, reason))

    def _page_fault(self, cause: VmExit) -> bool:
        """Shadow paging: hold the fault against the guest's own tables, and act accordingly.

        Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2.
        """
        vm, cpu = self.vm, self.vcpu.cpu
        assert cause.event is not None
        error, linear = cause.event.error, cause.qualification
        fault = held_against_guest(vm, Interruption(Vector.PF, error, Source.FAULT, cpu.eip, linear))
        self._opened(fault.kind.reason, cause)
        walk_visibly(vm, fault)
        interrupted = self._interrupted()
        if mend(vm, fault):
            return self._again(interrupted)
        if interrupted is not None:
            return self._deliver_in_software(interrupted)
        if fault.kind is FaultKind.TRUE:
            self._inject(Event(Vector.PF, HARDWARE_EXCEPTION, fault.error), linear)
            return True
        return self._emulate(None)

    def _violation(self, cause: VmExit) -> bool:
        """Nested paging: give the hardware the entry it lacks, or be the device that answers there."""
        vm, gpa = self.vm, Gpa(cause.gpa)
        kind = FaultKind.NESTED if vm.memory.is_ram(Gfn(gpa >> PAGE_SHIFT)) else FaultKind.MMIO
        self._opened(kind.reason, cause)
        self.recorder.mark(
            FaultClassified,
            vm=vm.name,
            kind=kind,
            linear=cause.linear,
            gpa=gpa,
            guest_saw=False,
            write=bool(cause.qualification & VIOLATION_WRITE),
            user=self.vcpu.cpu.cpl == 3,
        )
        interrupted = self._interrupted()
        if kind is FaultKind.NESTED:
            entry = self.nested.fill(gpa)
            self.walker.forget()
            self.recorder.mark(NestedFilled, vm=vm.name, gpa=gpa & FRAME, hpa=entry & FRAME, entry=entry)
            return self._again(interrupted)
        return self._emulate(cause.operation) if interrupted is None else self._deliver_in_software(interrupted)

    def _interrupted(self) -> Event | None:
        """The event in whose delivery the exit came; a fault in that of INT n belongs to the instruction instead."""
        event = Event.unpack(self.structure.read(Field.VECTORING), self.structure.read(Field.VECTORING_ERROR))
        return None if event is None or event.type in FAULTING else event

    def _again(self, interrupted: Event | None) -> bool:
        """What was in the way is gone: the event is injected once more, or its instruction executed again."""
        if interrupted is not None and interrupted.type not in REEXECUTED:
            self._inject(interrupted, None)
        return True

    def _inject(self, event: Event, cr2: int | None) -> None:
        """Have VM entry deliver an event; for a page fault the VMM loads the guest's CR2 itself."""
        self.structure.write(Field.ENTRY_INTERRUPTION, event.information)
        self.structure.write(Field.ENTRY_ERROR, event.error or 0)
        if cr2 is not None:
            self.vcpu.cpu.cr2 = cr2

    def _event(self) -> bool:
        """Whether an event is to be injected at the next entry."""
        return bool(self.structure.read(Field.ENTRY_INTERRUPTION) & INTERRUPTION_VALID)

    # ---- in software ---------------------------------------------------------------------------

    def _deliver(self, cpu: Cpu, interruption: Interruption) -> None:
        """An instruction the software CPU executes faults, or raises an interrupt."""
        if self._told and interruption.source is Source.FAULT:
            self._inject(Event.of(interruption, cpu.eip), interruption.cr2)
        else:
            self.vcpu.deliver(cpu, interruption)

    def _deliver_in_software(self, event: Event) -> bool:
        """Deliver an event the hardware cannot: its frame meets a table under a write trace, a device, or a fault."""
        if event.type in REEXECUTED:
            return self._emulate(None)
        cpu = self.vcpu.cpu
        self.vcpu.deliver(cpu, event.interruption(cpu.eip))
        self._reflected()
        return True

    def _emulate(self, operation: Operation | None) -> bool:
        """Let the software CPU execute the instruction at the guest's EIP, whatever comes of it.

        Args:
            operation: The instruction, where the exit tells it; else the VMM reads it through the guest's tables.
        """
        vm, cpu = self.vm, self.vcpu.cpu
        eip = cpu.eip
        if operation is not None:
            length = operation.length
        else:
            insn, code = instruction_at(cpu, vm.memory)
            length = len(code)
            if insn is not None:
                text = str(row_text(insn, eip, bits=32 if cpu.segs[CS].big else 16))
                self.recorder.mark(InstructionDecoded, vm=vm.name, eip=eip, bytes=code, text=text)
        before = self.vcpu.state()
        cpu.given, self._told = operation, operation is not None
        try:
            cycles = cpu.execute_one()
        finally:
            cpu.given, self._told = None, False
        if not cycles:
            if not self._event():
                self._reflected()
            return True
        changed = changes(before, self.vcpu.state(), eip + length & 0xFFFF_FFFF)
        self.recorder.mark(InstructionEmulated, vm=vm.name, eip=eip, changes=changed)
        vm.completed(cycles, direct=False)
        vm.service()
        # The instruction's own cycles are not the VMM's; they pass before the guest is resumed and its timer set.
        self.clock.spend(cycles)
        self.entered_at += cycles
        if vm.board.ended:
            self._close()
        elif not cpu.halted and not self._interruptible() and self._virtual.enterable():
            self._resume()
        self.clock.retire(0)
        return False
