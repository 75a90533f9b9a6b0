from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from teachvm.app.presentation import Cell, Column, ConsoleView, Place, TableRow, TableView
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.console import Console
from teachvm.ui.widgets.table import Table
from teachvm.ui.widgets.table_model import RowsModel
from tests.ui.checks import problems

Shower = Callable[..., QWidget]
COLUMNS = (Column("Page", 9, code=True), Column("Frame", 9, code=True), Column("Flags", 8, stretch=True))


def rows(count: int, start: int = 0) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(f"{at}", (Cell(f"{at:04x} 0000"), Cell(f"{at * 3:04x} 0000"), Cell("P W U")))
        for at in range(start, start + count)
    )


def test_the_model_keeps_qts_rules_through_every_kind_of_change(look: Look, qtmodeltester: ModelTester) -> None:
    model = RowsModel(look)
    qtmodeltester.check(model)
    for table in (rows(0), rows(5), rows(9), rows(3), rows(3, 7), rows(0), rows(40)):
        model.show_rows(COLUMNS, table)
        assert model.rowCount() == len(table)
        qtmodeltester.check(model)
    model.show_rows(COLUMNS[:1], rows(2))
    qtmodeltester.check(model)


def test_only_rows_that_differ_are_announced(look: Look, qtbot: QtBot) -> None:
    model = RowsModel(look)
    before = rows(20)
    model.show_rows(COLUMNS, before)
    changed: list[int] = []
    model.dataChanged.connect(lambda top, bottom, *_: changed.append(top.row()) or top.row() == bottom.row())
    after = list(before)
    after[4] = replace(after[4], lit="vmm")
    after[11] = replace(after[11], cells=(Cell("1"), Cell("2", changed=True)))
    model.show_rows(COLUMNS, tuple(after))
    assert changed == [4, 11]
    model.show_rows(COLUMNS, tuple(after))
    assert changed == [4, 11]


def test_a_short_row_is_empty_at_its_end(look: Look) -> None:
    model = RowsModel(look)
    model.show_rows(COLUMNS, (TableRow("a", (Cell("only"),)),))
    assert model.data(model.index(0, 2)) == ""
    assert model.data(model.index(0, 0), Qt.ItemDataRole.AccessibleTextRole) == "Page only"
    assert model.data(QModelIndex()) is None


def test_a_log_follows_its_end_and_keeps_a_readers_place(look: Look, shown: Shower) -> None:
    table = Table(look, "event-log")
    shown(table, 500, 300)
    table.show_block(TableView(COLUMNS, rows(100), follow=True))
    QApplication.processEvents()
    bar = table.table.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    assert problems(table) == []


def test_an_empty_table_says_why(look: Look, shown: Shower) -> None:
    table = Table(look, "tlb")
    shown(table, 500, 300)
    table.show_block(TableView(COLUMNS, (), empty="Paging is off."))
    assert table.empty.isVisible()
    assert table.empty.text() == "Paging is off."
    table.show_block(TableView(COLUMNS, rows(2)))
    assert not table.empty.isVisible()


def test_a_value_that_leads_somewhere_is_followed(look: Look, shown: Shower, qtbot: QtBot) -> None:
    table = Table(look, "tlb")
    shown(table, 500, 300)
    link = Place("linear", 0x4000)
    table.show_block(TableView(COLUMNS, (TableRow("a", (Cell("0000 4000", link=link),)),)))
    with qtbot.waitSignal(table.followed) as followed:
        table.table.clicked.emit(table.model.index(0, 0))
    assert followed.args == [link]


def test_console_output_that_grows_keeps_the_selection(look: Look, shown: Shower) -> None:
    console = Console(look)
    shown(console)
    console.show_block(ConsoleView("init\nA1 "))
    cursor = console.text.textCursor()
    cursor.setPosition(0)
    cursor.setPosition(4, cursor.MoveMode.KeepAnchor)
    console.text.setTextCursor(cursor)
    console.show_block(ConsoleView("init\nA1 B1 ", 3))
    assert console.text.toPlainText() == "init\nA1 B1 "
    assert console.text.textCursor().selectedText() == "init"
    assert len(console.text.extraSelections()) == 1
    console.show_block(ConsoleView("init\n", dropped=4000))
    assert console.text.toPlainText() == "init"  # the line end that closes it is no line
    assert "4\u202f000 earlier lines" in console.title.text()


def test_the_end_of_a_log_stays_in_sight_unless_somebody_reads_further_up(look: Look, shown: Shower) -> None:
    table = Table(look)
    shown(table, 500, 200)
    bar = table.table.verticalScrollBar()

    def log(count: int) -> TableView:
        rows = tuple(TableRow(str(at), (Cell(str(at)),)) for at in range(count))
        return TableView((Column("What", 20, stretch=True),), rows, follow=True)

    for count, height in ((40, 200), (40, 90), (60, 90), (60, 400), (61, 150)):
        table.show_block(log(count))
        table.resize(500, height)
        QApplication.processEvents()
        assert bar.value() == bar.maximum() > 0
    bar.setValue(100)
    table.show_block(log(80))
    QApplication.processEvents()
    assert bar.value() == 100
