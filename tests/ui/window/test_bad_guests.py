"""Guests and lessons that go wrong, opened in the real window: it stays usable, says what happened, and keeps all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from teachvm.app import speed
from teachvm.trace.moment import Moment
from teachvm.ui.widgets.console import Console
from teachvm.ui.window.main_window import MainWindow
from tests.app.lessons import FLOOD, FOR_EVER, HEAD, TRIPLE_FAULT
from tests.ui.checks import problems
from tests.ui.window.conftest import settle
from tests.ui.window.journeys import bridge_of

PATIENCE_MS = 20_000
BODY = """## One

It begins.

```{ask}
id: q-one
prompt: What will it do?
type: choice
options:
  - {text: "this", when: "cpu.cpl == 1"}
  - {text: "that"}
points: 1
```

```{run}
until: "at('nowhere', vm='alpha')"
limit: 3000
```

## Two

It goes on.
"""

Opener = Callable[[str], MainWindow]


@pytest.fixture
def opener(window: MainWindow, tmp_path: Path) -> Opener:
    """Opens a lesson whose guest is the source given, runs at Max chosen."""

    def open_guest(source: str) -> MainWindow:
        folder = tmp_path / "bad"
        folder.mkdir()
        (folder / "guest.asm").write_text(source + "nowhere: hlt\n", encoding="ascii")
        text = HEAD.format(guest="guest.asm", technique="trap-and-emulate").replace(
            "[guest-code, vcpu-and-cpu]", "[guest-code, vcpu-and-cpu, console, vmm-entries]"
        )
        (folder / "lesson.md").write_text(text + BODY, encoding="utf-8")
        assert window.open_lesson(str(folder))
        window.header.transport.slider.setValue(speed.MAX)
        settle(window)
        return window

    return open_guest


def said(window: MainWindow) -> str:
    assert window.page.banner.isVisible()
    text = window.page.banner.text.text()
    assert text.count("\n") == 0
    return text


def where(window: MainWindow) -> Moment:
    return bridge_of(window).session.position


def still_usable(window: MainWindow) -> None:
    """Every movement still does what it says, and nothing is cut."""
    for name in ("back", "step", "back-instruction", "step-instruction", "previous-trap"):
        window.actions_by_name[name].trigger()
        settle(window)
    before = where(window)
    window.actions_by_name["back-instruction"].trigger()
    settle(window)
    assert where(window) < before
    assert problems(window) == []


def test_a_guest_that_triple_faults_ends_with_one_line_and_can_be_looked_at(opener: Opener) -> None:
    window = opener(TRIPLE_FAULT)
    window.actions_by_name["run"].trigger()
    settle(window)
    assert "triple fault" in said(window)
    still_usable(window)
    window.actions_by_name["reset"].trigger()
    settle(window)
    assert where(window) == Moment(0)
    assert not window.page.banner.isVisible()


def test_a_guest_that_loops_for_ever_is_stopped_by_escape_and_nothing_is_lost(opener: Opener, qtbot: QtBot) -> None:
    window = opener(FOR_EVER)
    window.page.rail.ask.options[1].click()
    settle(window)
    window.actions_by_name["run"].trigger()
    qtbot.waitUntil(lambda: where(window).n > 20_000, timeout=PATIENCE_MS)
    qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Escape)
    assert not bridge_of(window).running
    still_usable(window)
    assert bridge_of(window).session.run.answers == {"q-one": "1"}


def test_a_lesson_whose_guest_never_comes_to_the_anchor_goes_on(opener: Opener) -> None:
    window = opener(FOR_EVER)
    window.page.rail.ask.options[0].click()
    settle(window)
    window.page.rail.action.click()
    settle(window)
    window.page.rail.action.click()
    settle(window)
    assert "was not reached" in said(window)
    assert window.page.rail.action.text() == "Next"
    window.page.rail.action.click()
    settle(window)
    assert bridge_of(window).session.run.beat == 1
    still_usable(window)


def test_a_guest_that_floods_its_console_is_stopped_by_escape_and_can_be_read(opener: Opener, qtbot: QtBot) -> None:
    window = opener(FLOOD)
    window.actions_by_name["run"].trigger()
    console = window.page.stage.frames["console"].findChild(Console)
    assert isinstance(console, Console)
    qtbot.waitUntil(lambda: where(window).n > 3_000, timeout=PATIENCE_MS)
    qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Escape)
    assert not bridge_of(window).running
    settle(window)
    text = console.text.toPlainText()
    assert set(text) == {"x"}
    still_usable(window)


def test_a_broken_lesson_saved_over_an_open_one_changes_nothing_and_mended_it_comes_back(
    opener: Opener, tmp_path: Path
) -> None:
    window = opener(FOR_EVER)
    window.page.rail.ask.options[1].click()
    for _ in range(3):
        window.actions_by_name["step-instruction"].trigger()
        settle(window)
    file, guest = tmp_path / "bad" / "lesson.md", tmp_path / "bad" / "guest.asm"
    text, source, before = file.read_text(encoding="utf-8"), guest.read_text(encoding="ascii"), where(window)
    broken = (
        (file, text.replace("guest: guest.asm", "guest: ../../etc/passwd"), "etc/passwd"),
        (file, text.replace("limit: 3000", "limit: [3000"), "lesson.md:"),
        (file, "\x00\xff", "lesson.md"),
        (guest, source.replace("inc eax", "icn eax"), "guest.asm:3:"),
    )
    for path, now, word in broken:
        kept = path.read_text(encoding="utf-8")
        path.write_text(now, encoding="utf-8")
        window.reload()
        settle(window)
        assert window.notice.isVisible()
        assert word in window.notice.text.text()
        assert where(window) == before
        window.actions_by_name["step-instruction"].trigger()
        window.actions_by_name["back-instruction"].trigger()
        settle(window)
        assert where(window) == before
        path.write_text(kept, encoding="utf-8")
        window.reload()
        settle(window)
        assert not window.notice.isVisible()
        assert bridge_of(window).session.run.answers == {"q-one": "1"}
        for _ in range(3):
            window.actions_by_name["step-instruction"].trigger()
        settle(window)


def test_a_lesson_that_disappears_while_it_is_open_is_said_and_stays_open(opener: Opener, tmp_path: Path) -> None:
    window = opener(FOR_EVER)
    (tmp_path / "bad" / "lesson.md").unlink()
    window.reload()
    settle(window)
    assert "lesson" in window.notice.text.text()
    window.actions_by_name["step"].trigger()
    settle(window)
    assert where(window) > Moment(0)


def test_a_guest_saved_beside_its_open_lesson_is_read_again_at_the_same_beat(
    opener: Opener, tmp_path: Path, qtbot: QtBot
) -> None:
    window = opener(FOR_EVER)
    guest = tmp_path / "bad" / "guest.asm"
    source, before = guest.read_text(encoding="ascii"), window.bridge
    with qtbot.waitSignal(window._watcher.saved, timeout=PATIENCE_MS):
        guest.write_text(source.replace("inc eax", "icn eax"), encoding="ascii")
    settle(window)
    assert "guest.asm:3:" in window.notice.text.text()
    assert window.bridge is before
    with qtbot.waitSignal(window._watcher.saved, timeout=PATIENCE_MS):
        guest.write_text(source.replace("inc eax", "dec eax"), encoding="ascii")
    settle(window)
    assert window.bridge is not before
    assert not window.notice.isVisible()
