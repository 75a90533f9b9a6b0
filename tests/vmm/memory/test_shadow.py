"""Shadow tables: composed by the rules, coherent with the guest's, bounded, and a mere cache."""

from __future__ import annotations

import pytest

from teachvm.host.frames import OwnerKind
from teachvm.isa import paging
from teachvm.isa.control import CR4_PSE
from teachvm.isa.paging import RW, US, A, D, P
from teachvm.vmm.addresses import Gva
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import FaultClassified, ShadowDropped, ShadowFilled
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.memory.shadow import LEAST_BUDGET, ShadowTables
from teachvm.vmm.memory.walk import look
from tests.vmm.room import TABLE, Room

PAGE = Gva(0x2_0000)
PTE = TABLE + 4 * 0x20


def entry(room: Room, linear: Gva = PAGE) -> int:
    """The shadow entry without the bits the hardware's own walker sets."""
    return (room.vm.shadow.entry(linear) or 0) & ~(A | D)


def coherent(room: Room) -> None:
    """Every present shadow entry says what the guest's tables say, and no more."""
    vm, shadow = room.vm, room.vm.shadow
    mode = vm.vcpu.mode
    assert shadow.active is not None
    directory = shadow.directories[shadow.active]
    for link, table in shadow.links.items():
        if link >> 12 != directory:
            continue
        for low in range(1024):
            address = (table << 12) + 4 * low
            value = room.machine.memory.read(address, 4)
            assert bool(value & P) == (address in shadow.leaves)
            if not value & P:
                continue
            walk = look(vm.memory.read, mode, Gva(paging.join((link & 0xFFF) // 4, low)))
            assert walk.accessed
            assert value >> 12 == vm.memory.pmap[walk.gpa >> 12]
            if value & US:
                assert walk.user
            if value & RW:
                assert walk.dirty
                assert walk.writable or not (mode.wp or value & US)
                assert walk.gpa >> 12 not in vm.memory.traced


def test_a_read_of_a_clean_page_gives_a_read_only_entry_and_the_first_write_a_writable_one() -> None:
    room = Room(f"mov dword [{PTE}], 0x20007 \n mov eax, [0x20000] \n mov [0x20000], eax").units(2)
    assert entry(room) == room.vm.memory.pmap[0x20] << 12 | US | P
    assert room.vm.memory.read(PTE, 4) == 0x20027
    room.units(1)
    assert entry(room) == room.vm.memory.pmap[0x20] << 12 | US | RW | P
    assert room.vm.memory.read(PTE, 4) == 0x20067
    coherent(room)


def test_a_write_at_once_sets_accessed_and_dirty_in_one_fault() -> None:
    room = Room(f"mov dword [{PTE}], 0x20007 \n mov [0x20000], eax").units(2)
    assert [event.kind for event in room.events(FaultClassified)][-1] is FaultKind.HIDDEN
    assert room.vm.memory.read(PTE, 4) == 0x20067


@pytest.mark.parametrize(("pte", "expected"), [(0x20067, US | RW), (0x20065, US), (0x20063, RW), (0x20061, 0)])
def test_the_entry_grants_what_both_levels_grant(pte: int, expected: int) -> None:
    room = Room(f"mov dword [{PTE}], {pte} \n mov eax, [0x20000]").units(2)
    assert entry(room) & (US | RW) == expected


def test_a_store_to_a_guest_table_drops_the_entry_and_the_hardware_s_translation() -> None:
    room = Room(f"mov dword [0x20000], 1 \n mov dword [0x21000], 2 \n mov dword [{PTE}], 0x21067 \n mov eax, [0x20000]")
    room.units(3)
    assert entry(room) == 0
    assert room.machine.cpu.tlb is not None
    assert room.machine.cpu.tlb.find(PAGE >> 12) is None
    assert room.reasons()[-1] is EntryReason.PAGE_FAULT_TRACE
    assert room.events(ShadowDropped)[-1].cause == "write"
    room.units(1)
    assert room.vm.vcpu.state().regs[0] == 2


def test_a_page_that_becomes_a_table_loses_its_writable_entry() -> None:
    source = (
        "mov esi, 0x3000 \n mov edi, 0x20000 \n mov ecx, 1024 \n rep movsd \n mov dword [0x2004], 0x20067 \n"
        "mov eax, [0x400000 + 0x5000] \n mov dword [0x20014], 0x6067 \n mov ebx, [0x400000 + 0x5000]"
    )
    room = Room(source)
    while 0x20 not in room.vm.memory.traced:
        room.unit()
    assert not entry(room) & RW
    room.units(2)
    assert room.reasons()[-2:] == [EntryReason.PAGE_FAULT_TRACE, EntryReason.PAGE_FAULT_HIDDEN]
    assert room.vm.vcpu.state().regs[3] == room.vm.memory.read(0x6000, 4)
    coherent(room)


def test_a_directory_s_shadow_is_kept_when_the_guest_changes_cr3() -> None:
    source = (
        "mov dword [0x9000], 0x3067 \n mov [0x20000], eax \n mov eax, 0x9000 \n mov cr3, eax \n mov [0x20000], eax \n"
        "mov eax, 0x2000 \n mov cr3, eax \n mov [0x20000], eax \n hlt"
    )
    room = Room(source).units(4)
    before = len(room.events(ShadowFilled))
    room.units(4)
    assert len(room.vm.shadow.directories) == 2
    # The second directory uses the same table, so nothing but the directory entry had to be linked.
    assert len(room.events(ShadowFilled)) - before <= 3
    assert len(room.vm.shadow.tables) == 1


def test_a_large_page_is_shadowed_by_small_ones() -> None:
    room = Room("mov eax, [0x400000 + 0x20000] \n mov [0x400000 + 0x20000], eax \n mov dword [0x2004], 0 \n nop")
    room.vm.vcpu.cpu.cr4 = CR4_PSE
    room.vm.memory.write(0x2004, 4, 0x0000_00A7)
    room.units(2)
    linear = Gva(0x40_0000 + 0x2_0000)
    assert [event.kind for event in room.events(FaultClassified)][-2:] == [FaultKind.HIDDEN, FaultKind.DIRTY]
    assert entry(room, linear) == room.vm.memory.pmap[0x20] << 12 | US | RW | P
    assert room.vm.memory.read(0x2004, 4) & 0x60 == 0x60
    room.units(1)
    assert room.vm.shadow.entry(linear) is None
    coherent(room)


def test_without_write_protection_the_kernel_writes_read_only_pages_and_programs_do_not() -> None:
    source = (
        f"mov eax, cr0 \n and eax, ~0x10000 \n mov cr0, eax \n mov dword [{PTE}], 0x20065 \n mov dword [0x20000], 7 \n"
        "mov eax, 0x23 \n mov ds, ax \n push eax \n push dword 0x48000 \n push dword 2 \n push dword 0x1b \n"
        "push dword u \n iretd \n u: mov eax, [0x20000] \n mov dword [0x20000], 8 \n"
    )
    room = Room(source).units(5)
    assert entry(room) & (US | RW) == RW
    assert room.vm.memory.read(0x2_0000, 4) == 7
    room.units(9)
    assert room.vm.vcpu.state().regs[0] == 7
    assert entry(room) & (US | RW) == US
    room.units(1)
    assert EntryReason.PAGE_FAULT_TRUE in room.reasons()
    assert room.vm.memory.read(0x2_0000, 4) == 7


def test_with_paging_off_addresses_are_their_own_translation() -> None:
    room = Room("mov dword [0x20000], 9", paging=False).units(1)
    assert entry(room) == room.vm.memory.pmap[0x20] << 12 | US | RW | P
    assert room.machine.memory.read(room.vm.memory.pmap[0x20] << 12, 4) == 9


def test_invlpg_drops_the_page_from_shadow_and_tlb() -> None:
    room = Room("mov [0x20000], eax \n invlpg [0x20000]").units(1)
    assert entry(room)
    room.units(1)
    assert entry(room) == 0
    assert room.machine.cpu.tlb is not None
    assert room.machine.cpu.tlb.find(PAGE >> 12) is None


def test_a_table_written_again_and_again_is_given_up() -> None:
    room = Room("mov [0x420000], eax \n mov edi, 0x50400 \n mov ecx, 20 \n a: stosd \n loop a \n nop")
    room.vm.memory.write(0x2004, 4, 0x50067)
    room.vm.memory.write_bytes(0x5_0000, room.vm.memory.read_bytes(TABLE, 4096))
    room.to_label("a").units(40)
    assert [event.cause for event in room.events(ShadowDropped)][-1] == "flood"
    assert room.reasons().count(EntryReason.PAGE_FAULT_TRACE) < 5


def many_tables(budget: int) -> Room:
    """A guest that walks through more page tables than its shadow may have frames."""
    source = (
        "mov edi, 0x2004 \n mov ecx, 40 \n mov eax, 0x3067 \n d: stosd \n loop d \n mov ecx, 40 \n mov esi, 0x420000 \n"
        "a: inc dword [esi] \n add esi, 0x400000 \n loop a \n hlt"
    )
    room = Room(source, budget=budget)
    for index in range(41):
        table = 0x5_0000 + 0x1000 * index
        room.vm.memory.write_bytes(table, room.vm.memory.read_bytes(TABLE, 4096))
        room.vm.memory.write(0x2000 + 4 * index, 4, table | 0x67)
    room.vm.memory.write_bytes(0x1_0000 + 12, b"\x90" * 0)
    return room


def test_the_bookkeeping_stays_within_its_budget() -> None:
    room = many_tables(LEAST_BUDGET)
    room.vm.vcpu.cpu.eip = room.assembly.symbols["a"]
    room.vm.vcpu.cpu.regs[1], room.vm.vcpu.cpu.regs[6] = 40, 0x42_0000
    most = 0
    while room.unit():
        shadow = room.vm.shadow
        used = len(shadow.directories) + len(shadow.tables)
        owned = sum(1 for _ in room.host.frames.owned_by(shadow.owner))
        assert used + len(shadow.pool) == owned <= LEAST_BUDGET
        most = max(most, used)
    assert most == LEAST_BUDGET
    assert "evict" in {event.cause for event in room.events(ShadowDropped)}
    assert room.vm.memory.read(0x2_0000, 4) == 40
    coherent(room)


def test_when_the_host_has_no_frame_left_the_oldest_table_goes() -> None:
    room = many_tables(128)
    room.host.frames.allocate(room.vm.shadow.owner, room.host.frames.free_count)
    room.vm.vcpu.cpu.eip = room.assembly.symbols["a"]
    room.vm.vcpu.cpu.regs[1], room.vm.vcpu.cpu.regs[6] = 40, 0x42_0000
    room.finish()
    assert room.vm.memory.read(0x2_0000, 4) == 40


def test_dropping_derived_state_frees_frames_and_changes_nothing_the_guest_sees() -> None:
    room = many_tables(60)
    room.vm.vcpu.cpu.eip = room.assembly.symbols["a"]
    room.vm.vcpu.cpu.regs[1], room.vm.vcpu.cpu.regs[6] = 40, 0x42_0000
    room.units(100)
    before = room.vm.vcpu.state()
    free = room.host.frames.free_count
    freed = room.vm.engine.drop_derived()
    assert freed > 10
    assert room.host.frames.free_count == free + freed
    assert not room.vm.shadow.leaves
    assert room.vm.vcpu.state() == before
    coherent(room)
    room.finish()
    assert room.vm.memory.read(0x2_0000, 4) == 40


def test_shadow_frames_belong_to_the_vmm() -> None:
    room = Room("nop").units(1)
    for hfn in (*room.vm.shadow.directories.values(), *room.vm.shadow.tables.values()):
        assert room.host.frames.owner(hfn).kind is OwnerKind.VMM


def test_a_budget_too_small_for_one_instruction_is_refused() -> None:
    room = Room("nop")
    with pytest.raises(ValueError, match=f"at least {LEAST_BUDGET} frames"):
        ShadowTables(room.vm.memory, room.vm.region, "alpha", LEAST_BUDGET - 1)
