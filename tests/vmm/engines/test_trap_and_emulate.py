"""One trap from the fault to the resume, interrupts at the right instruction, and every end with a reason."""

from __future__ import annotations

import pytest

from teachvm.host.stop import StopKind
from teachvm.isa.flags import IF
from teachvm.machine.events import ExceptionRaised, HandlerEntered, WalkReferenced
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import (
    FaultClassified,
    FaultReflected,
    GuestResumed,
    InstructionDecoded,
    InstructionEmulated,
    InstructionInterpreted,
    InterruptInjected,
    ShadowFilled,
    VcpuBlocked,
    VmmEntered,
)
from teachvm.vmm.faults import FaultKind
from tests.vmm.room import CODE, MIB, Room, handler

PIC = (
    "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
    "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n"
)
ONE_SHOT = PIC + "mov al, 0x30 \n out 0x43, al \n mov al, {count} \n out 0x40, al \n mov al, 0 \n out 0x40, al \n"


def phases(room: Room, source_units: int) -> list[type[Event]]:
    """Kinds of the phases of the last unit, in order."""
    room.units(source_units - 1)
    start = room.clock.now
    room.units(1)
    return [type(event) for event in room.recorder.log.of(Event, start) if event.PHASE and event.at.n == start.n]


# ---- the phases of an entry ----------------------------------------------------------------------


def test_a_privileged_instruction_passes_through_six_phases_in_order() -> None:
    room = Room("nop \n cli \n nop")
    assert phases(room, 2) == [
        ExceptionRaised,
        HandlerEntered,
        VmmEntered,
        InstructionDecoded,
        InstructionEmulated,
        GuestResumed,
    ]


def test_a_hidden_fault_shows_the_vmm_s_walk_and_completes_nothing_by_itself() -> None:
    room = Room("nop \n mov [0x20000], eax")
    kinds = [kind for kind in phases(room, 2) if kind is not WalkReferenced]
    assert kinds == [ExceptionRaised, HandlerEntered, VmmEntered, FaultClassified, ShadowFilled, GuestResumed]
    walks = [event for event in room.events(WalkReferenced) if event.cpu == "alpha" and event.linear == 0x20000]
    assert [(event.level, event.entry_address) for event in walks] == [("pde", 0x2000), ("pte", 0x3080)]
    assert room.vm.direct == 2
    assert room.vm.emulated == 0


def test_the_cli_of_the_picture() -> None:
    room = Room("sti \n nop \n cli \n nop").units(3)
    raised, entered = room.events(ExceptionRaised)[-1], room.events(VmmEntered)[-1]
    assert (raised.vector, raised.error, raised.cpl, raised.eip) == (13, 0, 1, CODE + 2)
    assert (entered.reason, entered.cpl) == (EntryReason.CLI, 0)
    assert room.events(InstructionEmulated)[-1].changes == (("IF", 1, 0),)
    assert (room.events(GuestResumed)[-1].eip, room.events(GuestResumed)[-1].cpl) == (CODE + 3, 0)
    assert not room.vm.vcpu.state().eflags & IF
    assert room.machine.cpu.eflags & IF


def test_at_every_phase_of_a_trap_the_guest_is_before_its_instruction_or_after_it() -> None:
    room = Room("mov ebx, 7 \n push ebx \n cli \n mov [0x20000], ebx \n nop", eflags=0x202)
    timeline = Timeline(room)
    boundary = {}
    for n in range(5):
        timeline.seek(Moment(n))
        boundary[n] = room.vm.vcpu.state()
    timeline.seek(Moment(2))
    kinds = set()
    timeline.step()
    while timeline.position.n < 4:
        n, phase = timeline.position
        state = room.vm.vcpu.state()
        assert state == boundary[n] or (phase and state == boundary[n + 1]), timeline.position
        timeline.step()
        kinds |= {type(event) for event in room.recorder.log.of(Event, Moment(n, phase), Moment(n, phase + 1))}
    assert {HandlerEntered, VmmEntered, InstructionEmulated, GuestResumed} <= kinds


