"""The timeline on a small deterministic counter machine with memory, phases and an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.pages import PAGE_BYTES
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry
from teachvm.trace.timeline import Outcome, Timeline


@dataclass(frozen=True, slots=True)
class Noticed(Event):
    """Something visible happened inside a unit."""

    what: int
    PHASE: ClassVar[bool] = True


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
    DERIVED: ClassVar[tuple[str, ...]] = ("length", "recorder", "registry", "memory")

    def __init__(self, seed: int, length: int = 10_000) -> None:
        self.state = seed
        self.trail: list[int] = []
        self.marks: dict[int, int] = {}
        self.length = length
        self.recorder = Recorder()
        self.registry = Registry()
        self.registry.add("clock", self.recorder.clock)
        self.registry.add("mixer", self)
        self.memory = TinyMemory()

    @property
    def memories(self) -> tuple[TinyMemory, ...]:
        return (self.memory,)

    def unit(self) -> bool:
        clock = self.recorder.clock
        if clock.n >= self.length:
            return False
        for index in range(self.state % 4):
            self.marks[index] = clock.n
            self.recorder.mark(Noticed, what=index)
        self.state = (self.state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
        self.memory.write(self.state % (8 * PAGE_BYTES), self.state >> 8 & 0xFF)
        self.trail.append(self.state & 7)
        del self.trail[:-5]
        clock.retire()
        return True


@dataclass(frozen=True, slots=True)
class Reseed:
    """An input: the walk continues from another number."""

    value: int

    def apply(self, subject: object) -> None:
        assert isinstance(subject, Mixer)
        subject.state = self.value


@given(st.integers(0, 2**31 - 1), st.integers(1, 60), st.integers(5, 40))
def test_stepping_forward_then_back_shows_every_earlier_digest_again(seed: int, steps: int, spacing: int) -> None:
    timeline = Timeline(Mixer(seed), spacing)
    seen = [(timeline.position, timeline.digest())]
    for _ in range(steps):
        timeline.step()
        seen.append((timeline.position, timeline.digest()))
    assert len({moment for moment, _ in seen}) == len(seen)
    for moment, digest in reversed(seen[:-1]):
        timeline.back()
        assert (timeline.position, timeline.digest()) == (moment, digest)


@given(st.integers(0, 2**31 - 1), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=12))
def test_seeking_in_any_order_gives_the_state_of_a_straight_run(seed: int, targets: list[tuple[int, int]]) -> None:
    timeline = Timeline(Mixer(seed), spacing=30)
    for n, phase in targets:
        reached = timeline.seek(Moment(n, phase))
        straight = Timeline(Mixer(seed), spacing=10**9)
        assert straight.seek(reached) == reached
        assert timeline.digest() == straight.digest()


@given(st.integers(0, 2**31 - 1), st.integers(0, 50), st.integers(0, 2**31 - 1))
def test_an_input_in_the_past_forks_and_replays_with_the_new_future(seed: int, at: int, value: int) -> None:
    timeline = Timeline(Mixer(seed), spacing=20)
    timeline.run(100)
    timeline.seek(Moment(at))
    timeline.inject(Reseed(value))
    assert timeline.frontier == Moment(at)
    assert [fork.at for fork in timeline.forks] == [Moment(at)]
    timeline.run(60)
    digest, position = timeline.digest(), timeline.position
    timeline.seek(Moment(0))
    timeline.seek(position)
    assert timeline.digest() == digest


def test_re_execution_logs_nothing_twice() -> None:
    mixer = Mixer(3)
    timeline = Timeline(mixer, spacing=25)
    timeline.run(200)
    logged = list(mixer.recorder.log.of(Noticed))
    for n in (150, 20, 199, 0, 200):
        timeline.seek(Moment(n))
    assert list(mixer.recorder.log.of(Noticed)) == logged


def test_run_stops_inside_the_unit_at_the_wanted_phase() -> None:
    mixer = Mixer(7)
    timeline = Timeline(mixer)
    assert timeline.run(100, stop_when=lambda e: isinstance(e, Noticed) and e.what == 2) is Outcome.REACHED
    first = timeline.position
    assert first.phase == 3
    assert timeline.run(100, stop_when=lambda e: isinstance(e, Noticed) and e.what == 2) is Outcome.REACHED
    assert timeline.position > first
    assert timeline.back_to(Noticed, lambda e: isinstance(e, Noticed) and e.what == 2)
    assert timeline.position == first


def test_back_over_an_invisible_phase_does_not_stop_there() -> None:
    timeline = Timeline(Mixer(7))
    timeline.seek(Moment(20))
    timeline.back(lambda event: False)
    assert timeline.position == Moment(19)


def test_a_run_ends_where_the_world_ends() -> None:
    timeline = Timeline(Mixer(1, length=40))
    assert timeline.run(1_000) is Outcome.ENDED
    assert timeline.position.n == 40
    assert timeline.seek(Moment(99)) == timeline.position


def test_dense_checkpoints_are_thinned_but_every_moment_stays_reachable() -> None:
    timeline = Timeline(Mixer(11), spacing=100)
    digests = {}
    for _ in range(300):
        timeline.step_instruction()
        digests[timeline.position] = timeline.digest()
    for moment in list(digests)[::37]:
        timeline.seek(moment)
        assert timeline.digest() == digests[moment]


def test_a_run_can_be_paused_between_units() -> None:
    timeline = Timeline(Mixer(5))
    assert timeline.run(10_000, keep_going=lambda: timeline.position.n < 500) is Outcome.PAUSED
    assert timeline.position.n == 512
