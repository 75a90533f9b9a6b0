"""Moving through time: forwards by executing, backwards by restoring a checkpoint and executing again."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from enum import Enum

from teachvm.trace.checkpoints import Checkpoints
from teachvm.trace.cost import CHECKPOINT_SPACING, Meter
from teachvm.trace.events import Event
from teachvm.trace.fork import Fork
from teachvm.trace.moment import START, Moment
from teachvm.trace.recorder import PhaseReached
from teachvm.trace.subject import Input, Subject

LONGEST_BURST = 1 << 14
"""Most compiled instructions before somebody is asked whether to go on: a few milliseconds."""

ASKED_CYCLES = 1 << 12
"""Cycles after which it is asked earlier: one repeated string instruction can take as long as many units."""

ASKED_EVERY = 64
"""Units between two questions whether to go on; half as many may be executed one by one in a burst."""

ORIGIN = -1
"""Number of the checkpoint that holds the beginning as it was before anything came from outside."""

NOWHERE: frozenset[int] = frozenset()


class Outcome(Enum):
    """Why a forward run ended."""

    REACHED = "reached"
    ENDED = "ended"
    LIMIT = "limit"
    PAUSED = "paused"


class Timeline:
    """The only thing that may move a world through time.

    Positions are moments. At phase 0 the world can go on directly; inside a unit it was stopped to be looked at, and
    going on means executing the unit again from its beginning.
    """

    def __init__(self, subject: Subject, spacing: int = CHECKPOINT_SPACING) -> None:
        self._subject = subject
        self._recorder = subject.recorder
        self._clock = subject.recorder.clock
        self._log = subject.recorder.log
        self._checkpoints = Checkpoints(subject.registry, subject.memories, self._log)
        self._meter = Meter(spacing)
        self._inputs: dict[int, list[Input]] = {}
        self._input_numbers: list[int] = []
        self.frontier = START
        self.forks: list[Fork] = []
        self._checkpoints.take(ORIGIN)
        self.applying = False
        """Something that came from outside is changing the world just now."""
        self._keep()

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
        return tuple((number, given) for number in sorted(self._inputs) for given in self._inputs[number])

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
        if self.frontier > Moment(now):
            self._fork(now)
            self._checkpoints.drop_after(now)
            self._log.truncate(Moment(now))
        self._inputs.setdefault(now, []).append(given)
        self._input_numbers = sorted(self._inputs)
        self._apply(now, given)
        self.frontier = Moment(now)
        self._checkpoints.take(now)

    def withdraw(self, number: int, given: Input) -> None:
        """Take back what came from outside, and go to the boundary it came at; what was after it becomes a fork.

        Raises:
            ValueError: Nothing like it came there.
        """
        if given not in self._inputs.get(number, ()):
            raise ValueError(f"nothing like that came at {number}")
        self.seek(Moment(number))
        self._fork(number)
        self._restore(self._checkpoints.nearest(number - 1))
        self._checkpoints.drop_after(number - 1)
        self._log.truncate(self._clock.now)
        here = self._inputs[number]
        del here[len(here) - 1 - here[::-1].index(given)]
        if not number:
            self._restore(ORIGIN)
        self._advance_to(number)
        self.frontier = self._clock.now
        self._checkpoints.take(self._clock.n)

    def _fork(self, now: int) -> None:
        """Keep in mind what lay after the present boundary, and forget it."""
        later, until = tuple(pair for pair in self.inputs if pair[0] > now), self._log.cycles_at(self.frontier)
        self.forks.append(Fork(Moment(now), later, self.frontier, self._clock.cycles, until))
        self._inputs = {number: given for number, given in self._inputs.items() if number <= now}
        self._input_numbers = sorted(self._inputs)

    # ---- inside --------------------------------------------------------------------------------

    def _advance(self, limit: int, barriers: frozenset[int] | None = NOWHERE, *, asks: bool = False) -> int:
        """Complete at least one unit, and fast at most `limit`; returns how many, 0 when nothing can run any more.

        Somebody may ask after each unit that records facts (`asks`); `barriers` are as in `run`.
        """
        if limit > 1 and barriers is not None:
            number = self._clock.n
            place = bisect_right(self._input_numbers, number)
            if place < len(self._input_numbers):
                limit = min(limit, self._input_numbers[place] - number)
            units, phases = self._clock.units, self._clock.phases
            done = self._subject.burst(min(limit, LONGEST_BURST), barriers, 0 if asks else ASKED_EVERY // 2)
            if done:
                self._meter.burst(done, self._clock.units - units, self._clock.phases - phases)
                self._arrived()
                return done
        return 1 if self._unit() else 0

    def _unit(self) -> bool:
        clock = self._clock
        before, cycles = clock.n, clock.cycles
        if not self._subject.unit():
            return False
        if clock.n == before:
            return False
        self._meter.unit(clock.last_phases, clock.cycles - cycles)
        self._arrived()
        return True

    def _arrived(self) -> None:
        """The world came to an instruction boundary."""
        self._apply(self._clock.n)
        if self._meter.due and not self._clock.phase:
            self._keep()

    def _keep(self) -> None:
        self._meter.kept(self._checkpoints.take(self._clock.n))

    def _advance_to(self, number: int) -> None:
        """Execute up to an instruction boundary somebody wants to look at.

        The last stretch before it gets checkpoints at a half, a quarter, an eighth of its length: who goes on
        backwards from there finds one close by, at every step.
        """
        clock = self._clock
        mark = (clock.n + number) // 2
        while clock.n < number and self._advance((mark if mark > clock.n else number) - clock.n):
            if clock.n < mark or clock.phase:
                continue
            left = number - clock.n
            if self._meter.worth(left, clock.n - self._checkpoints.nearest(clock.n)):
                self._checkpoints.take_dense(clock.n)
                self._meter.since = 0.0
                mark = clock.n + max(left // 2, 1)
            else:
                mark = number

    def _to_boundary(self) -> None:
        number = self._clock.n
        if self._clock.phase:
            self._restore(self._checkpoints.nearest(number))
            self._advance_to(number)
            self._checkpoints.take_dense(number)

    def _to_boundary_kept(self) -> None:
        """Keep a checkpoint at the boundary of the present unit, then leave the position as it is."""
        if not self._clock.phase:
            self._checkpoints.take_dense(self._clock.n)

    def _restore(self, number: int) -> None:
        self._meter.kept(self._checkpoints.restore(number))
        if number == ORIGIN:
            self._apply(self._clock.n)

    def _apply(self, number: int, given: Input | None = None) -> None:
        """Let come what came from outside at a boundary, or just this."""
        self.applying = True
        for each in self._inputs.get(number, ()) if given is None else (given,):
            each.apply(self._subject)
        self.applying = False


def _any(event: Event) -> bool:
    return True


def _later_than(start: Moment, wanted: Callable[[Event], bool]) -> Callable[[Event], bool]:
    return lambda event: event.at > start and wanted(event)
