"""Shadow page tables: what the hardware's walker really reads while a guest runs.

One shadow directory per guest directory and one shadow table per guest table (and per right its directory entry
grants), kept when the guest changes CR3 and kept coherent by write traces. A shadow entry exists only if the guest's
entries allow the access and have A set; it is writable only if the guest's has D set. So the tables are a cache: all of
it may be thrown away at any moment, and comes back by hidden faults.

Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2; Linux, virt/kvm/x86/mmu.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from teachvm.host.frames import OutOfFramesError, Owner, OwnerKind
from teachvm.isa import paging
from teachvm.isa.paging import ENTRIES, ENTRY_SIZE, FRAME, PAGE_SHIFT, PAGE_SIZE, RW, US, P
from teachvm.vmm.addresses import Gfn, Gpa, Gva, Hfn
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.keys import FLAT, DirectoryKey, TableKey
from teachvm.vmm.memory.walk import GuestWalk, PagingMode
from teachvm.vmm.region import DIRECTORY_INDEX, VmmRegion

DEFAULT_BUDGET: Final = 128
"""Most host frames one VM's shadow tables may take."""
LEAST_BUDGET: Final = 16
"""One instruction can need a directory and twelve tables at once; fewer frames could evict each other for ever."""


FLOOD: Final = 3
"""Stores to a guest table, without the hardware needing it in between, after which it is no longer shadowed."""


