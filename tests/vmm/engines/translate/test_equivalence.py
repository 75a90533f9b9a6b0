"""What a guest sees under binary translation is what it sees on bare metal, its kernel's silent instructions included.

Interrupts too: each is delivered after as many guest instructions as on bare metal. Only a program, which runs
directly, can be shown the real machine; where one asks, the comparison ends.
"""

from __future__ import annotations

from random import Random

import pytest

from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.techniques import Technique
from tests.vmm.programs import ProgramWriter, RandomGuest, SegmentWriter, SensitiveWriter, Writer
from tests.vmm.reference import Comparison, Reference, assert_same, reveals_a_program
from tests.vmm.room import MIB, Room
from tests.vmm.test_equivalence import Pair

SAMPLES = {
    Writer: range(100, 116),
    SensitiveWriter: range(100, 116),
    SegmentWriter: range(184, 200),
    ProgramWriter: range(16),
}
"""None of these guests faults for ever."""
SOAK = 2_500
STEPS = 200


class Dropping(Comparison):
    """Throws derived state away at random moments."""

    def __init__(self, room: Room, reference: Reference, seed: int) -> None:
        super().__init__(room, reference)
        self.random = Random(seed)

    def step(self) -> None:
        if self.random.random() < 0.1:
            self.vm.engine.drop_derived()
        super().step()


def compare_random(seed: int, *, drops: bool = False, writer: type[Writer] = Writer) -> str:
    guest = RandomGuest(seed, writer)
    room = Room("hlt", budget=LEAST_BUDGET, technique=Technique.BINARY_TRANSLATION)
    reference = Reference(MIB, reveals=reveals_a_program)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    comparison = Dropping(room, reference, seed) if drops else Comparison(room, reference)
    return comparison.run(STEPS)


@pytest.mark.parametrize("writer", SAMPLES)
def test_random_kernels_cannot_tell_translation_from_bare_metal(writer: type[Writer]) -> None:
    outcomes = [compare_random(seed, writer=writer) for seed in SAMPLES[writer]]
    assert outcomes.count("limit") + outcomes.count("ended") > len(outcomes) * 3 // 4


@pytest.mark.parametrize("writer", SAMPLES)
def test_random_kernels_do_not_see_the_cache_go(writer: type[Writer]) -> None:
    for seed in SAMPLES[writer][::2]:
        compare_random(seed, drops=True, writer=writer)


@pytest.mark.parametrize("seed", [1239, 1835])
def test_a_guest_that_faults_for_ever_inside_a_replaced_sequence_is_ended(seed: int) -> None:
    assert compare_random(seed, drops=bool(seed >> 3 & 1), writer=SensitiveWriter) == "ended"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("writer", SAMPLES)
def test_many_random_kernels_cannot_tell_translation_from_bare_metal(writer: type[Writer], part: int) -> None:
    for seed in range(part, SOAK, 8):
        compare_random(seed, drops=bool(seed >> 3 & 1), writer=writer)


@pytest.mark.parametrize(
    "programs", [(("ticker", 0x241), ("ticker", 0x242)), (("hello", 0), ("pages", 0), ("pages", 3), ("sieve", 200))]
)
def test_tinyos_prints_and_leaves_behind_the_same_as_on_bare_metal(programs: tuple[tuple[str, int], ...]) -> None:
    pair = Pair(programs, technique=Technique.BINARY_TRANSLATION)
    for host in (pair.bare, pair.host):
        while host.stopped is None:
            pair.unit(host)
    console = pair.vm.board.console.text.decode()
    assert console == pair.bare.machine.board.console.text.decode()
    assert console.splitlines()[-1] == "ticks: 3"
    assert pair.vm.time == pair.bare.clock.cycles
    assert pair.same_memory()


def test_tinyos_sees_the_same_after_every_instruction() -> None:
    pair = Pair((("hello", 0), ("pages", 0)), technique=Technique.BINARY_TRANSLATION)
    steps = 0
    while pair.step():
        steps += 1
        bare, _ = pair.states()
        assert_same(pair.vm, bare)
    assert steps > 5_000
