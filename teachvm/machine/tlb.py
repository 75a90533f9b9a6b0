"""The translation lookaside buffer: machine state that software can see.

Source: Intel SDM Vol. 3A, §4.10 (caching translation information); Pentium processor family developer's manual, ch. 18
(64 entries, 4-way set associative).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from teachvm.isa.paging import RW, US

SETS: Final = 16
WAYS: Final = 4
SET_MASK: Final = SETS - 1
LARGE_SHIFT: Final = 10
"""A 4 MiB page is 1024 page numbers."""

PageMap = dict[int, int]
"""Linear page number -> physical address of the page's first byte."""


@dataclass(frozen=True, slots=True)
class TlbEntry:
    """One cached translation of a 4 KiB page; a 4 MiB page is held in pieces of 4 KiB, as they are used.

    Attributes:
        vpn: Linear page number, linear address bits 31:12.
        frame: Physical address of the page's first byte.
        rights: P, R/W and U/S bits that both levels grant, as `isa.paging` bits.
        dirty: D was set in memory when the entry was made; a write through a clean entry has to walk again.
        large: It comes from a 4 MiB page.
    """

    vpn: int
    frame: int
    rights: int
    dirty: bool
    large: bool

    @property
    def writable(self) -> bool:
        """R/W in both levels."""
        return bool(self.rights & RW)

    @property
    def user(self) -> bool:
        """U/S in both levels."""
        return bool(self.rights & US)


class Tlb:
    """64 entries, 4-way: set = page number modulo 16; within a set the first free way, else first in, first out.

    State: `entries` (set * 4 + way) and `victims` (per set, the way to replace next). Not state are the page maps the
    CPU keeps here to find resident pages fast: by CPL, for reads and for writes. They hold a part of what the entries
    allow at present, and lose a page when its entry goes. Compiled code has three of its own, `near_reads`,
    `near_writes` and `near_code`, from linear page number to address in memory minus linear address: pages that may be
    read, that may be written, and that may be written where they hold no decoded instruction.
    """

    STATE: ClassVar[tuple[str, ...]] = ("entries", "victims")
    DERIVED: ClassVar[tuple[str, ...]] = ("reads", "writes", "near_reads", "near_writes", "near_code", "dropped")

    def __init__(self) -> None:
        self.entries: list[TlbEntry | None] = [None] * (SETS * WAYS)
        self.victims: list[int] = [0] * SETS
        supervisor_reads: PageMap = {}
        supervisor_writes: PageMap = {}
        self.reads: tuple[PageMap, ...] = (supervisor_reads, supervisor_reads, supervisor_reads, {})
        self.writes: tuple[PageMap, ...] = (supervisor_writes, supervisor_writes, supervisor_writes, {})
        self.near_reads: tuple[PageMap, ...] = _by_privilege()
        self.near_writes: tuple[PageMap, ...] = _by_privilege()
        self.near_code: tuple[PageMap, ...] = _by_privilege()
        self.dropped: Callable[[], None] = _nothing
        """Called after a translation went away; the CPU drops its fetch window."""

    def find(self, vpn: int) -> TlbEntry | None:
        """The entry for a linear page number, if resident; looking changes nothing."""
        first = (vpn & SET_MASK) * WAYS
        for entry in self.entries[first : first + WAYS]:
            if entry is not None and entry.vpn == vpn:
                return entry
        return None

    def insert(self, entry: TlbEntry) -> None:
        """Add a translation whose page is not resident, replacing the set's oldest entry if all four ways are used."""
        number = entry.vpn & SET_MASK
        first = number * WAYS
        for index in range(first, first + WAYS):
            if self.entries[index] is None:
                self.entries[index] = entry
                return
        way = self.victims[number]
        self._remove(first + way)
        self.entries[first + way] = entry
        self.victims[number] = (way + 1) % WAYS

    def drop(self, vpn: int) -> None:
        """Drop one page's entry, as a fault on it does."""
        first = (vpn & SET_MASK) * WAYS
        for index in range(first, first + WAYS):
            entry = self.entries[index]
            if entry is not None and entry.vpn == vpn:
                self._remove(index)

    def invalidate(self, linear: int) -> None:
        """Drop what INVLPG drops: the page's entry, and every piece of a 4 MiB page that contains the address.

        Source: Intel SDM Vol. 3A, §4.10.4.1: INVLPG invalidates the whole page, whatever its size.
        """
        vpn = linear >> 12
        self.drop(vpn)
        for index, entry in enumerate(self.entries):
            if entry is not None and entry.large and entry.vpn >> LARGE_SHIFT == vpn >> LARGE_SHIFT:
                self._remove(index)

    def flush(self) -> None:
        """Drop everything; which way is replaced next is kept."""
        self.entries[:] = [None] * (SETS * WAYS)
        self.forget()

    def forget(self) -> None:
        """Drop the derived page maps only: nothing that can be observed."""
        for maps in (self.reads, self.writes, self.near_reads, self.near_writes, self.near_code):
            maps[0].clear()
            maps[3].clear()
        self.dropped()

    def forget_near_writes(self) -> None:
        """Some page of memory is guarded from now on: compiled code has to ask again before it stores anywhere."""
        for maps in (self.near_writes, self.near_code):
            maps[0].clear()
            maps[3].clear()

    def restored(self) -> None:
        """The entries were replaced by a checkpoint's."""
        self.forget()

    def resident(self) -> tuple[TlbEntry, ...]:
        """All valid entries, by set and way."""
        return tuple(entry for entry in self.entries if entry is not None)

    def _remove(self, index: int) -> None:
        entry = self.entries[index]
        if entry is None:
            return
        self.entries[index] = None
        for maps in (self.reads, self.writes, self.near_reads, self.near_writes, self.near_code):
            maps[0].pop(entry.vpn, None)
            maps[3].pop(entry.vpn, None)
        self.dropped()


def _by_privilege() -> tuple[PageMap, ...]:
    """One map for supervisor accesses, at CPL 0 to 2, and one for user accesses."""
    supervisor: PageMap = {}
    return supervisor, supervisor, supervisor, {}


def _nothing() -> None:
    """Nobody listens."""
