"""The timeline dock: what happened when, and the way to any moment of it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout

from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.notation import count
from teachvm.app.presentation import CardView, LanesView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.card import CardTitle
from teachvm.ui.widgets.lanes import BRANCHES, Lanes
from teachvm.ui.window.actions import Actions
from teachvm.ui.window.buttons import IconButton

HIGH = 190
LOW = 160
"""Height in a low window."""
HEAD = 34


class TimelineDock(QFrame):
    """Shows the timeline card's `LanesView` along the whole window.

    `sought` carries moments, `taken` the number of a future to take up.
    """

    sought = Signal(object)
    taken = Signal(int)

    def __init__(self, look: Look, actions: Actions) -> None:
        super().__init__()
        self.look = look
        self._high = HIGH
        self.setObjectName("timeline-dock")
        self.setAccessibleName("Timeline")
        self.title = CardTitle(look, "timeline-dock", "Timeline")
        self.lanes = Lanes(look, "timeline-lanes")
        self.lanes.setAccessibleName("Timeline: left and right go from trap to trap")
        self.lanes.sought.connect(self.sought)
        self.lanes.taken.connect(self.taken)
        self.futures = self._futures(look)
        self._links = [self._link(look, actions, name) for name in ("previous-trap", "next-trap")]
        self._zooms = (
            IconButton(look, "timeline-zoom-out", "minus", "Show more time (minus, when the timeline has the focus)"),
            IconButton(look, "timeline-zoom-in", "plus", "Show less time (plus, when the timeline has the focus)"),
        )
        self._zooms[0].clicked.connect(lambda: self.lanes.zoom(1.6))
        self._zooms[1].clicked.connect(lambda: self.lanes.zoom(1 / 1.6))
        self._head = QHBoxLayout()
        self._head.setSpacing(0)
        self._head.addWidget(self.title, 1)
        for button in (self.futures, *self._links, *self._zooms):
            self._head.addWidget(button)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 1, 0, 4)
        rows.setSpacing(0)
        rows.addLayout(self._head)
        rows.addWidget(self.lanes, 1)
        look.changed.connect(self._restyle)
        self._restyle()

    def _futures(self, look: Look) -> QToolButton:
        """The keyboard's way to the futures that were left behind."""
        button = QToolButton()
        button.setObjectName("timeline-futures")
        button.setToolTip("Futures that were left behind when the past was changed: take one up again")
        button.clicked.connect(self._show_futures)
        button.hide()
        look.dress(button, fonts.SMALL)
        return button

    def _show_futures(self) -> None:
        self.lanes.all_futures().popup(self.futures.mapToGlobal(self.futures.rect().bottomLeft()))

    @staticmethod
    def _link(look: Look, actions: Actions, name: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"timeline-{name}")
        key = KEY_BY_ACTION[name]
        button.setText(key.label)
        actions[name].changed.connect(lambda: button.setText(actions[name].text()))
        button.setAccessibleName(key.does)
        button.setToolTip(f"{key.does} ({key.keys[0]})")
        button.clicked.connect(actions[name].trigger)
        look.dress(button, fonts.SMALL)
        return button

    def show_view(self, view: CardView) -> None:
        """Show the timeline at another moment."""
        self.title.show_view(view)
        for block in view.body:
            if isinstance(block, LanesView):
                self.lanes.show_block(block)
                said = f"Left behind: {count(len(block.branches))}"
                self.futures.setText(said)
                self.futures.setAccessibleName(f"{said}. Take a future up again")
                self.futures.setVisible(bool(block.branches))
                self._set_height()

    def set_low(self, low: bool) -> None:
        """A lower dock for a low window."""
        self._high = LOW if low else HIGH
        self._set_height()

    def _set_height(self) -> None:
        """As high as the window allows, and a row more where futures were left behind."""
        self.setFixedHeight(self.look.px(self._high + (BRANCHES if self.lanes.branched else 0)))

    def _restyle(self) -> None:
        self._set_height()
        self.title.setFixedHeight(self.look.px(HEAD + 6))
        self._head.setContentsMargins(self.look.px(4), 0, self.look.px(14), 0)
