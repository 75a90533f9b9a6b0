"""What the VMM does the same way under every technique: entries and their ledger, delivery, interpreting, waiting.

Source: Adams & Agesen, ASPLOS 2006, §2; Bugnion et al., TOCS 30(4) 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from teachvm.host.stop import StopKind, StopReason
from teachvm.isa.flags import IF
from teachvm.machine.exceptions import CpuStopped, Interruption
from teachvm.trace.state import Stateful
from teachvm.vmm.addresses import Gva
from teachvm.vmm.changes import changes
from teachvm.vmm.engines.classify import instruction_at
from teachvm.vmm.entries import EntryKind, EntryReason
from teachvm.vmm.events import FaultReflected, InstructionInterpreted, InterruptInjected, VcpuBlocked, VmmEntered

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


class Monitor:
    """The VMM of one VM, but for what its technique does with the guest's instructions.

    State: `entry`, why the VMM was entered last and has not resumed the guest since; `entered_at`, in host cycles.
    """

    STATE: ClassVar[tuple[str, ...]] = ("entry", "entered_at")
    DERIVED: ClassVar[tuple[str, ...]] = ("vm", "vcpu", "host", "clock", "hardware", "recorder", "_board")

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.vcpu = vm.vcpu
        self.host = vm.host
        self.clock = vm.host.clock
        self.hardware = vm.host.machine.cpu
        self.recorder = vm.host.recorder
        self.entry: EntryReason | None = None
        self.entered_at = 0
        self._board = vm.host.machine.board
        vm.host.start_timer()

    @property
    def translated(self) -> int:
        """Nothing is translated."""
        return 0

    @property
    def settled(self) -> bool:
        """One instruction of the hardware is one of the guest."""
        return True

    @property
    def flags_are_dead(self) -> bool:
        """Nobody borrows the guest's flags."""
        return False

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """The engine's own state."""
        yield "engine", self

    # ---- entries -------------------------------------------------------------------------------

    def _open(
        self, reason: EntryReason, interruption: Interruption, kind: EntryKind = EntryKind.TRAP, cost: str | None = None
    ) -> None:
        """Note an entry and charge what it costs: by its reason, unless a key of the cost table is given."""
        cpu = self.vcpu.cpu
        self.entry = reason
        self.entered_at = self.clock.cycles
        self.recorder.mark(
            VmmEntered,
            vm=self.vm.name,
            reason=reason,
            vector=interruption.vector,
            error=interruption.error,
            eip=cpu.eip,
            cpl=cpu.cpl,
            kind=kind,
        )
        self.clock.spend(self._price(reason) if cost is None else self.host.costs.of(cost))

    def _price(self, reason: EntryReason) -> int:
        """Host cycles an entry costs when it begins."""
        return self.host.costs.of(reason.cost)

    def _close(self) -> None:
        """The entry noted last is over."""
        if self.entry is not None:
            self.vm.ledger.record(self.entry, self.clock.cycles - self.entered_at)
            self.entry = None

    # ---- towards the guest ---------------------------------------------------------------------

    def _reflected(self) -> None:
        """The software CPU has delivered an exception through the guest's own IDT."""
        delivered = self.vcpu.delivered
        assert delivered is not None
        fault = self.vcpu.handler == delivered.vector
        self.recorder.mark(
            FaultReflected,
            vm=self.vm.name,
            vector=self.vcpu.handler,
            error=delivered.error if fault else 0,
            cr2=delivered.cr2,
            eip=self.vcpu.cpu.eip,
        )

    def _interruptible(self) -> bool:
        """Whether an interrupt, or a single-step trap, is to be delivered before the next guest instruction."""
        cpu = self.vcpu.cpu
        if cpu.trap_pending:
            return True
        return self.vm.board.pic.pending and bool(cpu.eflags & IF) and not cpu.shadow

    def _deliver_pending(self) -> None:
        cpu = self.vcpu.cpu
        trap = cpu.trap_pending
        cpu.step()
        if trap:
            self._reflected()
            return
        self.clock.spend(self.host.costs.of("inject"))
        delivered = self.vcpu.delivered
        assert delivered is not None
        self.recorder.mark(InterruptInjected, vm=self.vm.name, vector=delivered.vector, eip=cpu.eip)

    # ---- without the hardware ------------------------------------------------------------------

    def _interpret(self, reason: EntryReason) -> None:
        """Execute one instruction in software, without the hardware."""
        vm, vcpu, host = self.vm, self.vcpu, self.host
        self._close()
        started = self.clock.cycles
        self.clock.spend(host.costs.of(reason.cost))
        eip = vcpu.cpu.eip
        insn, code = instruction_at(vcpu.cpu, vm.memory)
        before = vcpu.state()
        cycles = vcpu.cpu.execute_one()
        if cycles:
            changed = changes(before, vcpu.state(), eip + len(code) & 0xFFFF_FFFF if insn is not None else None)
            self.recorder.mark(InstructionInterpreted, vm=vm.name, reason=reason, eip=eip, changes=changed)
            vm.completed(cycles, direct=False)
        else:
            self._reflected()
        vm.ledger.record(reason, self.clock.cycles - started)
        deadline = host.deadline()
        if deadline is not None and self.clock.cycles >= deadline:
            host.reschedule()
        if cycles:
            self.clock.retire(cycles)

    def _wait(self) -> None:
        """The guest halted: nothing to do until a virtual device is due."""
        vm = self.vm
        self._close()
        due = vm.next_due()
        if not self.vcpu.cpu.eflags & IF:
            text = f"{vm.name} halted with interrupts off"
        elif due is None:
            text = f"{vm.name} halted, and no device will ever interrupt it"
        else:
            self.recorder.emit(VcpuBlocked, vm=vm.name, wake_at=due)
            vm.sleep()
            self.host.block(vm, due)
            return
        self.host.end(vm, StopReason(StopKind.ENDED_WELL, vm.name, text))

    def _flush_hardware(self, linear: Gva | None) -> None:
        """An entry of the VMM's tables went: no translation made from it may stay, if this VM has the hardware."""
        if self.host.on_cpu != self.vm.name:
            return
        if linear is None:
            self.hardware.flush_tlb("cr3")
        else:
            self.hardware.invalidate_page(linear)

    def _stop(self, stop: CpuStopped) -> None:
        """The guest's processor gave up; the host's goes on with the other tenants."""
        self.hardware.stopped = None
        self.vcpu.in_guest = False
        self._close()
        self.host.end(self.vm, StopReason(StopKind.GUEST_FAILURE, self.vm.name, f"{self.vm.name}: {stop}"))
