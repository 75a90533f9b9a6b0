"""A student without a mouse: Tab, Enter and what is typed lead from the library through every lesson and back."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from teachvm.app.flow import Waiting
from teachvm.lesson.catalogue import shipped
from teachvm.ui.window.ask import Option
from teachvm.ui.window.main_window import MainWindow
from tests.ui.window.conftest import settle
from tests.ui.window.journeys import bridge_of

MOST_KEYS = 200
FEW_TABS = 6
"""Tab stops between what a student did last and what comes next: prose to be read aloud lies in between."""
LESSONS = [
    pytest.param(entry.id, marks=() if entry.id == "two-level-paging" else pytest.mark.soak) for entry in shipped()
]
"""All of them as a soak; the shortest always."""


def focus() -> QWidget:
    widget = QApplication.focusWidget()
    assert isinstance(widget, QWidget), "nothing has the focus"
    return widget


def strike(window: MainWindow, key: Qt.Key) -> None:
    QTest.keyClick(focus(), key)
    settle(window)


def tab_to(window: MainWindow, wanted: Callable[[QWidget], bool]) -> None:
    for _ in range(FEW_TABS + 1):
        if wanted(focus()):
            return
        strike(window, Qt.Key.Key_Tab)
    raise AssertionError(f"more than {FEW_TABS} tab stops away, at {focus().objectName()}")


def is_answer(window: MainWindow, widget: QWidget) -> bool:
    """Whether a widget answers the open question."""
    rail = window.page.rail
    return isinstance(widget, Option | QLineEdit) and rail.ask.isAncestorOf(widget)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_is_opened_gone_through_and_left_by_keyboard_alone(window: MainWindow, lesson: str) -> None:
    QApplication.processEvents()
    for _ in range(MOST_KEYS):
        if focus().objectName() == f"lesson-{lesson}":
            break
        strike(window, Qt.Key.Key_Tab)
    strike(window, Qt.Key.Key_Return)
    flow = bridge_of(window).session.flow
    assert flow.run.lesson.id == lesson
    for _ in range(MOST_KEYS):
        if window.bridge is None:
            break
        waiting = flow.waiting
        if waiting is Waiting.ANSWER:
            if focus().objectName() == "rail-action" and window.page.rail.action.text() == "To the question":
                strike(window, Qt.Key.Key_Return)
            tab_to(window, lambda widget: is_answer(window, widget))
            if isinstance(focus(), QLineEdit):
                QTest.keyClicks(focus(), "12")
            else:
                strike(window, Qt.Key.Key_Return)
            strike(window, Qt.Key.Key_Return)
        else:
            tab_to(window, lambda widget: widget.objectName() == "rail-action")
            strike(window, Qt.Key.Key_Return)
    assert window.bridge is None
    assert window.pages.currentWidget() is window.library
    kept = window.progress.of(lesson)
    assert kept is not None
    assert kept["reached"] == len(flow.run.lesson.beats)
