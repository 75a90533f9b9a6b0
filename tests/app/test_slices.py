"""A slice of a run is short whatever the guest does: little happens between two questions whether to go on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from teachvm.app.chronicle import _CHRONICLES
from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.cli.benchmarks.programs import FOLDER
from teachvm.machine.memory import CodePage
from teachvm.machine.tiers.engine import Tiers
from teachvm.machine.tiers.region import Region
from teachvm.vmm.techniques import Technique
from teachvm.world.world import World

Counts = list[tuple[int, ...]]
MOST_EVENTS = 1_500
"""Facts recorded between two questions: what a few milliseconds read."""

STORMS = [
    (guest, technique)
    for guest in ("syscalls.asm", "faults.asm", "flood.asm", "tight.asm")
    for technique in (Technique.BARE_METAL, Technique.TRAP_AND_EMULATE)
]


def asked(guest: str, technique: Technique, questions: int, note: Callable[[World], tuple[int, ...]]) -> Counts:
    """Run for so many questions; what is noted at each."""
    session = Laboratory(guest, FOLDER, Wishes(technique=technique))
    answers: Counts = []

    def keep_going() -> bool:
        answers.append(note(session.control.world))
        return len(answers) < questions

    session.start()
    session.work(keep_going)
    assert len(answers) == questions
    return answers


@pytest.mark.parametrize(("guest", "technique"), STORMS)
def test_few_events_happen_between_two_questions_and_each_was_told_by_then(guest: str, technique: Technique) -> None:
    told = asked(guest, technique, 120, lambda world: (world.recorder.log.end, _CHRONICLES[world]._read))
    assert all(recorded == read for recorded, read in told)
    assert max(after[0] - before[0] for before, after in pairwise(told)) <= MOST_EVENTS


@pytest.mark.parametrize("technique", [Technique.BARE_METAL, Technique.TRAP_AND_EMULATE])
def test_one_region_at_most_is_compiled_between_two_questions(
    technique: Technique, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = [0]

    def compile_region(tiers: Tiers, eip: int, frame: int, page: CodePage) -> Region | None:
        compiled[0] += 1
        return once(tiers, eip, frame, page)

    once = Tiers._compile
    monkeypatch.setattr(Tiers, "_compile", compile_region)
    counts = asked("bubble.asm", technique, 300, lambda _: (compiled[0],))
    assert compiled[0] > 5
    assert max(after[0] - before[0] for before, after in pairwise(counts)) == 1
