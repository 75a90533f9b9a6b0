"""The one door through which facts enter the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from teachvm.trace.clock import Clock
from teachvm.trace.events import Event, EventLog


class PhaseReached(BaseException):
    """The timeline asked to stop at this phase of the unit.

    Derives from BaseException so that no `except Exception` of the machine or the VMM can swallow it. The state behind
    it is only looked at; to go on, the timeline executes the unit again from its beginning.
    """


class Recorder:
    """Stamps facts with the current moment and publishes them; one per world."""

    def __init__(self, clock: Clock | None = None, log: EventLog | None = None) -> None:
        self.clock = clock or Clock()
        self.log = EventLog() if log is None else log  # an empty log is false
        self.stop_when: Callable[[Event], bool] | None = None
        """Armed by the timeline: a phase for which it answers true raises PhaseReached."""

    def emit(self, kind: type[Event], /, **fields: Any) -> None:
        """Publish a fact that belongs to the current moment."""
        self.record(kind, fields)

    def mark(self, kind: type[Event], /, **fields: Any) -> None:
        """Publish a fact that is a phase of its own: one visible thing inside the current unit.

        Raises:
            PhaseReached: The timeline asked to stop here.
        """
        self.record_phase(kind, fields)

    def record(self, kind: type[Event], fields: dict[str, Any]) -> None:
        """As `emit`, with the fields in a dictionary that is given away."""
        self.log.note(kind, self.clock, fields)

    def record_phase(self, kind: type[Event], fields: dict[str, Any]) -> None:
        """As `mark`, with the fields in a dictionary that is given away."""
        clock = self.clock
        clock.phase += 1
        if self.stop_when is None:
            self.log.note(kind, clock, fields)
            return
        event = kind(clock.now, clock.cycles, **fields)
        self.log.publish(event)
        if self.stop_when(event):
            raise PhaseReached
