"""A line to write what to run to: an expression of the lesson language, forwards with Enter, backwards with Shift."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton

from teachvm.app.control import Direction
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.window.buttons import IconButton

EXAMPLES = "trap('cli')   at('idle')   vcpu.eax == 3   console('ticks:')"


class UntilBar(QFrame):
    """Asks for a place in time; `asked` carries what was written and the direction."""

    asked = Signal(str, Direction)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("until-bar")
        self.setAccessibleName("Run until")
        self.label = QLabel("Run until")
        look.dress(self.label, fonts.SMALL)
        self.line = QLineEdit()
        self.line.setObjectName("until-line")
        self.line.setAccessibleName("Run until: an event, a label, console output or a condition")
        self.line.setPlaceholderText(EXAMPLES)
        look.dress(self.line, fonts.MONO)
        self.label.setBuddy(self.line)
        self.forward = self._button("until-forward", "Forwards", "To the next time it is so (Enter)")
        self.backward = self._button("until-backward", "Backwards", "To the previous time it was so (Shift+Enter)")
        self.close_button = IconButton(look, "until-close", "close", "Put this line away")
        self.forward.clicked.connect(lambda: self._ask(Direction.FORWARD))
        self.backward.clicked.connect(lambda: self._ask(Direction.BACKWARD))
        self.close_button.clicked.connect(self.hide)
        self._row = QHBoxLayout(self)
        self._row.addWidget(self.label)
        self._row.addWidget(self.line, 1)
        for button in (self.backward, self.forward, self.close_button):
            self._row.addWidget(button)
        self.hide()
        look.changed.connect(self._restyle)
        self._restyle()

    def _button(self, name: str, text: str, hint: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setAccessibleName(f"Run {text.lower()} until this")
        button.setToolTip(hint)
        self.look.dress(button, fonts.SMALL)
        return button

    def open(self) -> None:
        """Show the line, ready to be written in."""
        self.show()
        self.line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.line.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter runs, Shift+Enter runs backwards."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._ask(Direction.BACKWARD if back else Direction.FORWARD)
        else:
            super().keyPressEvent(event)

    def _ask(self, direction: Direction) -> None:
        self.asked.emit(self.line.text(), direction)

    def _restyle(self) -> None:
        px = self.look.px
        self._row.setContentsMargins(px(14), px(4), px(6), px(4))
        self._row.setSpacing(px(8))
