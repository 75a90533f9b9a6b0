"""What stands between the questions of the rail: tasks, findings, and folded hints."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton

from teachvm.app.presentation import Span
from teachvm.app.prose import inline
from teachvm.app.rail import CheckView, HintView, TaskView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture, announce
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import Mark, Sign, Spot
from teachvm.ui.widgets.prose import Prose
from teachvm.ui.widgets.rows import Rows


class TaskPanel(Rows):
    """Shows a `TaskView`: something to do by hand, and that it was done."""

    def __init__(self, look: Look, name: str) -> None:
        super().__init__(look, (15, 13, 15, 15), 9)
        self.setObjectName(name)
        self.setProperty("panel", "true")
        self._done = False
        self.kicker = QLabel("TRY IT")
        self.kicker.setProperty("type", "kicker")
        look.dress(self.kicker, fonts.CAPTION_STRONG)
        self.text = Prose(look, f"{name}-text", role="text")
        self.text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.add(self.kicker)
        self.add(self.text)

    def show_task(self, view: TaskView) -> None:
        """Show another state of the task."""
        self.kicker.setText("DONE" if view.done else "TRY IT")
        self.text.show_markdown(view.text)
        self.arrange()
        if view.done and not self._done:
            announce(self, "Task done.")
        self._done = view.done


class Finding(Canvas):
    """Shows a `CheckView`: a condition with its tick or cross, what was found instead below it."""

    def __init__(self, look: Look, name: str) -> None:
        super().__init__(look, name)
        self._check = CheckView("", "")

    def show_check(self, check: CheckView) -> None:
        """Show another result."""
        if check != self._check:
            self._check = check
            self.forget()
            self.updateGeometry()
            self.update()

    def compose(self, width: float, height: float) -> Picture:
        """Set the condition beside its sign."""
        check = self._check
        icon, role = ("tick", "good") if check.passed else ("cross", "trap")
        laid = put(inline(check.text), 26, 0, width - 26, 20, fonts.BODY)
        marks: list[Mark] = [Sign(0, 2, 16, 16, icon, role), *laid.marks]
        state = "found" if check.passed else "not so"
        spots = [Spot(0, 0, width, laid.height, name=f"{check.text}: {state}. {check.detail}")]
        y = laid.height
        if check.detail and not check.passed:
            quiet = tuple(Span(span.text, "dim", code=span.code) for span in inline(check.detail))
            detail = put(quiet, 26, y, width - 26, 18, fonts.SMALL)
            marks += detail.marks
            y += detail.height
        return Picture(marks, spots, y)


class Hint(Rows):
    """Help that unfolds."""

    def __init__(self, look: Look, hint: HintView, number: int) -> None:
        super().__init__(look, (0, 0, 0, 0), 4)
        self.button = QPushButton(hint.title)
        self.button.setObjectName(f"hint-{number}")
        self.button.setAccessibleName(f"{hint.title}, folded")
        self.button.setProperty("fold", "true")
        self.button.setCheckable(True)
        look.dress(self.button, fonts.SMALL_STRONG)
        self.prose = Prose(look, f"hint-{number}-text", fonts.SMALL)
        self.prose.show_markdown(hint.prose)
        self.button.toggled.connect(self._fold)
        self.add(self.button)
        self.add(self.prose)
        self._fold(False)

    def _fold(self, opened: bool) -> None:
        self.prose.setVisible(opened)
        self.button.setAccessibleName(f"{self.button.text()}, {'unfolded' if opened else 'folded'}")
        self.button.setIcon(self.look.icon("down" if opened else "right"))
        self.arrange()
