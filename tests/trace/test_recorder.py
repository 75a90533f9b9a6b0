"""The door facts enter the log by."""

from dataclasses import dataclass

from teachvm.trace.events import Event, EventLog
from teachvm.trace.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Rang(Event):
    """A bell rang."""

    times: int


def test_a_recorder_writes_into_the_log_it_was_given_even_if_that_is_empty() -> None:
    log = EventLog()
    Recorder(None, log).emit(Rang, times=3)
    assert [event.times for event in log.of(Rang)] == [3]
