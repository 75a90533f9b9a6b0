"""The two-dimensional walk: every reference counted, in order, and what the nested tables lack is told.

Golden values: Bhargava et al., ASPLOS 2008, (n+1)(m+1) - 1.
"""

from __future__ import annotations

import pytest

from teachvm.isa.control import CR4_PSE
from teachvm.isa.paging import RW, A, D, P
from teachvm.machine.events import PageWalked
from teachvm.trace.timeline import Timeline
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vmx.events import NestedPageWalked, NestedReferenced, VmExited
from teachvm.vmm.vmx.exits import (
    VIOLATION_FINAL,
    VIOLATION_LINEAR_VALID,
    VIOLATION_READ,
    VIOLATION_WRITE,
)
from teachvm.vmm.vmx.walker import references
from tests.vmm.room import DIRECTORY, TABLE, Room

DATA = 0x2_0000
PTE = TABLE + 4 * (DATA >> 12)
TWICE = f"mov eax, [{DATA}] \n mov edx, cr3 \n mov cr3, edx \n mov eax, [{DATA}] \n nop"


def nested(source: str = TWICE, **options: bool) -> Room:
    return Room(source, technique=Technique.HARDWARE_ASSIST, paging_by=Paging.NESTED, **options)


def engine(room: Room) -> HardwareAssist:
    made = room.vm.engine
    assert isinstance(made, HardwareAssist)
    return made


def last_walk(room: Room, linear: int = DATA) -> NestedPageWalked:
    return [event for event in room.events(NestedPageWalked) if event.linear >> 12 == linear >> 12][-1]


@pytest.mark.parametrize(
    ("guest", "levels", "count"),
    [(1, 1, 3), (2, 1, 5), (1, 2, 5), (2, 2, 8), (2, 4, 14), (4, 4, 24), (5, 5, 35)],
)
def test_the_references_of_one_miss_follow_the_formula(guest: int, levels: int, count: int) -> None:
    assert references(guest, levels) == count


def test_two_levels_and_two_take_eight_references_in_their_order() -> None:
    room = nested().units(4)
    walk = last_walk(room)
    assert [each.level for each in walk.references] == [
        *("nested-pde", "nested-pte", "pde"),
        *("nested-pde", "nested-pte", "pte"),
        *("nested-pde", "nested-pte"),
    ]
    assert len(walk.references) == references(2, 2) == 8
    assert [each.gpa & ~0xFFF for each in walk.references] == [DIRECTORY] * 3 + [TABLE] * 3 + [DATA] * 2
    assert walk.steps == (("pde", DIRECTORY, TABLE | 0x67), ("pte", PTE, DATA | 0x67))
    assert (walk.frame, walk.host_frame) == (DATA, room.vm.memory.pmap[DATA >> 12] << 12)
    for each in walk.references:
        assert room.machine.memory.read(each.host_address, 4) == each.entry
        if not each.nested:
            assert each.host_address == room.vm.memory.pmap[each.address >> 12] << 12 | each.address & 0xFFF


def test_bare_metal_and_shadow_paging_take_two() -> None:
    room = Room(TWICE, technique=Technique.HARDWARE_ASSIST).units(4)
    walks = [event for event in room.events(PageWalked) if event.linear == DATA and event.cpu == room.machine.cpu.name]
    assert len(walks[-1].steps) == 2


def test_a_large_guest_page_takes_five() -> None:
    room = nested(TWICE.replace(str(DATA), str(0x40_0000 + DATA)))
    room.vm.vcpu.cpu.cr4 = CR4_PSE
    room.vm.memory.write(DIRECTORY + 4, 4, 0xA7)
    room.units(4)
    assert len(last_walk(room, 0x40_0000 + DATA).references) == references(1, 2) == 5


def test_large_nested_pages_take_five_and_with_large_guest_pages_three() -> None:
    for large_guest, count in ((False, 5), (True, 3)):
        linear = (0x40_0000 if large_guest else 0) + DATA
        room = nested(TWICE.replace(str(DATA), str(linear)))
        room.vm.vcpu.cpu.cr4 = CR4_PSE
        room.vm.memory.write(DIRECTORY + 4, 4, 0xA7)
        room.units(2)
        walker, ram = engine(room).walker, room.machine.memory
        # A directory that maps 4 MB of the host at once, where this guest's frames happen to lie in order.
        base = room.vm.memory.pmap[0]
        assert room.vm.memory.pmap == list(range(base, base + len(room.vm.memory.pmap)))
        for gfn in range(256):
            ram.write_bytes(gfn << 12, ram.read_bytes((base + gfn) << 12, 4096))
        ram.write(walker.root, 4, 0xE7)
        room.machine.cpu.flush_tlb("cr3")
        room.units(2)
        assert len(last_walk(room, linear).references) == references(1 if large_guest else 2, 1) == count


