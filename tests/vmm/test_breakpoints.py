"""A guest's breakpoints break under trap and emulate where they break on bare metal."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.isa.control import DR6_B
from teachvm.isa.operands import ESP
from teachvm.machine.cpu import Cpu
from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.region import VMM_BASE
from tests.vmm.programs import SPREAD, RandomGuest
from tests.vmm.reference import Comparison, Reference
from tests.vmm.room import CODE, DIRECTORY, MIB, Room

SAMPLE = 16
STEPS = 150


def arm(cpu: Cpu, seed: int) -> None:
    """Breakpoints on the first instructions, on the stack, and at random in code and tables."""
    random = Random(seed)
    stack = cpu.regs[ESP] - 4 * random.randrange(6)
    places = (CODE + random.randrange(12), stack, CODE + random.randrange(SPREAD), DIRECTORY + random.randrange(0x1800))
    for number, place in enumerate(places):
        cpu.write_debug_register(number, place)
    kinds = random.choice((0x0, 0x3D, 0xD, 0xF0)) << 4
    cpu.write_debug_register(7, 0xFF | kinds << 16 | random.getrandbits(8) << 24)


def compare(seed: int) -> Comparison:
    guest = RandomGuest(seed)
    room, reference = Room("hlt", budget=LEAST_BUDGET), Reference(MIB)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    for cpu in (room.vm.vcpu.cpu, reference.cpu):
        arm(cpu, seed)
    comparison = Comparison(room, reference)
    comparison.run(STEPS)
    return comparison


def test_random_kernels_with_breakpoints_cannot_tell_the_vmm_from_bare_metal() -> None:
    met = [compare(seed).reference.cpu.dr[6] & DR6_B for seed in range(7_000, 7_000 + SAMPLE)]
    assert sum(1 for bits in met if bits) > SAMPLE // 4


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_random_kernels_with_breakpoints_cannot_tell_the_vmm_from_bare_metal() -> None:
    for seed in range(8_000, 10_000):
        compare(seed)


def test_a_breakpoint_in_the_region_of_the_vmm_never_reaches_the_hardware() -> None:
    room = Room("nop \n nop \n nop")
    room.vm.vcpu.cpu.dr[0], room.vm.vcpu.cpu.dr[7] = VMM_BASE + 0x100, 0x400 | 3 | 0xF << 16
    room.units(2)
    assert not room.host.machine.cpu.dr[7] & 3
