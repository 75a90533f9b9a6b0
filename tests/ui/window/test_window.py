"""The window with a real lesson: every key, every way to move, and everything that can go wrong."""

import shutil
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from teachvm import resources
from teachvm.app import speed
from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.presentation import Instant, Place
from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.trace.moment import START, Moment
from teachvm.ui import mishap
from teachvm.ui.bridge import SessionBridge
from teachvm.ui.theme.look import Look
from teachvm.ui.theme.tokens import THEME_NAMES
from teachvm.ui.widgets.table import Table
from teachvm.ui.window import lesson_page
from teachvm.ui.window.main_window import MainWindow
from tests.ui.checks import problems, unnamed
from tests.ui.window.conftest import settle

LESSON = "03-trap-and-emulate"
PATIENCE_MS = 30_000
"""How long something may take on a busy machine; nothing waits so long on a quiet one."""


def bridge_of(window: MainWindow) -> SessionBridge:
    assert window.bridge is not None
    return window.bridge


def at(window: MainWindow) -> Moment:
    return bridge_of(window).session.position


def press(window: MainWindow, qtbot: QtBot, action: str) -> None:
    """Press the first key of an action, as a student would."""
    combination = QKeySequence(KEY_BY_ACTION[action].keys[0])[0]
    qtbot.keyClick(window, combination.key(), combination.keyboardModifiers())
    settle(window)


def test_it_opens_at_the_library_and_then_at_a_lesson(window: MainWindow) -> None:
    assert window.pages.currentWidget() is window.library
    assert len(window.library.grid.tiles) >= 2
    assert not window.actions_by_name["step"].isEnabled()
    assert window.open_lesson("trap-and-emulate")
    settle(window)
    assert window.pages.currentWidget() is window.page
    assert window.windowTitle() == "Trap and emulate — teachvm"
    assert window.page.rail.heading.text()
    assert window.page.stage.cards == bridge_of(window).session.stage


@pytest.mark.parametrize(
    ("action", "back", "first"),
    [
        ("step", "back", ("next-trap", "step")),
        ("step-instruction", "back-instruction", ("next-trap", "step-instruction", "step-instruction")),
        ("next-trap", "previous-trap", ("next-trap", "next-trap")),
    ],
)
def test_every_step_forward_is_undone_by_the_same_key_with_shift(
    opened: MainWindow, qtbot: QtBot, action: str, back: str, first: tuple[str, ...]
) -> None:
    for name in first:
        press(opened, qtbot, name)
    start, state = at(opened), bridge_of(opened).session.control.world.registry.capture()
    press(opened, qtbot, action)
    assert at(opened) > start
    press(opened, qtbot, back)
    assert at(opened) == start
    assert bridge_of(opened).session.control.world.registry.capture() == state


def test_running_steps_on_at_its_speed_and_pauses(opened: MainWindow, qtbot: QtBot) -> None:
    opened.header.transport.slider.setValue(speed.STEPS)
    start = at(opened)
    opened.actions_by_name["run"].trigger()
    qtbot.waitUntil(lambda: at(opened).n > start.n + 20, timeout=PATIENCE_MS)
    assert opened.header.transport.buttons[-1].icon_name == "pause"
    opened.actions_by_name["run"].trigger()
    settle(opened)
    stopped = at(opened)
    QApplication.processEvents()
    assert at(opened) == stopped
    assert opened.header.transport.buttons[-1].icon_name == "run"


@pytest.mark.parametrize("position", [speed.FAST, speed.MAX])
def test_escape_stops_a_run_from_wherever_the_focus_is(opened: MainWindow, qtbot: QtBot, position: int) -> None:
    opened.header.transport.slider.setValue(position)
    start = at(opened)
    opened.actions_by_name["run"].trigger()
    qtbot.waitUntil(lambda: at(opened).n > start.n + 500, timeout=PATIENCE_MS)
    opened.header.transport.slider.setFocus()
    qtbot.keyClick(opened.header.transport.slider, Qt.Key.Key_Escape)
    assert not bridge_of(opened).running
    settle(opened)


