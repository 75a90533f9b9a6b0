"""Typing on a guest's console in the real window: it comes from outside, at a moment, and can change the past."""

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from teachvm.app import speed
from teachvm.app.twin import twin
from teachvm.ui.widgets.console import Console
from teachvm.ui.window.main_window import MainWindow
from teachvm.world.inputs import ConsoleTyped
from tests.ui.checks import problems, unnamed
from tests.ui.window.conftest import settle
from tests.ui.window.test_window import PATIENCE_MS, at, bridge_of, press


def test_what_is_typed_on_a_console_reaches_the_guest_and_the_future_seen_before_is_left_behind(
    opened: MainWindow, qtbot: QtBot
) -> None:
    opened.page.stage.toggle("console")
    settle(opened)
    console = opened.page.stage.frames["console"].findChild(Console)
    assert isinstance(console, Console)
    for _ in range(6):
        press(opened, qtbot, "next-trap")
    assert not opened.page.dock.lanes.branched
    session, high = bridge_of(opened).session, opened.page.dock.height()
    for _ in range(3):
        press(opened, qtbot, "previous-trap")
    console.line.setFocus()
    qtbot.keyClicks(console.line, "hello")
    qtbot.keyClick(console.line, Qt.Key.Key_Return)
    settle(opened)
    ((at_n, given),) = session.control.timeline.inputs
    assert (at_n, given) == (at(opened).n, ConsoleTyped("alpha", b"hello\n"))
    assert console.line.text() == ""
    assert opened.page.dock.lanes.branched
    assert opened.page.dock.height() > high
    assert "left behind" in opened.page.banner.text.text()
    assert "Left behind" in twin(session.card("timeline"))
    assert problems(opened) == []
    assert unnamed(opened) == []


def test_typing_does_not_stop_a_run(opened: MainWindow, qtbot: QtBot) -> None:
    opened.page.stage.toggle("console")
    settle(opened)
    console = opened.page.stage.frames["console"].findChild(Console)
    assert isinstance(console, Console)
    for position in (speed.STEPS, speed.MAX):
        opened.header.transport.slider.setValue(position)
        opened.actions_by_name["run"].trigger()
        qtbot.keyClicks(console.line, "x")
        qtbot.keyClick(console.line, Qt.Key.Key_Return)
        start = at(opened)
        assert bridge_of(opened).running
        qtbot.waitUntil(lambda here=start: at(opened).n > here.n, timeout=PATIENCE_MS)
        bridge_of(opened).stop()