def test_with_paging_off_only_the_nested_tables_are_walked() -> None:
    room = nested(f"mov eax, [{DATA}] \n nop", paging=False).units(1)
    assert [each.level for each in last_walk(room).references] == ["nested-pde", "nested-pte"]


def test_a_hit_in_the_tlb_takes_no_reference() -> None:
    room = nested(f"mov eax, [{DATA}] \n mov eax, [{DATA}] \n nop").units(1)
    before = engine(room).walker.references
    room.units(1)
    assert engine(room).walker.references == before


def test_each_reference_is_a_phase_one_can_stop_at() -> None:
    room = nested()
    timeline = Timeline(room)
    timeline.run(3)
    seen: list[int] = []
    while len(seen) < 8:
        timeline.step()
        (event,) = room.recorder.log.slice(room.recorder.log.end - 1, room.recorder.log.end)
        if isinstance(event, NestedReferenced) and event.linear == DATA:
            seen.append(event.index)
    assert seen == list(range(8))


def test_the_walk_cache_spares_the_nested_references_of_pages_it_knows() -> None:
    counts = []
    for cached in (False, True):
        room = nested()
        walker = engine(room).walker
        walker.cache_on = cached
        room.units(4)
        counts.append(len(last_walk(room).references))
        assert bool(walker.cache_hits) is cached
        assert room.vm.vcpu.state().regs[0] == 0
    assert counts == [8, 2]


def test_accessed_and_dirty_bits_are_set_through_the_nested_tables() -> None:
    room = nested(f"mov dword [{PTE}], {DATA | 7} \n mov eax, [{DATA}] \n mov [{DATA}], eax \n nop").units(2)
    assert room.vm.memory.read(PTE, 4) == DATA | 7 | A
    room.units(1)
    assert room.vm.memory.read(PTE, 4) == DATA | 7 | A | D


def violations(room: Room) -> list[VmExited]:
    return [event for event in room.events(VmExited) if event.name == "EPT_VIOLATION"]


def test_a_violation_says_whether_it_met_the_walk_or_its_end() -> None:
    room = nested(f"mov [{DATA}], eax \n nop").units(1)
    first, *_, last = violations(room)
    assert first.qualification == VIOLATION_READ | VIOLATION_LINEAR_VALID
    assert last.qualification == VIOLATION_WRITE | VIOLATION_LINEAR_VALID | VIOLATION_FINAL


def test_a_nested_page_that_may_not_be_written_faults_where_the_walker_sets_accessed() -> None:
    room = nested(f"mov dword [{PTE}], {DATA | 7} \n mov eax, [{DATA}] \n nop").units(1)
    hpa = room.vm.memory.pmap[TABLE >> 12]
    tables = engine(room).nested
    room.machine.memory.write((tables._tables[0] << 12) + 4 * (TABLE >> 12), 4, hpa << 12 | P)
    room.machine.cpu.flush_tlb("cr3")
    room.units(1)
    met = violations(room)[-1]
    assert met.qualification & (VIOLATION_WRITE | VIOLATION_FINAL) == VIOLATION_WRITE
    assert met.qualification >> 3 & 7 == 5
    assert tables.entry(Gpa(TABLE)) is not None
    assert (tables.entry(Gpa(TABLE)) or 0) & RW
    assert room.vm.memory.read(PTE, 4) & A


def test_memory_nobody_has_is_device_memory_that_reads_as_all_ones() -> None:
    room = nested(f"mov dword [{PTE}], 0x900067 \n mov eax, [{DATA}] \n mov dword [{DATA}], 5 \n nop").units(3)
    assert room.vm.vcpu.state().regs[0] == 0xFFFF_FFFF
    assert [reason.value for reason in room.reasons()][-1] == "page-fault-mmio"
