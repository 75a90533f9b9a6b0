"""The lesson rail: the beat's prose, one prediction or task, folded hints, and one primary button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout

from teachvm.app.presentation import Span
from teachvm.app.prose import inline
from teachvm.app.rail import AskView, CheckView, HintView, RailView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture, announce
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import Mark, Sign, Spot
from teachvm.ui.widgets.prose import Prose
from teachvm.ui.widgets.rows import Rows
from teachvm.ui.window.ask import AskPanel

WIDTH = 350
SLIM = 300
SIDE = 22


class Checks(Canvas):
    """The conditions of a task, each with its tick, cross or ring."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "checks")
        self._checks: tuple[CheckView, ...] = ()

    def show_checks(self, checks: tuple[CheckView, ...]) -> None:
        """Show other results."""
        if checks != self._checks:
            pairs = zip(checks, self._checks, strict=False)
            passed = [check.text for check, old in pairs if check.passed and not old.passed]
            if passed:
                announce(self, "Done: " + ", ".join(passed))
            self._checks = checks
            self.forget()
            self.updateGeometry()
            self.update()

    def compose(self, width: float, height: float) -> Picture:
        """Set one condition below the other, what was found instead under it."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        y = 0.0
        for check in self._checks:
            icon, role = {True: ("tick", "good"), False: ("cross", "trap"), None: ("ring", "dim")}[check.passed]
            marks.append(Sign(0, y + 2, 16, 16, icon, role))
            laid = put(inline(check.text), 26, y, width - 26, 20, fonts.BODY)
            marks += laid.marks
            state = {True: "done", False: "not yet", None: "open"}[check.passed]
            spots.append(Spot(0, y, width, laid.height, name=f"{check.text}: {state}. {check.detail}"))
            y += laid.height
            if check.detail and not check.passed:
                quiet = tuple(Span(span.text, "dim", code=span.code) for span in inline(check.detail))
                detail = put(quiet, 26, y, width - 26, 18, fonts.SMALL)
                marks += detail.marks
                y += detail.height
            y += 8
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


class Rail(QFrame):
    """Shows a `RailView`. `answered` carries a question and an answer, `commanded` the primary button's command."""

    answered = Signal(str, str)
    commanded = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("rail")
        self.setAccessibleName("Lesson")
        self.view = RailView("")
        self.heading = self._label("rail-heading", fonts.TITLE)
        self.kicker = self._label("rail-kicker", fonts.SMALL, "small")
        self.prose = Prose(look, "rail-prose")
        self.ask = AskPanel(look)
        self.ask.answered.connect(self.answered)
        self.checks = Checks(look)
        self.action = QPushButton()
        self.action.setObjectName("rail-action")
        self.action.setProperty("primary", "true")
        look.dress(self.action, fonts.NAME)
        self.action.clicked.connect(self._command)
        self._hints: list[Hint] = []
        self._wide = WIDTH
        self._rows = Rows(look, (SIDE, 22, SIDE, 20), 14)
        self._rows.setObjectName("column")
        for widget in (self.heading, self.kicker, self.prose, self.ask, self.checks):
            self._rows.add(widget)
        self._rows.add(self.action, natural=True)
        self.area = QScrollArea()
        self.area.setObjectName("rail-scroll")
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(self._rows)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.area)
        look.changed.connect(self._restyle)
        self._restyle()

    def _label(self, name: str, style: fonts.Style, kind: str = "title") -> QLabel:
        label = QLabel()
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setProperty("type", kind)
        self.look.dress(label, style)
        return label

    def show_rail(self, view: RailView) -> None:
        """Show another beat, or another state of the same one."""
        if view == self.view:
            return
        new = (view.heading, view.kicker) != (self.view.heading, self.view.kicker)
        hints_differ = view.hints != self.view.hints
        self.view = view
        self.heading.setText(view.heading)
        self.kicker.setText(view.kicker)
        self.kicker.setVisible(bool(view.kicker))
        self.prose.show_markdown(view.prose)
        self.prose.setVisible(bool(view.prose))
        self.ask.setVisible(view.ask is not None)
        self.ask.show_ask(view.ask or AskView("", ""))
        self.checks.setVisible(bool(view.checks))
        self.checks.show_checks(view.checks)
        if hints_differ:
            self._make_hints(view.hints)
        self._show_action()
        self._rows.arrange()
        if new:
            self.area.verticalScrollBar().setValue(0)
            announce(self, f"{view.heading}. {view.kicker}")

    def _show_action(self) -> None:
        action = self.view.action
        self.action.setVisible(action is not None)
        if action is not None:
            self.action.setText(action.text)
            self.action.setAccessibleName(action.text)
            self.action.setEnabled(action.enabled)
            self.action.setToolTip(action.why)

    def _command(self) -> None:
        if self.view.action is not None:
            self.commanded.emit(self.view.action.command)

    def _make_hints(self, hints: tuple[HintView, ...]) -> None:
        for old in self._hints:
            self._rows.remove(old)
        self._hints = [Hint(self.look, hint, at + 1) for at, hint in enumerate(hints)]
        for hint in self._hints:
            self._rows.add(hint, at=self._rows.index_of(self.action))

    def set_slim(self, slim: bool) -> None:
        """A narrower rail for a small window."""
        self._wide = SLIM if slim else WIDTH
        self._restyle()

    def _restyle(self) -> None:
        self.setFixedWidth(self.look.px(self._wide))
