"""When a program runs directly, what it can see then of the real machine, and that a kernel sees none of it."""

from __future__ import annotations

import pytest

from teachvm.isa.descriptors import LDT, Segment, access_word
from teachvm.isa.flags import IF, IOPL_MASK, STATUS
from teachvm.trace.timeline import Timeline
from teachvm.vmm.engines.translate.engine import BinaryTranslation
from teachvm.vmm.engines.translate.fields import FIELDS_BASE
from teachvm.vmm.engines.translate.store import CACHE_BASE
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import CacheFlushed
from teachvm.vmm.region import CACHE_CS, CALLOUT_VECTOR, VMM_BASE
from teachvm.vmm.techniques import Technique
from tests.vmm.engines.translate.duet import Duet
from tests.vmm.engines.translate.test_invariants import BUSY, LOOKS, MODIFYING, SEQUENCES, TICK
from tests.vmm.reference import Reference
from tests.vmm.room import GDT, MIB, TABLE, Room, enter, furnish

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


def test_a_program_runs_directly_in_ring_3() -> None:
    room = Room(PROGRAM, user=True, eflags=2 | IF, technique=Technique.BINARY_TRANSLATION).units(8)
    assert room.machine.cpu.cpl == 3
    assert room.vm.direct == 8
    assert room.vm.translated == 0


TRANSLATED = {"interrupts off": 2, "IOPL 3": 2 | IF | IOPL_MASK, "both": 2 | IOPL_MASK}
"""EFLAGS of programs that could see or change the real IF."""


@pytest.mark.parametrize("eflags", TRANSLATED.values(), ids=TRANSLATED)
def test_a_program_that_could_see_or_change_the_real_if_is_translated_for_ring_3(eflags: int) -> None:
    room = Room(PROGRAM, user=True, eflags=eflags, technique=Technique.BINARY_TRANSLATION).units(40)
    hardware, engine = room.machine.cpu, room.vm.engine
    assert isinstance(engine, BinaryTranslation)
    assert (engine.in_cache, hardware.cpl, room.vm.vcpu.state().regs[0]) == (True, 3, 2)
    assert hardware.eflags & (IF | IOPL_MASK) == IF
    assert room.vm.vcpu.state().eflags == eflags | room.vm.vcpu.state().eflags & STATUS
    assert (room.vm.direct, room.vm.emulated) == (0, 0)
    assert room.vm.translated > 20


@pytest.mark.parametrize("eflags", TRANSLATED.values(), ids=TRANSLATED)
@pytest.mark.parametrize("source", SEQUENCES.values(), ids=SEQUENCES)
def test_translated_programs_see_after_each_instruction_what_bare_metal_shows(source: str, eflags: int) -> None:
    duet = Duet(f"{source} \n int 0x80", user=True, eflags=eflags).to_the_end(300)
    assert duet.compared


@pytest.mark.parametrize("source", [*LEAKS.values(), *SAME.values()], ids=[*LEAKS, *SAME])
def test_a_program_that_is_translated_is_not_shown_the_real_machine(source: str) -> None:
    for eflags in TRANSLATED.values():
        Duet(f"{source} \n int 0x80", user=True, eflags=eflags).to_the_end(60)


@pytest.mark.parametrize("address", [CACHE_BASE + 32, FIELDS_BASE, VMM_BASE], ids=["cache", "fields", "GDT"])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_program_reads_writes_or_enters_what_is_the_vmm_s(look: str, address: int) -> None:
    """Though the pages of the cache are open to ring 3: its segments end below them."""
    for eflags in (2 | IF, *TRANSLATED.values()):
        source = f"int 0x80 \n nop \n {look.format(address=address)} \n nop \n hlt"
        duet = Duet(source, user=True, eflags=eflags, handlers={0x80: "iretd"})
        before = duet.engine.cache.store.read(CACHE_BASE, 16)
        duet.to_the_end(40)
        assert duet.engine.cache.store.read(CACHE_BASE, 16) == before


@pytest.mark.parametrize("how", [f"int {CALLOUT_VECTOR}", f"jmp {CACHE_CS | 3}:{CACHE_BASE}", f"call {CACHE_CS}:0"])
def test_a_program_that_runs_directly_cannot_enter_the_cache_that_another_was_run_from(how: str) -> None:
    """The second was translated before; its kernel lets it go on with interrupts on."""
    source = f"nop \n inc eax \n int 0x80 \n inc ebx \n {how} \n hlt"
    duet = Duet(source, user=True, handlers={0x80: "or dword [esp + 8], 0x200 \n iretd"}).to_the_end(60)
    assert duet.vm.direct
    assert duet.vm.translated


