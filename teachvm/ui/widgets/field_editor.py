"""A line over a value, in which it is changed in place."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from teachvm.app.wording import Editable
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look


class FieldEditor(QLineEdit):
    """Enter takes what was written, Esc and leaving it do not. `taken` carries what is changed, and the text."""

    taken = Signal(object, str)

    def __init__(self, look: Look, parent: QWidget, what: Editable, text: str, box: QRect) -> None:
        super().__init__(parent)
        self.what = what
        self.setObjectName("field-editor")
        self.setAccessibleName(f"New value of {what.name}")
        self.setToolTip("Hexadecimal as shown, # before a decimal number, or an expression; Enter takes it.")
        look.dress(self, fonts.MONO)
        self.setText(text)
        self.selectAll()
        high = max(box.height(), look.px(26))
        wide = max(box.width() + look.px(16), look.px(56))
        x = max(0, min(box.x() - look.px(6), parent.width() - wide))
        self.setGeometry(x, box.y() - (high - box.height()) // 2, wide, high)
        self.setProperty("field", "true")

    def event(self, event: QEvent) -> bool:
        """While a value is given, Esc is the line's key before it is the window's."""
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take it, or leave it."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.taken.emit(self.what, self.text())
            self._close()
        elif event.key() == Qt.Key.Key_Escape:
            self._close()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving it changes nothing."""
        super().focusOutEvent(event)
        if event.reason() not in (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason):
            self._close()

    def _close(self) -> None:
        if self.isVisible():
            parent = self.parentWidget()
            had = self.hasFocus()
            self.hide()
            self.deleteLater()
            if parent is not None and had:
                parent.setFocus()
