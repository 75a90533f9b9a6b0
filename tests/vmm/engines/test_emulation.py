"""Under emulation a guest sees bare metal to the last stale TLB entry, and the processor runs none of its code."""

from __future__ import annotations

import pytest

from teachvm.app.headless import Stopped, Wishes, alone, run
from teachvm.isa.operands import EAX, EBX, ECX
from teachvm.machine.tlb import Tlb
from teachvm.trace.timeline import Timeline
from teachvm.vmm.events import VcpuSwitched
from teachvm.vmm.techniques import Technique
from teachvm.world.divergence import LockStep
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from tests.vmm.programs import RandomGuest
from tests.vmm.reference import Comparison, Reference
from tests.vmm.room import CODE, MIB, Room

SAMPLE = 60
SOAK = 2_500
STEPS = 200
EMULATION = Technique.EMULATION


def compare_random(seed: int) -> str:
    guest = RandomGuest(seed)
    room, reference = Room(technique=EMULATION), Reference(MIB, tlb=Tlb(), reveals=None)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    return Comparison(room, reference).run(STEPS)


@pytest.mark.parametrize("part", range(4))
def test_random_kernels_see_bare_metal(part: int) -> None:
    outcomes = [compare_random(seed) for seed in range(part, SAMPLE, 4)]
    assert outcomes.count("limit") + outcomes.count("ended") > len(outcomes) * 2 // 3


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(4))
def test_many_random_kernels_see_bare_metal(part: int) -> None:
    for seed in range(SAMPLE + part, SOAK, 4):
        compare_random(seed)


@pytest.mark.parametrize("programs", [("ticker", "ticker"), ("hello", "pages", "sieve")])
def test_tinyos_and_its_programs_see_no_difference_to_their_end(programs: tuple[str, ...]) -> None:
    chosen = tuple(ProgramSpec(name) for name in programs)
    pair = LockStep(WorldSpec(HostSpec(vms=(VmSpec("alpha", "tinyos", technique=EMULATION, programs=chosen),))))
    assert pair.run(1_000_000) is None
    assert pair.ended
    assert pair.instructions > 10_000


def test_a_stale_entry_of_the_software_tlb_is_used_until_invlpg_drops_it() -> None:
    source = (
        "mov dword [0x20000], 1 \n mov dword [0x30000], 2 \n mov eax, [0x20000] \n mov dword [0x3080], 0x30067 \n"
        "mov ebx, [0x20000] \n invlpg [0x20000] \n mov ecx, [0x20000] \n hlt"
    )
    room = Room(source, technique=EMULATION).units(8)
    regs = room.vm.vcpu.cpu.regs
    assert (regs[EAX], regs[EBX], regs[ECX]) == (1, 1, 2)


def test_the_processor_runs_no_instruction_of_the_guest() -> None:
    room = Room("mov ecx, 100 \n again: loop again \n hlt", technique=EMULATION)
    hardware = room.machine.cpu
    before = hardware.eip, list(hardware.regs)
    room.finish()
    assert (hardware.eip, list(hardware.regs)) == before
    assert (room.vm.direct, room.vm.emulated) == (0, 102)
    assert not room.vm.ledger.counts
    assert room.clock.cycles == room.vm.emulated * room.host.costs.of("emulate")


def test_two_emulated_guests_take_turns() -> None:
    room = Room("again: inc eax \n jmp again", technique=EMULATION, quantum=2_000)
    other = room.add("beta", "again: inc eax \n jmp again")
    Timeline(room).run(2_000)
    assert len(room.events(VcpuSwitched)) > 10
    assert min(room.vm.emulated, other.emulated) > 800
    assert room.vm.vcpu.cpu.eip in range(CODE, CODE + 8)


def test_an_anchor_at_a_label_is_reached_though_the_processor_never_comes_there() -> None:
    report = run(alone("tinyos", None, Wishes(EMULATION)), None, "at('sched_lock')")
    assert report.stopped is Stopped.UNTIL_REACHED
