"""Moving a world to an anchor, in one go or in slices, within a budget of instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from teachvm.lesson.anchors import Anchor
from teachvm.lesson.happenings import is_later
from teachvm.lesson.milestones import Stop
from teachvm.lesson.reading import WorldScope
from teachvm.lesson.watching import Watch, watch
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.world.world import World


class Ending(Enum):
    """How a journey ended."""

    REACHED = "reached"
    WORLD_ENDED = "ended"
    BUDGET = "limit"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a journey came to; `text` says in one sentence what happened when the anchor was not reached."""

    ending: Ending
    at: Moment
    instructions: int
    text: str = ""

    @property
    def reached(self) -> bool:
        """The anchor was reached."""
        return self.ending is Ending.REACHED


class Journey:
    """One run to an anchor. `advance` moves on until it is over, or until its caller wants a pause."""

    def __init__(
        self, world: World, timeline: Timeline, scope: WorldScope, anchor: Anchor, stop: Stop, limit: int
    ) -> None:
        """Set out from the present moment.

        Raises:
            NoValueError: An argument of the anchor has no value now.
        """
        self._world = world
        self._timeline = timeline
        self._anchor = anchor
        self._stop = stop
        self._limit = limit
        self._start = timeline.position
        self._seen = self._start
        self._found: Moment | None = None
        self._is_label = anchor.milestone is not None and anchor.milestone.word == "at"
        self._watch: Watch = watch(anchor, world, scope)
        self._there = anchor.condition is not None and anchor.condition.holds(scope)

    def advance(self, keep_going: Callable[[], bool] | None = None) -> Arrival | None:
        """Go on.

        Args:
            keep_going: Asked now and then; false pauses.

        Returns:
            Where it came to, or None when it was paused: call again.
        """
        if self._there:
            return self._arrival(Ending.REACHED)
        left = self._limit - (self._timeline.position.n - self._start.n)
        unsubscribes = [self._world.recorder.log.subscribe(kind, self._published) for kind in self._watch.kinds]
        try:
            outcome = self._timeline.run(
                max(left, 0),
                stop_when=self._phase,
                stop_at=self._boundary,
                barriers=self._watch.barriers,
                keep_going=keep_going,
            )
        finally:
            for unsubscribe in unsubscribes:
                unsubscribe()
        if outcome is Outcome.PAUSED:
            return None
        if self._found is None:
            return self._arrival(Ending.BUDGET if outcome is Outcome.LIMIT else Ending.WORLD_ENDED)
        self._settle(self._found)
        return self._arrival(Ending.REACHED)

    def _settle(self, found: Moment) -> None:
        """The anchor was reached: go to the side of it that was asked for."""
        if not self._is_label:
            if self._stop == "before":
                self._timeline.seek(max(self._start, Moment(found.n)))
            return
        if found != self._timeline.position:
            self._timeline.seek(found)
        if self._stop == "after":
            self._timeline.step_instruction()  # a label is met before its instruction

    # ---- what the timeline asks ----------------------------------------------------------------

    def _published(self, event: Event) -> None:
        """Every event of the kinds watched, phases before they can stop the world."""
        if self._found is None and is_later(event, self._start) and self._watch.event(event):
            self._found = event.at

    def _phase(self, event: Event) -> bool:
        return self._found is not None and self._stop == "at"

    def _boundary(self) -> bool:
        if self._found is not None:
            return True
        if self._watch.boundary():
            self._found = self._watch.met or self._timeline.position
            return True
        return False

    def _arrival(self, ending: Ending) -> Arrival:
        at = self._timeline.position
        done = max(0, at.n - self._start.n)
        return Arrival(ending, at, done, self._text(ending, done))

    def _text(self, ending: Ending, done: int) -> str:
        match ending:
            case Ending.REACHED:
                return ""
            case Ending.WORLD_ENDED:
                return f"{self._anchor.text} was not reached: {self._world.stopped} after {_grouped(done)} instructions"
            case Ending.BUDGET:
                return f"{self._anchor.text} was not reached within {_grouped(self._limit)} instructions"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")
