"""Every kind of block, in every theme, at several sizes and zooms: readable, complete, repainted where it differs."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from teachvm.app.presentation import (
    Badge,
    CardView,
    Cell,
    CodeLine,
    CodeView,
    Instant,
    NoteView,
    Pair,
    PairSection,
    PairsView,
    Place,
    Span,
)
from teachvm.app.twin import twin
from teachvm.trace.moment import Moment
from teachvm.ui.theme.look import Look
from teachvm.ui.theme.tokens import THEME_NAMES
from teachvm.ui.widgets.canvas import Canvas
from teachvm.ui.widgets.card import CardFrame
from teachvm.ui.widgets.code_list import CodeList
from teachvm.ui.widgets.ink import Words
from teachvm.ui.widgets.pairs import PairsTable
from tests.ui import samples
from tests.ui.checks import problems, unnamed

SIZES = ((330, 400), (700, 520), (1280, 700))
Shower = Callable[..., QWidget]


def card(look: Look, name: str, view: CardView) -> CardFrame:
    frame = CardFrame(look, name, name.replace("-", " ").capitalize())
    frame.show_view(view)
    return frame


@pytest.mark.parametrize("name", samples.ALL)
def test_no_text_of_a_card_is_cut_or_covered_at_any_size(look: Look, shown: Shower, name: str) -> None:
    frame = card(look, name, samples.ALL[name]())
    shown(frame)
    for width, height in SIZES:
        frame.resize(width, height)
        QApplication.processEvents()
        assert problems(frame) == []


@pytest.mark.parametrize("zoom", [0.8, 1.25, 2.0])
def test_zoom_makes_drawings_larger_and_cuts_nothing(look: Look, shown: Shower, zoom: float) -> None:
    look.set_zoom(zoom)
    for name, sample in samples.ALL.items():
        frame = card(look, name, sample())
        shown(frame, round(620 * zoom), round(480 * zoom))
        assert problems(frame) == []
        frame.hide()


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_every_card_is_painted_in_every_theme(look: Look, shown: Shower, theme: str) -> None:
    look.set_theme(theme)  # type: ignore[arg-type]
    for name, sample in samples.ALL.items():
        frame = card(look, name, sample())
        shown(frame)
        image = frame.grab().toImage()
        colours = {image.pixel(x, y) for x in range(0, 600, 3) for y in range(60, 500, 3)}
        assert len(colours) > 8, name
        frame.hide()


@pytest.mark.parametrize("name", samples.ALL)
def test_the_text_twin_says_everything_that_is_painted(look: Look, shown: Shower, name: str) -> None:
    frame = card(look, name, samples.ALL[name]())
    shown(frame, 1300, 1000)
    said = twin(frame.view).lower().replace("\u202f", " ")
    for canvas in frame.body.findChildren(Canvas):
        for mark in canvas.picture.marks:
            if isinstance(mark, Words):
                for word in mark.text.lower().replace("\u202f", " ").replace("…", "").strip("←: ").split():
                    assert word in said, (name, mark.text)


def test_the_text_twin_is_one_key_away_and_follows(look: Look, shown: Shower, qtbot: QtBot) -> None:
    frame = card(look, "guest-code", samples.code())
    shown(frame)
    frame.twin_button.setFocus()
    qtbot.keyClick(frame.twin_button, Qt.Key.Key_Space)
    assert frame.twin.isVisible()
    assert "0010 0242" in frame.twin.toPlainText()
    frame.show_view(samples.code(0x100243))
    assert "> " in frame.twin.toPlainText()
    assert frame.twin.toPlainText() == frame.text()
    qtbot.keyClick(frame.twin_button, Qt.Key.Key_Space)
    assert not frame.twin.isVisible()


class Painted(QObject):
    """Notes which part of a widget is painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self.area = 0
        widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt calls it by this name
        if event.type() == QEvent.Type.Paint and isinstance(event, QPaintEvent):
            self.area += sum(rect.width() * rect.height() for rect in event.region())
        return False


def test_a_step_repaints_only_the_lines_that_differ(look: Look, shown: Shower) -> None:
    frame = card(look, "guest-code", samples.code(0x100243))
    shown(frame)
    canvas = frame.findChild(CodeList)
    assert canvas is not None
    seen = Painted(canvas)
    frame.show_view(samples.code(0x100248))
    QApplication.processEvents()
    assert 0 < seen.area < canvas.width() * canvas.height() / 4
    seen.area = 0
    frame.show_view(samples.code(0x100248))
    QApplication.processEvents()
    assert seen.area == 0


def test_where_there_is_little_room_a_badge_says_less_before_an_instruction_is_cut(look: Look) -> None:
    badge = Badge("needs IOPL · #GP(0)", "trap", "lock")
    view = CodeView((CodeLine(0x1000, "ee", "out", (Span("dx, al"),), badge),))
    said = []
    for width in (600, 330, 260):
        canvas = CodeList(look, "narrow")
        canvas.show_block(view)
        texts = [mark.text for mark in canvas.compose(width, 60).marks if isinstance(mark, Words)]
        assert "".join(texts).replace(" ", "").find("outdx,al") >= 0, width
        said.append(next((text for text in texts if "IOPL" in text), ""))
        assert any(spot.name == badge.text for spot in canvas.compose(width, 60).spots)
    assert said == [badge.text, "needs IOPL", ""]


