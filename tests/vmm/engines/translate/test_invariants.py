"""What every translator has to keep: one test, or one family of them, for each invariant.

The oracle is an interpreter over plain memory, compared after each guest instruction.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.flags import IF
from teachvm.isa.paging import PAGE_SIZE
from teachvm.machine.computer import TIMER_IRQ
from teachvm.machine.events import InterruptAccepted
from teachvm.vmm.engines.translate.fields import FIELDS_BASE
from teachvm.vmm.engines.translate.records import CallKind, FragmentState, Origin
from teachvm.vmm.engines.translate.store import CACHE_BASE, CACHE_END
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import CacheFlushed, InterruptInjected, UnitAdapted, UnitInvalidated
from teachvm.vmm.region import CACHE_CS, VMM_BASE
from teachvm.vmm.view import state_of
from tests.vmm.engines.translate.duet import Duet
from tests.vmm.reference import assert_same
from tests.vmm.room import GDT, IDT, TABLE, TSS

SEQUENCES = {
    "cli before an instruction that reads the flags": "cmp eax, 1 \n cli \n setz bl \n pushfd \n pop ecx",
    "cli before one that defines them": "stc \n cli \n mov ecx, 5 \n xor edx, edx \n adc edx, 0",
    "cli before one that can fault": "stc \n cli \n mov ecx, [0x300000] \n xor edx, edx",
    "cli with overflow set": "mov al, 0x7f \n inc al \n cli \n seto bl \n lahf",
    "sti and what follows": "stc \n sti \n setc bl \n pushfd \n pop eax \n sti \n cli",
    "pushfd": "mov eax, 0x12345678 \n mov ecx, 0x9abcdef0 \n stc \n pushfd \n pop edx \n cli \n pushfd \n pop ebx",
    "popfd of everything a kernel may set": "push dword 0x244ed7 & ~0x100 \n popfd \n pushfd \n pop eax",
    "popfd that raises IOPL": (
        "push dword 0x3202 \n popfd \n pushfd \n pop eax \n push dword 2 \n popfd \n pushfd \n pop ebx"
    ),
    "popfd that turns single-stepping on": "push dword 0x102 \n popfd \n nop \n nop",
    "the words of them": "pushfw \n pop ax \n push ax \n popfw \n pop bx",
    "the ring": (
        "mov eax, cs \n push cs \n pop ebx \n mov ecx, ss \n push ss \n pop edx \n mov si, cs \n mov [0x20000], cs"
    ),
    "the tables": "sgdt [0x20000] \n sidt [0x20008] \n sldt eax \n str ebx \n smsw ecx \n sldt [0x20010] \n smsw dx",
    "control registers": "mov eax, cr0 \n mov ebx, cr2 \n mov ecx, cr3 \n mov edx, cr4 \n mov cr3, ecx \n mov cr4, edx",
    "questions about descriptors": (
        "mov eax, 0x10 \n lar ebx, eax \n lsl ecx, eax \n verr ax \n setz dl \n verw ax \n setz dh"
    ),
    "segment loads": (
        "mov eax, 0x10 \n mov ds, eax \n mov es, ax \n mov fs, eax \n push ds \n pop es \n mov ecx, ds \n mov ss, ax"
    ),
    "selectors with an RPL": "mov eax, 0x11 \n mov ds, eax \n nop",
    "GS": (
        "mov eax, 0x10 \n mov gs, ax \n mov ecx, gs \n push gs \n pop ebx \n mov [gs:0x20000], eax \n "
        "mov edx, [gs:0x20000]"
    ),
    "reads through CS": "mov eax, [cs:0x10000] \n lea ebx, [gs:0x20] \n mov ecx, [ss:0x3fff0]",
    "calls and returns": (
        "call a \n call a \n stc \n call b \n hlt \n a: ret \n b: setc al \n push eax \n call a \n pop ebx \n ret"
    ),
    "computed targets": (
        "mov ecx, a \n jmp ecx \n hlt \n a: mov [0x20000], dword b \n call [0x20000] \n hlt \n "
        "b: push c \n ret \n c: nop"
    ),
    "calls through the stack": (
        "push a \n call [esp] \n hlt \n a: mov eax, esp \n mov esp, 0x3ff00 \n mov [esp], dword b \n "
        "call [esp] \n b: nop"
    ),
    "loops": "mov ecx, 5 \n a: dec eax \n loop a \n mov ecx, 3 \n b: test ecx, ecx \n loopne b \n jecxz c \n c: nop",
    "strings": (
        "cld \n mov ecx, 20 \n mov edi, 0x20000 \n mov esi, 0x10000 \n rep movsd \n std \n "
        "mov ecx, 3 \n rep stosb \n cld"
    ),
    "software interrupts": "int 0x42",
    "an interrupt return": (
        "pushfd \n push cs \n push a \n iretd \n a: nop \n push dword 0x202 \n push cs \n push b \n iretd \n b: nop"
    ),
    "to a program and back": (
        "push dword 0x23 \n push dword 0x48000 \n push dword 0x202 \n push dword 0x1b \n push a \n "
        "iretd \n a: inc eax \n int 0x80"
    ),
    "a program without interrupts": (
        "push dword 0x23 \n push dword 0x48000 \n push dword 2 \n push dword 0x1b \n push a \n iretd \n "
        "a: pushfd \n pop eax \n int 0x80"
    ),
    "far transfers": "jmp 8:a \n a: call 8:b \n hlt \n b: retf",
    "division by zero": "xor ecx, ecx \n div ecx",
    "no instruction": "ud2",
    "time": "rdtsc \n mov ebx, eax \n rdtsc \n cpuid",
    "ports": "mov al, 0x34 \n out 0x43, al \n in al, 0x61 \n mov edx, 0x3fd \n in al, dx",
    "the top of memory": "mov eax, [0xffc01000] \n mov [0xffc01000], eax",
}
"""Everything that is not just copied, and some that is."""


@pytest.mark.parametrize("flags", [2, 2 | IF], ids=["off", "on"])
@pytest.mark.parametrize("source", SEQUENCES.values(), ids=SEQUENCES)
def test_the_guest_s_state_is_right_after_each_instruction(source: str, flags: int) -> None:
    duet = Duet(f"{source} \n hlt \n", eflags=flags).to_the_end(300)
    assert duet.compared


# ---- 2: nothing of the VMM shows ---------------------------------------------------------------

LOOKS = {
    "through DS": "mov eax, [{address}]",
    "through CS": "mov eax, [cs:{address}]",
    "through SS": "mov eax, [ss:{address}]",
    "through GS": "mov eax, [gs:{address}]",
    "by loading its selector": f"mov eax, {CACHE_CS} \n mov ds, ax \n mov eax, [{{address}}]",
    "by a string": "mov esi, {address} \n lodsd",
    "by a jump": "mov eax, {address} \n jmp eax",
    "by a far jump": f"jmp {CACHE_CS}:{{address}}",
    "by popping": "mov esp, {address} \n pop eax",
    "by writing": "mov dword [{address}], 0xcccccccc",
}


@pytest.mark.parametrize("address", [CACHE_BASE + 32, FIELDS_BASE, VMM_BASE], ids=["cache", "fields", "GDT"])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_guest_kernel_cannot_read_write_or_enter_what_is_the_vmm_s(look: str, address: int) -> None:
    """It gets what bare metal gives it there: its own page, or a page fault; and the VMM's bytes stay as they are."""
    duet = Duet(f"nop \n nop \n {look.format(address=address)} \n nop \n hlt")
    duet.step()
    cache = duet.engine.cache
    before = cache.store.read(CACHE_BASE, 16)
    duet.to_the_end(40)
    assert cache.store.read(CACHE_BASE, 16) == before


