"""Nested walk: every guest-physical address on a walk is itself translated; one cell for each memory reference."""

from __future__ import annotations

from typing import Final

from teachvm.app.assisted import LEVELS
from teachvm.app.drawing import Arrow, Box, DiagramView, Label, Shape
from teachvm.app.nested import NestedWalk, Row, chosen
from teachvm.app.notation import count, hex32, plural
from teachvm.app.phrases import entry_bits, error_meaning
from teachvm.app.presentation import CardView, NoteView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Editable, Place, Role, Span, Text, Tip
from teachvm.isa import paging
from teachvm.vmm.techniques import Paging
from teachvm.vmm.vmx.events import WalkReference
from teachvm.vmm.vmx.walker import references

WIDTH: Final = 1160.0
LEFT, LABEL_W = 20.0, 160.0
COLUMNS_X: Final = (182.0, 430.0, 678.0, 926.0)
CELL_W, CELL_H = 228.0, 52.0
HEAD_Y, FIRST_Y, STEP_Y = 14.0, 44.0, 84.0
TICK_W, TICK_H, TICK_STEP = 28.0, 18.0, 34.0
HEADINGS: Final[tuple[tuple[str, Role], ...]] = (
    ("nested directory", "vmm"),
    ("nested table", "vmm"),
    ("host frame", "vmm"),
    ("what the guest reads there", "dim"),
)
ROW_ROLES: Final[dict[str, Role]] = {"page directory": "program", "page table": "kernel", "page": "good"}
SOURCE: Final = "Bhargava et al., ASPLOS 2008"


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The walk going on, the last one, or the address in focus; only references made so far are lit."""
    del before
    scene = scene_of(now)
    if scene.paging is not Paging.NESTED:
        return CardView((Span(scene.title, "dim"),), (NoteView((Span(_why_not(scene)),), "info"),))
    walk = chosen(scene)
    assert walk is not None
    rows = walk.rows()
    shapes: list[Shape] = [
        Label(x, HEAD_Y, CELL_W, (Span(text, role, strong=True),), "center", small=True)
        for x, (text, role) in zip(COLUMNS_X, HEADINGS, strict=True)
    ]
    number = 0
    for at, row in enumerate(rows):
        drawn, number = _row(scene, walk, row, at, number)
        shapes += drawn
    shapes += _links(rows)
    below = FIRST_Y + STEP_Y * len(rows) + 6
    shapes += _counter(walk, below)
    diagram = DiagramView(WIDTH, below + 40, tuple(shapes), _caption(walk))
    return CardView(_subtitle(walk), (diagram,), _aside(scene, walk))


def _why_not(scene: Scene) -> str:
    if not scene.virtualized:
        return "No VMM lies below this guest: its own tables lead straight to RAM, in two references."
    if scene.paging is Paging.SHADOW:
        return "The VMM’s shadow tables translate here, in two references; choose nested page tables to see both walks."
    instead = (
        "the VMM keeps shadow tables" if scene.technique.direct else "the interpreter walks the guest’s own tables"
    )
    return f"Nested tables need hardware assist; under this technique {instead}."


# ---- words ------------------------------------------------------------------------------------------------------


def _subtitle(walk: NestedWalk) -> Text:
    how = "as the tables are now" if walk.at is None else "walked by the CPU"
    return (
        Span(f"every guest-physical address on the way to {hex32(walk.linear)} is itself translated · {how}", "dim"),
    )


def _aside(scene: Scene, walk: NestedWalk) -> tuple[Badge, ...]:
    counts = scene.snapshot.state(f"{scene.vm}.walker")
    spared = f" · {count(counts.cache_hits)} spared" if counts.cache_on or counts.cache_hits else ""
    total = f"{plural(counts.walks, 'walk')} · {plural(counts.references, 'reference')}{spared}"
    tip = Tip("So far", "Walks for this guest, the references they took, and how often the walk cache spared two.")
    told = Badge(total, "hardware", tip=tip)
    if walk.error is None:
        return (told,)
    return told, Badge(f"#PF({walk.error})", "trap", "warning", Tip("Page fault", error_meaning(walk.error)))


def _caption(walk: NestedWalk) -> str:
    made = f"{len(walk.made)} of {plural(walk.most, 'memory reference')} made"
    steps = "; ".join(
        f"{number}. {LEVELS[each.level]} at hPA {hex32(each.host_address)} for gPA {hex32(each.gpa)}: {_says(each)}"
        for number, each in enumerate(walk.made, 1)
    )
    end = "" if walk.host_frame is None else f"; hPA {hex32(walk.host_frame | walk.linear & 0xFFF)}"
    return f"{hex32(walk.linear)}: {made}: {steps}{end}"


def _says(reference: WalkReference) -> str:
    if not reference.entry & paging.P:
        return "not present"
    return f"{hex32(reference.entry & paging.FRAME)} {entry_bits(reference.entry, leaf=reference.level[-3:] == 'pte')}"


# ---- one row ----------------------------------------------------------------------------------------------------


def _row(scene: Scene, walk: NestedWalk, row: Row, at: int, number: int) -> tuple[list[Shape], int]:
    y = FIRST_Y + STEP_Y * at
    role = ROW_ROLES[row.name]
    address = "gPA ?" if row.gpa is None else f"gPA {hex32(row.gpa)}"
    link = None if row.gpa is None else Place("guest-physical", row.gpa, scene.vm)
    shapes: list[Shape] = [
        Label(LEFT, y + 4, LABEL_W, (Span(_ROW_TITLES[row.name], role, strong=True),)),
        Label(LEFT, y + 26, LABEL_W, (Span(address, "dim", code=True, link=link),), small=True),
    ]
    for column in range(2):
        reference = row.nested[column] if column < len(row.nested) else None
        spared = reference is None and row.entry is not None
        number += not spared
        shapes.append(_nested_cell(walk, reference, at, column, number, spared=spared))
    shapes.append(_frame_cell(scene, row, at))
    if row.name != "page":
        number += 1
    shapes.append(_guest_cell(scene, walk, row, at, number))
    shapes += [
        Arrow(f"r{at}c{column}", f"r{at}c{column + 1}", role="dim", dashed=row.gpa is None) for column in range(3)
    ]
    return shapes, number


_ROW_TITLES: Final = {
    "page directory": "CR3: page directory",
    "page table": "directory entry: table",
    "page": "table entry: page",
}
_NAMES: Final = ("NPD", "NPT")


def _nested_cell(
    walk: NestedWalk, reference: WalkReference | None, at: int, column: int, number: int, *, spared: bool
) -> Box:
    x, y = COLUMNS_X[column], FIRST_Y + STEP_Y * at
    name = f"r{at}c{column}"
    if reference is None:
        text = "walk cache: not read" if spared else f"{_NAMES[column]}[?]"
        return Box(
            name, x, y, CELL_W, CELL_H, ((Span(text, "dim", code=not spared),),), ghost=True,
            number="" if spared else str(number),
        )  # fmt: skip
    high, low, _ = paging.split(reference.gpa)
    index = high if column == 0 else low
    present = reference.entry & paging.P
    says = hex32(reference.entry & paging.FRAME) if present else "not present"
    tip = Tip(LEVELS[reference.level], f"At hPA {hex32(reference.host_address)}: {_says(reference)}.", SOURCE)
    last = walk.made[-1] is reference and not walk.done
    role: Role = "now" if last else "vmm" if present else "trap"
    return Box(
        name, x, y, CELL_W, CELL_H, ((Span(f"{_NAMES[column]}[{index}] → {says}", code=True),),), role,
        lit=last, number=str(number), tip=tip, link=Place("host-physical", reference.host_address),
        alters=Editable("entry", f"{_NAMES[column]} entry {index}", "", reference.host_address, "host-physical"),
    )  # fmt: skip


def _frame_cell(scene: Scene, row: Row, at: int) -> Box:
    """Where the nested walk of this row came to: no reference of its own."""
    x, y = COLUMNS_X[2], FIRST_Y + STEP_Y * at
    frame: int | None = None
    if row.entry is not None:
        frame = row.entry.host_address & paging.FRAME
    elif len(row.nested) == 2 and row.nested[1].entry & paging.P:
        frame = row.nested[1].entry & paging.FRAME
    elif row.gpa is not None and row.name == "page" and not row.nested:
        frame = scene.hpa(row.gpa & paging.FRAME)
    if frame is None:
        return Box(f"r{at}c2", x, y, CELL_W, CELL_H, ((Span("frame ?", "dim"),),), ghost=True)
    text = (Span("hPA ", "dim"), Span(hex32(frame), "vmm", code=True))
    tip = Tip("Host frame", "The frame of RAM that holds this guest-physical page; the guest never learns it.")
    return Box(f"r{at}c2", x, y, CELL_W, CELL_H, (text,), "line", tip=tip, link=Place("host-physical", frame))


def _guest_cell(scene: Scene, walk: NestedWalk, row: Row, at: int, number: int) -> Box:
    x, y = COLUMNS_X[3], FIRST_Y + STEP_Y * at
    name = f"r{at}c3"
    if row.name == "page":
        return _data_cell(scene, walk, row, name, x, y)
    entry = row.entry
    kind = "PDE" if row.name == "page directory" else "PTE"
    high, low, _ = paging.split(walk.linear)
    index = high if kind == "PDE" else low
    if entry is None:
        lines: tuple[Text, ...] = ((Span(f"{kind} {index}", "dim", code=True),),)
        return Box(name, x, y, CELL_W, CELL_H, lines, ghost=True, number=str(number))
    present = entry.entry & paging.P
    says = hex32(entry.entry & paging.FRAME) if present else "not present"
    last = walk.made[-1] is entry and not walk.done
    role: Role = "now" if last else ROW_ROLES[row.name] if present else "trap"
    tip = Tip(LEVELS[entry.level], f"At gPA {hex32(entry.address)}: {_says(entry)}.", "Intel SDM Vol. 3A, §4.3")
    return Box(
        name, x, y, CELL_W, CELL_H, ((Span(f"{kind} {index} → {says}", code=True),),), role,
        lit=True, number=str(number), tip=tip, link=Place("guest-physical", entry.address, scene.vm),
        alters=Editable("entry", f"{kind} {index}", scene.vm, entry.address, "guest-physical"),
    )  # fmt: skip


def _data_cell(scene: Scene, walk: NestedWalk, row: Row, name: str, x: float, y: float) -> Box:
    if walk.host_frame is None or row.gpa is None:
        return Box(name, x, y, CELL_W, CELL_H, ((Span("data", "dim"),),), ghost=True)
    word = scene.read_host(walk.host_frame | walk.linear & 0xFFC, 4)
    tip = Tip("Data", "The access itself; it is none of the walk’s references.")
    return Box(name, x, y, CELL_W, CELL_H, ((Span("data ", "dim"), Span(hex32(word), code=True)),), "good", tip=tip)


def _links(rows: tuple[Row, ...]) -> list[Shape]:
    """From what the guest read to the next address to translate."""
    return [
        Arrow(f"r{at}c3", f"r{at + 1}c0", "bottom", "top", "dim", dashed=True, lit=rows[at].entry is not None)
        for at in range(len(rows) - 1)
    ]


# ---- the count --------------------------------------------------------------------------------------------------


def _counter(walk: NestedWalk, y: float) -> list[Shape]:
    shapes: list[Shape] = [Label(LEFT, y + 2, LABEL_W, (Span("Memory references", "dim"),))]
    for at in range(walk.most):
        made = at < len(walk.made)
        now = at == len(walk.made) - 1 and not walk.done
        role: Role = "now" if now else "hardware" if made else "line"
        shapes.append(
            Box(f"tick{at}", COLUMNS_X[0] + at * TICK_STEP, y, TICK_W, TICK_H, (), role, lit=made, ghost=not made)
        )
    right = COLUMNS_X[0] + walk.most * TICK_STEP + 10
    made_of = (Span(f"{len(walk.made)} of {walk.most}", strong=True),)
    native = (2 if not walk.large else 1) if walk.enabled else 0
    text = f"bare metal: {native} · shadow tables: 2, but every store to a guest table exits · TLB hit: 0"
    deeper = f"two guest levels over four nested ones: {references(2, 4)} · four over four: {references(4, 4)}"
    wide = WIDTH - right - 110
    return [
        *shapes,
        Label(right, y + 2, 90, made_of),
        Label(right + 100, y - 8, wide, (Span(text, "dim"),), small=True),
        Label(right + 100, y + 12, wide, (Span(deeper, "dim"),), small=True, tip=_FORMULA),
    ]


_FORMULA: Final = Tip("References at worst", "(guest levels + 1) × (nested levels + 1) − 1", SOURCE)
