"""Every key on one sheet, printed from the key table."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from teachvm.app.keys import KEYS
from teachvm.app.presentation import Span
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import Area, Mark, Spot, Words

COLUMN = 420.0


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
        half = -(-len(KEYS) // columns)
        lowest = 0.0
        for column in range(columns):
            y = 84.0
            for key in KEYS[column * half : (column + 1) * half]:
                x = 24 + column * (wide + 28)
                at = x
                for sequence in key.keys:
                    cap = fonts.width(sequence, fonts.MONO_SMALL) + 14
                    marks.append(Area(at, y + 1, cap, 22, "", 1.0, "line", 1.0, 5, base="card2"))
                    marks.append(Words(at + 7, y + 1, cap - 14, 22, sequence, fonts.MONO_SMALL, "text"))
                    at += cap + 5
                said = put((Span(key.does, "dim"),), x + 178, y + 2, wide - 178, 19, fonts.SMALL)
                marks += said.marks
                spots.append(Spot(x, y, wide, max(said.height, 24), name=f"{' or '.join(key.keys)}: {key.does}"))
                y += max(said.height + 9, 31)
            lowest = max(lowest, y)
        return Picture(marks, spots, lowest + 16)


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
        page = QWidget()
        page.setObjectName("column")
        rows = QVBoxLayout(page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.table)
        rows.addStretch(1)
        area.setWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.resize(look.px(2 * COLUMN + 60), look.px(620))

    def event(self, event: QEvent) -> bool:
        """Take Esc and `?` before the window behind does: both close the sheet."""
        if isinstance(event, QKeyEvent) and (event.key() == Qt.Key.Key_Escape or event.text() == "?"):
            event.accept()
            if event.type() == QEvent.Type.KeyPress:
                self.close()
            return True
        return super().event(event)
