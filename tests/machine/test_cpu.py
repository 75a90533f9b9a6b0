"""The processor around its instructions: fetch, code cache, single step, ports, debug registers, identity, state."""

from __future__ import annotations

import random

import pytest

from teachvm.isa.control import CR0_TS, CR4_DE, CR4_TSD, DR6_BD, DR6_BS, DR7_GD
from teachvm.isa.descriptors import Segment, null_segment
from teachvm.isa.flags import RF, TF
from teachvm.isa.operands import CS
from teachvm.machine.cpu import Cpu
from teachvm.machine.events import CpuHalted, ExceptionRaised, HandlerEntered, PortAccessed, WalkReferenced
from teachvm.machine.exceptions import CpuStopped, Interruption
from teachvm.machine.registers import Registers
from teachvm.trace.events import Event
from teachvm.trace.recorder import PhaseReached
from teachvm.trace.state import Registry
from tests.machine.pc import (
    CODE,
    DATA,
    DONE,
    FREE_SELECTOR,
    STUB_BYTES,
    STUBS,
    TABLE,
    TSS,
    TSS_SELECTOR,
    Caught,
    Pc,
    descriptor,
)

EDGE = 0x1A000


@pytest.fixture
def pc() -> Pc:
    return Pc()


# ---- fetch -----------------------------------------------------------------------------------------


