"""Painting a diagram: its layout is stretched to the card, its type grows a little, nothing leaves its box."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QVariantAnimation
from PySide6.QtWidgets import QSizePolicy

from teachvm.app.presentation import (
    Arrow,
    BitBox,
    Box,
    DiagramView,
    Fragment,
    FragmentRow,
    Label,
    Role,
    Span,
    Text,
    plain,
)
from teachvm.ui.theme import fonts
from teachvm.ui.theme.fonts import Style
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import ANY_HEIGHT, Canvas, Picture
from teachvm.ui.widgets.flow import How, put, put_line
from teachvm.ui.widgets.ink import TINT, Area, Mark, Spot, Wire, Words
from teachvm.ui.widgets.routes import Rect, route

LARGEST = 1.35
"""How far type and boxes grow in a large card; beyond, only the distances do."""
SMALLEST = 0.72
TIGHT_ACROSS, TIGHT_DOWN = 1.12, 1.25
"""How much less than distances type shrinks in a small card: there is air between shapes, more above than beside."""
LIGHT_MS = 180
"""How long a shape takes to light up."""
LIT = 0.26
"""Opacity of a bright shape's fill."""


def _type_for(stretch: float, tight: float) -> float:
    """How large type is where the layout is stretched by so much: as large as nominal as long as there is air."""
    return stretch if stretch >= 1 else min(1.0, stretch * tight)


def _quietly(text: Text) -> Text:
    """The same words in `dim`: something that is not there yet, or not touched."""
    return tuple(Span(span.text, "dim", span.strong, span.code, span.tip, span.link) for span in text)


def _lit(view: DiagramView) -> frozenset[str]:
    """The ids of what is bright."""
    found: set[str] = set()
    for shape in view.shapes:
        if isinstance(shape, Box) and shape.lit:
            found.add(shape.id)
        elif isinstance(shape, BitBox):
            found |= {bits.id for bits in shape.fields if bits.lit}
        elif isinstance(shape, Fragment):
            found |= {row.id for row in shape.rows if row.lit}
    return frozenset(found)


