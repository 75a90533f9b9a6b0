"""One processor, several VMs: who has it changes hands here, whatever the technique."""

from __future__ import annotations

from teachvm.host.host import Host
from teachvm.vmm.events import VcpuSwitched


def take_over(host: Host, vm: str) -> None:
    """Give the processor to a VM; taking it from another one costs a switch and begins a time slice.

    Registers and tables are the technique's business: some have them in the processor, some have none there.
    """
    before, host.on_cpu = host.on_cpu, vm
    if before is not None:
        host.clock.spend(host.costs.of("switch"))
        host.scheduler.start_slice(host.clock.cycles)
        host.recorder.mark(VcpuSwitched, before=before, after=vm)
