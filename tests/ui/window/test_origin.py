"""A right click on a value of a card offers to go to where it comes from."""

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from teachvm.app.control import Direction
from teachvm.app.wording import Editable
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START
from teachvm.ui.widgets.canvas import Canvas
from teachvm.ui.widgets.field_editor import FieldEditor
from teachvm.ui.widgets.ink import Spot
from teachvm.ui.widgets.table import Table
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


def tables(window: MainWindow, card: str) -> Table:
    return window.page.stage.frame(card).findChildren(Table)[0]


def cell_of(table: Table, row: str, column: int) -> QModelIndex:
    at = next(at for at, one in enumerate(table.model.rows) if one.cells[0].text == row)
    return table.model.index(at, column)


def test_values_in_tables_are_asked_about_and_changed_as_those_on_other_cards(opened: MainWindow) -> None:
    bridge = opened.bridge
    assert bridge is not None
    opened.page.stage.show_cards(("segments",))
    for grain in (Grain.TRAP, Grain.TRAP, Grain.INSTRUCTION):
        bridge.step(grain)
    settle(opened)
    table = tables(opened, "segments")
    index = cell_of(table, "FS", 1)
    assert "When did this change last?\tShift+F4" in [action.text() for action in table.menu_at(index).actions()]
    table.table.setFocus()
    table.table.setCurrentIndex(index)
    assert table.pointed == Editable("register", "FS", "alpha")
    table.table.doubleClicked.emit(index)
    (editor,) = table.findChildren(FieldEditor)
    editor.setText("0")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    settle(opened)
    assert table.model.cell(cell_of(table, "FS", 1)).text == "0000"
    assert len(bridge.session.control.edits) == 1
    opened.actions_by_name["find-change-back"].trigger()
    settle(opened)
    assert bridge.session.notice is not None
    assert bridge.session.notice.text.startswith("FS ")


def test_shadow_entries_and_the_guests_behind_them_are_asked_about_but_only_the_guests_can_be_changed(
    opened: MainWindow,
) -> None:
    bridge = opened.bridge
    assert bridge is not None
    opened.page.stage.show_cards(("shadow-tables",))
    for _ in range(30):
        bridge.step(Grain.TRAP)
    settle(opened)
    table = tables(opened, "shadow-tables")
    row = next(at for at in range(table.model.rowCount()) if table.model.cell(table.model.index(at, 1)).alters)
    own, shadow = (table.model.cell(table.model.index(row, column)).alters for column in (1, 2))
    assert own is not None
    assert shadow is not None
    assert own.space == "guest-physical"
    bridge.session.edit(shadow, "1")
    assert bridge.session.notice is not None
    assert "the VMM’s own" in bridge.session.notice.text
    bridge.find_origin(shadow, Direction.BACKWARD)
    settle(opened)
    assert bridge.session.notice is not None
    assert "last written at moment" in bridge.session.notice.text
    assert any(who in bridge.session.notice.text for who in ("by the VMM", "by the page walker of the processor"))
    bridge.find_origin(own, Direction.BACKWARD)
    settle(opened)
    assert "kernel of alpha" in bridge.session.notice.text
