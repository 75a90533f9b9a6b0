"""Delivery through the IDT: frames, stacks, flags, and what happens when delivery itself faults."""

import struct

import pytest

from teachvm.isa.descriptors import (
    CALL_GATE_32,
    INTERRUPT_GATE_16,
    TASK_GATE,
    TRAP_GATE_32,
    TSS_16_BUSY,
    Segment,
    TableRegister,
    null_segment,
)
from teachvm.isa.flags import IF, NT, RF, TF
from teachvm.isa.operands import CS, ESP, SS
from teachvm.machine.cpu import Cpu
from teachvm.machine.events import ExceptionRaised, HandlerEntered, InterruptAccepted, SoftwareInterrupted
from teachvm.machine.exceptions import CpuStopped, Fault, Interruption, Source, StopReason
from teachvm.machine.interrupts import deliver_through_idt
from tests.machine.pc import (
    CODE,
    DONE,
    FREE_SELECTOR,
    IDT,
    KERNEL_CODE,
    KERNEL_STACK,
    RING1_CODE,
    STACK,
    STUB_BYTES,
    STUBS,
    TSS,
    USER_CODE,
    USER_DATA,
    USER_STACK,
    Caught,
    Pc,
    descriptor,
)

TIMER = 0x20


class Line:
    """An interrupt controller with one request."""

    def __init__(self, vector: int = TIMER) -> None:
        self.pending = True
        self.vector = vector

    def acknowledge(self) -> int:
        self.pending = False
        return self.vector


@pytest.fixture
def pc() -> Pc:
    pc = Pc()
    pc.gate(TIMER)
    return pc


def stub(vector: int) -> int:
    return STUBS + STUB_BYTES * vector


# ---- frames --------------------------------------------------------------------------------------


def test_in_the_same_ring_the_frame_is_three_words_on_the_present_stack(pc: Pc) -> None:
    caught = pc.run("nop\nud2", 0, 2 | IF)
    assert caught == Caught(6, None, CODE + 1, KERNEL_CODE, 2 | IF | RF, None, None)
    assert pc.cpu.regs[ESP] == STACK - 12


def test_from_ring_3_the_frame_lies_on_the_stack_of_the_tss(pc: Pc) -> None:
    caught = pc.run("push eax\nud2", 3, 2 | IF)
    assert caught == Caught(6, None, CODE + 1, USER_CODE, 2 | IF | RF, USER_STACK - 4, USER_DATA)
    assert pc.cpu.regs[ESP] == KERNEL_STACK - 20
    assert (pc.cpu.cpl, pc.cpu.segs[CS].selector, pc.cpu.segs[SS].selector) == (0, 0x08, 0x10)
    assert pc.memory.read32(USER_STACK - 4) == 0


def test_an_error_code_is_pushed_last(pc: Pc) -> None:
    caught = pc.run("mov ax, 0x100\nmov ds, ax", 3)
    assert (caught.vector, caught.error, caught.eip) == (13, 0x100, CODE + 4)
    assert pc.cpu.regs[ESP] == KERNEL_STACK - 24


def test_an_interrupt_gate_clears_if_and_a_trap_gate_does_not(pc: Pc) -> None:
    pc.gate(0x31, dpl=3)
    pc.gate(0x32, dpl=3, type_=TRAP_GATE_32)
    for vector, kept in ((0x31, 0), (0x32, IF)):
        caught = pc.run(f"int {vector}", 3, 2 | IF)
        assert (caught.vector, pc.cpu.eflags & IF) == (vector, kept)


def test_delivery_clears_tf_and_nt_and_saves_them(pc: Pc) -> None:
    caught = pc.run("int 0x30", 0, 2 | TF | NT)
    assert caught.eflags & (TF | NT) == TF | NT
    assert not pc.cpu.eflags & (TF | NT | RF)


