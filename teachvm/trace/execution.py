"""A subject executed unit by unit, with checkpoints on its way and what comes from outside at its moments."""

from __future__ import annotations

from teachvm.trace.checkpoints import Checkpoints
from teachvm.trace.cost import CHECKPOINT_SPACING, Meter
from teachvm.trace.futures import Futures
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


class Execution:
    """What moving through time rests on: units forwards, checkpoints to go back to, inputs that come again."""

    def __init__(self, subject: Subject, spacing: int = CHECKPOINT_SPACING) -> None:
        self._subject = subject
        self._recorder = subject.recorder
        self._clock = subject.recorder.clock
        self._log = subject.recorder.log
        self._checkpoints = Checkpoints(subject.registry, subject.memories, self._log)
        self._meter = Meter(spacing)
        self._futures = Futures()
        self._checkpoints.take(ORIGIN)
        self.applying = False
        """Something that came from outside is changing the world just now."""
        self._keep()

    def _advance(self, limit: int, barriers: frozenset[int] | None = NOWHERE, *, asks: bool = False) -> int:
        """Complete at least one unit, and fast at most `limit`; returns how many, 0 when nothing can run any more.

        Somebody may ask after each unit that records facts (`asks`); `barriers` are as in `run`.
        """
        if limit > 1 and barriers is not None:
            number = self._clock.n
            following = self._futures.next_after(number)
            if following is not None:
                limit = min(limit, following - number)
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
        try:
            for each in self._futures.at(number) if given is None else (given,):
                each.apply(self._subject)
        finally:
            self.applying = False
