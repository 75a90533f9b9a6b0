"""Shadow tables: what the hardware walks beside the guest's own entries, and how it is kept in step with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from teachvm.app.notation import count, hex32, plural
from teachvm.app.phrases import entry_bits
from teachvm.app.presentation import CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Editable, Place, Role, Span, Tip, Walked
from teachvm.isa import paging
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.memory.keys import FLAT
from teachvm.vmm.memory.policies import out_of_step
from teachvm.vmm.memory.shadow import FLOOD
from teachvm.vmm.memory.walk import GuestWalk
from teachvm.vmm.techniques import Paging, ShadowPolicy

SOURCE: Final = "Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2"
COLUMNS: Final = (
    Column(
        "gVA", 9, code=True, tip=Tip("gVA", "The guest-virtual page both entries translate. A click shows its walk.")
    ),
    Column("Guest’s entry", 17, code=True, tip=Tip("Guest’s entry", "Frame and flags in the guest’s own table.")),
    Column("Shadow entry", 17, code=True, tip=Tip("Shadow entry", "What the hardware walks: host-physical.", SOURCE)),
    Column("Why they differ", 20, stretch=True),
)
TABLES: Final = (
    Column("Guest’s table", 12, code=True, tip=Tip("Guest’s table", "Guest-physical address of the page it fills.")),
    Column("Which is a", 10),
    Column(
        "Kept in step",
        24,
        stretch=True,
        tip=Tip("Kept in step", "How a store of the guest’s to it is noticed.", SOURCE),
    ),
)
_TRACED: Final = Tip(
    "Traced",
    "The page holds a table something was derived from: read-only here, so that each store of the guest’s faults.",
    SOURCE,
)
_CLEAN: Final = Tip(
    "A/D maintenance",
    "The hardware sets A and D in the shadow entry, where the guest never looks. So an entry is made only once A is "
    "set in the guest’s, and it stays read-only until the first write, which has to set D there too.",
    SOURCE,
)
_STALE: Final = Tip(
    "Out of step",
    "The guest has changed its entry since. A processor may use an old translation until a flush, and so may a VMM.",
    ShadowPolicy.UNSYNC.source,
)
_COUNTED: Final = (
    (EntryReason.PAGE_FAULT_HIDDEN, "hidden"),
    (EntryReason.PAGE_FAULT_DIRTY, "to set D"),
    (EntryReason.PAGE_FAULT_TRACE, "traced"),
)
"""What each policy pays with, and how it is called in the card's header."""


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The leaves below the directory in use, by address, new ones lit; then each guest table something stands for."""
    scene = scene_of(now)
    why = _why_not(scene)
    if why:
        return CardView((Span(scene.technique.label, "dim"),), (NoteView((Span(why),), "info"),))
    shadow: Any = now.state(f"{scene.vm}.shadow")
    old: dict[int, int] = {}
    if before is not None and f"{scene.vm}.shadow" in before:
        old = dict(before.state(f"{scene.vm}.shadow").leaves)
    rows = tuple(_row(scene, linear, at, gfn, new=bool(old) and at not in old) for linear, at, gfn in _leaves(shadow))
    counts = dict(now.state(f"{scene.vm}.ledger").counts)
    faults = ", ".join(f"{count(counts.get(reason, 0))} {name}" for reason, name in _COUNTED)
    empty = "Empty: the next access is a hidden fault, which fills one entry."
    blocks = (
        TableView(COLUMNS, rows, empty=empty, title=f"{plural(len(rows), 'page')} of the address space in use"),
        _tables(scene, shadow),
    )
    policy: ShadowPolicy = shadow.policy
    badge = Badge(policy.label, "vmm", "", Tip(policy.label, policy.explanation, policy.source))
    return CardView((Span(f"faults so far: {faults}", "dim"),), blocks, (badge,))


def _why_not(scene: Scene) -> str:
    if not scene.virtualized:
        return "No VMM lies below this guest: the hardware walks the guest’s own tables."
    if not scene.technique.direct:
        return "The hardware walks nothing for this guest: the software that runs it reads the guest’s own tables."
    if scene.paging is Paging.NESTED:
        return "Nested tables translate here: the hardware walks the guest’s own tables, and the VMM’s for each step."
    return ""


def _leaves(shadow: Any) -> Iterator[tuple[int, int, int]]:
    """Linear address, host-physical address of the entry, and guest frame of each leaf below the directory in use."""
    directory = dict(shadow.directories).get(shadow.active)
    if directory is None:
        return
    by_table: dict[int, list[tuple[int, int]]] = {}
    for at, gfn in shadow.leaves:
        by_table.setdefault(at >> paging.PAGE_SHIFT, []).append((at, gfn))
    for link, table in sorted(shadow.links):
        if link >> paging.PAGE_SHIFT == directory:
            high = (link & 0xFFF) // paging.ENTRY_SIZE
            for at, gfn in sorted(by_table.get(table, ())):
                yield high << 22 | (at & 0xFFF) // paging.ENTRY_SIZE << paging.PAGE_SHIFT, at, gfn


def _row(scene: Scene, linear: int, at: int, gfn: int, *, new: bool) -> TableRow:
    entry = scene.read_host(at, paging.ENTRY_SIZE)
    walk = scene.look(linear)
    guest = walk.pte if walk.pte is not None else walk.pde
    gpa, hpa, paged = gfn << paging.PAGE_SHIFT, entry & paging.FRAME, walk.directory is not None
    now = walk.gpa & paging.FRAME
    own = f"{hex32(now)} {_flags(guest)}" if guest & paging.P else "not present"
    stale = _stale(scene, walk, gfn) if paged else ""
    why, tip = (stale, _STALE) if stale else _difference(scene, entry, guest, gfn, paged=paged)
    link = Walked(linear)
    edit = _guests(scene, walk, linear)
    shadow = Editable("entry", f"Shadow entry of {hex32(linear)}", "", at, "host-physical")
    cells = (
        Cell(hex32(linear), value=linear, link=link),
        Cell(
            own if paged else "no paging yet",
            value=now if paged else gpa,
            link=link,
            alters=edit,
        ),
        Cell(f"{hex32(hpa)} {_flags(entry)}", "vmm", value=hpa, link=link, alters=shadow),
        Cell(why, "trap" if stale else "dim", tip=tip, link=link),
    )
    lit: Role | None = "trap" if stale else "now" if new else None
    return TableRow(f"{at:x}", cells, lit)


def _guests(scene: Scene, walk: GuestWalk, linear: int) -> Editable | None:
    """The guest's entry for an address, as what can be changed and asked about."""
    high, low, _ = paging.split(linear)
    if walk.table is not None:
        at = walk.table << paging.PAGE_SHIFT | low * paging.ENTRY_SIZE
        return Editable("entry", f"PTE {low}", scene.vm, at, "guest-physical")
    if walk.directory is not None:
        at = walk.directory << paging.PAGE_SHIFT | high * paging.ENTRY_SIZE
        return Editable("entry", f"PDE {high}", scene.vm, at, "guest-physical")
    return None