def test_the_speed_changes_while_running(opened: MainWindow, qtbot: QtBot) -> None:
    opened.header.transport.slider.setValue(speed.STEPS)
    opened.actions_by_name["run"].trigger()
    for position in (speed.FAST, speed.STEPS, speed.MAX):
        start = at(opened)
        opened.header.transport.slider.setValue(position)
        qtbot.waitUntil(lambda here=start: at(opened).n > here.n + 5, timeout=PATIENCE_MS)
        assert bridge_of(opened).running
    bridge_of(opened).stop()


def test_running_stops_at_a_breakpoint(opened: MainWindow, qtbot: QtBot) -> None:
    session = bridge_of(opened).session
    opened.actions_by_name["step-instruction"].trigger()
    settle(opened)
    address = opened.page.selected_address()
    assert address is not None
    press(opened, qtbot, "breakpoint")
    assert address in session.control.focus.breakpoints
    where = at(opened)
    press(opened, qtbot, "back-instruction")
    for position in (speed.STEPS, speed.FAST):
        opened.header.transport.slider.setValue(position)
        press(opened, qtbot, "run")
        assert at(opened) == where
        press(opened, qtbot, "back-instruction")


def test_running_backwards_reaches_the_previous_trap(opened: MainWindow, qtbot: QtBot) -> None:
    press(opened, qtbot, "next-trap")
    trap = at(opened)
    for _ in range(3):
        press(opened, qtbot, "step-instruction")
    press(opened, qtbot, "run-back")
    assert at(opened) == trap


def test_many_movements_are_one_signal(opened: MainWindow) -> None:
    heard: list[int] = []
    bridge_of(opened).moved.connect(lambda: heard.append(1))
    for _ in range(1000):
        bridge_of(opened).poke()
    QApplication.processEvents()
    assert heard == [1]


def test_a_clickers_keys_turn_the_beats_but_not_inside_a_text(opened: MainWindow, qtbot: QtBot) -> None:
    run = bridge_of(opened).session.run
    press(opened, qtbot, "next-beat")
    assert run.beat == 1
    frame = next(iter(opened.page.stage.frames.values()))
    frame.twin_button.setChecked(True)
    frame.twin.setFocus()
    QApplication.processEvents()
    qtbot.keyClick(frame.twin, Qt.Key.Key_PageDown)
    settle(opened)
    assert run.beat == 1
    opened.page.stage.setFocus()
    QApplication.processEvents()
    press(opened, qtbot, "previous-beat")
    assert run.beat == 0


def test_a_prediction_is_made_with_the_keyboard_and_kept(opened: MainWindow, qtbot: QtBot) -> None:
    rail = opened.page.rail
    assert rail.view.ask is not None
    assert rail.view.action is not None
    assert not rail.view.action.enabled
    rail.ask.options[0].setFocus()
    qtbot.keyClick(rail.ask.options[0], Qt.Key.Key_Space)
    settle(opened)
    assert rail.action.isEnabled()
    rail.action.setFocus()
    qtbot.keyClick(rail.action, Qt.Key.Key_Space)
    settle(opened)
    assert rail.view.ask is not None
    assert rail.view.ask.locked
    lesson = bridge_of(opened).session.lesson.id
    saved = opened.progress.of(lesson)
    assert saved is not None
    assert saved["answers"]


def test_the_lesson_goes_on_where_it_was_left(opened: MainWindow, qtbot: QtBot, look: Look, tmp_path: Path) -> None:
    press(opened, qtbot, "next-beat")
    opened.show_library()
    assert opened.library.resume.isVisible()
    opened.close()
    again = MainWindow(look, SettingsStore(tmp_path / "settings.json"), ProgressStore(tmp_path / "progress.json"))
    qtbot.addWidget(again)
    again.show()
    again.library.resume.click()
    settle(again)
    assert bridge_of(again).session.run.beat == 1


