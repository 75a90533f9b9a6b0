"""How shadow tables are kept in step with the guest's: three ways, each cheap where another is dear.

A store to a guest table costs a trace fault if tables are cached; a change of CR3 costs every entry if they are not;
leaf tables left out of step cost one trace fault, and a comparison at the next flush.

Source: Adams & Agesen, ASPLOS 2006, §2.4 (traces, hidden faults and context switches: moving one down pushes another
up); Agesen et al., OSR 44(4) 2010, §3.2; Linux, virt/kvm/x86/mmu.rst, unsync pages.
"""

from __future__ import annotations

from typing import ClassVar, Final

from teachvm.isa import paging
from teachvm.isa.paging import ENTRIES, ENTRY_SIZE, PAGE_SHIFT, PAGE_SIZE, A, D
from teachvm.vmm.addresses import Gfn, Gva, Hfn
from teachvm.vmm.memory.keys import FLAT, TableKey
from teachvm.vmm.memory.shadow import ShadowTables
from teachvm.vmm.memory.walk import GuestWalk
from teachvm.vmm.techniques import ShadowPolicy

_STICKY: Final = A | D


class NoncachingTables(ShadowTables):
    """Shadow tables that are no more than a large TLB: nothing is traced, and what flushes a TLB empties them.

    Each table stands for one place in one address space, so that nothing stale shows where it was never looked at.
    """

    def _key(self, high: int, walk: GuestWalk, *, wp: bool) -> TableKey:
        return TableKey(FLAT if walk.directory is None else walk.directory, high, 0, wp)

    def _trace(self, gfn: int) -> None:
        """Stores to guest tables are free: they count from the next flush on, as on a real processor."""

    def _untrace(self, gfn: int) -> None:
        """Nothing was traced."""

    def guest_flushed(self) -> None:
        """The guest loaded CR3, or changed how it pages: everything goes."""
        self.drop_derived()

    def drop_page(self, linear: Gva) -> None:
        """INVLPG: the table goes, because the guest may have changed the directory entry before it too."""
        high, _, _ = paging.split(linear)
        for key in [key for key in self.tables if self.active is not None and key.place == high]:
            self.dropped(self._evict_table(key), "invlpg")
        self.flush(linear)


class UnsyncTables(ShadowTables):
    """Shadow tables of which those for leaf tables the guest writes to may be out of step until the next flush.

    State: `unsync`, what each such guest table held when it was last in step.
    """

    STATE: ClassVar[tuple[str, ...]] = (*ShadowTables.STATE, "unsync")

    def __init__(self, *args: object, **options: object) -> None:
        self.unsync: dict[int, bytes] = {}
        super().__init__(*args, **options)  # type: ignore[arg-type]  # as the class it extends

    def leave_unsync(self, gfn: Gfn) -> bool:
        """Let the guest write to a leaf table of its own from now on, unless something else is derived from it."""
        shadows = [key for key in self.tables if key.gfn == gfn and key.place == -1]
        if not shadows or self.knows(gfn) or self.memory.traced.get(gfn) != len(shadows):
            return False
        self.unsync[gfn] = self.memory.read_bytes(gfn << PAGE_SHIFT, PAGE_SIZE)
        for _ in shadows:
            self.memory.untrace(gfn)
        return True

    def guest_flushed(self) -> None:
        """The guest loaded CR3: every table is brought in step again."""
        for gfn in list(self.unsync):
            self._synchronize(gfn)

    def drop_page(self, linear: Gva) -> None:
        """INVLPG: what the guest has written counts from here on."""
        self.guest_flushed()
        super().drop_page(linear)

    def _table(self, high: int, walk: GuestWalk, *, wp: bool) -> Hfn:
        """Before a table shows at another place, it is brought in step: nobody has looked at it there yet."""
        if walk.table is not None and walk.table in self.unsync and not self._shows(high, walk.table):
            self._synchronize(walk.table)
        return super()._table(high, walk, wp=wp)

    def _shows(self, high: int, gfn: int) -> bool:
        """Whether the active directory leads to a shadow of a guest table already."""
        assert self.active is not None
        link = (self.directories[self.active] << PAGE_SHIFT) + high * ENTRY_SIZE
        linked = self.links.get(link)
        return any(key.gfn == gfn and hfn == linked for key, hfn in self.tables.items() if key.place == -1)

    def _synchronize(self, gfn: int) -> None:
        """Drop what no longer says what the guest's entry says, and trace the page again."""
        before = self.unsync.pop(gfn)
        now = self.memory.read_bytes(gfn << PAGE_SHIFT, PAGE_SIZE)
        shadows = [table for key, table in self.tables.items() if key.gfn == gfn and key.place == -1]
        gone = 0
        for index in range(ENTRIES) if before != now else ():
            old, new = (int.from_bytes(each[4 * index : 4 * index + 4], "little") for each in (before, now))
            if (old ^ new) & ~_STICKY or old & ~new & _STICKY:
                gone += sum(self._drop_leaf((table << PAGE_SHIFT) + index * ENTRY_SIZE) for table in shadows)
        for _ in shadows:
            self.protect(Gfn(gfn))
        if gone:
            self.dropped(gone, "sync")

    def _untrace(self, gfn: int) -> None:
        if gfn not in self.unsync:
            super()._untrace(gfn)
        elif not any(key.gfn == gfn and key.place == -1 for key in self.tables):
            del self.unsync[gfn]


SHADOWS: Final[dict[ShadowPolicy, type[ShadowTables]]] = {
    ShadowPolicy.NONCACHING: NoncachingTables,
    ShadowPolicy.CACHING: ShadowTables,
    ShadowPolicy.UNSYNC: UnsyncTables,
}
"""The tables of each policy."""
