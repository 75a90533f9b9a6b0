"""The header: where the student is, the transport that never moves, the technique, and the look."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QSizePolicy, QSlider, QToolButton

from teachvm.app import speed
from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.presentation import Actor, Span, Text, Tip
from teachvm.app.rail import HeaderView, TechniqueView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import natural_width, put_line
from teachvm.ui.widgets.ink import TINT, Area, Mark, Spot, Words
from teachvm.ui.window.actions import Actions, shown
from teachvm.ui.window.buttons import IconButton, KeyButton
from teachvm.vmm.techniques import Technique

HIGH = 60.0
DOT, DOT_MOST = 9.0, 28.0
"""Room for one beat's dot, at least and at most."""
PAGING_MOST = 260
"""Widest switch of page tables that is shown in segments; one with more to say is a menu always."""
WORDMARK: Text = (Span("teach"), Span("vm", "vmm"))


class Heading(Canvas):
    """The wordmark, the lesson's name, and a dot for every beat."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "heading")
        self._view = HeaderView()
        self.setAccessibleName("teachvm")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("")

    def show_header(self, view: HeaderView) -> None:
        """Show where the student is."""
        if view != self._view:
            self._view = view
            at = next((n for n, beat in enumerate(view.beats, 1) if beat == "now"), len(view.beats))
            lesson = f"Lesson {view.number}, {view.title}, beat {at} of {len(view.beats)}"
            self.setAccessibleName(f"{view.place}, {view.title}" if view.place else lesson)
            self.refresh()

    def full_width(self) -> float:
        """Room for the wordmark, the whole title and every dot, in layout pixels."""
        title = natural_width((Span(self._view.title, strong=True),), fonts.SMALL) + 2 if self._view.title else 0.0
        dots = 18 + DOT * len(self._view.beats) if self._view.beats else 0.0
        return 20 + natural_width(WORDMARK, fonts.HEADING) + 20 + title + dots

    def compose(self, width: float, height: float) -> Picture:
        """Set everything on one line; the dots go where there is no room, then the lesson's name is cut."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        mark = put_line(WORDMARK, 20, 0, width - 20, HIGH, fonts.HEADING)
        marks += mark.marks
        x = 20 + sum(words.w for words in mark.marks if isinstance(words, Words))
        spots.append(
            Spot(14, 8, x - 8, HIGH - 16, Tip("Library", "Back to all lessons."), action="home", name="Library")
        )
        view = self._view
        x += 16
        if not view.title or width - x < 40:
            return Picture(marks, spots, HIGH)
        number = f"{view.place}  /  " if view.place else f"Lesson {view.number}  /  " if view.number else ""
        text: Text = (Span(number, "dim"), Span(view.title, strong=True))
        need = natural_width(text, fonts.SMALL) + 2
        least = DOT * len(view.beats) + 18
        if need + least > width - x:
            text = (Span(view.title, strong=True),)
            need = natural_width(text, fonts.SMALL) + 2
        room = min(need, width - x - (least if width - x - least >= 90 else 0))
        laid = put_line(text, x, 0, room, HIGH, fonts.SMALL)
        marks += laid.marks
        spots.append(Spot(x, 0, room, HIGH, Tip(view.title, view.place or f"Lesson {view.number}"), name=view.title))
        self._dots(x + room + 18, width, marks, spots)
        return Picture(marks, spots, HIGH)

    def _dots(self, x: float, width: float, marks: list[Mark], spots: list[Spot]) -> None:
        """Set one dot per beat, as long as there is room for, if there is any."""
        beats = self._view.beats
        pitch = min((width - x) / len(beats), DOT_MOST) if beats else 0.0
        if pitch < DOT:
            return
        for at, beat in enumerate(beats):
            role = {"done": "good", "now": "now", "ahead": "line"}[beat]
            gap = 6.0 if pitch > 18 else 3.0
            high = 5.0 if beat != "now" else 7.0
            marks.append(Area(x + pitch * at, (HIGH - high) / 2, pitch - gap, high, role, radius=high / 2))
            said = f"Beat {at + 1}: {beat if beat != 'ahead' else 'to come'}"
            spots.append(Spot(x + pitch * at, 18, pitch, 24, Tip(said), action=f"beat-{at}", name=said))


