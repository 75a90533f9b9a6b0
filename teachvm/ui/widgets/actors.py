"""Who is running: the stack of actors, the crossing between two of them, counts and shares."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QEasingCurve, QVariantAnimation

from teachvm.app.notation import percent
from teachvm.app.presentation import Actor, ActorsView, Crossing, NoteView, StatsView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import TINT, Area, Edge, Mark, Sign, Spot, Wire, Words

PAD = 14.0
INNER = 16.0
FALL_MS = 180
"""How long the outline takes to move to another actor."""


class Density(NamedTuple):
    """Room between two actors, room for a crossing between them, and whether all say what they do."""

    gap: float
    crossing: float
    details: bool


DENSITIES = (Density(26, 26, True), Density(10, 22, True), Density(6, 20, False))
"""From airy to dense: the first that fits is taken; in the last one only the actor that runs says what it does."""


class _Sheet(NamedTuple):
    """What is being set, and how."""

    width: float
    density: Density
    marks: list[Mark]
    spots: list[Spot]


class ActorStack(Canvas):
    """Paints an `ActorsView`; when control moves, the bright outline moves with it."""

    fills = True

    def __init__(self, look: Look, name: str = "actors") -> None:
        super().__init__(look, name)
        self._view = ActorsView(())
        self._from = -1
        self._moved = 1.0
        self._motion = QVariantAnimation(self)
        self._motion.setDuration(FALL_MS)
        self._motion.setStartValue(0.0)
        self._motion.setEndValue(1.0)
        self._motion.setEasingCurve(QEasingCurve.Type.InOutCubic)
        self._motion.valueChanged.connect(self._advance)

    def show_block(self, view: ActorsView) -> None:
        """Show who runs now."""
        if view == self._view:
            return
        before, after = _running(self._view), _running(view)
        self._view = view
        if self.look.motion and self.isVisible() and before >= 0 <= after and before != after:
            self._from, self._moved = before, 0.0
            self._motion.stop()
            self._motion.start()
        else:
            self._motion.stop()
            self._moved = 1.0
        self.refresh()

    def _advance(self, value: float) -> None:
        self._moved = value
        self.refresh()

    def least_height(self) -> float:
        """As high as it is at its densest."""
        return self._set(self.width() / self.look.zoom, DENSITIES[-1]).height

    def most_height(self) -> float:
        """As high as it is at its airiest: what is left is for what stands below."""
        return self._set(self.width() / self.look.zoom, DENSITIES[0]).height

    def compose(self, width: float, height: float) -> Picture:
        """Set the actors from least to most privileged, as airy as there is room for."""
        for density in DENSITIES[:-1]:
            picture = self._set(width, density)
            if picture.height <= height:
                return picture
        return self._set(width, DENSITIES[-1])

    def _set(self, width: float, density: Density) -> Picture:
        sheet = _Sheet(width, density, [], [])
        boxes: list[tuple[float, float]] = []
        y = 12.0
        for at, actor in enumerate(self._view.actors):
            high = self._actor(actor, y, sheet)
            boxes.append((y, high))
            y += high
            if at + 1 < len(self._view.actors):
                y += self._between(at, y, sheet)
        sheet.marks.extend(self._outline(boxes, width))
        return Picture(sheet.marks, sheet.spots, y + 12)

    def _actor(self, actor: Actor, y: float, sheet: _Sheet) -> float:
        """Set one actor; returns its height."""
        wide = sheet.width - 2 * PAD
        told = sheet.density.details or actor.running
        detail = put(actor.detail if told else (), PAD + INNER, y + 37, wide - 2 * INNER, 18, fonts.SMALL)
        high = 46 + max(detail.height, 18.0) if told else 36.0
        top = y + (12 if told else 7)
        settled = actor.running and self._moved >= 1
        name = fonts.elided(actor.name, fonts.NAME, wide - 2 * INNER - 20)
        sheet.marks.extend(
            (
                Area(PAD, y, wide, high, actor.role, TINT if settled else 0.0, "line", 1.0, 10, base="card2"),
                Edge(PAD, y, wide, high, actor.role, 4, 10),
                Words(PAD + INNER, top, wide - 2 * INNER - 20, 22, name, fonts.NAME, "text"),
                Words(PAD + wide - INNER - 14, top, 16, 22, actor.letter, fonts.MONO_STRONG, actor.role, "center"),
                *detail.marks,
            )
        )
        state = ", running now" if actor.running else ""
        words = "".join(span.text for span in actor.detail)
        sheet.spots.append(Spot(PAD, y, wide, high, actor.tip, copy=actor.name, name=f"{actor.name}, {words}{state}"))
        sheet.spots.extend(detail.spots)
        return high

    def _between(self, above: int, y: float, sheet: _Sheet) -> float:
        """Set what lies between two actors; returns its height."""
        crossing = self._view.crossing
        if crossing is None or crossing.above != above:
            gap = sheet.density.gap
            sheet.marks.append(Wire(((sheet.width / 2, y + 2), (sheet.width / 2, y + gap - 2)), "line", 1.0))
            return gap
        self._crossing(crossing, y, sheet)
        return sheet.density.crossing

    @staticmethod
    def _crossing(crossing: Crossing, y: float, sheet: _Sheet) -> None:
        high = sheet.density.crossing
        said = fonts.elided(crossing.text, fonts.SMALL_STRONG, sheet.width - 2 * PAD - 16)
        wide = fonts.width(said, fonts.SMALL_STRONG)
        x = (sheet.width - wide - 16) / 2
        icon = "fall" if crossing.down else "rise"
        sheet.marks.append(Sign(x, y + high / 2 - 5, 11, 11, icon, crossing.role))
        sheet.marks.append(Words(x + 16, y, wide, high, said, fonts.SMALL_STRONG, crossing.role))
        sheet.spots.append(Spot(x, y, wide + 16, high, crossing.tip, copy=crossing.text, name=crossing.text))

    def _outline(self, boxes: list[tuple[float, float]], width: float) -> list[Mark]:
        """The bright frame around the running actor, or on its way to it."""
        at = _running(self._view)
        if at < 0:
            return []
        y, high = boxes[at]
        role = self._view.actors[at].role
        if self._moved < 1 and 0 <= self._from < len(boxes):
            from_y, from_high = boxes[self._from]
            y = from_y + (y - from_y) * self._moved
            high = from_high + (high - from_high) * self._moved
        wide = width - 2 * PAD
        return [
            Area(PAD - 2.5, y - 2.5, wide + 5, high + 5, "", 1.0, role, 2.5, 12, stroke_alpha=0.3),
            Area(PAD, y, wide, high, "", 1.0, role, 1.5, 10),
        ]


def _running(view: ActorsView) -> int:
    return next((at for at, actor in enumerate(view.actors) if actor.running), -1)


class Stats(Canvas):
    """Paints a `StatsView`."""

    def __init__(self, look: Look, name: str = "stats") -> None:
        super().__init__(look, name)
        self._view = StatsView(())

    def show_block(self, view: StatsView) -> None:
        """Show other counts."""
        if view != self._view:
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Set names left, values right, and the bar of shares below."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        y = 8.0
        room = width - 2 * PAD
        if self._view.title:
            marks.append(Words(PAD, y, room, 20, self._view.title, fonts.CAPTION_STRONG, "dim"))
            y += 24
        for stat in self._view.stats:
            style = fonts.MONO_STRONG
            wide = min(fonts.width(stat.value, style), room)
            name = fonts.elided(stat.name, fonts.SMALL, room - wide - 8)
            marks.append(Words(PAD, y, room - wide - 8, 20, name, fonts.SMALL, "dim"))
            marks.append(Words(PAD + room - wide, y, wide, 20, stat.value, style, stat.role))
            spots.append(Spot(PAD, y, room, 20, stat.tip, copy=stat.value, name=f"{stat.name} {stat.value}"))
            y += 20
        if self._view.shares:
            y += 8
            self._shares(y, room, marks, spots)
            y += 8
        return Picture(marks, spots, y + 10)

    def _shares(self, y: float, room: float, marks: list[Mark], spots: list[Spot]) -> None:
        marks.append(Area(PAD, y, room, 8, "line", radius=4))
        x = PAD
        for share in self._view.shares:
            wide = room * share.fraction
            if wide > 0:
                marks.append(Area(x, y, max(wide, 1.5), 8, share.role, radius=min(4, wide / 2), hatched=share.pattern))
            said = f"{share.name} {percent(share.fraction)}"
            spots.append(Spot(x, y - 3, max(wide, 4), 14, None, None, said, name=said))
            x += wide


class Note(Canvas):
    """Paints a `NoteView`."""

    def __init__(self, look: Look, name: str = "note") -> None:
        super().__init__(look, name)
        self._view = NoteView(())

    def show_block(self, view: NoteView) -> None:
        """Show another sentence."""
        if view != self._view:
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Set the sentence, its icon before it."""
        marks: list[Mark] = []
        x = PAD
        if self._view.icon:
            marks.append(Sign(PAD, 10, 15, 15, self._view.icon, "dim"))
            x += 23
        laid = put(self._view.text, x, 8, width - x - PAD, 19, fonts.SMALL)
        words = "".join(span.text for span in self._view.text)
        spot = Spot(x, 8, width - x - PAD, laid.height, copy=words, name=words)
        return Picture(marks + laid.marks, [spot, *laid.spots], laid.height + 16)
