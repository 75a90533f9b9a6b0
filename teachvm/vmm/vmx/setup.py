"""A control structure as the VMM sets it up: which events are to exit, and what the host is when they do.

Source: Intel SDM Vol. 3C, ch. 31 (VMM initialization); the choice of exits follows KVM.
"""

from __future__ import annotations

from typing import Final

from teachvm.host.frames import Owner, OwnerKind
from teachvm.host.host import Host
from teachvm.isa import paging
from teachvm.isa.control import (
    CR0_CD,
    CR0_ET,
    CR0_NE,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR0_WP,
    CR4_PSE,
)
from teachvm.isa.exceptions import Vector
from teachvm.machine.registers import MASK32
from teachvm.vmm.addresses import Hfn
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.nested import NestedTables
from teachvm.vmm.memory.shadow import ShadowTables
from teachvm.vmm.region import (
    DIRECTORY_INDEX,
    GDT_BASE,
    IDT_BASE,
    STACK_TOP,
    TSS_BASE,
    VMM_CS,
    VMM_SS,
    VMM_TR,
    VmmRegion,
    stub,
)
from teachvm.vmm.techniques import Paging
from teachvm.vmm.vmx import fields as f
from teachvm.vmm.vmx.fields import Field
from teachvm.vmm.vmx.nonroot import NonRoot
from teachvm.vmm.vmx.structure import ControlStructure, guest_area
from teachvm.vmm.vmx.vcpu import NonRootVcpu
from teachvm.vmm.vmx.walker import TwoDimensionalWalker

FRAMES: Final = ("control structure", "I/O bitmap A", "I/O bitmap B", "MSR bitmaps", "host directory")
"""What the VMM keeps for a VM in host frames of its own, besides the nested tables."""
READABLE_MSRS: Final = (0x00, 0x01, 0x10)
"""Machine check address and type, and the time stamp counter, which the TSC offset makes the guest's."""
HOST_CR0: Final = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG
NESTED_CR0_MASK: Final = CR0_PE | CR0_NW | CR0_CD | CR0_PG
"""With nested tables the guest owns what only concerns itself: TS, WP and the like change without an exit."""
REAL_CR0: Final = CR0_PE | CR0_ET | CR0_WP | CR0_PG
"""Set while a guest runs over shadow tables: WP so that write traces and clean pages fault."""


def make_structure(
    host: Host, vm: str, memory: GuestMemory, region: VmmRegion
) -> tuple[ControlStructure, TwoDimensionalWalker, NestedTables, NonRoot]:
    """Take the frames of one VM's control structure, and fill what never changes.

    Raises:
        OutOfFramesError: The host has too few free frames.
    """
    ram = host.machine.memory
    frames = [Hfn(host.frames.allocate(Owner(OwnerKind.VMM, vm, purpose))[0]) for purpose in FRAMES]
    structure = ControlStructure(ram, frames[0])
    bitmaps = [frame << paging.PAGE_SHIFT for frame in frames[1:4]]
    directory = frames[4] << paging.PAGE_SHIFT
    for bitmap in bitmaps:
        ram.write_bytes(bitmap, b"\xff" * paging.PAGE_SIZE)
    for register in READABLE_MSRS:
        at = bitmaps[2] + register // 8
        ram.write(at, 1, ram.read(at, 1) & ~(1 << register % 8))
    ram.write(directory + DIRECTORY_INDEX * paging.ENTRY_SIZE, 4, region.directory_entry)
    fixed = {
        Field.PIN_BASED: f.PIN_EXTERNAL_INTERRUPT,
        Field.IO_BITMAP_A: bitmaps[0],
        Field.IO_BITMAP_B: bitmaps[1],
        Field.MSR_BITMAP: bitmaps[2],
        Field.VPID: 1,
        Field.EXIT_CONTROLS: f.EXIT_ACKNOWLEDGES,
        Field.HOST_CR0: HOST_CR0,
        Field.HOST_CR3: directory,
        Field.HOST_RSP: STACK_TOP,
        Field.HOST_RIP: stub(0),
        Field.HOST_CS: VMM_CS,
        Field.HOST_SS: VMM_SS,
        Field.HOST_TR: VMM_TR,
        Field.HOST_TR_BASE: TSS_BASE,
        Field.HOST_GDTR_BASE: GDT_BASE,
        Field.HOST_IDTR_BASE: IDT_BASE,
    }
    for field, value in fixed.items():
        structure.write(field, value)
    nested = NestedTables(memory, vm)
    walker = TwoDimensionalWalker(nested.root)
    return structure, walker, nested, NonRoot(host, structure, walker)


def set_controls(structure: ControlStructure, paging_: Paging, root: int) -> None:
    """Ask for the exits one way of translating needs.

    Args:
        structure: The control structure.
        paging_: Who translates guest-physical addresses.
        root: Host-physical address of the nested directory.
    """
    nested = paging_ is Paging.NESTED
    primary = f.CPU_HLT | f.CPU_TSC_OFFSETTING | f.CPU_IO_BITMAPS | f.CPU_MSR_BITMAPS | f.CPU_SECONDARY
    structure.write(
        Field.PROCESSOR_BASED, primary if nested else primary | f.CPU_INVLPG | f.CPU_CR3_LOAD | f.CPU_CR3_STORE
    )
    structure.write(
        Field.SECONDARY, f.SECONDARY_VPID | (f.SECONDARY_NESTED | f.SECONDARY_UNRESTRICTED if nested else 0)
    )
    structure.write(Field.EXCEPTION_BITMAP, 0 if nested else 1 << Vector.PF)
    structure.write(Field.NESTED_POINTER, root if nested else 0)
    structure.write(Field.CR0_MASK, NESTED_CR0_MASK if nested else MASK32)
    structure.write(Field.CR4_MASK, 0 if nested else MASK32)


def set_guest(structure: ControlStructure, vcpu: NonRootVcpu, shadow: ShadowTables, *, window: bool) -> int:
    """Write the guest's state for the next entry.

    Args:
        structure: The control structure.
        vcpu: The virtual CPU.
        shadow: The shadow tables, which are activated where they translate.
        window: Exit as soon as the guest can take an interrupt.

    Returns:
        How many fields were written because they changed.
    """
    cpu = vcpu.cpu
    if vcpu.paging is Paging.NESTED:
        cr0, cr3, cr4 = cpu.cr0, cpu.cr3, cpu.cr4
    else:
        cr0, cr3, cr4 = cpu.cr0 | REAL_CR0, shadow.activate(vcpu.mode), cpu.cr4 & ~CR4_PSE
    primary = structure.read(Field.PROCESSOR_BASED) & ~f.CPU_INTERRUPT_WINDOW
    return structure.set_guest(guest_area(cpu, cr0, cr3, cr4)) + sum(
        (
            structure.write(Field.CR0_SHADOW, cpu.cr0),
            structure.write(Field.CR4_SHADOW, cpu.cr4),
            structure.write(Field.PROCESSOR_BASED, primary | (f.CPU_INTERRUPT_WINDOW if window else 0)),
        )
    )
