"""Random access memory, and what a CPU expects of the physical address space.

Source: Intel SDM Vol. 3A, §3.3.1 (physical address space); Vol. 1, §1.3.1 (little-endian byte order).
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from teachvm.isa.decode import MAX_LENGTH
from teachvm.isa.descriptors import DESCRIPTOR_SIZE
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE

CLEAN: Final = 1
"""Guard bit: the page was not written since the last checkpoint, so the next write has to be noted."""
CODE: Final = 2
"""Guard bit: decoded instructions start in the page or reach into it."""
WATCHED: Final = 4
"""Guard bit: somebody outside wants to hear of writes to bytes of the page."""
MOST_CUT: Final = 64
"""Bytes written at once up to which only what has one of them is forgotten; beyond it, all of the page."""
ALL_ONES: Final = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFF_FFFF}


class PhysicalMemory(Protocol):
    """The physical address space as a CPU sees it: RAM it may use directly, and everything by address and size."""

    @property
    def ram(self) -> Memory | None:
        """RAM from address 0 on that the CPU may reach without asking; None if every access has to go through."""

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes, little-endian; they may lie across two pages."""

    def write(self, phys: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes, little-endian."""


class CodePage:
    """Decoded instructions of one physical page, and which of its bytes they were decoded from.

    A cache: dropping it changes nothing but speed.

    Attributes:
        ops: By default operand size (False: 16, True: 32): offset of the first byte in the page -> decoded instruction.
        bitmap: 4096 bytes, 1 where an instruction, or a descriptor, has a byte.
        regions: By linear address and mode of the segments: what was compiled from there, or how often it was reached.
        descriptors: Offsets of descriptors something was concluded from.
    """

    __slots__ = ("bitmap", "descriptors", "ops", "regions")

    def __init__(self) -> None:
        self.descriptors: set[int] = set()
        self.regions: dict[tuple[int, int], Any] = {}
        self.ops: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.bitmap = bytearray(PAGE_SIZE)

    def clear(self) -> None:
        """Forget everything; the dictionaries stay the same objects, so that fetch windows onto them stay good."""
        for ops in self.ops:
            ops.clear()
        self.regions.clear()
        self.descriptors.clear()
        self.bitmap[:] = bytes(PAGE_SIZE)

    def cut(self, start: int, stop: int) -> bool:
        """Forget what has one of some bytes, which are written; what is compiled may have any of them.

        Returns:
            Whether a descriptor was among it.
        """
        for ops in self.ops:
            for offset in range(max(0, start - MAX_LENGTH + 1), stop):
                found = ops.get(offset)
                if found is not None and offset + found.length > start:
                    del ops[offset]
        self.regions.clear()
        gone = {offset for offset in self.descriptors if start - DESCRIPTOR_SIZE < offset < stop}
        self.descriptors -= gone
        self.bitmap[start:stop] = bytes(stop - start)
        return bool(gone)


class Memory:
    """RAM from physical address 0: lazily backed, little-endian; reads beyond it are all ones, writes are lost.

    Implements `trace.pages.PagedMemory`, so its contents are kept by checkpoints page by page.

    Shape: `bytes_` views all of it as unsigned bytes, `halves` and `words` as aligned unsigned 16-bit and 32-bit
    numbers. `guard` has one byte a page; a page whose guard is 0 may be written through the views directly, any other
    through the methods only.
    """

    def __init__(self, size: int) -> None:
        """Make zeroed memory.

        Args:
            size: Bytes, a multiple of 4096.

        Raises:
            ValueError: The size is no positive multiple of the page size, or the interpreter is big-endian.
        """
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"memory size {size} is not a positive multiple of {PAGE_SIZE}")
        if sys.byteorder != "little":
            raise ValueError("the simulated memory needs a little-endian computer")
        self.size = size
        self.page_count = size >> PAGE_SHIFT
        self._map = mmap.mmap(-1, size)
        self.bytes_ = memoryview(self._map)
        self.words = self.bytes_.cast("I")
        self.halves = self.bytes_.cast("H")
        self.guard = bytearray([CLEAN]) * self.page_count
        self.guarded: Callable[[], None] = _nothing
        """Called after pages became guarded that were not."""
        self._dirty: list[int] = []
        self._code: dict[int, CodePage] = {}
        self._watched = range(0)
        self._writing: Callable[[], None] = _nothing
        self.forgotten = 0
        """How often something decoded was dropped; whoever keeps what follows from it compares this."""
        self.rewritten = 0
        """How often a descriptor was among it."""

    @property
    def ram(self) -> Memory:
        """Itself: all of it is RAM."""
        return self

    # ---- by width ------------------------------------------------------------------------------

    def read8(self, phys: int) -> int:
        """One byte."""
        return self.bytes_[phys] if phys < self.size else 0xFF

    def read16(self, phys: int) -> int:
        """Two bytes."""
        if phys & 1 or phys >= self.size:
            return int.from_bytes(self.read_bytes(phys, 2), "little")
        return self.halves[phys >> 1]

    def read32(self, phys: int) -> int:
        """Four bytes."""
        if phys & 3 or phys >= self.size:
            return int.from_bytes(self.read_bytes(phys, 4), "little")
        return self.words[phys >> 2]

    def write8(self, phys: int, value: int) -> None:
        """Store one byte."""
        if phys < self.size:
            if self.guard[phys >> PAGE_SHIFT]:
                self._note(phys, 1)
            self.bytes_[phys] = value

    def write16(self, phys: int, value: int) -> None:
        """Store two bytes."""
        self.write_bytes(phys, value.to_bytes(2, "little"))

    def write32(self, phys: int, value: int) -> None:
        """Store four bytes."""
        if phys & 3 or phys >= self.size:
            self.write_bytes(phys, value.to_bytes(4, "little"))
            return
        if self.guard[phys >> PAGE_SHIFT]:
            self._note(phys, 4)
        self.words[phys >> 2] = value

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes."""
        if size == 4 and not phys & 3 and phys < self.size:
            return self.words[phys >> 2]
        return int.from_bytes(self.read_bytes(phys, size), "little")

    def write(self, phys: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes."""
        self.write_bytes(phys, value.to_bytes(size, "little"))

    # ---- by block ------------------------------------------------------------------------------

    def read_bytes(self, phys: int, count: int) -> bytes:
        """Copy of a stretch of bytes; what lies beyond the end reads as 0xFF."""
        content = self._map[phys : phys + count]
        return content if len(content) == count else content + b"\xff" * (count - len(content))

    def write_bytes(self, phys: int, content: bytes) -> None:
        """Store a stretch of bytes; what lies beyond the end is lost."""
        count = min(len(content), self.size - phys)
        if count <= 0:
            return
        if (phys & PAGE_SIZE - 1) + count <= PAGE_SIZE and not self.guard[phys >> PAGE_SHIFT]:
            self._map[phys : phys + count] = content if count == len(content) else content[:count]
            return
        for pfn in range(phys >> PAGE_SHIFT, (phys + count - 1 >> PAGE_SHIFT) + 1):
            if self.guard[pfn]:
                start = max(phys, pfn << PAGE_SHIFT)
                self._note(start, min(phys + count, (pfn + 1) << PAGE_SHIFT) - start)
        self._map[phys : phys + count] = content[:count]

    def _note(self, phys: int, count: int) -> None:
        """Do what a guarded page asks for before `count` bytes of it are written."""
        pfn = phys >> PAGE_SHIFT
        if self.guard[pfn] & WATCHED and phys < self._watched.stop and self._watched.start < phys + count:
            self._writing()
        if self.guard[pfn] & CLEAN:
            self.guard[pfn] &= ~CLEAN
            self._dirty.append(pfn)
        if self.guard[pfn] & CODE and self.holds_code(phys, count):
            self._cut_code(pfn, phys & PAGE_SIZE - 1, count)

    # ---- decoded instructions ------------------------------------------------------------------

    def code_page(self, pfn: int) -> CodePage:
        """The decoded instructions of a page, to look up and to add to with `remember_code`."""
        page = self._code.get(pfn)
        if page is None:
            page = self._code[pfn] = CodePage()
        return page

    def remember_code(self, phys: int, count: int) -> None:
        """Note that `count` bytes of one page were decoded, so that a write to any of them forgets the page's code."""
        pfn, start = phys >> PAGE_SHIFT, phys & PAGE_SIZE - 1
        if not self.guard[pfn]:
            self.guarded()
        self.guard[pfn] |= CODE
        self.code_page(pfn).bitmap[start : start + count] = b"\x01" * count

    def remember_descriptor(self, phys: int) -> None:
        """Note that something was concluded from a descriptor, as `remember_code` does for instructions."""
        self.remember_code(phys, DESCRIPTOR_SIZE)
        self.code_page(phys >> PAGE_SHIFT).descriptors.add(phys & PAGE_SIZE - 1)

    def holds_code(self, phys: int, count: int) -> bool:
        """Whether an instruction was decoded from any of `count` bytes of one page."""
        page = self._code.get(phys >> PAGE_SHIFT)
        start = phys & PAGE_SIZE - 1
        return page is not None and page.bitmap.find(1, start, start + count) >= 0

    def forget_code(self, pfn: int | None = None) -> None:
        """Drop the decoded instructions of a page, or of all pages."""
        for number in list(self._code) if pfn is None else [pfn]:
            if number in self._code:
                self.forgotten += 1
                self.rewritten += bool(self._code[number].descriptors)
                self._code[number].clear()
                self.guard[number] &= ~CODE

    def _cut_code(self, pfn: int, start: int, count: int) -> None:
        """Bytes of a page are written, some of which were decoded: what has one of them goes, the rest stays."""
        if count > MOST_CUT:
            self.forget_code(pfn)
            return
        page = self._code[pfn]
        self.forgotten += 1
        self.rewritten += page.cut(start, start + count)
        if page.bitmap.find(1) < 0:
            self.guard[pfn] &= ~CODE

    # ---- watched from outside ------------------------------------------------------------------

    def watch(self, watched: range, writing: Callable[[], None] | None = None) -> None:
        """Call `writing` before every write to any of these bytes, whoever makes it; an empty range ends that.

        Nothing the machine can see changes. Whatever would write the pages without asking has to ask: so this costs
        nothing but for those pages.
        """
        for pfn in self._pages_of(self._watched):
            self.guard[pfn] &= ~WATCHED
        self._watched, self._writing = watched, writing or _nothing
        for pfn in self._pages_of(watched):
            self.guard[pfn] |= WATCHED
        self.guarded()

    def _pages_of(self, stretch: range) -> range:
        if not stretch:
            return range(0)
        return range(stretch.start >> PAGE_SHIFT, min(stretch.stop - 1 >> PAGE_SHIFT, self.page_count - 1) + 1)

    # ---- pages, for checkpoints ----------------------------------------------------------------

    def page(self, pfn: int) -> bytes:
        """Copy of one page."""
        return self._map[pfn << PAGE_SHIFT : (pfn + 1) << PAGE_SHIFT]

    def set_page(self, pfn: int, content: bytes) -> None:
        """Replace one page and drop its decoded instructions, without making it dirty."""
        self.forget_code(pfn)
        self._map[pfn << PAGE_SHIFT : (pfn + 1) << PAGE_SHIFT] = content

    def dirty_pages(self) -> list[int]:
        """Pages written since `clean`, each once, in order of first write."""
        return list(self._dirty)

    def clean(self) -> None:
        """Forget which pages were written; the next write to any page makes it dirty again."""
        for pfn in self._dirty:
            self.guard[pfn] |= CLEAN
        self._dirty.clear()
        self.guarded()


def _nothing() -> None:
    """Nobody keeps pages in mind."""
