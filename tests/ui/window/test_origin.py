"""A right click on a value of a card offers to go to where it comes from."""

import pytest
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
    [(("register", "flag"), "When did this change last?"), (("memory", "entry"), "Who wrote this last?")],
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
