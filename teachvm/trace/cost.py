"""How much executing costs: what spaces checkpoints, since the core has no wall clock.

The unit of cost is one instruction executed by itself, a few microseconds.
"""

from __future__ import annotations

from typing import Final

CHECKPOINT_SPACING: Final = 4_096
"""Cost between two checkpoints; a phase costs as much as eight instructions (VMM work is slower than a step)."""

PHASE_COST: Final = 8

COMPILED_PER_UNIT: Final = 16
"""Compiled instructions that cost as much as one by itself."""

BURST_COST: Final = 2
"""Cost of entering and leaving compiled code."""

CYCLES_PER_UNIT: Final = 256
"""Cycles of one unit, such as a repeated string instruction takes, that cost as much as one instruction more ..."""

MOST_CYCLES: Final = 4_096
"""... but an idle hop of any length costs little."""

LEAST_TIMES: Final = 5
"""Checkpoints stand so far apart that taking one costs at most a fifth of the way to it ..."""

MOST_SPACINGS: Final = 25
"""... but never farther than so many times the usual."""

NEAR: Final = 128
"""Cost up to which executing a stretch again is not worth a checkpoint inside it."""


class Meter:
    """Cost since the last checkpoint.

    Attributes:
        since: What was executed since then.
        taken: What that checkpoint itself cost to take.
    """

    def __init__(self, spacing: float) -> None:
        self._spacing = spacing
        self.since = 0.0
        self.taken = 0

    def kept(self, taken: int) -> None:
        """The world stands at a checkpoint that cost so much to take."""
        self.since, self.taken = 0.0, taken

    def burst(self, count: int, units: int, phases: int) -> None:
        """So many instructions were executed, all but a few of them, with so many phases, compiled."""
        self.since += BURST_COST + (count - units) / COMPILED_PER_UNIT + units + PHASE_COST * phases

    def unit(self, phases: int, cycles: int) -> None:
        """One unit was executed, with so many phases, in so many cycles."""
        self.since += 1 + (PHASE_COST * phases if phases else min(cycles, MOST_CYCLES) / CYCLES_PER_UNIT)

    @property
    def due(self) -> bool:
        """Whether another checkpoint is worth its cost."""
        spacing = self._spacing
        return self.since >= spacing and self.since >= min(LEAST_TIMES * self.taken, MOST_SPACINGS * spacing)

    def worth(self, left: int, done: int) -> bool:
        """Whether a checkpoint here spares more than it costs to whoever comes back to the end of a stretch.

        Args:
            left: Instructions from here to the end.
            done: Instructions since the last checkpoint.
        """
        return self.since * left > max(NEAR, self.taken) * done
