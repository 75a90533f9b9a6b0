"""What a guest sees under trap and emulate is what it sees on bare metal, instruction by instruction.

Except for the instructions that run silently one ring down: where one of those comes, the comparison ends.
"""

from __future__ import annotations

from random import Random

import pytest

from teachvm.guest import library, loader
from teachvm.host.bare import BareGuest
from teachvm.host.host import Host
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder
from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState, state_of
from teachvm.vmm.vm import Vm
from tests.vmm.programs import RandomGuest
from tests.vmm.reference import Comparison, Reference
from tests.vmm.room import MIB, Room

SAMPLE = 40
SOAK = 3_000
STEPS = 200


def compare_random(seed: int) -> str:
    guest = RandomGuest(seed)
    room, reference = Room("hlt", budget=LEAST_BUDGET), Reference(MIB)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    return Comparison(room, reference).run(STEPS)


@pytest.mark.parametrize("part", range(4))
def test_random_kernels_cannot_tell_the_vmm_from_bare_metal(part: int) -> None:
    outcomes = [compare_random(seed) for seed in range(part, SAMPLE, 4)]
    assert outcomes.count("limit") + outcomes.count("ended") > len(outcomes) // 2


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_random_kernels_cannot_tell_the_vmm_from_bare_metal() -> None:
    for seed in range(SAMPLE, SOAK):
        compare_random(seed)


class Pair:
    """tinyos on bare metal and in a VM, moved together by guest time."""

    def __init__(
        self,
        programs: tuple[tuple[str, int], ...],
        budget: int = LEAST_BUDGET,
        technique: Technique = Technique.TRAP_AND_EMULATE,
    ) -> None:
        image = library.build("tinyos", programs)
        self.image = image
        self.bare_recorder, self.recorder = Recorder(), Recorder()
        self.bare = Host(Machine("bare", 2 * MIB, self.bare_recorder), self.bare_recorder, name="bare")
        self.host = Host(Machine("host", 4 * MIB, self.recorder), self.recorder)
        cpu = self.bare.machine.cpu
        loader.load(image, 2 * MIB, self.bare.machine.memory.write_bytes)
        loader.start(cpu, image)
        cpu.restored()
        BareGuest(self.bare)
        self.vm = Vm(self.host, "alpha", 2 * MIB, technique=technique, shadow_budget=budget)
        loader.load(image, 2 * MIB, self.vm.memory.write_bytes)
        loader.start(self.vm.vcpu.cpu, image)

    @property
    def over(self) -> bool:
        return self.bare.stopped is not None or self.host.stopped is not None

    def step(self) -> bool:
        """Complete one instruction and whatever it takes until both stand at the same time again."""
        self.unit(self.bare)
        while not self.over and self.vm.time != self.bare.clock.cycles:
            self.unit(self.host if self.vm.time < self.bare.clock.cycles else self.bare)
        return not self.over

    @staticmethod
    def unit(host: Host) -> None:
        before = host.clock.n
        while host.stopped is None and host.clock.n == before:
            host.turn()

    def states(self) -> tuple[GuestState, GuestState]:
        return state_of(self.bare.machine.cpu), self.vm.vcpu.state()

    def same_memory(self) -> bool:
        mine, bare = self.host.machine.memory, self.bare.machine.memory
        return all(mine.page(hfn) == bare.page(gfn) for gfn, hfn in enumerate(self.vm.memory.pmap))


@pytest.mark.parametrize(
    "programs", [(("ticker", 0x241), ("ticker", 0x242)), (("hello", 0), ("pages", 0), ("pages", 3), ("sieve", 200))]
)
def test_tinyos_sees_the_same_until_its_lock_gives_the_flags_back(programs: tuple[tuple[str, int], ...]) -> None:
    pair = Pair(programs)
    popfd = pair.image.symbols.address_of("sched_unlock") + 11
    steps = 0
    while pair.step():
        steps += 1
        bare, mine = pair.states()
        if bare != mine:
            break
    assert steps > 5_000
    assert bare.eip == mine.eip == popfd + 1
    assert bare.eflags ^ mine.eflags == 0x200
    assert pair.same_memory()


def test_dropping_derived_state_at_random_moments_changes_nothing_the_guest_sees() -> None:
    pair, random = Pair((("hello", 0), ("pages", 0))), Random(8)
    drops = 0
    while pair.vm.emulated < 150 and pair.step():
        if random.random() < 0.02:
            pair.vm.engine.drop_derived()
            drops += 1
        bare, mine = pair.states()
        assert bare == mine
    assert drops > 50
    assert pair.same_memory()


def test_the_console_is_the_same_until_the_lock_and_the_count_differs() -> None:
    pair = Pair((("ticker", 0x241), ("ticker", 0x242)))
    while pair.bare.stopped is None:
        pair.unit(pair.bare)
    while pair.host.stopped is None:
        pair.unit(pair.host)
    bare = pair.bare.machine.board.console.text.decode().splitlines()
    mine = pair.vm.board.console.text.decode().splitlines()
    assert bare[:-1] == mine[:-1]
    assert (bare[-1], mine[-1]) == ("ticks: 3", "ticks: 0")
    assert pair.host.stopped.text == "alpha halted with interrupts off"
    assert len(pair.vm.ledger.counts) >= 5
    assert pair.vm.direct > 50 * pair.vm.emulated