# ---- what is emulated and what is reflected ------------------------------------------------------


def test_the_guest_s_exception_arrives_at_its_own_handler_with_its_own_frame() -> None:
    room = Room("xor ecx, ecx \n div ecx", user=True, eflags=0x202).units(2)
    reflected = room.events(FaultReflected)[-1]
    assert (reflected.vector, reflected.error, reflected.eip) == (0, None, handler(0))
    memory = room.vm.memory
    frame = [memory.read(0x4_4000 - 20 + 4 * index, 4) for index in range(5)]
    assert frame[0] == CODE + 2
    assert frame[1] == 0x1B
    assert frame[2] & 0x200
    assert frame[4] == 0x23


def test_a_true_page_fault_has_the_guest_s_error_code_and_cr2() -> None:
    room = Room("mov [0x500004], eax").units(1)
    classified, reflected = room.events(FaultClassified)[-2], room.events(FaultReflected)[-1]
    assert (classified.kind, classified.guest_saw, classified.gpa) == (FaultKind.TRUE, True, None)
    assert (reflected.vector, reflected.error, reflected.cr2, reflected.eip) == (14, 2, 0x500004, handler(14))
    assert room.vm.vcpu.state().cr2 == 0x500004


def test_a_fault_during_delivery_becomes_the_guest_s_double_fault() -> None:
    room = Room("mov dword [0x6068], 0 \n mov dword [0x606c], 0 \n lldt [0x20000] \n nop")
    room.vm.memory.write(0x2_0000, 2, 0x99)
    room.units(3)
    assert room.events(FaultReflected)[-1].vector == 8
    assert room.events(FaultReflected)[-1].eip == handler(8)


def test_a_single_step_trap_is_the_guest_s() -> None:
    room = Room("push dword 0x102 \n push dword 8 \n push dword n \n iretd \n n: inc eax \n inc eax").units(5)
    assert room.vm.vcpu.state().regs[0] == 1
    room.units(1)
    assert room.events(FaultReflected)[-1].vector == 1
    assert room.vm.vcpu.state().dr[6] & 1 << 14
    assert not room.machine.cpu.dr[6] & 1 << 14


def test_int1_completes_and_reaches_the_guest_s_handler() -> None:
    room = Room("db 0xf1 \n nop").units(1)
    assert room.vm.vcpu.state().eip == handler(1)
    assert room.vm.time == 1


def test_a_repeated_string_of_outputs_is_one_entry() -> None:
    room = Room("mov edx, 0x3f8 \n mov esi, t \n mov ecx, 5 \n rep outsb \n nop \n t: db 'hello'").units(4)
    assert room.reasons().count(EntryReason.IN_OUT) == 1
    assert room.vm.board.console.text == b"hello"
    assert room.vm.time == 8


def test_the_guest_s_devices_are_not_the_host_s() -> None:
    room = Room("mov al, 0x55 \n out 0x21, al \n in al, 0x21 \n nop").units(3)
    assert room.vm.board.pic.master.imr == 0x55
    assert room.machine.board.pic.master.imr == 0xFE
    assert room.vm.vcpu.state().regs[0] & 0xFF == 0x55


def test_the_guest_reads_its_own_time() -> None:
    room = Room("mov ecx, 10 \n a: loop a \n rdtsc").units(12)
    assert room.vm.vcpu.state().regs[0] == 11
    assert room.clock.cycles > 4_000


