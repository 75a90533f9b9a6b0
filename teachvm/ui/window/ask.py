"""A prediction or a question: its options, what was chosen, and what is said about it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QWidget,
)

from teachvm.app.presentation import plain
from teachvm.app.prose import inline
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
    """One answer to choose; its text wraps, its state has an icon."""

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
        icon, role = _SIGNS[self._verdict] if self.isChecked() else ("ring", "dim")
        hot = self.underMouse() and self.isEnabled()
        stroke = role if self.isChecked() else "now" if hot or self.hasFocus() else "line"
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

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show that it can be chosen."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Back to rest."""
        super().leaveEvent(event)
        self.update()


class AskPanel(Rows):
    """Shows an `AskView`; `answered` carries the question's id and the answer's index or text."""

    answered = Signal(str, str)

    def __init__(self, look: Look) -> None:
        super().__init__(look, (15, 13, 15, 15), 9)
        self.setObjectName("ask")
        self.setProperty("panel", "true")
        self._view = AskView("", "")
        self.kicker = QLabel()
        self.kicker.setProperty("type", "kicker")
        look.dress(self.kicker, fonts.CAPTION_STRONG)
        self.prompt = Prose(look, "ask-prompt", role="text")
        self.prompt.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.options: list[Option] = []
        self.line = QLineEdit()
        self.line.setObjectName("ask-line")
        self.line.setAccessibleName("Your answer")
        look.dress(self.line, fonts.BODY)
        self.submit = QPushButton("Answer")
        self.submit.setObjectName("ask-submit")
        self.submit.setAccessibleName("Give this answer")
        look.dress(self.submit, fonts.SMALL)
        self.line.returnPressed.connect(self._answer_line)
        self.submit.clicked.connect(self._answer_line)
        self._entry = QWidget()
        row = QHBoxLayout(self._entry)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.submit)
        self.feedback = Prose(look, "ask-feedback", fonts.SMALL)
        self.feedback.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for widget in (self.kicker, self.prompt, self._entry, self.feedback):
            self.add(widget)

    def show_ask(self, view: AskView) -> None:
        """Show another question, or another state of the same one."""
        new = view.id != self._view.id or view.options != self._view.options
        judged = view.verdict not in ("open", self._view.verdict)
        self._view = view
        self.kicker.setText(view.kicker.upper())
        self.prompt.show_markdown(view.prompt)
        if new:
            self._make_options(len(view.options))
            self.line.clear()
        for at, option in enumerate(self.options):
            chosen = view.chosen == str(at)
            option.setChecked(chosen)
            option.setEnabled(not view.locked or chosen)
            option.show_option(view.options[at], view.verdict if chosen else "open")
        self._entry.setVisible(view.kind != "choice")
        self.line.setReadOnly(view.locked)
        self.submit.setEnabled(not view.locked)
        if view.kind != "choice" and view.chosen and not self.line.text():
            self.line.setText(view.chosen)
        self.feedback.setVisible(bool(view.feedback))
        self.feedback.show_markdown(view.feedback)
        self.arrange()
        if judged:
            announce(self, f"{view.verdict}. {view.feedback}")

    def _make_options(self, count: int) -> None:
        for option in self.options:
            self.remove(option)
        self.options = []
        for at in range(count):
            option = Option(self.look, f"ask-option-{at + 1}")
            option.clicked.connect(lambda _checked=False, index=at: self.answered.emit(self._view.id, str(index)))
            self.add(option, at=2 + at)
            self.options.append(option)

    def _answer_line(self) -> None:
        text = self.line.text().strip()
        if text and not self._view.locked:
            self.answered.emit(self._view.id, text)
