"""Block graph: fragments of the translation cache and how they lead to each other, from the one in use downwards."""

from __future__ import annotations

from typing import Final

from teachvm.app.drawing import Arrow, Box, DiagramView, Shape
from teachvm.app.notation import count, hex32, plural
from teachvm.app.presentation import CardView
from teachvm.app.presenters.translated_code import opened_cache
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Place, Role, Span, Tip
from teachvm.vmm.engines.translate.records import Exit, ExitState, Fragment

SOURCE: Final = "Adams & Agesen, ASPLOS 2006, §3.2"
LEVELS, ACROSS, LEAST = 4, 4, 3
"""Rows of the graph, and nodes in one of them, at most; it is as wide as this many at least."""
PITCH, WIDE, HIGH, DOWN = 168.0, 146.0, 46.0, 84.0
_LEGEND: Final = (
    Badge("chained", "now", "", Tip("Chained", "A jump inside the cache, or nothing: the successor follows.", SOURCE)),
    Badge("dashed: not yet", "dim", "", Tip("Continuation", "It calls the translator the first time.", SOURCE)),
)

Node = Fragment | Exit
"""A fragment, or a way out that leads to none yet."""


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The fragment in use, lit, among those that lead to it and that it leads to, with how often each was executed."""
    del before
    scene = scene_of(now)
    opened = opened_cache(scene)
    if isinstance(opened, CardView):
        return opened
    cache, fragments, root = opened
    pending = sum(way.state is ExitState.CONTINUATION for each in fragments.values() for way in each.exits)
    subtitle = f"{plural(len(fragments), 'fragment')} · {count(pending)} ways out not translated yet"
    return CardView((Span(subtitle, "dim"),), (_graph(scene, fragments, root, dict(cache.executed)),), _LEGEND)


def _graph(scene: Scene, fragments: dict[int, Fragment], root: Fragment, executed: dict[int, int]) -> DiagramView:
    top = _above(fragments, root)
    levels: list[list[tuple[str, Node]]] = [[(_name(top), top)]]
    placed = {_name(top)}
    arrows: list[Arrow] = []
    for _ in range(LEVELS - 1):
        below: list[tuple[str, Node]] = []
        for name, node in levels[-1]:
            for way in node.exits if isinstance(node, Fragment) else ():
                led = fragments.get(way.to) if way.to is not None else None
                target = _name(led) if led is not None else f"x{name}{way.target:x}"
                if target not in placed:
                    if len(below) == ACROSS:
                        continue
                    placed.add(target)
                    below.append((target, way if led is None else led))
                up = target not in [each for each, _ in below]
                role: Role = "dim" if led is None else "now"
                if up:
                    arrows.append(Arrow(name, target, "right", "right", role, dashed=led is None))
                else:
                    arrows.append(Arrow(name, target, "bottom", "top", role, dashed=led is None))
        if not below:
            break
        levels.append(below)
    shapes: list[Shape] = []
    width = PITCH * max(LEAST, *map(len, levels))
    for depth, level in enumerate(levels):
        gap = width / len(level)
        for at, (name, node) in enumerate(level):
            x, y = gap * at + (gap - WIDE) / 2, 12 + DOWN * depth
            shapes.append(_box(scene, name, node, x, y, executed, lit=node is root))
    caption = f"From {scene.name_at(root.eip) or hex32(root.eip)}"
    return DiagramView(width, 12 + DOWN * len(levels), (*shapes, *arrows), caption)


def _above(fragments: dict[int, Fragment], root: Fragment) -> Fragment:
    """Where to begin, so that what leads to a fragment is seen too: up to two fragments before it."""
    met = {root.start}
    for _ in range(2):
        leading = (each for each in fragments.values() for way in each.exits if way.to == root.start)
        found = next((each for each in leading if each.start not in met), None)
        if found is None:
            break
        met.add(found.start)
        root = found
    return root


def _name(fragment: Fragment) -> str:
    return f"f{fragment.start:x}"


def _box(scene: Scene, name: str, node: Node, x: float, y: float, executed: dict[int, int], *, lit: bool) -> Box:
    eip = node.eip if isinstance(node, Fragment) else node.target
    title = (Span(scene.name_at(eip) or hex32(eip), strong=True),)
    link = Place("linear", eip, scene.vm)
    if isinstance(node, Exit):
        return Box(name, x, y, WIDE, HIGH, (title, (Span("not yet translated", "dim"),)), ghost=True, link=link)
    said = f"{hex32(node.start)} · {count(executed.get(node.start, 0))}×"
    words = (title, (Span(said, "dim", code=True),))
    return Box(name, x, y, WIDE, HIGH, words, "vmm" if lit else "line", lit, link=link)
