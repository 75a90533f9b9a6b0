"""How fast the app is on this machine: until its first picture stands, and from a step to the finished repaint."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from teachvm.app import speed
from teachvm.app.headless import Wishes
from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.ui.application import make_application, make_window, overlook
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


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The window while a guest runs Fast; times are the processor's.

    Attributes:
        turn_p95_ms: Milliseconds of a turn of the event loop (a slice, perhaps a repaint), for nineteen of twenty.
        turn_max_ms: The longest turn.
        stop_max_ms: From pressing Esc at the worst moment until the window shows that it stopped.
        views_per_s: Pictures told of in a second.
    """

    turn_p95_ms: float
    turn_max_ms: float
    stop_max_ms: float
    views_per_s: float


def measure(steps: int) -> AppFigures:
    """Start the app on nobody's settings, open lesson 03, and step.

    Args:
        steps: Steps that are timed.
    """
    begun = perf_counter()
    with _window() as window:
        start_s = perf_counter() - begun
        window.open_lesson(LESSON, beat=BEAT)
        _settle(window)
        taken = [_step(window) for _ in range(WARM_UP + steps)][WARM_UP:]
    return AppFigures(start_s, sorted(taken)[int(0.95 * (len(taken) - 1))] * 1000)


def measure_run(guest: str, folder: Path, wishes: Wishes, seconds: float) -> RunFigures | None:
    """Let a guest run in the laboratory's window; None if it cannot be opened so.

    Args:
        guest: The name of its file.
        folder: Where that lies.
        wishes: How it is run.
        seconds: How long, in processor time.
    """
    with _window() as window:
        window.opened.connect(overlook)
        if not window.open_laboratory(guest, folder, wishes):
            return None
        bridge = window.bridge
        assert bridge is not None
        _settle(window)
        bridge.set_speed(speed.FAST)
        painted: list[float] = []
        bridge.moved.connect(lambda: painted.append(process_time()))
        window.actions_by_name["run"].trigger()
        turns = [_turn()]
        first = begun = process_time()
        while begun < first + seconds and bridge.running:
            turns.append(_turn())
            begun = process_time()
        views_per_s = len(painted) / max(begun - first, 1e-6)
        window.actions_by_name["stop"].trigger()
        _settle(window)
        stopping = process_time() - begun
    longest = max(turns)
    ordered = sorted(turns)
    return RunFigures(
        turn_p95_ms=ordered[int(0.95 * (len(ordered) - 1))] * 1000,
        turn_max_ms=longest * 1000,
        stop_max_ms=(longest + stopping) * 1000,
        views_per_s=views_per_s,
    )


def _turn() -> float:
    begun = process_time()
    QApplication.processEvents()
    return process_time() - begun


@contextmanager
def _window() -> Iterator[MainWindow]:
    """The window on nobody's settings, shown."""
    with tempfile.TemporaryDirectory(prefix="teachvm-bench-") as folder:
        make_application()
        window = make_window(
            SettingsStore(Path(folder) / "settings.json"), ProgressStore(Path(folder) / "progress.json")
        )
        window.resize(*SIZE)
        window.show()
        QApplication.processEvents()
        try:
            yield window
        finally:
            window.close()
            window.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


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