def test_a_saved_rf_tells_faults_from_traps_and_interrupts(pc: Pc) -> None:
    assert pc.run("ud2").eflags & RF
    assert not pc.run("int3").eflags & RF


@pytest.mark.parametrize(
    ("source", "vector", "behind"),
    [("int3", 3, 1), ("int 0x30", DONE, 2), ("int 3", 3, 2), ("into", 4, 1), ("db 0xf1", 1, 1), ("ud2", 6, 0)],
)
def test_software_interrupts_save_the_next_instruction_and_faults_the_same(
    pc: Pc, source: str, vector: int, behind: int
) -> None:
    caught = pc.run(source, 0, 0x802)
    assert (caught.vector, caught.eip) == (vector, CODE + behind)


def test_into_without_overflow_does_nothing(pc: Pc) -> None:
    assert pc.run("into\nint 0x30").vector == DONE


def test_a_sixteen_bit_gate_pushes_words(pc: Pc) -> None:
    pc.gate(0x31, dpl=3, type_=INTERRUPT_GATE_16)
    pc.enter_ring(3, 2 | IF)
    pc.load("int 0x31")
    pc.step()
    assert pc.cpu.eip == stub(0x31)
    assert pc.cpu.regs[ESP] == KERNEL_STACK - 10
    frame = struct.unpack("<5H", pc.memory.read_bytes(KERNEL_STACK - 10, 10))
    assert frame == (CODE + 2 & 0xFFFF, USER_CODE, 2 | IF, USER_STACK, USER_DATA)


def test_a_conforming_handler_runs_in_the_ring_it_interrupted(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, 0x9F, 0xC))
    pc.gate(0x31, dpl=3, selector=FREE_SELECTOR)
    caught = pc.run("int 0x31", 3)
    assert (pc.cpu.cpl, pc.cpu.segs[CS].selector, caught.esp) == (3, FREE_SELECTOR | 3, None)
    assert pc.cpu.regs[ESP] == USER_STACK - 12


def test_a_handler_in_ring_1_gets_the_ring_1_stack(pc: Pc) -> None:
    pc.memory.write_bytes(TSS + 12, struct.pack("<II", 0xE000, 0x21))
    pc.gate(0x31, dpl=3, selector=RING1_CODE)
    pc.run("int 0x31", 3)
    assert (pc.cpu.cpl, pc.cpu.regs[ESP], pc.cpu.segs[SS].selector) == (1, 0xE000 - 20, 0x21)


# ---- refusals, each reported as another exception --------------------------------------------------


@pytest.mark.parametrize("vector", [0x31, 0x40])
def test_a_vector_without_a_gate_or_beyond_the_idt_is_gp_naming_it(pc: Pc, vector: int) -> None:
    pc.cpu.idtr = TableRegister(IDT, 0x40 * 8 - 1)
    caught = pc.run(f"int {vector}")
    assert (caught.vector, caught.error, caught.eip) == (13, 8 * vector + 2, CODE)


def test_the_gate_s_dpl_stops_int_n_but_not_an_exception(pc: Pc) -> None:
    caught = pc.run("int 6", 3)
    assert (caught.vector, caught.error, caught.eip) == (13, 0x32, CODE)
    assert pc.run("ud2", 3).vector == 6


def test_a_gate_that_is_not_present_is_np_naming_it(pc: Pc) -> None:
    pc.gate(0x31, dpl=3, present=False)
    caught = pc.run("int 0x31")
    assert (caught.vector, caught.error) == (11, 0x18A)
    pc.gate(6, present=False)
    caught = pc.run("ud2")
    assert (caught.vector, caught.error, caught.eip) == (11, 0x33, CODE)


def test_a_call_gate_in_the_idt_is_gp(pc: Pc) -> None:
    pc.gate(0x31, dpl=3, type_=CALL_GATE_32)
    assert pc.run("int 0x31").error == 0x18A


