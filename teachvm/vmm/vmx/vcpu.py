"""A virtual CPU of a VM that runs in non-root mode: all its registers go into the hardware as they are.

The control structure holds those registers that entry and exit exchange; the others the VMM moves itself.

Source: Intel SDM Vol. 3C, §24.4: general registers, CR2 and DR0 to DR3 and DR6 are not in the guest-state area.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from teachvm.host.host import Host
from teachvm.isa.control import CR0_PE
from teachvm.isa.flags import VM
from teachvm.isa.operands import SS
from teachvm.machine.computer import Board
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.shadow import ShadowTables
from teachvm.vmm.techniques import Paging
from teachvm.vmm.vcpu import Vcpu


class NonRootVcpu(Vcpu):
    """A virtual CPU.

    State, besides that of every VCPU: `paging`, who translates guest-physical addresses.
    """

    STATE: ClassVar[tuple[str, ...]] = (*Vcpu.STATE, "paging")
    DERIVED: ClassVar[tuple[str, ...]] = (*Vcpu.DERIVED, "left")

    def __init__(
        self, name: str, host: Host, memory: GuestMemory, board: Board, shadow: ShadowTables, paging: Paging
    ) -> None:
        super().__init__(name, host, memory, board, shadow)
        self.paging = paging
        self.left: Callable[[], None] = _nothing
        """Brings the processor back to root mode when the VMM stops the guest from outside."""

    def enterable(self) -> bool:
        """Whether VM entry would accept the state: protected mode, and a privilege level that SS agrees with."""
        cpu = self.cpu
        return bool(cpu.cr0 & CR0_PE) and not cpu.eflags & VM and cpu.segs[SS].dpl == cpu.cpl

    def take(self) -> None:
        """Take the guest's registers out of the hardware, before the host's are loaded.

        Under shadow paging the control registers stay: what the hardware has is the VMM's.
        """
        hardware, cpu = self._hardware, self.cpu
        cpu.regs[:] = hardware.regs
        cpu.segs[:] = hardware.segs
        cpu.eip, cpu.eflags, cpu.cpl = hardware.eip, hardware.eflags, hardware.cpl
        cpu.ldtr, cpu.tr, cpu.gdtr, cpu.idtr = hardware.ldtr, hardware.tr, hardware.gdtr, hardware.idtr
        cpu.cr2 = hardware.cr2
        cpu.halted, cpu.shadow, cpu.trap_pending = hardware.halted, hardware.shadow, hardware.trap_pending
        if self.paging is Paging.NESTED:
            cpu.cr0, cpu.cr3, cpu.cr4 = hardware.cr0, hardware.cr3, hardware.cr4
        if cpu.dr != hardware.dr:
            cpu.dr[:] = hardware.dr
            cpu.arm()
        self.in_guest = False

    def take_back(self) -> None:
        """Stop the guest between two of its instructions, from outside."""
        if self.in_guest:
            self.take()
            self.left()

    def give(self) -> None:
        """Put into the hardware what the control structure does not hold."""
        hardware, cpu = self._hardware, self.cpu
        hardware.regs[:] = cpu.regs
        hardware.cr2 = cpu.cr2
        if hardware.dr != cpu.dr:
            hardware.dr[:] = cpu.dr
            hardware.arm()
        self.in_guest = True


def _nothing() -> None:
    """There is no control structure yet."""