@pytest.mark.parametrize("source", SEQUENCES.values(), ids=SEQUENCES)
def test_no_address_of_the_cache_is_ever_in_a_register_or_in_memory_of_the_guest(source: str) -> None:
    duet = Duet(f"{source} \n hlt \n", eflags=2 | IF)
    while not duet.over and duet.compared < 60:
        duet.step()
        state = duet.vm.vcpu.state()
        assert not any(CACHE_BASE <= value < CACHE_END for value in (*state.regs, state.eip))
    memory = duet.vm.memory
    words = (memory.read(address, 4) for address in range(0x3_0000, 0x4_9000, 4))
    assert not any(CACHE_BASE <= word < CACHE_END for word in words)


def test_what_a_kernel_reads_of_itself_is_what_it_set_up_and_not_the_real_machine() -> None:
    duet = Duet(
        "cli \n mov eax, cs \n mov ebx, ss \n pushfd \n pop ecx \n smsw edx \n sgdt [0x20000] \n str esi \n hlt",
        eflags=2 | IF,
    )
    duet.to_the_end()
    regs = duet.vm.vcpu.state().regs
    assert (regs[0], regs[3], regs[1] & IF) == (8, 0x10, 0)
    assert duet.vm.memory.read(0x20002, 4) == GDT
    assert duet.room.machine.cpu.gdtr.base == VMM_BASE


