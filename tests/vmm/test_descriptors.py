"""The shadow of the guest's GDT: equal to it at every moment the hardware can look."""

from __future__ import annotations

from teachvm.isa.descriptors import Segment, flat_data
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import InstructionInterpreted
from tests.vmm.room import GDT, UNTOUCHED_DATA, USER_CODE, Room


def slot(room: Room, selector: int) -> Segment:
    return Segment.unpack(selector, room.vm.region.slot(selector >> 3))


def test_a_descriptor_of_ring_0_is_one_of_ring_1_in_the_real_table() -> None:
    room = Room("nop").units(1)
    assert slot(room, 0x08).dpl == slot(room, 0x10).dpl == 1
    assert slot(room, 0x20).dpl == 3


def test_a_store_to_the_guest_s_table_reaches_the_real_one_before_the_next_instruction() -> None:
    room = Room("mov dword [0x103c], 0x00cf9300 | 1 \n mov eax, 0x38 \n mov es, ax \n nop").units(1)
    assert room.reasons()[-1] is EntryReason.PAGE_FAULT_TRACE
    assert slot(room, 0x38).base == 0x1_0000
    entries = len(room.reasons())
    room.units(2)
    assert len(room.reasons()) == entries
    assert room.vm.vcpu.state().segs[0].base == 0x1_0000


def test_the_accessed_bit_lands_in_the_guest_s_own_table() -> None:
    room = Room("mov eax, 0x38 \n mov es, ax \n mov fs, ax \n nop").units(4)
    assert room.vm.memory.read(GDT + UNTOUCHED_DATA + 5, 1) & 1
    assert room.reasons().count(EntryReason.SEGMENT_LOAD) == 1
    assert room.vm.vcpu.state().segs[4] == flat_data(UNTOUCHED_DATA)


def test_user_code_is_present_only_while_a_program_runs() -> None:
    room = Room(
        "push dword 0x23 \n push dword 0x48000 \n push dword 2 \n push dword 0x1b \n push dword u \n iretd \n"
        "u: nop \n nop"
    ).units(5)
    assert not slot(room, USER_CODE).present
    room.units(1)
    assert room.reasons()[-1] is EntryReason.IRET
    assert room.vm.vcpu.state().cpl == 3
    assert slot(room, USER_CODE).present


def test_without_its_table_mapped_the_guest_goes_on_until_it_needs_it() -> None:
    room = Room("mov dword [0x3004], 0 \n invlpg [0x1000] \n mov eax, 0x10 \n nop \n mov es, ax")
    assert "triple fault" in room.finish()
    assert not slot(room, 0x10).present
    interpreted = room.events(InstructionInterpreted)
    assert {event.reason for event in interpreted} == {EntryReason.NOT_HOLDABLE}
    assert len(interpreted) == 3
    # Even the page fault's own gate needs a descriptor from there.
    assert room.vm.vcpu.state().cr2 == GDT + 0x08


def test_a_second_table_replaces_the_first() -> None:
    room = Room(
        "lgdt [r] \n mov eax, 0x10 \n mov es, ax \n nop \n align 8 \n"
        "g: dq 0, 0x00cf9b000000ffff, 0x00cf93123400ffff \n r: dw 23 \n dd g"
    ).units(3)
    assert slot(room, 0x10).base == 0x123400
    assert not slot(room, 0x20).present
    assert room.vm.vcpu.state().segs[0].base == 0x123400
    assert GDT >> 12 not in room.vm.memory.traced


def test_a_register_loaded_before_its_descriptor_changed_keeps_what_it_was_loaded_with() -> None:
    room = Room("mov dword [0x1010], 0x1000ffff \n mov dword [0x20000], 7 \n mov eax, [0x20000] \n mov eax, 0x10 \n"
                "mov ds, ax \n mov eax, [0x20000]").units(6)  # fmt: skip
    state = room.vm.vcpu.state()
    assert room.vm.memory.read(0x20000, 4) == 7
    assert state.segs[3].base == 0x1000
    assert state.regs[0] == room.vm.memory.read(0x21000, 4)