def test_the_technique_is_switched_by_key(opened: MainWindow, qtbot: QtBot) -> None:
    press(opened, qtbot, "technique-bare-metal")
    assert bridge_of(opened).session.header().technique == "bare-metal"
    checked = [button.objectName() for button in opened.header.technique._buttons if button.isChecked()]
    assert checked == ["technique-bare-metal"]


def test_a_card_put_on_the_stage_stays_until_the_lesson_wants_others(opened: MainWindow, qtbot: QtBot) -> None:
    menu = opened.palette_menu()
    before = opened.page.stage.cards
    actions = {action.text(): action for action in menu.actions()}
    assert actions["Guest code"].isChecked() == ("guest-code" in before)
    actions["Registers and flags"].trigger()
    settle(opened)
    assert opened.page.stage.cards == (*before, "registers")
    press(opened, qtbot, "step-instruction")
    assert opened.page.stage.cards == (*before, "registers")
    assert bridge_of(opened).session.stage == (*before, "registers")
    press(opened, qtbot, "next-beat")
    assert "registers" not in opened.page.stage.cards


def test_a_value_that_is_an_address_or_a_moment_leads_there(opened: MainWindow) -> None:
    opened.page.follow(Place("linear", 0x1000))
    settle(opened)
    assert "memory" in opened.page.stage.cards
    assert bridge_of(opened).session.control.focus.memory == 0x1000
    opened.page.follow(Place("host-physical", 0x2000))
    settle(opened)
    said = "".join(span.text for span in bridge_of(opened).session.card("memory").subtitle)
    assert "hPA 0000 2000" in said
    opened.page.follow(Instant(START))
    settle(opened)
    assert at(opened) == START


def test_a_click_on_the_timeline_moves_the_machine_there(opened: MainWindow, qtbot: QtBot) -> None:
    for _ in range(4):
        press(opened, qtbot, "next-trap")
    opened.page.dock.lanes.setFocus()
    qtbot.keyClick(opened.page.dock.lanes, Qt.Key.Key_Home)
    settle(opened)
    assert at(opened) == START
    assert not opened.actions_by_name["back"].isEnabled()
    assert "beginning" in opened.actions_by_name["back"].toolTip()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_cost_of_a_reason_is_given_anew_on_the_entries_card(opened: MainWindow, qtbot: QtBot, by: str) -> None:
    press(opened, qtbot, "next-beat")
    opened.page.stage.toggle("vmm-entries")
    settle(opened)
    table = opened.page.stage.frames["vmm-entries"].findChild(Table)
    assert isinstance(table, Table)
    cell = next(
        table.model.index(row, column)
        for row in range(table.model.rowCount())
        for column in range(table.model.columnCount())
        if table.model.cell(table.model.index(row, column)).edit == "trap"
    )

    def begin() -> None:
        if by == "mouse":
            place = table.table.visualRect(cell).center()
            qtbot.mouseClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        else:
            table.table.setFocus()
            table.table.setCurrentIndex(table.model.index(cell.row(), 0))
            qtbot.keyClick(table.table, Qt.Key.Key_Return)
        assert table.editor.isVisible()
        assert table.editor.hasFocus()

    where, world = at(opened), bridge_of(opened).session.control.world
    begin()
    qtbot.keyClick(table.editor, Qt.Key.Key_Escape)
    assert not table.editor.isVisible()
    assert bridge_of(opened).session.control.world is world
    begin()
    qtbot.keyClicks(table.editor, "much")
    qtbot.keyClick(table.editor, Qt.Key.Key_Return)
    settle(opened)
    assert "“much” is no cost" in opened.page.banner.text.text()
    begin()
    qtbot.keyClicks(table.editor, "7000")
    qtbot.keyClick(table.editor, Qt.Key.Key_Return)
    settle(opened)
    session = bridge_of(opened).session
    assert session.control.world.host.costs.of("trap") == 7000
    assert at(opened) == where
    assert "You changed what work costs here" in opened.page.rail.view.parts[0].markdown  # type: ignore[union-attr]
    assert not opened.page.banner.isVisible()
    assert problems(opened) == []
    assert unnamed(opened) == []