# ---- 3: faults inside replaced sequences are precise -------------------------------------------

UNMAP = f"mov eax, {TABLE} + 4 * 0x30 \n mov dword [eax], 0 \n invlpg [0x30000] \n"
"""Takes the page 0x30000 away from the guest's own tables."""
FAULTS = {
    "pushfd": "mov esp, 0x31000 \n mov eax, 1 \n mov ecx, 2 \n stc \n pushfd",
    "popfd": "mov esp, 0x30800 \n mov eax, 1 \n mov ecx, 2 \n stc \n popfd",
    "call": "mov esp, 0x31000 \n mov eax, 1 \n stc \n call a \n a: nop",
    "ret": "mov esp, 0x30800 \n mov eax, 1 \n mov ecx, 2 \n stc \n ret",
    "ret that releases": "mov esp, 0x30800 \n mov eax, 1 \n mov ecx, 2 \n stc \n ret 8",
    "jump through memory": "mov esp, 0x40000 \n mov eax, 0x30400 \n mov ecx, 2 \n jmp [eax + ecx * 2]",
    "call through memory that pushes": (
        "mov esp, 0x31000 \n mov dword [0x20000], a \n mov eax, 0x20000 \n call [eax] \n a: nop"
    ),
    "push of a selector": "mov esp, 0x31000 \n mov eax, 1 \n push cs",
    "copied": "mov esp, 0x40000 \n mov eax, [0x30400]",
    "through FS": "mov esp, 0x40000 \n mov eax, [gs:0x30400]",
    "a string through FS": "mov esp, 0x40000 \n mov esi, 0x2fff8 \n mov edi, 0x20000 \n mov ecx, 4 \n gs rep movsd",
    "jump through GS": "mov esp, 0x40000 \n mov eax, 1 \n mov ecx, 2 \n jmp [gs:0x30400]",
    "push of what GS reaches": "mov esp, 0x31000 \n push dword [gs:0x20000]",
}


@pytest.mark.parametrize("source", FAULTS.values(), ids=FAULTS)
def test_a_fault_inside_a_sequence_names_the_guest_s_instruction_and_finds_its_registers(source: str) -> None:
    handler = "mov ebx, cr2 \n mov edx, [esp] \n mov esi, [esp + 4] \n hlt"
    duet = Duet(UNMAP + source + "\n hlt", handlers={14: "mov esp, 0x44000 \n hlt", 8: handler}).to_the_end(200)
    assert EntryReason.PAGE_FAULT_TRUE in duet.vm.ledger.counts


# ---- 4: interrupts come at boundaries of the guest's -------------------------------------------

BUSY = """
        mov     esp, 0x40000
        mov     al, 0x11
        out     0x20, al
        mov     al, 0x20
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0
        out     0x21, al
        mov     al, 0x34
        out     0x43, al
        mov     al, {period}
        out     0x40, al
        mov     al, 0
        out     0x40, al
        mov     edi, 60
        sti
again:  pushfd
        call    leaf
        cli
        mov     ebx, 3
        xor     edx, edx
        popfd
        push    ds
        mov     eax, cs
        pop     ds
        mov     eax, leaf
        call    eax
        sti
        inc     edx
        add     [gs:0x20010], edi
        dec     edi
        jnz     again
        cli
        hlt
leaf:   stc
        pushfd
        popfd
        ret
"""
TICK = "push eax \n mov al, 0x20 \n out 0x20, al \n inc dword [0x20000] \n pop eax \n iretd"


