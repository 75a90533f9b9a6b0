"""How fast the app is on this machine: until its first picture stands, and from a step to the finished repaint."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.ui.application import make_application, make_window
from teachvm.ui.window.main_window import MainWindow

LESSON, BEAT = "3", 1
"""The beat, from 0, that shows lesson 03's four cards at once."""
SIZE = (1600, 1000)
WARM_UP = 20
"""Steps that are not counted: the first ones fill caches of glyphs and layouts."""


@dataclass(frozen=True, slots=True)
class AppFigures:
    """Figures of one run.

    Attributes:
        start_s: Seconds from making the application to the library painted.
        step_to_paint_p95_ms: Milliseconds from a step to the finished repaint, for nineteen steps of twenty.
    """

    start_s: float
    step_to_paint_p95_ms: float


def measure(steps: int) -> AppFigures:
    """Start the app on nobody's settings, open lesson 03, and step.

    Args:
        steps: Steps that are timed.
    """
    with tempfile.TemporaryDirectory(prefix="teachvm-bench-") as folder:
        begun = perf_counter()
        make_application()
        window = make_window(
            SettingsStore(Path(folder) / "settings.json"), ProgressStore(Path(folder) / "progress.json")
        )
        window.resize(*SIZE)
        window.show()
        QApplication.processEvents()
        start_s = perf_counter() - begun
        try:
            window.open_lesson(LESSON, beat=BEAT)
            _settle(window)
            taken = [_step(window) for _ in range(WARM_UP + steps)][WARM_UP:]
        finally:
            window.close()
            window.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return AppFigures(start_s, sorted(taken)[int(0.95 * (len(taken) - 1))] * 1000)


def _settle(window: MainWindow) -> None:
    QApplication.processEvents()
    while window.bridge is not None and window.bridge.running:
        QApplication.processEvents()
    QApplication.processEvents()


def _step(window: MainWindow) -> float:
    """One step by its command; returns the seconds until everything it changed is painted."""
    begun = perf_counter()
    window.actions_by_name["step"].trigger()
    QApplication.processEvents()
    QApplication.processEvents()
    return perf_counter() - begun
