"""The VMM's own part of a guest's address space, and that the hardware really goes through it."""

from __future__ import annotations

import struct

from teachvm.isa.decode import decode
from teachvm.isa.descriptors import Gate, Segment
from teachvm.isa.exceptions import VECTORS
from teachvm.isa.text import row_text
from teachvm.machine.events import HandlerEntered, InterruptReturned
from teachvm.trace.timeline import Timeline
from teachvm.vmm.region import (
    DIRECTORY_INDEX,
    ENTRY_BASE,
    FRAME_BASE,
    GDT_BASE,
    GUEST_SLOTS,
    IDT_BASE,
    RESUME,
    STACK_TOP,
    TSS_BASE,
    VMM_BASE,
    VMM_CS,
    VMM_SS,
    VMM_TR,
    stub,
    stub_code,
    unpack_frame,
)
from tests.vmm.room import CODE, KERNEL_STACK, Room


def read(room: Room, linear: int, size: int) -> bytes:
    """Linear memory through the tables the hardware uses, as the VMM in ring 0 would read it."""
    memory = room.machine.memory
    pde = memory.read(room.machine.cpu.cr3 + 4 * (linear >> 22), 4)
    pte = memory.read((pde & ~0xFFF) + 4 * (linear >> 12 & 0x3FF), 4)
    assert pde & 1
    assert pte & 1
    return memory.read_bytes(pte & ~0xFFF | linear & 0xFFF, size)


def test_the_region_is_the_last_four_megabytes_and_for_supervisors_only() -> None:
    room = Room("nop").units(1)
    memory, cr3 = room.machine.memory, room.machine.cpu.cr3
    assert VMM_BASE == DIRECTORY_INDEX << 22 == 0xFFC0_0000
    pde = memory.read(cr3 + 4 * DIRECTORY_INDEX, 4)
    assert pde & 5 == 1
    for index in range(1024):
        pte = memory.read((pde & ~0xFFF) + 4 * index, 4)
        assert bool(pte & 1) == (index < 5)
        assert not pte & 4


def test_all_gates_lead_to_ring_0_and_none_may_be_called_by_the_guest() -> None:
    room = Room("nop").units(1)
    for vector in range(256):
        gate = Gate.unpack(read(room, IDT_BASE + 8 * vector, 8))
        assert gate is not None
        assert (gate.selector, gate.offset, gate.dpl, gate.clears_if) == (VMM_CS, stub(vector), 0, True)


def test_the_vmm_s_own_descriptors_stand_behind_the_guest_s_slots() -> None:
    room = Room("nop").units(1)
    assert GUEST_SLOTS * 8 == VMM_CS
    for selector in (VMM_CS, VMM_SS, VMM_TR):
        segment = Segment.unpack(selector, read(room, GDT_BASE + selector, 8))
        assert segment.present
        assert segment.dpl == 0


def test_the_task_state_gives_the_vmm_s_stack_and_no_ports() -> None:
    room = Room("nop").units(1)
    state = read(room, TSS_BASE, 0x68)
    assert struct.unpack_from("<II", state, 4) == (STACK_TOP, VMM_SS)
    assert struct.unpack_from("<H", state, 0x66) == (0x68,)
    assert room.machine.cpu.tr.limit == 0x67


def test_an_entry_stub_drops_the_error_code_and_returns() -> None:
    for vector in range(256):
        code = stub_code(vector)
        info = VECTORS.get(vector)
        first = str(row_text(decode(code)))
        assert first == ("add esp, 4" if info is not None and info.has_error_code else "iretd")
    assert stub(1) - ENTRY_BASE == 8
    assert decode(stub_code(RESUME - ENTRY_BASE >> 3)).row.mnemonic == "IRETD"


def test_the_hardware_pushes_the_guest_s_frame_onto_the_vmm_s_stack() -> None:
    room = Room("nop \n cli").units(1)
    timeline = Timeline(room)
    timeline.run(2, stop_when=lambda event: isinstance(event, HandlerEntered) and event.vector == 13)
    entered = room.events(HandlerEntered)[-1]
    assert (entered.from_cpl, entered.to_cpl, entered.eip) == (1, 0, stub(13))
    assert room.machine.cpu.regs[4] == FRAME_BASE - 4
    eip, cs, eflags, esp, ss = unpack_frame(read(room, FRAME_BASE, 20))
    assert (eip, cs, esp, ss) == (CODE + 1, 0x09, KERNEL_STACK, 0x11)
    assert eflags & 0x3200 == 0x200


def test_the_guest_is_resumed_by_an_iret_of_ring_0() -> None:
    room = Room("cli \n nop").units(1)
    assert [(event.from_cpl, event.to_cpl) for event in room.events(InterruptReturned)][-1] == (0, 1)
