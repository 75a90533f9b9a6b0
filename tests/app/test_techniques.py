"""Every technique a shipped lesson offers can be chosen in it."""

from pathlib import Path

import pytest

from teachvm.app.lesson_session import LessonSession
from teachvm.lesson.catalogue import find, shipped
from teachvm.lesson.loader import load
from teachvm.vmm.techniques import Technique
from tests.app.lessons import ready, settled


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


UNANSWERABLE = """## One

```{ask}
id: q-none
prompt: Which one?
type: choice
options:
  - text: the first
    when: "alpha.vcpu.ecx == 0xdead"
  - text: the second
    when: "alpha.vcpu.ecx == 0xbeef"
points: 1
```
"""


@pytest.mark.parametrize("technique", [None, Technique.EMULATION])
def test_a_question_without_an_answer_is_the_lessons_mistake_only_as_the_lesson_was_written(
    tmp_path: Path, technique: Technique | None
) -> None:
    session = ready(tmp_path / "lesson", UNANSWERABLE)
    if technique is not None:
        session.set_technique(technique)
        settled(session)
    session.answer("q-none", "0")
    session.act()
    settled(session)
    assert session.notice is not None
    assert session.notice.text.startswith("This beat is written for" if technique else "This lesson has a mistake:")


def test_a_guest_for_another_processor_stays_emulated_whatever_is_chosen_for_its_neighbour() -> None:
    session = settled(LessonSession(load(find("emulation-or-virtualization"))))
    session.set_technique(Technique.HARDWARE_ASSIST)
    settled(session)
    techniques = {vm.name: vm.technique for vm in session.control.world.spec.host.vms}
    assert techniques == {"alpha": Technique.HARDWARE_ASSIST, "gamma": Technique.EMULATION}