def test_headings_of_columns_are_all_loud_or_none_is(look: Look) -> None:
    rows = (Pair("CPL", (Cell("0"), Cell("1"))),)
    view = PairsView((PairSection(rows, ("guest sees", "hardware, in guest")),))
    for width in range(150, 420, 10):
        table = PairsTable(look, "pairs")
        table.show_block(view)
        heads = [mark.text for mark in table.compose(width, 80).marks if isinstance(mark, Words)][:2]
        assert heads[0].isupper() == heads[1].isupper(), width


def test_the_current_line_is_scrolled_into_sight(look: Look, shown: Shower) -> None:
    rows = tuple(CodeLine(0x1000 + at, "90", "nop") for at in range(200))
    frame = card(look, "guest-code", CardView((), (CodeView(rows),)))
    shown(frame, 500, 300)
    bar = frame.body.verticalScrollBar()
    for current in (150, 20, 199, 0):
        moved = (*rows[:current], replace(rows[current], current=True), *rows[current + 1 :])
        frame.show_view(CardView((), (CodeView(moved),)))
        QApplication.processEvents()
        top = 4 + current * 26
        assert bar.value() <= top <= bar.value() + frame.body.viewport().height() - 26


def test_clicking_an_address_and_the_gutter(look: Look, shown: Shower, qtbot: QtBot) -> None:
    frame = card(look, "guest-code", samples.code())
    shown(frame)
    canvas = frame.findChild(CodeList)
    assert canvas is not None
    address = next(spot for spot in canvas.picture.spots if isinstance(spot.link, Place))
    with qtbot.waitSignal(frame.body.followed) as followed:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(int(address.x + 4), int(address.y + 8)))
    assert followed.args == [Place("linear", 0x100240)]
    gutter = next(spot for spot in canvas.picture.spots if spot.action)
    with qtbot.waitSignal(frame.body.break_toggled) as toggled:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(int(gutter.x + 4), int(gutter.y + 8)))
    assert toggled.args == [0x100240]


def test_spots_are_reached_and_followed_by_keyboard(look: Look, shown: Shower, qtbot: QtBot) -> None:
    link = Instant(Moment(7))
    frame = card(look, "event-log", CardView((), (NoteView((Span("go to "), Span("the trap", link=link))),)))
    shown(frame)
    canvas = frame.findChild(Canvas, "event-log")
    assert canvas is not None
    canvas.setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(canvas, key)
    with qtbot.waitSignal(frame.body.followed) as followed:
        qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert followed.args == [link]


def test_hovering_explains_with_term_and_source(look: Look, shown: Shower) -> None:
    frame = card(look, "guest-code", samples.code())
    shown(frame)
    canvas = frame.findChild(CodeList)
    assert canvas is not None
    badge = next(spot for spot in canvas.picture.spots if spot.copy == "privileged")
    said = canvas.explain(badge)
    assert "Privileged" in said
    assert "SDM Vol. 3" in said


def test_a_value_can_be_copied_in_every_radix(look: Look, shown: Shower) -> None:
    frame = card(look, "vcpu-and-cpu", samples.vcpu())
    shown(frame)
    canvas = frame.findChild(Canvas, "vcpu-and-cpu-pairs")
    assert canvas is not None
    spot = next(spot for spot in canvas.picture.spots if spot.value == 0x104000)
    menu = canvas.copy_menu(spot)
    for action in menu.actions():
        action.trigger()
    texts = [action.text() for action in menu.actions()]
    assert any("0x00104000" in text for text in texts)
    assert any("1064960" in text for text in texts)
    assert QApplication.clipboard().text() == "0000 0000 0001 0000 0100 0000 0000 0000"


def test_widgets_stay_when_the_kinds_of_blocks_stay(look: Look, shown: Shower) -> None:
    frame = card(look, "memory", samples.memory())
    shown(frame)
    before = list(frame.body.blocks)
    frame.show_view(samples.memory())
    assert frame.body.blocks == before
    frame.show_view(samples.note())
    assert len(frame.body.blocks) == 1
    QApplication.processEvents()


def test_a_narrow_card_keeps_its_buttons_in_a_menu(look: Look, shown: Shower) -> None:
    frame = card(look, "who-is-running", samples.who())
    shown(frame, 220, 600)
    assert frame.more_button.isVisible()
    assert not frame.close_button.isVisible()
    frame.resize(400, 600)
    assert frame.close_button.isVisible()
    menu = frame.more_button.menu()
    assert len(menu.actions()) == 3
    frame.resize(220, 600)
    menu.actions()[0].trigger()
    assert frame.twin.isVisible()


def test_everything_interactive_on_a_card_has_a_name(look: Look, shown: Shower) -> None:
    for name, sample in samples.ALL.items():
        frame = card(look, name, sample())
        shown(frame)
        assert unnamed(frame) == []
