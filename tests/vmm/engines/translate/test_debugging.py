"""A translated guest that debugs itself is stopped where bare metal stops it, and runs from the cache otherwise."""

from __future__ import annotations

import pytest

from tests.vmm.engines.translate.duet import Duet

LOOP = """
        mov     edi, {rounds}
again:  inc     eax
target: {instruction}
        inc     ebx
        mov     [0x20000], edi
        dec     edi
        jnz     again
        xor     eax, eax
        mov     dr7, eax
        mov     edi, 30
after:  inc     ebx
        dec     edi
        jnz     after
        hlt
"""
DEBUGGER = """
        push    eax
        mov     eax, dr6
        add     [0x20010], eax
        inc     dword [0x20014]
        xor     eax, eax
        mov     dr6, eax
        or      dword [esp + 12], 0x10000
        pop     eax
        iretd
"""
"""Adds up what DR6 says, counts, and returns with RF set, so that the instruction is executed."""
INSTRUCTIONS = ("nop", "cli", "pushfd \n popfd", "mov ecx, [gs:0x20000]", "mov eax, cr0", "call t \n t: pop eax")


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("where", ["target", "again", "0x20000"])
def test_a_breakpoint_of_a_kernel_s_breaks_each_time_and_no_more_when_it_is_off(where: str, instruction: str) -> None:
    kind = 0 if where != "0x20000" else 0xD
    arm = f"mov eax, {where} \n mov dr0, eax \n mov eax, {kind << 16 | 2} \n mov dr7, eax"
    duet = Duet(f"{arm} \n {LOOP.format(rounds=4, instruction=instruction)}")
    duet.put(0x50000, DEBUGGER)
    aim(duet)
    duet.to_the_end(400)
    assert duet.vm.memory.read(0x20014, 4) == 4
    assert duet.vm.translated > 60


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_single_steps_come_after_each_instruction_of_a_kernel_s(instruction: str) -> None:
    step = "push dword 0x102 \n popfd"
    duet = Duet(f"{step} \n {LOOP.format(rounds=2, instruction=instruction)}")
    duet.put(0x50000, DEBUGGER)
    aim(duet)
    duet.to_the_end(2_000)
    assert duet.vm.memory.read(0x20014, 4) > 100


def aim(duet: Duet) -> None:
    """Lead #DB to the debugger, which is too long for a handler's place."""
    duet.put(0x8010, "jmp 0x50000")