def test_a_program_may_use_ports_its_kernel_gave_it() -> None:
    room = Room("in al, 0x61 \n in al, 0x62", user=True)
    room.vm.memory.write(0x5066, 2, 0x68)
    room.vm.vcpu.cpu.tr = room.vm.vcpu.cpu.tr.__class__(0x28, 0x5000, 0x67 + 0x20, room.vm.vcpu.cpu.tr.access)
    room.vm.memory.write_bytes(0x5068, b"\xff" * 12 + b"\xfd" + b"\xff" * 20)
    room.units(1)
    assert room.reasons()[-1] is EntryReason.IN_OUT
    assert room.vm.vcpu.state().eip == CODE + 2
    room.units(1)
    assert room.events(FaultReflected)[-1].vector == 13


# ---- silent: what no VMM can see -----------------------------------------------------------------


def test_popfd_leaves_the_virtual_if_as_it_was_and_enters_nobody() -> None:
    room = Room("sti \n nop \n pushfd \n cli \n popfd \n nop").units(4)
    entries = len(room.reasons())
    room.units(1)
    assert len(room.reasons()) == entries
    assert not room.vm.vcpu.state().eflags & IF


def test_a_deprivileged_kernel_sees_ring_1_in_cs() -> None:
    assert Room("mov eax, cs").units(1).vm.vcpu.state().regs[0] == 9


# ---- interrupts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_a_virtual_timer_interrupts_after_exactly_as_many_instructions_as_on_bare_metal(count: int) -> None:
    room = Room(ONE_SHOT.format(count=count) + "sti \n a: inc ebx \n jmp a").to_label("a")
    due = room.vm.board.next_due()
    assert due is not None
    while not room.events(InterruptInjected):
        room.unit()
    assert room.events(InterruptInjected)[0].vector == 0x20
    # The unit that was interrupted has completed the handler's HLT: all before it ran up to the due time exactly.
    assert room.vm.time == max(due, room.vm.time - 1) + 1
    assert room.vm.time - 1 == due


def test_each_tick_costs_one_physical_interrupt_however_many_traps_lie_between() -> None:
    source = PIC + (
        "mov dword [0x8200], 0x20e620b0 \n mov byte [0x8204], 0xcf \n mov al, 0x34 \n out 0x43, al \n mov al, 90 \n"
        "out 0x40, al \n mov al, 0 \n out 0x40, al \n sti \n a: mov ecx, 40 \n b: loop b \n mov edx, cr0 \n jmp a"
    )
    room = Room(source).to_label("a").units(12_000)
    injected = len(room.events(InterruptInjected))
    assert injected > 10
    assert abs(room.reasons().count(EntryReason.EXTERNAL_INTERRUPT) - injected) <= 1


def test_no_interrupt_comes_while_the_virtual_if_is_clear_though_the_real_one_is_set() -> None:
    room = Room(ONE_SHOT.format(count=3) + "a: inc ebx \n jmp a").to_label("a").units(200)
    assert not room.events(InterruptInjected)
    assert room.vm.board.pic.pending
    assert room.machine.cpu.eflags & IF
    assert EntryReason.EXTERNAL_INTERRUPT in room.reasons()


def test_a_pending_interrupt_is_injected_when_iret_sets_the_virtual_if() -> None:
    source = ONE_SHOT.format(count=2) + (
        "mov ecx, 100 \n a: loop a \n push dword 0x202 \n push dword 8 \n push dword n \n iretd \n n: inc ebx \n nop"
    )
    room = Room(source).to_label("a").units(100)
    assert not room.events(InterruptInjected)
    room.units(4)
    assert room.vm.vcpu.state().eip == room.assembly.symbols["n"]
    room.units(1)
    assert room.events(InterruptInjected)[0].eip == handler(0x20)
    assert room.vm.vcpu.state().regs[3] == 0


def test_a_halted_guest_blocks_until_its_device_is_due() -> None:
    room = Room(ONE_SHOT.format(count=200) + "sti \n hlt \n nop").to_label("start")
    while not room.events(VcpuBlocked):
        room.unit()
    blocked = room.events(VcpuBlocked)[0]
    due = room.vm.board.next_due()
    assert due is not None
    assert room.vm.time == due
    assert blocked.wake_at is not None
    assert room.clock.cycles >= blocked.wake_at
    room.unit()
    assert room.events(InterruptInjected)


