"""When a program runs directly, what it can see then of the real machine, and that a kernel sees none of it."""

from __future__ import annotations

import pytest

from teachvm.isa.descriptors import LDT, Segment, access_word
from teachvm.isa.flags import IF
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.techniques import Technique
from tests.vmm.engines.translate.duet import Duet
from tests.vmm.reference import Reference
from tests.vmm.room import GDT, MIB, Room, enter, furnish

LEAKS = {
    "sgdt": "sgdt [0x20000]",
    "sidt": "sidt [0x20000]",
    "sldt": "sldt eax",
    "str": "str eax",
    "smsw": "smsw eax",
    "lar of code that anybody may run": "mov eax, 0x40 \n lar ebx, eax",
    "lsl of data": "mov eax, 0x23 \n lsl ebx, eax",
}
"""What shows the real machine to a program that runs directly: the list of Bugnion's decision, measured here."""
SAME = {
    "pushfd": "pushfd \n pop eax",
    "popfd": "push dword 0x3ed7 & ~0x100 \n popfd \n pushfd \n pop eax",
    "the ring": "mov eax, cs \n mov ebx, ss \n push cs \n pop ecx",
    "cpuid": "xor eax, eax \n cpuid",
    "verr and verw": "mov eax, 0x23 \n verr ax \n setz bl \n verw ax \n setz bh",
    "lar of its own segments": "mov eax, 0x1b \n lar ebx, eax",
}
"""What does not: IF and IOPL are equal to the hardware's, or the program would not run directly."""


def differs(source: str, *, user: bool) -> bool:
    """Whether a guest ends with other registers or other memory than on bare metal."""
    room = Room(f"{source} \n n: jmp n", user=user, eflags=2 | IF, technique=Technique.BINARY_TRANSLATION)
    reference = Reference(MIB, reveals=None)
    furnish(reference.ram_of_guest.write_bytes, f"{source} \n n: jmp n")
    enter(reference.cpu, user=user, eflags=2 | IF)
    for cpu in (room.vm.vcpu.cpu, reference.cpu):
        cpu.ldtr = Segment(0x48, GDT, 0x1F, access_word(type_=LDT, s=False, big=False, granular=False))
    end = room.assembly.symbols["n"]
    room.to_label("n")
    while reference.cpu.eip != end:
        reference.unit()
    same = room.vm.vcpu.state().regs == tuple(reference.cpu.regs)
    return not same or room.vm.memory.read_bytes(0x20000, 16) != reference.read_bytes(0x20000, 16)


@pytest.mark.parametrize("source", LEAKS.values(), ids=LEAKS)
def test_a_program_that_asks_sees_the_real_machine_and_a_kernel_does_not(source: str) -> None:
    assert differs(source, user=True)
    assert not differs(source, user=False)


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_nothing_else_is_different_in_a_program_or_in_a_kernel(source: str) -> None:
    assert not differs(source, user=True)
    assert not differs(source, user=False)


PROGRAM = "nop \n inc eax \n inc eax \n n: jmp n"


def reasons(*, eflags: int) -> set[EntryReason]:
    room = Room(PROGRAM, user=True, eflags=eflags, technique=Technique.BINARY_TRANSLATION).units(8)
    assert room.vm.vcpu.state().regs[0] == 2
    return set(room.vm.ledger.counts)


def test_a_program_runs_directly_in_ring_3() -> None:
    room = Room(PROGRAM, user=True, eflags=2 | IF, technique=Technique.BINARY_TRANSLATION).units(8)
    assert room.machine.cpu.cpl == 3
    assert room.vm.direct == 8
    assert room.vm.translated == 0


@pytest.mark.parametrize("eflags", [2, 2 | IF | 0x3000], ids=["interrupts off", "IOPL 3"])
def test_a_program_that_could_see_or_change_the_real_if_does_not_run_directly(eflags: int) -> None:
    assert EntryReason.NOT_DIRECT in reasons(eflags=eflags)
    assert EntryReason.NOT_DIRECT not in reasons(eflags=2 | IF)


def test_a_program_that_may_turn_interrupts_off_does_so_and_sees_it() -> None:
    assert not differs("cli \n pushfd \n pop eax \n sti \n pushfd \n pop ebx", user=False)
    room = Room(
        "cli \n pushfd \n pop eax \n n: jmp n", user=True, eflags=0x3202, technique=Technique.BINARY_TRANSLATION
    )
    assert not room.to_label("n").vm.vcpu.state().regs[0] & IF


def test_kernel_code_runs_in_ring_1_from_the_cache_with_interrupts_really_on() -> None:
    duet = Duet("cli \n nop \n nop \n nop \n hlt")
    duet.step()
    duet.step()
    hardware = duet.room.machine.cpu
    assert duet.engine.in_cache
    assert hardware.cpl == 1
    assert hardware.eflags & IF
    assert not duet.vm.vcpu.state().eflags & IF


def test_a_segment_whose_descriptor_changed_since_it_was_loaded_still_works() -> None:
    """Nonreversible: the hidden part is no longer what the table says, in a kernel and in the program it returns to."""
    source = """
        mov     eax, 0x10
        mov     es, ax
        mov     dword [0x1014], 0x00cf9200
        mov     dword [0x1010], 0x00000fff
        mov     [es:0x20000], eax
        mov     ebx, [es:0x20000]
        mov     ecx, es
        hlt
    """
    Duet(source).to_the_end()
