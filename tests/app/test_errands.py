"""Running until something is so, in both directions, and asking where a value comes from, as a session does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachvm.app.control import Direction
from teachvm.app.lesson_session import LessonSession
from teachvm.app.wording import Editable
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.events import VmmEntered
from tests.app.lessons import ready


@pytest.fixture
def session(tmp_path: Path) -> LessonSession:
    return ready(tmp_path / "small", "## One\n\nA beat.\n")


def finish(session: LessonSession) -> str:
    while session.work(lambda: False):
        assert session.notice is not None
        assert not session.notice.failure
    assert session.notice is not None
    return session.notice.text


def test_running_until_and_back_until_meet_the_same_places(session: LessonSession) -> None:
    places = []
    for _ in range(4):
        session.run_until("trap('cli')")
        text = finish(session)
        if "reached" not in text or "not reached" in text:
            break
        places.append(session.position)
    assert len(places) >= 3
    for place in reversed(places):
        session.run_until("trap('cli')", Direction.BACKWARD)
        assert "so last" in finish(session)
        assert session.position == place
    here = session.position
    session.run_until("trap('cli')", Direction.BACKWARD)
    assert "was not so before" in finish(session)
    assert session.position == here
    session.seek(places[2])
    session.run_until("trap('cli', nth=2)", Direction.BACKWARD)
    finish(session)
    assert session.position == places[0]


def test_a_label_a_condition_and_a_distance_are_found_backwards(session: LessonSession) -> None:
    session.run_until("at('print')")
    finish(session)
    end = session.position
    session.run_until("at('second')", Direction.BACKWARD)
    finish(session)
    symbols = next(iter(session.control.world.guests.values())).symbols
    assert session.control._next_instruction() == symbols.address_of("second")
    session.seek(end)
    session.run_until("vcpu.eax == 1", Direction.BACKWARD)
    finish(session)
    log = session.control.world.recorder.log
    assert any(isinstance(event, VmmEntered) for event in log.of(VmmEntered, Moment(0), session.position))
    session.seek(end)
    session.run_until("after(instructions=5)", Direction.BACKWARD)
    finish(session)
    assert session.position == Moment(end.n - 5)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("vcpu.eax = 1", "write '=='"),
        ("at('nowhere')", "nowhere"),
        ("1 +", "well-formed"),
        ("3", "neither"),
    ],
)
def test_what_is_not_in_the_language_is_one_clear_line(
    session: LessonSession, direction: Direction, text: str, said: str
) -> None:
    here = session.position
    session.run_until(text, direction)
    assert not session.running
    assert session.notice is not None
    assert session.notice.failure
    assert said in session.notice.text
    assert "\n" not in session.notice.text
    assert session.position == here


def test_the_origin_of_registers_flags_and_memory_is_found(session: LessonSession) -> None:
    session.run_until("at('print')")
    finish(session)
    end = session.position
    guest = session.control.world.guests["alpha"]
    session.find_origin(Editable("register", "EAX", "alpha"))
    text = finish(session)
    assert "EAX became 3, before 2" in text
    assert "mov eax, 3" in text
    session.seek(end)
    session.find_origin(Editable("flag", "ZF", "alpha"))
    assert "dec ecx" in finish(session)
    session.seek(end)
    session.find_origin(Editable("memory", "code", "alpha", guest.symbols.address_of("first")))
    assert "never written since the start" in finish(session)
    assert session.position == end
    session.find_origin(Editable("memory", "beyond", "alpha", 0xF000_0000, "guest-physical"))
    assert session.notice is not None
    assert session.notice.failure


def test_esc_gives_a_search_up_where_it_was_asked(session: LessonSession) -> None:
    session.run_until("at('print')")
    finish(session)
    end = session.position
    session.find_origin(Editable("register", "ESP", "alpha"))
    assert session.work(lambda: False)
    session.stop()
    assert not session.running
    assert session.position == end


def test_a_future_taken_up_is_executed_again_and_esc_leaves_it_where_it_came_to(session: LessonSession) -> None:
    session.run_until("at('print')")
    finish(session)
    end, digest = session.position, session.control.timeline.digest()
    session.seek(Moment(3))
    session.edit(Editable("register", "ESI", "alpha"), "77")
    left = session.position
    assert left == Moment(3)
    session.take_up(0)
    assert "in the future again that parts at instruction 3" in finish(session)
    assert (session.position, session.control.timeline.digest()) == (end, digest)
    session.take_up(0)
    finish(session)
    assert session.position == left
    session.take_up(0)
    assert session.work(lambda: False)
    assert session.notice is not None
    assert "Esc stops" in session.notice.text
    session.stop()
    assert left <= session.position < end
    session.start()
    finish_run(session)
    session.seek(end)
    assert session.control.timeline.digest() == digest


def test_an_edit_inside_an_instruction_says_that_it_is_made_where_that_begins(session: LessonSession) -> None:
    session.step(Grain.TRAP)
    while not session.position.phase:
        session.step(Grain.TRAP)
    at = session.position
    assert session.edit(Editable("register", "ESI", "alpha"), "77")
    assert session.position == Moment(at.n)
    assert session.notice is not None
    assert "where that one begins" in session.notice.text


def finish_run(session: LessonSession) -> None:
    while session.work(lambda: True):
        pass
