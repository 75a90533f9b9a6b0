"""Every technique a shipped lesson offers can be chosen in it."""

import pytest

from teachvm.app.lesson_session import LessonSession
from teachvm.lesson.catalogue import find, shipped
from teachvm.lesson.loader import load
from teachvm.vmm.techniques import Technique
from tests.app.lessons import settled


@pytest.mark.parametrize("lesson", [entry.id for entry in shipped()])
def test_every_technique_that_is_offered_can_be_chosen_and_the_way_back_too(lesson: str) -> None:
    session = settled(LessonSession(load(find(lesson))))
    written = Technique(session.header().technique)
    offered = [Technique(view.id) for view in session.header().techniques if view.available]
    assert written in offered
    # Only a guest that was changed for it knows hypercalls: that refusal is the guest's, not the host's.
    offered = [technique for technique in offered if technique is not Technique.PARAVIRTUAL]
    for technique in (*offered, written):
        session.set_technique(technique)
        assert session.notice is None or not session.notice.failure, session.notice
        settled(session)
        assert session.header().technique == technique.value
