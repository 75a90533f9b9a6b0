from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.machine.devices.i8254 import I8254, NEVER, Counter, cycles_at, ticks_at


class NaiveCounter:
    """An 8254 counter as the data sheet draws it: something happens at every clock pulse, nothing is computed ahead."""

    def __init__(self, mode: int) -> None:
        self.mode, self.out = mode, mode != 0
        self.register: int | None = None
        self.load_next = False
        self.element: int | None = None

    def write(self, count: int) -> None:
        self.register = count or 0x10000
        if self.mode == 0:
            self.out, self.load_next = False, True
        elif self.element is None:
            self.load_next = True

    def pulse(self) -> None:
        if self.load_next:
            self.load_next = False
            self._reload()
        elif self.element is not None:
            (self._pulse_0 if self.mode == 0 else self._pulse_2 if self.mode == 2 else self._pulse_3)()

    def _reload(self) -> None:
        self.element = self.register
        self.period = self.register
        if self.mode == 3:
            self.element &= ~1
            self.pulses_left = (self.period + 1) // 2 if self.out else self.period // 2

    def _pulse_0(self) -> None:
        self.element = (self.element - 1) % 0x10000
        if self.element == 0:
            self.out = True

    def _pulse_2(self) -> None:
        self.element -= 1
        if self.element == 1:
            self.out = False
        elif self.element == 0:
            self.out = True
            self._reload()

    def _pulse_3(self) -> None:
        self.element -= 2
        self.pulses_left -= 1
        if self.pulses_left == 0:
            self.out = not self.out
            self._reload()


class Bench:
    """A timer with a clock that a test moves, and everything it said."""

    def __init__(self) -> None:
        self.cycles = 0
        self.levels: list[bool] = []
        self.refusals: list[str] = []
        self.timer = I8254(lambda: self.cycles, self.levels.append, self.refusals.append)

    def program(self, mode: int, count: int, counter: int = 0) -> None:
        self.timer.write_port(0x43, counter << 6 | 0x30 | mode << 1)
        self.timer.write_port(0x40 + counter, count & 0xFF)
        self.timer.write_port(0x40 + counter, count >> 8)

    def rises(self, until: int) -> list[int]:
        """Times of rising edges up to a time, found by going from one due time to the next."""
        found, level = [], self.timer.counters[0].out
        while self.timer.due <= until:
            self.cycles = self.timer.due
            self.timer.service()
            if self.timer.counters[0].out and not level:
                found.append(self.cycles)
            level = self.timer.counters[0].out
        return found


def test_time_converts_exactly_both_ways() -> None:
    for tick in (0, 1, 2, 238, 596_591, 10**9):
        assert ticks_at(cycles_at(tick)) == tick
        assert tick == 0 or ticks_at(cycles_at(tick) - 1) == tick - 1
    assert ticks_at(10_000_000) == 1_193_182


def test_rate_generator_raises_its_line_once_a_period_without_drift() -> None:
    bench = Bench()
    bench.program(mode=2, count=239)
    rises = bench.rises(until=10_000_000)
    assert len(rises) == 1_193_182 // 239
    for number, time in enumerate(rises, start=1):
        exact = Fraction(5_000_000, 596_591) * (1 + 239 * number)
        assert 0 <= time - exact < 1


