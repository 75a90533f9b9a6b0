"""Shadow tables: each entry the hardware walks beside the guest's own for the same page, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from teachvm.app.notation import hex32, plural
from teachvm.app.phrases import entry_bits
from teachvm.app.presentation import CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Place, Role, Span, Tip
from teachvm.isa import paging
from teachvm.vmm.techniques import Paging

SOURCE: Final = "Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2"
COLUMNS: Final = (
    Column("gVA", 9, code=True, tip=Tip("gVA", "The guest-virtual page both entries translate.")),
    Column("Guest’s entry", 19, code=True, tip=Tip("Guest’s entry", "Frame and flags in the guest’s own table.")),
    Column("Shadow entry", 19, code=True, tip=Tip("Shadow entry", "What the hardware walks: host-physical.", SOURCE)),
    Column("Why they differ", 20, stretch=True),
)
_TRACED: Final = Tip(
    "Traced",
    "The page holds a table something was derived from: read-only here, so that each store of the guest’s faults.",
    SOURCE,
)
_CLEAN: Final = Tip(
    "Not written yet", "Read-only until the next write, which the VMM wants to see: it may have to set D.", SOURCE
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The leaves below the directory in use, by address; new ones are lit."""
    scene = scene_of(now)
    why = _why_not(scene)
    if why:
        return CardView((Span(scene.technique.label, "dim"),), (NoteView((Span(why),), "info"),))
    shadow: Any = now.state(f"{scene.vm}.shadow")
    old: dict[int, int] = {}
    if before is not None and f"{scene.vm}.shadow" in before:
        old = dict(before.state(f"{scene.vm}.shadow").leaves)
    rows = tuple(_row(scene, linear, at, gfn, new=bool(old) and at not in old) for linear, at, gfn in _leaves(shadow))
    traced = len(dict(now.state(f"{scene.vm}.memory").traced))
    subtitle = f"{plural(len(rows), 'page')} · {plural(traced, 'traced page')} · {len(shadow.directories)} directories"
    table = TableView(COLUMNS, rows, empty="Empty: the next access is a hidden fault, which fills one entry.")
    return CardView((Span(subtitle, "dim"),), (table,))


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
    gpa, hpa = gfn << paging.PAGE_SHIFT, entry & paging.FRAME
    own = "no paging yet" if walk.directory is None else f"{hex32(gpa)} {entry_bits(guest)}"
    why, tip = _difference(scene, entry, guest, gfn, paged=walk.directory is not None)
    cells = (
        Cell(hex32(linear), value=linear, link=Place("linear", linear, scene.vm)),
        Cell(own, value=gpa, link=Place("guest-physical", gpa, scene.vm)),
        Cell(f"{hex32(hpa)} {entry_bits(entry)}", "vmm", value=hpa, link=Place("host-physical", hpa)),
        Cell(why, "dim", tip=tip),
    )
    lit: Role | None = "now" if new else None
    return TableRow(f"{at:x}", cells, lit)


def _difference(scene: Scene, entry: int, guest: int, gfn: int, *, paged: bool) -> tuple[str, Tip | None]:
    """Why the shadow grants less than the guest's entry."""
    if entry & paging.RW or (paged and not guest & paging.RW):
        return "only the frame", None
    if gfn in dict(scene.snapshot.state(f"{scene.vm}.memory").traced):
        return "read-only: traced", _TRACED
    return (
        ("read-only: not written yet", _CLEAN)
        if paged and not guest & paging.D
        else ("read-only until the next write", _CLEAN)
    )
