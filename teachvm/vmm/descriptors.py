"""The real GDT's copy of the guest's, kept equal to it by write traces.

Source: Bugnion et al., TOCS 30(4) 2012, shadow descriptor tables.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Final

from teachvm.isa.descriptors import (
    ACCESSED,
    DESCRIPTOR_SIZE,
    MOST_SEGMENTS,
    Segment,
    is_null,
    null_segment,
    unpacked,
)
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE
from teachvm.machine.cpu import Cpu
from teachvm.machine.selectors import TABLE_INDICATOR
from teachvm.vmm.addresses import Gfn, Gpa, Gva
from teachvm.vmm.deprivilege import shadow_descriptor
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.shadow import ShadowTables
from teachvm.vmm.memory.walk import GuestWalk, PagingMode, look, paging_mode
from teachvm.vmm.region import GUEST_SLOTS, VmmRegion

MOST_PAGES: Final = 64
ABSENT: Final = bytes(DESCRIPTOR_SIZE)


class ShadowGdt:
    """What the hardware's GDT says in the guest's slots, and what the guest's GDT said when it was copied.

    Entries beyond the copied part, entries in pages the guest has not mapped, and the guest's LDT are not shadowed:
    loading such a selector faults, and the VMM does it on the guest's own table.

    State: `copy`, the guest's descriptors as copied (absent ones are zero); `pages`, the guest frames they lie in;
    `in_kernel`, which of the two faces the slots show (see `shadow_descriptor`); `stale`, that a store hit the table.
    """

    STATE: ClassVar[tuple[str, ...]] = ("copy", "base", "limit", "pages", "in_kernel", "stale")
    DERIVED: ClassVar[tuple[str, ...]] = ("memory", "region", "shadow", "slots", "two_faced", "_walked")

    def __init__(self, memory: GuestMemory, region: VmmRegion, shadow: ShadowTables) -> None:
        self.memory = memory
        self.region = region
        self.shadow = shadow
        self.slots = GUEST_SLOTS
        """How many of the guest's descriptors can be shadowed."""
        self.two_faced = True
        """Whether the slots show another face while the guest's kernel runs; else always that of its programs."""
        self.copy = bytes(GUEST_SLOTS * DESCRIPTOR_SIZE)
        self.base = 0
        self.limit = -1
        self.pages: tuple[Gfn | None, ...] = ()
        self.in_kernel = True
        self.stale = True
        self._walked: dict[int, tuple[PagingMode, GuestWalk, Gfn | None]] = {}
        """Where pages lay when they were looked up last, and by which entries."""

    def reserve(self, slots: int) -> None:
        """Keep the last slots of the real GDT for the VMM; nothing may have been copied yet."""
        self.slots = GUEST_SLOTS - slots
        self.copy = bytes(self.slots * DESCRIPTOR_SIZE)

    def guest_wrote(self, gpa: Gpa) -> None:
        """A store changed a traced page: if it holds part of the table, that is read again before the guest goes on."""
        if gpa >> PAGE_SHIFT in self.pages:
            self.stale = True

    def synchronize(self, cpu: Cpu) -> None:
        """Make the real GDT agree with the guest's GDT and with the VCPU's privilege level."""
        base, limit = cpu.gdtr.base, cpu.gdtr.limit
        pages = self._frames(cpu, base, limit)
        in_kernel = self.two_faced and cpu.cpl == 0
        if self.stale or (base, limit, pages) != (self.base, self.limit, self.pages):
            self._trace(pages)
            self.base, self.limit, self.pages = base, limit, pages
            self._copy(self._read(base, limit, pages), in_kernel=in_kernel)
            self.stale = False
        elif in_kernel != self.in_kernel:
            self._copy(self.copy, in_kernel=in_kernel)

    def _frames(self, cpu: Cpu, base: int, limit: int) -> tuple[Gfn | None, ...]:
        """The guest frame behind each page of the copied part; None where none is mapped or no RAM lies behind."""
        mode = paging_mode(cpu.cr0, cpu.cr3, cpu.cr4)
        last = base + min(limit, self.slots * DESCRIPTOR_SIZE - 1)
        frames: list[Gfn | None] = []
        for page in range(base >> PAGE_SHIFT, (last >> PAGE_SHIFT) + 1):
            linear, known = Gva(page << PAGE_SHIFT & 0xFFFF_FFFF), self._walked.get(page)
            if known is None or known[0] is not mode or not known[1].again(self.memory.read, linear):
                walk = look(self.memory.read, mode, linear)
                gfn = Gfn(walk.gpa >> PAGE_SHIFT)
                mapped = walk.error(write=False, user=False, wp=mode.wp) is None and self.memory.is_ram(gfn)
                known = self._walked[page] = mode, walk, gfn if mapped else None
                if len(self._walked) > MOST_PAGES:
                    self._walked.clear()
            frames.append(known[2])
        return tuple(frames)

    def _trace(self, pages: tuple[Gfn | None, ...]) -> None:
        for gfn in pages:
            if gfn is not None:
                self.shadow.protect(gfn)
        for gfn in self.pages:
            if gfn is not None:
                self.memory.untrace(gfn)

    def _read(self, base: int, limit: int, pages: tuple[Gfn | None, ...]) -> bytes:
        """The guest's descriptors, whole ones only; zeroes where there are none."""
        content = b"".join(
            bytes(PAGE_SIZE) if gfn is None else self.memory.read_bytes(gfn << PAGE_SHIFT, PAGE_SIZE) for gfn in pages
        )
        start = base & PAGE_SIZE - 1
        copied = self.slots * DESCRIPTOR_SIZE
        whole = min(limit + 1, copied) & ~(DESCRIPTOR_SIZE - 1)
        # The first slot is the null descriptor whatever the table holds there.
        return (ABSENT + content[start + DESCRIPTOR_SIZE : start + whole]).ljust(copied, b"\0")

    def _copy(self, content: bytes, *, in_kernel: bool) -> None:
        """Write the slots whose descriptor, or whose face, changed."""
        turned = in_kernel != self.in_kernel
        used = max(len(content.rstrip(b"\0")), len(self.copy.rstrip(b"\0")))
        for index in range(1, -(-used // DESCRIPTOR_SIZE)):
            where = slice(index * DESCRIPTOR_SIZE, (index + 1) * DESCRIPTOR_SIZE)
            raw = content[where]
            if raw != self.copy[where] or (turned and raw != ABSENT):
                self.region.write_slot(index, shadow_descriptor(raw, in_kernel=in_kernel))
        self.copy = content
        self.in_kernel = in_kernel

    # ---- looked up -----------------------------------------------------------------------------

    def holds(self, virtual: Segment, eip: int | None = None) -> bool:
        """Whether the hardware, loading a register of the VCPU from the real GDT, gets what the VCPU has there.

        Args:
            virtual: CS or SS of the VCPU.
            eip: For CS: where execution goes on, which has to lie inside the shortened segment.
        """
        selector = virtual.selector
        index = selector >> 3
        if is_null(selector) or selector & TABLE_INDICATOR or index >= self.slots:
            return False
        held = unpacked(selector, self.region.slot(index))
        if not held.present or (eip is not None and eip > held.limit):
            return False
        return reversible(virtual, self.copy[index * DESCRIPTOR_SIZE : (index + 1) * DESCRIPTOR_SIZE])

    def slot(self, virtual: Segment) -> bytes:
        """What the real GDT says in the slot that a register's selector names; empty where it shadows nothing there."""
        index = virtual.selector >> 3
        return self.region.slot(index) if index < self.slots else b""

    def descriptor(self, selector: int) -> Segment:
        """What the guest's register holds after the hardware loaded a selector from the real GDT by itself."""
        return guest_descriptor(self.copy, selector)


@lru_cache(maxsize=MOST_SEGMENTS)
def reversible(segment: Segment, raw: bytes | None) -> bool:
    """Whether loading the selector of a segment register again would give the hidden part it holds.

    A register is *nonreversible* when its descriptor in memory was changed after it was loaded, or when it was loaded
    from another table, or in another mode. The processor goes on with the hidden part; nothing else stands for it.

    Args:
        segment: The register.
        raw: The eight bytes its selector names now; None if there are none.

    Source: Bugnion et al., TOCS 30(4) 2012 (shadowed and cached descriptors).
    """
    if is_null(segment.selector):
        return not segment.present
    if raw is None:
        return False
    stored = unpacked(segment.selector, raw)
    # The processor sets the accessed bit in memory as it loads; whether it is set there makes no difference.
    aside = 0 if stored.is_system else ACCESSED
    held = segment.base, segment.limit, segment.access | aside
    return held == (stored.base, stored.limit, stored.access | aside)


def guest_descriptor(table: bytes, selector: int) -> Segment:
    """Read a segment from the copied part of a guest's GDT, as a load by the hardware gives it to the guest."""
    if is_null(selector):
        return null_segment(selector)
    where = selector & 0xFFF8
    return _loaded(selector, table[where : where + DESCRIPTOR_SIZE].ljust(DESCRIPTOR_SIZE, b"\0"))


@lru_cache(maxsize=MOST_SEGMENTS)
def _loaded(selector: int, raw: bytes) -> Segment:
    segment = unpacked(selector, raw)
    return Segment(selector, segment.base, segment.limit, segment.access | ACCESSED)
