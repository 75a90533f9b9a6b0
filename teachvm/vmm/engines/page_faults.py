"""Page faults under shadow paging: whose they are, and how a missing shadow entry comes about.

Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teachvm.isa import paging
from teachvm.machine.exceptions import Fault, Interruption
from teachvm.machine.mmu import Access
from teachvm.vmm.addresses import Gfn, Gva
from teachvm.vmm.events import FaultClassified, ShadowFilled
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.memory.walk import GuestWalk, look
from teachvm.vmm.region import VMM_BASE

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


@dataclass(frozen=True, slots=True)
class PageFault:
    """A page fault of the hardware, held against the guest's own tables.

    Attributes:
        linear: The faulting gVA.
        write: The access was a store.
        user: It was made at CPL 3.
        error: The error code the guest's tables give for it; None if they allow it.
        walk: The guest's entries.
        kind: Whose fault it is.
    """

    linear: Gva
    write: bool
    user: bool
    error: int | None
    walk: GuestWalk
    kind: FaultKind


def held_against_guest(vm: Vm, interruption: Interruption) -> PageFault:
    """Look at the guest's entries for a fault the hardware has reported, without touching them."""
    assert interruption.cr2 is not None
    assert interruption.error is not None
    linear = Gva(interruption.cr2)
    write = bool(interruption.error & paging.ERROR_WR)
    user = bool(interruption.error & paging.ERROR_US)
    mode = vm.vcpu.mode
    walk = look(vm.memory.read, mode, linear)
    error = walk.error(write=write, user=user, wp=mode.wp)
    kind = FaultKind.TRUE if error is not None else _allowed_kind(vm, linear, walk, write=write)
    return PageFault(linear, write, user, error, walk, kind)


def _allowed_kind(vm: Vm, linear: Gva, walk: GuestWalk, *, write: bool) -> FaultKind:
    """Why the hardware faulted on an access the guest's tables allow."""
    gfn = Gfn(walk.gpa >> paging.PAGE_SHIFT)
    behind = (gfn, walk.directory, walk.table)
    if (vm.shadow.reserved and linear >= VMM_BASE) or not all(
        vm.memory.is_ram(each) for each in behind if each is not None
    ):
        return FaultKind.MMIO
    if write and gfn in vm.memory.traced:
        return FaultKind.TRACE
    if write and not walk.dirty and vm.shadow.entry(linear) is not None:
        return FaultKind.DIRTY
    return FaultKind.HIDDEN


def walk_visibly(vm: Vm, fault: PageFault) -> None:
    """Let the VCPU's page walker set A and D in the guest's entries, as hardware does; then say whose fault it is."""
    if vm.vcpu.mode.enabled:
        vm.vcpu.show_walks(True)
        try:
            # A true fault: the walker has set what it sets on the way to one, and the kind is known already.
            with suppress(Fault):
                vm.vcpu.cpu.translate(fault.linear, Access.WRITE if fault.write else Access.READ, fault.user)
        finally:
            vm.vcpu.show_walks(False)
    true = fault.kind is FaultKind.TRUE
    vm.host.recorder.mark(
        FaultClassified,
        vm=vm.name,
        kind=fault.kind,
        linear=fault.linear,
        gpa=None if true else fault.walk.gpa,
        guest_saw=true,
        write=fault.write,
        user=fault.user,
    )


def mend(vm: Vm, fault: PageFault) -> bool:
    """Fill the shadow entry, if that is all it takes for the access to succeed; a trace may be given up for it.

    Returns:
        Whether the guest can execute the instruction again.
    """
    traced = fault.kind is FaultKind.TRACE
    if traced and not vm.shadow.leave_unsync(Gfn(fault.walk.gpa >> paging.PAGE_SHIFT)):
        return False
    if not traced and fault.kind not in (FaultKind.HIDDEN, FaultKind.DIRTY):
        return False
    fill(vm, fault)
    return True


def fill(vm: Vm, fault: PageFault) -> None:
    """Write the shadow entry for a page whose guest entries have A, and for a store D, set now."""
    mode = vm.vcpu.mode
    vm.shadow.activate(mode)
    walk = look(vm.memory.read, mode, fault.linear)
    entry = vm.shadow.fill(fault.linear, walk, write=fault.write, wp=mode.wp)
    vm.host.recorder.mark(
        ShadowFilled,
        vm=vm.name,
        linear=fault.linear & paging.FRAME,
        gpa=walk.gpa & paging.FRAME,
        hpa=entry & paging.FRAME,
        entry=entry,
    )
