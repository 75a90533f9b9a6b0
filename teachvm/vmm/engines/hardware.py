"""Hardware assist: the guest runs in non-root mode of the processor, its kernel in ring 0, and chosen events exit.

No instruction of the guest needs the VMM for its privilege; exits come from what the control structure asks for. Under
shadow paging that is every page fault, load of CR3 and INVLPG; under nested paging only what the nested tables lack.
What an exit leaves to be done is done by the software CPU, and events reach the guest by injection.

Source: Intel SDM Vol. 3C, ch. 24 to 27; Adams & Agesen, ASPLOS 2006, §4; Agesen et al., OSR 44(4) 2010, §4 and §6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.exceptions import Vector
from teachvm.machine.exceptions import CpuStopped
from teachvm.vmm.engines.exit_handling import ExitHandling
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import DerivedDropped, FaultReflected, InterruptInjected
from teachvm.vmm.handover import take_over
from teachvm.vmm.techniques import CHOICES, Choice, Paging, Technique
from teachvm.vmm.vmx.events import GuestEntered, PagingSwitched
from teachvm.vmm.vmx.exits import EXTERNAL, Event, VmExit
from teachvm.vmm.vmx.fields import Field
from teachvm.vmm.vmx.setup import set_controls, set_guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teachvm.trace.state import Stateful
    from teachvm.vmm.vm import Vm

_MASK64: Final = (1 << 64) - 1


class HardwareAssist(ExitHandling):
    """Runs one VM in non-root mode."""

    technique = Technique.HARDWARE_ASSIST

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        vm.shadow.flush = self._flush_hardware
        set_controls(self.structure, self._virtual.paging, self.nested.root)

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """The engine's own state, and the walker's counts and cache."""
        yield "engine", self
        yield "walker", self.walker

    def restored(self) -> None:
        """The processor is in non-root mode for this guest, or it is not."""
        if self.vcpu.in_guest:
            self.processor.attach()
        else:
            self.processor.detach()

    # ---- running -------------------------------------------------------------------------------

    def turn(self) -> None:
        """Execute one guest instruction in non-root mode, or take one exit and go on from it."""
        try:
            if self.vcpu.in_guest:
                self._run_guest()
            else:
                self._go_on()
        except CpuStopped as stop:
            self._stop(stop)

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Let the hardware complete instructions of the guest up to the next one that its timer may interrupt."""
        if not self.vcpu.in_guest or not self.processor.quiet():
            return 0
        count = self.host.machine.burst(limit, barriers)
        if count:
            self.vm.completed(count, direct=True, instructions=count)
            self.clock.retire_all(count)
        return count

    def _run_guest(self) -> None:
        clock, board = self.clock, self._board
        if clock.cycles >= board.timer.due:
            board.service()
        try:
            cycles = self.processor.step()
        except VmExit as cause:
            if self._exited(cause):
                self._go_on()
            return
        if cycles:
            self.vm.completed(cycles, direct=True)
            clock.retire(cycles)

    # ---- going on ------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """The VMM has control: inject what is due and enter, or interpret, or wait."""
        vm, cpu = self.vm, self.vcpu.cpu
        vm.service()
        if self._virtual.enterable():
            if not self._event() and not cpu.trap_pending and self._interruptible():
                self.clock.spend(self.host.costs.of("inject"))
                self._inject(Event(vm.board.pic.acknowledge(), EXTERNAL, None), None)
                cpu.halted = False
            if cpu.halted and not cpu.trap_pending:
                self._wait()
            else:
                self._resume()
            return
        event = Event.unpack(self.structure.read(Field.ENTRY_INTERRUPTION), self.structure.read(Field.ENTRY_ERROR))
        if event is not None:
            self.structure.write(Field.ENTRY_INTERRUPTION, 0)
            self._deliver_in_software(event)
        while self._interruptible():
            self._deliver_pending()
        if cpu.halted:
            self._wait()
        else:
            self._interpret(EntryReason.NOT_HOLDABLE)

    def _stop(self, stop: CpuStopped) -> None:
        self.vcpu.take_back()
        super()._stop(stop)

    # ---- into the hardware ---------------------------------------------------------------------

    def _resume(self) -> None:
        """Write what changed into the structure, set the timer, and enter."""
        vm, vcpu, cpu = self.vm, self.vcpu, self.vcpu.cpu
        window = vm.board.pic.pending
        # Another shadow directory, also for another CR0.WP, means that no translation made from the last one holds.
        shadowed = self._virtual.paging is Paging.SHADOW
        moved = shadowed and vm.shadow.activate(vcpu.mode) != self.structure.read(Field.GUEST_CR3)
        written = set_guest(self.structure, self._virtual, vm.shadow, window=window)
        if self.host.on_cpu != vm.name:
            self.hardware.flush_tlb("cr3")
            take_over(self.host, vm.name)
        elif vcpu.flush or moved:
            self.hardware.flush_tlb("cr3")
        vcpu.flush = False
        costs = self.host.costs
        self.clock.spend(costs.of("vm-entry") + (written + 1) * costs.of("vmwrite"))
        vm.set_timer()
        self.structure.write(Field.TSC_OFFSET, vm.time - self.clock.cycles + cpu.tsc_offset & _MASK64)
        event = Event.unpack(self.structure.read(Field.ENTRY_INTERRUPTION), self.structure.read(Field.ENTRY_ERROR))
        self._virtual.give()
        try:
            self.processor.enter()
        except VmExit as cause:
            # Delivering the event exited; the next turn goes on.
            self._exited(cause)
            return
        self._close()
        if event is not None:
            self._say_injected(event)
        self.recorder.mark(GuestEntered, vm=vm.name, eip=self.hardware.eip, cpl=self.hardware.cpl)

    def _say_injected(self, event: Event) -> None:
        eip = self.hardware.eip
        if event.type == EXTERNAL:
            self.recorder.mark(InterruptInjected, vm=self.vm.name, vector=event.vector, eip=eip)
        else:
            cr2 = self.hardware.cr2 if event.vector == Vector.PF else None
            self.recorder.mark(
                FaultReflected, vm=self.vm.name, vector=event.vector, error=event.error, cr2=cr2, eip=eip
            )

    # ---- derived state -------------------------------------------------------------------------

    def drop_derived(self) -> int:
        """Throw away the shadow and the nested tables; they come back by hidden faults and violations."""
        freed = self.vm.shadow.drop_derived()
        self.nested.drop()
        self.walker.forget()
        self._flush_hardware(None)
        self.recorder.emit(DerivedDropped, vm=self.vm.name, frames=freed)
        return freed

    @property
    def choice(self) -> Choice:
        """Who translates guest-physical addresses now."""
        now = self._virtual.paging, self.walker.cache_on and self._virtual.paging is Paging.NESTED
        return next(each for each in CHOICES if (each.paging, each.walk_cache) == now)

    def set_paging(self, paging: Paging, *, walk_cache: bool = False) -> None:
        """Let somebody else translate guest-physical addresses from now on; the guest sees nothing of it."""
        self.walker.cache_on = walk_cache
        self.walker.forget()
        if paging is self._virtual.paging:
            return
        self.vcpu.take_back()
        self.drop_derived()
        self.vm.shadow.retire()
        self._virtual.paging = paging
        set_controls(self.structure, paging, self.nested.root)
        self.recorder.emit(PagingSwitched, vm=self.vm.name, paging=paging.value)
