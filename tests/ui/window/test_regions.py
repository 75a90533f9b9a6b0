"""Header, rail, stage, library and key sheet, each without a session."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from teachvm.app import speed
from teachvm.app.cards import CARDS
from teachvm.app.keys import KEYS
from teachvm.app.rail import AskView, RailView
from teachvm.ui.theme.look import Look
from teachvm.ui.theme.tokens import THEME_NAMES
from teachvm.ui.views.shapes import SHAPES, plan
from teachvm.ui.widgets.ink import Words
from teachvm.ui.window.actions import Actions
from teachvm.ui.window.actions import shown as short
from teachvm.ui.window.banner import Banner
from teachvm.ui.window.header import Header
from teachvm.ui.window.key_sheet import KeySheet
from teachvm.ui.window.library import Library
from teachvm.ui.window.rail import Rail
from teachvm.ui.window.stage import Stage
from tests.ui import samples
from tests.ui.checks import problems, unnamed

Shower = Callable[..., QWidget]


@pytest.fixture
def header(look: Look, shown: Shower) -> Header:
    window = QWidget()
    actions = Actions(window)
    made = Header(look, actions)
    made.setParent(window)
    shown(window, 1600, 60)
    made.resize(1600, 60)
    made.show_header(samples.HEADER)
    made.chip.show_actor(samples.who().body[0].actors[2])  # type: ignore[union-attr]
    QApplication.processEvents()
    return made


@pytest.mark.parametrize("width", [800, 1024, 1180, 1366, 1440, 1600, 2200])
def test_the_header_fits_every_width(header: Header, width: int) -> None:
    header.parentWidget().resize(width, 60)
    header.resize(width, 60)
    QApplication.processEvents()
    assert problems(header) == []
    children = header.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    boxes = [child.geometry() for child in children if child.isVisible() and child.width() > 0]
    assert all(box.left() >= 0 and box.right() <= width for box in boxes)
    for at, one in enumerate(boxes):
        assert not any(one.intersects(other) for other in boxes[at + 1 :])


def test_the_transport_does_not_move_while_running(header: Header) -> None:
    before = [button.geometry() for button in header.transport.buttons]
    where = header.transport.geometry()
    header.transport.show_running(True)
    QApplication.processEvents()
    assert header.transport.geometry() == where
    assert [button.geometry().topLeft() for button in header.transport.buttons] == [box.topLeft() for box in before]


def test_an_unavailable_technique_says_why(header: Header) -> None:
    buttons = {button.objectName(): button for button in header.technique._buttons}
    barred = buttons["technique-bare-metal"]
    assert not barred.isEnabled()
    assert "Several guests" in barred.toolTip()
    assert "Alt+1" in barred.toolTip()
    assert buttons["technique-trap-and-emulate"].isChecked()


def test_choosing_a_technique_waits_for_the_session(header: Header, qtbot: QtBot) -> None:
    buttons = {button.objectName(): button for button in header.technique._buttons}
    with qtbot.waitSignal(header.technique.chosen) as chosen:
        buttons["technique-binary-translation"].click()
    assert chosen.args == ["binary-translation"]
    assert buttons["technique-trap-and-emulate"].isChecked()
    assert not buttons["technique-binary-translation"].isChecked()


def test_a_beats_dot_leads_to_it(header: Header, qtbot: QtBot) -> None:
    dot = next(spot for spot in header.heading.picture.spots if spot.action == "beat-4")
    with qtbot.waitSignal(header.heading.acted) as acted:
        qtbot.mouseClick(header.heading, Qt.MouseButton.LeftButton, pos=QPoint(int(dot.x + 3), int(dot.y + 10)))
    assert acted.args == ["beat-4"]


def test_the_speed_is_said(header: Header) -> None:
    header.transport.slider.setValue(speed.MAX)
    assert header.transport.label.text() == "Max"
    header.transport.slider.setValue(0)
    assert header.transport.label.text() == "0.2/s"


def test_every_key_of_the_table_is_an_action_and_no_two_share_one(look: Look) -> None:
    window = QWidget()
    actions = Actions(window)
    seen: dict[str, str] = {}
    for key in KEYS:
        for sequence in actions[key.action].shortcuts():
            text = sequence.toString(QKeySequence.SequenceFormat.PortableText)
            assert text, key.action
            assert text not in seen, f"{text}: {seen.get(text)} and {key.action}"
            seen[text] = key.action
        assert all(keys in actions[key.action].toolTip() for keys in key.keys)
    assert short("Ctrl+Shift+F7") == "^⇧F7"


def test_a_disabled_action_says_why_in_its_tooltip(look: Look) -> None:
    window = QWidget()
    actions = Actions(window)
    actions.allow("back", False, "This is the beginning.")
    assert actions["back"].toolTip().endswith("This is the beginning.")
    actions.allow("back", True)
    assert "beginning" not in actions["back"].toolTip()


@pytest.fixture
def rail(look: Look, shown: Shower) -> Rail:
    made = Rail(look)
    made.show_rail(samples.RAIL)
    shown(made, 350, 900)
    return made


ASKED = samples.RAIL.ask or AskView("", "")


def with_ask(ask: AskView | None) -> RailView:
    """The sample beat with another question at its end, or none."""
    return replace(samples.RAIL, parts=(*samples.RAIL.parts[:-1], *([ask] if ask else [])))


@pytest.mark.parametrize("slim", [False, True])
def test_nothing_in_the_rail_is_cut(rail: Rail, slim: bool) -> None:
    rail.set_slim(slim)
    answered = replace(ASKED, chosen="0", verdict="wrong", right="1", feedback="Look **again**.", locked=True)
    for view in (samples.RAIL, with_ask(answered), replace(with_ask(None), hints=())):
        rail.show_rail(view)
        QApplication.processEvents()
        assert problems(rail) == []
        assert unnamed(rail) == []


def test_an_answer_is_given_by_mouse_or_keyboard_alone(rail: Rail, qtbot: QtBot) -> None:
    with qtbot.waitSignal(rail.answered) as answered:
        rail.ask.options[1].click()
    assert answered.args == ["q-if", "1"]
    rail.ask.options[2].setFocus()
    with qtbot.waitSignal(rail.answered) as answered:
        qtbot.keyClick(rail.ask.options[2], Qt.Key.Key_Return)
    assert answered.args == ["q-if", "2"]
    with qtbot.waitSignal(rail.commanded):
        qtbot.keyClick(rail.ask.options[2], Qt.Key.Key_Return)


def test_a_number_is_typed_and_enter_goes_on(rail: Rail, qtbot: QtBot) -> None:
    rail.show_rail(with_ask(AskView("q-n", "How many?", "number")))
    with qtbot.waitSignal(rail.answered) as answered:
        qtbot.keyClick(rail.ask.line, Qt.Key.Key_3)
    assert answered.args == ["q-n", "3"]
    with qtbot.waitSignal(rail.commanded):
        qtbot.keyClick(rail.ask.line, Qt.Key.Key_Return)


def test_a_judged_answer_is_marked_by_icon_beside_what_is_right_and_cannot_be_changed(rail: Rail) -> None:
    ask = replace(ASKED, chosen="0", verdict="wrong", right="1", feedback="Yes.", locked=True)
    rail.show_rail(with_ask(ask))
    icons = [[getattr(mark, "name", "") for mark in option.marks(300)[0]] for option in rail.ask.options[:2]]
    assert ["cross" in icons[0], "tick" in icons[1]] == [True, True]
    assert [option.isVisible() for option in rail.ask.options] == [True, True, False]
    assert not rail.ask.options[1].isEnabled()
    assert rail.ask.feedback.isVisible()


def test_what_was_told_stays_and_what_is_new_is_scrolled_to(rail: Rail) -> None:
    rail.resize(350, 620)
    QApplication.processEvents()
    bar = rail.area.verticalScrollBar()
    assert bar.value() == 0
    first = rail.ask
    judged = replace(ASKED, chosen="1", verdict="right", right="1", feedback="Yes.", locked=True)
    rail.show_rail(
        replace(samples.RAIL, parts=(*samples.RAIL.parts[:-1], judged, AskView("q-next", "Next?", options=("a", "b"))))
    )
    assert rail.ask is not first
    assert first.isVisible()
    assert rail.ask.geometry().bottom() <= bar.value() + rail.area.viewport().height()


def test_what_comes_before_any_question_leaves_the_beat_at_its_top(rail: Rail) -> None:
    rail.resize(350, 420)
    beat = replace(samples.RAIL, heading="Another beat", parts=samples.RAIL.parts[:1])
    rail.show_rail(beat)
    rail.show_rail(replace(beat, parts=samples.RAIL.parts))
    assert rail.area.verticalScrollBar().value() == 0
    assert rail.more.isVisible()
    for _ in range(9):
        rail.more.click()
    assert rail.area.verticalScrollBar().value() == rail.area.verticalScrollBar().maximum()
    assert not rail.more.isVisible()


def test_the_button_is_always_in_sight_and_leads_to_a_question_that_is_not(rail: Rail) -> None:
    rail.resize(350, 420)
    action = samples.RAIL.action
    assert action is not None
    rail.show_rail(replace(samples.RAIL, action=replace(action, enabled=False, why="Answer first.")))
    QApplication.processEvents()
    assert rail.rect().contains(rail.action.geometry().translated(rail.foot.pos()))
    assert rail.action.text() == "To the question"
    rail.action.click()
    assert rail.ask.geometry().top() >= rail.area.verticalScrollBar().value()
    assert rail.ask.options[0].hasFocus()
    assert rail.action.text() == action.text
    assert not rail.action.isEnabled()


def test_a_hint_stays_folded_until_it_is_wanted(rail: Rail, qtbot: QtBot) -> None:
    hint = rail._hints[0]
    assert not hint.prose.isVisible()
    hint.button.setFocus()
    qtbot.keyClick(hint.button, Qt.Key.Key_Space)
    assert hint.prose.isVisible()
    assert "unfolded" in hint.button.accessibleName()
    assert problems(rail) == []


def test_the_primary_button_carries_its_command_and_says_why_it_waits(rail: Rail, qtbot: QtBot) -> None:
    with qtbot.waitSignal(rail.commanded) as commanded:
        rail.action.click()
    assert commanded.args == ["step"]
    action = samples.RAIL.action
    assert action is not None
    rail.show_rail(replace(samples.RAIL, action=replace(action, enabled=False, why="Answer first.")))
    assert not rail.action.isEnabled()
    assert rail.action.toolTip() == "Answer first."


def test_every_card_of_the_vocabulary_has_a_shape() -> None:
    assert set(SHAPES) == {card.id for card in CARDS}


def test_the_plan_gives_wide_cards_rows_and_small_ones_shared_columns() -> None:
    assert plan(("who-is-running", "guest-code", "vcpu-and-cpu")).rows == (
        (("who-is-running",), ("guest-code",), ("vcpu-and-cpu",)),
    )
    assert plan(("guest-walk", "tlb", "console")).rows == ((("guest-walk",),), (("tlb", "console"),))
    assert plan(("who-is-running", "guest-code", "vcpu-and-cpu", "console"), 950).rows == (
        (("who-is-running",), ("guest-code",), ("vcpu-and-cpu", "console")),
    )
    assert plan(()).rows == ()


@pytest.mark.parametrize("width", [640, 900, 1220, 1900])
def test_every_card_named_is_on_the_stage_once(look: Look, shown: Shower, width: int) -> None:
    stage = Stage(look)
    shown(stage, width, 700)
    for cards in (("guest-code",), ("who-is-running", "guest-code", "vcpu-and-cpu", "console"), tuple(SHAPES)):
        stage.show_cards(cards)
        for card in cards:
            stage.show_view(card, samples.ALL.get(card, samples.note)())
        QApplication.processEvents()
        assert {name for name, frame in stage.frames.items() if frame.isVisible()} == set(cards)
        boxes = [stage.place_of(card) for card in cards]
        for at, one in enumerate(boxes):
            assert not any(one.intersects(other) for other in boxes[at + 1 :])


def test_a_card_is_maximised_and_gives_the_stage_back(look: Look, shown: Shower) -> None:
    stage = Stage(look)
    shown(stage, 1200, 700)
    stage.show_cards(("guest-code", "console"))
    stage.frame("guest-code").maximise_button.click()
    QApplication.processEvents()
    assert stage.in_sight() == ("guest-code",)
    assert not stage.frame("console").isVisible()
    assert stage.place_of("guest-code").width() > 1100
    stage.frame("guest-code").maximise_button.click()
    QApplication.processEvents()
    assert stage.frame("console").isVisible()


def test_an_empty_stage_says_how_to_fill_it(look: Look, shown: Shower) -> None:
    stage = Stage(look)
    shown(stage, 900, 500)
    stage.show_cards(("console",))
    stage.frame("console").close_button.click()
    QApplication.processEvents()
    assert stage.cards == ()
    assert stage.empty.isVisible()


def test_the_library_finds_by_any_word_and_names_what_is_broken(look: Look, shown: Shower, qtbot: QtBot) -> None:
    library = Library(look)
    library.show_entries(samples.LIBRARY, "trap-and-emulate")
    shown(library, 1366, 700)
    assert problems(library) == []
    assert unnamed(library) == []
    tiles = {tile.entry.id: tile for tile in library.grid.tiles}
    assert not tiles["broken"].isEnabled()
    assert "hots" in tiles["broken"].toolTip()
    library.search.setText("privileged")
    assert [name for name, tile in tiles.items() if tile.isVisible()] == ["trap-and-emulate"]
    library.search.setText("zebra")
    assert library.nothing.isVisible()
    library.search.clear()
    with qtbot.waitSignal(library.opened) as opened:
        qtbot.keyClick(tiles["two-level-paging"], Qt.Key.Key_Space)
    assert opened.args == ["two-level-paging"]
    with qtbot.waitSignal(library.opened) as opened:
        library.resume.click()
    assert opened.args == ["trap-and-emulate"]


@pytest.mark.parametrize("theme", THEME_NAMES)
@pytest.mark.parametrize("width", [500, 900, 1500])
def test_the_library_and_the_key_sheet_cut_nothing(look: Look, shown: Shower, width: int, theme: str) -> None:
    look.set_theme(theme)  # type: ignore[arg-type]
    library = Library(look)
    library.show_entries(samples.LIBRARY)
    shown(library, width, 700)
    assert problems(library) == []
    sheet = KeySheet(look, library)
    shown(sheet, width, 600)
    assert problems(sheet) == []


def test_a_long_message_wraps_and_can_be_put_away(look: Look, shown: Shower) -> None:
    banner = Banner(look)
    shown(banner, 500, 60)
    banner.say("lesson.md:12:3: unknown key 'hots', did you mean 'host'? " * 4)
    QApplication.processEvents()
    banner.resize(500, banner.sizeHint().height() + 200)
    QApplication.processEvents()
    assert problems(banner) == []
    banner.close_button.click()
    assert not banner.isVisible()


def test_menus_of_cards_can_be_read_out(look: Look, shown: Shower) -> None:
    stage = Stage(look)
    shown(stage, 900, 500)
    stage.show_cards(("console",))
    menu = stage.frame("console").findChild(QMenu)
    assert menu is not None
    assert all(action.text() for action in menu.actions())


@pytest.mark.parametrize("width", [1366, 1600])
def test_a_long_name_of_a_lesson_is_not_cut_where_there_is_room_beside_the_transport(
    header: Header, width: int
) -> None:
    title = "Emulation or virtualization"
    header.parentWidget().resize(width, 60)
    header.resize(width, 60)
    header.show_header(replace(samples.HEADER, title=title))
    QApplication.processEvents()
    assert title in "".join(mark.text for mark in header.heading.picture.marks if isinstance(mark, Words))
    boxes = [each.geometry() for each in (header.heading, header.chip, header.transport, header.technique)]
    assert not any(one.intersects(other) for at, one in enumerate(boxes) for other in boxes[at + 1 :])
