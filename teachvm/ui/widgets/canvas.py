"""The base of every drawn widget: composes marks, repaints what differs, explains itself by pointer and by key."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import QApplication, QMenu, QSizePolicy, QToolTip, QWidget

from teachvm.app.notation import radixes
from teachvm.app.presentation import Tip
from teachvm.app.wording import Editable
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.asking import value_menu
from teachvm.ui.widgets.field_editor import FieldEditor
from teachvm.ui.widgets.ink import Mark, Spot, bounds, paint

MANY_CHANGES = 120
"""With more differing marks than this, the whole widget is repainted: cheaper than their union."""

ANY_HEIGHT = 1 << 20
"""More layout pixels than any card is high: what has use for all it is given asks for so many."""


_STEPS: dict[int, int] = {Qt.Key.Key_Down: 1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_Left: -1}

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F2)


class Picture(NamedTuple):
    """A composed widget: what is painted, what reacts, and the height it needs, in layout pixels."""

    marks: list[Mark]
    spots: list[Spot]
    height: float


def tip_html(tip: Tip, look: Look, more: str = "") -> str:
    """An explanation as Qt's rich text: term, words, source."""
    dim = look.theme["dim"]
    parts = [f"<b>{escape(tip.term)}</b>"] if tip.term else []
    parts += [escape(tip.text)] if tip.text else []
    parts += [f"<span style='color:{dim}'>{escape(more)}</span>"] if more else []
    parts += [f"<i style='color:{dim}'>{escape(tip.source)}</i>"] if tip.source else []
    return f"<div style='width:{look.px(300)}px'>{'<br>'.join(parts)}</div>"


