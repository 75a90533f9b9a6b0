from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import perf_counter

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.lesson.loader import load
from teachvm.ui.theme.look import Look
from teachvm.ui.window import opening
from teachvm.ui.window.main_window import MainWindow

LOAD_ONCE = cache(load)


def settle(window: MainWindow) -> None:
    """Let everything that goes on by itself arrive, and be painted."""
    until = perf_counter() + 30
    QApplication.processEvents()
    while window.bridge is not None and window.bridge.running:
        assert perf_counter() < until, "the window does not come to rest"
        QApplication.processEvents()
    QApplication.processEvents()


@pytest.fixture
def window(look: Look, tmp_path: Path) -> Iterator[MainWindow]:
    """A window of 1600 x 1000 on nobody's settings, at the library."""
    made = MainWindow(look, SettingsStore(tmp_path / "settings.json"), ProgressStore(tmp_path / "progress.json"))
    made.resize(1600, 1000)
    made.show()
    made.activateWindow()
    QApplication.processEvents()
    yield made
    made.close()
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # type: ignore[arg-type]  # None: every object


@pytest.fixture
def opened(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    """The window with lesson 3 open at its first beat; its file is read once for all tests."""
    monkeypatch.setattr(opening, "load", LOAD_ONCE)
    assert window.open_lesson("3")
    settle(window)
    return window