@pytest.mark.parametrize("period", [40, 41, 43, 50, 61])
def test_interrupts_come_after_as_many_instructions_as_on_bare_metal(period: int) -> None:
    duet = Duet(BUSY.format(period=period), handlers={0x20: TICK}).to_the_end(3_000)
    assert duet.vm.memory.read(0x20000, 4) > 1


def test_a_physical_interrupt_in_every_possible_slot_of_the_cache_is_not_seen() -> None:
    """It stops translated code before each of its instructions, when that is executed first."""
    duet = Duet(BUSY.format(period=0).replace("mov     edi, 60", "mov     edi, 9"))
    unit, hardware, pic = duet.room.unit, duet.room.machine.cpu, duet.room.machine.board.pic
    stopped: dict[int, bool] = {}

    def interrupt_then_unit() -> bool:
        if duet.engine.in_cache and hardware.eip not in stopped:
            stopped[hardware.eip] = duet.engine.settled
            pic.set_line(TIMER_IRQ, False)
            pic.set_line(TIMER_IRQ, True)
        return unit()

    duet.room.unit = interrupt_then_unit  # type: ignore[method-assign]  # it is the room's only way to go on
    duet.to_the_end(600)
    accepted = {event.eip for event in duet.room.events(InterruptAccepted) if event.eip >= CACHE_BASE}
    assert accepted == set(stopped)
    assert list(stopped.values()).count(False) > 50


LISTENING = """
        mov     edx, 0x3fc
        mov     al, 0x0b
        out     dx, al
        mov     edx, 0x3f9
        mov     al, 1
        out     dx, al
"""
ECHO = "push eax \n push edx \n mov edx, 0x3f8 \n in al, dx \n mov [0x20008], al \n mov al, 0x20 \n out 0x20, al \n"
WITHIN = 40
"""Guest instructions after which a byte from outside is noticed: the loop calls the VMM that often."""


def test_an_interrupt_from_outside_in_every_slot_comes_soon_and_bare_metal_shows_the_same_there() -> None:
    """Bare metal replays the boundary at which the VMM delivered it."""
    source = BUSY.format(period=0).replace("sti\nagain:", f"{LISTENING}\n sti\nagain:  in al, 0x61\n", 1)
    for slot in range(0, 160, 9):
        duet = Duet(source, handlers={0x24: ECHO + "pop edx \n pop eax \n iretd"})
        delivered: list[int] = []
        duet.room.recorder.log.subscribe(InterruptInjected, lambda event, d=delivered, v=duet.vm: d.append(v.time))
        for _ in range(130 + slot):
            duet.room.unit()
        typed = duet.vm.time
        duet.vm.board.console.receive(b"x")
        while not (delivered and duet.vm.time > delivered[0] + 30 and duet.engine.settled):
            assert duet.room.unit()
        assert delivered[0] - typed <= WITHIN
        while duet.reference.time < duet.vm.time:
            if duet.reference.time == delivered[0]:
                duet.reference.board.console.receive(b"x")
            duet.reference.unit()
        assert_same(duet.vm, state_of(duet.reference.cpu))
        assert duet.vm.memory.read(0x20008, 1) == ord("x")


# ---- 5 and 7: written code is translated anew, and nothing leads to the old --------------------

MODIFYING = {
    "the next instruction": "mov byte [a + 1], 7 \n a: mov al, 5 \n hlt",
    "one earlier in the same unit": (
        "mov edi, 3 \n again: \n a: mov al, 5 \n add byte [a + 1], 1 \n dec edi \n jnz again \n hlt"
    ),
    "the rest of the running unit": "mov dword [a], 0x90909090 \n a: inc eax \n inc eax \n inc ebx \n inc ebx \n hlt",
    "a unit that is chained to": (
        "mov edi, 4 \n again: jmp a \n b: add byte [a + 1], 1 \n dec edi \n jnz again \n hlt \n "
        "align 16 \n a: mov al, 5 \n jmp b"
    ),
    "a subroutine that was returned from": (
        "mov edi, 4 \n again: call a \n add byte [a + 1], 1 \n dec edi \n jnz again \n hlt \n "
        "align 16 \n a: mov al, 5 \n ret"
    ),
    "a return site": (
        "mov edi, 4 \n again: call a \n b: mov al, 5 \n add byte [b + 1], 1 \n dec edi \n jnz again \n hlt \n a: ret"
    ),
    "by a repeated string": (
        "mov esi, new \n mov edi, a \n mov ecx, 4 \n rep movsb \n a: inc eax \n inc eax \n inc eax \n "
        "inc eax \n hlt \n new: db 0x43, 0x43, 0x43, 0x43"
    ),
    "through another mapping": (
        f"mov dword [{TABLE} + 4 * 0x50], 0x10067 \n mov byte [a + 0x40001], 7 \n a: mov al, 5 \n hlt"
    ),
    "replaced code": (
        "mov edi, 2 \n again: \n a: cli \n mov byte [a], 0xfb \n dec edi \n jnz again \n pushfd \n pop eax \n hlt"
    ),
}


