"""The laboratory in the real window: open, go to, change values, stop, take back; by keyboard and by mouse."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListWidget, QTableView, QWidget
from pytestqt.qtbot import QtBot

from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.app.twin import twin
from teachvm.app.wording import Command
from teachvm.isa.operands import EAX, EBX, FS
from teachvm.trace.moment import START
from teachvm.ui.widgets.canvas import Canvas
from teachvm.ui.widgets.field_editor import FieldEditor
from teachvm.ui.window.main_window import MainWindow
from teachvm.vmm.techniques import Technique
from tests.app.laboratory import SOURCE, folder_with
from tests.guest.kernels import elf
from tests.ui.checks import problems
from tests.ui.window.conftest import settle
from tests.ui.window.test_window import PATIENCE_MS


@pytest.fixture
def lab(window: MainWindow, tmp_path: Path) -> MainWindow:
    folder_with(tmp_path)
    assert window.open_laboratory("mine.asm", tmp_path)
    settle(window)
    return window


def session(window: MainWindow) -> Laboratory:
    assert window.page.laboratory is not None
    return window.page.laboratory


def write(window: MainWindow, place: str, button: str) -> None:
    """Write a place into the panel's line, and press one of its buttons."""
    panel = window.page.panel
    panel.place.setText(place)
    verb = next(each for each in panel.verbs if each.objectName() == f"lab-{button}")
    verb.click()
    settle(window)


def run(window: MainWindow, action: str = "run") -> None:
    window.header.transport.slider.setValue(window.header.transport.slider.maximum())
    window.actions_by_name[action].trigger()
    settle(window)


def canvas_of(window: MainWindow, card: str, spot_name: str) -> tuple[Canvas, int]:
    """The canvas of a card that has a spot whose name begins so, and which one it is."""
    for canvas in window.page.stage.frame(card).findChildren(Canvas):
        for at, spot in enumerate(canvas.picture.spots):
            if spot.edit is not None and spot.name.startswith(spot_name):
                return canvas, at
    raise AssertionError(f"nothing on {card} is called {spot_name}")


def editor_of(canvas: Canvas) -> FieldEditor:
    found = [each for each in canvas.findChildren(FieldEditor) if each.isVisible()]
    assert len(found) == 1
    return found[0]


def change(window: MainWindow, card: str, name: str, text: str) -> None:
    """Double-click a value, write another, Enter."""
    canvas, at = canvas_of(window, card, name)
    spot = canvas.picture.spots[at]
    zoom = window.look.zoom
    middle = QPointF((spot.x + spot.w / 2) * zoom, (spot.y + spot.h / 2) * zoom).toPoint()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    editor = editor_of(canvas)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    settle(window)


def rows(made: QListWidget) -> list[str]:
    return [made.item(at).text() for at in range(made.count())]


def test_a_guest_opens_with_code_registers_memory_console_and_its_symbols(lab: MainWindow) -> None:
    assert lab.page.panel.isVisible()
    assert not lab.page.rail.isVisible()
    assert lab.page.stage.cards == ("guest-code", "registers", "memory", "console")
    assert any(row.endswith("work.spin") for row in rows(lab.page.panel.symbols))
    assert "assembly source" in lab.page.panel.kicker.text()
    assert lab.header.heading.accessibleName() == "Laboratory, mine.asm"
    assert problems(lab) == []


