"""Widgets one below the other, each as high as its width asks for: laid out at once, never squeezed."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from teachvm.ui.theme.look import Look


class Rows(QFrame):
    """A column of widgets; `gap` and the margins are in layout pixels. Hidden widgets take no room."""

    def __init__(self, look: Look, margins: tuple[float, float, float, float], gap: float) -> None:
        super().__init__()
        self.look = look
        self._margins = margins
        self._gap = gap
        self._items: list[tuple[QWidget, bool]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        look.changed.connect(self.arrange)

    def add(self, widget: QWidget, *, at: int | None = None, natural: bool = False) -> None:
        """Take a widget at the end, or before the item `at`; a `natural` one keeps its own width."""
        widget.setParent(self)
        widget.show()
        self._items.insert(len(self._items) if at is None else at, (widget, natural))

    def remove(self, widget: QWidget) -> None:
        """Let a widget go for good."""
        self._items = [item for item in self._items if item[0] is not widget]
        widget.hide()
        widget.deleteLater()

    def index_of(self, widget: QWidget) -> int:
        """Where a widget stands."""
        return next(at for at, item in enumerate(self._items) if item[0] is widget)

    def arrange(self) -> None:
        """Give every widget its place for the present width."""
        self._placed(self.width(), move=True)
        self.updateGeometry()

    def hasHeightForWidth(self) -> bool:
        """Its height follows from its width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of all rows at a width."""
        return self._placed(width, move=False)

    def sizeHint(self) -> QSize:
        """As wide as it is."""
        return QSize(self.width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """Never lower than its rows."""
        return QSize(0, self.heightForWidth(self.width()))

    def _placed(self, width: int, *, move: bool) -> int:
        px = self.look.px
        left, top, right, bottom = (px(margin) for margin in self._margins)
        room, y = max(width - left - right, 10), top
        for widget, natural in self._items:
            if widget.isHidden():
                continue
            wide = min(widget.sizeHint().width(), room) if natural else room
            high = widget.heightForWidth(wide) if widget.hasHeightForWidth() else widget.sizeHint().height()
            if move:
                widget.setGeometry(left, y, wide, high)
            y += high + px(self._gap)
        return y - px(self._gap) + bottom if y > top else top + bottom

    def event(self, event: QEvent) -> bool:
        """A child that wants another size is given it."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.arrange()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, other heights."""
        super().resizeEvent(event)
        self._placed(self.width(), move=True)
