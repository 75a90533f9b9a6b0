"""Who runs next on a processor: the run queue and its policy."""

from __future__ import annotations

from typing import ClassVar, Protocol

from teachvm.trace.state import Stateful


class Scheduler(Stateful, Protocol):
    """A policy over the tenants of one processor; all times are host cycles."""

    @property
    def current(self) -> str | None:
        """Who has the processor."""

    @property
    def slice_end(self) -> int | None:
        """When the running tenant must be asked again; None while nobody else wants the processor."""

    @property
    def waiting(self) -> tuple[str, ...]:
        """Who is runnable but has no processor, next first."""

    def ready(self, name: str) -> None:
        """A tenant became runnable."""

    def block(self, name: str) -> None:
        """A tenant waits for something, or is gone."""

    def pick(self, now: int) -> str | None:
        """Decide who runs from now on; None when nobody is runnable."""

    def start_slice(self, now: int) -> None:
        """The chosen tenant begins only now: changing tenants is not on its account."""


class RoundRobin:
    """Each runnable tenant in turn, for one quantum of host cycles at a time.

    A tenant that is alone keeps the processor; its quantum starts when somebody else becomes runnable and asks.
    """

    STATE: ClassVar[tuple[str, ...]] = ("queue", "current", "slice_start")
    DERIVED: ClassVar[tuple[str, ...]] = ("quantum",)

    def __init__(self, quantum: int) -> None:
        """Start with nobody runnable.

        Args:
            quantum: Host cycles of one turn.

        Raises:
            ValueError: The quantum is not positive.
        """
        if quantum <= 0:
            raise ValueError("a quantum must be at least one cycle")
        self.quantum = quantum
        self.queue: list[str] = []
        self.current: str | None = None
        self.slice_start = 0

    @property
    def slice_end(self) -> int | None:
        """When the present turn is over; None while nobody else wants the processor."""
        return self.slice_start + self.quantum if self.queue and self.current is not None else None

    @property
    def waiting(self) -> tuple[str, ...]:
        """The queue, next first."""
        return tuple(self.queue)

    def ready(self, name: str) -> None:
        """Put a tenant at the end of the queue, unless it runs or waits already."""
        if name != self.current and name not in self.queue:
            self.queue.append(name)

    def block(self, name: str) -> None:
        """Take a tenant off the processor and out of the queue."""
        if name == self.current:
            self.current = None
        elif name in self.queue:
            self.queue.remove(name)

    def pick(self, now: int) -> str | None:
        """Keep the running tenant until its quantum is over, then take the first of the queue."""
        end = self.slice_end
        if self.current is not None and end is not None and now >= end:
            self.queue.append(self.current)
            self.current = None
        if self.current is None and self.queue:
            self.current = self.queue.pop(0)
            self.slice_start = now
        return self.current

    def start_slice(self, now: int) -> None:
        """Let the present turn begin now."""
        self.slice_start = now
