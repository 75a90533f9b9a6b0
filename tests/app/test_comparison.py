"""The app names the first difference from bare metal, in a session that goes on."""

from __future__ import annotations

from teachvm.app.laboratory import Laboratory
from teachvm.app.lesson_session import LessonSession
from teachvm.lesson.catalogue import find
from teachvm.lesson.loader import load
from teachvm.vmm.techniques import Technique


def finish(session: LessonSession) -> None:
    """Let everything that goes on come to its end."""
    while session.work(lambda: True):
        pass


def test_the_app_names_the_popfd_that_does_not_trap_and_says_why() -> None:
    session = LessonSession(load(find("trap-and-emulate")))
    finish(session)
    here = session.position
    session.compare()
    assert session.running
    finish(session)
    assert session.notice is not None
    assert "popfd at" in session.notice.text
    assert "sched_unlock+" in session.notice.text
    assert "IF is 1 on bare metal, 0 here" in session.notice.text
    assert "no trap, no effect" in session.notice.text
    assert session.position == here


def test_the_app_holds_a_guest_against_another_technique() -> None:
    session = LessonSession(load(find("trap-and-emulate")))
    session.compare(Technique.HARDWARE_ASSIST)
    finish(session)
    assert session.notice is not None
    assert session.notice.text.startswith("First difference from hardware assist: popfd")
    assert "IF is 1 under hardware assist, 0 here" in session.notice.text
    session.compare(session.technique)
    assert session.notice.text == "This guest runs under trap and emulate already; choose another technique to compare."


def test_a_guest_for_another_processor_is_held_against_nothing() -> None:
    session = Laboratory("rv32")
    session.compare()
    assert session.notice is not None
    assert "another processor" in session.notice.text


def test_several_guests_have_no_counterpart_on_bare_metal() -> None:
    session = LessonSession(load(find("vcpu-and-vmm")))
    session.compare()
    assert session.notice is not None
    assert "one operating system" in session.notice.text
    assert session.why_not_comparable()


def test_esc_ends_a_comparison() -> None:
    session = LessonSession(load(find("trap-and-emulate")))
    finish(session)
    session.compare()
    session.stop()
    assert not session.running
