"""Buttons of the header: an icon, a word and the key that does the same, each following one action."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QStyle, QStyleOptionToolButton, QToolButton

from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.ink import Mark, Sign, Words, paint

HIGH = 34.0
PAD = 11.0


class KeyButton(QToolButton):
    """A button that follows an action; `level` 2 shows word and key, 1 the word, 0 the icon alone.

    `also` holds the other words it may show: there is room for the longest, so that nothing beside it moves.
    """

    def __init__(self, look: Look, action: QAction, icon: str, hint: str, *, primary: bool = False) -> None:
        super().__init__()
        self.look = look
        self.action_followed = action
        self.icon_name = icon
        self.hint = hint
        self.level = 2
        self.also: tuple[str, ...] = ()
        self.primary = primary
        self.setObjectName(action.objectName().replace("action-", "button-"))
        self.setProperty("key", "true")
        if primary:
            self.setProperty("run", "true")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.clicked.connect(action.trigger)
        action.changed.connect(self.follow)
        look.changed.connect(self.updateGeometry)
        self.follow()

    def follow(self) -> None:
        """Take name, tooltip and availability from the action."""
        action = self.action_followed
        self.setAccessibleName(f"{action.text()}, {action.shortcut().toString()}")
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())
        self.updateGeometry()
        self.update()

    def set_level(self, level: int) -> None:
        """Show more or less of it."""
        if level != self.level:
            self.level = level
            self.updateGeometry()
            self.update()

    def set_icon(self, icon: str) -> None:
        """Show another icon."""
        if icon != self.icon_name:
            self.icon_name = icon
            self.update()

    def marks(self) -> list[Mark]:
        """What is painted on the button, in layout pixels."""
        role = "on-now" if self.primary else "text" if self.underMouse() else "dim"
        hint_role = "on-now" if self.primary else "dim"
        if not self.isEnabled():
            role = hint_role = "faint"
        style = fonts.SMALL_STRONG if self.primary else fonts.SMALL
        x = PAD
        marks: list[Mark] = []
        if self.level == 0 or self.primary:
            marks.append(Sign(x, (HIGH - 15) / 2, 15, 15, self.icon_name, role))
            x += 15 + (8 if self.level else 0)
        if self.level >= 1:
            text = self.action_followed.text()
            wide = max(fonts.width(each, style) for each in (text, *self.also))
            marks.append(Words(x, 0, wide, HIGH, text, style, role))
            x += wide
        if self.level >= 2 and self.hint:
            wide = fonts.width(self.hint, fonts.MONO_SMALL)
            marks.append(Words(x + 7, 0, wide, HIGH, self.hint, fonts.MONO_SMALL, hint_role))
            x += wide + 7
        return marks

    def sizeHint(self) -> QSize:
        """Wide enough for its marks."""
        last = self.marks()[-1]
        right = max(mark.x + mark.w for mark in (last,) if not hasattr(mark, "points")) + PAD
        return QSize(self.look.px(right), self.look.px(HIGH))

    def minimumSizeHint(self) -> QSize:
        """It is never cut."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Let the style paint the frame, then the marks."""
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        with QPainter(self) as painter:
            self.style().drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option, painter, self)
            painter.scale(self.look.zoom, self.look.zoom)
            paint(self.marks(), painter, self.look)


class IconButton(QToolButton):
    """A square button with an icon of the theme."""

    def __init__(self, look: Look, name: str, icon: str, says: str) -> None:
        super().__init__()
        self.look = look
        self.setObjectName(name)
        self.setAccessibleName(says)
        self.setToolTip(says)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._icon = icon
        look.changed.connect(self._restyle)
        self._restyle()

    def set_icon(self, icon: str) -> None:
        """Show another icon."""
        self._icon = icon
        self._restyle()

    def say(self, says: str) -> None:
        """Explain it in other words."""
        self.setAccessibleName(says)
        self.setToolTip(says)

    def _restyle(self) -> None:
        self.setIcon(self.look.icon(self._icon))
        side = self.look.px(32)
        self.setFixedSize(side, side)
        self.setIconSize(QSize(self.look.px(16), self.look.px(16)))
