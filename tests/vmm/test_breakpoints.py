"""A guest's breakpoints break in a VM where they break on bare metal, and so do its single steps."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.isa.control import DR6_B
from teachvm.isa.operands import ESP
from teachvm.machine.cpu import Cpu
from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.region import VMM_BASE
from teachvm.vmm.techniques import Technique
from tests.vmm.programs import SPREAD, DebugWriter, RandomGuest, Writer
from tests.vmm.reference import Comparison, Reference, reveals_a_program, reveals_the_ring
from tests.vmm.room import CODE, DIRECTORY, MIB, Room

SAMPLE = 10
STEPS = 150
REVEALS = {
    Technique.TRAP_AND_EMULATE: reveals_the_ring,
    Technique.BINARY_TRANSLATION: reveals_a_program,
}
"""What ends a comparison, by technique."""


def arm(cpu: Cpu, seed: int) -> None:
    """Breakpoints on the first instructions, on the stack, and at random in code and tables."""
    random = Random(seed)
    stack = cpu.regs[ESP] - 4 * random.randrange(6)
    places = (CODE + random.randrange(12), stack, CODE + random.randrange(SPREAD), DIRECTORY + random.randrange(0x1800))
    for number, place in enumerate(places):
        cpu.write_debug_register(number, place)
    kinds = random.choice((0x0, 0x3D, 0xD, 0xF0)) << 4
    cpu.write_debug_register(7, 0xFF | kinds << 16 | random.getrandbits(8) << 24)


class Meeting(Comparison):
    """Notes whether a breakpoint was met."""

    met = False

    def step(self) -> None:
        super().step()
        self.met |= bool(self.reference.cpu.dr[6] & DR6_B)


def compare(seed: int, technique: Technique, writer: type[Writer] = Writer) -> Meeting:
    guest = RandomGuest(seed, writer)
    room = Room("hlt", budget=LEAST_BUDGET, technique=technique)
    reference = Reference(MIB, reveals=REVEALS[technique])
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    if writer is Writer:
        for cpu in (room.vm.vcpu.cpu, reference.cpu):
            arm(cpu, seed)
    comparison = Meeting(room, reference)
    comparison.run(STEPS)
    return comparison


@pytest.mark.parametrize("writer", [Writer, DebugWriter])
@pytest.mark.parametrize("technique", REVEALS)
def test_random_kernels_with_breakpoints_cannot_tell_the_vmm_from_bare_metal(
    technique: Technique, writer: type[Writer]
) -> None:
    met = [compare(seed, technique, writer).met for seed in range(7_000, 7_000 + SAMPLE)]
    assert met.count(True) > SAMPLE // 4


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("writer", [Writer, DebugWriter])
@pytest.mark.parametrize("technique", REVEALS)
def test_many_random_kernels_with_breakpoints_cannot_tell_the_vmm_from_bare_metal(
    technique: Technique, writer: type[Writer]
) -> None:
    for seed in range(8_000, 10_000):
        compare(seed, technique, writer)


def test_a_breakpoint_in_the_region_of_the_vmm_never_reaches_the_hardware() -> None:
    room = Room("nop \n nop \n nop")
    room.vm.vcpu.cpu.dr[0], room.vm.vcpu.cpu.dr[7] = VMM_BASE + 0x100, 0x400 | 3 | 0xF << 16
    room.units(2)
    assert not room.host.machine.cpu.dr[7] & 3
