"""Emulation: a program interprets every instruction of the guest; none ever runs on the processor itself.

The interpreter is the software CPU over guest-physical memory, with a translation lookaside buffer kept in software.
That makes it the one technique that needs nothing of the processor below: neither rings nor page tables nor segments.
By Popek and Goldberg's definition it is no virtualization, because no instruction runs directly.

Source: Popek & Goldberg, CACM 17(7) 1974, p. 413 (efficiency rules interpreters out); Bellard, USENIX ATC 2005, §3.7
(a TLB in software, which maps what the guest's tables said when an entry was made).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from teachvm.machine.exceptions import CpuStopped
from teachvm.machine.tlb import Tlb
from teachvm.trace.state import Stateful
from teachvm.vmm.addresses import Gva
from teachvm.vmm.engines.monitor import Monitor
from teachvm.vmm.events import DerivedDropped
from teachvm.vmm.handover import take_over
from teachvm.vmm.techniques import Technique

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


class Emulation(Monitor):
    """Interprets one VM's guest, one instruction a unit.

    The software TLB is the guest's TLB: state, as the hardware's is on bare metal, because a guest can see stale
    entries. So a guest sees the same machine in both, whatever it does to its page tables.
    """

    technique = Technique.EMULATION
    DERIVED: ClassVar[tuple[str, ...]] = (*Monitor.DERIVED, "tlb")

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        self.tlb = Tlb()
        cpu = self.vcpu.cpu
        cpu.tlb = self.tlb
        cpu.all_flushed = self.tlb.flush
        cpu.page_flushed = self._page_flushed

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """The engine's own state, and the software TLB."""
        yield "engine", self
        yield "tlb", self.tlb

    def turn(self) -> None:
        """Interpret one guest instruction, or deliver what waits, or find that the guest waits."""
        if self.host.on_cpu != self.vm.name:
            take_over(self.host, self.vm.name)
        try:
            self._go_on()
        except CpuStopped as stop:
            self._stop(stop)

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Complete nothing: the interpreter has one speed."""
        return 0

    def _go_on(self) -> None:
        vm, cpu, host = self.vm, self.vcpu.cpu, self.host
        vm.service()
        while self._interruptible():
            self._deliver_pending()
        if cpu.halted:
            self._wait()
            return
        cycles = cpu.execute_one()
        if not cycles:
            self._reflected()
            return
        vm.completed(cycles, direct=False)
        spent = cycles * host.costs.of("emulate")
        deadline = host.deadline()
        if deadline is not None and self.clock.cycles + spent >= deadline:
            self.clock.spend(spent)
            spent = 0
            host.reschedule()
        self.clock.retire(spent)

    def _page_flushed(self, linear: Gva) -> None:
        self.tlb.invalidate(linear)

    def drop_derived(self) -> int:
        """Nothing to throw away: the software TLB is state, and there are no shadow tables."""
        self.recorder.emit(DerivedDropped, vm=self.vm.name, frames=0)
        return 0
