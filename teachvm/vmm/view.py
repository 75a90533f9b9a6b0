"""The guest's registers as the guest means them, wherever they are: in the VCPU, in the hardware, or half in each.

Pure functions over anything that has the attributes of a processor, so that a view may hand in a captured state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from teachvm.isa.descriptors import Segment, TableRegister
from teachvm.isa.flags import RF
from teachvm.isa.operands import CS, ESP, FS, SS
from teachvm.vmm.breakpoints import seen
from teachvm.vmm.deprivilege import virtual_flags, virtual_selector
from teachvm.vmm.descriptors import guest_descriptor
from teachvm.vmm.region import CACHE_CS, unpack_frame
from teachvm.vmm.techniques import Paging


class Processor(Protocol):
    """The registers of a CPU, real or captured."""

    @property
    def regs(self) -> Sequence[int]:
        """General registers in ModRM order."""

    @property
    def eip(self) -> int:
        """Next instruction."""

    @property
    def eflags(self) -> int:
        """Flags."""

    @property
    def segs(self) -> Sequence[Segment]:
        """ES CS SS DS FS GS."""

    @property
    def ldtr(self) -> Segment:
        """Local descriptor table."""

    @property
    def tr(self) -> Segment:
        """Task register."""

    @property
    def gdtr(self) -> TableRegister:
        """Global descriptor table."""

    @property
    def idtr(self) -> TableRegister:
        """Interrupt descriptor table."""

    @property
    def cr0(self) -> int:
        """Modes."""

    @property
    def cr2(self) -> int:
        """Page-fault address."""

    @property
    def cr3(self) -> int:
        """Page directory."""

    @property
    def cr4(self) -> int:
        """Extensions."""

    @property
    def dr(self) -> Sequence[int]:
        """Debug registers."""

    @property
    def cpl(self) -> int:
        """Privilege level."""

    @property
    def halted(self) -> bool:
        """HLT was executed."""


class Held(Protocol):
    """What the VMM knows about the guest's registers while the hardware has them."""

    @property
    def in_guest(self) -> bool:
        """The hardware has them."""

    @property
    def installed(self) -> Sequence[Segment]:
        """Segment registers of the hardware when the guest was resumed."""


class Precise(NamedTuple):
    """The guest's registers behind a place in translated code.

    Attributes:
        regs: In ModRM order.
        eip: Of the guest.
        eflags: The hardware's, with the guest's status flags in it.
        kept: The guest's EFLAGS bits that are kept apart.
        shadow: The guest's instruction before was STI.
        fs: The selector of FS, while that is lent; else None.
    """

    regs: list[int]
    eip: int
    eflags: int
    kept: int
    shadow: bool
    fs: int | None


class Recovery(Protocol):
    """Knows where the guest's registers are at each instruction of a translation cache."""

    def boundary(self, address: int) -> tuple[int, ...]:
        """EIPs of the guest instructions that are begun at a place in the cache."""

    def registers(self, regs: Sequence[int], address: int, eflags: int) -> Precise:
        """The guest's registers, while the hardware is about to execute the instruction at an address of the cache."""

    def shadow(self, address: int) -> bool:
        """Whether interrupts have to wait there for one guest instruction more."""


@dataclass(frozen=True, slots=True)
class GuestState:
    """Everything software can see of a processor at an instruction boundary.

    Shape: `regs` in ModRM order, `segs` ES CS SS DS FS GS with their hidden parts.
    """

    regs: tuple[int, ...]
    eip: int
    eflags: int
    segs: tuple[Segment, ...]
    ldtr: Segment
    tr: Segment
    gdtr: TableRegister
    idtr: TableRegister
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    dr: tuple[int, ...]
    cpl: int
    halted: bool


def state_of(cpu: Processor) -> GuestState:
    """What a processor holds: on bare metal that is what the guest sees."""
    return GuestState(
        tuple(cpu.regs),
        cpu.eip,
        cpu.eflags,
        tuple(cpu.segs),
        cpu.ldtr,
        cpu.tr,
        cpu.gdtr,
        cpu.idtr,
        cpu.cr0,
        cpu.cr2,
        cpu.cr3,
        cpu.cr4,
        tuple(cpu.dr),
        cpu.cpl,
        cpu.halted,
    )


