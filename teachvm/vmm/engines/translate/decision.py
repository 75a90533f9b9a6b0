"""Whether the guest's next instruction runs directly, from the cache, or neither way.

Directly runs what cannot tell: code in ring 3 with interrupts on that cannot turn them off, whose segment registers
hold what the real descriptors say. A kernel is never that, since its ring is another; a program may not be either.

Deviation: with a stack or a code segment of 16 bits, flags that count instructions, or breakpoints where the code would
run from the cache, the VMM interprets the instruction.

Source: Bugnion et al., TOCS 30(4) 2012 (the decision); SDM Vol. 3A, §5.5.
"""

from __future__ import annotations

from typing import Final

from teachvm.isa.control import CR0_PE, DR7_ENABLED
from teachvm.isa.flags import IF, RF, TF, VIF, VIP, VM, iopl
from teachvm.isa.operands import CS, SS
from teachvm.vmm.deprivilege import USER_RING
from teachvm.vmm.engines.translate.lending import reloads
from teachvm.vmm.vcpu import DATA_REGISTERS, Vcpu

_NOT_IN_CACHE: Final = VM | TF | RF | VIF | VIP
"""Flags that count guest instructions, or that no replaced sequence knows."""


def flags_allow(cpl: int, eflags: int) -> bool:
    """Whether what code can see and change of IF is the hardware's: it is on, and stays on."""
    return cpl > iopl(eflags) and bool(eflags & IF)


def runs_directly(vcpu: Vcpu) -> bool:
    """Whether the guest's code is executed where it stands, in ring 3.

    Nonreversible is a register that could not be loaded again from the real table: code that has one is translated.
    """
    cpu, gdt = vcpu.cpu, vcpu.gdt
    if not flags_allow(cpu.cpl, cpu.eflags):
        return False
    gdt.synchronize(cpu)
    if not (gdt.holds(cpu.segs[CS]) and gdt.holds(cpu.segs[SS])):
        return False
    return all(reloads(cpu.segs[index], gdt.slot(cpu.segs[index]), cpu.cpl) for index in DATA_REGISTERS)


def translatable(vcpu: Vcpu) -> bool:
    """Whether the guest can run from the cache as it stands."""
    cpu, stack = vcpu.cpu, vcpu.cpu.segs[SS]
    if not cpu.cr0 & CR0_PE or cpu.eflags & _NOT_IN_CACHE or cpu.halted or not cpu.segs[CS].big:
        return False
    if cpu.dr[7] & DR7_ENABLED or cpu.cpl not in (0, USER_RING):
        return False
    vcpu.gdt.synchronize(cpu)
    return stack.present and stack.writable and stack.big and stack.dpl == cpu.cpl == stack.selector & 3