class Diagram(Canvas):
    """Paints a `DiagramView`."""

    fills = True

    def __init__(self, look: Look, name: str = "diagram") -> None:
        super().__init__(look, name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._view = DiagramView(1, 1, ())
        self._marks: list[Mark] = []
        self._spots: list[Spot] = []
        self._rects: dict[str, Rect] = {}
        self._sx = self._sy = self._type = 1.0
        self._fresh: frozenset[str] = frozenset()
        self._share = 1.0
        self._motion = QVariantAnimation(self)
        self._motion.setDuration(LIGHT_MS)
        self._motion.setStartValue(0.0)
        self._motion.setEndValue(1.0)
        self._motion.valueChanged.connect(self._advance)

    def show_block(self, view: DiagramView) -> None:
        """Show other shapes; what differs is repainted, what became bright lights up."""
        if view == self._view:
            return
        self._fresh = _lit(view) - _lit(self._view)
        self._view = view
        self._motion.stop()
        moving = bool(self._fresh) and self.look.motion and self.isVisible()
        self._share = 0.0 if moving else 1.0
        if moving:
            self._motion.start()
        self.refresh()

    def _advance(self, share: float) -> None:
        self._share = share
        self.refresh()

    def _glow(self, shape_id: str) -> float:
        """How bright a bright shape is: all the way, unless it has just become so."""
        return LIT * (self._share if shape_id in self._fresh else 1.0)

    def least_height(self) -> float:
        """The nominal height, less where room is short: as long as type can shrink with it."""
        return self._view.height * SMALLEST

    def most_height(self) -> float:
        """As high as type grows, where rows are to stay together; else any."""
        return self._view.height * LARGEST if self._view.dense else float(ANY_HEIGHT)

    def compose(self, width: float, height: float) -> Picture:
        """Stretch the layout to the size, then set every shape; wires lie below boxes."""
        self._marks, self._spots, self._rects = [], [], {}
        view = self._view
        self._sx, self._sy = width / view.width, height / view.height
        roomy = min(_type_for(self._sx, TIGHT_ACROSS), _type_for(self._sy, TIGHT_DOWN))
        self._type = round(min(max(roomy, SMALLEST), LARGEST) * 20) / 20
        boxes: list[Mark] = []
        for shape in view.shapes:
            if not isinstance(shape, Arrow):
                self._marks = []
                _SET[type(shape)](self, shape)
                boxes += self._marks
        self._marks = []
        for shape in view.shapes:
            if isinstance(shape, Arrow):
                self._arrow(shape)
        return Picture(self._marks + boxes, self._spots, height)

    # --- geometry ------------------------------------------------------------------------------------------------

    def rect_of(self, shape_id: str) -> Rect | None:
        """Where a shape, a field or a row was set, in layout pixels."""
        return self._rects.get(shape_id)

    def _placed(self, x: float, y: float, w: float, h: float) -> Rect:
        """A layout rectangle in the view: stretched sideways, grown downwards about its middle."""
        high = h * min(self._sy, LARGEST)
        return Rect(x * self._sx, (y + h / 2) * self._sy - high / 2, w * self._sx, high)

    def _style(self, style: Style) -> Style:
        return Style(style.size * self._type, style.code, style.weight)

    # --- shapes --------------------------------------------------------------------------------------------------

    def _box(self, box: Box) -> None:
        rect = self._placed(box.x, box.y, box.w, box.h)
        self._rects[box.id] = rect
        stroke, thick = ("line", 1.0) if box.ghost else (box.role, 1.8 if box.lit else 1.0)
        fill, alpha = (box.role, self._glow(box.id)) if box.lit else ("", 1.0)
        base = "" if box.ghost else "card2"
        alpha_of_stroke = 1.0 if box.lit or stroke == "line" else 0.65
        self._marks.append(
            Area(*rect, fill, alpha, stroke, thick, 9, box.ghost, base=base, stroke_alpha=alpha_of_stroke)
        )
        pad = 12 * self._type
        x = rect.x + pad
        if box.number:
            x = self._number(box, rect, pad)
        room = rect.x + rect.w - pad - x
        pitch = 18 * self._type
        y = rect.y + (rect.h - pitch * len(box.lines)) / 2
        for line in box.lines:
            said = _quietly(line) if box.ghost else line
            laid = put_line(said, x, y, room, pitch, self._style(fonts.SMALL), box.align)
            self._marks += laid.marks
            self._spots += laid.spots
            y += pitch
        words = " · ".join(plain(line) for line in box.lines)
        state = " (not there yet)" if box.ghost else " (now)" if box.lit else ""
        name = f"{box.number} {words}{state}".strip()
        self._spots.insert(0, Spot(*rect, box.tip, box.link, words, name=name, edit=box.alters))

    def _number(self, box: Box, rect: Rect, pad: float) -> float:
        """Set the disc with the box's number; returns where its text begins."""
        size = 22 * self._type
        y = rect.y + (rect.h - size) / 2
        role: Role = "faint" if box.ghost else box.role if box.role != "line" else "hardware"
        if box.ghost:
            self._marks.append(Area(rect.x + pad, y, size, size, "", 1.0, role, 1.0, size / 2, dashed=True))
            ink = "dim"
        else:
            self._marks.append(Area(rect.x + pad, y, size, size, role, radius=size / 2))
            ink = "on-now"
        style = self._style(fonts.CAPTION_STRONG)
        self._marks.append(Words(rect.x + pad, y, size, size, box.number, style, ink, "center"))
        return rect.x + pad + size + 8 * self._type

    def _label(self, label: Label) -> None:
        size = fonts.CAPTION if label.small else fonts.HEADING if label.heading else fonts.SMALL
        pitch = (16 if label.small else 22 if label.heading else 19) * self._type
        rect = self._placed(label.x, label.y, label.w, pitch / self._type)
        laid = put(label.text, rect.x, rect.y, rect.w, pitch, self._style(size), How(align=label.align))
        self._marks += laid.marks
        words = plain(label.text)
        self._spots.append(Spot(rect.x, rect.y, rect.w, laid.height, label.tip, copy=words, name=words))
        self._spots += laid.spots

    def _bits(self, box: BitBox) -> None:
        rect = self._placed(box.x, box.y, box.w, box.h)
        self._rects[box.id] = rect
        shares = [1.0 if box.even else float(field.high - field.low + 1) for field in box.fields]
        gap = 5.0
        room = rect.w - gap * (len(shares) - 1)
        x = rect.x
        caption, value = self._style(fonts.CAPTION), self._style(fonts.MONO)
        for field, share in zip(box.fields, shares, strict=True):
            wide = room * share / sum(shares)
            cell = Rect(x, rect.y, wide, rect.h)
            self._rects[field.id] = cell
            role = field.role if field.role != "text" else "dim"
            self._marks.append(
                Area(
                    *cell,
                    role,
                    self._glow(field.id) if field.lit else TINT,
                    role,
                    1.8 if field.lit else 1.2,
                    7,
                    base="card",
                )
            )
            name = fonts.elided(field.name, caption, wide)
            high = 20 * self._type
            self._marks.append(Words(x, rect.y - high, wide, high, name, caption, "dim", "center"))
            said = fonts.elided(field.value, value, wide - 8)
            self._marks.append(Words(x + 4, rect.y, wide - 8, rect.h, said, value, "text", "center"))
            said = f"{field.name}, bits {field.high} to {field.low}: {field.value}"
            self._spots.append(Spot(*cell, field.tip, copy=field.value, name=said))
            x += wide + gap

    def _fragment(self, part: Fragment) -> None:
        rect = self._placed(part.x, part.y, part.w, part.h)
        self._rects[part.id] = rect
        high = 24 * self._type
        title = put_line(part.title, rect.x, rect.y - high, rect.w, high - 2, self._style(fonts.SMALL_STRONG))
        self._marks += title.marks
        self._spots += title.spots
        self._marks.append(Area(*rect, "", 1.0, "line", 1.0, 6, part.ghost, base="" if part.ghost else "card2"))
        pitch = rect.h / max(len(part.rows), 1)
        indexes = max((fonts.width(row.index, self._style(fonts.MONO_STRONG)) for row in part.rows), default=0.0)
        for at, row in enumerate(part.rows):
            self._entry(row, Rect(rect.x, rect.y + at * pitch, rect.w, pitch), indexes, part.ghost)

    def _entry(self, row: FragmentRow, rect: Rect, indexes: float, ghost: bool) -> None:
        self._rects[row.id] = rect
        if row.lit:
            self._marks.append(Area(*rect, row.lit, self._glow(row.id), row.lit, 1.6, 5))
        pad = 10 * self._type
        index = self._style(fonts.MONO_STRONG if row.lit else fonts.MONO)
        text = row.text if row.lit and not ghost else _quietly(row.text)
        self._marks.append(
            Words(rect.x + pad, rect.y, indexes, rect.h, row.index, index, "text" if row.lit else "dim", "right")
        )
        x = rect.x + pad + indexes + 12 * self._type
        laid = put_line(text, x, rect.y, rect.x + rect.w - pad - x, rect.h, self._style(fonts.MONO))
        self._marks += laid.marks
        words = f"{row.index} {plain(row.text)}"
        name = words + (" (now)" if row.lit else "")
        self._spots.append(Spot(*rect, row.tip, row.link, plain(row.text), name=name, edit=row.alters))
        self._spots += laid.spots

    def _arrow(self, arrow: Arrow) -> None:
        start, end = self._rects.get(arrow.start), self._rects.get(arrow.end)
        if start is None or end is None:
            return
        points = route(
            start.on(arrow.start_side, arrow.at),
            arrow.start_side,
            end.on(arrow.end_side, arrow.to_at),
            arrow.end_side,
            arrow.lane,
        )
        thick, alpha = (2.2, 1.0) if arrow.lit else (1.4, 0.75)
        self._marks.append(Wire(points, arrow.role, thick, 8, arrow.dashed, arrow.head, alpha))
        if arrow.label:
            self._arrow_label(arrow, points)

    def _arrow_label(self, arrow: Arrow, points: tuple[tuple[float, float], ...]) -> None:
        """Set the words on the longest run of the route, on a patch of the card."""
        runs = list(pairwise(points))
        (ax, ay), (bx, by) = max(runs, key=lambda run: abs(run[0][0] - run[1][0]) + abs(run[0][1] - run[1][1]))
        style = self._style(fonts.CAPTION)
        wide, high = fonts.width(arrow.label, style), 16 * self._type
        x, y = (ax + bx - wide) / 2, (ay + by - high) / 2
        self._marks.append(Area(x - 5, y, wide + 10, high, "card"))
        self._marks.append(Words(x, y, wide, high, arrow.label, style, arrow.role if arrow.lit else "dim"))


_SET: dict[type, Callable[[Diagram, Any], None]] = {
    Box: Diagram._box,  # noqa: SLF001  # the table belongs to the class above
    Label: Diagram._label,  # noqa: SLF001  # as above
    BitBox: Diagram._bits,  # noqa: SLF001  # as above
    Fragment: Diagram._fragment,  # noqa: SLF001  # as above
}
