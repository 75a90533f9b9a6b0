"""The menu of a value: ask the machine about it, copy it in any radix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.notation import radixes
from teachvm.app.wording import Editable

ASKED: Final = {
    True: (("Who wrote this last?", "find-change-back"), ("Who writes this next?", "find-change")),
    False: (("When did this change last?", "find-change-back"), ("When does this change next?", "find-change")),
}
"""What can be asked of a value, and the key that asks it: of bytes, or of a register or flag."""


def value_menu(
    parent: QWidget, text: str, value: int | None, what: Editable | None, ask: Callable[[Editable, bool], object]
) -> QMenu:
    """Make the menu.

    Args:
        parent: Where it belongs.
        text: The value as it is shown; may be empty.
        value: The same as a number, if it is one.
        what: Which value of the machine it is, if any.
        ask: Takes the value and whether the question goes forwards.
    """
    menu = QMenu(parent)
    if what is not None:
        for words, key in ASKED[what.kind in ("memory", "entry")]:
            asked = QAction(f"{words}\t{KEY_BY_ACTION[key].keys[0]}", menu)
            asked.triggered.connect(lambda _checked=False, on=key == "find-change": ask(what, on))
            menu.addAction(asked)
        menu.addSeparator()
    choices = [("text", text)] if text else []
    choices += list(radixes(value)) if value is not None else []
    for name, said in choices:
        action = QAction(f"Copy {name}:  {said}", menu)
        action.triggered.connect(lambda _checked=False, copied=said: QGuiApplication.clipboard().setText(copied))
        menu.addAction(action)
    return menu