@pytest.mark.parametrize(
    ("selector", "access", "vector", "error"),
    [
        pytest.param(0, None, 13, 1, id="null"),
        pytest.param(0x100, None, 13, 0x101, id="outside the GDT"),
        pytest.param(FREE_SELECTOR, 0x93, 13, 0x61, id="data"),
        pytest.param(FREE_SELECTOR, 0x1B, 11, 0x61, id="not present"),
        pytest.param(FREE_SELECTOR, 0xFB, 13, 0x61, id="an outer ring"),
    ],
)
def test_a_bad_code_segment_behind_a_gate_is_reported_with_ext(
    pc: Pc, selector: int, access: int | None, vector: int, error: int
) -> None:
    if access is not None:
        pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, access, 0xC))
    pc.gate(6, selector=selector)
    caught = pc.run("ud2")
    assert (caught.vector, caught.error, caught.eip) == (vector, error, CODE)


def test_a_handler_outside_its_segment_is_gp_0(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFF, 0x9B, 4))
    pc.gate(6, selector=FREE_SELECTOR)
    caught = pc.run("ud2")
    assert (caught.vector, caught.error) == (13, 1)


@pytest.mark.parametrize(
    ("ss", "access", "vector", "error"),
    [
        pytest.param(0, None, 10, 0, id="null"),
        pytest.param(0x100, None, 10, 0x100, id="outside the GDT"),
        pytest.param(0x33, None, 10, 0x30, id="of another ring"),
        pytest.param(FREE_SELECTOR, 0x91, 10, 0x60, id="read-only"),
        pytest.param(FREE_SELECTOR, 0x13, 12, 0x60, id="not present"),
    ],
)
def test_a_bad_stack_in_the_tss_is_ts_or_ss_naming_it(
    pc: Pc, ss: int, access: int | None, vector: int, error: int
) -> None:
    if access is not None:
        pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, access, 0xC))
    pc.memory.write32(TSS + 8, ss)
    with pytest.raises(Fault) as caught:
        _interrupt_from_ring_3(pc)
    assert (caught.value.vector, caught.value.error) == (vector, error)


def test_a_stack_too_small_for_the_frame_is_ss_naming_it_and_changes_nothing(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, 0x97, 4))
    pc.memory.write_bytes(TSS + 4, struct.pack("<II", 0x10_0010, FREE_SELECTOR))
    before = pc.memory.read_bytes(0x10_0000, 16)
    with pytest.raises(Fault, match=r"#SS\(0x0060\)"):
        _interrupt_from_ring_3(pc)
    assert pc.memory.read_bytes(0x10_0000, 16) == before
    assert (pc.cpu.cpl, pc.cpu.regs[ESP], pc.cpu.segs[SS].selector) == (3, USER_STACK, USER_DATA)


def test_a_tss_too_short_or_absent_is_ts_naming_it(pc: Pc) -> None:
    tss = pc.cpu.tr
    pc.cpu.tr = Segment(tss.selector, tss.base, 8, tss.access)
    with pytest.raises(Fault, match=r"#TS\(0x0038\)"):
        _interrupt_from_ring_3(pc)
    pc.cpu.tr = null_segment()
    with pytest.raises(Fault, match=r"#TS\(0x0000\)"):
        _interrupt_from_ring_3(pc)


def test_a_sixteen_bit_tss_has_its_stacks_elsewhere(pc: Pc) -> None:
    pc.cpu.tr = Segment(0x38, TSS, 0x2B, TSS_16_BUSY | 0x80)
    pc.memory.write_bytes(TSS + 2, struct.pack("<HH", 0x7000, 0x10))
    _interrupt_from_ring_3(pc)
    assert pc.cpu.regs[ESP] == 0x7000 - 20


def _interrupt_from_ring_3(pc: Pc) -> None:
    """INT 0x30 as the deliver hook gets it, so that its fault can be looked at."""
    pc.enter_ring(3)
    deliver_through_idt(pc.cpu, Interruption(DONE, None, Source.SOFTWARE, CODE))