@pytest.mark.parametrize("source", MODIFYING.values(), ids=MODIFYING)
def test_code_that_is_written_is_translated_anew_before_it_is_executed(source: str) -> None:
    duet = Duet(source).to_the_end(200)
    assert duet.room.events(UnitInvalidated)


def test_the_head_of_a_fragment_that_was_written_to_calls_the_translator_and_then_leads_on() -> None:
    duet = Duet(MODIFYING["a unit that is chained to"]).to_the_end(200)
    states = {each.state for each in duet.engine.cache.fragments.values()}
    assert FragmentState.FORWARDED in states
    for each in duet.engine.cache.fragments.values():
        if each.state is not FragmentState.VALID:
            assert each.code[0].origin in (Origin.CONTINUATION, Origin.CHAINED)
            assert duet.engine.cache.store.read(each.start, 5) == each.code[0].bytes


# ---- 6: a unit ends with its page --------------------------------------------------------------


def test_code_that_is_written_again_and_again_is_never_further_away_than_one_forwarding_jump() -> None:
    source = "mov ecx, 60 \n again: \n place: mov al, 0 \n inc byte [place + 1] \n add ebx, eax \n loop again \n hlt"
    duet, forwarded = Duet(source), 0
    for _ in range(30):
        duet.run(duet.compared + 7)
        for each in duet.engine.cache.fragments.values():
            if each.forward is not None:
                forwarded += 1
                assert duet.engine.cache.fragments[each.forward].valid
    assert forwarded
    duet.to_the_end()
    assert len(duet.room.events(UnitInvalidated)) >= 60
    assert duet.room.clock.n < 3_000


def test_code_runs_across_a_page_edge_wherever_the_edge_lies() -> None:
    body = (
        "inc eax \n mov ebx, 0x12345678 \n cli \n pushfd \n pop ecx \n add eax, 0x11111111 \n call a \n hlt \n a: ret"
    )
    for back in range(24):
        duet = Duet(f"jmp b \n times 0x1000 - 5 - {back} nop \n b: {body}").to_the_end(100)
        for each in duet.engine.cache.fragments.values():
            assert (each.eip & PAGE_SIZE - 1) + each.size <= PAGE_SIZE
            assert len(each.guest) <= 12


def test_code_at_an_address_that_is_mapped_elsewhere_is_not_the_old_one() -> None:
    """Two pages of code take turns at one address, with and without INVLPG, and by another directory."""
    source = f"""
        mov     edi, 6
again:  mov     eax, [{TABLE} + 4 * 0x60]
        xor     eax, 0x1000
        mov     [{TABLE} + 4 * 0x60], eax
        invlpg  [0x60000]
        call    0x60000
        dec     edi
        jnz     again
        hlt
    """
    duet = Duet(source)
    for number, code in enumerate(("inc ebx \n ret", "dec edx \n ret")):
        duet.put(0x60000 + number * 0x1000, code)
    duet.to_the_end(200)
    assert [event.cause for event in duet.room.events(UnitInvalidated)].count("remap") >= 3


@pytest.mark.parametrize("exit_number", [0, 1])
def test_code_that_calls_the_translator_may_be_mapped_elsewhere_before_it_is_answered(exit_number: int) -> None:
    duet = Duet(f"xor eax, eax \n {('jz', 'jnz')[exit_number]} on \n nop \n hlt \n on: nop \n hlt")
    duet.put(0x2_0000, "nop \n" * 16 + "hlt")
    while duet.engine.call is None or duet.engine.call.kind is not CallKind.TRANSLATE:
        duet.room.unit()
    duet.room.vm.memory.write_bytes(TABLE + 4 * 0x10, (0x2_0067).to_bytes(4, "little"))
    duet.room.unit()
    assert "halted" in duet.room.finish()
    assert duet.vm.vcpu.state().eip == 0x1_0011
    assert [each.cause for each in duet.room.events(UnitInvalidated)] == ["remap"]