def guest_state(
    vcpu: Processor,
    held: Held,
    table: bytes,
    hardware: Processor,
    frame: bytes,
    recovery: Recovery | None = None,
) -> GuestState:
    """What a guest sees of its processor.

    Between the exception and the first thing the VMM does, the guest's EIP, CS, EFLAGS, ESP and SS are in the frame the
    hardware has pushed onto the VMM's stack.

    Args:
        vcpu: The VCPU's software CPU.
        held: What the VMM installed in the hardware.
        table: The guest's GDT as copied.
        hardware: The physical CPU; looked at only while it has this guest's registers.
        frame: Twenty bytes from `VmmRegion.frame_address`.
        recovery: The way back from translated code, where there is any.
    """
    if not held.in_guest:
        return state_of(vcpu)
    paging = getattr(held, "paging", None)
    if paging is not None:
        return state_in_non_root_mode(vcpu, hardware, paging)
    regs, segs, eip, eflags, cpl = list(hardware.regs), list(hardware.segs), hardware.eip, hardware.eflags, hardware.cpl
    if cpl == 0:
        eip, cs, eflags, regs[ESP], ss = unpack_frame(frame)
        # The frame of a fault has RF set whatever it was; it is taken to have been clear.
        eflags &= ~RF
        cpl = cs & 3
        for index, selector in ((CS, cs), (SS, ss)):
            segs[index] = same_or_loaded(held.installed[index], selector)
    kept = vcpu.eflags
    if recovery is not None and segs[CS].selector & 0xFFFC == CACHE_CS:
        regs, eip, eflags, kept, _, fs = recovery.registers(regs, eip, eflags)
        if fs is not None:
            segs[FS] = same_or_loaded(held.installed[FS], fs)
    return GuestState(
        tuple(regs),
        eip,
        virtual_flags(eflags, kept),
        guest_segments(vcpu.segs, held.installed, segs, table),
        vcpu.ldtr,
        vcpu.tr,
        vcpu.gdtr,
        vcpu.idtr,
        vcpu.cr0,
        vcpu.cr2,
        vcpu.cr3,
        vcpu.cr4,
        seen(vcpu.dr, hardware.dr),
        virtual_ring(cpl),
        False,
    )


def state_in_non_root_mode(vcpu: Processor, hardware: Processor, paging: Paging) -> GuestState:
    """What a guest sees while the hardware runs it in non-root mode: the hardware's registers are its own.

    Only under shadow paging are the control registers the VMM's; what the guest reads of them is in the VCPU.
    """
    state = state_of(hardware)
    if paging is Paging.NESTED:
        return state
    return replace(state, cr0=vcpu.cr0, cr3=vcpu.cr3, cr4=vcpu.cr4)


def same_or_loaded(installed: Segment, selector: int) -> Segment:
    """CS or SS from the frame, or FS from a field, which keep the selector only; what is hidden cannot have changed.

    The shadow GDT is written by the VMM alone, so a register that has the same selector was loaded from the same
    descriptor.
    """
    return installed if installed.selector == selector else Segment(selector, 0, 0, 0)


def virtual_ring(cpl: int) -> int:
    """The privilege level a guest believes it runs at, from the hardware's ring 1 or 3."""
    return 0 if cpl == 1 else cpl


def guest_segments(
    virtual: Sequence[Segment], installed: Sequence[Segment], held: Sequence[Segment], table: bytes
) -> tuple[Segment, ...]:
    """Segment registers as the guest means them, from what the hardware holds.

    A register that holds what the VMM put there is as the VCPU has it. Any other was loaded by the guest directly, from
    the real GDT, so the guest's own descriptor is what it stands for.

    Args:
        virtual: The VCPU's registers when the VMM resumed the guest.
        installed: What the hardware held then.
        held: What the hardware holds now.
        table: The guest's GDT as copied.
    """
    if held == installed:
        return tuple(virtual)
    return tuple(
        virtual[index]
        if now == installed[index]
        else guest_descriptor(table, virtual_selector(now.selector) if index in (CS, SS) else now.selector)
        for index, now in enumerate(held)
    )
