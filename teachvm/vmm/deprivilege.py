"""What the guest's descriptors and flags become when the hardware holds them: one ring down, and cut short.

Ring compression: the guest kernel's ring 0 is the hardware's ring 1, so descriptors of level 0 become level 1.
Truncation: a segment may reach no byte of the VMM's region. A real segment has a base and one limit, so what cannot be
expressed by lowering the limit becomes an empty segment, and the VMM makes each access itself.

Source: Bugnion et al., TOCS 30(4) 2012 (shadow descriptors); Agesen et al., OSR 44(4) 2010, §3.3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from teachvm.isa.descriptors import (
    ACCESSED,
    DPL_MASK,
    DPL_SHIFT,
    EXPAND_DOWN,
    MOST_SEGMENTS,
    P_BIT,
    WRITABLE,
    Segment,
    access_word,
    is_null,
    null_segment,
)
from teachvm.isa.flags import IF, IOPL_MASK, VIF, VIP, VM, iopl
from teachvm.vmm.region import VMM_BASE

KERNEL_RING: Final = 1
"""The hardware's ring for a guest kernel."""
USER_RING: Final = 3

KEPT_APART: Final = IF | IOPL_MASK | VM | VIF | VIP
"""EFLAGS bits of which the VCPU has its own copy; the others are the hardware's while the guest runs."""


def hardware_flags(virtual: int) -> int:
    """EFLAGS the guest runs with: its own, but IF set, so that the host gets its interrupts, and IOPL 0."""
    return virtual & ~KEPT_APART | IF


def virtual_flags(hardware: int, kept: int) -> int:
    """The guest's EFLAGS: the hardware's, with the VCPU's own copy of what is kept apart."""
    return hardware & ~KEPT_APART | kept & KEPT_APART


def changeable(cpl: int, eflags: int) -> int:
    """Which of IF and IOPL a POPFD at a virtual privilege level changes.

    Source: Intel SDM Vol. 2B, POPF.
    """
    if cpl == 0:
        return IF | IOPL_MASK
    return IF if cpl <= iopl(eflags) else 0


def hardware_ring(cpl: int) -> int:
    """The ring a virtual privilege level runs in."""
    return KERNEL_RING if cpl == 0 else cpl


def hardware_selector(selector: int, cpl: int) -> int:
    """CS or SS as the hardware holds it: its RPL is the real CPL."""
    return selector & 0xFFFC | hardware_ring(cpl)


def virtual_selector(selector: int) -> int:
    """CS or SS as the guest means it: ring 1 is its ring 0."""
    return selector & 0xFFFC if selector & 3 == KERNEL_RING else selector


def deprivileged(segment: Segment) -> Segment | None:
    """A code or data segment as the hardware may hold it; None if no byte of it lies below the VMM's region.

    The selector is kept.
    """
    access = segment.access
    if segment.dpl == 0:
        access = access & ~DPL_MASK | KERNEL_RING << DPL_SHIFT
    limit = _expand_down_limit(segment) if segment.expand_down else _limit(segment)
    if limit is None:
        return None
    return Segment(segment.selector, segment.base, limit, access)


def _limit(segment: Segment) -> int | None:
    room = VMM_BASE - segment.base
    if room <= 0:
        return None
    if segment.limit < room:
        return segment.limit
    if segment.granular:
        room &= ~0xFFF
    return room - 1 if room else None


def _expand_down_limit(segment: Segment) -> int | None:
    """The limit, if the valid offsets touch no byte of the region; they end at a fixed top, so no limit helps."""
    offsets = segment.valid_range
    if not offsets:
        return segment.limit
    first, last = segment.base + offsets[0], segment.base + offsets[-1]
    if first >> 32 == last >> 32 and last & 0xFFFF_FFFF < VMM_BASE:
        return segment.limit
    return None


def empty_segment(selector: int, dpl: int) -> Segment:
    """A segment with no valid offset: an expand-down segment whose limit is the top. Every access faults."""
    access = access_word(type_=EXPAND_DOWN | WRITABLE | ACCESSED, dpl=dpl)
    return Segment(selector, 0, 0xFFFF_FFFF, access)


@lru_cache(maxsize=MOST_SEGMENTS)
def data_register(virtual: Segment, cpl: int) -> Segment:
    """What the hardware holds in ES, DS, FS, GS or SS for a segment of the VCPU."""
    if is_null(virtual.selector) or not virtual.present:
        return null_segment(virtual.selector)
    held = deprivileged(virtual)
    return held if held is not None else empty_segment(virtual.selector, hardware_ring(cpl))


def shadow_descriptor(raw: bytes, *, in_kernel: bool) -> bytes:
    """The real GDT's copy of one of the guest's descriptors.

    Marked not present, so that a load faults and the VMM does it on the guest's own table:

    * system segments and gates, which would act on the real machine;
    * segments whose accessed bit is clear, because the processor would set it in the copy;
    * conforming code, and code of rings 1 and 2, which have no deprivileged equivalent;
    * segments that cannot be cut off below the VMM's region;
    * while the guest's kernel runs, code of ring 3: a return to an outer ring does not fault by itself.
    """
    segment = Segment.unpack(0, raw)
    if not segment.present:
        return raw
    held = None if segment.is_system else deprivileged(segment)
    if held is None or not segment.accessed or (segment.is_code and not _direct_code(segment, in_kernel=in_kernel)):
        return Segment(0, segment.base, segment.limit, segment.access & ~P_BIT).pack()
    return held.pack()


def _direct_code(segment: Segment, *, in_kernel: bool) -> bool:
    if segment.conforming:
        return False
    return segment.dpl == 0 or (segment.dpl == USER_RING and not in_kernel)
