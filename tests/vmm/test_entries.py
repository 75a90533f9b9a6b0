"""Reasons to enter the VMM: the table, each reason by name, and the ledger."""

from __future__ import annotations

import pytest

from teachvm.host.costs import COSTS
from teachvm.vmm.entries import EntryReason, Ledger
from teachvm.vmm.events import FaultReflected, InstructionDecoded, InstructionEmulated, InstructionInterpreted
from tests.vmm.room import HANDLERS, Room, handler

KERNEL = {
    "cli": ("cli", "cli"),
    "sti": ("sti", "sti"),
    "hlt": ("sti \n hlt", "hlt"),
    "read of cr0": ("mov eax, cr0", "mov-cr"),
    "load of cr3": ("mov eax, cr3 \n mov cr3, eax", "mov-cr"),
    "read of dr7": ("mov eax, dr7", "mov-dr"),
    "lgdt": ("lgdt [r] \n r: dw 0x47 \n dd 0x1000", "lgdt"),
    "lidt": ("lidt [r] \n r: dw 0x7ff \n dd 0x6000", "lidt"),
    "lldt": ("xor eax, eax \n lldt ax", "lldt"),
    "ltr": ("mov eax, 0x30 \n ltr ax", "ltr"),
    "lmsw": ("mov eax, 1 \n lmsw ax", "lmsw"),
    "clts": ("clts", "clts"),
    "invlpg": ("invlpg [0x9000]", "invlpg"),
    "wbinvd": ("wbinvd", "cache"),
    "rdtsc": ("rdtsc", "rdtsc"),
    "in": ("in al, 0x61", "in-out"),
    "rep outsb": ("mov ecx, 5 \n mov esi, start \n mov edx, 0xe9 \n rep outsb", "in-out"),
    "iret": ("push dword 2 \n push dword 8 \n push dword n \n iretd \n n: nop", "iret"),
    "far return": ("push dword 8 \n push dword n \n retf \n n: nop", "far-transfer"),
    "int n": ("int 0x42", "int-n"),
    "int3": ("int3", "int-n"),
    "into": ("mov al, 0x7f \n inc al \n into", "int-n"),
    "load of ss": ("mov eax, 0x10 \n mov ss, ax", "segment-load"),
    "first load of a descriptor": ("mov eax, 0x38 \n mov es, ax", "segment-load"),
    "top of memory": ("mov eax, [0xffc01000]", "segment-limit"),
    "hidden": ("mov [0x20000], eax", "page-fault-hidden"),
    "trace": ("mov dword [0x3400], 0", "page-fault-trace"),
    "true": ("mov eax, [0x500000]", "page-fault-true"),
    "divide error": ("xor ecx, ecx \n div ecx", "exception-reflected"),
    "undefined": ("ud2", "exception-reflected"),
}
"""What a guest kernel does, and the reason it must be entered for."""


@pytest.mark.parametrize(("source", "reason"), KERNEL.values(), ids=KERNEL)
def test_the_guest_kernel_is_left_for_a_reason_with_a_name(source: str, reason: str) -> None:
    room = Room(f"{source} \n nop").units(9)
    assert EntryReason(reason) in room.reasons()


def test_device_memory_is_a_reason_of_its_own() -> None:
    room = Room("mov eax, [0x200000]", paging=False).units(1)
    assert room.reasons()[-1] is EntryReason.PAGE_FAULT_MMIO
    assert room.vm.vcpu.state().regs[0] == 0xFFFF_FFFF


def test_the_first_write_to_a_page_that_was_read_is_a_dirty_fault() -> None:
    room = Room("mov dword [0x3080], 0x20027 \n invlpg [0x20000] \n mov eax, [0x20000] \n mov [0x20000], eax").units(4)
    assert room.reasons()[-2:] == [EntryReason.PAGE_FAULT_HIDDEN, EntryReason.PAGE_FAULT_DIRTY]
    assert room.vm.memory.read(0x3080, 4) == 0x20067


def test_a_program_s_privileged_instruction_is_its_own_exception() -> None:
    room = Room("cli", user=True).units(1)
    assert EntryReason.EXCEPTION_REFLECTED in room.reasons()
    assert room.events(FaultReflected)[0].eip == handler(13)


def test_a_program_s_system_call_is_emulated_through_the_guest_s_gate() -> None:
    room = Room("int 0x80", user=True).units(1)
    assert EntryReason.INT_N in room.reasons()
    changed = {name: new for name, _, new in room.events(InstructionEmulated)[0].changes}
    assert changed["CPL"] == 0
    assert changed["EIP"] == handler(0x80)


def test_a_waiting_interrupt_lets_the_instruction_after_sti_go_first() -> None:
    source = (
        "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
        "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n mov al, 0x30 \n out 0x43, al \n mov al, 2 \n out 0x40, al \n"
        "mov al, 0 \n out 0x40, al \n mov ecx, 50 \n w: loop w \n sti \n inc ebx \n inc ebx"
    )
    room = Room(source).to_label("w").units(53)
    interpreted = room.events(InstructionInterpreted)
    assert [event.reason for event in interpreted] == [EntryReason.INTERRUPT_WINDOW]
    assert interpreted[0].changes == (("EBX", 0, 1),)
    assert room.vm.vcpu.state().eip & ~15 == handler(0x20)


def test_state_without_a_deprivileged_equivalent_is_interpreted() -> None:
    room = Room("jmp 0x40:n \n n: nop \n nop \n jmp 0x08:m \n m: nop \n nop").units(6)
    assert [event.reason for event in room.events(InstructionInterpreted)] == [EntryReason.NOT_HOLDABLE] * 3
    assert room.vm.vcpu.in_guest


def test_every_reason_is_explained_priced_and_sourced() -> None:
    priced = {row.key for row in COSTS}
    for reason in EntryReason:
        assert reason.value == reason.value.lower().replace("_", "-")
        assert reason.label
        assert reason.explanation.endswith((".", "?"))
        assert reason.source
        assert reason.cost in priced


def test_the_ledger_keeps_count_sum_shortest_and_longest() -> None:
    ledger = Ledger()
    for cycles in (5, 3, 9):
        ledger.record(EntryReason.CLI, cycles)
    ledger.record(EntryReason.HLT, 1)
    first, second = ledger.rows()
    assert (first.reason, first.count, first.cycles, first.shortest, first.longest) == (EntryReason.CLI, 3, 17, 3, 9)
    assert first.average == pytest.approx(17 / 3)
    assert second.reason is EntryReason.HLT
    assert (ledger.total_count, ledger.total_cycles) == (4, 18)


def test_the_ledger_agrees_with_the_log() -> None:
    room = Room("mov ecx, 3 \n a: cli \n in al, 0x61 \n mov [0x20000], ecx \n loop a \n hlt")
    room.finish()
    counted = {reason: room.reasons().count(reason) for reason in set(room.reasons())}
    assert counted == room.vm.ledger.counts


def test_the_ledger_and_the_guest_s_own_instructions_add_up_to_all_cycles() -> None:
    room = Room("mov ecx, 30 \n a: cli \n mov [0x20000], ecx \n loop a \n hlt")
    room.finish()
    vm = room.vm
    assert room.clock.cycles == vm.ledger.total_cycles + vm.direct + vm.emulated


def test_the_vmm_decodes_the_bytes_at_the_guest_s_eip() -> None:
    room = Room("nop \n cli").units(2)
    decoded = room.events(InstructionDecoded)[-1]
    assert (decoded.bytes, decoded.text, decoded.eip) == (b"\xfa", "cli", 0x10001)
    assert decoded.eip > HANDLERS
