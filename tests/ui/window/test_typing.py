"""Typing on a guest's console in the real window: it comes from outside, at a moment, and can change the past."""

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from teachvm.app import speed
from teachvm.app.notation import count
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


@pytest.mark.qt_log_ignore("does not support")  # menus, without a screen
def test_a_future_left_behind_is_taken_up_by_a_click_and_by_its_button(opened: MainWindow, qtbot: QtBot) -> None:
    for _ in range(6):
        press(opened, qtbot, "next-trap")
    seen = at(opened)
    session, dock = bridge_of(opened).session, opened.page.dock
    digest = session.control.timeline.digest()
    assert not dock.futures.isVisible()
    for _ in range(3):
        press(opened, qtbot, "previous-trap")
    session.type_text("alpha", "hello")
    bridge_of(opened).resume()
    settle(opened)
    parting = at(opened)
    assert dock.futures.isVisible()
    assert dock.futures.text() == "Left behind: 1"
    (spot,) = [each for each in dock.lanes.picture.spots if each.action]
    zoom = opened.look.zoom
    middle = QPointF((spot.x + spot.w / 2) * zoom, (spot.y + spot.h / 2) * zoom).toPoint()
    qtbot.mouseClick(dock.lanes, Qt.MouseButton.LeftButton, pos=middle)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    (action,) = menu.actions()
    assert action.text().startswith(f"Take up this future: from instruction {count(parting.n)}, seen until")
    action.trigger()
    menu.close()
    settle(opened)
    assert at(opened) == seen
    assert session.control.timeline.digest() == digest
    assert not session.control.timeline.inputs
    assert "in the future again" in opened.page.banner.text.text()
    menu = dock.lanes.all_futures()
    (action,) = menu.actions()
    assert "with typed “hello”" in action.text()
    action.trigger()
    settle(opened)
    assert [given for _, given in session.control.timeline.inputs] == [ConsoleTyped("alpha", b"hello")]
    assert problems(opened) == []
    assert unnamed(opened) == []
