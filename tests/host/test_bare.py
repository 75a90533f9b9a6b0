"""A guest on the bare machine: it goes on until it halts for good, and every end has one clear sentence."""

from __future__ import annotations

import pytest

from teachvm.host.bare import BareGuest
from teachvm.host.frames import OwnerKind
from teachvm.host.host import MOST_DELIVERIES, Host
from teachvm.host.stop import StopKind
from teachvm.machine.computer import LONGEST_REPEAT, Machine
from teachvm.trace.recorder import Recorder
from tests.vmm.room import CODE, MIB, Room, assembled, enter, furnish

TICKS = (
    "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
    "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n mov al, 0x34 \n out 0x43, al \n mov al, 200 \n out 0x40, al \n"
    "mov al, 0 \n out 0x40, al \n"
)


def bare(source: str, **how: bool) -> Host:
    recorder = Recorder()
    machine = Machine("host", MIB, recorder)
    host = Host(machine, recorder)
    BareGuest(host)
    furnish(machine.memory.write_bytes, source)
    enter(machine.cpu, **how)
    return host


def run(host: Host, turns: int = 5_000) -> str:
    for _ in range(turns):
        if host.stopped is not None:
            return host.stopped.text
        host.turn()
    raise AssertionError("the guest did not end")


def test_halting_with_interrupts_off_is_a_good_end() -> None:
    host = bare("mov eax, 5 \n hlt")
    assert run(host) == "host halted with interrupts off"
    assert host.stopped is not None
    assert host.stopped.kind is StopKind.ENDED_WELL
    assert host.clock.n == host.clock.cycles == 2
    assert host.machine.cpu.regs[0] == 5


def test_halting_with_no_device_running_is_a_good_end() -> None:
    assert run(bare("sti \n hlt")) == "host halted, and no device will ever interrupt it"


def test_an_idle_hop_is_a_unit_that_lasts_until_the_device_is_due() -> None:
    host = bare(TICKS + "sti \n hlt \n nop")
    while not host.machine.cpu.halted:
        host.turn()
    before = (host.clock.n, host.clock.cycles)
    due = host.machine.board.next_due()
    host.turn()
    host.turn()
    assert due is not None
    assert (host.clock.n, host.clock.cycles) == (before[0] + 1, due)


def test_a_triple_fault_is_a_failure_of_the_guest() -> None:
    host = bare("lidt [r] \n int 3 \n r: dw 0 \n dd 0")
    assert run(host).startswith("host: triple fault: #GP")
    assert host.stopped is not None
    assert host.stopped.kind is StopKind.GUEST_FAILURE


def test_a_guest_that_faults_for_ever_is_stopped() -> None:
    # Vector 6 leads to an undefined opcode: each delivery pushes a frame and faults again.
    host = bare("mov dword [0x8060], 0x0b0f \n ud2")
    text = f"host: the guest faults for ever, {MOST_DELIVERIES} times without completing an instruction"
    assert run(host) == text


def test_every_frame_belongs_to_the_bare_guest() -> None:
    host = bare("hlt")
    assert host.frames.free_count == 0
    assert host.frames.owner(7).kind is OwnerKind.HOST


def test_after_the_end_nothing_moves() -> None:
    host = bare("hlt")
    run(host)
    now = (host.clock.now, host.clock.cycles)
    host.turn()
    assert (host.clock.now, host.clock.cycles) == now


def test_two_tenants_cannot_have_one_name() -> None:
    room = Room("hlt")
    with pytest.raises(ValueError, match="two tenants of host are called 'alpha'"):
        room.add("alpha", "hlt")


def test_a_host_with_one_failed_tenant_has_failed() -> None:
    room = Room("hlt")
    room.add("beta", "lidt [r] \n int 3 \n r: dw 0 \n dd 0")
    text = room.finish()
    assert text.startswith("alpha halted with interrupts off; beta: triple fault")
    assert room.host.stopped is not None
    assert room.host.stopped.kind is StopKind.GUEST_FAILURE
    assert room.host.stopped.tenant == "host"


def test_a_repeated_string_over_all_of_memory_goes_on_in_bounded_units() -> None:
    host = bare("mov ecx, 0xffffffff \n mov edi, 0x200000 \n rep stosb", paging=False)
    for _ in range(4):
        host.turn()
    assert host.clock.n == 4
    assert host.clock.cycles == 2 + 2 * LONGEST_REPEAT
    assert host.machine.cpu.eip == CODE + 10


def test_code_starts_where_it_was_put() -> None:
    assert bare("nop").machine.memory.read_bytes(CODE, 1) == assembled("nop").data
