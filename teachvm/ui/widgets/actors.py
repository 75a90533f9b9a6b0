"""Who is running: the stack of actors, the crossing between two of them, counts and shares."""

from __future__ import annotations

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
GAP = 26.0
FALL_MS = 180
"""How long the outline takes to move to another actor."""


class ActorStack(Canvas):
    """Paints an `ActorsView`; when control moves, the bright outline moves with it."""

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

    def compose(self, width: float, height: float) -> Picture:
        """Set the actors from least to most privileged."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        boxes: list[tuple[float, float]] = []
        y = 12.0
        for at, actor in enumerate(self._view.actors):
            high = self._actor(actor, y, width, marks, spots)
            boxes.append((y, high))
            y += high
            if at + 1 < len(self._view.actors):
                self._between(at, y, width, marks, spots)
                y += GAP
        marks += self._outline(boxes, width)
        return Picture(marks, spots, y + 12)

    def _actor(self, actor: Actor, y: float, width: float, marks: list[Mark], spots: list[Spot]) -> float:
        wide = width - 2 * PAD
        detail = put(actor.detail, PAD + INNER, y + 37, wide - 2 * INNER, 18, fonts.SMALL)
        high = 46 + max(detail.height, 18.0)
        settled = actor.running and self._moved >= 1
        tint = TINT if settled else 0.0
        marks += [
            Area(PAD, y, wide, high, actor.role, tint, "line", 1.0, 10, base="card2"),
            Edge(PAD, y, wide, high, actor.role, 4, 10),
        ]
        name = fonts.elided(actor.name, fonts.NAME, wide - 2 * INNER - 20)
        marks.append(Words(PAD + INNER, y + 12, wide - 2 * INNER - 20, 22, name, fonts.NAME, "text"))
        letter_x = PAD + wide - INNER - 14
        marks.append(Words(letter_x, y + 12, 16, 22, actor.letter, fonts.MONO_STRONG, actor.role, "center"))
        marks += detail.marks
        state = ", running now" if actor.running else ""
        words = "".join(span.text for span in actor.detail)
        spots.append(Spot(PAD, y, wide, high, actor.tip, copy=actor.name, name=f"{actor.name}, {words}{state}"))
        spots += detail.spots
        return high

    def _between(self, above: int, y: float, width: float, marks: list[Mark], spots: list[Spot]) -> None:
        crossing = self._view.crossing
        if crossing is None or crossing.above != above:
            marks.append(Wire(((width / 2, y + 3), (width / 2, y + GAP - 3)), "line", 1.0))
            return
        self._crossing(crossing, y, width, marks, spots)

    @staticmethod
    def _crossing(crossing: Crossing, y: float, width: float, marks: list[Mark], spots: list[Spot]) -> None:
        room = width - 2 * PAD - 16
        said = fonts.elided(crossing.text, fonts.SMALL_STRONG, room)
        wide = fonts.width(said, fonts.SMALL_STRONG)
        x = (width - wide - 16) / 2
        icon = "fall" if crossing.down else "rise"
        marks.append(Sign(x, y + GAP / 2 - 5, 11, 11, icon, crossing.role))
        marks.append(Words(x + 16, y, wide, GAP, said, fonts.SMALL_STRONG, crossing.role))
        spots.append(Spot(x, y, wide + 16, GAP, crossing.tip, copy=crossing.text, name=crossing.text))

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