def test_input_from_outside_wakes_a_halted_guest_before_its_timer() -> None:
    source = PIC + (
        "mov al, 0xee \n out 0x21, al \n mov edx, 0x3f9 \n mov al, 1 \n out dx, al \n mov edx, 0x3fc \n mov al, 8 \n"
        "out dx, al \n mov al, 0x30 \n out 0x43, al \n mov al, 0 \n out 0x40, al \n out 0x40, al \n sti \n hlt"
    )
    room = Room(source)
    while room.vm.wake_at is None:
        room.host.turn()
    slept, wake_at, due = room.vm.time, room.vm.wake_at, room.vm.board.next_due()
    assert due is not None
    room.clock.spend(1000)
    room.vm.board.console.receive(b"x")
    room.unit()
    assert room.clock.cycles < wake_at
    assert room.events(InterruptInjected)[0].vector == 0x24
    assert room.vm.time == slept + 1000 + 1 < due


# ---- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("hlt", StopKind.ENDED_WELL, "alpha halted with interrupts off"),
        ("sti \n hlt", StopKind.ENDED_WELL, "alpha halted, and no device will ever interrupt it"),
        ("lidt [0x20000] \n ud2", StopKind.GUEST_FAILURE, "alpha: triple fault: #GP(0x0043) while delivering #DF"),
        ("mov eax, 0x10 \n mov cr0, eax", StopKind.GUEST_FAILURE, "alpha: real-address mode is not modelled"),
        ("jmp 0x30:0", StopKind.GUEST_FAILURE, "alpha: hardware task switching is not modelled"),
        (
            "mov dword [0x8060], 0x0b0f \n ud2",
            StopKind.GUEST_FAILURE,
            "alpha: the guest faults for ever, 64 times without completing an instruction",
        ),
    ],
)
def test_every_end_has_one_clear_sentence(source: str, kind: StopKind, text: str) -> None:
    room = Room(source)
    assert room.finish().startswith(text)
    assert room.host.stopped is not None
    assert room.host.stopped.kind is kind
    assert room.machine.cpu.stopped is None


def test_an_idle_guest_with_all_lines_masked_does_not_count_as_faulting() -> None:
    source = PIC + "mov al, 0xff \n out 0x21, al \n mov al, 0x34 \n out 0x43, al \n mov al, 9 \n out 0x40, al \n"
    room = Room(source + "mov al, 0 \n out 0x40, al \n sti \n hlt").units(500)
    assert room.host.stopped is None


def test_code_at_the_top_of_memory_is_interpreted() -> None:
    room = Room("jmp 0xfffff000")
    memory = room.vm.memory
    memory.write(0x2FFC, 4, 0x5_0067)
    memory.write(0x5_0FFC, 4, 0x5_1067)
    memory.write_bytes(0x5_1000, b"\x43\x43\xf4")
    room.finish()
    assert room.vm.vcpu.state().regs[3] == 2
    assert {event.reason for event in room.events(InstructionInterpreted)} == {EntryReason.NOT_HOLDABLE}


def test_memory_beyond_the_guest_s_is_not_the_host_s() -> None:
    room = Room(f"mov dword [{2 * MIB}], 1 \n mov eax, [{2 * MIB}] \n nop", paging=False).units(2)
    assert room.vm.vcpu.state().regs[0] == 0xFFFF_FFFF
    assert room.machine.memory.read(2 * MIB, 4) == 0


def test_a_halt_that_the_guest_single_steps_ends_with_its_own_trap() -> None:
    room = Room("pushfd \n or dword [esp], 0x100 \n popfd \n hlt \n nop").units(4)
    room.host.turn()
    assert room.events(FaultReflected)[-1].vector == 1
    assert room.vm.vcpu.state().eip == handler(1)
    assert room.host.stopped is None
