"""Marks: what a canvas paints, as values. Tests read the same marks that reach the screen.

Lengths are layout pixels (zoom 1). Colours are roles or surfaces of the theme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import hypot
from typing import Any, NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QPaintEngine, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from teachvm.app.presentation import Align, Link, Tip
from teachvm.app.wording import Editable
from teachvm.ui.theme import fonts
from teachvm.ui.theme.fonts import UNIT, Style
from teachvm.ui.theme.look import Look

TINT = -1.0
"""As an area's opacity: the theme's tint, the share of a role that lies behind text of that role."""

Points = tuple[tuple[float, float], ...]


class Words(NamedTuple):
    """A line of text, centred vertically in its box."""

    x: float
    y: float
    w: float
    h: float
    text: str
    style: Style
    role: str = "text"
    align: Align = "left"
    alpha: float = 1.0


class Area(NamedTuple):
    """A rectangle. `alpha` is the opacity of the fill; `base` is an opaque surface laid below it."""

    x: float
    y: float
    w: float
    h: float
    fill: str = ""
    alpha: float = 1.0
    stroke: str = ""
    thick: float = 1.0
    radius: float = 0.0
    dashed: bool = False
    hatched: bool = False
    base: str = ""
    stroke_alpha: float = 1.0


class Edge(NamedTuple):
    """The left edge of a rounded rectangle, `thick` pixels of it."""

    x: float
    y: float
    w: float
    h: float
    role: str
    thick: float
    radius: float


class Wire(NamedTuple):
    """A polyline with rounded corners; `head` draws an arrow head at its end."""

    points: Points
    role: str = "dim"
    thick: float = 1.5
    radius: float = 7.0
    dashed: bool = False
    head: bool = False
    alpha: float = 1.0


class Sign(NamedTuple):
    """An icon in a square box."""

    x: float
    y: float
    w: float
    h: float
    name: str
    role: str = "dim"


Mark = Words | Area | Edge | Wire | Sign


class Spot(NamedTuple):
    """A place that explains itself, leads somewhere, or can be copied; not painted."""

    x: float
    y: float
    w: float
    h: float
    tip: Tip | None = None
    link: Link | None = None
    copy: str = ""
    value: int | None = None
    action: str = ""
    name: str = ""
    edit: Editable | None = None

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.x <= x < self.x + self.w and self.y <= y < self.y + self.h


def bounds(mark: Mark) -> QRectF:
    """The rectangle a mark may touch."""
    if isinstance(mark, Wire):
        xs, ys = zip(*mark.points, strict=True)
        return QRectF(min(xs) - 8, min(ys) - 8, max(xs) - min(xs) + 16, max(ys) - min(ys) + 16)
    if isinstance(mark, Words):
        # Ink may hang over the advance width and the box by a little.
        return QRectF(mark.x - 2, mark.y - 2, mark.w + 4, mark.h + 4)
    return QRectF(mark.x - 3, mark.y - 3, mark.w + 6, mark.h + 6)


def _apart(mark: Mark, clip: QRectF) -> bool:
    """Whether a mark surely leaves no ink in a rectangle; a quicker question than `bounds`, and often asked."""
    if isinstance(mark, Wire):
        return not bounds(mark).intersects(clip)
    top = clip.top()
    if mark.y > top + clip.height() + 3 or mark.y + mark.h < top - 3:
        return True
    left = clip.left()
    return mark.x > left + clip.width() + 3 or mark.x + mark.w < left - 3


def badge_width(text: str, icon: bool) -> float:
    """Width of a badge around a text."""
    return fonts.width(text, fonts.CAPTION_STRONG) + 16 + (15 if icon else 0)


# --- Painting ----------------------------------------------------------------------------------------------------


def paint(marks: Iterable[Mark], painter: QPainter, look: Look, clip: QRectF | None = None) -> None:
    """Paint marks in order; the painter's unit is a layout pixel. Marks outside `clip` are left out."""
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
    plain = painter.worldTransform()
    written = QTransform(plain).scale(1 / UNIT, 1 / UNIT)
    writing = False
    outlined = painter.paintEngine().type() == QPaintEngine.Type.SVG
    for mark in marks:
        if clip is not None and _apart(mark, clip):
            continue
        if isinstance(mark, Words) != writing:
            writing = not writing
            painter.setWorldTransform(written if writing else plain)
        if outlined and isinstance(mark, Words):
            _outlined(painter, look, mark)
        else:
            _PAINT[type(mark)](painter, look, mark)
    painter.setWorldTransform(plain)


def _start(mark: Words) -> QPointF:
    """Where the first letter stands on its line, in text units."""
    x = mark.x
    if mark.align != "left":
        slack = mark.w - fonts.width(mark.text, mark.style)
        x += slack / 2 if mark.align == "center" else slack
    return QPointF(x * UNIT, (mark.y + (mark.h + fonts.cap_height(mark.style)) / 2) * UNIT)