class Canvas(QWidget):
    """A widget painted from marks. Subclasses say what they look like in `compose`.

    `followed` carries the link of an activated spot, `acted` the name of an activated action, `valued` an edited value,
    `wondered` a value somebody wants to know the origin of, and whether forwards.
    """

    followed = Signal(object)
    acted = Signal(str)
    valued = Signal(object, str)
    wondered = Signal(object, bool)

    fills = False
    """Whether it wants all the height its card can give."""

    def __init__(self, look: Look, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = look
        self.setObjectName(name)
        self.setAccessibleName(name.replace("-", " "))
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._picture: Picture | None = None
        self._composed_for = (0, 0)
        self._heights: dict[int, int] = {}
        self._hovered: Spot | None = None
        self._chosen = -1
        self._clicked: Spot | None = None
        self._editing = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._single)
        look.changed.connect(self.restyle)

    # --- for subclasses ------------------------------------------------------------------------------------------

    def compose(self, width: float, height: float) -> Picture:
        """Say what the widget looks like at a size in layout pixels."""
        raise NotImplementedError

    def least_height(self) -> float:
        """Height below which a filling canvas is not useful, in layout pixels."""
        return 80.0

    # --- picture -------------------------------------------------------------------------------------------------

    @property
    def picture(self) -> Picture:
        """The current marks, composed for the current size."""
        size = (self.width(), self.height() if self.fills else 0)
        if self._picture is None or self._composed_for != size:
            zoom = self.look.zoom
            self._picture = self.compose(self.width() / zoom, self.height() / zoom)
            self._composed_for = size
        return self._picture

    def refresh(self) -> None:
        """Compose anew and repaint what differs."""
        old = self._picture if self._composed_for == (self.width(), self.height() if self.fills else 0) else None
        self.forget()
        if self.width() <= 0 or not self.isVisible():
            return
        new = self.picture
        if old is None:
            self.update()
        elif old.marks != new.marks:
            self._repaint_difference(old.marks, new.marks)
        if old is None or old.height != new.height:
            self.updateGeometry()
        if self._chosen >= len(new.spots):
            self._chosen = -1

    def forget(self) -> None:
        """What it shows has changed: the picture and the heights are no longer true."""
        self._picture = None
        self._heights.clear()

    def _repaint_difference(self, old: list[Mark], new: list[Mark]) -> None:
        changed = set(old) ^ set(new)
        if not changed or len(changed) > MANY_CHANGES:
            self.update()
            return
        region = QRegion()
        for mark in changed:
            region += self.to_pixels(bounds(mark))
        self.update(region)

    def to_pixels(self, box: QRectF) -> QRect:
        """A layout rectangle in widget pixels, grown to whole ones."""
        zoom = self.look.zoom
        return QRectF(box.x() * zoom, box.y() * zoom, box.width() * zoom, box.height() * zoom).toAlignedRect()

    def to_layout(self, point: QPointF | QPoint) -> tuple[float, float]:
        """A widget point in layout pixels."""
        return point.x() / self.look.zoom, point.y() / self.look.zoom

    def height_at(self, width: int) -> int:
        """Widget height the content needs at a widget width."""
        zoom = self.look.zoom
        if self.fills:
            return round(self.least_height() * zoom)
        if width == self.width():
            return round(self.picture.height * zoom)
        high = self._heights.get(width)
        if high is None:
            high = self._heights[width] = round(self.compose(width / zoom, 0).height * zoom)
        return high

    def restyle(self) -> None:
        """Compose and paint again after a change of the look."""
        self.forget()
        self.updateGeometry()
        self.update()

    # --- Qt ------------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """As wide as it is, as high as its content."""
        return QSize(self.width(), self.height_at(max(self.width(), 1)))

    def hasHeightForWidth(self) -> bool:
        """Its height follows from its width, unless it takes what it is given."""
        return not self.fills

    def heightForWidth(self, width: int) -> int:
        """Widget height at a widget width."""
        return self.height_at(width)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the marks that touch the exposed part."""
        zoom = self.look.zoom
        shown = event.rect()
        clip = QRectF(shown.x() / zoom, shown.y() / zoom, shown.width() / zoom, shown.height() / zoom)
        marks = self.picture.marks
        # A painter left open by an error would take the process with it.
        with QPainter(self) as painter:
            painter.scale(zoom, zoom)
            paint(marks, painter, self.look, clip)
            if self.hasFocus():
                self._paint_focus(painter)

    def _paint_focus(self, painter: QPainter) -> None:
        painter.setPen(QPen(self.look.colour("now"), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        spots = self.picture.spots
        if 0 <= self._chosen < len(spots):
            spot = spots[self._chosen]
            painter.drawRoundedRect(QRectF(spot.x - 3, spot.y - 1, spot.w + 6, spot.h + 2), 4, 4)
        else:
            zoom = self.look.zoom
            painter.drawRoundedRect(QRectF(1, 1, self.width() / zoom - 2, self.height() / zoom - 2), 6, 6)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The marks depend on the size."""
        super().resizeEvent(event)
        self._picture = None
        self._hovered = None

    def spot_at(self, point: QPointF | QPoint) -> Spot | None:
        """The topmost spot under a widget point."""
        x, y = self.to_layout(point)
        return next((spot for spot in reversed(self.picture.spots) if spot.holds(x, y)), None)

    def explain(self, spot: Spot) -> str:
        """The hover text of a spot as rich text."""
        more = ""
        if spot.value is not None:
            more = " · ".join(f"{name} {text}" for name, text in radixes(spot.value) if name in ("decimal", "binary"))
        return tip_html(spot.tip or Tip(spot.copy), self.look, more)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Explain what is under the pointer, with a hand over what leads somewhere."""
        spot = self.spot_at(event.position())
        if spot != self._hovered:
            self._hovered = spot
            self.setToolTip(self.explain(spot) if spot is not None and (spot.tip or spot.copy) else "")
        leads = spot is not None and (spot.link is not None or bool(spot.action))
        self.setCursor(Qt.CursorShape.PointingHandCursor if leads else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click begins."""
        self._editing = False
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Follow a link, or act; a link of a value that can be changed only when no second click came."""
        if event.button() == Qt.MouseButton.LeftButton:
            spot = self.spot_at(event.position())
            if spot is not None and spot.edit is not None and spot.link is not None:
                if not self._editing:
                    self._clicked = spot
                    self._patience.start(QApplication.doubleClickInterval())
            elif spot is not None:
                self.activate(spot)
        super().mouseReleaseEvent(event)

    def _single(self) -> None:
        """It was one click, and no second one."""
        if self._clicked is not None:
            self.activate(self._clicked)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Edit what is under the pointer."""
        spot = self.spot_at(event.position())
        if spot is not None and spot.edit is not None:
            self._patience.stop()
            self._editing = True  # the second click's release is still to come
            self.edit(spot)
        else:
            super().mouseDoubleClickEvent(event)

    def edit(self, spot: Spot) -> None:
        """Open a line over a value to change it in."""
        assert spot.edit is not None
        box = self.to_pixels(QRectF(spot.x, spot.y, spot.w, spot.h))
        text = spot.copy if spot.edit.kind != "flag" else str(spot.value or 0)
        editor = FieldEditor(self.look, self, spot.edit, text if spot.edit.kind != "entry" else "", box)
        editor.taken.connect(self.valued)
        editor.show()
        editor.setFocus()

    def activate(self, spot: Spot) -> None:
        """Do what a click on a spot does."""
        if spot.action:
            self.acted.emit(spot.action)
        elif spot.link is not None:
            self.followed.emit(spot.link)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys go from spot to spot, Enter activates, or edits what leads nowhere; F2 edits."""
        step = _STEPS.get(event.key())
        spots = self.picture.spots
        if step is not None and spots and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self._chosen = 0 if self._chosen < 0 else min(max(self._chosen + step, 0), len(spots) - 1)
            self._show_chosen(spots[self._chosen])
        elif event.key() in _ENTER and 0 <= self._chosen < len(spots):
            chosen = spots[self._chosen]
            plain = chosen.link is None and not chosen.action
            if chosen.edit is not None and (plain or event.key() == Qt.Key.Key_F2):
                self.edit(chosen)
            elif event.key() != Qt.Key.Key_F2:
                self.activate(chosen)
        else:
            super().keyPressEvent(event)

    def _show_chosen(self, spot: Spot) -> None:
        tip = spot.tip
        parts = [spot.name or spot.copy, *((tip.term, tip.text) if tip else ())]
        announce(self, ". ".join(part for part in parts if part))
        if tip:
            where = self.to_pixels(QRectF(spot.x, spot.y, spot.w, spot.h)).bottomLeft()
            QToolTip.showText(self.mapToGlobal(where), self.explain(spot), self)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Forget the chosen spot, unless its value is being changed."""
        focus = QApplication.focusWidget()
        if focus is None or not self.isAncestorOf(focus):
            self._chosen = -1
        QToolTip.hideText()
        super().focusOutEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Copy what is under the pointer, or was chosen by key, in any radix, or ask where it comes from."""
        spot, where = self.spot_of_menu(event)
        if spot is None or not (spot.copy or spot.value is not None):
            return
        menu = self.copy_menu(spot)
        menu.exec(where)
        menu.deleteLater()

    def spot_of_menu(self, event: QContextMenuEvent) -> tuple[Spot | None, QPoint]:
        """What a context menu is for, and where on the screen it opens: the key that opens it means what was chosen."""
        spots = self.picture.spots
        if event.reason() == QContextMenuEvent.Reason.Keyboard and 0 <= self._chosen < len(spots):
            spot = spots[self._chosen]
            return spot, self.mapToGlobal(self.to_pixels(QRectF(spot.x, spot.y, spot.w, spot.h)).bottomLeft())
        return self.spot_at(event.pos()), event.globalPos()

    @property
    def pointed(self) -> Editable | None:
        """The value of the machine that was chosen by key, else the one under the pointer."""
        spots = self.picture.spots
        if self.hasFocus() and 0 <= self._chosen < len(spots):
            return spots[self._chosen].edit
        return self._hovered.edit if self._hovered is not None and self.underMouse() else None

    def copy_menu(self, spot: Spot) -> QMenu:
        """The menu that copies a spot's text and value, and asks the past about a value of the machine."""
        return value_menu(self, spot.copy, spot.value, spot.edit, self.wondered.emit)


def announce(widget: QWidget, text: str) -> None:
    """Have a screen reader say something that is not a change of focus."""
    if text and QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(widget, text))
