"""The timeline on a small deterministic counter machine with memory, phases and an end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.machine.memory import Memory
from teachvm.trace import checkpoints, events
from teachvm.trace.execution import ORIGIN
from teachvm.trace.futures import MOST_FORKS
from teachvm.trace.moment import START, Moment
from teachvm.trace.pages import PageHistory
from teachvm.trace.subject import Subject
from teachvm.trace.timeline import Outcome, Timeline
from tests.trace.mixer import Mixer, Noticed, Reseed


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
    assert timeline.back_to(lambda e: isinstance(e, Noticed) and e.what == 2)
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


SEEDS = st.integers(0, 2**31 - 1)
MOVES = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 150)),
    st.tuples(st.just("seek"), st.integers(0, 300), st.integers(0, 3)),
    st.tuples(st.just("step"), st.integers(1, 5)),
    st.tuples(st.just("back"), st.integers(1, 5)),
    st.tuples(st.just("instruction"), st.integers(1, 5)),
    st.tuples(st.just("inject"), SEEDS),
)


def move(timeline: Timeline, kind: str, *given: int) -> None:
    match kind:
        case "run":
            timeline.run(given[0])
        case "seek":
            timeline.seek(Moment(*given))
        case "inject":
            timeline.inject(Reseed(given[0]))
        case _:
            for _ in range(given[0]):
                {"step": timeline.step, "back": timeline.back, "instruction": timeline.step_instruction}[kind]()


@given(SEEDS, st.lists(MOVES, max_size=25), st.booleans())
def test_any_moves_in_any_order_lead_to_states_of_a_straight_run(
    seed: int, moves: list[tuple[str, int]], small: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(checkpoints, "MOST_CHECKPOINTS", 6)
            patch.setattr(checkpoints, "DENSE_CHECKPOINTS", 3)
            patch.setattr(events, "LOG_CAPACITY", 20)
        timeline = Timeline(Mixer(seed, length=400), spacing=30)
        for each in moves:
            move(timeline, *each)
            straight = Timeline(Mixer(seed, length=400), spacing=10**9)
            for number, given in timeline.inputs:
                straight.seek(Moment(number))
                straight.inject(given)
            assert straight.seek(timeline.position) == timeline.position
            assert timeline.digest() == straight.digest()


@given(SEEDS, st.integers(100, 250), st.integers(1, 25))
def test_stepping_back_works_where_the_log_has_forgotten(seed: int, start: int, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "LOG_CAPACITY", 16)
        timeline = Timeline(Mixer(seed), spacing=50)
        timeline.run(start)
        timeline.seek(Moment(start // 2))
        positions = [timeline.position]
        for _ in range(steps):
            timeline.step()
            positions.append(timeline.position)
        timeline.run(300)
        assert timeline.position < Moment(start // 2 + 1000)
        timeline.seek(positions[-1])
        for position in reversed(positions[:-1]):
            assert timeline.back() == position


def test_the_previous_wanted_phase_is_found_beyond_what_the_log_has_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted(event: events.Event) -> bool:
        return isinstance(event, Noticed) and event.what == 2 and event.at.n % 50 == 0

    whole = Timeline(Mixer(7))
    whole.run(2_000)
    places = []
    while whole.back_to(wanted):
        places.append(whole.position)
    assert len(places) > 5
    assert whole.position == START
    monkeypatch.setattr(events, "LOG_CAPACITY", 100)
    timeline = Timeline(Mixer(7), spacing=200)
    timeline.run(2_000)
    again = []
    while timeline.back_to(wanted):
        again.append(timeline.position)
    assert again == places


def test_going_back_can_stop_at_a_boundary_that_nothing_recorded() -> None:
    mixer = Mixer(7)
    timeline = Timeline(mixer, spacing=200)
    timeline.run(1_000)
    assert timeline.back_to(lambda _: False, stop_at=lambda: mixer.state & 0xFF == 9 and timeline.position.n < 700)
    assert mixer.state & 0xFF == 9
    here = timeline.position
    timeline.seek(Moment(1_000))
    assert timeline.back_to(lambda event: event.at > here, stop_at=lambda: mixer.state & 0xFF == 9)
    assert timeline.position > here
    assert not timeline.back_to(lambda event: False, floor=here, stop_at=lambda: False)
    assert timeline.position == here


def test_plain_facts_are_no_places_to_step_back_to() -> None:
    timeline = Timeline(Mixer(3))
    timeline.seek(Moment(40))
    timeline.back(lambda event: not isinstance(event, Noticed))
    assert timeline.position == Moment(39)


@dataclass(frozen=True)
class Pushed:
    """Somebody pushed the mixer."""

    by: int

    def apply(self, subject: Subject) -> None:
        assert isinstance(subject, Mixer)
        subject.state ^= self.by


@pytest.mark.parametrize("at", [0, 1, 7, 300])
def test_what_is_withdrawn_was_never_there(at: int) -> None:
    plain, timeline = Timeline(Mixer(5), spacing=50), Timeline(Mixer(5), spacing=50)
    plain.run(600)
    timeline.seek(Moment(at))
    untouched = timeline.digest()
    timeline.inject(Pushed(3))
    timeline.inject(Pushed(12))
    timeline.run(300)
    timeline.withdraw(at, Pushed(12))
    assert timeline.position == timeline.frontier == Moment(at)
    assert timeline.inputs == ((at, Pushed(3)),)
    timeline.withdraw(at, Pushed(3))
    assert timeline.digest() == untouched
    timeline.run(600 - at)
    assert timeline.digest() == plain.digest()
    assert timeline.forks[-1].at == Moment(at)
    timeline.seek(START)
    assert not timeline.inputs


WAYS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 2**31 - 1), st.integers(0, 200)), min_size=1, max_size=5)


@given(st.integers(0, 2**31 - 1), WAYS, st.data())
@settings(max_examples=30)
def test_a_future_that_is_taken_up_comes_again_as_it_was(
    seed: int, ways: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    timeline = Timeline(Mixer(seed), spacing=40)
    timeline.run(350)
    for at, by, onwards in ways:
        timeline.seek(Moment(at))
        timeline.inject(Pushed(by))
        timeline.run(onwards)
    for _ in range(2):
        if not timeline.forks:
            return
        fork = data.draw(st.sampled_from(timeline.forks))
        left, end = timeline.inputs, timeline.frontier
        timeline.take_up(fork)
        assert timeline.inputs == fork.inputs
        assert fork.inputs not in [each.inputs for each in timeline.forks]
        timeline.seek(fork.frontier)
        again = Timeline(Mixer(seed), spacing=10**9)
        for number, came in fork.inputs:
            again.seek(Moment(number))
            again.inject(came)
        again.seek(timeline.position)
        assert timeline.digest() == again.digest()
        (back,) = [each for each in timeline.forks if each.inputs == left]
        assert back.frontier >= end
        middle = Moment(data.draw(st.integers(0, timeline.position.n)))
        timeline.seek(middle)
        again.seek(middle)
        assert timeline.digest() == again.digest()


def test_the_way_that_is_left_can_be_taken_up_in_turn_and_nothing_of_the_past_is_executed_twice_into_the_log() -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    timeline.run(500)
    plain, events = timeline.digest(), len(timeline._log)
    timeline.seek(Moment(200))
    timeline.inject(Pushed(9))
    timeline.run(100)
    other = timeline.digest()
    (fork,) = timeline.forks
    assert (fork.at, fork.frontier, fork.inputs) == (Moment(200), Moment(500), ())
    timeline.take_up(fork)
    assert timeline.position == timeline.frontier == Moment(200)
    timeline.run(300)
    assert timeline.digest() == plain
    assert len(timeline._log) == events
    (fork,) = timeline.forks
    assert (fork.at, fork.frontier, fork.inputs) == (Moment(200), Moment(300), ((200, Pushed(9)),))
    timeline.take_up(fork)
    timeline.run(100)
    assert timeline.digest() == other
    with pytest.raises(ValueError, match="no such future"):
        timeline.take_up(fork)


def test_each_future_branches_off_where_it_parts_from_the_present_one() -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    timeline.run(500)
    timeline.seek(Moment(200))
    cycles = timeline._clock.cycles
    timeline.inject(Pushed(1))
    timeline.run(200)
    timeline.seek(Moment(300))
    later = timeline._clock.cycles
    timeline.inject(Pushed(2))
    assert [(fork.at.n, fork.cycles) for fork in timeline.forks] == [(200, cycles), (300, later)]
    timeline.take_up(timeline.forks[0])
    assert [(fork.at.n, fork.cycles) for fork in timeline.forks] == [(200, cycles), (200, cycles)]
    timeline.take_up(timeline.forks[0])
    assert timeline.inputs == ((200, Pushed(1)),)
    assert [(fork.at.n, fork.cycles) for fork in timeline.forks] == [(300, later), (200, cycles)]


def test_what_is_still_to_come_of_a_future_is_left_behind_when_it_is_changed_on_the_way() -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    timeline.run(100)
    timeline.inject(Pushed(1))
    timeline.run(100)
    timeline.inject(Pushed(2))
    timeline.seek(Moment(50))
    timeline.inject(Pushed(3))
    timeline.take_up(timeline.forks[0])
    timeline.run(20)
    timeline.inject(Pushed(4))
    assert timeline.inputs == ((70, Pushed(4)),)
    assert timeline.forks[-1].inputs == ((100, Pushed(1)), (200, Pushed(2)))
    assert timeline.forks[-1].frontier == Moment(200)


def test_what_is_done_again_as_it_was_is_no_other_future() -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    timeline.inject(Pushed(9))
    timeline.run(50)
    timeline.withdraw(0, Pushed(9))
    assert len(timeline.forks) == 1
    timeline.inject(Pushed(9))
    assert not timeline.forks


def test_only_the_latest_futures_are_kept_in_mind() -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    for by in range(MOST_FORKS + 5):
        timeline.seek(START)
        timeline.inject(Pushed(by))
        timeline.run(3)
    assert len(timeline.forks) == MOST_FORKS
    assert timeline.forks[-1].inputs[-1] == (0, Pushed(MOST_FORKS + 3))


def test_an_input_at_the_beginning_holds_wherever_time_goes_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = Timeline(Mixer(5), spacing=50)
    timeline.inject(Pushed(9))
    pushed = timeline.digest()
    timeline.run(500)
    timeline.seek(START)
    assert timeline.digest() == pushed
    timeline._restore(ORIGIN)
    assert timeline.digest() == pushed
    with pytest.raises(ValueError, match="nothing like that"):
        timeline.withdraw(0, Pushed(8))


def test_a_long_run_keeps_few_checkpoints_dense_near_and_wide_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MOST_CHECKPOINTS", 100)
    timeline = Timeline(Mixer(5, length=10**9), spacing=10)
    kept = timeline._checkpoints
    for _ in range(15):
        timeline.run(1_000)
        assert len(kept) <= 100
    numbers = kept._numbers
    assert numbers[0] == ORIGIN
    for before, after in pairwise(numbers):
        assert after - before <= 20 + (15_000 - before) // 4
    for n in (14_999, 6_345, 1, 15_000, 0):
        assert timeline.seek(Moment(n)) == Moment(n)


def test_checkpoints_stay_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 200 * 4096)
    monkeypatch.setattr(checkpoints, "LEAST_CHECKPOINTS", 4)
    timeline = Timeline(Mixer(5, length=10**9), spacing=100)
    for _ in range(20):
        timeline.run(2_000)
        assert timeline.checkpoint_bytes <= 200 * 4096
    digest = timeline.digest()
    timeline.seek(Moment(7))
    timeline.seek(Moment(40_000))
    assert timeline.digest() == digest


def test_passing_a_checkpoint_again_stores_nothing() -> None:
    timeline = Timeline(Mixer(5), spacing=100)
    timeline.run(3_000)
    stored = timeline.checkpoint_bytes
    for _ in range(3):
        timeline.seek(START)
        timeline.run(3_000)
    assert timeline.checkpoint_bytes <= stored + 8 * 4096


def test_the_log_keeps_the_latest_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOG_CAPACITY", 1_000)
    mixer = Mixer(5)
    timeline = Timeline(mixer)
    timeline.run(5_000)
    log = mixer.recorder.log
    assert len(log) <= 1_000
    assert log.end > 5_000
    kept = list(log.of(events.Event))
    assert all(event.at >= log.whole_from for event in kept if event.at.n > kept[0].at.n)
    timeline.seek(START)
    timeline.run(5_000)
    assert log.slice(log.first, log.end) == kept


def test_what_the_log_forgot_is_there_again_where_one_goes_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Mixer(5)
    Timeline(whole).run(5_000)
    every = list(whole.recorder.log.of(events.Event))
    monkeypatch.setattr(events, "LOG_CAPACITY", 400)
    mixer = Mixer(5)
    timeline = Timeline(mixer, spacing=100)
    timeline.run(5_000)
    log = mixer.recorder.log
    for n in (40, 2_000, 2_300, 1_999, 4_990, 700):
        timeline.seek(Moment(n))
        unit = log.number(Moment(n - 1)), log.number(Moment(n))
        assert [number for number, _ in log.numbered(*unit)] == list(range(*unit))
        assert log.slice(*unit) == [event for event in every if Moment(n - 1) <= event.at < Moment(n)]
        assert log.last_before(Moment(n), events.Event) == [event for event in every if event.at < Moment(n)][-1]
    timeline.inject(Reseed(1))
    assert log.end == log.cursor
    assert list(log.of(events.Event))[-1] == [event for event in every if event.at < Moment(700)][-1]


def test_pages_of_a_guest_that_writes_them_all_are_packed_and_come_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Timeline(Mixer(5, length=10**9), spacing=100)
    plain.run(20_000)
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 120 * 4096)
    timeline = Timeline(Mixer(5, length=10**9), spacing=100)
    timeline.run(20_000)
    assert timeline.checkpoint_bytes <= 120 * 4096
    assert len(timeline._checkpoints) > 30
    for n in (7, 15_001, 3_210, 20_000):
        timeline.seek(Moment(n))
        plain.seek(Moment(n))
        assert timeline.digest() == plain.digest()


def test_going_back_step_by_step_executes_ever_less_again() -> None:
    mixer = Mixer(5, length=10**9)
    timeline = Timeline(mixer, spacing=10**6)
    timeline.run(4_000)
    executed: list[int] = []
    for _ in range(200):
        before = mixer.units
        timeline.back_instruction()
        executed.append(mixer.units - before)
    assert executed[0] > 3_000
    assert sum(executed[1:]) < 4_000


def test_a_large_memory_filled_with_one_value_takes_little_and_comes_back() -> None:
    memory = Memory(16 << 20)
    history = PageHistory(memory)
    history.commit(0)
    for value in (0x5A, 0, 0xFF):
        memory.write_bytes(0, bytes([value]) * memory.size)
        history.commit(value + 1)
    memory.write_bytes(5, b"other")
    history.commit(0x200)
    assert history.stored_bytes < memory.size // 8
    for value in (0xFF, 0x5A, 0):
        history.restore(value + 1)
        assert memory.read_bytes(0, memory.size) == bytes([value]) * memory.size
    history.restore(0x200)
    assert memory.read_bytes(3, 8) == b"\xff\xffother\xff"
