"""What every technique offers to the VM it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from teachvm.trace.state import Stateful
from teachvm.vmm.techniques import Technique


class Engine(Protocol):
    """A way to run one VM's guest on the host's processor."""

    @property
    def technique(self) -> Technique:
        """Which technique it is."""

    @property
    def translated(self) -> int:
        """Guest instructions completed by translated code."""

    @property
    def settled(self) -> bool:
        """Whether the guest stands between two of its instructions, as far as the hardware is concerned."""

    @property
    def flags_are_dead(self) -> bool:
        """Whether the guest's status flags are defined again before it, or anybody, can look at them."""

    def turn(self) -> None:
        """Let the processor do the next thing: one guest instruction, or one entry into the VMM."""

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Complete up to `limit` guest instructions directly on the processor; 0 says that `turn` is next.

        Args:
            limit: Most instructions.
            barriers: See `Tenant.burst`.
            through: Nobody waits for a fact to be recorded, so what records some may be done as well.
        """

    def drop_derived(self) -> int:
        """Throw away everything that can be computed again; the guest sees no change.

        Returns:
            How many host frames became free.
        """

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """Everything that has state, with its name."""
