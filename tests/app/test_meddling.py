"""Somebody who changes registers at random, takes changes back and takes futures up again, under every technique."""

from __future__ import annotations

import random

import pytest

from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.app.wording import Editable, EditKind
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build

SELECTORS = ("0", "4", "8", "10", "18", "1b", "20", "23", "28", "2b", "33")
VALUES: tuple[tuple[EditKind, tuple[str, ...], tuple[str, ...]], ...] = (
    ("register", ("CS", "SS", "DS", "ES", "FS", "GS", "LDTR", "TR"), SELECTORS),
    ("register", ("DR0", "DR1", "DR2", "DR3"), ("EIP", "ESP", "11000", "EIP+2")),
    ("register", ("DR6", "DR7"), ("ff", "f0001", "f00aa", "0")),
    ("register", ("CR0", "CR2", "CR3", "CR4"), ("CR0", "CR3", "80010011", "11", "0", "4")),
    ("register", ("EIP", "ESP", "EFLAGS", "EAX"), ("EIP", "ESP+4", "202", "0")),
    ("flag", ("IF", "TF", "ZF", "IOPL"), ("0", "1", "3")),
)
SOAK = pytest.mark.soak
WAYS = [
    pytest.param(technique, seed, marks=() if seed == 0 else SOAK, id=f"{technique.value}-{seed}")
    for technique in Technique
    for seed in range(12)
]


def meddle(lab: Laboratory, chance: random.Random) -> None:
    """Go on for a while, perhaps go back, change something; perhaps take it back, or take up another future."""
    lab.control.leave()
    lab.control.timeline.run(chance.randrange(1, 8_000))
    if chance.random() < 0.3:
        lab.control.timeline.step()
    if chance.random() < 0.4:
        lab.seek(Moment(chance.randrange(lab.position.n + 1)))
    kind, names, texts = chance.choice(VALUES)
    done = lab.edit(Editable(kind, chance.choice(names), lab.scene.vm), chance.choice(texts))
    assert done or (lab.notice is not None and lab.notice.failure)
    assert lab.notice is None or "\n" not in lab.notice.text
    if chance.random() < 0.2:
        lab.undo_edit()
    if chance.random() < 0.2:
        lab.redo_edit()
    forks = len(lab.control.timeline.forks)
    if forks and chance.random() < 0.4:
        lab.take_up(chance.randrange(forks))
        for _ in range(chance.randrange(40)):
            lab.work(lambda: False)
        lab.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("technique", "seed"), WAYS)
def test_whatever_is_changed_is_refused_in_one_line_or_comes_again_to_the_bit(technique: Technique, seed: int) -> None:
    chance = random.Random(f"{technique.value} {seed}")
    lab = Laboratory("tinyos", None, Wishes(technique))
    for _ in range(6):
        meddle(lab, chance)
    lab.control.timeline.run(5_000)
    end, digest = lab.position, lab.control.timeline.digest()
    lab.seek(START)
    lab.seek(end)
    assert lab.control.timeline.digest() == digest
    world = build(lab.control.world.spec, None)
    again = Timeline(world, spacing=10**9)
    for number, given in lab.control.timeline.inputs:
        if number <= end.n:
            again.seek(Moment(number))
            again.inject(given)
    again.seek(end)
    assert again.digest() == digest
