"""Checkpoints: moments a world can be put back to, kept within a budget however long it runs."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from teachvm.trace.events import EventLog
from teachvm.trace.pages import PagedMemory, PageHistory
from teachvm.trace.state import Capture, Registry, new_bytes

MOST_CHECKPOINTS: Final = 2_000
MOST_BYTES: Final = 64 << 20
"""Bytes of page contents and of other state all checkpoints together may hold."""

LEAST_CHECKPOINTS: Final = 3
"""So many are kept even if they hold more than `MOST_BYTES`: a guest may write a large memory all over."""

CAPTURE_COST: Final = 32
PAGE_COST: Final = 2
"""What taking a checkpoint costs, in units of execution, and for each page written since the one before: it is copied
and compared, and the next write to it has to be noticed again."""

DENSE_CHECKPOINTS: Final = 64
"""Checkpoints kept around the place where somebody steps, beside the evenly spaced ones."""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """State at an instruction boundary; `cursor` is the log's, `cost` what it cost to take."""

    capture: Capture
    cursor: int
    cost: int


class Checkpoints:
    """Checkpoints by the number of their instruction boundary.

    Beyond the budget they are thinned: the farther from the present, the wider they stand apart. Whoever goes back far
    executes longer, once, and new checkpoints are taken on the way.
    """

    def __init__(self, registry: Registry, memories: Sequence[PagedMemory], log: EventLog) -> None:
        """Start with none.

        Args:
            registry: All state but memory pages.
            memories: Every memory whose pages are state.
            log: Its cursor is kept with each checkpoint.
        """
        self._registry = registry
        self._histories = tuple(PageHistory(memory) for memory in memories)
        self._log = log
        self._kept: dict[int, _Checkpoint] = {}
        self._numbers: list[int] = []
        self._dense: deque[int] = deque()
        self._last: Capture | None = None
        self._sizes: dict[int, int] = {}
        """Bytes of other state a checkpoint does not share with the one before it."""
        self._captured_bytes = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    @property
    def stored_bytes(self) -> int:
        """Bytes all checkpoints hold: page contents, and what of other state changed from one to the next."""
        return self._captured_bytes + sum(history.stored_bytes for history in self._histories)

    def nearest(self, number: int) -> int:
        """The latest checkpoint not after a boundary."""
        return self._numbers[bisect_right(self._numbers, number) - 1]

    def digest_into(self, sink: hashlib.blake2b) -> None:
        """Feed the present contents of all memories to a hash."""
        for history in self._histories:
            history.digest_into(sink)

    def take(self, number: int) -> int:
        """Keep the present state as that of a boundary; one kept there before is replaced.

        Returns:
            What it cost, in units of execution.
        """
        if number in self._dense:
            self._dense.remove(number)
        pages = sum(history.commit(number) for history in self._histories)
        if number not in self._kept:
            insort(self._numbers, number)
        self._last = self._registry.capture(self._last)
        cost = CAPTURE_COST + PAGE_COST * pages
        self._kept[number] = _Checkpoint(self._last, self._log.cursor, cost)
        place = bisect_left(self._numbers, number)
        self._measure(place)
        self._measure(place + 1)
        if self.stored_bytes > MOST_BYTES:
            for history in self._histories:
                history.pack()
        if len(self) > MOST_CHECKPOINTS or (self.stored_bytes > MOST_BYTES and len(self) > LEAST_CHECKPOINTS):
            self._thin(number)
        return cost

    def take_dense(self, number: int) -> None:
        """Keep the present state for a while, because somebody steps here; nothing if there is a checkpoint already."""
        if number in self._kept:
            return
        self.take(number)
        self._dense.append(number)
        if len(self._dense) > DENSE_CHECKPOINTS:
            self._drop(self._dense.popleft())

    def restore(self, number: int) -> int:
        """Give everything the state it had at a checkpoint; returns what that had cost to take."""
        checkpoint = self._kept[number]
        for history in self._histories:
            history.restore(number)
        self._registry.restore(checkpoint.capture)
        self._log.cursor = checkpoint.cursor
        self._last = checkpoint.capture
        return checkpoint.cost

    def drop_after(self, number: int) -> None:
        """Forget the future of a boundary; the present must not lie there."""
        for later in reversed(self._numbers[bisect_right(self._numbers, number) :]):
            self._drop(later)
        self._dense = deque(dense for dense in self._dense if dense <= number)

    # ---- inside --------------------------------------------------------------------------------

    def _drop(self, number: int) -> None:
        if number not in self._kept or any(history.base == number for history in self._histories):
            return
        for history in self._histories:
            history.drop(number)
        place = bisect_left(self._numbers, number)
        del self._numbers[place], self._kept[number]
        self._captured_bytes -= self._sizes.pop(number)
        self._measure(place)

    def _measure(self, place: int) -> None:
        """Weigh the checkpoint at a place of the list, if there is one, against the one before it."""
        if place < len(self._numbers):
            number = self._numbers[place]
            before = self._kept[self._numbers[place - 1]].capture if place else None
            size = new_bytes(self._kept[number].capture, before)
            self._captured_bytes += size - self._sizes.get(number, 0)
            self._sizes[number] = size

    def _thin(self, here: int) -> None:
        """Make a quarter of the room free.

        First goes what leaves the smallest hole for its distance from here; of two neighbours only one goes at a time.
        The first checkpoint and the present one stay.
        """
        while (excess := self._excess()) > 0:
            numbers = list(self._numbers)
            inner = [place for place in range(1, len(numbers)) if numbers[place] != here]
            ends = [*numbers, 2 * numbers[-1] - numbers[-2]]
            inner.sort(key=lambda place: (ends[place + 1] - ends[place - 1]) / (1 + abs(ends[place] - here)))
            gone: set[int] = set()
            for place in inner:
                if len(gone) >= excess:
                    break
                if place - 1 not in gone and place + 1 not in gone:
                    self._drop(numbers[place])
                    gone.add(place)
            if not gone:
                return

    def _excess(self) -> int:
        """How many checkpoints to drop next, by their number and by the bytes of an average one."""
        by_count = len(self) - MOST_CHECKPOINTS * 3 // 4
        over = self.stored_bytes - MOST_BYTES * 3 // 4
        by_bytes = min(-(-over * len(self) // self.stored_bytes), len(self) - LEAST_CHECKPOINTS) if over > 0 else 0
        return max(by_count, by_bytes)