def _words(painter: QPainter, look: Look, mark: Words) -> None:
    painter.setFont(fonts.font(mark.style))
    painter.setPen(look.colour(mark.role, mark.alpha))
    painter.drawText(_start(mark), mark.text)


def _outlined(painter: QPainter, look: Look, mark: Words) -> None:
    """Text as shapes: a drawing looks the same where the fonts are not installed, and keeps its weights."""
    path = QPainterPath()
    path.addText(_start(mark), fonts.font(mark.style), mark.text)
    painter.fillPath(path, look.colour(mark.role, mark.alpha))


def _area(painter: QPainter, look: Look, mark: Area) -> None:
    if not (mark.radius or mark.stroke or mark.base or mark.hatched):
        alpha = look.theme.tint if mark.alpha == TINT else mark.alpha
        painter.fillRect(QRectF(mark.x, mark.y, mark.w, mark.h), look.colour(mark.fill, alpha))
        return
    inset = mark.thick / 2 if mark.stroke else 0.0
    box = QRectF(mark.x + inset, mark.y + inset, mark.w - 2 * inset, mark.h - 2 * inset)
    if mark.base:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.colour(mark.base))
        painter.drawRoundedRect(box, mark.radius, mark.radius)
    pen = QPen(look.colour(mark.stroke, mark.stroke_alpha), mark.thick) if mark.stroke else QPen(Qt.PenStyle.NoPen)
    if mark.dashed:
        pen.setDashPattern([3 / mark.thick, 3 / mark.thick])
    painter.setPen(pen)
    alpha = look.theme.tint if mark.alpha == TINT else mark.alpha
    painter.setBrush(look.colour(mark.fill, alpha) if mark.fill else QBrush(Qt.BrushStyle.NoBrush))
    painter.drawRoundedRect(box, mark.radius, mark.radius)
    if mark.hatched:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(look.colour("card", 0.45), Qt.BrushStyle.BDiagPattern))
        painter.drawRoundedRect(box, mark.radius, mark.radius)


def _edge(painter: QPainter, look: Look, mark: Edge) -> None:
    path = QPainterPath()
    path.addRoundedRect(QRectF(mark.x, mark.y, mark.w, mark.h), mark.radius, mark.radius)
    strip = QPainterPath()
    strip.addRect(QRectF(mark.x, mark.y, mark.thick, mark.h))
    painter.fillPath(path.intersected(strip), look.colour(mark.role))


@lru_cache(maxsize=1024)
def _route(points: Points, radius: float) -> QPainterPath:
    """The polyline with each inner corner cut by a curve."""
    path = QPainterPath(QPointF(*points[0]))
    for at in range(1, len(points) - 1):
        (ax, ay), (bx, by), (cx, cy) = points[at - 1], points[at], points[at + 1]
        before, after = hypot(bx - ax, by - ay), hypot(cx - bx, cy - by)
        cut = min(radius, before / 2, after / 2)
        if cut > 0:
            path.lineTo(bx + (ax - bx) * cut / before, by + (ay - by) * cut / before)
            path.quadTo(bx, by, bx + (cx - bx) * cut / after, by + (cy - by) * cut / after)
    path.lineTo(QPointF(*points[-1]))
    return path


def _wire(painter: QPainter, look: Look, mark: Wire) -> None:
    points = mark.points
    colour = look.colour(mark.role, mark.alpha)
    (ax, ay), (bx, by) = points[-2], points[-1]
    length = hypot(bx - ax, by - ay) or 1.0
    ux, uy = (bx - ax) / length, (by - ay) / length
    size = 4.5 + 1.8 * mark.thick
    if mark.head:
        points = (*points[:-1], (bx - ux * size * 0.8, by - uy * size * 0.8))
    pen = QPen(colour, mark.thick)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if mark.dashed:
        pen.setDashPattern([4 / mark.thick, 3 / mark.thick])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(_route(points, mark.radius))
    if mark.head:
        wing = size * 0.5
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(bx, by),
                    QPointF(bx - ux * size - uy * wing, by - uy * size + ux * wing),
                    QPointF(bx - ux * size + uy * wing, by - uy * size - ux * wing),
                ]
            )
        )


def _sign(painter: QPainter, look: Look, mark: Sign) -> None:
    look.picture(mark.name, mark.role).render(painter, QRectF(mark.x, mark.y, mark.w, mark.h))


_PAINT: dict[type, Callable[[QPainter, Look, Any], None]] = {
    Words: _words,
    Area: _area,
    Edge: _edge,
    Wire: _wire,
    Sign: _sign,
}
