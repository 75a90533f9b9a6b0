"""What a guest printed, as text that can be selected and read out, and a line to type to it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent, QTextCharFormat, QTextCursor, QTextOption
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from teachvm.app.notation import count
from teachvm.app.presentation import ConsoleView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look

MOST_TYPED = 200
"""Characters of one typed line."""


class Console(QWidget):
    """Shows a `ConsoleView`; what the last step printed is marked. `typed` carries a guest and a line for it."""

    followed = Signal(object)
    typed = Signal(str, str)
    fills = True

    def __init__(self, look: Look, name: str = "console") -> None:
        super().__init__()
        self.look = look
        self.setObjectName(name)
        self._view = ConsoleView("")
        self.title = QLabel()
        self.title.setProperty("type", "small")
        look.dress(self.title, fonts.SMALL)
        self.text = QPlainTextEdit()
        self.text.setObjectName(f"{name}-text")
        self.text.setAccessibleName(name.replace("-", " "))
        self.text.setReadOnly(True)
        self.text.setProperty("code", "true")
        self.text.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        self.text.setPlaceholderText(self._view.empty)
        self.text.setTabChangesFocus(True)
        self.text.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text.document().setDocumentMargin(0)
        look.dress(self.text, fonts.MONO)
        self.line = QLineEdit()
        self.line.setObjectName(f"{name}-line")
        self.line.setProperty("code", "true")
        self.line.setProperty("cell", "true")
        look.dress(self.line, fonts.MONO)
        self.line.setPlaceholderText("Type here; Enter sends it")
        self.line.setMaxLength(MOST_TYPED)
        self.line.returnPressed.connect(self._send)
        self.line.hide()
        layout = QVBoxLayout(self)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.line)
        look.changed.connect(self._restyle)
        self._restyle()

    def show_block(self, view: ConsoleView) -> None:
        """Show other output; text that only grew is appended, so that a selection stays."""
        old, self._view = self._view, view
        self.text.setPlaceholderText(view.empty)
        head = [view.title] if view.title else []
        head += [f"{count(view.dropped)} earlier lines are not kept"] if view.dropped else []
        self.title.setText(" · ".join(head))
        self.title.setVisible(bool(head))
        self.line.setVisible(bool(view.guest))
        self.line.setAccessibleName(f"Type on the console of {view.guest}")
        self.line.setToolTip(f"What you type here reaches the serial port of {view.guest} at this moment.")
        before, now = _shown(old), _shown(view)
        if now != before:
            if before and now.startswith(before):
                cursor = QTextCursor(self.text.document())
                cursor.movePosition(QTextCursor.MoveOperation.End)
                cursor.insertText(now[len(before) :])
            else:
                self.text.setPlainText(now)
            self._show_end()
        self._mark_fresh()

    def _send(self) -> None:
        """Send the line, with the byte the Enter key of a terminal sends behind it."""
        text = self.line.text()
        self.line.clear()
        self.typed.emit(self._view.guest, f"{text}\n")

    def _show_end(self) -> None:
        bar = self.text.verticalScrollBar()
        bar.setValue(bar.maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """With other room, what was printed last is still in sight."""
        super().resizeEvent(event)
        self._show_end()

    def least_height(self) -> float:
        """Room for two lines and the one to type, in layout pixels; it is given what its card has left."""
        return 92.0

    def height_at(self, _width: int) -> int:
        """Widget height it asks for."""
        return round(self.least_height() * self.look.zoom)

    def _mark_fresh(self) -> None:
        marks = []
        if self._view.fresh:
            cursor = QTextCursor(self.text.document())
            end = len(_shown(self._view))
            cursor.setPosition(min(max(0, len(self._view.text) - self._view.fresh), end))
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            style = QTextCharFormat()
            style.setBackground(self.look.colour("now", self.look.theme.tint))
            style.setForeground(self.look.colour("now"))
            selection = QTextEdit.ExtraSelection()
            selection.cursor = cursor
            selection.format = style
            marks.append(selection)
        self.text.setExtraSelections(marks)

    def _restyle(self) -> None:
        side = self.look.px(16)
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(side, self.look.px(6), side, self.look.px(6))
        self._mark_fresh()


def _shown(view: ConsoleView) -> str:
    """The text without the line end that closes it, which would be an empty line."""
    return view.text.removesuffix("\n")
