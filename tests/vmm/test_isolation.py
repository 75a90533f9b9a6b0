"""Whatever bytes run as a guest kernel, no frame that is not the guest's changes, and every stop has a reason."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.host.frames import OwnerKind
from teachvm.isa.control import CR0_PG, CR4_PSE
from teachvm.isa.descriptors import Gate, Segment
from teachvm.isa.paging import P
from teachvm.vmm.region import GUEST_SLOTS, IDT_BASE, STACK_TOP, TSS_BASE, VMM_BASE, VMM_CS, VMM_SS, stub
from teachvm.vmm.techniques import Technique
from tests.vmm.programs import RandomGuest
from tests.vmm.room import CODE, HANDLERS, MIB, Room
from tests.vmm.test_region import read

SAMPLE = 100
SOAK = 100_000
TURNS = 150
HOST_BYTES = 2 * MIB


class Watch:
    """Frames of the host that a guest must not change, and what the VMM's own must look like afterwards."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.own = set(room.vm.memory.pmap)
        self.shadow = room.vm.shadow.owner
        self.idt = read(room, IDT_BASE, 2048) if room.machine.cpu.cr3 else b""
        room.machine.memory.clean()

    def check(self) -> None:
        room, frames = self.room, self.room.host.frames
        region = {room.vm.region.gdt, room.vm.region.stack}
        if room.technique is Technique.PARAVIRTUAL:
            region |= {room.vm.region.idt, room.vm.region.tss}
        for hfn in room.machine.memory.dirty_pages():
            owner = frames.owner(hfn)
            assert hfn in self.own or hfn in region or owner == self.shadow or owner.kind is OwnerKind.FREE, owner
        self.shadow_maps_only_the_guest()
        self.gates_lead_to_the_vmm_or_out_of_its_ring()
        self.segments_end_below_the_region()

    def shadow_maps_only_the_guest(self) -> None:
        shadow, memory = self.room.vm.shadow, self.room.machine.memory
        for hfn in shadow.tables.values():
            for index in range(1024):
                entry = memory.read((hfn << 12) + 4 * index, 4)
                assert not entry & P or entry >> 12 in self.own
        tables = set(shadow.tables.values())
        for hfn in shadow.directories.values():
            for index in range(1023):
                entry = memory.read((hfn << 12) + 4 * index, 4)
                assert not entry & P or entry >> 12 in tables
            assert memory.read((hfn << 12) + 4 * 1023, 4) & ~0x60 == self.room.vm.region.directory_entry & ~0x60

    def gates_lead_to_the_vmm_or_out_of_its_ring(self) -> None:
        region, memory = self.room.vm.region, self.room.machine.memory
        for vector in range(256):
            gate = Gate.unpack(memory.read_bytes((region.idt << 12) + 8 * vector, 8))
            assert gate is not None
            if gate.selector == VMM_CS:
                assert gate.offset == stub(vector)
            else:
                assert vector >= 0x30
                assert gate.selector >> 3 < GUEST_SLOTS
                assert not gate.selector & 4
        state = memory.read_bytes(region.tss << 12, 0x68)
        assert state[4:12] == STACK_TOP.to_bytes(4, "little") + VMM_SS.to_bytes(4, "little")

    def segments_end_below_the_region(self) -> None:
        for index in range(GUEST_SLOTS):
            segment = Segment.unpack(0, self.room.vm.region.slot(index))
            assert not segment.present or segment.dpl > 0
        if self.room.vm.vcpu.in_guest and self.room.machine.cpu.cpl:
            for segment in self.room.machine.cpu.segs:
                offsets = segment.valid_range
                assert not segment.present or not offsets or segment.base + offsets[-1] & 0xFFFF_FFFF < VMM_BASE


def survive(seed: int) -> str:
    """Run a random guest; the first half are pure noise, the second half know what hurts."""
    random = Random(seed)
    room = Room("hlt", memory_bytes=HOST_BYTES)
    vm = room.vm
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
    watch = Watch(room)
    for _ in range(TURNS):
        if room.host.stopped is not None:
            break
        room.host.turn()
    watch.check()
    if room.host.stopped is None:
        return "runs"
    assert room.host.stopped.text.startswith("alpha")
    return room.host.stopped.text


@pytest.mark.parametrize("part", range(4))
def test_random_bytes_as_a_guest_kernel_change_no_frame_outside_the_guest(part: int) -> None:
    outcomes = {survive(seed).partition(" while")[0] for seed in range(part, SAMPLE, 4)}
    assert len(outcomes) > 2


@pytest.mark.parametrize("seed", [6027])
def test_a_kernel_that_once_broke_the_vmm_does_so_no_more(seed: int) -> None:
    assert survive(seed)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(20))
def test_a_hundred_thousand_random_kernels_change_no_frame_outside_the_guest(part: int) -> None:
    for seed in range(SAMPLE + part, SOAK, 20):
        survive(seed)


@pytest.mark.parametrize("offset", [0, 0x1000, 0x2004, 0x3FEC, 0x4000])
def test_a_guest_that_writes_where_the_vmm_lives_writes_its_own_memory(offset: int) -> None:
    linear = VMM_BASE + offset
    room = Room(f"mov dword [{linear:#x}], 0x12345678 \n mov eax, [{linear:#x}] \n nop")
    vm = room.vm
    vm.memory.write(0x2000 + 4 * 1023, 4, 0x5_0067)
    for index in range(5):
        vm.memory.write(0x5_0000 + 4 * index, 4, 0x6_0067 + (index << 12))
    room.units(1)
    before = read(room, IDT_BASE, 2048), read(room, TSS_BASE, 104)
    room.units(1)
    assert vm.memory.read(0x6_0000 + offset, 4) == 0x12345678
    assert vm.vcpu.state().regs[0] == 0x12345678
    assert (read(room, IDT_BASE, 2048), read(room, TSS_BASE, 104)) == before


def test_the_vmm_s_own_selectors_are_nothing_to_the_guest() -> None:
    room = Room(f"mov eax, {VMM_CS + 8} \n mov ds, ax \n nop").units(3)
    assert room.vm.vcpu.state().eip & ~15 == 0x80D0


def test_a_guest_that_maps_its_tables_over_themselves_stays_inside() -> None:
    room = Room("mov dword [0x2000], 0x2067 \n mov eax, cr3 \n mov cr3, eax \n mov dword [0x2004], 0xffffffff \n nop")
    watch = Watch(room)
    for _ in range(200):
        if room.host.stopped is not None:
            break
        room.host.turn()
    watch.check()
