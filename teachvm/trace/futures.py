"""What came from outside and when, and the futures that were seen, and left behind when the past was changed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from teachvm.trace.moment import Moment
from teachvm.trace.subject import Input

Log = tuple[tuple[int, Input], ...]
"""Inputs with the instruction boundary each came at, in order."""

MOST_FORKS: Final = 32
"""Futures kept in mind; the oldest are forgotten beyond it."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A future left behind when the past was changed: where it branched off, and everything that came from outside.

    `cycles` and `frontier_cycles` are the host's clock where it branched off, and at the end of what was seen of it.
    """

    at: Moment
    inputs: Log
    frontier: Moment
    cycles: int
    frontier_cycles: int


class Futures:
    """The inputs of the present way through time, past and known future, and the ways that were left."""

    def __init__(self) -> None:
        self._inputs: dict[int, list[Input]] = {}
        self._numbers: list[int] = []
        self._forks: list[Fork] = []
        self._clocks: dict[tuple[int, Log], int] = {}
        """The host's clock where ways parted: by the boundary, and what had come before it."""

    @property
    def log(self) -> Log:
        """Everything that comes from outside on this way."""
        return tuple((number, given) for number in self._numbers for given in self._inputs[number])

    def at(self, number: int) -> list[Input]:
        """What comes at an instruction boundary, in order."""
        return self._inputs.get(number, [])

    def next_after(self, number: int) -> int | None:
        """The next boundary something comes at; None if nothing comes any more."""
        place = bisect_right(self._numbers, number)
        return self._numbers[place] if place < len(self._numbers) else None

    def add(self, number: int, given: Input) -> None:
        """Something comes at a boundary, after what comes there already; a fork in which just that came is no other."""
        self._set((*self.log, (number, given)))
        self._forget_equal()

    def withdraw(self, number: int, given: Input) -> None:
        """The latest input like this does not come at a boundary after all."""
        here = self._inputs[number]
        del here[len(here) - 1 - here[::-1].index(given)]
        self._set(self.log)
        self._forget_equal()

    def leave(self, now: Moment, cycles: int, frontier: Moment, frontier_cycles: int) -> None:
        """Keep this way in mind as one that is left at a boundary, and forget what comes beyond it.

        Args:
            now: Where it branches off.
            cycles: The host's clock there.
            frontier: How far it was seen.
            frontier_cycles: The host's clock there.
        """
        log = self.log
        self._forget_equal()
        self._clocks[now.n, _before(log, now.n)] = cycles
        while len(self._clocks) > 2 * MOST_FORKS:
            del self._clocks[next(iter(self._clocks))]
        self._forks.append(Fork(now, log, frontier, cycles, frontier_cycles))
        del self._forks[:-MOST_FORKS]
        self._set(tuple(pair for pair in log if pair[0] <= now.n))

    @property
    def forks(self) -> tuple[Fork, ...]:
        """What was left behind, oldest first; each branches off where it parts from the present way."""
        shown = []
        for fork in self._forks:
            number = self.parting(fork)
            cycles = None if number is None else self._clocks.get((number, _before(self.log, number)))
            shown.append(fork if number is None or cycles is None else replace(fork, at=Moment(number), cycles=cycles))
        return tuple(shown)

    def parting(self, fork: Fork) -> int | None:
        """The first boundary at which something else comes in a fork than on this way; None if nothing does."""
        pairs = zip_longest(self.log, fork.inputs)
        return next((min(each[0] for each in pair if each is not None) for pair in pairs if pair[0] != pair[1]), None)

    def holds(self, fork: Fork) -> bool:
        """Whether such a future was left behind."""
        return any(each.inputs == fork.inputs for each in self._forks)

    def take_up(self, fork: Fork) -> None:
        """A fork's inputs are those of this way from now on."""
        self._set(fork.inputs)
        self._forget_equal()

    def _set(self, log: Log) -> None:
        self._inputs = {}
        for number, given in sorted(log, key=lambda pair: pair[0]):
            self._inputs.setdefault(number, []).append(given)
        self._numbers = sorted(self._inputs)

    def _forget_equal(self) -> None:
        """A future in which the same comes as in this one has not been left."""
        log = self.log
        self._forks = [fork for fork in self._forks if fork.inputs != log]


def _before(log: Log, number: int) -> Log:
    """What comes before a boundary."""
    return tuple(pair for pair in log if pair[0] < number)
