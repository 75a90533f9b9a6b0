"""The lesson rail: what the beat has told so far, in order, and below it, always in sight, its one primary button."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from teachvm.app.rail import AskView, CheckView, HintView, RailPart, RailView, Said, TaskView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import announce
from teachvm.ui.widgets.prose import Prose
from teachvm.ui.widgets.rows import Rows
from teachvm.ui.window.ask import AskPanel
from teachvm.ui.window.parts import Finding, Hint, TaskPanel

WIDTH = 350
SLIM = 300
SIDE = 22
HIDDEN = 24
"""Less below the edge is only the page's margin."""
BAR = 10
"""Room that is always kept for the scroll bar, so that nothing is set anew when it comes."""


class _Page(Rows):
    """The scrolled page: as high as its rows, whatever its scroll area shows of it."""

    def arrange(self) -> None:
        """Place every row, and be as high as all of them."""
        super().arrange()
        self.resize(self.width(), self.heightForWidth(self.width()))


class Rail(QFrame):
    """Shows a `RailView`. `answered` carries a question and an answer, `commanded` the primary button's command."""

    answered = Signal(str, str)
    commanded = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("rail")
        self.setAccessibleName("Lesson")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.view = RailView("")
        self.heading = self._label("rail-heading", fonts.TITLE)
        self.kicker = self._label("rail-kicker", fonts.SMALL, "small")
        self._parts: dict[str, QWidget] = {}
        self._hints: list[Hint] = []
        self._wide = WIDTH
        self._page = _Page(look, (SIDE, 22, SIDE - BAR, 20), 14)
        self._page.setObjectName("column")
        self._page.add(self.heading)
        self._page.add(self.kicker)
        self.area = QScrollArea()
        self.area.setObjectName("rail-scroll")
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(self._page)
        self.area.verticalScrollBar().valueChanged.connect(self._show_action)
        self.area.verticalScrollBar().rangeChanged.connect(self._show_action)
        self.action = QPushButton()
        self.more = QToolButton()
        self.foot = QFrame()
        self._foot_row = QHBoxLayout(self.foot)
        self._make_foot()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.area, 1)
        outer.addWidget(self.foot)
        look.changed.connect(self._restyle)
        self._restyle()

    def _make_foot(self) -> None:
        """What stays in sight: the primary button, and a sign that there is more to read."""
        self.action.setObjectName("rail-action")
        self.action.setProperty("primary", "true")
        self.look.dress(self.action, fonts.NAME)
        self.action.clicked.connect(self._command)
        self.more.setObjectName("rail-more")
        self.more.setAccessibleName("Read on")
        self.more.setToolTip("There is more below: read on.")
        self.more.clicked.connect(self._read_on)
        self.foot.setObjectName("rail-foot")
        self._foot_row.addWidget(self.action)
        self._foot_row.addStretch(1)
        self._foot_row.addWidget(self.more)

    def _label(self, name: str, style: fonts.Style, kind: str = "title") -> QLabel:
        label = QLabel()
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setProperty("type", kind)
        self.look.dress(label, style)
        return label

    @property
    def ask(self) -> AskPanel:
        """The panel of the question asked last.

        Raises:
            LookupError: The beat has asked nothing yet.
        """
        panels = [widget for widget in self._parts.values() if isinstance(widget, AskPanel)]
        if not panels:
            raise LookupError("no question was asked in this beat")
        return panels[-1]

    # --- what it shows -------------------------------------------------------------------------------------------

    def show_rail(self, view: RailView) -> None:
        """Show another beat, or another state of the same one."""
        if view == self.view:
            return
        old, self.view = self.view, view
        new = (view.heading, view.kicker) != (old.heading, old.kicker)
        focus = QApplication.focusWidget()
        within = focus is not None and (focus is self or self.isAncestorOf(focus))
        self.heading.setText(view.heading)
        self.kicker.setText(view.kicker)
        self.kicker.setVisible(bool(view.kicker))
        self._show_parts(view.parts)
        if view.hints != old.hints:
            self._make_hints(view.hints)
        self._page.arrange()
        if new:
            self.area.verticalScrollBar().setValue(0)
            announce(self, f"{view.heading}. {view.kicker}")
        else:
            self._follow(old.parts)
        self._show_action()
        if (view.parts, view.hints) != (old.parts, old.hints):
            self._order_tabs()
        if within:
            self._keep_focus(old)
        if self.hasFocus() and self.action.isEnabled():
            self.action.setFocus()

    def _keep_focus(self, old: RailView) -> None:
        """Whoever works in the rail by keyboard stays in it, also when what had the focus is over or gone."""
        focus = QApplication.focusWidget()
        if self._opened_since(old):
            self.ask.take_focus()
        elif focus is None or not self.isAncestorOf(focus):
            self.setFocus()

    def _order_tabs(self) -> None:
        """Tab goes down the page and then to the button, whenever its parts were made."""
        rows = [*self._parts.values(), *self._hints]
        inside = [one for row in rows for one in (row, *row.findChildren(QWidget))]
        stops = [one for one in inside if one.focusPolicy() & Qt.FocusPolicy.TabFocus]
        for before, after in pairwise((self, *stops, self.action, self.more)):
            QWidget.setTabOrder(before, after)

    def _show_parts(self, parts: tuple[RailPart, ...]) -> None:
        """Keep the widgets of what was told before; what is told now comes behind it."""
        wanted = {_key(part): part for part in parts}
        for key in [key for key in self._parts if key not in wanted]:
            self._page.remove(self._parts.pop(key))
        at = self._page.index_of(self.kicker)
        kept, self._parts = self._parts, {}
        for key, part in wanted.items():
            at += 1
            widget = kept.get(key)
            if widget is None:
                widget = self._made(part)
                self._page.add(widget, at=at)
            self._parts[key] = widget
            _show(widget, part)

    def _made(self, part: RailPart) -> QWidget:
        match part:
            case Said():
                return Prose(self.look, "rail-prose")
            case AskView():
                panel = AskPanel(self.look, part.id)
                panel.answered.connect(self.answered)
                panel.confirmed.connect(self.action.click)
                return panel
            case TaskView():
                return TaskPanel(self.look, part.id)
            case CheckView():
                return Finding(self.look, part.id)

    def _make_hints(self, hints: tuple[HintView, ...]) -> None:
        for old in self._hints:
            self._page.remove(old)
        self._hints = [Hint(self.look, hint, at + 1) for at, hint in enumerate(hints)]
        for hint in self._hints:
            self._page.add(hint)

    def _follow(self, old: tuple[RailPart, ...]) -> None:
        """Scroll to what is new since the last time: all of it if it fits, else from its beginning.

        What comes before anything was asked comes by itself, while the beat is read from its top.
        """
        if all(isinstance(part, Said | CheckView) for part in old):
            return
        before = {_told(part) for part in old}
        fresh = [self._parts[_key(part)] for part in self.view.parts if _told(part) not in before]
        if not fresh:
            return
        bar, high, gap = self.area.verticalScrollBar(), self.area.viewport().height(), self.look.px(14)
        top = min(widget.y() for widget in fresh) - gap
        bottom = max(widget.geometry().bottom() for widget in fresh) + gap
        if top < bar.value() or bottom > bar.value() + high:
            bar.setValue(min(top, bottom - high) if bottom - top < high else top)

    # --- the one button ------------------------------------------------------------------------------------------

    def _opened_since(self, old: RailView) -> bool:
        """Whether a question has come up that can be answered now."""
        ask = self.view.ask
        return ask is not None and not ask.locked and (old.ask is None or old.ask.id != ask.id)

    def _awaits_below(self) -> bool:
        """Whether the button waits for an answer whose question lies below what is in sight."""
        action, ask = self.view.action, self.view.ask
        if action is None or action.enabled or ask is None or ask.locked:
            return False
        panel = self._parts.get(_key(ask))
        if panel is None:
            return False  # the page is being made anew: it scrolls before its parts are there
        bar, high = self.area.verticalScrollBar(), self.area.viewport().height()
        return panel.y() + min(panel.height(), high) > bar.value() + high + self.look.px(4)

    def _show_action(self, *_at: int) -> None:
        action = self.view.action
        self.foot.setVisible(action is not None)
        if action is None:
            return
        leads = self._awaits_below()
        text = "To the question" if leads else action.text
        self.action.setText(text)
        self.action.setAccessibleName(text)
        self.action.setEnabled(action.enabled or leads)
        self.action.setToolTip(action.why)
        bar = self.area.verticalScrollBar()
        self.more.setVisible(bar.maximum() - bar.value() > self.look.px(HIDDEN))
        self._foot_row.activate()

    def _read_on(self) -> None:
        bar = self.area.verticalScrollBar()
        bar.setValue(bar.value() + bar.pageStep() - self.look.px(40))

    def _command(self) -> None:
        if self._awaits_below():
            bar, panel = self.area.verticalScrollBar(), self.ask
            bar.setValue(min(panel.y() - self.look.px(14), bar.maximum()))
            panel.take_focus()
        elif self.view.action is not None:
            self.commanded.emit(self.view.action.command)

    # --- layout --------------------------------------------------------------------------------------------------

    def set_slim(self, slim: bool) -> None:
        """A narrower rail for a small window."""
        if self._wide != (SLIM if slim else WIDTH):
            self._wide = SLIM if slim else WIDTH
            self._restyle()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What is in sight differs."""
        super().resizeEvent(event)
        self._show_action()

    def _restyle(self) -> None:
        px = self.look.px
        self.setFixedWidth(px(self._wide))
        self._foot_row.setContentsMargins(px(SIDE), px(12), px(SIDE - BAR), px(12))
        self.more.setIcon(self.look.icon("down"))
        self.more.setIconSize(QSize(px(18), px(18)))
        self._page.resize(px(self._wide - BAR) - 1, self._page.height())
        self._page.arrange()


def _key(part: RailPart) -> str:
    """What part of the beat it is, whatever its state."""
    return part.markdown if isinstance(part, Said) else f"{type(part).__name__} {part.id}"


def _told(part: RailPart) -> RailPart:
    """A part without what the student does to it while it waits."""
    return replace(part, chosen="", locked=False) if isinstance(part, AskView) else part


def _show(widget: QWidget, part: RailPart) -> None:
    match widget, part:
        case Prose(), Said():
            widget.show_markdown(part.markdown)
        case AskPanel(), AskView():
            widget.show_ask(part)
        case TaskPanel(), TaskView():
            widget.show_task(part)
        case Finding(), CheckView():
            widget.show_check(part)
        case _:
            raise AssertionError(f"nothing shows a {type(part).__name__} on a {type(widget).__name__}")