def test_an_instruction_across_two_pages_is_fetched_from_both_frames(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(EDGE, 0x30_0000 | 7)
    pc.memory.write_bytes(EDGE - 2, b"\xb8\x11")
    pc.memory.write_bytes(0x30_0000, b"\x22\x33\x44\xcd\x30")
    pc.cpu.eip = EDGE - 2
    assert pc.until_handler().vector == DONE
    assert pc.cpu.regs[0] == 0x4433_2211


def test_a_fetch_fault_on_the_second_page_names_its_first_byte_and_the_instruction(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(EDGE, 0)
    pc.memory.write_bytes(EDGE - 2, b"\xb8\x11")
    pc.enter_ring(3)
    pc.cpu.eip = EDGE - 2
    caught = pc.until_handler()
    assert (caught.vector, caught.error, caught.eip, pc.cpu.cr2) == (14, 4, EDGE - 2, EDGE)


def test_an_instruction_that_ends_with_its_page_needs_no_second_one(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(EDGE, 0)
    pc.memory.write_bytes(EDGE - 2, b"\x40\x40")
    pc.cpu.eip = EDGE - 2
    assert (pc.step(), pc.step()) == (1, 1)
    caught = pc.until_handler()
    assert (caught.vector, caught.eip, pc.cpu.cr2) == (14, EDGE, EDGE)


def test_an_undefined_opcode_at_the_end_of_a_page_does_not_ask_for_the_next(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(EDGE, 0)
    pc.memory.write_bytes(EDGE - 2, b"\x0f\x04")
    pc.cpu.eip = EDGE - 2
    assert pc.until_handler().vector == 6


@pytest.mark.parametrize(("limit", "cycles"), [(3, 0), (4, 1)])
def test_every_byte_of_an_instruction_has_to_lie_inside_the_code_segment(pc: Pc, limit: int, cycles: int) -> None:
    pc.memory.write_bytes(CODE, b"\xbb\x01\x00\x00\x00")
    for last in (0xFFFF, limit):
        pc.describe(FREE_SELECTOR, descriptor(CODE, last, 0x9B, 4))
        pc.enter_ring(0)
        pc.cpu.segs[CS] = pc.segment(FREE_SELECTOR)
        pc.cpu.eip = 0
        assert pc.step() == (1 if last == 0xFFFF else cycles)
    if not cycles:
        assert (pc.frame(13).error, pc.frame(13).eip) == (0, 0)


def test_a_segment_base_moves_the_code_but_not_eip(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(CODE - 0x100, 0xFFFFF, 0x9B, 0xC))
    pc.load("inc eax\nint 0x30")
    pc.cpu.segs[CS] = pc.segment(FREE_SELECTOR)
    pc.cpu.eip = 0x100
    caught = pc.until_handler()
    assert (caught.vector, caught.eip, caught.cs) == (DONE, 0x103, FREE_SELECTOR)


def test_a_sixteen_bit_code_segment_decodes_sixteen_bit_instructions(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(CODE, 0xFFFF, 0x9B, 0))
    pc.memory.write_bytes(CODE, b"\xb8\x34\x12\xeb\xfe")
    for segment, expected in ((pc.segment(FREE_SELECTOR), 0x1234), (pc.segment(8), 0xFEEB_1234)):
        pc.enter_ring(0)
        pc.cpu.segs[CS] = segment
        pc.cpu.eip = CODE - segment.base
        pc.step()
        assert pc.cpu.regs[0] == expected


def test_sixteen_bytes_of_prefixes_are_gp_and_fifteen_bytes_an_instruction(pc: Pc) -> None:
    assert pc.run("times 14 db 0x3e\nnop\nint 0x30").vector == DONE
    caught = pc.run("times 15 db 0x3e\nnop\nint 0x30")
    assert (caught.vector, caught.error) == (13, 0)


def test_a_jump_beyond_the_limit_faults_at_the_jump(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0x1FFFF, 0x9B, 4))
    for source in ("jmp 0x30000", "call 0x30000", "push dword 0x30000\nret", "mov eax, 0x30000\njmp eax", "jz 0x30000"):
        pc.enter_ring(0, 0x42)
        length = pc.load(source)
        pc.cpu.segs[CS] = pc.segment(FREE_SELECTOR)
        caught = pc.until_handler()
        assert (caught.vector, caught.error) == (13, 0)
        assert CODE <= caught.eip < CODE + length


@pytest.mark.parametrize("source", ["db 0xf0, 0x90", "db 0xf0, 0x01, 0xc0", "db 0xf0, 0x39, 0x03"])
def test_lock_where_it_is_not_allowed_is_ud(pc: Pc, source: str) -> None:
    assert pc.run(source).vector == 6


def test_lock_before_a_memory_destination_is_fine(pc: Pc) -> None:
    assert pc.run(f"mov ebx, {DATA}\nlock inc dword [ebx]\nint 0x30").vector == DONE
    assert pc.memory.read32(DATA) == 1


# ---- code that changes ---------------------------------------------------------------------------------


def test_code_written_over_is_decoded_again(pc: Pc) -> None:
    source = f"mov ecx, 2\nagain: inc eax\nmov byte [{CODE + 5}], 0x4b\nloop again\nint 0x30"
    assert pc.run(source).vector == DONE
    assert (pc.cpu.regs[0], pc.cpu.regs[3]) == (1, 0xFFFF_FFFF)


def test_the_next_instruction_is_seen_as_just_written(pc: Pc) -> None:
    assert pc.run(f"mov byte [{CODE + 7}], 0x43\nnop\nint 0x30").vector == DONE
    assert pc.cpu.regs[3] == 1


def test_a_page_of_other_code_under_the_same_address_is_seen_after_invlpg(pc: Pc) -> None:
    pc.identity_paging()
    pc.memory.write_bytes(EDGE, b"\x40\xc3")
    pc.memory.write_bytes(0x30_0000, b"\x43\xc3")
    change = f"mov dword [{TABLE + 4 * (EDGE >> 12)}], 0x300007"
    source = f"call {EDGE}\ncall {EDGE}\n{change}\ncall {EDGE}\ninvlpg [{EDGE}]\ncall {EDGE}\nint 0x30"
    assert pc.run(source).vector == DONE
    assert (pc.cpu.regs[0], pc.cpu.regs[3]) == (3, 1)


def test_code_is_refused_as_soon_as_its_page_belongs_to_the_kernel(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(EDGE, EDGE | 5)
    pc.memory.write_bytes(EDGE, b"\x40\xeb\xfd")
    pc.enter_ring(3)
    pc.cpu.eip = EDGE
    pc.step(4)
    pc.set_page(EDGE, EDGE | 1)
    caught = pc.until_handler()
    assert (caught.vector, caught.error, pc.cpu.cr2) == (14, 5, caught.eip)


def test_a_code_page_s_translation_that_data_pushes_out_is_walked_again(pc: Pc) -> None:
    pc.identity_paging()
    reads = "\n".join(f"mov eax, [{(CODE >> 12) + 16 * number << 12}]" for number in range(1, 6))
    pc.load(reads + "\nnop\nint 0x30")
    pc.step(6)
    fetches = [event.linear for event in pc.recorder.log.of(WalkReferenced) if event.linear >> 12 == CODE >> 12]
    assert len(fetches) == 4


def test_registers_assigned_from_outside_count_at_once(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(CODE, CODE | 3)
    pc.load("nop\nnop\nnop\nnop")
    pc.step()
    pc.cpu.cpl = 3
    pc.step()
    assert pc.recorder.log.last_before(pc.recorder.clock.now._replace(phase=99), ExceptionRaised) is not None
    pc.enter_ring(0)
    pc.cpu.eip = CODE
    code = pc.cpu.segs[CS]
    pc.cpu.segs[CS] = Segment(code.selector, code.base, CODE, code.access)
    assert pc.step() == 1
    assert pc.step() == 0


# ---- single step ----------------------------------------------------------------------------------------


def test_single_step_traps_after_each_instruction(pc: Pc) -> None:
    pc.enter_ring(3, 2 | TF)
    pc.load("inc eax\ninc eax")
    assert (pc.step(), pc.cpu.trap_pending) == (1, True)
    assert pc.step() == 0
    assert pc.frame(1) == Caught(1, None, CODE + 1, 0x2B, 2 | TF, 0x9000, 0x33)
    assert pc.cpu.dr[6] & DR6_BS
    assert (pc.cpu.regs[0], pc.cpu.trap_pending) == (1, False)


def test_popf_setting_tf_traps_after_the_following_instruction(pc: Pc) -> None:
    caught = pc.run("push dword 0x102\npopfd\nnop\nnop")
    assert (caught.vector, caught.eip) == (1, CODE + 7)


def test_a_halt_that_is_single_stepped_is_over_at_once(pc: Pc) -> None:
    caught = pc.run("hlt\nnop", 0, 2 | TF)
    assert (caught.vector, caught.eip) == (1, CODE + 1)
    assert not pc.cpu.halted


def test_int_n_takes_the_single_step_trap_back(pc: Pc) -> None:
    assert pc.run("int 0x30", 0, 2 | TF).vector == DONE
    assert not pc.cpu.trap_pending


def test_a_fault_comes_without_a_single_step_trap(pc: Pc) -> None:
    assert pc.run("ud2", 0, 2 | TF).vector == 6
    assert not pc.cpu.trap_pending


def test_no_trap_comes_between_a_load_of_ss_and_the_next_instruction(pc: Pc) -> None:
    pc.enter_ring(0, 2 | TF)
    pc.load("mov ss, ax\nnop\nnop")
    pc.cpu.regs[0] = 0x10
    caught = pc.until_handler()
    assert (caught.vector, caught.eip) == (1, CODE + 3)


def test_rf_lasts_until_an_instruction_has_completed(pc: Pc) -> None:
    pc.enter_ring(0, 2 | RF)
    pc.load("nop")
    pc.step()
    assert not pc.cpu.eflags & RF
    seen: list[int] = []
    pc.cpu.deliver = lambda cpu, interruption: seen.append(cpu.eflags)
    pc.enter_ring(0, 2 | RF)
    pc.load("ud2")
    pc.step()
    assert seen == [2 | RF]


# ---- ports ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "bits", "allowed"),
    [
        ("in al, 0x60", (), True),
        ("in al, 0x60", (0x60,), False),
        ("in al, 0x60", (0x61, 0x5F), True),
        ("in ax, 0x60", (0x61,), False),
        ("in eax, 0x60", (0x63,), False),
        ("in eax, 0x5e", (0x62,), True),
        ("mov dx, 0x61\nout dx, al", (0x61,), False),
        ("mov dx, 0x60\nmov edi, 0x18000\ninsb", (0x60,), False),
        ("mov dx, 0x60\nmov esi, 0x18000\noutsb", (), True),
        ("mov dx, 0x7f\nin al, dx", (), True),
        ("mov dx, 0x80\nin al, dx", (), False),
    ],
)
def test_above_iopl_the_tss_bitmap_decides_about_every_byte(
    pc: Pc, source: str, bits: tuple[int, ...], allowed: bool
) -> None:
    bitmap = bytearray(17)
    bitmap[16] = 0xFF
    for port in bits:
        bitmap[port // 8] |= 1 << port % 8
    pc.memory.write_bytes(TSS + 104, bytes(bitmap))
    pc.describe(TSS_SELECTOR, descriptor(TSS, 103 + 17, 0x8B, 0))
    pc.cpu.tr = pc.segment(TSS_SELECTOR)
    caught = pc.run(source + "\nint 0x30", 3)
    assert (caught.vector, caught.error) == ((DONE, None) if allowed else (13, 0))
    assert bool(pc.ports.log) == allowed


def test_without_a_bitmap_or_a_task_no_port_is_allowed_above_iopl(pc: Pc) -> None:
    assert pc.run("in al, 0x60", 3).vector == 13
    pc.cpu.tr = null_segment()
    taken: list[Interruption] = []
    pc.cpu.deliver = lambda cpu, interruption: taken.append(interruption)
    pc.enter_ring(3)
    pc.load("in al, 0x60")
    pc.step()
    assert (taken[0].vector, taken[0].error) == (13, 0)


def test_port_accesses_are_recorded(pc: Pc) -> None:
    pc.ports.values[0x60] = 0xFA
    pc.run("in al, 0x60\nout 0x80, ax\nint 0x30")
    accesses = [(event.direction, event.port, event.size, event.value) for event in pc.recorder.log.of(PortAccessed)]
    assert accesses == [("in", 0x60, 1, 0xFA), ("out", 0x80, 2, 0xFA)]


# ---- system registers ---------------------------------------------------------------------------------------


def test_debug_registers_hold_their_values_and_fixed_bits(pc: Pc) -> None:
    store = "mov eax, 0xffffffff\nmov dr0, eax\nmov dr6, eax\nmov eax, 0x400\nmov dr7, eax\n"
    assert pc.run(store + "mov ecx, dr0\nmov edx, dr6\nmov ebx, dr7\nint 0x30").vector == DONE
    assert (pc.cpu.regs[1], pc.cpu.regs[2], pc.cpu.regs[3]) == (0xFFFF_FFFF, 0xFFFF_EFFF, 0x400)


def test_dr4_and_dr5_are_other_names_unless_debugging_extensions_forbid_them(pc: Pc) -> None:
    assert pc.run("db 0x0f, 0x21, 0xe9\nint 0x30").vector == DONE
    assert pc.cpu.regs[1] == pc.cpu.dr[7]
    pc.cpu.write_cr4(CR4_DE)
    assert pc.run("db 0x0f, 0x21, 0xe9\nint 0x30").vector == 6


def test_general_detect_guards_the_debug_registers_once(pc: Pc) -> None:
    pc.cpu.dr[7] |= DR7_GD
    caught = pc.run("mov eax, dr0\nint 0x30")
    assert (caught.vector, caught.eip) == (1, CODE)
    assert pc.cpu.dr[6] & DR6_BD
    assert pc.run("mov eax, dr0\nint 0x30").vector == DONE


def test_the_time_stamp_comes_from_its_hook_and_can_be_set(pc: Pc) -> None:
    pc.cpu.tsc = lambda: 0x5_0000_0010
    pc.run("rdtsc\nint 0x30")
    assert (pc.cpu.regs[0], pc.cpu.regs[2]) == (0x10, 5)
    pc.run("mov ecx, 0x10\nmov eax, 7\nxor edx, edx\nwrmsr\nrdtsc\nint 0x30")
    assert (pc.cpu.regs[0], pc.cpu.regs[2]) == (7, 0)
    pc.cpu.write_cr4(CR4_TSD)
    assert pc.run("rdtsc\nint 0x30", 1).vector == 13
    assert pc.run("rdtsc\nint 0x30", 0).vector == DONE


@pytest.mark.parametrize("source", ["mov ecx, 0x1b\nrdmsr", "mov ecx, 0x1b\nwrmsr", "xor ecx, ecx\nwrmsr"])
def test_a_model_specific_register_that_is_not_there_is_gp(pc: Pc, source: str) -> None:
    assert pc.run(source).vector == 13


def test_cpuid_claims_no_more_than_there_is(pc: Pc) -> None:
    pc.run("xor eax, eax\ncpuid\nint 0x30")
    vendor = b"".join(pc.cpu.regs[index].to_bytes(4, "little") for index in (3, 2, 1))
    assert (pc.cpu.regs[0], vendor) == (1, b"GenuineIntel")
    pc.run("mov eax, 1\ncpuid\nint 0x30")
    assert pc.cpu.regs[0] >> 8 & 0xF == 5
    features = pc.cpu.regs[2]
    assert not features & (1 << 0 | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 23 | 1 << 25), "FPU PAE APIC SEP MMX SSE"
    assert features & 1 << 8, "CMPXCHG8B"


def test_lmsw_sets_pe_but_cannot_clear_it_and_clts_clears_ts(pc: Pc) -> None:
    assert pc.run("mov ax, 8\nlmsw ax\nint 0x30").vector == DONE
    assert pc.cpu.cr0 & (CR0_TS | 1) == CR0_TS | 1
    pc.run("clts\nint 0x30")
    assert not pc.cpu.cr0 & CR0_TS


def test_a_stopped_processor_executes_nothing_more(pc: Pc) -> None:
    pc.load("mov cr0, eax\ninc ecx")
    with pytest.raises(CpuStopped, match="real-address mode"):
        pc.step()
    pc.cpu.eip = CODE + 3
    with pytest.raises(CpuStopped, match="real-address mode"):
        pc.step()
    assert pc.cpu.regs[1] == 0


def test_halting_says_whether_anything_can_wake_the_processor(pc: Pc) -> None:
    pc.load("hlt")
    pc.step()
    halted = list(pc.recorder.log.of(CpuHalted))
    assert [(event.eip, event.interrupts_enabled) for event in halted] == [(CODE + 1, False)]


# ---- phases and time ------------------------------------------------------------------------------------------


def phases(pc: Pc) -> list[str]:
    return [type(event).__name__ for event in pc.recorder.log.of(Event) if event.PHASE]


def test_a_fault_passes_through_its_phases_in_order(pc: Pc) -> None:
    pc.identity_paging()
    pc.enter_ring(3)
    pc.load("mov eax, [0x900000]")
    assert pc.step() == 0
    assert phases(pc) == [
        "WalkReferenced", "WalkReferenced",  # fetch
        "WalkReferenced",  # the directory entry that is not there
        "ExceptionRaised",
        "WalkReferenced", "WalkReferenced",  # IDT
        "WalkReferenced", "WalkReferenced",  # GDT: the code segment
        "WalkReferenced", "WalkReferenced",  # TSS
        "WalkReferenced", "WalkReferenced",  # the ring-0 stack
        "HandlerEntered",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [WalkReferenced, ExceptionRaised, HandlerEntered])
def test_stopping_at_a_phase_shows_what_has_happened_and_nothing_else(kind: type[Event]) -> None:
    pc = Pc()
    pc.identity_paging()
    pc.enter_ring(3)
    pc.load("push dword [0x900000]")
    pc.cpu.read_linear(CODE, 1)
    pc.recorder.stop_when = lambda event: isinstance(event, kind)
    with pytest.raises(PhaseReached):
        pc.step()
    cpu = pc.cpu
    if kind is HandlerEntered:
        assert (cpu.eip, cpu.cpl) == (STUBS + 14 * STUB_BYTES, 0)
        assert pc.frame(14).eip == CODE
    else:
        assert (cpu.eip, cpu.cpl, cpu.regs[4]) == (CODE, 3, 0x9000)
        assert cpu.cr2 == (0x90_0000 if kind is ExceptionRaised else 0)


def test_every_attribute_is_declared_as_state_or_as_derived() -> None:
    cpu = Pc().cpu
    declared = set(Cpu.STATE) | set(Cpu.DERIVED)
    assert set(vars(cpu)) == declared
    assert not set(Cpu.STATE) & set(Cpu.DERIVED)
    assert Registers.STATE == Cpu.STATE


def test_a_restored_processor_goes_on_exactly_as_before() -> None:
    rng = random.Random(3)
    for _ in range(12):
        pc = Pc()
        registry = Registry()
        pc.cpu.register(registry, "cpu")
        pc.identity_paging()
        pc.memory.write_bytes(CODE, rng.randbytes(0x400))
        pc.enter_ring(rng.choice((0, 3)))
        pc.cpu.eip = CODE + rng.randrange(0x300)
        pc.step(rng.randrange(8))
        start, pages = registry.capture(), [pc.memory.page(pfn) for pfn in range(64)]
        path = trail(pc)
        registry.restore(start)
        for pfn, page in enumerate(pages):
            pc.memory.set_page(pfn, page)
        assert trail(pc) == path


def trail(pc: Pc) -> list[tuple[object, ...]]:
    found = []
    for _ in range(12):
        if pc.cpu.stopped is None and not pc.cpu.halted and pc.cpu.eip < 0x30000:
            pc.step()
        assert pc.cpu.tlb is not None
        found.append((pc.cpu.eip, tuple(pc.cpu.regs), pc.cpu.eflags, tuple(pc.cpu.tlb.entries)))
    return found