def test_zoom_theme_rail_and_speed_are_kept(opened: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    press(opened, qtbot, "zoom-in")
    opened.header.theme_button.click()
    opened.header.rail_button.click()
    opened.header.transport.slider.setValue(70)
    assert not opened.page.rail.isVisible()
    now = SettingsStore(tmp_path / "settings.json").now
    assert (now.zoom, now.theme, now.rail, now.speed) == (1.1, "light", False, 70)
    press(opened, qtbot, "zoom-reset")
    assert opened.look.zoom == 1.0


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_no_text_of_the_window_is_cut_in_any_theme_or_size(opened: MainWindow, theme: str) -> None:
    opened.look.set_theme(theme)  # type: ignore[arg-type]
    for width, height, zoom in ((1600, 1000, 1.0), (1366, 768, 1.0), (1024, 768, 1.0), (2560, 1440, 1.6)):
        opened.look.set_zoom(zoom)
        opened.resize(width, height)
        settle(opened)
        assert problems(opened) == []


def test_everything_interactive_has_a_name(opened: MainWindow) -> None:
    assert unnamed(opened) == []


def test_tab_reaches_the_transport_the_rail_the_cards_and_the_timeline(opened: MainWindow, qtbot: QtBot) -> None:
    opened.page.stage.setFocus()
    seen: list[str] = []
    for _ in range(120):
        qtbot.keyClick(QApplication.focusWidget() or opened, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        assert isinstance(focus, QWidget)
        seen.append(focus.objectName())
    places = ("button-step", "button-run", "speed", "q-paging-option-1", "guest-code", "timeline-lanes", "theme-next")
    for name in places:
        assert name in seen, name


def test_the_key_sheet_opens_and_closes_by_key(opened: MainWindow, qtbot: QtBot) -> None:
    opened.actions_by_name["key-sheet"].trigger()
    assert opened.key_sheet is not None
    assert opened.key_sheet.isVisible()
    qtbot.keyClick(opened.key_sheet, Qt.Key.Key_Escape)
    assert opened.key_sheet is None or not opened.key_sheet.isVisible()


def test_presenter_mode_is_larger_shows_notes_keys_and_what_changed(opened: MainWindow, qtbot: QtBot) -> None:
    press(opened, qtbot, "presenter")
    assert opened.look.zoom > 1.2
    assert opened.notes.isVisible()
    opened.actions_by_name["next-trap"].trigger()
    assert opened.pressed.isVisible()
    assert opened.pressed.text() == "Ctrl+F7   Next trap"
    settle(opened)
    assert any(frame.property("lit") == "true" for frame in opened.page.stage.frames.values())
    assert problems(opened) == []
    press(opened, qtbot, "presenter")
    assert not opened.notes.isVisible()
    assert opened.look.zoom == 1.0


def test_presenter_mode_hides_the_machine_until_the_room_has_predicted(opened: MainWindow, qtbot: QtBot) -> None:
    page = opened.page
    assert page.stage.isVisible()
    press(opened, qtbot, "presenter")
    assert page.veil.isVisible()
    assert not page.stage.isVisible()
    assert not page.dock.isVisible()
    assert problems(opened) == []
    assert unnamed(opened) == []
    page.rail.ask.options[0].setFocus()
    qtbot.keyClick(page.rail.ask.options[0], Qt.Key.Key_Space)
    settle(opened)
    assert page.veil.isVisible(), "chosen is not kept"
    page.rail.action.click()
    settle(opened)
    assert page.stage.isVisible()
    assert page.dock.isVisible()
    press(opened, qtbot, "reset")
    assert page.veil.isVisible(), "the question is open again"
    page.veil.show_button.click()
    settle(opened)
    assert page.stage.isVisible()
    press(opened, qtbot, "next-trap")
    assert page.stage.isVisible(), "shown all the same, until another prediction"
    opened.header.rail_button.click()
    settle(opened)
    assert page.stage.isVisible()
    press(opened, qtbot, "presenter")
    assert page.stage.isVisible()
    assert not page.veil.isVisible()


def test_presenter_mode_hides_nothing_while_the_question_cannot_be_seen(opened: MainWindow, qtbot: QtBot) -> None:
    press(opened, qtbot, "presenter")
    assert opened.page.veil.isVisible()
    opened.header.rail_button.click()
    settle(opened)
    assert opened.page.stage.isVisible()
    opened.header.rail_button.click()
    settle(opened)
    assert opened.page.veil.isVisible()
    press(opened, qtbot, "presenter")


def test_a_trap_is_read_out_once(opened: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(lesson_page, "announce", lambda _widget, text: said.append(text))
    press(opened, qtbot, "next-trap")
    opened.refresh()
    opened.refresh()
    assert len(said) == 1
    assert "#" in said[0]
    opened.header.transport.slider.setValue(speed.FAST)
    opened.actions_by_name["run"].trigger()
    qtbot.waitUntil(lambda: at(opened).n > 2000, timeout=PATIENCE_MS)
    assert len(said) == 1
    bridge_of(opened).stop()


def test_an_unknown_lesson_is_one_line_and_what_was_open_stays(opened: MainWindow) -> None:
    before = opened.bridge
    assert not opened.open_lesson("33")
    assert opened.notice.isVisible()
    assert "\n" not in opened.notice.text.text()
    assert opened.bridge is before


def test_a_saved_lesson_is_read_again_at_the_same_beat_and_a_broken_one_changes_nothing(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / LESSON
    shutil.copytree(resources.lessons() / LESSON, folder)
    assert window.open_lesson(str(folder))
    settle(window)
    press(window, qtbot, "next-beat")
    file = folder / "lesson.md"
    text = file.read_text(encoding="utf-8")
    before = window.bridge
    file.write_text(text.replace("format: 1", "format: 1\nhots: 3"), encoding="utf-8")
    window.reload()
    assert "hots" in window.notice.text.text()
    assert "lesson.md:" in window.notice.text.text()
    assert window.bridge is before
    file.write_text(text.replace("title: Trap and emulate", "title: Trap, then emulate"), encoding="utf-8")
    window.reload()
    settle(window)
    assert window.windowTitle() == "Trap, then emulate — teachvm"
    assert bridge_of(window).session.run.beat == 1
    assert not window.notice.isVisible()


def test_an_error_nobody_foresaw_is_a_line_and_a_story_in_the_log(
    opened: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mishap.store, "state_folder", lambda: tmp_path / "state")
    before = mishap.install(opened.notice.say)
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.excepthook = before  # type: ignore[assignment]
    said = opened.notice.text.text()
    assert "ZeroDivisionError: by nothing" in said
    assert "Traceback" not in said
    assert "\n" not in said
    story = (tmp_path / "state" / "teachvm.log").read_text(encoding="utf-8")
    assert "Traceback" in story
    assert "by nothing" in story


@pytest.mark.parametrize(
    ("technique", "word"), [("trap-and-emulate", "trap"), ("binary-translation", "entry"), ("hardware-assist", "exit")]
)
def test_the_next_entry_is_called_as_the_technique_calls_it(opened: MainWindow, technique: str, word: str) -> None:
    opened.actions_by_name[f"technique-{technique}"].trigger()
    settle(opened)
    where = [button.geometry() for button in opened.header.transport.buttons]
    assert opened.header.transport.buttons[2].accessibleName().startswith(f"Next {word}")
    assert [link.text() for link in opened.page.dock._links] == [f"Previous {word}", f"Next {word}"]
    opened.actions_by_name["technique-bare-metal"].trigger()
    settle(opened)
    assert [button.geometry() for button in opened.header.transport.buttons] == where
