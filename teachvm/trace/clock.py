"""The world's counters: completed instructions, phases and host cycles."""

from __future__ import annotations

from typing import ClassVar

from teachvm.trace.moment import Moment


class Clock:
    """Counts moments and host cycles; it never looks at the time of day.

    `cycles` is the host's clock at a nominal 10 MHz: one per retired instruction (repeated string instructions: one per
    iteration) plus the cost model's charge for VMM work and idle time.
    """

    STATE: ClassVar[tuple[str, ...]] = ("n", "phase", "cycles")
    DERIVED: ClassVar[tuple[str, ...]] = ("last_phases", "units", "phases")

    def __init__(self) -> None:
        self.n = 0
        self.phase = 0
        self.cycles = 0
        self.last_phases = 0
        """How many phases the unit completed last had."""
        self.units = 0
        self.phases = 0
        """Units executed one by one since the program began, again when executed again, and how many phases they had:
        what going the same way again costs."""

    @property
    def now(self) -> Moment:
        """The current moment."""
        return Moment(self.n, self.phase)

    def retire(self, cycles: int = 1) -> None:
        """One instruction completed (or one idle hop); a new unit begins.

        Args:
            cycles: Host cycles it took: 1, or the iterations of a repeated string instruction, or the length of a hop.
        """
        self.last_phases = self.phase
        self.units += 1
        self.phases += self.phase
        self.n += 1
        self.phase = 0
        self.cycles += cycles

    def retire_all(self, count: int) -> None:
        """So many instructions completed, each in one cycle and without a phase."""
        self.last_phases = 0
        self.n += count
        self.cycles += count

    def spend(self, cycles: int) -> None:
        """Charge work that completes no instruction, such as a VMM entry."""
        self.cycles += cycles
