"""Moving through time: forwards by executing, backwards by restoring a checkpoint and executing again."""

from __future__ import annotations

import hashlib
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from teachvm.trace.events import Event
from teachvm.trace.moment import START, Moment
from teachvm.trace.pages import PagedMemory, PageHistory
from teachvm.trace.recorder import PhaseReached, Recorder
from teachvm.trace.state import Capture, Registry

CHECKPOINT_SPACING = 4_096
"""Cost between two checkpoints, in units; a phase costs as much as eight of them (VMM work is slower than a step)."""

PHASE_COST = 8
DENSE_CHECKPOINTS = 64
"""Checkpoints kept around the place where somebody steps, beside the evenly spaced ones."""


class Subject(Protocol):
    """What a timeline moves: a deterministic world."""

    recorder: Recorder
    registry: Registry

    @property
    def memories(self) -> Sequence[PagedMemory]:
        """Every memory whose pages are state."""

    def unit(self) -> bool:
        """Execute from `(n, 0)` to `(n + 1, 0)`; False when nothing can run any more."""


class Input(Protocol):
    """Something that came from outside at a moment: a key, an edit, a dropped cache."""

    def apply(self, subject: Subject) -> None:
        """Change the subject; deterministic, whatever the subject's state."""


class Outcome(Enum):
    """Why a forward run ended."""

    REACHED = "reached"
    ENDED = "ended"
    LIMIT = "limit"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Fork:
    """A future left behind when the past was changed: where it branched off and what came from outside in it."""

    at: Moment
    inputs: tuple[tuple[int, Input], ...]
    frontier: Moment


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    capture: Capture
    cursor: int
    cycles: int


