"""The worked examples of the papers: their units, what is translated, executed and chained."""

from __future__ import annotations

from itertools import pairwise

from teachvm.isa.flags import IF
from teachvm.vmm.engines.translate.records import ExitState, Fragment, Origin
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import UnitTranslated
from teachvm.vmm.techniques import Technique
from tests.vmm.engines.translate.duet import Duet
from tests.vmm.room import Room

IS_PRIME = """
        mov     edi, {number}
        call    is_prime
        hlt
        align   16, db 0x90
is_prime:
        mov     ecx, edi
        mov     esi, 2
        cmp     esi, ecx
        jge     prime
nexti:  mov     eax, ecx
        cdq
        idiv    esi
        test    edx, edx
        jz      not_prime
third:  inc     esi
        cmp     esi, ecx
        jl      nexti
prime:  mov     eax, 1
        ret
not_prime:
        xor     eax, eax
        ret
end:
"""
"""Adams & Agesen, ASPLOS 2006, §3.2, assembled for 32 bits."""

SP_LOCK_IRQ = """
        mov     eax, 0x20000
        call    acquire
back:   hlt
acquire:
        push    ebx
        mov     edx, eax
        cli
        mov     ecx, 1
        xor     ebx, ebx
        jmp     do_test
spin:   sti
        db      0xf3, 0x90              ; pause
        cli
do_test:
        mov     eax, ebx
        lock cmpxchg [edx], ecx
        test    eax, eax
        jnz     spin
rest:   pop     ebx
        ret
"""
"""Agesen et al., OSR 44(4) 2010, §3.1."""


def is_prime(number: int) -> Duet:
    return Duet(IS_PRIME.format(number=number)).to_the_end(2_000)


def units(duet: Duet) -> list[Fragment]:
    first, last = duet.label("is_prime"), duet.label("end")
    return [each for each in duet.engine.cache.fragments.values() if first <= each.eip < last]


def executed(duet: Duet) -> list[int]:
    return [duet.engine.cache.executed[unit.start] for unit in units(duet)]


def instructions(duet: Duet) -> int:
    return sum(len(unit.guest) * count for unit, count in zip(units(duet), executed(duet), strict=True))


def test_is_prime_of_49_needs_four_units_of_which_51_instructions_are_executed() -> None:
    duet = is_prime(49)
    assert [len(unit.guest) for unit in units(duet)] == [4, 5, 3, 2]
    assert sum(len(unit.guest) for unit in units(duet)) == 14
    assert executed(duet) == [1, 6, 5, 1]
    assert instructions(duet) == 51
    assert duet.vm.vcpu.state().regs[0] == 0
    first = duet.label("is_prime")
    translated = [event for event in duet.room.events(UnitTranslated) if event.eip >= first]
    assert len(translated) == 4


def test_of_its_six_continuations_two_remain_two_vanish_and_two_become_jumps() -> None:
    """The paper's prose counts one jump, `nexti`; its own listing shows `notPrime` bound as well."""
    exits = [leaving for unit in units(is_prime(49)) for leaving in unit.exits]
    states = [leaving.state for leaving in exits]
    assert len(states) == 6
    assert [states.count(state) for state in ExitState] == [2, 2, 2]
    remaining = {leaving.target for leaving in exits if leaving.state is ExitState.CONTINUATION}
    assert remaining == {is_prime(49).label("prime")}


def test_other_arguments_execute_as_many_instructions_as_arithmetic_says() -> None:
    assert [instructions(is_prime(number)) for number in (2, 47, 97)] == [6, 366, 766]


def test_after_warming_up_a_loop_runs_without_the_vmm() -> None:
    duet = is_prime(97)
    assert duet.vm.ledger.counts[EntryReason.TRANSLATE] <= 10
    assert sum(duet.vm.ledger.counts.values()) <= 16


