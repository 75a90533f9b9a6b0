"""The application: Qt set up once, the window opened, and the event loop run."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from teachvm.app.headless import Wishes
from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.ui import interrupt, mishap
from teachvm.ui.theme.look import Look
from teachvm.ui.window.main_window import MainWindow

Guest = tuple[str, Path | None, Wishes]
NEW_ONLY = (2_000, 10, 10_000)
"""The collector's thresholds: what is old is looked at next to never."""


def make_application() -> QApplication:
    """Qt's application object, with nothing of the desktop's own look."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication(sys.argv[:1])
    app.setApplicationName("teachvm")
    app.setApplicationDisplayName("teachvm")
    app.setStyle("Fusion")
    return app


def make_window(settings: SettingsStore | None = None, progress: ProgressStore | None = None) -> MainWindow:
    """The window with the user's settings and progress."""
    chosen = settings or SettingsStore()
    now = chosen.now
    look = Look(now.theme, now.zoom, motion=now.motion)
    return MainWindow(look, chosen, progress or ProgressStore())


def run(lesson: str | None = None, laboratory: Guest | None = None) -> int:
    """Open the window, at a lesson or in the laboratory if asked; returns the exit code.

    Args:
        lesson: A number, an id, a folder; None opens the library.
        laboratory: A guest, the folder its file lies in, and how it is run.
    """
    app = make_application()
    window = make_window()
    before = mishap.install(window.notice.say)
    room = window.screen().availableGeometry().size()
    window.resize(window.size().boundedTo(room))
    overlook()
    window.opened.connect(overlook)
    if lesson is not None:
        window.open_lesson(lesson)
    if laboratory is not None:
        window.open_laboratory(*laboratory)
    window.show()
    try:
        with interrupt.closing(window.close):
            return app.exec()
    finally:
        sys.excepthook = before
        window.deleteLater()


def overlook() -> None:
    """Collect what an earlier session left; let the collector of Python overlook what stands now.

    To look at all tables and at all that was recorded takes it longer than a frame may; while a guest runs, it looks at
    what is new only.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*NEW_ONLY)


def offscreen() -> None:
    """Paint without a screen from here on; only before the application exists."""
    if QApplication.instance() is None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