def test_the_library_offers_the_laboratory(window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernel").write_bytes(elf())
    chosen = str(tmp_path / "kernel")
    monkeypatch.setattr("teachvm.ui.window.main_window.QFileDialog.getOpenFileName", lambda *_: (chosen, ""))
    window.library.lab_button.click()
    settle(window)
    assert session(window).title == "kernel"
    assert "multiboot kernel" in window.page.panel.kicker.text()
    window.show_library()
    assert not window.page.isVisible()


def test_a_flat_binary_opened_first_has_no_symbols_and_says_so(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "flat.bin").write_bytes(bytes.fromhex("b061e6e9e6f4f4"))
    assert window.open_laboratory("flat.bin", tmp_path)
    settle(window)
    assert rows(window.page.panel.symbols) == ["This guest has no symbols."]
    assert "? shows every key" in window.page.banner.text.text()


def test_what_is_no_guest_is_one_line_and_the_library_stays(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(elf()[:40])
    assert not window.open_laboratory("broken", tmp_path)
    assert "cut off" in window.notice.text.text()
    assert "\n" not in window.notice.text.text()
    assert window.library.isVisible()


def test_going_to_a_symbol_shows_code_and_to_data_shows_memory(lab: MainWindow) -> None:
    lab.actions_by_name["go-to"].trigger()
    assert lab.page.panel.place.hasFocus()
    QTest.keyClicks(lab.page.panel.place, "work")
    assert all("work" in row for row in rows(lab.page.panel.symbols))
    QTest.keyClick(lab.page.panel.place, Qt.Key.Key_Return)
    settle(lab)
    focus = session(lab).control.focus
    assert focus.code == f"{session(lab).place('work'):#x}"
    write(lab, "counter+4", "show")
    assert session(lab).control.focus.memory == session(lab).place("letter")
    write(lab, "nowhere", "show")
    assert "no symbol or register 'nowhere'" in lab.page.banner.text.text()


def test_a_register_a_flag_and_a_byte_are_changed_in_place_and_taken_back(lab: MainWindow) -> None:
    change(lab, "registers", "EAX", "1234")
    assert session(lab).scene.state.regs[EAX] == 0x1234
    change(lab, "registers", "CF", "1")
    assert session(lab).scene.state.eflags & 1
    write(lab, "letter", "memory")
    change(lab, "memory", "0001 1004", "7a")
    assert session(lab).scene.read(0x11004, 1) == b"z"
    assert len(rows(lab.page.panel.edits)) == 3
    lab.page.panel.undo.click()
    settle(lab)
    assert session(lab).scene.read(0x11004, 1) == b"a"
    lab.actions_by_name["undo-edit"].trigger()
    lab.actions_by_name["undo-edit"].trigger()
    settle(lab)
    assert session(lab).scene.state.regs[EAX] == 0
    assert not lab.actions_by_name["undo-edit"].isEnabled()
    lab.actions_by_name["redo-edit"].trigger()
    settle(lab)
    assert session(lab).scene.state.regs[EAX] == 0x1234
    assert problems(lab) == []


def test_two_clicks_change_a_register_and_one_goes_to_the_address_in_it(lab: MainWindow, qtbot: QtBot) -> None:
    change(lab, "registers", "ESP", "6000")
    qtbot.wait(QApplication.doubleClickInterval() + 50)
    assert session(lab).control.focus.memory is None
    canvas, at = canvas_of(lab, "registers", "ESP")
    spot, zoom = canvas.picture.spots[at], lab.look.zoom
    middle = QPointF((spot.x + spot.w / 2) * zoom, (spot.y + spot.h / 2) * zoom).toPoint()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    qtbot.waitUntil(lambda: session(lab).control.focus.memory == 0x6000, timeout=PATIENCE_MS)


@pytest.mark.qt_log_ignore("does not support raise")  # tooltips, without a screen
def test_a_value_is_changed_by_keyboard_and_escape_leaves_it(lab: MainWindow) -> None:
    canvas, at = canvas_of(lab, "registers", "ECX")
    canvas.setFocus()
    for _ in range(at + 1):
        QTest.keyClick(canvas, Qt.Key.Key_Down)
    QTest.keyClick(canvas, Qt.Key.Key_F2)
    QTest.keyClicks(editor_of(canvas), "99")
    QTest.keyClick(editor_of(canvas), Qt.Key.Key_Escape)
    assert not session(lab).control.edits
    QTest.keyClick(canvas, Qt.Key.Key_F2)
    editor = editor_of(canvas)
    assert editor.accessibleName() == "New value of ECX"
    editor.selectAll()
    QTest.keyClicks(editor, "#10")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    settle(lab)
    assert len(session(lab).control.edits) == 1
    assert canvas.hasFocus()


def test_a_page_table_entry_is_changed_on_the_walk_card(window: MainWindow) -> None:
    assert window.open_laboratory("tinyos")
    settle(window)
    write(window, "sched_lock", "break")
    run(window)
    lab = session(window)
    lab.go_to("sched_lock", "guest-walk")
    window.page.stage.maximise("guest-walk")
    window.refresh()
    settle(window)
    entry = lab.scene.look(lab.scene.linear_eip)
    assert entry.pte is not None
    at = lab.scene.linear_eip >> 12 & 0x3FF
    change(window, "guest-walk", f"{at} ", "A=0 W=0")
    changed = lab.scene.look(lab.scene.linear_eip).pte
    assert changed is not None
    assert changed & ~0x20 == entry.pte & ~0x22
    window.actions_by_name["undo-edit"].trigger()
    settle(window)
    assert lab.scene.look(lab.scene.linear_eip).pte == entry.pte


def test_a_value_the_processor_would_not_take_is_refused_in_one_line(lab: MainWindow) -> None:
    change(lab, "registers", "CR0", "0")
    assert "CR0.PE has to stay set" in lab.page.banner.text.text()
    assert not session(lab).control.edits


def test_a_selector_and_a_debug_register_are_changed_in_place_and_a_bad_selector_is_refused(lab: MainWindow) -> None:
    change(lab, "registers", "FS", "0")
    assert session(lab).scene.state.segs[FS].selector == 0
    change(lab, "registers", "DR0", "letter")
    assert session(lab).scene.state.dr[0] == 0x11004
    assert rows(lab.page.panel.edits) == ["FS = 0000  at the beginning", "DR0 = 0001 1004  at the beginning"]
    change(lab, "registers", "SS", "fff8")
    assert "SS cannot be fff8: loading it raises #GP(0xfff8)" in lab.page.banner.text.text()
    assert len(session(lab).control.edits) == 2
    assert problems(lab) == []


def test_a_breakpoint_and_a_watch_stop_the_run_are_listed_and_removed(lab: MainWindow) -> None:
    write(lab, "work", "break")
    write(lab, "rare", "watch")
    panel = lab.page.panel
    assert rows(panel.stops) == ["work  before 0001 001e", "rare  4 bytes written"]
    run(lab)
    assert session(lab).scene.name_at(session(lab).scene.linear_eip) == "work"
    panel.stops.setCurrentRow(0)
    QTest.keyClick(panel.stops, Qt.Key.Key_Delete)
    settle(lab)
    assert rows(panel.stops) == ["rare  4 bytes written"]
    run(lab)
    assert "were just written" in lab.page.banner.text.text()
    here = session(lab).position
    run(lab, "run-back")
    assert session(lab).position == START
    panel.remove.click()
    settle(lab)
    run(lab)
    assert session(lab).position > here


def test_another_technique_and_another_memory_begin_the_same_guest_again(lab: MainWindow) -> None:
    write(lab, "work", "break")
    lab.set_technique("bare-metal")
    settle(lab)
    assert session(lab).technique is Technique.BARE_METAL
    run(lab)
    assert session(lab).scene.name_at(session(lab).scene.linear_eip) == "work"
    lab.page.panel.sized.emit(16)
    settle(lab)
    assert session(lab).control.world.spec.host.vms[0].memory_bytes == 16 << 20
    assert session(lab).technique is Technique.BARE_METAL
    assert lab.page.panel.memory.text() == "16 MiB"


def test_every_widget_of_the_panel_has_names_and_the_keyboard_reaches_it(lab: MainWindow) -> None:
    panel = lab.page.panel
    reached = (panel.place, panel.memory, panel.symbols, panel.stops, panel.edits, panel.undo, panel.redo, panel.remove)
    for widget in (*reached, *panel.verbs):
        assert isinstance(widget, QWidget)
        assert widget.objectName().startswith("lab-")
        assert widget.accessibleName()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_values_can_be_changed_in_a_lesson_too(opened: MainWindow) -> None:
    opened.page.stage.show_cards((*opened.page.stage.cards, "registers"))
    opened.page.stage.maximise("registers")
    settle(opened)
    change(opened, "registers", "EAX", "42")
    assert opened.bridge is not None
    assert len(opened.bridge.session.control.edits) == 1
    opened.actions_by_name["undo-edit"].trigger()
    settle(opened)
    assert not opened.bridge.session.control.edits


def test_several_copies_run_beside_each_other(window: MainWindow, tmp_path: Path) -> None:
    folder_with(tmp_path)
    assert window.open_laboratory("mine.asm", tmp_path, Wishes(vms=2))
    settle(window)
    assert list(session(window).control.world.guests) == ["mine_1", "mine_2"]
    run(window)
    world = session(window).control.world
    assert [world.console(name) for name in world.guests] == ["a" * 40] * 2


def test_a_row_of_the_shadow_tables_leads_to_the_walk_of_its_address(window: MainWindow) -> None:
    assert window.open_laboratory("tinyos", None)
    settle(window)
    lab = session(window)
    lab.control.leave()
    lab.control.timeline.run(6_000)
    window.page.stage.toggle("shadow-tables")
    window.refresh()
    settle(window)
    rows = window.page.stage.frame("shadow-tables").findChild(QTableView, "shadow-tables-table-rows")
    assert rows is not None
    index = rows.model().index(1, 3)
    linear = int("".join(rows.model().index(1, 0).data().split()), 16)
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.visualRect(index).center())
    settle(window)
    assert lab.control.focus.walk == linear
    assert "guest-walk" in window.page.stage.cards
    assert f"{linear:08x}" in twin(lab.card("guest-walk")).replace(" ", "")


def test_how_shadow_tables_are_kept_in_step_is_chosen_in_the_header(window: MainWindow) -> None:
    assert window.open_laboratory("tinyos", None)
    settle(window)
    drop = window.header.paging.drop
    assert drop.isVisible()
    assert drop.text() == "Shadow: caching"
    menu = {action.text(): action for action in window.header.paging.menu.actions()}
    menu["Shadow: unsync"].trigger()
    settle(window)
    assert (drop.text(), session(window).header().paging) == ("Shadow: unsync", "unsync")
    window.actions_by_name["technique-bare-metal"].trigger()
    settle(window)
    assert not drop.isVisible()
    assert problems(window) == []


def saved(window: MainWindow, file: Path, content: str, qtbot: QtBot) -> None:
    """Save a file as an editor does, and wait until the window has heard of it."""
    with qtbot.waitSignal(window._watcher.saved, timeout=PATIENCE_MS):
        file.write_text(content, encoding="utf-8")
    settle(window)


def test_a_saved_source_is_read_again_and_begins_again_with_its_breakpoints_where_their_labels_are(
    lab: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    file = tmp_path / "mine.asm"
    write(lab, "work", "break")
    write(lab, "rare", "watch")
    run(lab)
    old = session(lab).place("work")
    saved(lab, file, SOURCE.replace("finished:", "    mov ebx, 0x77\nfinished:").replace("'a'", "'b'"), qtbot)
    assert session(lab).position == START
    assert "mine.asm was saved" in lab.page.banner.text.text()
    assert session(lab).place("work") == old + 5
    assert rows(lab.page.panel.stops)[0].startswith("work  before")
    run(lab)
    assert session(lab).scene.name_at(session(lab).scene.linear_eip) == "work"
    for _ in range(2):
        lab.page.panel.remove.click()
        settle(lab)
    run(lab)
    world = session(lab).control.world
    assert world.console("mine") == "b" * 40
    assert session(lab).scene.state.regs[EBX] == 0x77
    assert problems(lab) == []


def test_a_source_that_does_not_assemble_is_one_line_and_the_old_machine_stays_usable(
    lab: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    run(lab)
    before, world = session(lab).position, session(lab).control.world
    saved(lab, tmp_path / "mine.asm", SOURCE.replace("loop", "lopo").replace("dec", "dce"), qtbot)
    said = lab.page.banner.text.text()
    assert "mine.asm:11:5:" in said
    assert "… and 1 more" in said
    assert "The guest is as it was" in said
    assert "\n" not in said
    assert (session(lab).position, session(lab).control.world) == (before, world)
    lab.actions_by_name["back-instruction"].trigger()
    settle(lab)
    assert session(lab).position < before
    saved(lab, tmp_path / "mine.asm", SOURCE, qtbot)
    assert session(lab).position == START
    assert "read again" in lab.page.banner.text.text()


def test_an_included_file_and_a_file_that_is_replaced_are_noticed_too(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "letters.inc").write_text("LETTER equ 'q'\n", encoding="utf-8")
    folder_with(tmp_path, SOURCE.replace("bits 32", '%include "letters.inc"\nbits 32').replace("'a'", "LETTER"))
    assert window.open_laboratory("mine.asm", tmp_path)
    settle(window)
    with qtbot.waitSignal(window._watcher.saved, timeout=PATIENCE_MS):
        (tmp_path / "new").write_text("LETTER equ 'r'\n", encoding="utf-8")
        (tmp_path / "new").replace(tmp_path / "letters.inc")
    settle(window)
    run(window)
    assert session(window).control.world.console("mine") == "r" * 40
    saved(window, tmp_path / "letters.inc", "LETTER equ 's'\n", qtbot)
    run(window)
    assert session(window).control.world.console("mine") == "s" * 40


def test_a_kernel_that_is_linked_anew_is_loaded_again(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "kernel.bin").write_bytes(bytes.fromhex("b061e6e9e6f4f4"))
    assert window.open_laboratory("kernel.bin", tmp_path)
    settle(window)
    with qtbot.waitSignal(window._watcher.saved, timeout=PATIENCE_MS):
        (tmp_path / "kernel.bin").write_bytes(bytes.fromhex("b062e6e9b063e6e9e6f4f4"))
    settle(window)
    run(window)
    assert session(window).control.world.console("kernel") == "bc"


def test_the_card_of_techniques_measures_when_its_own_words_are_pressed(window: MainWindow) -> None:
    assert window.open_laboratory("tinyos", None)
    settle(window)
    window.page.stage.toggle("techniques")
    settle(window)
    spots = [
        (canvas, spot)
        for canvas in window.page.stage.frame("techniques").findChildren(Canvas)
        for spot in canvas.picture.spots
        if spot.link == Command("measure")
    ]
    ((canvas, spot),) = spots
    middle = QPointF(spot.x + spot.w / 2, spot.y + spot.h / 2) * window.look.zoom
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle.toPoint())
    assert session(window).running
    window.actions_by_name["stop"].trigger()
    settle(window)
