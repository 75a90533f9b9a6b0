"""Moving through time: forwards by executing, backwards by restoring a checkpoint and executing again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from enum import Enum

from teachvm.trace.cost import CHECKPOINT_SPACING
from teachvm.trace.events import Event
from teachvm.trace.execution import ASKED_CYCLES, ASKED_EVERY, NOWHERE, ORIGIN, Execution
from teachvm.trace.futures import Fork
from teachvm.trace.moment import START, Moment
from teachvm.trace.recorder import PhaseReached
from teachvm.trace.subject import Input, Subject


class Outcome(Enum):
    """Why a forward run ended."""

    REACHED = "reached"
    ENDED = "ended"
    LIMIT = "limit"
    PAUSED = "paused"


class Timeline(Execution):
    """The only thing that may move a world through time.

    Positions are moments. At phase 0 the world can go on directly; inside a unit it was stopped to be looked at, and
    going on means executing the unit again from its beginning.

    Attributes:
        frontier: The latest moment of this way through time that was seen.
    """

    def __init__(self, subject: Subject, spacing: int = CHECKPOINT_SPACING) -> None:
        """Stand at the beginning.

        Args:
            subject: What is moved.
            spacing: Cost of execution between two checkpoints.
        """
        super().__init__(subject, spacing)
        self.frontier = START

    @property
    def position(self) -> Moment:
        """Where the world is now."""
        return self._clock.now

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes held by all checkpoints."""
        return self._checkpoints.stored_bytes

    @property
    def inputs(self) -> tuple[tuple[int, Input], ...]:
        """What came from outside, with the instruction boundary it came at, in order."""
        return self._futures.log

    @property
    def forks(self) -> tuple[Fork, ...]:
        """The futures that were left behind, oldest first; `at` is where each parts from the present one."""
        return self._futures.forks

    def digest(self) -> str:
        """Fingerprint of all state at this position; equal states give equal digests in every process."""
        sink = hashlib.blake2b(digest_size=16)
        self._subject.registry.digest_into(sink)
        self._checkpoints.digest_into(sink)
        return sink.hexdigest()

    # ---- forwards ------------------------------------------------------------------------------

    def run(
        self,
        limit: int,
        *,
        stop_when: Callable[[Event], bool] | None = None,
        stop_at: Callable[[], bool] | None = None,
        barriers: frozenset[int] | None = None,
        keep_going: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Execute until something asks to stop.

        Args:
            limit: Most units to complete.
            stop_when: Asked at each phase later than the present one; true stops inside the unit, at that phase.
            stop_at: Asked at each instruction boundary after the first; true stops there.
            barriers: Addresses of instructions before which `stop_at` has to be asked; elsewhere it is asked after
                units that record facts, and now and then. None: asked at every boundary.
            keep_going: Asked every 64 units, and after a burst; false pauses, as at the end of a time slice.
        """
        start = self._clock.now
        self._to_boundary()
        if stop_when is not None:
            self._recorder.stop_when = _later_than(start, stop_when)
        if stop_at is None:
            barriers = NOWHERE
        done, asked, count, late = 0, 0, 0, self._clock.cycles + ASKED_CYCLES
        try:
            while done < limit:
                if keep_going is not None and (count > 1 or done - asked >= ASKED_EVERY or self._clock.cycles >= late):
                    asked, late = done, self._clock.cycles + ASKED_CYCLES
                    if not keep_going():
                        return Outcome.PAUSED
                count = self._advance(limit - done, barriers, asks=stop_at is not None)
                if not count:
                    return Outcome.ENDED
                done += count
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
            Where it came to: earlier than asked if the world ends before; the unit's end if it has fewer phases.
        """
        here = self._clock.now
        nearest = self._checkpoints.nearest(moment.n)
        if here.phase or here.n > moment.n or nearest > here.n:
            self._restore(nearest)
        self._advance_to(moment.n)
        if moment.phase and self._clock.n == moment.n:
            self._checkpoints.take_dense(moment.n)
            self.run(1, stop_when=lambda event: event.at >= moment)
        self.frontier = max(self.frontier, self._clock.now)
        return self._clock.now

    def back(self, visible: Callable[[Event], bool] | None = None) -> Moment:
        """Go to the previous visible phase, or to the instruction boundary if none lies after it."""
        here = self._clock.now
        if here > START:
            self.back_to(visible or _any, Moment(here.n if here.phase else here.n - 1))
        return self._clock.now

    def back_instruction(self) -> Moment:
        """Go to the boundary before the current or the last completed instruction."""
        return self.seek(Moment(max(0, self._clock.n - (not self._clock.phase))))

    def back_to(
        self,
        wanted: Callable[[Event], bool],
        floor: Moment = START,
        stop_at: Callable[[], bool] | None = None,
        barriers: frozenset[int] | None = None,
    ) -> bool:
        """Go to the latest earlier phase that is wanted.

        Args:
            wanted: Asked about phases, latest first where they are recorded.
            floor: An instruction boundary to go to if there is none after it.
            stop_at: Asked about instruction boundaries, in executing them again; true is wanted too.
            barriers: Where `stop_at` has to be asked; see `run`.

        Returns:
            Whether there was one; otherwise the world stands at `floor`.
        """
        stop = self._clock.now
        while stop > floor:
            if stop_at is None and self._log.whole_from < stop:
                start = max(floor, self._log.whole_from)
                event = self._log.latest(start, stop, lambda event: event.PHASE and wanted(event))
                found = None if event is None else event.at
            else:
                start = max(floor, self.stretch_before(stop))
                found = self._executed_again(start, stop, wanted, stop_at, barriers)
            if found is not None:
                self.seek(found)
                return True
            stop = start
        self.seek(floor)
        return False

    def stretch_before(self, moment: Moment) -> Moment:
        """The latest checkpoint before a moment after the start: from there it is executed again most cheaply."""
        return max(START, Moment(self._checkpoints.nearest(moment.n if moment.phase else moment.n - 1)))

    def again(
        self, start: Moment, stop: Moment, barriers: frozenset[int] | None = NOWHERE, *, asks: bool = False
    ) -> Iterator[Moment]:
        """Execute a stretch again, standing in turn at some of its boundaries `start <= boundary < stop`.

        Args:
            start: An instruction boundary.
            stop: Where it ends; the unit it lies in is executed whole.
            barriers: Where it must not pass unasked; see `run`.
            asks: Stand behind every unit that records facts too.
        """
        self.seek(start)
        while self._clock.now < stop:
            yield self._clock.now
            if not self._advance(max(1, stop.n - self._clock.n), barriers, asks=asks):
                return

    def _executed_again(
        self,
        start: Moment,
        stop: Moment,
        wanted: Callable[[Event], bool],
        stop_at: Callable[[], bool] | None,
        barriers: frozenset[int] | None,
    ) -> Moment | None:
        """The latest wanted moment of a stretch, `start <= moment < stop`, found by executing it again."""
        found: list[Moment] = []
        asks = stop_at is not None

        def note(event: Event) -> None:
            if event.PHASE and event.at < stop and wanted(event):
                found[:] = [event.at]

        unsubscribe = self._log.subscribe(Event, note)
        try:
            for boundary in self.again(start, stop, barriers if asks else NOWHERE, asks=asks):
                if stop_at is not None and stop_at():
                    found[:] = [boundary]
        finally:
            unsubscribe()
        return found[0] if found else None

    # ---- changing the past ---------------------------------------------------------------------

    def inject(self, given: Input) -> None:
        """Let something come from outside at the present instruction boundary; a recorded future becomes a fork."""
        if self._clock.phase:
            self.seek(Moment(self._clock.n))
        now = self._clock.n
        if self.frontier > Moment(now) or self._futures.next_after(now) is not None:
            self._leave(now)
            self._checkpoints.drop_after(now)
            self._log.truncate(Moment(now))
        self._futures.add(now, given)
        self._apply(now, given)
        self.frontier = Moment(now)
        self._checkpoints.take(now)

    def withdraw(self, number: int, given: Input) -> None:
        """Take back what came from outside, and go to the boundary it came at; what was after it becomes a fork.

        Raises:
            ValueError: Nothing like it came there.
        """
        if given not in self._futures.at(number):
            raise ValueError(f"nothing like that came at {number}")
        self.seek(Moment(number))
        self._leave(number)
        self._before(number)
        self._futures.withdraw(number, given)
        self._come_to(number)

    def take_up(self, fork: Fork) -> None:
        """Go to where a future that was left behind branches off, and let what came in it come again from there on.

        The present future is left behind in its place. What was seen of the other one is not known until it is executed
        again; it lies ahead as far as `fork.frontier`.

        Raises:
            ValueError: There is no such fork.
        """
        if not self._futures.holds(fork):
            raise ValueError("no such future was left behind")
        number = self._futures.parting(fork)
        if number is None:
            self._futures.take_up(fork)
            return
        self.seek(Moment(number))
        self._leave(number)
        self._before(number)
        self._futures.take_up(fork)
        self._come_to(number)

    def _leave(self, now: int) -> None:
        """Keep in mind what lies after the present boundary, and forget it."""
        frontier = max([self.frontier, *(Moment(number) for number, _ in self._futures.log[-1:])])
        self._futures.leave(Moment(now), self._clock.cycles, frontier, self._log.cycles_at(frontier))

    def _before(self, number: int) -> None:
        """Return to before what came at a boundary came, and forget all from there on."""
        self._restore(self._checkpoints.nearest(number - 1))
        self._checkpoints.drop_after(number - 1)
        self._log.truncate(self._clock.now)

    def _come_to(self, number: int) -> None:
        """Come to a boundary again, now that other things come there."""
        if not number:
            self._restore(ORIGIN)
        self._advance_to(number)
        self.frontier = self._clock.now
        self._checkpoints.take(self._clock.n)


def _any(event: Event) -> bool:
    return True


def _later_than(start: Moment, wanted: Callable[[Event], bool]) -> Callable[[Event], bool]:
    return lambda event: event.at > start and wanted(event)
