"""What `teachvm bench` measures of the app, in its own window, offscreen."""

from __future__ import annotations

from dataclasses import asdict
from time import perf_counter
from typing import Any, Final

from teachvm.app.headless import Wishes
from teachvm.cli.benchmarks.programs import FOLDER
from teachvm.guest.library import SOURCE_SUFFIX
from teachvm.vmm.techniques import Technique

HOSTILE: Final = ("tight", "syscalls", "flood", "faults", "repeat")
"""Programs that a window has to stay alive under."""


def measure_app(steps: int) -> dict[str, Any]:
    """Start the app and step in it.

    Args:
        steps: How many steps are timed.
    """
    begun = perf_counter()
    from teachvm.ui.application import offscreen
    from teachvm.ui.measure import measure

    loaded_s = perf_counter() - begun
    offscreen()
    figures = measure(steps)
    return {
        "start_s": round(loaded_s + figures.start_s, 3),
        "step_to_paint_p95_ms": round(figures.step_to_paint_p95_ms, 1),
    }


def measure_runs(seconds: float) -> list[dict[str, Any]]:
    """The window while hostile programs run in it, by every technique there is.

    Args:
        seconds: How long each, in processor time.

    Returns:
        Program, technique and figures; the figures are missing where a program cannot be run so.
    """
    from teachvm.ui.application import offscreen
    from teachvm.ui.measure import measure_run

    offscreen()
    rows: list[dict[str, Any]] = []
    for technique in Technique:
        for name in HOSTILE:
            figures = measure_run(f"{name}{SOURCE_SUFFIX}", FOLDER, Wishes(technique=technique), seconds)
            if figures is not None:
                rounded = {key: round(value, 1) for key, value in asdict(figures).items()}
                rows.append({"program": name, "technique": technique.value, **rounded})
    return rows
