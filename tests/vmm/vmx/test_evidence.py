"""What hardware assist promises besides equality: isolation, what exits cost by year, and little VMM for computing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.host.costs import COSTS, PRESETS, CostModel
from teachvm.host.frames import OwnerKind
from teachvm.isa.control import CR0_PG, CR4_PSE
from teachvm.isa.paging import P
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.prices import READS
from teachvm.vmm.techniques import Paging, Technique
from tests.vmm.programs import RandomGuest
from tests.vmm.room import CODE, HANDLERS, MIB, Room
from tests.vmm.test_time_travel import SOURCE

SAMPLE = 24
TURNS = 150
ASSIST = Technique.HARDWARE_ASSIST


def survive(seed: int, paging: Paging) -> str:
    """Run noise, or a random kernel: only the guest's frames, the VMM's tables and its structure may change."""
    random = Random(seed)
    room = Room(technique=ASSIST, paging_by=paging, memory_bytes=2 * MIB)
    vm, frames = room.vm, room.host.frames
    if seed % 2:
        RandomGuest(seed).put_into(vm.memory.write_bytes, vm.vcpu.cpu, vm.board)
    else:
        for _ in range(20):
            vm.memory.write_bytes(random.randrange(0xA000, MIB - 64), random.randbytes(64))
        vm.memory.write_bytes(HANDLERS, random.randbytes(0x1000))
        vm.memory.write_bytes(CODE, random.randbytes(256))
        cpu = vm.vcpu.cpu
        cpu.regs[:] = [random.choice((random.getrandbits(32), random.randrange(MIB))) for _ in range(8)]
        cpu.cr4 = random.choice((0, CR4_PSE))
        cpu.cr0 &= ~random.choice((0, CR0_PG))
    room.machine.memory.clean()
    for _ in range(TURNS):
        if room.host.stopped is not None:
            break
        room.host.turn()
    own = set(vm.memory.pmap)
    for hfn in room.machine.memory.dirty_pages():
        owner = frames.owner(hfn)
        mapping = owner.purpose in ("shadow", "nested", "control structure")
        assert hfn in own or mapping or owner.kind is OwnerKind.FREE, owner
    for table in (*vm.shadow.tables.values(), *nested_tables(room)):
        for index in range(1024):
            entry = room.machine.memory.read((table << 12) + 4 * index, 4)
            assert not entry & P or entry >> 12 in own
    return "runs" if room.host.stopped is None else room.host.stopped.text


def nested_tables(room: Room) -> list[int]:
    engine = room.vm.engine
    assert isinstance(engine, HardwareAssist)
    return list(engine.nested._tables)


@pytest.mark.parametrize("paging", list(Paging))
def test_random_bytes_as_a_guest_kernel_change_no_frame_outside_the_guest(paging: Paging) -> None:
    outcomes = {survive(seed, paging).partition(" while")[0] for seed in range(SAMPLE)}
    assert len(outcomes) > 2


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("paging", list(Paging))
def test_many_random_kernels_change_no_frame_outside_the_guest(paging: Paging) -> None:
    for seed in range(SAMPLE, 20_000):
        survive(seed, paging)


@pytest.mark.parametrize("paging", list(Paging))
def test_a_guest_owns_the_top_of_its_address_space_too(paging: Paging) -> None:
    room = Room("mov dword [0xffc00000], 7 \n mov eax, [0xffc00000] \n nop", technique=ASSIST, paging_by=paging)
    room.vm.memory.write(0x2000 + 4 * 1023, 4, 0x5_0067)
    room.vm.memory.write(0x5_0000, 4, 0x6_0067)
    room.units(2)
    assert room.vm.vcpu.state().regs[0] == 7
    assert room.vm.memory.read(0x6_0000, 4) == 7


@pytest.mark.parametrize("paging", list(Paging))
def test_a_program_that_computes_for_a_million_cycles_leaves_the_vmm_less_than_one_percent(paging: Paging) -> None:
    room = Room("a: inc eax \n dec edx \n jmp a", technique=ASSIST, paging_by=paging, user=True)
    room.units(10)
    start, spent, direct = room.clock.cycles, room.vm.ledger.total_cycles, room.vm.direct
    while room.vm.direct - direct < 1_000_000:
        if not room.burst(100_000, frozenset()):
            room.unit()
    cycles = room.clock.cycles - start
    assert cycles >= 1_000_000
    assert (room.vm.ledger.total_cycles - spent) / cycles < 0.01


@settings(max_examples=4)
@given(st.integers(1, 200), st.booleans())
def test_stepping_forward_then_back_shows_every_earlier_digest_again(start: int, cached: bool) -> None:
    room = Room(SOURCE, technique=ASSIST, paging_by=Paging.NESTED)
    engine = room.vm.engine
    assert isinstance(engine, HardwareAssist)
    engine.walker.cache_on = cached
    timeline = Timeline(room, spacing=40)
    timeline.seek(Moment(start))
    seen = [(timeline.position, timeline.digest())]
    for _ in range(40):
        timeline.step()
        seen.append((timeline.position, timeline.digest()))
    for moment, digest in reversed(seen[:-1]):
        timeline.back()
        assert (timeline.position, timeline.digest()) == (moment, digest)


# ---- costs ---------------------------------------------------------------------------------------


def exit_cost(preset: str, work: str = "handle") -> int:
    """An exit, what is read and done, one field written, and the way back."""
    of = CostModel(PRESETS[preset].cycles).of
    return of("vm-exit") + READS * of("vmread") + of(work) + of("vmwrite") + of("vm-entry")


def test_a_null_round_trip_of_2005_costs_what_was_measured() -> None:
    of = CostModel(PRESETS["pentium-4"].cycles).of
    assert of("vm-entry") + of("vm-exit") == 4340
    assert (of("vmread"), of("vmwrite")) == (178, 171)


def test_a_year_changes_what_an_exit_costs_and_nothing_else() -> None:
    years = sorted(PRESETS, key=lambda name: PRESETS[name].year)
    costs = [exit_cost(name) for name in years]
    assert costs == sorted(costs, reverse=True)
    exits = {"vm-entry", "vm-exit", "vmread", "vmwrite"}
    for preset in PRESETS.values():
        assert {key for key, _ in preset.cycles} == exits


def test_the_order_of_costs_is_that_of_the_measurements() -> None:
    defaults = {row.key: row.cycles for row in COSTS}
    assert defaults["trap"] < exit_cost("core-2") < exit_cost("pentium-4")
    # What the first hardware was worst at: a device, then a store to a page table, then a page fault.
    first = [exit_cost("pentium-4", work) for work in ("handle", "handle-fault", "handle-trace", "handle-device")]
    assert first == sorted(first)
    assert exit_cost("later") < exit_cost("core-2")


def test_what_a_guest_with_one_exit_pays_is_the_sum_of_its_parts() -> None:
    room = Room("nop \n cpuid \n a: jmp a", technique=ASSIST, paging_by=Paging.NESTED).units(1)
    before = room.clock.cycles
    room.units(1)
    of = room.host.costs.of
    spent = room.clock.cycles - before - of("vm-exit") - READS * of("vmread") - of("handle") - of("vm-entry")
    # The instruction itself, and the fields that changed: EIP, and the TSC offset.
    assert spent == 1 + 2 * of("vmwrite")
