"""The body of a card: its blocks one below the other, scrolled together where they do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from teachvm.app.presentation import (
    ActorsView,
    BarsView,
    Block,
    ChipsView,
    CodeView,
    ConsoleView,
    DiagramView,
    HexView,
    LanesView,
    NoteView,
    PairsView,
    StatsView,
    TableView,
)
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.actors import ActorStack, Note, Stats
from teachvm.ui.widgets.bars import Bars
from teachvm.ui.widgets.canvas import ANY_HEIGHT
from teachvm.ui.widgets.code_list import CodeList
from teachvm.ui.widgets.console import Console
from teachvm.ui.widgets.diagram import Diagram
from teachvm.ui.widgets.hex_grid import HexGrid
from teachvm.ui.widgets.lanes import Lanes
from teachvm.ui.widgets.pairs import Chips, PairsTable
from teachvm.ui.widgets.table import Table


class BlockWidget(Protocol):
    """What a column needs of a widget that shows a block."""

    fills: bool

    def show_block(self, view: Any) -> None:
        """Show another block of its kind."""

    def height_at(self, width: int) -> int:
        """Widget height it needs at a widget width."""


WIDGETS: dict[type, Callable[[Look, str], QWidget]] = {
    CodeView: CodeList,
    PairsView: PairsTable,
    ChipsView: Chips,
    ActorsView: ActorStack,
    StatsView: Stats,
    HexView: HexGrid,
    TableView: Table,
    ConsoleView: Console,
    NoteView: Note,
    DiagramView: Diagram,
    LanesView: Lanes,
    BarsView: Bars,
}
"""The widget of every kind of block."""


class _Stack(QWidget):
    """The scrolled widget; the column lays it out."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("column")


class BlockColumn(QScrollArea):
    """Shows a tuple of blocks, keeping the widgets of blocks whose kind did not change.

    `followed` carries links, `sought` moments, `break_toggled` addresses, `typed` a guest and a line for its console,
    `edited` what was given anew, and its text.
    """

    followed = Signal(object)
    sought = Signal(object)
    break_toggled = Signal(int)
    typed = Signal(str, str)
    valued = Signal(object, str)
    wondered = Signal(object, bool)
    edited = Signal(str, str)

    def __init__(self, look: Look, name: str) -> None:
        super().__init__()
        self.look = look
        self.name = name
        self.setObjectName(f"{name}-body")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._stack = _Stack()
        self.setWidget(self._stack)
        self.blocks: list[QWidget] = []
        self._kinds: list[type] = []
        look.changed.connect(self.relayout)

    def show_blocks(self, blocks: tuple[Block, ...]) -> None:
        """Show other blocks."""
        kinds = [type(block) for block in blocks]
        if kinds != self._kinds:
            self._rebuild(kinds)
        for widget, block in zip(self.blocks, blocks, strict=True):
            show: BlockWidget = widget  # type: ignore[assignment]  # every entry of WIDGETS satisfies the protocol
            show.show_block(block)
        self.relayout()

    def _rebuild(self, kinds: list[type]) -> None:
        for widget in self.blocks:
            widget.hide()
            widget.deleteLater()
        self.blocks = []
        self._kinds = kinds
        for at, kind in enumerate(kinds):
            name = self.name if kinds.count(kind) == len(kinds) == 1 else f"{self.name}-{kind.__name__[:-4].lower()}"
            widget = WIDGETS[kind](self.look, name if kinds[:at].count(kind) == 0 else f"{name}-{at}")
            widget.setParent(self._stack)
            self._connect(widget)
            widget.show()
            self.blocks.append(widget)

    def _connect(self, widget: QWidget) -> None:
        for name in ("followed", "sought", "break_toggled", "typed", "edited", "valued", "wondered"):
            signal = getattr(widget, name, None)
            if signal is not None:
                signal.connect(getattr(self, name))
        if isinstance(widget, CodeList):
            widget.reveal.connect(self._reveal)

    def _reveal(self, box: QRect) -> None:
        """Scroll so that a rectangle of the sending widget is in sight, its top first."""
        sender = self.sender()
        if not isinstance(sender, QWidget):
            return
        top, bottom = sender.y() + box.top(), sender.y() + box.bottom()
        bar, high = self.verticalScrollBar(), self.viewport().height()
        if bottom > bar.value() + high:
            bar.setValue(min(bottom - high, top))
        if top < bar.value():
            bar.setValue(max(top, 0))

    def scroll_home(self) -> None:
        """Scroll to where a card that was just opened stands."""
        self.verticalScrollBar().setValue(0)
        for widget in self.blocks:
            if isinstance(widget, CodeList):
                widget.reveal_current()

    def relayout(self) -> None:
        """Give every block its height; what is left over goes to those that fill."""
        width, room = self.viewport().width(), self.viewport().height()
        needs = [self._need(widget, width) for widget in self.blocks]
        self._share_out(needs, max(0, room - sum(needs)))
        total = sum(needs)
        self._stack.resize(QSize(width, max(total, room)))
        y = 0
        for widget, need in zip(self.blocks, needs, strict=True):
            widget.setGeometry(0, y, width, need)
            y += need
        self.verticalScrollBar().setSingleStep(self.look.px(26))

    def _share_out(self, needs: list[int], spare: int) -> None:
        """Divide what is left over among the blocks that fill; what one has no use for goes to the others."""
        most = {at: self._most(each) for at, each in enumerate(self.blocks) if getattr(each, "fills", False)}
        while spare > 0 and (able := [at for at in most if needs[at] < most[at]]):
            for order, at in enumerate(able):
                share = -(-spare // (len(able) - order))
                given = min(share, most[at] - needs[at])
                needs[at] += given
                spare -= given

    def _most(self, widget: QWidget) -> int:
        """Widget height beyond which a block that fills has no use for more."""
        most: Callable[[], float] | None = getattr(widget, "most_height", None)
        return ANY_HEIGHT if most is None else math.ceil(most() * self.look.zoom)

    @staticmethod
    def _need(widget: QWidget, width: int) -> int:
        shown: BlockWidget = widget  # type: ignore[assignment]  # every entry of WIDGETS satisfies the protocol
        return shown.height_at(width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The blocks' heights depend on the width."""
        super().resizeEvent(event)
        self.relayout()
        for widget in self.blocks:
            if isinstance(widget, CodeList):
                widget.reveal_current()
