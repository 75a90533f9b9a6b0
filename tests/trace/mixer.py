"""A small deterministic machine with memory, phases and an end, for the tests of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from teachvm.trace.events import Event
from teachvm.trace.pages import PAGE_BYTES
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry


@dataclass(frozen=True, slots=True)
class Noticed(Event):
    """Something visible happened inside a unit."""

    what: int
    PHASE: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Whispered(Event):
    """A plain fact beside it, which is no phase of its own."""

    what: int


class TinyMemory:
    """Eight pages that know which were written."""

    def __init__(self) -> None:
        self.data = bytearray(8 * PAGE_BYTES)
        self._dirty: set[int] = set()

    @property
    def page_count(self) -> int:
        return 8

    def page(self, pfn: int) -> bytes:
        return bytes(self.data[pfn * PAGE_BYTES : (pfn + 1) * PAGE_BYTES])

    def set_page(self, pfn: int, content: bytes) -> None:
        self.data[pfn * PAGE_BYTES : (pfn + 1) * PAGE_BYTES] = content

    def dirty_pages(self) -> list[int]:
        return sorted(self._dirty)

    def clean(self) -> None:
        self._dirty.clear()

    def write(self, address: int, value: int) -> None:
        self._dirty.add(address // PAGE_BYTES)
        self.data[address] = value


class Mixer:
    """A pseudo-random walk over memory; unit k has `state % 4` phases, and it ends after `length` units."""

    STATE: ClassVar[tuple[str, ...]] = ("state", "trail", "marks")
    DERIVED: ClassVar[tuple[str, ...]] = ("length", "units", "recorder", "registry", "memory")

    def __init__(self, seed: int, length: int = 10_000) -> None:
        self.state = seed
        self.trail: list[int] = []
        self.marks: dict[int, int] = {}
        self.length = length
        self.units = 0
        """Executed so far, those executed again included."""
        self.recorder = Recorder()
        self.registry = Registry()
        self.registry.add("clock", self.recorder.clock)
        self.registry.add("mixer", self)
        self.memory = TinyMemory()

    @property
    def memories(self) -> tuple[TinyMemory, ...]:
        return (self.memory,)

    def burst(self, limit: int, barriers: frozenset[int], units: int = 0) -> int:
        """Units without phases, as far as their state is in no barrier."""
        clock = self.recorder.clock
        before = clock.n
        while clock.n - before < limit and self.state % 4 == 0 and clock.n < self.length:
            if clock.n > before and self.state in barriers:
                break
            self._work()
            clock.retire_all(1)
        return clock.n - before

    def unit(self) -> bool:
        clock = self.recorder.clock
        if clock.n >= self.length:
            return False
        self._work()
        clock.retire()
        return True

    def _work(self) -> None:
        clock = self.recorder.clock
        self.units += 1
        for index in range(self.state % 4):
            self.marks[index] = clock.n
            self.recorder.mark(Noticed, what=index)
            self.recorder.emit(Whispered, what=index)
        self.state = (self.state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
        # Few bytes of few pages: pages return to earlier contents, and stay untouched for long.
        if self.state >> 20 & 3 == 0:
            self.memory.write((self.state >> 5) % 8 * PAGE_BYTES, self.state >> 12 & 3)
        self.trail.append(self.state & 7)
        del self.trail[:-5]


@dataclass(frozen=True, slots=True)
class Reseed:
    """An input: the walk continues from another number."""

    value: int

    def apply(self, subject: object) -> None:
        assert isinstance(subject, Mixer)
        subject.state = self.value
        subject.memory.write(0, self.value & 0xFF)
