"""Holding a guest against the same guest by another technique, a slice at a time, and saying what came out."""

from __future__ import annotations

from collections.abc import Callable

from teachvm.guest.library import Folder
from teachvm.vmm.techniques import Technique
from teachvm.world.divergence import LockStep
from teachvm.world.spec import WorldSpec

LONGEST = 2_000_000
"""Guest instructions after which two runs without a difference count as equal."""


class Comparison:
    """One lock-step run beside the student's own; it moves neither their world nor their place in it."""

    def __init__(self, spec: WorldSpec, folder: Folder | None, against: Technique) -> None:
        """Build both worlds, at their beginning.

        Raises:
            SpecError: This world has no counterpart under that technique.
        """
        self._lock_step = LockStep(spec, folder, against=against)
        self._against = against.label.lower()

    def advance(self, keep_going: Callable[[], bool]) -> str | None:
        """Go on.

        Returns:
            What came out, as a paragraph; None while there is more to do.
        """
        lock_step = self._lock_step
        found = lock_step.run(LONGEST - lock_step.instructions, keep_going)
        if found is not None:
            return str(found)
        if lock_step.ended:
            return f"No difference from {self._against} in all {lock_step.instructions} instructions."
        if lock_step.instructions >= LONGEST:
            return f"No difference from {self._against} in the first {lock_step.instructions} instructions."
        return None