class RunningChip(Canvas):
    """Who holds the CPU, always in sight: a letter, and the name where there is room."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "running-chip")
        self._actor: Actor | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.wide = True

    def show_actor(self, actor: Actor | None) -> None:
        """Show who runs now."""
        if actor != self._actor:
            self._actor = actor
            self.setAccessibleName(f"Running: {actor.name}" if actor else "Nobody runs")
            self.refresh()

    def sizeHint(self) -> QSize:
        """The same for every actor, so that nothing beside it moves."""
        return QSize(self.look.px(128 if self.wide else 30), self.look.px(HIGH))

    def compose(self, width: float, height: float) -> Picture:
        """Set the letter in its disc, and the name."""
        if self._actor is None:
            return Picture([], [], HIGH)
        y = (HIGH - 26) / 2
        marks: list[Mark] = [
            Area(0, y, width, 26, self._actor.role, TINT, self._actor.role, 1.2, 13, base="card"),
            Words(8, y, 14, 26, self._actor.letter, fonts.MONO_STRONG, self._actor.role, "center"),
        ]
        if self.wide:
            said = fonts.elided(self._actor.name, fonts.SMALL, width - 36)
            marks.append(Words(28, y, width - 36, 26, said, fonts.SMALL, "text"))
        words = "".join(span.text for span in self._actor.detail)
        tip = Tip(f"Running now: {self._actor.name}", words)
        return Picture(marks, [Spot(0, y, width, 26, tip, name=f"Running: {self._actor.name}")], HIGH)


class Transport(QFrame):
    """Back, Step, Next trap, Run, and how fast; it never moves."""

    speed_changed = Signal(int)

    def __init__(self, look: Look, actions: Actions) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("transport")
        self.setAccessibleName("Transport")
        self.buttons = [
            KeyButton(look, actions[name], icon, shown(KEY_BY_ACTION[name].keys[0]), primary=name == "run")
            for name, icon in (("back", "back"), ("step", "step"), ("next-trap", "next-trap"), ("run", "run"))
        ]
        self.buttons[-1].also = ("Run", "Pause")
        self.buttons[-2].also = tuple(f"Next {technique.words.one}" for technique in Technique)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("speed")
        self.slider.setAccessibleName("Speed of running")
        self.slider.setRange(0, speed.MAX)
        self.slider.setPageStep(10)
        self.slider.setValue(speed.USUAL)
        self.label = QLabel()
        self.label.setObjectName("speed-label")
        self.label.setProperty("type", "small")
        self.label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        look.dress(self.label, fonts.MONO_SMALL)
        self.slider.valueChanged.connect(self._moved)
        self._row = QHBoxLayout(self)
        for button in self.buttons:
            self._row.addWidget(button)
        self._row.addWidget(self.slider)
        self._row.addWidget(self.label)
        look.changed.connect(self._restyle)
        self._restyle()
        self._moved(self.slider.value())

    def show_running(self, running: bool) -> None:
        """The run button pauses what runs; its width stays."""
        run = self.buttons[-1]
        run.set_icon("pause" if running else "run")
        run.action_followed.setText("Pause" if running else "Run")

    def set_level(self, level: int) -> None:
        """Show more or less of the buttons."""
        for button in self.buttons:
            button.set_level(level)

    def _moved(self, value: int) -> None:
        self.label.setText(speed.label(value))
        self.slider.setToolTip(f"Speed of running: {speed.label(value)}")
        self.speed_changed.emit(value)

    def _restyle(self) -> None:
        px = self.look.px
        self._row.setContentsMargins(px(5), px(4), px(8), px(4))
        self._row.setSpacing(px(3))
        self.slider.setFixedWidth(px(72))
        self.label.setFixedWidth(px(44))


class Switch(QFrame):
    """One segment per choice; a drop-down where there is no room for them.

    Args:
        look: The window's look.
        name: Object name; that of each segment begins with it.
        title: What is chosen, for people.
        keys: What the key of the first segment begins with; empty where there is none.
    """

    chosen = Signal(str)

    def __init__(self, look: Look, name: str, title: str, keys: str = "") -> None:
        super().__init__()
        self.look = look
        self._name, self._title, self._keys = name, title, keys
        self.setObjectName(name)
        self.setAccessibleName(title)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(1, 1, 1, 1)
        self._row.setSpacing(0)
        self._buttons: list[QToolButton] = []
        self.drop = QToolButton()
        self.drop.setObjectName(f"{name}-menu")
        self.drop.setAccessibleName(title)
        self.drop.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.drop.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.drop.setProperty("segment", "last")
        look.dress(self.drop, fonts.SMALL)
        self.menu = QMenu(self.drop)
        self.drop.setMenu(self.menu)
        self._row.addWidget(self.drop)
        self._views: tuple[TechniqueView, ...] = ()
        self._now = ""
        self.set_compact(False)
        look.changed.connect(self._restyle)
        self._restyle()

    def show_choices(self, views: tuple[TechniqueView, ...], now: str) -> None:
        """Show which choices there are, and which one is in force; nothing where there is none."""
        if (views, now) == (self._views, self._now):
            return
        if views != self._views:
            self._views = views
            self._build()
        self._now = now
        for button, view in zip(self._buttons, views, strict=True):
            button.setChecked(view.id == now)
            self.look.dress(button, fonts.SMALL_STRONG if view.id == now else fonts.SMALL)
        chosen = next((view for view in views if view.id == now), TechniqueView("", "", self._title))
        self.drop.setText(chosen.name)
        self.drop.setToolTip("\n".join(filter(None, (f"{self._title}: {chosen.name}", chosen.why))))
        self.setVisible(bool(views))

    def _build(self) -> None:
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = []
        self.menu.clear()
        for at, view in enumerate(self._views):
            button = QToolButton()
            button.setObjectName(f"{self._name}-{view.id}")
            button.setText(view.label)
            button.setCheckable(True)
            button.setProperty("segment", "last" if at + 1 == len(self._views) else "true")
            button.setEnabled(view.available)
            key = f" ({self._keys}{at + 1})" if self._keys else ""
            said = f"{view.name}{key}" + (f"\n{view.why}" if view.why else "")
            button.setToolTip(said)
            button.setAccessibleName(said.replace("\n", ". "))
            button.clicked.connect(lambda _checked=False, name=view.id: self._choose(name))
            self._row.addWidget(button)
            self._buttons.append(button)
            entry = QAction(view.name, self.menu)
            entry.setEnabled(view.available)
            entry.setToolTip(said)
            entry.triggered.connect(lambda _checked=False, name=view.id: self._choose(name))
            self.menu.addAction(entry)
        self.menu.setToolTipsVisible(True)
        self.set_compact(not self.drop.isHidden())

    def _choose(self, name: str) -> None:
        for button, view in zip(self._buttons, self._views, strict=True):
            button.setChecked(view.id == self._now)
        if name != self._now:
            self.chosen.emit(name)

    def set_compact(self, compact: bool) -> None:
        """One drop-down in place of the segments."""
        self.drop.setVisible(compact)
        for button in self._buttons:
            button.setVisible(not compact)

    def full_width(self) -> int:
        """How wide the segments are together."""
        return sum(button.sizeHint().width() for button in self._buttons) + 4

    def _restyle(self) -> None:
        self.drop.setIcon(self.look.icon("down"))


class Header(QFrame):
    """The header region; it shows less of itself in a narrower window, and the transport stays in the middle."""

    def __init__(self, look: Look, actions: Actions) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("header")
        self._view = HeaderView()
        self.heading = Heading(look)
        self.chip = RunningChip(look)
        self.transport = Transport(look, actions)
        self.technique = Switch(look, "technique", "Technique", "Alt+")
        self.paging = Switch(look, "paging", "Page tables")
        self.rail_button = IconButton(look, "rail-toggle", "rail", "Fold the lesson text away, or bring it back")
        self.cards_button = IconButton(look, "cards-open", "cards", "Every card: put one on the stage")
        self.theme_button = IconButton(look, "theme-next", "moon", "Dark, light or high contrast")
        key = KEY_BY_ACTION["presenter"]
        self.presenter_button = IconButton(look, "presenter-toggle", "presenter", f"{key.does} ({key.keys[0]})")
        key = KEY_BY_ACTION["key-sheet"]
        self.keys_button = IconButton(look, "keys-open", "keyboard", f"{key.does} ({key.keys[0]})")
        self._icons = (self.rail_button, self.cards_button, self.theme_button, self.presenter_button, self.keys_button)
        for child in (self.heading, self.chip, self.transport, self.technique, self.paging, *self._icons):
            child.setParent(self)
        look.changed.connect(self._restyle)
        self._restyle()

    def set_lesson(self, opened: bool) -> None:
        """With no lesson open, only the wordmark and what concerns the look are there."""
        for widget in (self.chip, self.transport, self.rail_button, self.cards_button):
            widget.setVisible(opened)
        if not opened:
            self._view = HeaderView()
            self.heading.show_header(self._view)
            for switch in (self.technique, self.paging):
                switch.hide()
                switch.show_choices((), "")
        self.arrange()

    def show_header(self, view: HeaderView) -> None:
        """Show lesson, beats and technique."""
        if view == self._view:
            return
        self._view = view
        self.heading.show_header(view)
        self.technique.show_choices(view.techniques, view.technique)
        self.paging.show_choices(view.pagings, view.paging)
        self.arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What is shown depends on the width."""
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Place everything: icons at the right, transport in the middle, the heading in what is left."""
        px, width, high = self.look.px, self.width(), self.height()
        icon = px(32)
        right = width - px(14) - icon * len(self._icons)
        for at, button in enumerate(self._icons):
            button.setGeometry(right + icon * at, (high - icon) // 2, icon, icon)
        self.chip.wide = width >= px(1280)
        crowded = 260 if self.paging.isVisibleTo(self) else 0
        self.transport.set_level(2 if width >= px(1180 + crowded) else 1 if width >= px(1000 + crowded * 0.6) else 0)
        for switch, needed in ((self.technique, 1440 + crowded), (self.paging, 1440)):
            roomy = width >= px(needed) and (switch is self.technique or switch.full_width() <= px(PAGING_MOST))
            switch.set_compact(not roomy)
            wide = switch.full_width() if roomy else switch.drop.sizeHint().width() + 4
            if switch.isVisibleTo(self):
                tall = px(32)
                right -= wide + px(10)
                switch.setGeometry(right, (high - tall) // 2, wide, tall)
        hint, chip = self.transport.sizeHint(), self.chip.sizeHint()
        # In the middle, but where the lesson's name has no room then: further right, as far as there is room.
        left = px(self.heading.full_width()) + chip.width() + px(24)
        x = min(max((width - hint.width()) // 2, left), right - px(12) - hint.width())
        self.transport.setGeometry(x, (high - hint.height()) // 2, hint.width(), hint.height())
        self.chip.setGeometry(x - chip.width() - px(12), 0, chip.width(), high)
        self.heading.setGeometry(0, 0, max(x - chip.width() - px(20), 0), high)

    def _restyle(self) -> None:
        self.setFixedHeight(self.look.px(HIGH))
        icon = {"dark": "moon", "light": "sun", "contrast": "contrast"}[self.look.theme.name]
        self.theme_button.set_icon(icon)
        self.arrange()
