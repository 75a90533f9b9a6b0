"""Every action of the window: one QAction per row of the key table, its tooltip naming its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from teachvm.app.keys import KEYS, Key

SHORT = {"Shift+": "⇧", "Ctrl+": "^", "Alt+": "Alt ", "PgDown": "PgDn"}
"""How modifiers are written where there is little room; both families have the glyphs."""


def shown(keys: str) -> str:
    """A key sequence as a short hint on a button."""
    for long, short in SHORT.items():
        keys = keys.replace(long, short)
    return keys


def spoken(key: Key) -> str:
    """Every sequence of an action, as people write them."""
    return " or ".join(key.keys)


def is_escape(event: QEvent) -> bool:
    """Whether Esc goes down."""
    pressed = event.type() == QEvent.Type.KeyPress
    return pressed and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape


def press_focused(event: QKeyEvent) -> bool:
    """Press the button that has the focus if the key is Enter; Qt does so on some platforms, and only Space on others.

    Returns:
        Whether a button was pressed.
    """
    focus = QApplication.focusWidget()
    entered = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat()
    if not entered or not isinstance(focus, QAbstractButton):
        return False
    focus.click()
    return True


class Actions(QObject):
    """The window's actions by name; `bind` gives each what it does."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._by_name: dict[str, QAction] = {}
        for key in KEYS:
            action = QAction(key.label, window)
            action.setObjectName(f"action-{key.action}")
            action.setShortcuts([QKeySequence(keys) for keys in key.keys])
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
            action.setToolTip(f"{key.does} ({spoken(key)})")
            window.addAction(action)
            self._by_name[key.action] = action
        self._quiet = [self._by_name[key.action] for key in KEYS if key.unless_editing]
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._focus_changed)

    def __getitem__(self, name: str) -> QAction:
        """The action of a name in the key table."""
        return self._by_name[name]

    def bind(self, doers: Mapping[str, Callable[[], object]]) -> None:
        """Connect actions to what they do; a name the table does not hold is an error."""
        for name, do in doers.items():
            self._by_name[name].triggered.connect(lambda _checked=False, run=do: run())

    def allow(self, name: str, allowed: bool, why: str = "") -> None:
        """Enable an action, or disable it and say why in its tooltip."""
        action = self._by_name[name]
        key = next(key for key in KEYS if key.action == name)
        if action.isEnabled() != allowed or not allowed:
            action.setEnabled(allowed)
            action.setToolTip(f"{key.does} ({spoken(key)})" + ("" if allowed or not why else f"\n{why}"))

    def _focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        """A list or a text keeps its own page keys."""
        editing = isinstance(now, QAbstractItemView | QLineEdit | QPlainTextEdit | QTextEdit)
        for action in self._quiet:
            action.setShortcutContext(
                Qt.ShortcutContext.WidgetShortcut if editing else Qt.ShortcutContext.WindowShortcut
            )
