"""Privileged situations and breakpoints end as in the CPU core of Bochs: error codes, stacks, selectors, DR6, handlers.

ring0.py makes the cases and says how data/ring0_bochs.txt was recorded.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine.ring0 import CASES, make, ours

RECORDING = Path(__file__).parent / "data" / "ring0_bochs.txt"
AT_ONE_BOUNDARY = (
    "a data breakpoint's trap behind one and a breakpoint on the next: Bochs reports both in one #DB, where "
    "by the manual's priorities the trap comes first"
)
EXPLAINED = {
    472: "a far pointer in a page of the kernel: Bochs reads the selector first, we the offset, and CR2 names it",
    981: "a far call past the limit of its segment: Bochs leaves CS and EIP below ESP, where the manual's order of "
    "operations stores nothing",
    **dict.fromkeys((1240, 1285, 1374, 1460, 1476, 1477, 1493), AT_ONE_BOUNDARY),
}
STEP = 5


def recorded() -> dict[int, str]:
    lines = RECORDING.read_text(encoding="ascii").splitlines()
    numbered = (line.partition(" ") for line in lines if not line.startswith("#"))
    return {int(number): state for number, _, state in numbered}


def differences(step: int) -> dict[int, str]:
    """Cases that end otherwise, of every `step`-th one."""
    found = {number: (state, ours(make(number))) for number, state in recorded().items() if not number % step}
    return {number: f"{mine}, recorded {theirs}" for number, (theirs, mine) in found.items() if mine != theirs}


def test_a_sample_of_privileged_situations_ends_as_in_bochs() -> None:
    assert len(recorded()) == CASES
    assert set(differences(STEP)) == {number for number in EXPLAINED if not number % STEP}


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_every_privileged_situation_ends_as_in_bochs_but_for_explained_ones() -> None:
    assert set(differences(1)) == set(EXPLAINED)
