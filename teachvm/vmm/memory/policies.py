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
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.keys import FLAT, TableKey
from teachvm.vmm.memory.shadow import DEFAULT_BUDGET, ShadowTables
from teachvm.vmm.memory.walk import GuestWalk
from teachvm.vmm.region import VmmRegion
from teachvm.vmm.techniques import ShadowPolicy

_STICKY: Final = A | D


class PolicedTables(ShadowTables):
    """Shadow tables kept in step with the guest's by a policy, which may change while the guest runs.

    Noncaching ones are no more than a large TLB: nothing is traced, and what flushes a TLB empties them. Each table
    stands for one place in one address space, so that nothing stale shows where it was never looked at. Unsync ones are
    cached, but those for leaf tables the guest writes to may be out of step until the next flush.

    State: `policy`; `unsync`, what each guest table that is out of step held when it was last in step.
    """

    STATE: ClassVar[tuple[str, ...]] = (*ShadowTables.STATE, "policy", "unsync")

    def __init__(
        self,
        memory: GuestMemory,
        region: VmmRegion,
        vm: str,
        budget: int = DEFAULT_BUDGET,
        *,
        reserved: bool = True,
        policy: ShadowPolicy = ShadowPolicy.CACHING,
    ) -> None:
        """Start empty; see `ShadowTables`."""
        self.policy = policy
        self.unsync: dict[int, bytes] = {}
        super().__init__(memory, region, vm, budget, reserved=reserved)

    def keep_by(self, policy: ShadowPolicy) -> None:
        """Keep what is derived from now on in step another way; what there is goes, the directory in use too."""
        self.retire()
        self.policy = policy

    @property
    def caching(self) -> bool:
        """Whether anything is kept across a load of CR3."""
        return self.policy is not ShadowPolicy.NONCACHING

    # ---- noncaching ----------------------------------------------------------------------------

    def _key(self, high: int, walk: GuestWalk, *, wp: bool) -> TableKey:
        if self.caching:
            return super()._key(high, walk, wp=wp)
        return TableKey(FLAT if walk.directory is None else walk.directory, high, 0, wp)

    def _trace(self, gfn: int) -> None:
        """Without a cache, stores to guest tables are free: they count from the next flush on, as on a processor."""
        if self.caching:
            super()._trace(gfn)

    def _drop_place(self, linear: Gva) -> None:
        """INVLPG: the table goes, because the guest may have changed the directory entry before it too."""
        high, _, _ = paging.split(linear)
        for key in [key for key in self.tables if self.active is not None and key.place == high]:
            self.dropped(self._evict_table(key), "invlpg")
        self.flush(linear)

    # ---- flushes -------------------------------------------------------------------------------

    def guest_flushed(self) -> None:
        """The guest loaded CR3, or changed how it pages: everything goes, or what is out of step is brought in step."""
        if not self.caching:
            self.drop_derived()
        for gfn in list(self.unsync):
            self._synchronize(gfn)

    def drop_page(self, linear: Gva) -> None:
        """INVLPG: what the guest has written counts from here on."""
        if not self.caching:
            self._drop_place(linear)
            return
        for gfn in list(self.unsync):
            self._synchronize(gfn)
        super().drop_page(linear)

    # ---- unsync --------------------------------------------------------------------------------

    def leave_unsync(self, gfn: Gfn) -> bool:
        """Let the guest write to a leaf table of its own from now on, unless something else is derived from it."""
        shadows = [key for key in self.tables if key.gfn == gfn and key.place == -1]
        unsync = self.policy is ShadowPolicy.UNSYNC
        if not unsync or not shadows or self.knows(gfn) or self.memory.traced.get(gfn) != len(shadows):
            return False
        self.unsync[gfn] = self.memory.read_bytes(gfn << PAGE_SHIFT, PAGE_SIZE)
        for _ in shadows:
            self.memory.untrace(gfn)
        return True

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
        for index in out_of_step(before, now):
            gone += sum(self._drop_leaf((table << PAGE_SHIFT) + index * ENTRY_SIZE) for table in shadows)
        for _ in shadows:
            self.protect(Gfn(gfn))
        if gone:
            self.dropped(gone, "sync")

    def _untrace(self, gfn: int) -> None:
        if not self.caching:
            return
        if gfn not in self.unsync:
            super()._untrace(gfn)
        elif not any(key.gfn == gfn and key.place == -1 for key in self.tables):
            del self.unsync[gfn]


def out_of_step(before: bytes, now: bytes) -> list[int]:
    """Indices of the entries of a page table that changed in a way its shadow has to follow.

    A and D set since then are the VMM's own doing, or will be noticed; cleared, they ask to be told of the next access.

    Args:
        before: The table when its shadow was last in step.
        now: The table.
    """
    if before == now:
        return []
    changed = []
    for index in range(ENTRIES):
        old, new = (int.from_bytes(each[4 * index : 4 * index + 4], "little") for each in (before, now))
        if (old ^ new) & ~_STICKY or old & ~new & _STICKY:
            changed.append(index)
    return changed