# ---- one fault after another ----------------------------------------------------------------------


def test_a_page_fault_while_pushing_the_frame_of_gp_is_delivered_after_it(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(KERNEL_STACK - 4, 0)
    pc.gate(14, selector=FREE_SELECTOR)
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, 0x9F, 0xC))
    pc.enter_ring(3)
    pc.load("hlt")
    pc.step()
    assert pc.cpu.eip == stub(14)
    assert pc.cpu.top(4) == 2
    assert pc.cpu.cr2 == KERNEL_STACK - 4
    assert [event.vector for event in pc.recorder.log.of(ExceptionRaised)] == [13, 14]


def test_a_contributory_fault_while_delivering_another_is_a_double_fault_with_error_code_0(pc: Pc) -> None:
    pc.gate(13, present=False)
    caught = pc.run("hlt", 3)
    assert (caught.vector, caught.error, caught.eip) == (8, 0, CODE)
    assert [event.vector for event in pc.recorder.log.of(ExceptionRaised)] == [13, 8]


def test_a_page_fault_while_delivering_a_page_fault_is_a_double_fault(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(KERNEL_STACK - 4, 0)
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, 0x9F, 0xC))
    pc.gate(8, selector=FREE_SELECTOR)
    pc.enter_ring(3)
    pc.load("mov eax, [0x900000]")
    pc.step()
    assert pc.cpu.eip == stub(8)
    assert pc.cpu.cr2 == KERNEL_STACK - 4
    assert [event.vector for event in pc.recorder.log.of(ExceptionRaised)] == [14, 8]


def test_a_fault_while_delivering_a_double_fault_shuts_the_cpu_down_for_good(pc: Pc) -> None:
    pc.cpu.idtr = TableRegister(IDT, 0)
    pc.enter_ring(3, 2 | IF)
    pc.load("hlt")
    with pytest.raises(CpuStopped, match="triple fault"):
        pc.step()
    assert pc.cpu.stopped is StopReason.TRIPLE_FAULT
    assert (pc.cpu.eip, pc.cpu.cpl) == (CODE, 3)
    pc.cpu.interrupts = Line()
    for _ in range(2):
        with pytest.raises(CpuStopped):
            pc.step()


def test_a_benign_exception_does_not_make_a_double_fault(pc: Pc) -> None:
    pc.gate(6, present=False)
    assert pc.run("ud2").vector == 11


def test_a_fault_while_delivering_an_external_interrupt_reports_ext(pc: Pc) -> None:
    pc.cpu.interrupts = Line(0x77)
    caught = pc.run("nop", 0, 2 | IF)
    assert (caught.vector, caught.error, caught.eip) == (13, 0x77 * 8 + 3, CODE)


def test_a_task_gate_ends_the_cpu_and_says_why(pc: Pc) -> None:
    pc.gate(0x31, dpl=3, type_=TASK_GATE)
    pc.load("int 0x31")
    with pytest.raises(CpuStopped, match="task switching"):
        pc.step()


# ---- external interrupts ---------------------------------------------------------------------------


def test_an_interrupt_is_accepted_at_a_boundary_and_nothing_retires(pc: Pc) -> None:
    pc.cpu.interrupts = Line()
    pc.enter_ring(3, 2 | IF)
    pc.load("nop")
    assert pc.step() == 0
    assert pc.frame(TIMER) == Caught(TIMER, None, CODE, USER_CODE, 2 | IF, USER_STACK, USER_DATA)
    names = [type(event).__name__ for event in pc.recorder.log.of((InterruptAccepted, HandlerEntered))]
    assert names == ["InterruptAccepted", "HandlerEntered"]


def test_a_clear_if_keeps_interrupts_out(pc: Pc) -> None:
    pc.cpu.interrupts = Line()
    assert pc.run("nop\nint 0x30").vector == DONE


