"""TLB: which translations the hardware remembers, and which of them the tables no longer say."""

from __future__ import annotations

from typing import Final

from teachvm.app.notation import hex32, plural
from teachvm.app.past import past_end
from teachvm.app.presentation import Block, CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.sentences import say
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Instant, Place, Role, Span, Tip
from teachvm.isa import paging
from teachvm.isa.control import CR0_PG, CR4_PSE
from teachvm.machine.events import TlbFlushed
from teachvm.machine.tlb import SETS, WAYS, TlbEntry
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.walk import GuestWalk, PagingMode, look
from teachvm.vmm.region import VMM_BASE
from teachvm.vmm.techniques import Paging

LOOKED_BACK: Final = 2_000
SOURCE: Final = "Intel SDM Vol. 3A, §4.10"

COLUMNS: Final = (
    Column("Set", 3, "right", code=True, tip=Tip("Set", f"Page number modulo {SETS}.", SOURCE)),
    Column(
        "Way",
        3,
        "right",
        code=True,
        tip=Tip("Way", f"One of {WAYS} places in the set; first in, first out."),
        optional=True,
    ),
    Column("Page", 9, code=True, tip=Tip("Linear page", "Bits 31:12 of the linear addresses it translates.")),
    Column("Frame", 9, code=True, tip=Tip("Frame", "Physical address of the page's first byte.")),
    Column("Rights", 6, code=True, tip=Tip("Rights", "What both levels grant: W or R, U or S.", SOURCE)),
    Column("D", 1, code=True, tip=Tip("Dirty", "D was set when the entry was made; else the first write walks again.")),
    Column("The tables say now", 20, stretch=True),
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Resident entries by set and way; new ones are lit, stale ones marked."""
    scene = scene_of(now)
    emulated = not scene.technique.direct
    path = f"{scene.vm if emulated else now.world.host.machine.cpu.name}.tlb"
    entries: tuple[TlbEntry | None, ...] = now.state(path).entries
    earlier = before.state(path).entries if before is not None and path in before else None
    rows = []
    stale = 0
    for at, entry in enumerate(entries):
        if entry is not None:
            verdict = _verdict(scene, entry)
            stale += verdict is not None
            rows.append(_row(scene, at, entry, verdict, new=earlier is not None and earlier[at] != entry))
    what = _WHAT[scene.paging] if scene.virtualized and not emulated else "linear → physical"
    if emulated:
        what = "gVA → gPA, kept by the interpreter in software"
    empty = "Nothing is remembered."
    if not (scene.state if emulated else scene.hardware).cr0 & CR0_PG and scene.paging is None:
        empty = "Paging is off: no address is translated, so nothing is remembered."
    blocks: list[Block] = [TableView(COLUMNS, tuple(rows), empty=empty)]
    flushed = _flushed(scene)
    if flushed is not None:
        blocks.append(flushed)
    aside = (Badge(f"{stale} stale", "trap", "warning", _STALE),) if stale else ()
    subtitle = f"{len(rows)} of {len(entries)} entries · {what}"
    return CardView((Span(subtitle, "dim"),), tuple(blocks), aside)


_WHAT: Final = {
    None: "gVA → hPA, by the shadow tables",
    Paging.SHADOW: "gVA → hPA, by the shadow tables",
    Paging.NESTED: "gVA → hPA, by both dimensions",
}
"""What an entry stands for, by who translates."""
_STALE: Final = Tip(
    "Stale entry",
    "A page table was changed after the entry was made; the processor may go on using the entry until invlpg or a load "
    "of CR3.",
    "Intel SDM Vol. 3A, §4.10.4",
)


def _row(scene: Scene, at: int, entry: TlbEntry, verdict: str | None, *, new: bool) -> TableRow:
    linear = entry.vpn << paging.PAGE_SHIFT
    rights = f"{'W' if entry.writable else 'R'} {'U' if entry.user else 'S'}"
    own = linear >= VMM_BASE and scene.virtualized and scene.paging is None and scene.technique.direct
    whose = "the VMM’s own page" if own else ""
    says = Cell(f"stale: {verdict}", "trap", strong=True, tip=_STALE) if verdict else Cell(whose or "the same", "dim")
    lit: Role | None = "trap" if verdict else "now" if new else None
    cells = (
        Cell(str(at // WAYS), "dim"),
        Cell(str(at % WAYS), "dim"),
        Cell(hex32(linear), value=linear, link=Place("linear", linear, scene.vm)),
        Cell(hex32(entry.frame), value=entry.frame, link=_frame_place(scene, entry.frame)),
        Cell(rights),
        Cell("D" if entry.dirty else "–", "text" if entry.dirty else "dim"),
        says,
    )
    return TableRow(f"{at}", cells, lit)


def _frame_place(scene: Scene, frame: int) -> Place:
    """Where a frame is: in the host, but in the guest's memory for an interpreter's entry."""
    return Place("host-physical", frame) if scene.technique.direct else Place("guest-physical", frame, scene.vm)


def _verdict(scene: Scene, entry: TlbEntry) -> str | None:
    """What the tables the hardware walks say otherwise, or None; more rights in them do not make an entry wrong."""
    hardware = scene.hardware
    linear = entry.vpn << paging.PAGE_SHIFT
    if scene.paging is not None or not scene.technique.direct:
        return _verdict_of_guest(scene, linear, entry)
    if not hardware.cr0 & CR0_PG:
        return None
    walk = look(scene.read_host, PagingMode(hardware.cr0, hardware.cr3, hardware.cr4), Gva(linear))
    if walk.error(write=False, user=False, wp=False) is not None:
        return "not present"
    return _against(walk, _frame(walk, linear, pse=bool(hardware.cr4 & CR4_PSE)), entry)


def _verdict_of_guest(scene: Scene, linear: int, entry: TlbEntry) -> str | None:
    """The same while a guest runs in non-root mode: by its own tables and the VMM's map, whoever walks them."""
    walk = scene.look(linear)
    if walk.error(write=False, user=False, wp=False) is not None:
        return "not present"
    gpa = walk.gpa & paging.FRAME
    frame = scene.hpa(gpa) if scene.technique.direct else gpa
    return "no RAM" if frame is None else _against(walk, frame, entry)


def _against(walk: GuestWalk, frame: int, entry: TlbEntry) -> str | None:
    if frame != entry.frame:
        return f"frame {hex32(frame)}"
    if entry.user and not walk.user:
        return "supervisor only"
    return "read-only" if entry.writable and not walk.writable else None


def _frame(walk: GuestWalk, linear: int, *, pse: bool) -> int:
    large = walk.large and pse
    return paging.frame_address(walk.pde, None if large else walk.pte, linear)


def _flushed(scene: Scene) -> NoteView | None:
    """The last time translations were dropped on demand."""
    log, cpu = scene.snapshot.log, scene.snapshot.world.host.machine.cpu.name
    cpu = cpu if scene.technique.direct else scene.vm
    end = past_end(scene.snapshot)
    for event in reversed(log.slice(max(0, end - LOOKED_BACK), end)):
        if isinstance(event, TlbFlushed) and event.cpu == cpu:
            said = say(event, cpu)
            when = Span(f" · moment {event.at}", "dim", link=Instant(event.at))
            if event.at >= scene.snapshot.at or scene.snapshot.at.n - event.at.n <= 1:
                return NoteView((Span("TLB ", strong=True), *said.text, when), "cross")
            ago = plural(scene.snapshot.at.n - event.at.n, "instruction")
            return NoteView((Span(f"Last flush, {ago} ago: ", "dim"), *said.text, when), "info")
    return None
