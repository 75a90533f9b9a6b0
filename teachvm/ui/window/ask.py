"""A prediction or a question: its options, what was chosen, and what is said about it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QRadioButton,
    QSizePolicy,
)

from teachvm.app.presentation import plain
from teachvm.app.prose import inline, words
from teachvm.app.rail import AskView, Verdict
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import announce
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import TINT, Area, Mark, Sign, paint
from teachvm.ui.widgets.prose import Prose
from teachvm.ui.widgets.rows import Rows

PITCH = 20.0
_SIGNS: dict[Verdict, tuple[str, str]] = {
    "open": ("chosen", "now"),
    "right": ("tick", "good"),
    "wrong": ("cross", "trap"),
}


class Option(QRadioButton):
    """One answer to choose; its text wraps, its state has an icon. `confirmed`: Enter was pressed on it."""

    confirmed = Signal()

    def __init__(self, look: Look, name: str) -> None:
        super().__init__()
        self.look = look
        self.setObjectName(name)
        self._words = inline("")
        self._verdict: Verdict = "open"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_option(self, text: str, verdict: Verdict) -> None:
        """Show an answer; `verdict` colours it once it was chosen."""
        self._words = inline(text)
        said = plain(self._words)
        self.setAccessibleName(said if verdict == "open" else f"{said}, {verdict}")
        self._verdict = verdict
        self.updateGeometry()
        self.update()

    def marks(self, width: float) -> tuple[list[Mark], float]:
        """What it looks like at a width, and how high it is, in layout pixels."""
        laid = put(self._words, 40, 9, width - 52, PITCH, fonts.BODY)
        high = laid.height + 18
        marked = self.isChecked() or self._verdict != "open"
        icon, role = _SIGNS[self._verdict] if marked else ("ring", "dim")
        hot = self.underMouse() and self.isEnabled()
        stroke = role if marked else "now" if hot or self.hasFocus() else "line"
        thick = 2.0 if self.hasFocus() else 1.0
        marks: list[Mark] = [
            Area(0, 0, width, high, role if self.isChecked() else "", TINT, stroke, thick, 8, base="card2"),
            Sign(13, 9 + (PITCH - 16) / 2, 16, 16, icon, role),
            *laid.marks,
        ]
        return marks, high

    def sizeHint(self) -> QSize:
        """As high as its words."""
        zoom = self.look.zoom
        width = max(self.width(), round(200 * zoom))
        return QSize(width, round(self.marks(width / zoom)[1] * zoom))

    def hasHeightForWidth(self) -> bool:
        """Words wrap."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of the wrapped words."""
        zoom = self.look.zoom
        return round(self.marks(width / zoom)[1] * zoom)

    def hitButton(self, pos: object) -> bool:
        """All of it can be clicked."""
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the marks."""
        with QPainter(self) as painter:
            painter.scale(self.look.zoom, self.look.zoom)
            paint(self.marks(self.width() / self.look.zoom)[0], painter, self.look)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter chooses, and on what is chosen already goes on."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
        elif self.isChecked():
            self.confirmed.emit()
        else:
            self.click()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show that it can be chosen."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Back to rest."""
        super().leaveEvent(event)
        self.update()


class AskPanel(Rows):
    """Shows an `AskView`; `answered` carries the question's id and the answer's index or text.

    `confirmed` says that Enter was pressed on an answer: whoever has the primary button presses it.
    """

    answered = Signal(str, str)
    confirmed = Signal()

    def __init__(self, look: Look, name: str) -> None:
        super().__init__(look, (15, 13, 15, 15), 9)
        self.setObjectName(name)
        self.setProperty("panel", "true")
        self._view = AskView("", "")
        self.kicker = QLabel()
        self.kicker.setProperty("type", "kicker")
        look.dress(self.kicker, fonts.CAPTION_STRONG)
        self.prompt = Prose(look, f"{name}-prompt", role="text")
        self.prompt.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.options: list[Option] = []
        self.line = QLineEdit()
        self.line.setObjectName(f"{name}-line")
        self.line.setAccessibleName("Your answer")
        look.dress(self.line, fonts.BODY)
        self.line.textEdited.connect(self._answer_line)
        self.line.returnPressed.connect(self._confirm_line)
        self.feedback = Prose(look, f"{name}-feedback", fonts.SMALL)
        self.feedback.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for widget in (self.kicker, self.prompt, self.line, self.feedback):
            self.add(widget)

    def show_ask(self, view: AskView) -> None:
        """Show another state of the question."""
        judged = view.verdict not in ("open", self._view.verdict)
        differ = view.options != self._view.options
        self._view = view
        self.kicker.setText(view.kicker.upper())
        self.prompt.show_markdown(view.prompt)
        if differ:
            self._make_options(len(view.options))
        for at, option in enumerate(self.options):
            self._show_option(option, str(at), view.options[at])
        self.line.setVisible(view.kind != "choice")
        self.line.setReadOnly(view.locked)
        self.line.setPlaceholderText("42, 0x2a or 2ah" if view.kind == "number" else "")
        if view.kind != "choice" and self.line.text().strip() != view.chosen:
            self.line.setText(view.chosen)
        self.feedback.setVisible(bool(view.feedback))
        self.feedback.show_markdown(view.feedback)
        self.arrange()
        if judged:
            announce(self, f"{view.verdict}. {words(view.feedback)}")

    def _show_option(self, option: Option, index: str, text: str) -> None:
        """An option before the verdict; after it only what was chosen and what is right is left."""
        view = self._view
        chosen, right = view.chosen == index, view.right == index
        option.setChecked(chosen)
        option.setEnabled(not view.locked or chosen)
        option.setVisible(view.verdict == "open" or chosen or right)
        verdict: Verdict = "open" if view.verdict == "open" else "right" if right else "wrong" if chosen else "open"
        option.show_option(text, verdict)

    def take_focus(self) -> None:
        """Let the keyboard answer."""
        if self._view.kind != "choice":
            self.line.setFocus()
        elif self.options:
            chosen = next((option for option in self.options if option.isChecked()), self.options[0])
            chosen.setFocus()

    def _make_options(self, count: int) -> None:
        for option in self.options:
            self.remove(option)
        self.options = []
        for at in range(count):
            option = Option(self.look, f"{self.objectName()}-option-{at + 1}")
            option.clicked.connect(lambda _checked=False, index=at: self.answered.emit(self._view.id, str(index)))
            option.confirmed.connect(self.confirmed)
            self.add(option, at=2 + at)
            self.options.append(option)

    def _answer_line(self) -> None:
        if not self._view.locked:
            self.answered.emit(self._view.id, self.line.text().strip())

    def _confirm_line(self) -> None:
        self._answer_line()
        self.confirmed.emit()
