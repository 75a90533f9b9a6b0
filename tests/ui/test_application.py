"""Starting and ending the whole application."""

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.ui import application, mishap
from teachvm.ui.window.main_window import MainWindow


def the_window() -> MainWindow:
    return next(
        widget for widget in QApplication.topLevelWidgets() if isinstance(widget, MainWindow) and widget.isVisible()
    )


@pytest.mark.parametrize("lesson", [None, "3", "no-such-lesson"])
def test_the_application_starts_and_ends_well_whatever_it_is_given(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lesson: str | None
) -> None:
    monkeypatch.setattr(mishap.store, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(mishap.store, "data_folder", lambda: tmp_path / "data")
    seen: list[tuple[bool, str]] = []

    def look_and_leave() -> None:
        # Closing the last window is what ends the application; a second request to quit would end a later test's loop.
        window = the_window()
        try:
            seen.append((window.bridge is not None, window.notice.text.text()))
        finally:
            window.close()

    QTimer.singleShot(0, look_and_leave)
    assert application.run(lesson) == 0
    opened, said = seen[0]
    assert opened == (lesson == "3")
    assert ("no-such-lesson" in said) == (lesson == "no-such-lesson")


def test_damaged_files_are_named_and_the_window_opens(qapp: QApplication, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{", encoding="utf-8")
    settings = SettingsStore(tmp_path / "settings.json")
    window = application.make_window(settings, ProgressStore(tmp_path / "progress.json"))
    window.show()
    assert "kept" in window.notice.text.text()
    assert window.notice.isVisible()
    window.close()