def _flags(entry: int) -> str:
    """The flags of an entry that is present, but for that."""
    return entry_bits(entry).removeprefix("P ")


def _stale(scene: Scene, walk: GuestWalk, gfn: int) -> str:
    """What the guest's tables say otherwise than when the entry was made; empty if they do not."""
    if walk.error(write=False, user=False, wp=scene.mode.wp) is not None:
        return "stale: not present"
    return "" if walk.gpa >> paging.PAGE_SHIFT == gfn else f"stale: maps gPA {hex32(gfn << paging.PAGE_SHIFT)}"


def _difference(scene: Scene, entry: int, guest: int, gfn: int, *, paged: bool) -> tuple[str, Tip | None]:
    """Why the shadow grants less than the guest's entry."""
    if entry & paging.RW or (paged and not guest & paging.RW):
        return "only the frame", None
    if gfn in dict(scene.snapshot.state(f"{scene.vm}.memory").traced):
        return "traced: read-only", _TRACED
    waits = paged and not guest & paging.D
    return ("D waits for a write" if waits else "read-only for now"), _CLEAN


# ---- the guest's tables -----------------------------------------------------------------------------------------


def _tables(scene: Scene, shadow: Any) -> TableView:
    """Each table of the guest's that something stands for, and how a store to it is noticed."""
    kinds = {key.gfn: "directory" for key, _ in shadow.directories if key.gfn != FLAT}
    for key, _ in shadow.tables:
        if key.gfn != FLAT and key.place == -1:
            kinds[key.gfn] = "table" if key.gfn not in kinds else "both"
    unsync, floods = dict(shadow.unsync), dict(shadow.floods)
    traced = dict(scene.snapshot.state(f"{scene.vm}.memory").traced)
    rows = []
    for gfn, kind in sorted(kinds.items()):
        gpa = gfn << paging.PAGE_SHIFT
        if gfn in unsync:
            said, role, tip = _unsync(scene, gfn, unsync[gfn])
        elif gfn in traced and shadow.policy is ShadowPolicy.NONCACHING:
            said, role, tip = "not at all; traced for what else it holds", "dim", _TRACED
        elif gfn in traced:
            many = floods.get(gfn, 0)
            said = "traced" + (f" · {plural(many, 'store')} in a row, given up at {FLOOD}" if many else "")
            role, tip = "vmm", _TRACED
        else:
            free = Tip(ShadowPolicy.NONCACHING.label, ShadowPolicy.NONCACHING.explanation, SOURCE)
            said, role, tip = "not at all: stores are free", "dim", free
        link = Place("guest-physical", gpa, scene.vm)
        cells = (Cell(hex32(gpa), value=gpa, link=link), Cell(kind), Cell(said, role, tip=tip))
        rows.append(TableRow(f"g{gfn:x}", cells, "now" if gfn in unsync else None))
    empty = "Nothing stands for a table of the guest’s: its paging is off, or each table stands for one place alone."
    return TableView(TABLES, tuple(rows), empty=empty, title="The guest’s tables behind them")


def _unsync(scene: Scene, gfn: int, before: bytes) -> tuple[str, Role, Tip]:
    now = scene.read_physical(gfn << paging.PAGE_SHIFT, paging.PAGE_SIZE)
    many = len(out_of_step(before, before if now is None else now))
    tip = Tip("Unsync", ShadowPolicy.UNSYNC.explanation, ShadowPolicy.UNSYNC.source)
    return f"unsync: {plural(many, 'entry') if many == 1 else f'{many} entries'} out of step", "now", tip
