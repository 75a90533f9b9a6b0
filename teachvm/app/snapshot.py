"""One moment of a world, held still for presenters."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from teachvm.app.focus import Focus
from teachvm.trace.moment import Moment

if TYPE_CHECKING:
    from teachvm.app.survey import SurveyView
    from teachvm.trace.events import EventLog
    from teachvm.trace.futures import Fork
    from teachvm.trace.timeline import Timeline
    from teachvm.world.world import World


class Snapshot:
    """All declared state at one moment, and the memory windows presenters looked at then.

    Reading memory works while the world stands at this moment; what was read is kept. After the world has moved on, the
    same windows answer from what was kept and others answer None, so a presenter can compare what it shows now with
    what it showed before, and nothing is copied that nobody looked at.
    """

    def __init__(self, world: World, timeline: Timeline, focus: Focus) -> None:
        self.world = world
        self.focus = focus
        self.at: Moment = timeline.position
        self.frontier: Moment = timeline.frontier
        self.forks: tuple[Fork, ...] = timeline.forks
        self.cycles = world.recorder.clock.cycles
        self._values = {
            path: (thing.STATE, values)
            for (path, thing), values in zip(world.registry.items(), world.registry.capture(), strict=True)
        }
        self._states: dict[str, Any] = {}
        self._kept: dict[tuple[int, int], bytes] = {}
        self._live = True
        self.survey: SurveyView | None = None
        """What was measured of all techniques, if somebody asked."""

    @property
    def log(self) -> EventLog:
        """The world's event log; entries at or before `at` are the past of this moment."""
        return self.world.recorder.log

    def state(self, path: str) -> Any:
        """State registered under a path, as an object with the attribute names of its `STATE`; lists are tuples."""
        state = self._states.get(path)
        if state is None:
            names, values = self._values[path]
            state = self._states[path] = SimpleNamespace(**dict(zip(names, values, strict=True)))
        return state

    def translated(self, vm: str) -> int:
        """Guest instructions a VM has completed by translated code."""
        path = f"{vm}.engine"
        return int(getattr(self.state(path), "completed", 0)) if path in self else 0

    def __contains__(self, path: str) -> bool:
        """Whether anything is registered under a path."""
        return path in self._values

    def read(self, address: int, size: int) -> bytes | None:
        """Host-physical memory; None if it lies outside RAM, or was never looked at while the world stood here."""
        kept = self._kept.get((address, size))
        if kept is None and self._live:
            kept = self.world.read_physical(address, size)
            if kept is not None:
                self._kept[address, size] = kept
        return kept

    def with_focus(self, focus: Focus) -> Snapshot:
        """The same moment, looked at in another way."""
        other = copy(self)
        other.focus = focus
        return other

    def leave(self) -> None:
        """The world is about to move: from now on only kept memory answers."""
        self._live = False