def test_sti_lets_one_more_instruction_through(pc: Pc) -> None:
    pc.cpu.interrupts = Line()
    caught = pc.run("sti\nnop\nnop")
    assert (caught.vector, caught.eip) == (TIMER, CODE + 2)


def test_sti_with_if_already_set_casts_no_shadow(pc: Pc) -> None:
    pc.enter_ring(0, 2 | IF)
    pc.load("sti\nnop")
    pc.step()
    pc.cpu.interrupts = Line()
    pc.step()
    assert pc.cpu.eip == stub(TIMER)


def test_sti_then_cli_leaves_no_window(pc: Pc) -> None:
    pc.cpu.interrupts = Line()
    assert pc.run("sti\ncli\nnop\nint 0x30").vector == DONE


@pytest.mark.parametrize("source", ["mov ss, ax", "push eax\npop ss"])
def test_a_load_of_ss_lets_one_more_instruction_through(pc: Pc, source: str) -> None:
    count = len(source.splitlines())
    pc.enter_ring(0, 2 | IF)
    pc.load(f"{source}\nmov esp, 0xb000\nnop")
    pc.cpu.regs[0] = 0x10
    pc.step(count)
    pc.cpu.interrupts = Line()
    pc.step()
    assert pc.cpu.eip > CODE + 3
    pc.step()
    assert pc.cpu.eip == stub(TIMER)


def test_a_fault_in_the_shadow_leaves_the_shadow_for_the_hook_to_see(pc: Pc) -> None:
    seen = []
    pc.cpu.deliver = lambda cpu, interruption: seen.append((cpu.shadow, interruption.vector))
    pc.load("sti\nud2")
    pc.step(2)
    assert seen == [(True, 6)]


def test_halt_waits_for_an_interrupt_and_returns_behind_itself(pc: Pc) -> None:
    pc.enter_ring(0, 2 | IF)
    pc.load("hlt\nnop")
    assert pc.step() == 1
    assert pc.cpu.halted
    assert (pc.step(), pc.step()) == (0, 0)
    pc.cpu.interrupts = Line()
    pc.step()
    assert not pc.cpu.halted
    assert pc.frame(TIMER).eip == CODE + 1


# ---- events and hooks -------------------------------------------------------------------------------


def test_int_n_tells_that_the_program_asked_for_it(pc: Pc) -> None:
    pc.run("int 0x30", 3)
    asked = list(pc.recorder.log.of(SoftwareInterrupted))[-1]
    assert (asked.cpu, asked.vector, asked.eip, asked.cpl) == ("cpu0", DONE, CODE, 3)
    entered = list(pc.recorder.log.of(HandlerEntered))[-1]
    assert (entered.vector, entered.from_cpl, entered.to_cpl, entered.eip) == (DONE, 3, 0, stub(DONE))


def test_the_hook_gets_everything_and_the_default_does_nothing_then(pc: Pc) -> None:
    taken: list[Interruption] = []

    def hook(cpu: Cpu, interruption: Interruption) -> None:
        taken.append(interruption)
        cpu.eip = interruption.eip

    pc.cpu.deliver = hook
    pc.identity_paging()
    pc.enter_ring(3)
    pc.load("int 0x30\nmov eax, [0x900000]")
    assert (pc.step(), pc.step()) == (1, 0)
    assert taken == [
        Interruption(DONE, None, Source.SOFTWARE, CODE + 2),
        Interruption(14, 4, Source.FAULT, CODE + 2, 0x90_0000),
    ]
    assert pc.cpu.cr2 == 0x90_0000


def test_an_injected_page_fault_sets_cr2(pc: Pc) -> None:
    deliver_through_idt(pc.cpu, Interruption(14, 2, Source.FAULT, CODE, 0xDEAD_0000))
    assert (pc.cpu.cr2, pc.frame(14).error) == (0xDEAD_0000, 2)
