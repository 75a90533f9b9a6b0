"""A line over a table's cell, to give its value anew."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QLineEdit

from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look

MOST_TYPED = 24
"""Characters of a value; a longer one is no value of a table."""


class CellEditor(QLineEdit):
    """`edited` carries what is edited, as the cell names it, and the text given. Esc, or going elsewhere, gives up."""

    edited = Signal(str, str)

    def __init__(self, look: Look, name: str, table: QAbstractItemView) -> None:
        super().__init__(table.viewport())
        self._table = table
        self.setObjectName(f"{name}-editor")
        self.setAccessibleName("New value")
        self.setProperty("cell", "true")
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setMaxLength(MOST_TYPED)
        look.dress(self, fonts.MONO)
        self._what = ""
        self.hide()

    def begin(self, what: str, said: str, value: str, place: QRect) -> None:
        """Edit a value where it stands; `said` names it for those who cannot see it."""
        self._what = what
        self.setAccessibleName(said)
        self.setText(value)
        self.selectAll()
        self.setGeometry(place)
        self.show()
        self.setFocus()

    def _done(self) -> None:
        what, text = self._what, self.text().strip()
        self._leave()
        self.edited.emit(what, text)

    def _leave(self) -> None:
        self.hide()
        self._table.setFocus()

    def event(self, event: QEvent) -> bool:
        """While a value is given, Esc is the line's key before it is the window's."""
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter gives the value, Esc leaves it as it was; neither goes on to the table."""
        if event.key() == Qt.Key.Key_Escape:
            self._leave()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._done()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Whoever goes elsewhere did not mean it."""
        super().focusOutEvent(event)
        self.hide()