class Timeline:
    """The only thing that may move a world through time.

    Positions are moments. At phase 0 the world can go on directly; inside a unit it was stopped to be looked at, and
    going on means executing the unit again from its beginning.
    """

    def __init__(self, subject: Subject, spacing: int = CHECKPOINT_SPACING) -> None:
        self._subject = subject
        self._recorder = subject.recorder
        self._clock = subject.recorder.clock
        self._histories = tuple(PageHistory(memory) for memory in subject.memories)
        self._checkpoints: dict[int, _Checkpoint] = {}
        self._numbers: list[int] = []
        self._dense: deque[int] = deque()
        self._spacing = spacing
        self._cost = 0
        self._inputs: dict[int, list[Input]] = {}
        self.frontier = START
        self.forks: list[Fork] = []
        self._checkpoint(self._clock.n)

    @property
    def position(self) -> Moment:
        """Where the world is now."""
        return self._clock.now

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of page contents held by all checkpoints."""
        return sum(history.stored_bytes for history in self._histories)

    @property
    def inputs(self) -> tuple[tuple[int, Input], ...]:
        """What came from outside, with the instruction boundary it came at, in order."""
        return tuple((number, given) for number in sorted(self._inputs) for given in self._inputs[number])

    def digest(self) -> str:
        """Fingerprint of all state at this position; equal states give equal digests in every process."""
        sink = hashlib.blake2b(digest_size=16)
        self._subject.registry.digest_into(sink)
        for history in self._histories:
            history.digest_into(sink)
        return sink.hexdigest()

    # ---- forwards ------------------------------------------------------------------------------

    def run(
        self,
        limit: int,
        *,
        stop_when: Callable[[Event], bool] | None = None,
        stop_at: Callable[[], bool] | None = None,
        keep_going: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Execute until something asks to stop.

        Args:
            limit: Most units to complete.
            stop_when: Asked at each phase later than the present one; true stops inside the unit, at that phase.
            stop_at: Asked at each instruction boundary after the first; true stops there.
            keep_going: Asked every 64 units; false pauses (for time slices, which the core knows nothing of).
        """
        start = self._clock.now
        self._to_boundary()
        if stop_when is not None:
            self._recorder.stop_when = _later_than(start, stop_when)
        try:
            for count in range(limit):
                if keep_going is not None and count and not count & 63 and not keep_going():
                    return Outcome.PAUSED
                if not self._unit():
                    return Outcome.ENDED
                if stop_at is not None and stop_at():
                    return Outcome.REACHED
        except PhaseReached:
            return Outcome.REACHED
        finally:
            self._recorder.stop_when = None
            self.frontier = max(self.frontier, self._clock.now)
        return Outcome.LIMIT

    def step(self, visible: Callable[[Event], bool] | None = None) -> Outcome:
        """Go to the next visible phase, or to the next instruction boundary if none comes before it."""
        self._to_boundary_kept()
        return self._finished(self.run(1, stop_when=visible or _any))

    def step_instruction(self) -> Outcome:
        """Complete the current instruction with everything that happens on its way."""
        self._to_boundary_kept()
        return self._finished(self.run(1))

    @staticmethod
    def _finished(outcome: Outcome) -> Outcome:
        return Outcome.REACHED if outcome is Outcome.LIMIT else outcome

    # ---- backwards -----------------------------------------------------------------------------

    def seek(self, moment: Moment) -> Moment:
        """Make the world as it was, or will be, at a moment.

        Returns:
            Where it came to: earlier than asked if the world ends before, or the unit has fewer phases.
        """
        here = self._clock.now
        nearest = self._nearest(moment.n)
        if here.phase or here.n > moment.n or nearest > here.n:
            self._restore(nearest)
        while self._clock.n < moment.n and self._unit():
            pass
        if moment.phase and self._clock.n == moment.n:
            self._checkpoint_here()
            self.run(1, stop_when=lambda event: event.at >= moment)
        self.frontier = max(self.frontier, self._clock.now)
        return self._clock.now

    def back(self, visible: Callable[[Event], bool] | None = None) -> Moment:
        """Go to the previous visible phase, or to the instruction boundary if none lies after it."""
        here = self._clock.now
        if here == START:
            return here
        floor = Moment(here.n) if here.phase else Moment(here.n - 1)
        shown = visible or _any
        # Only phases are looked at on the way forward: other events of the same moment are no place to stand.
        moments = [e.at for e in self._recorder.log.of(Event, Moment(floor.n, 1), here) if e.PHASE and shown(e)]
        return self.seek(moments[-1] if moments else floor)

    def back_instruction(self) -> Moment:
        """Go to the boundary before the current or the last completed instruction."""
        here = self._clock.now
        return self.seek(Moment(here.n if here.phase else max(0, here.n - 1)))

    def back_to(
        self, kind: type[Event] | tuple[type[Event], ...], which: Callable[[Event], bool] | None = None
    ) -> bool:
        """Go to the latest earlier event of a kind; False (and no move) when there is none."""
        here = self._clock.now
        while True:
            event = self._recorder.log.last_before(here, kind)
            if event is None:
                return False
            if which is None or which(event):
                self.seek(event.at)
                return True
            here = event.at

    # ---- changing the past ---------------------------------------------------------------------

    def inject(self, given: Input) -> None:
        """Let something come from outside at the present instruction boundary; a recorded future becomes a fork."""
        if self._clock.phase:
            self.seek(Moment(self._clock.n))
        now = self._clock.n
        if self.frontier > Moment(now):
            later = tuple(pair for pair in self.inputs if pair[0] > now)
            self.forks.append(Fork(Moment(now), later, self.frontier))
            self._inputs = {number: given for number, given in self._inputs.items() if number <= now}
            self._drop_after(now)
            self._recorder.log.truncate()
        self._inputs.setdefault(now, []).append(given)
        given.apply(self._subject)
        self.frontier = Moment(now)
        self._checkpoint(now)

    # ---- inside --------------------------------------------------------------------------------

    def _unit(self) -> bool:
        clock = self._clock
        before = clock.n
        if not self._subject.unit():
            return False
        if clock.n == before:
            return False
        for given in self._inputs.get(clock.n, ()):
            given.apply(self._subject)
        self._cost += 1 + PHASE_COST * clock.last_phases
        if self._cost >= self._spacing:
            self._checkpoint(clock.n)
        return True

    def _to_boundary(self) -> None:
        number = self._clock.n
        if self._clock.phase:
            self._restore(self._nearest(number))
            while self._clock.n < number and self._unit():
                pass
            self._checkpoint_here()

    def _nearest(self, number: int) -> int:
        return self._numbers[bisect_right(self._numbers, number) - 1]

    def _to_boundary_kept(self) -> None:
        """Keep a checkpoint at the boundary of the present unit, then leave the position as it is."""
        if not self._clock.phase:
            self._checkpoint_here()

    def _checkpoint_here(self) -> None:
        number = self._clock.n
        if number in self._checkpoints:
            return
        self._checkpoint(number)
        self._dense.append(number)
        if len(self._dense) > DENSE_CHECKPOINTS:
            self._drop(self._dense.popleft())

    def _checkpoint(self, number: int) -> None:
        for history in self._histories:
            history.commit(number)
        if number not in self._checkpoints:
            insort(self._numbers, number)
        clock, log = self._clock, self._recorder.log
        self._checkpoints[number] = _Checkpoint(self._subject.registry.capture(), log.cursor, clock.cycles)
        self._cost = 0

    def _restore(self, number: int) -> None:
        checkpoint = self._checkpoints[number]
        for history in self._histories:
            history.restore(number)
        self._subject.registry.restore(checkpoint.capture)
        self._recorder.log.cursor = checkpoint.cursor
        self._cost = 0

    def _drop(self, number: int) -> None:
        if number not in self._checkpoints or any(history.base == number for history in self._histories):
            return
        for history in self._histories:
            history.drop(number)
        del self._checkpoints[number]
        self._numbers.remove(number)

    def _drop_after(self, number: int) -> None:
        for later in reversed(self._numbers[bisect_right(self._numbers, number) :]):
            self._drop(later)
        self._dense = deque(n for n in self._dense if n <= number)


def _any(event: Event) -> bool:
    return True


def _later_than(start: Moment, wanted: Callable[[Event], bool]) -> Callable[[Event], bool]:
    return lambda event: event.at > start and wanted(event)
