"""Trap and emulate: the guest runs on the hardware, one ring down, and everything that matters faults.

One rule covers every fault the guest's kernel or programs raise: the software CPU executes the instruction on the
VCPU, with the guest's own tables and privilege. If it completes there, it was a trap that deprivileging caused, and it
is emulated; if it faults there, the guest would have faulted on bare metal, and the software CPU has delivered the
exception through the guest's own IDT. Page faults are first held against the guest's tables; only a write trace or
device memory needs the instruction.

Source: Popek & Goldberg, CACM 17(7) 1974; Adams & Agesen, ASPLOS 2006, §2; Bugnion et al., TOCS 30(4) 2012.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from teachvm.isa.decode import Insn
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import IF, RF
from teachvm.isa.operands import CS
from teachvm.isa.text import row_text
from teachvm.machine.exceptions import CpuStopped, Interruption, Source
from teachvm.machine.operation import REMEMBERED, decoded
from teachvm.vmm.breakpoints import take_met
from teachvm.vmm.changes import changes
from teachvm.vmm.engines.classify import exception_reason, instruction_at
from teachvm.vmm.engines.monitor import Monitor
from teachvm.vmm.engines.page_faults import held_against_guest, mend, walk_visibly
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import (
    DerivedDropped,
    GuestResumed,
    InstructionDecoded,
    InstructionEmulated,
)
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.handover import take_over
from teachvm.vmm.techniques import Technique

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


class TrapAndEmulate(Monitor):
    """Runs one VM by trap and emulate, over shadow page tables."""

    technique = Technique.TRAP_AND_EMULATE

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        vm.host.take_exceptions()
        vm.shadow.flush = self._flush_hardware

    # ---- running -------------------------------------------------------------------------------

    def turn(self) -> None:
        """Execute one guest instruction on the hardware, or take one entry and go on from it."""
        try:
            if self.vcpu.in_guest:
                self._run_guest()
            else:
                self._go_on()
        except CpuStopped as stop:
            self._stop(stop)

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Let the hardware complete instructions of the guest up to the next one that its timer may interrupt."""
        if not self.vcpu.in_guest:
            return 0
        count = self.host.machine.burst(limit, barriers)
        if count:
            self.vm.completed(count, direct=True, instructions=count)
            self.vcpu.retired = True
            self.clock.retire_all(count)
        return count

    def _run_guest(self) -> None:
        clock, hardware, board = self.clock, self.hardware, self._board
        if clock.cycles >= board.timer.due:
            board.service()
        shadow, resume_flag = hardware.shadow, hardware.eflags & RF
        cycles = hardware.step()
        if cycles:
            self.vm.completed(cycles, direct=True)
            self.vcpu.retired = True
            shadow, resume_flag = False, 0
        caught = self.host.caught
        if caught is not None:
            self.host.caught = None
            clock.spend(cycles)
            self.vcpu.pull(shadow=shadow, resume_flag=resume_flag)
            self.vm.service()
            self._entered(caught)
            if cycles:
                clock.retire(0)
        elif cycles:
            clock.retire(cycles)

    def _entered(self, interruption: Interruption) -> None:
        """The hardware is in the VMM, on its stack; the guest's registers are in the VCPU."""
        if interruption.source is Source.EXTERNAL:
            self._external_interrupt(interruption)
        elif interruption.source is Source.TRAP:
            self._trap(interruption)
        elif interruption.vector == Vector.PF and interruption.cr2 is not None:
            self._page_fault(interruption)
        else:
            insn, code = instruction_at(self.vcpu.cpu, self.vm.memory)
            self._open(exception_reason(self.vcpu.cpu, interruption.vector, insn), interruption)
            self._emulate(insn, code)

    def _external_interrupt(self, interruption: Interruption) -> None:
        """The host's timer: end the time slice, or bring the virtual devices up to date."""
        self._open(EntryReason.EXTERNAL_INTERRUPT, interruption)
        assert self.host.timer is not None
        self.host.timer.end_of_interrupt()
        if self.host.reschedule():
            self._go_on()
        else:
            self._close()

    def _trap(self, interruption: Interruption) -> None:
        """A #DB at a boundary: the guest asked for it with TF, with INT1, or with a breakpoint."""
        self._open(EntryReason.EXCEPTION_REFLECTED, interruption)
        cpu = self.vcpu.cpu
        take_met(cpu, self.hardware)
        cpu.deliver(cpu, interruption)
        self._reflected()
        self._go_on()

    def _page_fault(self, interruption: Interruption) -> None:
        """Hold the fault against the guest's own tables, and act accordingly.

        Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2.
        """
        vm, cpu = self.vm, self.vcpu.cpu
        fault = held_against_guest(vm, interruption)
        self._open(fault.kind.reason, interruption)
        walk_visibly(vm, fault)
        if fault.kind is FaultKind.TRUE:
            cpu.deliver(cpu, Interruption(Vector.PF, fault.error, Source.FAULT, cpu.eip, fault.linear))
            self._reflected()
            self._go_on()
        elif mend(vm, fault):
            self._go_on()
        else:
            self._emulate(*instruction_at(cpu, vm.memory))

    # ---- emulation -----------------------------------------------------------------------------

    def _emulate(self, insn: Insn | None, code: bytes) -> None:
        """Let the software CPU execute the instruction at the guest's EIP, whatever comes of it."""
        vm, vcpu = self.vm, self.vcpu
        eip = vcpu.cpu.eip
        if insn is not None:
            text = _spelled(code, 32 if vcpu.cpu.segs[CS].big else 16, eip)
            self.recorder.mark(InstructionDecoded, vm=vm.name, eip=eip, bytes=code, text=text)
        before = vcpu.state()
        cycles = vcpu.cpu.execute_one()
        if not cycles:
            self._reflected()
            self._go_on()
            return
        changed = changes(before, vcpu.state(), eip + len(code) & 0xFFFF_FFFF)
        self.recorder.mark(InstructionEmulated, vm=vm.name, eip=eip, changes=changed)
        vm.completed(cycles, direct=False)
        vm.service()
        # The instruction's own cycles are not the VMM's; they pass before the guest is resumed and its timer set.
        self.clock.spend(cycles)
        self.entered_at += cycles
        if vm.board.ended:
            self._close()
            self.clock.retire(0)
            return
        if not vcpu.cpu.halted and not self._interruptible() and self._needs_software() is None:
            self._resume()
        self.clock.retire(0)

    # ---- going on ------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """The VMM has control: deliver what is due, then resume the guest, or interpret, or wait."""
        vm, cpu = self.vm, self.vcpu.cpu
        vm.service()
        while self._interruptible():
            self._deliver_pending()
        if cpu.halted:
            self._wait()
            return
        reason = self._needs_software()
        if reason is None:
            self._resume()
        else:
            self._interpret(reason)

    def _needs_software(self) -> EntryReason | None:
        """Why the next instruction cannot run on the hardware, or None."""
        cpu = self.vcpu.cpu
        if cpu.shadow and cpu.eflags & IF and self.vm.board.pic.pending:
            return EntryReason.INTERRUPT_WINDOW
        if not self.vcpu.holdable():
            return EntryReason.NOT_HOLDABLE
        return None

    # ---- into and out of the hardware ----------------------------------------------------------

    def _resume(self) -> None:
        """Put the guest into the hardware, with the right tables and the timer set; `_needs_software` said None."""
        vm, vcpu, host = self.vm, self.vcpu, self.host
        directory = vm.shadow.activate(vcpu.mode)
        if host.on_cpu != vm.name:
            vcpu.load_tables(directory)
            take_over(host, vm.name)
        elif vcpu.flush or self.hardware.cr3 != directory:
            self.hardware.write_cr3(directory)
        vcpu.flush = False
        self._launch()
        self._close()
        self.recorder.mark(GuestResumed, vm=vm.name, eip=vcpu.cpu.eip, cpl=vcpu.cpu.cpl)

    def _launch(self) -> None:
        """Set the timer and go to the guest: the hardware is in the right address space."""
        self.vm.set_timer()
        self.vcpu.push()

    def drop_derived(self) -> int:
        """Throw away the shadow tables; the guest comes back to them by hidden faults."""
        vm = self.vm
        freed = vm.shadow.drop_derived()
        self.recorder.emit(DerivedDropped, vm=vm.name, frames=freed)
        return freed


@lru_cache(maxsize=REMEMBERED)
def _spelled(code: bytes, bits: int, eip: int) -> str:
    """An instruction in words; the same few are emulated again and again."""
    insn = decoded(code, bits).insn
    return str(row_text(insn, eip, bits=32 if insn.opsize == 32 else 16))
