"""Every key on one sheet, printed from the key table."""

from __future__ import annotations

from typing import TypeGuard

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from teachvm.app.keys import KEYS, Key
from teachvm.app.presentation import Span
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import Area, Mark, Spot, Words
from teachvm.ui.widgets.rows import Rows

COLUMN = 420.0
WORDS = 178.0
"""Room for the key caps, left of the words."""


class KeyTable(Canvas):
    """Two columns of keys and what they do."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "key-table")
        self.setAccessibleName("Keys: " + ". ".join(f"{' or '.join(key.keys)}: {key.does}" for key in KEYS))

    def compose(self, width: float, height: float) -> Picture:
        """Set key caps left, words right; half of the table in each column."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        marks.append(Words(24, 18, width - 48, 28, "Keys", fonts.TITLE, "text"))
        rule = (Span("Shift is the same thing backwards, Ctrl is coarser.", "dim"),)
        marks += put(rule, 24, 48, width - 48, 20, fonts.SMALL).marks
        columns = 2 if width >= 2 * COLUMN - 60 else 1
        wide = (width - 48 - 28 * (columns - 1)) / columns
        rows = [(key, put((Span(_does(key), "dim"),), 0, 0, wide - WORDS, 19, fonts.SMALL)) for key in KEYS]
        highs = [max(said.height + 9, 31.0) for _, said in rows]
        half = sum(highs) / columns
        x, y, lowest = 24.0, 84.0, 0.0
        for (key, said), high in zip(rows, highs, strict=True):
            if columns == 2 and x == 24 and y - 84 + high / 2 > half:
                x, y = 24 + wide + 28, 84.0
            self._caps(key, x, y, marks)
            marks += [mark._replace(x=mark.x + x + WORDS, y=mark.y + y + 2) for mark in said.marks if _is_words(mark)]
            spots.append(Spot(x, y, wide, high - 7, name=f"{' or '.join(key.keys)}: {key.does}"))
            y += high
            lowest = max(lowest, y)
        return Picture(marks, spots, lowest + 16)

    @staticmethod
    def _caps(key: Key, x: float, y: float, marks: list[Mark]) -> None:
        """Set the key caps of an action beside one another."""
        for sequence in key.keys:
            cap = fonts.width(sequence, fonts.MONO_SMALL) + 14
            marks.append(Area(x, y + 1, cap, 22, "", 1.0, "line", 1.0, 5, base="card2"))
            marks.append(Words(x + 7, y + 1, cap - 14, 22, sequence, fonts.MONO_SMALL, "text"))
            x += cap + 5


def _does(key: Key) -> str:
    """What a key does, short: a technique's explanation is on its button."""
    return key.label if key.action.startswith("technique-") else key.does


def _is_words(mark: Mark) -> TypeGuard[Words]:
    return isinstance(mark, Words)


class KeySheet(QDialog):
    """The sheet as a window of its own; any key closes it."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("key-sheet")
        self.setWindowTitle("Keys")
        self.table = KeyTable(look)
        area = QScrollArea()
        area.setObjectName("key-sheet-scroll")
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        page = Rows(look, (0, 0, 0, 0), 0)
        page.setObjectName("column")
        page.add(self.table)
        area.setWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.resize(look.px(2 * COLUMN + 60), look.px(540))

    def event(self, event: QEvent) -> bool:
        """Take Esc and `?` before the window behind does: both close the sheet."""
        if isinstance(event, QKeyEvent) and (event.key() == Qt.Key.Key_Escape or event.text() == "?"):
            event.accept()
            if event.type() == QEvent.Type.KeyPress:
                self.close()
            return True
        return super().event(event)
