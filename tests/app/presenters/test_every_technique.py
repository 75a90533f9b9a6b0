"""Every card under every technique, in lessons written for one of them: none fails, none says what is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from teachvm.app.control import Control
from teachvm.app.lesson_session import LessonSession
from teachvm.app.presentation import PairsView
from teachvm.app.presenters import PRESENTERS
from teachvm.app.scene import scene_of
from teachvm.app.twin import twin
from teachvm.lesson.catalogue import find
from teachvm.lesson.loader import load
from teachvm.trace.events import Event
from teachvm.trace.grain import Grain
from teachvm.vmm.events import VmmEntered
from teachvm.vmm.techniques import Technique
from tests.app.lessons import settled
from tests.app.presenters.worlds import card, pairs, stats, tinyos

LESSONS = ("02", "03", "06")
OTHERS = tuple(each for each in Technique if each is not Technique.PARAVIRTUAL)
"""Techniques for a guest that was built for a machine."""
UNDER_A_VMM = tuple(each for each in Technique if each is not Technique.BARE_METAL)

ONLY: dict[str, frozenset[Technique]] = {
    r"really ring 1": frozenset((Technique.TRAP_AND_EMULATE,)),
    r"non-root": frozenset((Technique.HARDWARE_ASSIST,)),
    r"exits to|\d exits?\b|· exit|\[exits|exits so far|an exit\b|VM entry": frozenset((Technique.HARDWARE_ASSIST,)),
    r"\bcallouts?\b|translated code|translation cache": frozenset((Technique.BINARY_TRANSLATION,)),
    r"hypercalls?": frozenset((Technique.PARAVIRTUAL,)),
    r"interpreter|emulated CPU": frozenset((Technique.EMULATION,)),
    r"never traps": frozenset(
        (Technique.BARE_METAL, Technique.TRAP_AND_EMULATE, Technique.PARAVIRTUAL, Technique.BINARY_TRANSLATION)
    ),
    r"\btraps? so far\b": frozenset((Technique.BARE_METAL, Technique.TRAP_AND_EMULATE)),
    r"shadow (tables|entry|entries)": frozenset(UNDER_A_VMM) - {Technique.EMULATION},
}
"""Words, and the techniques under which they are true of a guest; the gallery speaks of all techniques."""
OF_ALL = frozenset(("gallery", "techniques"))


def check(control: Control, technique: Technique) -> None:
    """Every card speaks, in words of this technique; what it says of the hardware is what the hardware holds."""
    for name in PRESENTERS:
        view = card(control, name)
        said = twin(view) + view.announce
        assert said.strip(), name
        if name not in OF_ALL:
            for words, techniques in ONLY.items():
                if technique not in techniques:
                    lie = re.search(words, said, re.IGNORECASE)
                    assert lie is None, (name, technique, said[lie.start() - 60 : lie.end() + 60])
    scene, cpu = scene_of(control.snapshot()), control.world.host.machine.cpu
    if scene.runner == "kernel":
        assert cpu.cpl == technique.words.kernel_ring
    if scene.runner == "program":
        assert cpu.cpl == 3
    if technique is Technique.EMULATION:
        assert scene.runner in ("vmm", "hardware")
    if technique.direct and scene.virtualized and scene.runner in ("kernel", "program"):
        held = {name: pair.cells[-1].value for name, pair in pairs(control, "vcpu-and-cpu").items() if name != "now"}
        assert (held["CPL"], held["CR0"], held["CR3"], held["GDTR"]) == (cpu.cpl, cpu.cr0, cpu.cr3, cpu.gdtr.base)


def beats(session: LessonSession) -> Iterator[int]:
    """Stand at the beginning of beats of a lesson, in order: one in the middle, the last."""
    last = len(session.lesson.beats) - 1
    for beat in sorted({last // 2, last}):
        session.go_to_beat(beat)
        settled(session)
        yield beat


@pytest.mark.parametrize("technique", OTHERS)
@pytest.mark.parametrize("lesson", LESSONS)
def test_no_card_fails_or_says_what_is_not_so_in_a_lesson_for_another_technique(
    lesson: str, technique: Technique
) -> None:
    session = settled(LessonSession(load(find(lesson))))
    session.set_technique(technique)
    settled(session)
    view = next(view for view in session.techniques() if view.id == technique.value)
    if not view.available:
        assert session.notice is not None
        assert session.notice.text == view.why
        return
    assert session.technique is technique
    for _ in beats(session):
        assert session.notice is None or "mistake" not in session.notice.text
        check(session.control, technique)
        for _ in range(3):
            session.control.step(Grain.VISIBLE)
            check(session.control, technique)


@pytest.mark.parametrize("technique", list(Technique))
def test_every_card_speaks_through_every_kind_of_phase_of_every_technique(technique: Technique) -> None:
    control = tinyos(technique)
    control.leave()
    control.timeline.run(8_000)
    control.leave()
    seen: set[tuple[type, object]] = set()
    for event in list(control.world.recorder.log.of(Event)):
        kind = type(event), event.reason if isinstance(event, VmmEntered) else None
        if event.PHASE and kind not in seen:
            seen.add(kind)
            control.seek(event.at)
            check(control, technique)
    assert len(seen) >= (1 if technique is Technique.EMULATION else 4)


@pytest.mark.parametrize("technique", UNDER_A_VMM)
def test_what_takes_the_processor_is_called_by_its_name_and_counted(technique: Technique) -> None:
    control = tinyos(technique)
    control.leave()
    control.timeline.run(6_000)
    control.leave()
    entries = len(list(control.world.recorder.log.of(VmmEntered)))
    named = {name: value for name, value in stats(control).items() if name.endswith("so far")}
    if technique is Technique.EMULATION:
        assert (named, entries) == ({}, 0)
        assert stats(control)["Run directly"] == "0\u202f%"
    else:
        assert named == {f"{technique.words.entries} so far": f"{entries}"}


def test_an_emulated_processor_stands_beside_no_other() -> None:
    control = tinyos(Technique.EMULATION)
    view = next(block for block in card(control, "vcpu-and-cpu").body if isinstance(block, PairsView))
    assert view.sections[1].headings == ("the emulated CPU",)
    assert all(len(pair.cells) == 1 for pair in view.sections[1].rows)
