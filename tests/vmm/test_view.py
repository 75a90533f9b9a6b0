"""The guest's registers as the guest means them, while the hardware holds them one ring down."""

from __future__ import annotations

from types import SimpleNamespace

from teachvm.isa.descriptors import flat_code, flat_data
from teachvm.isa.flags import IF, IOPL_MASK
from teachvm.isa.operands import CS, DS, ESP, SS
from teachvm.vmm.region import VMM_BASE
from teachvm.vmm.view import guest_state, state_of
from tests.vmm.room import KERNEL_STACK, USER_CODE, USER_DATA, Room


def test_the_guest_sees_ring_0_while_the_hardware_is_in_ring_1() -> None:
    room = Room("nop \n nop", eflags=2 | IOPL_MASK).units(1)
    state, hardware = room.vm.vcpu.state(), room.machine.cpu
    assert (state.cpl, hardware.cpl) == (0, 1)
    assert state.segs[CS] == flat_code(0x08)
    assert hardware.segs[CS].selector == 0x09
    assert hardware.segs[CS].limit == VMM_BASE - 1
    assert state.segs[SS] == flat_data(0x10)
    assert state.eflags & (IF | IOPL_MASK) == IOPL_MASK
    assert hardware.eflags & (IF | IOPL_MASK) == IF
    assert state.cr3 == 0x2000
    assert hardware.cr3 != state.cr3
    assert state.gdtr.base == 0x1000
    assert hardware.gdtr.base == VMM_BASE


def test_a_program_sees_ring_3_in_both() -> None:
    room = Room("nop \n nop", user=True).units(1)
    state, hardware = room.vm.vcpu.state(), room.machine.cpu
    assert state.cpl == hardware.cpl == 3
    assert state.segs[CS] == flat_code(USER_CODE, 3)
    assert hardware.segs[DS].selector == USER_DATA


def test_a_register_the_guest_loads_directly_is_read_from_its_own_table() -> None:
    room = Room("mov eax, 0x23 \n mov ds, ax \n xor eax, eax \n mov es, ax \n nop").units(5)
    assert room.vm.emulated == 0
    state = room.vm.vcpu.state()
    assert state.segs[DS] == flat_data(0x23, 3)
    assert not state.segs[0].present


def test_a_captured_state_shows_the_same_as_the_living_one() -> None:
    room = Room("push eax \n nop").units(2)
    captured = {
        path: SimpleNamespace(**{name: getattr(thing, name) for name in thing.STATE})
        for path, thing in room.registry.items()
    }
    seen = guest_state(
        captured["alpha.vcpu"],
        captured["alpha.held"],
        captured["alpha.gdt"].copy,
        captured["host.cpu0"],
        room.vm.region.frame(),
    )
    assert seen == room.vm.vcpu.state()
    assert seen.regs[ESP] == KERNEL_STACK - 4


def test_bare_metal_has_one_view_only() -> None:
    room = Room("nop")
    assert state_of(room.vm.vcpu.cpu) == room.vm.vcpu.state()
