"""A student who goes through a lesson from its first beat to its last, by what the window offers."""

from collections.abc import Iterator

from PySide6.QtTest import QTest

from teachvm.app.flow import Waiting
from teachvm.ui.bridge import SessionBridge
from teachvm.ui.window.main_window import MainWindow
from tests.ui.window.conftest import settle

MOST_PRESSES = 60
"""Presses of the one button within which a beat is over."""


def bridge_of(window: MainWindow) -> SessionBridge:
    assert window.bridge is not None
    return window.bridge


def answer(window: MainWindow, option: int = -1) -> None:
    """Give an answer to the open question; an unlikely one, unless an option is named."""
    panel = window.page.rail.ask
    if panel.options:
        panel.options[option].click()
    else:
        panel.line.clear()
        QTest.keyClicks(panel.line, "12345")
    settle(window)


def pass_beat(window: MainWindow) -> Iterator[str]:
    """Do what the rail's button offers until the beat is over; says after each press where the student is."""
    flow = bridge_of(window).session.flow
    for press in range(MOST_PRESSES):
        if flow.waiting is Waiting.END:
            return
        if flow.waiting is Waiting.ANSWER:
            answer(window)
        window.page.rail.action.click()
        settle(window)
        yield f"press {press + 1}, {flow.waiting.value}"
    raise AssertionError(f"beat {bridge_of(window).session.run.beat + 1} does not end")


def every_state(window: MainWindow) -> Iterator[str]:
    """Stand at every state of every beat of the open lesson, in order."""
    run = bridge_of(window).session.run
    for beat, _ in enumerate(run.lesson.beats):
        if beat:
            window.actions_by_name["next-beat"].trigger()
            settle(window)
        assert run.beat == beat
        yield f"beat {beat + 1}, start"
        for where in pass_beat(window):
            yield f"beat {beat + 1}, {where}"


def beginnings_and_ends(window: MainWindow) -> Iterator[str]:
    """The first and the last state of every beat of the open lesson."""
    return (where for where in every_state(window) if where.endswith(("start", Waiting.END.value)))
