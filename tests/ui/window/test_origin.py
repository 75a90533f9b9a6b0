"""A right click on a value of a card offers to go to where it comes from."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from teachvm.trace.grain import Grain
from teachvm.trace.moment import START
from teachvm.ui.widgets.canvas import Canvas
from teachvm.ui.widgets.ink import Spot
from teachvm.ui.window.main_window import MainWindow
from tests.ui.window.conftest import settle


def spots(window: MainWindow, kinds: tuple[str, ...]) -> list[tuple[Canvas, Spot]]:
    canvases = window.page.stage.findChildren(Canvas)
    return [
        (canvas, spot)
        for canvas in canvases
        for spot in canvas.picture.spots
        if spot.edit is not None and spot.edit.kind in kinds
    ]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("register", "flag"), "When did this change last?\tShift+F4"),
        (("memory", "entry"), "Who wrote this last?\tShift+F4"),
    ],
)
def test_a_value_knows_where_it_comes_from(opened: MainWindow, kinds: tuple[str, ...], words: str) -> None:
    bridge = opened.bridge
    assert bridge is not None
    for card in ("registers", "memory"):
        if card not in bridge.session.stage:
            opened.page.stage.toggle(card)
    bridge.step(Grain.TRAP)
    settle(opened)
    found = spots(opened, kinds)
    assert found
    canvas, spot = found[0]
    menu = canvas.copy_menu(spot)
    assert isinstance(menu, QMenu)
    (asked,) = [action for action in menu.actions() if action.text() == words]
    here = bridge.session.position
    asked.trigger()
    settle(opened)
    notice = bridge.session.notice
    assert notice is not None
    assert not notice.failure
    assert START <= bridge.session.position <= here
    assert any(word in notice.text for word in ("last written", "became", "since the start"))


def choose(canvas: Canvas, at: int) -> None:
    canvas.setFocus()
    for _ in range(at + 1):
        QTest.keyClick(canvas, Qt.Key.Key_Down)


@pytest.mark.qt_log_ignore("does not support raise")  # tooltips, without a screen
def test_a_key_asks_about_the_chosen_value_in_both_directions(opened: MainWindow) -> None:
    bridge = opened.bridge
    assert bridge is not None
    opened.page.stage.show_cards(("registers",))
    settle(opened)
    canvas, spot = next(
        pair for pair in spots(opened, ("register",)) if pair[1].edit is not None and pair[1].edit.name == "CS"
    )
    choose(canvas, canvas.picture.spots.index(spot))
    assert canvas.pointed == spot.edit
    begin = bridge.session.position
    opened.actions_by_name["find-change"].trigger()
    settle(opened)
    assert bridge.session.notice is not None
    assert bridge.session.notice.text.startswith("CS becomes")
    behind = bridge.session.position
    assert behind > begin
    opened.actions_by_name["find-change-back"].trigger()
    settle(opened)
    assert bridge.session.notice.text.startswith("CS became")
    assert begin <= bridge.session.position < behind


def test_with_nothing_chosen_the_key_says_what_to_do(opened: MainWindow) -> None:
    opened.actions_by_name["find-change"].trigger()
    settle(opened)
    assert "Point at a register" in opened.page.banner.text.text()


@pytest.mark.qt_log_ignore("does not support raise")  # tooltips, without a screen
def test_the_menu_key_opens_the_menu_of_the_chosen_value(opened: MainWindow) -> None:
    opened.page.stage.show_cards(("registers",))
    settle(opened)
    canvas, spot = spots(opened, ("flag",))[0]
    choose(canvas, canvas.picture.spots.index(spot))
    middle = canvas.rect().center()
    by_key = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, middle, canvas.mapToGlobal(middle))
    found, where = canvas.spot_of_menu(by_key)
    assert found == spot
    assert canvas.rect().contains(canvas.mapFromGlobal(where))
    assert "When does this change next?\tF4" in [action.text() for action in canvas.copy_menu(spot).actions()]
