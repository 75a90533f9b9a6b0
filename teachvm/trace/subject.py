"""What a timeline moves, and what comes into it from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from teachvm.trace.pages import PagedMemory
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry


class Subject(Protocol):
    """What a timeline moves: a deterministic world."""

    recorder: Recorder
    registry: Registry

    @property
    def memories(self) -> Sequence[PagedMemory]:
        """Every memory whose pages are state."""

    def unit(self) -> bool:
        """Execute from `(n, 0)` to `(n + 1, 0)`; False when nothing can run any more."""

    def burst(self, limit: int, barriers: frozenset[int], units: int = 0) -> int:
        """Complete instructions fast, as far as they have no phases and no facts.

        Args:
            limit: Most instructions.
            barriers: Addresses of instructions that may only be come to, not executed, after the first.
            units: Most units in between that may have both; the clock counts them and their phases.

        Returns:
            How many; 0 says that `unit` has to do the next one.
        """


class Input(Protocol):
    """Something that came from outside at a moment: a key, an edit, a dropped cache."""

    def apply(self, subject: Subject) -> None:
        """Change the subject; deterministic, whatever the subject's state."""