class ShadowTables:
    """The shadow directories and tables of one VM, in host frames.

    State, apart from the contents of those frames: which guest table each stands for (`directories`, `tables`), where
    tables are linked (`links`: physical address of a shadow directory entry to table frame), which guest frame each
    leaf maps (`leaves`: physical address of the entry to guest frame), and which directory is in use (`active`). `pool`
    holds unused frames of the least number guaranteed to the VM; `floods` counts stores to a shadowed guest table since
    the hardware last needed it.
    """

    STATE: ClassVar[tuple[str, ...]] = ("directories", "tables", "links", "leaves", "active", "pool", "floods")
    DERIVED: ClassVar[tuple[str, ...]] = (
        "memory",
        "region",
        "reserved",
        "budget",
        "owner",
        "flush",
        "dropped",
        "_host",
        "_ram",
    )

    def __init__(
        self,
        memory: GuestMemory,
        region: VmmRegion,
        vm: str,
        budget: int = DEFAULT_BUDGET,
        *,
        reserved: bool = True,
    ) -> None:
        """Start empty.

        Args:
            memory: The guest's physical memory; its host's frames hold the tables.
            region: The VMM's own part of every address space.
            vm: The VM's name.
            budget: Most frames the tables may take.
            reserved: The region lies in the guest's address space too; else all of it is the guest's.

        Raises:
            ValueError: The budget is too small for one instruction.
            OutOfFramesError: The host cannot guarantee that many.
        """
        if budget < LEAST_BUDGET:
            raise ValueError(f"shadow tables need at least {LEAST_BUDGET} frames")
        self.memory = memory
        self.region = region
        self.reserved = reserved
        self.budget = budget
        self.owner = Owner(OwnerKind.VMM, vm, "shadow")
        self.flush: Callable[[Gva | None], None] = _ignore_flush
        """Told when the hardware's TLB may hold what is gone: one page of the active directory, or everything."""
        self.dropped: Callable[[int, str], None] = _ignore_drop
        """Told how many leaf entries were thrown away, and why."""
        self._host = memory.host
        self._ram = memory.host.machine.memory
        self.directories: dict[DirectoryKey, Hfn] = {}
        self.tables: dict[TableKey, Hfn] = {}
        self.links: dict[int, Hfn] = {}
        self.leaves: dict[int, Gfn] = {}
        self.active: DirectoryKey | None = None
        self.pool = [Hfn(hfn) for hfn in self._host.frames.allocate(self.owner, LEAST_BUDGET)]
        self.floods: dict[int, int] = {}

    # ---- in use --------------------------------------------------------------------------------

    def activate(self, mode: PagingMode) -> int:
        """Make the shadow of the guest's present directory the one in use.

        Returns:
            Host-physical address for the hardware's CR3.
        """
        gfn = mode.directory
        key = DirectoryKey(FLAT if gfn is None else gfn, True if gfn is None else mode.wp)
        self.active = key
        hfn = self.directories.get(key)
        if hfn is None:
            hfn = self._frame()
            self.directories[key] = hfn
            if self.reserved:
                self._ram.write(_entry(hfn, DIRECTORY_INDEX), 4, self.region.directory_entry)
            self._trace(key.gfn)
        return hfn << PAGE_SHIFT

    def entry(self, linear: Gva) -> int | None:
        """The present leaf entry for a gVA in the active directory, or None."""
        address = self._leaf_address(linear)
        if address is None or address not in self.leaves:
            return None
        return self._ram.read(address, 4)

    def _leaf_address(self, linear: Gva) -> int | None:
        if self.active is None or self.active not in self.directories:
            return None
        high, low, _ = paging.split(linear)
        table = self.links.get(_entry(self.directories[self.active], high))
        return None if table is None else _entry(table, low)

    def fill(self, linear: Gva, walk: GuestWalk, *, write: bool, wp: bool) -> int:
        """Write the shadow entry for an access the guest's tables allow, after A (and D for a write) were set there.

        Args:
            linear: The gVA.
            walk: The guest's entries as they are now.
            write: The access is a store.
            wp: The guest's CR0.WP.

        Returns:
            The entry.
        """
        high, low, _ = paging.split(linear)
        address = _entry(self._table(high, walk, wp=wp), low)
        gfn = Gfn(walk.gpa >> PAGE_SHIFT)
        us, rw = walk.user, walk.writable
        if not rw and not wp and (write or not us):
            # CR0.WP = 0 lets the guest's kernel write here. The hardware keeps WP = 1, so the page becomes writable,
            # and a supervisor page so that the guest's programs cannot write it: they fault and turn it back.
            us, rw = False, True
        rw = rw and walk.dirty and gfn not in self.memory.traced
        entry = self.memory.hfn(gfn) << PAGE_SHIFT | P | (US if us else 0) | (RW if rw else 0)
        self.leaves[address] = gfn
        self._ram.write(address, 4, entry)
        return entry

    def _table(self, high: int, walk: GuestWalk, *, wp: bool) -> Hfn:
        """The shadow table behind a directory index, made and linked if it does not exist."""
        assert self.active is not None
        key = self._key(high, walk, wp=wp)
        table = self.tables.get(key)
        if table is None:
            table = self._frame()
            self.tables[key] = table
            if key.place == -1:
                self._trace(key.gfn)
        self.floods.pop(key.gfn, None)
        link = _entry(self.directories[self.active], high)
        if self.links.get(link) != table:
            self.links[link] = table
            self._ram.write(link, 4, table << PAGE_SHIFT | P | RW | US)
        return table

    def _key(self, high: int, walk: GuestWalk, *, wp: bool) -> TableKey:
        """What the table behind a directory index is made from."""
        if walk.table is not None:
            return TableKey(walk.table, -1, walk.pde & (US | RW), wp)
        return TableKey(FLAT if walk.directory is None else walk.directory, high, 0, wp)

    # ---- coherence -----------------------------------------------------------------------------

    def guest_wrote(self, gpa: Gpa, size: int) -> None:
        """A store changed a traced page: what was derived from those bytes goes."""
        gfn = gpa >> PAGE_SHIFT
        first = (gpa & PAGE_SIZE - 1) // ENTRY_SIZE
        last = ((gpa & PAGE_SIZE - 1) + size - 1) // ENTRY_SIZE
        gone = 0
        for index in range(first, last + 1):
            for key, table in list(self.tables.items()):
                if key.gfn == gfn and key.place == -1:
                    gone += self._drop_leaf(_entry(table, index))
                elif key.gfn == gfn and key.place == index:
                    gone += self._evict_table(key)
            for directory, hfn in self.directories.items():
                if directory.gfn == gfn and not (self.reserved and index == DIRECTORY_INDEX):
                    self._unlink(_entry(hfn, index))
        if gone:
            self.dropped(gone, "write")
        self._count_flood(gfn)

    def _count_flood(self, gfn: int) -> None:
        """Give a page up that is written again and again: it is no page table any more, or no longer in use.

        Source: Linux, virt/kvm/x86/mmu.rst, write flooding.
        """
        tables, directories = self._shadows_of(gfn)
        if not tables and not directories:
            return
        count = self.floods.get(gfn, 0) + 1
        if count < FLOOD:
            self.floods[gfn] = count
        else:
            self._forget(tables, directories, "flood")

    def knows(self, gfn: Gfn) -> bool:
        """Whether a guest directory has a shadow."""
        return any(key.gfn == gfn for key in self.directories)

    def announced(self, gfn: Gfn) -> None:
        """The store just reported was announced by the guest: the page is a table still, however often it changes."""
        self.floods.pop(gfn, None)

    def forget(self, gfn: Gfn) -> None:
        """The guest says that a page is no page table any more, or no directory in use."""
        self._forget(*self._shadows_of(gfn), "forget")

    def _shadows_of(self, gfn: int) -> tuple[list[TableKey], list[DirectoryKey]]:
        return (
            [key for key in self.tables if key.gfn == gfn and key.place == -1],
            [key for key in self.directories if key.gfn == gfn and key != self.active],
        )

    def _forget(self, tables: list[TableKey], directories: list[DirectoryKey], cause: str) -> None:
        gone = sum(self._evict_table(key) for key in tables)
        if gone or cause == "flood":
            self.dropped(gone, cause)
        for directory in directories:
            self._evict_directory(directory)

    def guest_flushed(self) -> None:
        """The guest flushed its TLB; tables kept in step by traces have nothing to catch up with."""

    def leave_unsync(self, gfn: Gfn) -> bool:
        """Whether a guest table may be written from now on without a report; here none may."""
        del gfn
        return False

    def drop_page(self, linear: Gva) -> None:
        """What INVLPG asks for: the page's entry in the active directory goes."""
        address = self._leaf_address(linear)
        if address is not None and self._drop_leaf(address):
            self.dropped(1, "invlpg")
        self.flush(linear)

    def protect(self, gfn: Gfn) -> None:
        """Report stores to a guest page from now on: no shadow entry may let one through."""
        if self.memory.trace(gfn):
            gone = 0
            for address in [address for address, mapped in self.leaves.items() if mapped == gfn]:
                if self._ram.read(address, 4) & RW:
                    gone += self._drop_leaf(address)
            if gone:
                self.dropped(gone, "protect")

    def drop_derived(self) -> int:
        """Throw everything away but the directory in use, which becomes empty.

        Returns:
            How many frames became free.
        """
        free = self._host.frames.free_count
        gone = sum(self._evict_table(key) for key in list(self.tables))
        for key in list(self.directories):
            if key != self.active:
                self._evict_directory(key)
        self.dropped(gone, "drop")
        self.flush(None)
        return self._host.frames.free_count - free

    def retire(self) -> None:
        """Nothing is translated by these tables from now on: the directory in use goes too, and no store is traced."""
        self.drop_derived()
        if self.active in self.directories:
            self._evict_directory(self.active)
        self.active = None

    # ---- inside --------------------------------------------------------------------------------

    def _trace(self, gfn: int) -> None:
        if gfn != FLAT and self.memory.is_ram(Gfn(gfn)):
            self.protect(Gfn(gfn))

    def _untrace(self, gfn: int) -> None:
        if gfn != FLAT and self.memory.is_ram(Gfn(gfn)):
            self.memory.untrace(Gfn(gfn))

    def _frame(self) -> Hfn:
        """A zeroed frame: of the VM's own pool, else of the host, else the oldest table's."""
        if not self.pool:
            self._refill()
        hfn = self.pool.pop()
        self._ram.write_bytes(hfn << PAGE_SHIFT, bytes(PAGE_SIZE))
        return hfn

    def _refill(self) -> None:
        if len(self.directories) + len(self.tables) < self.budget:
            try:
                self.pool.append(Hfn(self._host.frames.allocate(self.owner)[0]))
            except OutOfFramesError:
                self._evict_oldest()
        else:
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        """Free the frame of the table used longest; of a directory not in use, when there is no table."""
        oldest = next(iter(self.tables), None)
        if oldest is not None:
            self.dropped(self._evict_table(oldest), "evict")
        else:
            self._evict_directory(next(key for key in self.directories if key != self.active))

    def _give_back(self, hfn: Hfn) -> None:
        """Keep a frame that is no longer used if the VM has no more than its guaranteed number, else free it."""
        if len(self.directories) + len(self.tables) + len(self.pool) < LEAST_BUDGET:
            self.pool.append(hfn)
        else:
            self._host.frames.release(hfn)

    def _evict_table(self, key: TableKey) -> int:
        table = self.tables.pop(key)
        for link in [link for link, linked in self.links.items() if linked == table]:
            self._unlink(link)
        gone = sum(self.leaves.pop(_entry(table, index), None) is not None for index in range(ENTRIES))
        self._give_back(table)
        if key.place == -1:
            self._untrace(key.gfn)
            self.floods.pop(key.gfn, None)
        self.flush(None)
        return gone

    def _evict_directory(self, key: DirectoryKey) -> None:
        hfn = self.directories.pop(key)
        for index in range(ENTRIES):
            self.links.pop(_entry(hfn, index), None)
        # Tables of 4 MB pages stand for entries of this directory, whose stores nobody reports from now on.
        for table in [table for table in self.tables if (table.gfn, table.wp) == key and table.place != -1]:
            self._evict_table(table)
        self._give_back(hfn)
        self._untrace(key.gfn)
        self.floods.pop(key.gfn, None)

    def _unlink(self, link: int) -> None:
        if self.links.pop(link, None) is not None:
            self._ram.write(link, 4, 0)
            self.flush(None)

    def _drop_leaf(self, address: int) -> int:
        if self.leaves.pop(address, None) is None:
            return 0
        self._ram.write(address, 4, 0)
        for linear in self._linear_of(address):
            self.flush(linear)
        return 1

    def _linear_of(self, address: int) -> list[Gva]:
        """Where the active directory shows a leaf entry."""
        if self.active is None or self.active not in self.directories:
            return []
        base = self.directories[self.active] << PAGE_SHIFT
        table, low = address >> PAGE_SHIFT, (address & PAGE_SIZE - 1) // ENTRY_SIZE
        return [
            Gva(paging.join((link - base) // ENTRY_SIZE, low))
            for link, linked in self.links.items()
            if linked == table and link & FRAME == base
        ]


def _entry(hfn: int, index: int) -> int:
    """Physical address of an entry of a directory or table."""
    return (hfn << PAGE_SHIFT) + index * ENTRY_SIZE


def _ignore_flush(linear: Gva | None) -> None:
    """No hardware runs this VM."""


def _ignore_drop(entries: int, cause: str) -> None:
    """Nobody listens."""
