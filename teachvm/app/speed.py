"""How fast the machine runs while the student watches: one logarithmic slider, then Fast, then Max."""

from __future__ import annotations

from math import log10

SLOWEST, QUICKEST = 0.2, 1000.0
STEPS = 100
"""Positions of the slider that are a number of steps per second; two more follow."""
FAST, MAX = STEPS + 1, STEPS + 2
USUAL = 19
"""The position of one step per second."""


def steps_per_second(position: int) -> float | None:
    """Steps a second at a position of the slider; None for Fast and Max, which run as fast as they can."""
    if position > STEPS:
        return None
    return float(SLOWEST * (QUICKEST / SLOWEST) ** (max(position, 0) / STEPS))


def label(position: int) -> str:
    """A position in words: `1.0/s`, `Fast`, `Max`."""
    if position > STEPS:
        return "Fast" if position == FAST else "Max"
    rate = steps_per_second(position) or 0.0
    return f"{rate:.1f}/s" if rate < 10 else f"{rate:.0f}/s"


def position(rate: float) -> int:
    """The position of the slider nearest to a rate."""
    share = log10(max(rate, SLOWEST) / SLOWEST) / log10(QUICKEST / SLOWEST)
    return min(round(share * STEPS), STEPS)
