"""Judging instructions: why the VMM is called for one, and whether a copy of one would fault.

Source: Adams & Agesen, ASPLOS 2006, §3.3 (adaptive binary translation: innocent until proven guilty).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.decode import Insn
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.isa.row import InstructionClass
from teachvm.vmm.addresses import Gfn, Gva
from teachvm.vmm.engines.classify import instruction_reason, touched
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.memory.walk import look
from teachvm.vmm.region import VMM_BASE

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm

GUILTY: Final = 3
"""Faults of one copied instruction after which it becomes a call."""
INNOCENT: Final = 16
"""Calls in a row that would not have faulted after which it is copied again: eager one way, reluctant the other."""


def watched(vm: Vm, insn: Insn) -> bool:
    """Whether an access of the guest's instruction hits the VMM's region, a device, or stores to a traced page."""
    cpu = vm.vcpu.cpu
    accesses = touched(cpu, insn)
    for segment, offset, _, write in accesses:
        linear = Gva(cpu.segs[segment].base + offset & 0xFFFF_FFFF)
        gfn = Gfn(look(vm.memory.read, vm.vcpu.mode, linear).gpa >> PAGE_SHIFT)
        if linear >= VMM_BASE or not vm.memory.is_ram(gfn) or (write and gfn in vm.memory.traced):
            return True
    return not accesses


def reason_of(insn: Insn | None) -> EntryReason:
    """Why translated code calls the VMM for an instruction."""
    if insn is None:
        return EntryReason.NOT_COPIED
    reason = instruction_reason(insn)
    if reason is not None:
        return reason
    return EntryReason.NOT_COPIED if insn.row.klass is InstructionClass.INNOCUOUS else EntryReason.SENSITIVE
