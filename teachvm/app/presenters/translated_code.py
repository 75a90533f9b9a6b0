"""Translated code: one unit of the guest's kernel beside the fragment it became in the translation cache, joined."""

from __future__ import annotations

from typing import Any, Final

from teachvm.app.drawing import Arrow, Box, DiagramView, Label, Shape
from teachvm.app.notation import count, hex32, hexbytes, plural
from teachvm.app.presentation import CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Place, Role, Span, Tip
from teachvm.isa.disassembler import line
from teachvm.vmm.engines.translate.records import CacheInsn, ExitState, Fragment, GuestInsn, Origin
from teachvm.vmm.techniques import Technique

SOURCE: Final = "Adams & Agesen, ASPLOS 2006, §3"
WIDTH: Final = 680.0
LEFT, WIDE, RIGHT, ALSO_WIDE = 8.0, 312.0, 352.0, 320.0
TOP, ROW, HIGH = 30.0, 25.0, 21.0
MOST_BYTES: Final = 5
"""Bytes shown of an instruction; the rest is an ellipsis."""

ROLES: Final[dict[Origin, Role]] = {
    Origin.COPIED: "good",
    Origin.REPLACED: "vmm",
    Origin.CALLOUT: "vmm",
    Origin.SIMULATED: "vmm",
    Origin.CONTINUATION: "dim",
    Origin.CHAINED: "now",
    Origin.LOOKUP: "now",
}
"""The colour of what became of an instruction."""
_LEGEND: Final = tuple(
    Badge(origin.value, ROLES[origin], "", Tip(origin.value, origin.explanation, SOURCE))
    for origin in (Origin.COPIED, Origin.REPLACED, Origin.CHAINED)
)
_EXITS: Final = (
    Column("Way out", 12, stretch=True),
    Column("Leads to", 9, code=True),
    Column("Now", 14, tip=Tip("Now", "A continuation calls the translator, once; then a jump stands there.", SOURCE)),
)
_STATES: Final = {
    ExitState.CONTINUATION: "not translated yet",
    ExitState.CHAINED: "chained: a jump",
    ExitState.ELIDED: "elided: it follows",
}


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The fragment the hardware is in, or was in last; the instruction it is at is lit on both sides."""
    del before
    scene = scene_of(now)
    opened = opened_cache(scene)
    if isinstance(opened, CardView):
        return opened
    cache, fragments, fragment = opened
    executed = dict(cache.executed).get(fragment.start, 0)
    subtitle = (
        Span("unit ", "dim"),
        Span(hex32(fragment.eip), "dim", code=True, link=Place("linear", fragment.eip, scene.vm)),
        Span(f" → cache {hex32(fragment.start)} · executed {count(executed)}× · ", "dim"),
        Span(f"{plural(len(fragments), 'fragment')} in the cache", "dim"),
    )
    return CardView(subtitle, (_picture(scene, fragment), _exits(scene, fragment)), _LEGEND)


def opened_cache(scene: Scene) -> tuple[Any, dict[int, Fragment], Fragment] | CardView:
    """The translation cache, its fragments by address, and the one in use; what is said where there is none."""
    path = f"{scene.vm}.cache"
    if path not in scene.snapshot:
        return CardView((Span(scene.technique.label, "dim"),), (NoteView((Span(why_not(scene)),), "info"),))
    cache: Any = scene.snapshot.state(path)
    fragments: dict[int, Fragment] = dict(cache.fragments)
    fragment = chosen(scene, fragments)
    if fragment is None:
        text = "The cache is empty: nothing of the kernel has been executed yet, so nothing was translated."
        return CardView((Span("0 fragments", "dim"),), (NoteView((Span(text),), "info"),))
    return cache, fragments, fragment


def why_not(scene: Scene) -> str:
    """Why nothing is translated."""
    if scene.technique is Technique.EMULATION:
        return "An interpreter reads each instruction every time; this one keeps no translation of it."
    return f"Nothing is translated under {scene.technique.label.lower()}: the processor executes the guest’s own bytes."


def chosen(scene: Scene, fragments: dict[int, Fragment]) -> Fragment | None:
    """The fragment the hardware is in, or was in last; the newest one if that is gone."""
    place = scene.place
    within = place.fragment if place is not None else scene.snapshot.state(f"{scene.vm}.engine").within
    if within in fragments:
        return fragments[within]
    return max(fragments.values(), key=lambda fragment: fragment.number, default=None)


def _picture(scene: Scene, fragment: Fragment) -> DiagramView:
    at = scene.place.insn.address if scene.place is not None else -1
    current = next((insn.guest for insn in fragment.code if insn.address == at), -1)
    shapes: list[Shape] = [
        Label(LEFT, 6, WIDE, (Span("Guest unit", "kernel", strong=True),)),
        Label(RIGHT, 6, ALSO_WIDE, (Span("In the translation cache", "vmm", strong=True),)),
    ]
    longest = max((len(hexbytes(insn.bytes, MOST_BYTES)) for insn in fragment.guest), default=0)
    for row, insn in enumerate(fragment.guest):
        shapes.append(_guest(scene, insn, row, longest + 1, lit=row == current))
    firsts: dict[int, int] = {}
    for row, made in enumerate(fragment.code):
        shapes.append(_made(made, row, lit=made.address == at))
        firsts.setdefault(made.guest, row)
    for row, insn in enumerate(fragment.guest):
        if row in firsts:
            role = ROLES[insn.origin]
            shapes.append(Arrow(f"g{row}", f"c{firsts[row]}", role=role, lane=0.5, lit=row == current, head=False))
    height = TOP + ROW * max(len(fragment.guest), len(fragment.code)) + 6
    caption = f"Unit at {hex32(fragment.eip)}, {plural(len(fragment.guest), 'instruction')}"
    return DiagramView(WIDTH, height, tuple(shapes), caption, dense=True)


def _guest(scene: Scene, insn: GuestInsn, row: int, indent: int, *, lit: bool) -> Box:
    text = line(insn.bytes, insn.eip, scene.name_at).text
    gone = " · nothing stands for it" if insn.elided else ""
    words = (Span(f"{hexbytes(insn.bytes, MOST_BYTES):<{indent}}", "dim", code=True), Span(f"{text}{gone}", code=True))
    tip = Tip(insn.origin.value, insn.origin.explanation, SOURCE)
    role: Role = "now" if lit else "line" if insn.origin is Origin.COPIED else ROLES[insn.origin]
    return Box(
        f"g{row}", LEFT, TOP + ROW * row, WIDE, HIGH, (words,), role, lit, insn.elided, align="left", tip=tip,
        link=Place("linear", insn.eip, scene.vm),
    )  # fmt: skip


def _made(insn: CacheInsn, row: int, *, lit: bool) -> Box:
    text = line(insn.bytes, insn.address).text
    words = (Span(f"{hex32(insn.address)} ", "dim", code=True), Span(str(text), code=True))
    tip = Tip(insn.origin.value, insn.origin.explanation, SOURCE)
    role = ROLES[insn.origin]
    return Box(f"c{row}", RIGHT, TOP + ROW * row, ALSO_WIDE, HIGH, (words,), role, lit, align="left", tip=tip)


def _exits(scene: Scene, fragment: Fragment) -> TableView:
    """The ways out whose target is known, and how far they have got."""
    rows = []
    for number, way in enumerate(fragment.exits):
        name = scene.name_at(way.target) or hex32(way.target)
        kind = "branch taken" if way.taken else "what follows"
        to = "–" if way.to is None else hex32(way.to)
        role: Role = "dim" if way.state is ExitState.CONTINUATION else "now"
        cells = (Cell(f"{kind}: {name}"), Cell(to, "dim"), Cell(_STATES[way.state], role))
        rows.append(TableRow(str(number), cells))
    return TableView(_EXITS, tuple(rows), empty="Its target is computed: a lookup finds the fragment while it runs.")