def test_a_program_one_of_whose_segments_is_nonreversible_is_translated() -> None:
    """Its kernel changed the descriptor after it was loaded: the real one cannot give back what the register holds."""
    source = """
        mov     eax, 0x23
        mov     es, ax
        int     0x80
        mov     ebx, [es:0x20000]
        mov     ecx, es
        mov     edx, 0x12345678
        hlt
    """
    change = f"mov byte [{GDT + 0x22}], 1 \n iretd"
    duet = Duet(source, user=True, eflags=2 | IF, handlers={0x80: change})
    duet.to_the_end(60)
    assert duet.vm.direct
    assert duet.vm.translated >= 3


def test_a_program_and_its_kernel_are_kept_apart_in_the_cache_and_chained_on_both_sides() -> None:
    """Neither throws the other's units away, and returns find those of their own."""
    source = """
        mov     edi, 40
again:  call    leaf
        int     0x80
        dec     edi
        jnz     again
        hlt
leaf:   inc     eax
        ret
    """
    duet = Duet(source, user=True, eflags=2, handlers={0x80: "call a \n iretd \n a: inc ebx \n ret"}).to_the_end(600)
    counts = duet.vm.ledger.counts
    assert counts[EntryReason.TRANSLATE] < 20
    assert counts[EntryReason.LOOKUP] <= 4
    assert not duet.room.events(CacheFlushed)
    assert {each.mode for each in duet.engine.cache.fragments.values()} == {0, 1}


ROUND_AND_ROUND = """
        mov     edi, 900
again:  call    leaf
        mov     ebx, [gs:0x20000]
        pushfd
        popfd
        add     [gs:0x20004], edi
        mov     ecx, [cs:again]
        dec     edi
        jnz     again
n:      jmp     n
leaf:   inc     eax
        stc
        ret
"""


@pytest.mark.parametrize("user", [False, True], ids=["kernel", "program"])
@pytest.mark.parametrize("eflags", TRANSLATED.values(), ids=TRANSLATED)
def test_what_is_translated_comes_to_the_same_in_one_go_and_one_by_one(eflags: int, user: bool) -> None:
    whole, single = (
        Room(ROUND_AND_ROUND, user=user, eflags=eflags, technique=Technique.BINARY_TRANSLATION) for _ in range(2)
    )
    at_once = Timeline(whole)
    at_once.run(4_000)
    single.units(4_000)
    assert at_once.digest() == Timeline(single).digest()
    assert whole.vm.translated > 800


FAULTS = {
    "pushfd": "mov esp, 0x300800 \n mov eax, 1 \n mov ecx, 2 \n stc \n pushfd",
    "popfd": "mov esp, 0x300800 \n mov eax, 1 \n mov ecx, 2 \n stc \n popfd",
    "call": "mov esp, 0x300800 \n mov eax, 1 \n call a \n a: nop",
    "ret": "mov esp, 0x300800 \n mov eax, 1 \n mov ecx, 2 \n ret",
    "jump through memory": "mov eax, 0x300400 \n mov ecx, 2 \n jmp [eax + ecx * 2]",
    "through FS": "mov eax, 1 \n mov ebx, [gs:0x300400]",
    "a page of the kernel's": f"mov eax, [{TABLE}]",
    "a page to be read only": f"mov [{TABLE} + 0x2000], eax",
}


@pytest.mark.parametrize("source", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_a_translated_program_is_precise_and_that_of_a_program(source: str) -> None:
    tables = (
        f"and dword [{TABLE} + 12], ~4 \n and dword [{TABLE} + 20], ~2 \n invlpg [0x3000] \n invlpg [0x5000] \n iretd"
    )
    duet = Duet(f"int 0x80 \n {source} \n nop", user=True, handlers={0x80: tables, 14: "mov ebx, cr2 \n hlt"})
    duet.to_the_end(60)
    assert EntryReason.PAGE_FAULT_TRUE in duet.vm.ledger.counts


def test_a_translated_program_whose_page_becomes_the_kernel_s_is_fetched_no_more() -> None:
    away = f"and dword [{TABLE} + 0x40], ~4 \n invlpg [0x10000] \n iretd"
    duet = Duet("inc eax \n int 0x80 \n inc ebx \n hlt", user=True, handlers={0x80: away, 14: "mov ebx, cr2 \n hlt"})
    duet.to_the_end(60)
    assert duet.vm.vcpu.state().regs[3] == duet.label("start") + 3


@pytest.mark.parametrize("source", MODIFYING.values(), ids=MODIFYING)
def test_a_translated_program_that_writes_its_own_code_executes_what_it_wrote(source: str) -> None:
    Duet(source, user=True).to_the_end(200)


@pytest.mark.parametrize("period", [40, 43, 61])
def test_interrupts_of_a_translated_program_come_after_as_many_instructions_as_on_bare_metal(period: int) -> None:
    duet = Duet(BUSY.format(period=period), user=True, eflags=2 | IOPL_MASK, handlers={0x20: TICK}).to_the_end(3_000)
    assert duet.vm.memory.read(0x20000, 4) > 1
    assert not duet.vm.direct


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
