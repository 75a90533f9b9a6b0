"""Presenter mode: notes in a second window, the keys that were pressed on screen, and nothing before a prediction."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from teachvm.app.rail import RailView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.prose import Prose

SHOWN_MS = 1400
"""How long a pressed key stays on screen."""


class NotesWindow(QWidget):
    """Notes for the beat that the hall sees."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setObjectName("notes")
        self.setAccessibleName("Instructor notes")
        self.setWindowTitle("Notes — teachvm")
        # The keys stay with the window the hall sees.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.kicker = QLabel()
        self.kicker.setProperty("type", "small")
        look.dress(self.kicker, fonts.SMALL)
        self.heading = QLabel()
        self.heading.setProperty("type", "title")
        self.heading.setWordWrap(True)
        look.dress(self.heading, fonts.TITLE)
        self.prose = Prose(look, "notes-prose", role="text")
        page = QWidget()
        page.setObjectName("column")
        rows = QVBoxLayout(page)
        rows.setContentsMargins(28, 24, 28, 24)
        rows.setSpacing(12)
        for widget in (self.kicker, self.heading, self.prose):
            rows.addWidget(widget)
        rows.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.resize(look.px(520), look.px(520))

    def show_rail(self, view: RailView) -> None:
        """Show the notes of a beat."""
        self.kicker.setText(view.kicker)
        self.heading.setText(view.heading)
        self.prose.show_markdown(view.notes or "This beat has no note.")


class Veil(QFrame):
    """Stands where cards and timeline were until the hall has predicted; `lifted`: show them all the same."""

    lifted = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setObjectName("veil")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("Cards and timeline are hidden until the prediction is kept")
        heading, text = QLabel("What do you think?"), QLabel("The machine comes back when the prediction is kept.")
        heading.setProperty("type", "title")
        text.setProperty("type", "small")
        look.dress(heading, fonts.TITLE)
        look.dress(text, fonts.BODY)
        self.show_button = QPushButton("Show the machine now")
        self.show_button.setObjectName("veil-show")
        self.show_button.setToolTip("Show cards and timeline before the prediction is kept")
        look.dress(self.show_button, fonts.NAME)
        self.show_button.clicked.connect(self.lifted)
        rows = QVBoxLayout(self)
        rows.setSpacing(12)
        rows.addStretch(1)
        for widget in (heading, text, self.show_button):
            rows.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addStretch(1)
        self.hide()


class PressedKey(QLabel):
    """The last action and its key, large, for a moment."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self.look = look
        self.setObjectName("pressed-key")
        self.setProperty("type", "pressed")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        look.dress(self, fonts.HEADING)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def say(self, text: str) -> None:
        """Show what was pressed above the middle of the window's foot."""
        self.setText(text)
        self.adjustSize()
        parent = self.parentWidget()
        if parent is not None:
            wide, high = self.sizeHint().width() + self.look.px(36), self.look.px(44)
            self.setGeometry((parent.width() - wide) // 2, parent.height() - self.look.px(260), wide, high)
        self.raise_()
        self.show()
        self._timer.start(SHOWN_MS)