def test_the_entry_of_a_page_of_code_gets_its_accessed_bit_back_after_the_kernel_has_cleared_it() -> None:
    """A kernel ages its pages, those of its own code included; another page of it is chained to."""
    source = f"""
        mov     edi, 3
again:  and     dword [{TABLE} + 4 * 0x60], ~0x20
        and     dword [{TABLE} + 4 * 0x10], ~0x20
        call    0x60000
        dec     edi
        jnz     again
        hlt
    """
    duet = Duet(source)
    duet.put(0x60000, "inc ebx \n ret")
    duet.to_the_end(100)
    assert duet.vm.memory.read(TABLE + 4 * 0x60, 4) & 0x20


# ---- 8: and derived state may go at any boundary -----------------------------------------------


@settings(max_examples=25)
@given(st.sampled_from(sorted(SEQUENCES)), st.lists(st.integers(0, 40), max_size=6))
def test_throwing_the_cache_away_between_any_two_instructions_of_it_changes_nothing(name: str, at: list[int]) -> None:
    duet = Duet(f"{SEQUENCES[name]} \n hlt \n", eflags=2 | IF)
    unit, moments = duet.room.unit, iter(range(10_000))

    def unit_or_drop() -> bool:
        if next(moments) in at:
            duet.vm.engine.drop_derived()
        return unit()

    duet.room.unit = unit_or_drop  # type: ignore[method-assign]  # it is the room's only way to go on
    duet.to_the_end(300)


def test_a_cache_that_is_full_is_emptied_and_fills_again() -> None:
    """Each pair of instructions takes a hundred bytes there."""
    duet = Duet("mov edi, 2 \n again: \n times 500 db 0x9c, 0x9d \n dec edi \n jnz again \n hlt").to_the_end(2_500)
    flushed = duet.room.events(CacheFlushed)
    assert {event.cause for event in flushed} == {"full"}
    assert duet.engine.cache.flushes >= 1


# ---- adapting ----------------------------------------------------------------------------------

TABLE_WRITES = f"""
        mov     edi, {{count}}
again:  mov     eax, [0x20000]
        mov     dword [{TABLE} + 4 * 0x70], 0x70067
        mov     ebx, [0x70000]
        dec     edi
        jnz     again
        hlt
"""


def test_an_instruction_that_keeps_faulting_becomes_a_call_and_its_unit_leads_there() -> None:
    duet = Duet(TABLE_WRITES.format(count=20)).to_the_end(500)
    (adapted,) = duet.room.events(UnitAdapted)
    assert adapted.simulated
    counts = duet.vm.ledger.counts
    assert counts[EntryReason.PAGE_FAULT_TRACE] == 3
    assert counts[EntryReason.SIMULATE] == 17
    old = duet.engine.cache.fragments[adapted.before]
    assert (old.state, old.forward) == (FragmentState.FORWARDED, adapted.fragment)


def test_it_is_copied_again_once_it_has_been_innocent_for_long() -> None:
    source = f"""
        mov     edi, 60
        mov     ebp, {TABLE} + 4 * 0x70
again:  mov     dword [ebp], 0x70067
        cmp     edi, 50
        jne     on
        mov     ebp, 0x20000
on:     dec     edi
        jnz     again
        hlt
    """
    duet = Duet(source).to_the_end(800)
    assert [event.simulated for event in duet.room.events(UnitAdapted)] == [True, False]
    assert duet.vm.ledger.counts[EntryReason.SIMULATE] < 30


def test_the_tables_the_processor_reads_are_watched_and_the_guest_sees_its_own() -> None:
    duet = Duet(
        f"mov dword [{TSS} + 8], 0x10 \n mov eax, [{IDT}] \n mov dword [{GDT} + 0x48], 0 \n mov ebx, [{GDT} + 8] \n hlt"
    )
    duet.to_the_end()
