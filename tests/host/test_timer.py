"""The host's one-shot timer on the physical 8254: never early, and at the first clock pulse that is possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teachvm.host.timer import MAX_COUNT, TIMER_VECTOR, HostTimer
from teachvm.machine.computer import Machine
from teachvm.machine.devices.i8254 import cycles_at, ticks_at
from teachvm.trace.recorder import Recorder


def timer_at(cycles: int) -> tuple[HostTimer, Machine]:
    recorder = Recorder()
    machine = Machine("host", 4096, recorder)
    recorder.clock.cycles = cycles
    return HostTimer(machine.board, recorder.clock), machine


@given(st.integers(0, 10_000_000), st.integers(1, 400_000))
def test_the_interrupt_comes_at_the_first_pulse_at_or_after_the_time(now: int, distance: int) -> None:
    timer, machine = timer_at(now)
    due = timer.arm(now + distance)
    assert due >= now + distance
    # One pulse loads the count, the next can be the earliest.
    earliest = cycles_at(ticks_at(now) + 2)
    assert due == max(earliest, cycles_at(ticks_at(now + distance - 1) + 1))
    timer.clock.cycles = due - 1
    machine.board.service()
    assert not machine.board.pic.pending
    timer.clock.cycles = due
    machine.board.service()
    assert machine.board.pic.pending
    assert machine.board.pic.acknowledge() == TIMER_VECTOR
    timer.end_of_interrupt()
    assert timer.armed is None
    assert machine.board.pic.master.isr == 0


def test_a_time_out_of_reach_gives_an_earlier_interrupt() -> None:
    timer, _ = timer_at(0)
    assert timer.arm(100_000_000) == cycles_at(MAX_COUNT + 1)


def test_arming_again_withdraws_a_pending_request() -> None:
    timer, machine = timer_at(0)
    timer.clock.cycles = timer.arm(50) + 10
    machine.board.service()
    assert machine.board.pic.pending
    timer.arm(5_000)
    assert not machine.board.pic.pending


def test_a_disarmed_timer_never_interrupts() -> None:
    timer, machine = timer_at(0)
    timer.arm(50)
    timer.disarm()
    timer.clock.cycles = 1_000_000
    machine.board.service()
    assert machine.board.next_due() is None
    assert not machine.board.pic.pending
