"""The order of everything that happens."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """One point of the timeline, totally ordered.

    `n` counts completed instructions and idle hops, world-wide. `phase` counts the visible things inside the unit that
    leads to `n + 1`: page-walk references, exceptions, VMM steps. `phase` 0 is the boundary between two instructions.
    """

    n: int
    phase: int = 0

    def __str__(self) -> str:
        """Short form for people and error messages: `2318` or `2318+2`."""
        return f"{self.n}+{self.phase}" if self.phase else str(self.n)


START = Moment(0, 0)
