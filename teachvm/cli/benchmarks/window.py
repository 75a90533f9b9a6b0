"""What `teachvm bench` measures of the app, in its own window, offscreen."""

from __future__ import annotations

from time import perf_counter


def measure_app(steps: int) -> dict[str, float]:
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