def test_square_wave_of_an_odd_count_is_high_for_the_longer_half() -> None:
    bench = Bench()
    bench.program(mode=3, count=5)
    counter = bench.timer.counters[0]
    levels = []
    for tick in range(1, 12):
        bench.cycles = cycles_at(tick)
        bench.timer.service()
        levels.append(counter.out)
    assert levels == [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2 + [True]


def test_terminal_count_raises_its_line_once_count_plus_one_ticks_after_the_write() -> None:
    bench = Bench()
    bench.program(mode=0, count=100)
    assert bench.rises(until=10_000_000) == [cycles_at(101)]
    assert bench.timer.next_due() is None
    assert bench.timer.due == NEVER


def test_terminal_count_starts_over_when_a_count_is_written_again() -> None:
    bench = Bench()
    bench.program(mode=0, count=100)
    bench.cycles = cycles_at(60)
    bench.timer.write_port(0x40, 50)
    assert bench.timer.next_due() is None, "the first byte stops the counting"
    bench.timer.write_port(0x40, 0)
    assert bench.rises(until=10_000_000) == [cycles_at(111)]


def test_skipped_periods_leave_one_edge() -> None:
    bench = Bench()
    bench.program(mode=2, count=100)
    bench.cycles = cycles_at(1010)
    bench.levels.clear()
    bench.timer.service()
    assert bench.levels == [False, True, True]


@given(
    mode=st.sampled_from([0, 2, 3]),
    first=st.integers(2, 40),
    steps=st.lists(st.tuples(st.integers(1, 90), st.none() | st.integers(2, 40)), min_size=1, max_size=25),
)
def test_counter_equals_one_that_is_pulsed_tick_by_tick(
    mode: int, first: int, steps: list[tuple[int, int | None]]
) -> None:
    counter, naive = Counter(), NaiveCounter(mode)
    counter.set_mode(0x10 | mode << 1)  # low byte only: one write loads a count
    counter.write(first, 0)
    naive.write(first)
    tick = 0
    for length, rewrite in steps:
        due, rose, naive_rose = counter.next_change(), False, False
        for at in range(tick + 1, tick + length + 1):
            was = naive.out
            naive.pulse()
            if due is not None and at <= due:
                assert (naive.out != was) == (at == due), "next_change is exact"
            naive_rose = naive_rose or (naive.out and not was)
        tick += length
        rose = counter.advance(tick)
        assert (counter.out, rose) == (naive.out, naive_rose)
        assert counter._current(tick) == (naive.element or 0) % 0x10000
        if rewrite is not None:
            counter.write(rewrite, tick)
            naive.write(rewrite)


@given(
    mode=st.sampled_from([0, 2, 3]),
    count=st.integers(2, 300),
    pauses=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
)
def test_how_often_the_timer_is_serviced_changes_nothing(mode: int, count: int, pauses: list[int]) -> None:
    often, seldom = Bench(), Bench()
    for bench in (often, seldom):
        bench.program(mode, count)
    for pause in pauses:
        often.cycles += pause
        often.timer.service()
        assert often.timer.due > often.cycles
    seldom.cycles = often.cycles
    seldom.timer.service()
    for name in Counter.STATE:
        assert getattr(often.timer.counters[0], name) == getattr(seldom.timer.counters[0], name), name
    assert often.timer.due == seldom.timer.due


def test_latched_count_stays_while_the_counter_goes_on() -> None:
    bench = Bench()
    bench.program(mode=2, count=0x1234)
    bench.cycles = cycles_at(1 + 0x34)
    bench.timer.write_port(0x43, 0x00)
    bench.cycles += 5_000
    assert bench.timer.read_port(0x40) | bench.timer.read_port(0x40) << 8 == 0x1200
    assert bench.timer.read_port(0x40) | bench.timer.read_port(0x40) << 8 < 0x1200


def test_read_back_gives_status_first_and_then_the_count() -> None:
    bench = Bench()
    bench.program(mode=3, count=0x4000)
    bench.timer.write_port(0x43, 0xC2)
    assert bench.timer.read_port(0x40) == 0x80 | 0x40 | 0x30 | 3 << 1, "OUT high, count not loaded yet"
    bench.timer.read_port(0x40)
    bench.timer.read_port(0x40)
    bench.cycles = cycles_at(11)
    bench.timer.write_port(0x43, 0xC2)
    assert bench.timer.read_port(0x40) == 0x80 | 0x30 | 3 << 1
    assert bench.timer.read_port(0x40) | bench.timer.read_port(0x40) << 8 == 0x4000 - 20


def test_bcd_count_is_decimal() -> None:
    bench = Bench()
    bench.timer.write_port(0x43, 0x30 | 0 << 1 | 1)
    bench.timer.write_port(0x40, 0x00)
    bench.timer.write_port(0x40, 0x01)
    assert bench.timer.due == cycles_at(101)
    bench.cycles = cycles_at(2)
    assert bench.timer.read_port(0x40) == 0x99


def test_gate_of_counter_2_pauses_terminal_count_and_restarts_the_square_wave() -> None:
    bench = Bench()
    bench.program(mode=0, count=100, counter=2)
    bench.cycles = cycles_at(500)
    assert not bench.timer.out_2, "the gate is closed after power-up"
    bench.timer.set_gate_2(True)
    bench.cycles = cycles_at(540)
    bench.timer.set_gate_2(False)
    bench.cycles = cycles_at(2000)
    bench.timer.set_gate_2(True)
    bench.cycles = cycles_at(2059)
    assert not bench.timer.out_2
    bench.cycles = cycles_at(2060)
    assert bench.timer.out_2
    bench.program(mode=3, count=10, counter=2)
    bench.timer.set_gate_2(False)
    assert bench.timer.out_2, "OUT is high while the gate is closed"


@pytest.mark.parametrize("mode", [1, 4, 5])
def test_mode_that_is_not_modelled_says_so(mode: int) -> None:
    bench = Bench()
    bench.program(mode, count=10)
    assert len(bench.refusals) == 1
    assert f"mode {mode}" in bench.refusals[0]
    assert bench.timer.next_due() is None


def test_control_word_register_cannot_be_read() -> None:
    assert Bench().timer.read_port(0x43) == 0xFF


@given(
    st.sampled_from((0, 2, 3)),
    st.lists(st.tuples(st.integers(2, 60), st.integers(0, 80)), min_size=1, max_size=4),
)
def test_next_rise_is_where_a_counter_pulsed_tick_by_tick_rises(mode: int, steps: list[tuple[int, int]]) -> None:
    counter, tick = Counter(), 0
    counter.set_mode(0x30 | mode << 1)
    for count, pause in steps:
        counter.write(count & 0xFF, tick)
        counter.write(count >> 8, tick)
        for _ in range(pause):
            tick += 1
            counter.advance(tick)
    expected, was, rises = counter.next_rise(), counter.out, None
    for later in range(tick + 1, tick + 200):
        counter.advance(later)
        if counter.out and not was:
            rises = later
            break
        was = counter.out
    assert expected == rises


@given(
    st.integers(0, 2), st.sampled_from((0, 2, 3)), st.integers(0, 0xFFFF), st.integers(0, 2), st.integers(0, 5_000),
    st.booleans(),
)  # fmt: skip
def test_a_control_word_and_its_count_at_once_do_what_they_do_one_by_one(
    before: int, mode: int, count: int, number: int, cycles: int, half: bool
) -> None:
    one_by_one, at_once = Bench(), Bench()
    for bench in (one_by_one, at_once):
        bench.program(mode=before if before != 1 else 3, count=40)
        bench.cycles += cycles
    control, written = number << 6 | 0x30 | mode << 1, (count & 0xFF, count >> 8)[: 1 if half else 2]
    for port, value in ((0x43, control), *((0x40 + number, byte) for byte in written)):
        one_by_one.timer.write_port(port, value)
    at_once.timer.program(number, control, *written)
    assert vars(at_once.timer.counters[number]) == vars(one_by_one.timer.counters[number])
    assert (at_once.timer.due, at_once.levels[-1]) == (one_by_one.timer.due, one_by_one.levels[-1])
    assert at_once.rises(until=1_000_000) == one_by_one.rises(until=1_000_000)