def test_the_interrupt_safe_lock_is_units_of_six_and_four_instructions_in_a_straight_line() -> None:
    """Four fragments follow each other: the lock's three, and the caller's rest behind the return."""
    duet = Duet(SP_LOCK_IRQ, eflags=2 | IF).to_the_end()
    line = [duet.unit_at(label) for label in ("acquire", "do_test", "rest", "back")]
    assert [len(unit.guest) for unit in line] == [6, 4, 2, 1]
    for unit, following in pairwise(line):
        assert unit.end == following.start
    assert duet.engine.cache.find(duet.label("spin")) is None
    taken, _ = line[1].exits
    assert (taken.target, taken.state) == (duet.label("spin"), ExitState.CONTINUATION)


def test_its_first_unit_is_copied_but_for_cli_and_the_jump_which_vanishes() -> None:
    duet = Duet(SP_LOCK_IRQ, eflags=2 | IF).to_the_end()
    lock = duet.unit_at("acquire")
    kinds = [insn.origin for insn in lock.guest]
    copied = Origin.COPIED
    assert kinds == [copied, copied, Origin.REPLACED, copied, copied, Origin.CHAINED]
    assert [insn.elided for insn in lock.guest] == [False] * 5 + [True]
    assert [insn.bytes for insn in lock.guest[:2]] == [insn.bytes for insn in lock.code[:2]]
    clear = next(insn for insn in lock.code if insn.origin is Origin.REPLACED)
    assert clear.bytes == bytes.fromhex("65802501000000fd")  # and byte [gs:flags + 1], 0xfd


def test_its_cli_does_not_fault_and_leaves_the_real_interrupt_flag_on() -> None:
    duet = Duet(SP_LOCK_IRQ, eflags=2 | IF)
    while not duet.over and duet.reference.cpu.eip != duet.label("do_test"):
        duet.step()
    assert EntryReason.CLI not in duet.vm.ledger.counts
    assert not duet.vm.vcpu.state().eflags & IF
    assert duet.room.machine.cpu.eflags & IF or not duet.engine.in_cache


def cycles_of(instruction: str, technique: Technique) -> float:
    """Host cycles an instruction of a kernel takes in a warm loop, beyond those of the loop."""

    def loop(body: str) -> int:
        room = Room(f"mov ebx, 60 \n again: {body} \n dec ebx \n jnz again \n n: jmp n", technique=technique)
        vm = room.vm
        while vm.vcpu.state().regs[3] != 50:
            room.unit()
        start = room.clock.cycles
        while vm.vcpu.state().regs[3] != 10:
            room.unit()
        return room.clock.cycles - start

    return (loop(instruction) - loop("nop")) / 40 + 1


def test_in_the_cache_costs_far_less_than_a_callout_and_a_callout_less_than_a_trap() -> None:
    translate, trap = Technique.BINARY_TRANSLATION, Technique.TRAP_AND_EMULATE
    assert cycles_of("cli", translate) < 10
    assert cycles_of("cli", trap) > 1_000
    called, trapped = cycles_of("rdtsc", translate), cycles_of("rdtsc", trap)
    assert 100 * cycles_of("cli", translate) < called < trapped
    assert cycles_of("pushfd \n popfd", translate) < 50


def test_a_table_write_costs_less_once_it_is_adapted_than_its_trap() -> None:
    store = "mov dword [0x31c0], 0x70067"
    adapted, trapped = cycles_of(store, Technique.BINARY_TRANSLATION), cycles_of(store, Technique.TRAP_AND_EMULATE)
    assert 10 < adapted < trapped / 4


def test_a_call_and_return_cost_a_few_instructions_more_than_on_bare_metal() -> None:
    assert 2 < cycles_of("call leaf \n jmp on \n leaf: ret \n on: nop", Technique.BINARY_TRANSLATION) < 60


def test_a_program_that_only_computes_costs_nothing_between_interrupts() -> None:
    room = Room("n: inc eax \n jmp n", user=True, eflags=2 | IF, technique=Technique.BINARY_TRANSLATION).units(100)
    start, entered = room.clock.cycles, room.vm.ledger.total_count
    room.units(5_000)
    assert room.clock.cycles - start == 5_000
    assert room.vm.ledger.total_count == entered
