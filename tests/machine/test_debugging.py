"""Debug registers break, RF resumes, and watching memory from outside leaves no trace in the guest."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.control import CR4_DE, DR6_B, DR6_BS, DR7_GD, BreakOn
from teachvm.isa.flags import RF, TF
from teachvm.machine.cpu import Cpu
from teachvm.machine.debugging import Watched
from tests.machine.pc import CODE, DATA, DONE, GDT, IDT, KERNEL_STACK, STACK, USER_DATA, Caught, Pc
from tests.machine.tiers.test_tiers import _program as random_program
from tests.machine.tiers.test_tiers import machine, run, state

DB = 1


@pytest.fixture
def pc() -> Pc:
    made = Pc()
    made.identity_paging()
    return made


def arm(pc: Pc, number: int, linear: int, kind: BreakOn, length: int = 1) -> None:
    """Enable one breakpoint for `length` bytes."""
    cpu = pc.cpu
    field = {1: 0, 2: 1, 8: 2, 4: 3}[length]
    cpu.write_debug_register(number, linear)
    cpu.write_debug_register(7, cpu.dr[7] | 2 << 2 * number | (kind | field << 2) << 16 + 4 * number)


def hits(pc: Pc) -> int:
    return pc.cpu.dr[6] & (DR6_B | DR6_BS)


# ---- instruction breakpoints ---------------------------------------------------------------------


def test_an_instruction_breakpoint_faults_before_the_instruction_with_rf_clear(pc: Pc) -> None:
    arm(pc, 2, CODE + 1, BreakOn.EXECUTION)
    caught = pc.run("nop\ninc eax\nint 0x30")
    assert (caught.vector, caught.eip, caught.eflags & RF) == (DB, CODE + 1, 0)
    assert (pc.cpu.regs[0], hits(pc)) == (0, 4)


def test_rf_lets_the_instruction_of_a_breakpoint_pass_once(pc: Pc) -> None:
    arm(pc, 0, CODE, BreakOn.EXECUTION)
    caught = pc.run("inc eax\ncmp eax, 2\njne start\nint 0x30", eflags=2 | RF)
    assert (caught.vector, caught.eip, pc.cpu.regs[0]) == (DB, CODE, 1)


def test_a_handler_resumes_with_rf_in_its_frame(pc: Pc) -> None:
    arm(pc, 0, CODE + 1, BreakOn.EXECUTION)
    pc.run("nop\ninc eax\nint 0x30")
    cpu = pc.cpu
    cpu.write32(2, cpu.regs[4] + 8, cpu.read32(2, cpu.regs[4] + 8) | RF)
    pc.memory.write_bytes(cpu.eip, b"\xcf")
    pc.step(2)
    assert (cpu.regs[0], cpu.eip, cpu.eflags & RF) == (1, CODE + 2, 0)


def test_a_repeated_instruction_breaks_once_however_many_units_it_takes(pc: Pc) -> None:
    arm(pc, 0, CODE, BreakOn.EXECUTION)
    pc.cpu.budget = lambda: 3
    pc.enter_ring(0)
    pc.load("rep stosb\nint 0x30")
    pc.cpu.regs[1], pc.cpu.regs[7] = 10, DATA
    pc.step()
    assert pc.cpu.regs[1] == 10
    pc.cpu.eip, pc.cpu.eflags = CODE, 2 | RF
    assert pc.until_handler().vector == DONE
    assert pc.cpu.regs[1] == 0


@pytest.mark.parametrize(("enabled", "breaks"), [(0, False), (1, True), (2, True), (3, True)])
def test_local_or_global_enable_is_enough(pc: Pc, enabled: int, breaks: bool) -> None:
    pc.cpu.write_debug_register(0, CODE)
    pc.cpu.write_debug_register(7, enabled)
    assert (pc.run("nop\nint 0x30").vector == DB) is breaks


def test_breakpoints_are_linear_addresses(pc: Pc) -> None:
    arm(pc, 0, CODE + 0x100, BreakOn.EXECUTION)
    arm(pc, 1, DATA, BreakOn.WRITE)
    assert pc.run(f"mov [{DATA + 1}], al\nint 0x30").vector == DONE


# ---- data breakpoints ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "length", "source", "hit"),
    [
        (BreakOn.WRITE, 1, f"mov [{DATA}], al", True),
        (BreakOn.WRITE, 1, f"mov al, [{DATA}]", False),
        (BreakOn.WRITE, 1, f"mov [{DATA + 1}], al", False),
        (BreakOn.WRITE, 1, f"mov [{DATA - 3}], eax", True),
        (BreakOn.WRITE, 2, f"mov [{DATA + 1}], al", True),
        (BreakOn.WRITE, 4, f"mov [{DATA + 3}], ax", True),
        (BreakOn.WRITE, 4, f"mov [{DATA + 4}], eax", False),
        (BreakOn.ACCESS, 4, f"mov al, [{DATA + 2}]", True),
        (BreakOn.ACCESS, 4, f"cmp word [{DATA - 1}], 5", True),
        (BreakOn.ACCESS, 4, f"inc dword [{DATA}]", True),
        (BreakOn.WRITE, 4, f"mov esp, {DATA + 4}\npush eax", True),
        (BreakOn.WRITE, 4, f"mov edi, {DATA - 9}\nmov ecx, 4\nrep stosd", True),
        (BreakOn.ACCESS, 4, f"mov esi, {DATA - 9}\nmov edi, {DATA + 64}\nmov ecx, 4\nrep movsd", True),
        (BreakOn.ACCESS, 4, f"lea eax, [{DATA}]", False),
    ],
)
def test_a_data_breakpoint_traps_after_an_access_to_one_of_its_bytes(
    pc: Pc, kind: BreakOn, length: int, source: str, hit: bool
) -> None:
    arm(pc, 3, DATA, kind, length)
    caught = pc.run(f"{source}\nnop\nint 0x30")
    assert (caught.vector, hits(pc)) == ((DB, 8) if hit else (DONE, 0))


def test_the_address_of_a_wide_breakpoint_is_rounded_down(pc: Pc) -> None:
    arm(pc, 0, DATA + 3, BreakOn.WRITE, 4)
    assert pc.run(f"mov [{DATA}], al\nint 0x30").vector == DB


def test_a_data_breakpoint_is_reported_behind_its_instruction(pc: Pc) -> None:
    arm(pc, 0, DATA, BreakOn.WRITE, 4)
    caught = pc.run(f"mov eax, 7\nmov [{DATA}], eax\ninc eax\nint 0x30")
    assert (caught.eip, pc.memory.read32(DATA), pc.cpu.regs[0]) == (CODE + 10, 7, 7)


def test_a_repeated_instruction_stops_after_the_iteration_that_met_the_breakpoint(pc: Pc) -> None:
    arm(pc, 0, DATA + 5, BreakOn.WRITE)
    caught = pc.run(f"mov edi, {DATA}\nmov ecx, 20\nrep stosb\nint 0x30")
    assert (caught.vector, caught.eip, pc.cpu.regs[1]) == (DB, CODE + 10, 14)
    assert caught.eflags & RF


def test_a_faulting_instruction_raises_its_fault_and_no_trap(pc: Pc) -> None:
    pc.set_page(0x30_0000, 0)
    arm(pc, 0, DATA, BreakOn.ACCESS, 4)
    caught = pc.run(f"mov edi, 0x300000\nmov esi, {DATA}\nmovsd\nint 0x30")
    assert caught.vector == 14
    pc.step()
    assert pc.cpu.halted


def test_a_breakpoint_on_the_stack_of_a_handler_is_met_when_its_frame_is_pushed(pc: Pc) -> None:
    arm(pc, 0, KERNEL_STACK - 4, BreakOn.WRITE, 4)
    caught = pc.run("int 0x30", ring=3)
    assert caught.vector == DONE
    pc.step()
    assert pc.frame(DB).cs & 3 == 0
    assert hits(pc) == 1


@pytest.mark.parametrize(("table", "source"), [(GDT + USER_DATA - 3, "mov ds, bx"), (IDT + 8 * DONE, "int 0x30")])
def test_a_breakpoint_on_a_descriptor_is_met_however_often_it_was_read_before(pc: Pc, table: int, source: str) -> None:
    for _ in range(3):
        assert pc.run(f"mov ebx, {USER_DATA}\n{source}\nnop\nint 0x30", ring=3).vector == DONE
    arm(pc, 0, table, BreakOn.ACCESS, 8)
    pc.run(f"mov ebx, {USER_DATA}\n{source}\nnop\nint 0x30", ring=3)
    pc.step(2)
    assert hits(pc) == 1


def test_a_data_breakpoint_met_by_a_load_of_ss_waits_for_one_instruction(pc: Pc) -> None:
    pc.memory.write32(DATA, 0x10)
    arm(pc, 0, DATA, BreakOn.ACCESS, 2)
    caught = pc.run(f"mov ss, [{DATA}]\nmov esp, {STACK}\nnop\nint 0x30")
    assert (caught.vector, caught.eip) == (DB, CODE + 6 + 5)


def test_single_step_and_a_data_breakpoint_are_one_exception(pc: Pc) -> None:
    arm(pc, 1, DATA, BreakOn.WRITE)
    caught = pc.run(f"mov [{DATA}], al\nnop\nint 0x30", eflags=2 | TF)
    assert (caught.vector, hits(pc)) == (DB, DR6_BS | 2)


def test_entering_the_handler_of_db_clears_general_detect(pc: Pc) -> None:
    arm(pc, 0, CODE, BreakOn.EXECUTION)
    pc.cpu.dr[7] |= DR7_GD
    assert pc.run("nop\nint 0x30").vector == DB
    assert not pc.cpu.dr[7] & DR7_GD


# ---- ports ---------------------------------------------------------------------------------------


def test_an_io_breakpoint_needs_debugging_extensions(pc: Pc) -> None:
    arm(pc, 0, 0x62, BreakOn.PORT, 2)
    assert pc.run("in al, 0x63\nint 0x30").vector == DONE
    pc.cpu.write_cr4(CR4_DE)
    assert pc.run("in al, 0x64\nint 0x30").vector == DONE
    caught = pc.run("in al, 0x63\nint 0x30")
    assert (caught.vector, caught.eip, hits(pc)) == (DB, CODE + 2, 1)
    assert pc.run("mov dx, 0x60\nout dx, eax\nint 0x30").vector == DB


# ---- watching from outside -----------------------------------------------------------------------


def touches(pc: Pc, *spots: Watched, source: str) -> list[tuple[int, int, int, bool]]:
    """Accesses heard of while a program runs: EIP, address, size, whether a write."""
    heard: list[tuple[int, int, int, bool]] = []

    def touched(cpu: Cpu, linear: int, size: int, write: bool) -> None:
        heard.append((cpu.eip, linear, size, write))

    pc.cpu.watch(spots, touched)
    assert pc.run(f"{source}\nint 0x30").vector == DONE
    pc.cpu.watch((), touched)
    return heard


def test_an_access_to_watched_bytes_is_heard_of_with_its_instruction(pc: Pc) -> None:
    source = f"mov eax, [{DATA}]\nmov [{DATA + 2}], ax\nmov [{DATA + 4}], al"
    assert touches(pc, Watched(DATA, 4), source=source) == [(CODE + 5, DATA + 2, 2, True)]
    assert touches(pc, Watched(DATA, 4, reads=True, writes=False), source=source) == [(CODE, DATA, 4, False)]
    assert not hits(pc)


def test_what_pushes_the_frame_of_an_interrupt_is_heard_of_too(pc: Pc) -> None:
    heard = touches(pc, Watched(STACK - 12, 12), source="nop")
    assert [(linear, write) for _, linear, _, write in heard] == [
        (STACK - 4, True),
        (STACK - 8, True),
        (STACK - 12, True),
    ]


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_a_watched_program_ends_in_the_same_state_as_one_that_is_not(seed: int, length: int) -> None:
    source = random_program(seed, length)
    plain, watched, slow = machine(source), machine(source), machine(source)
    heard: list[list[tuple[int, int, bool]]] = [[], []]
    for made, log in zip((watched, slow), heard, strict=True):
        made.cpu.watch(
            [Watched(0x8004, 6, reads=True)],
            lambda cpu, linear, size, write, log=log: log.append((linear, size, write)),  # type: ignore[misc]
        )
    ran = [run(made, 4_000, fast=fast) for made, fast in ((plain, True), (watched, True), (slow, False))]
    assert len(set(ran)) == 1
    assert state(plain) == state(watched) == state(slow)
    assert heard[0] == heard[1]


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 15), st.integers(0, 0xFFFF))
def test_breakpoints_are_met_at_the_same_instructions_in_compiled_code(
    seed: int, length: int, where: int, kinds: int
) -> None:
    source = random_program(seed, length)
    trails: list[list[tuple[int, int, int]]] = []
    ends = []
    for fast in (False, True):
        made, trail = machine(source), []
        cpu = made.cpu

        def deliver(cpu: Cpu, interruption: object, trail: list[tuple[int, int, int]] = trail) -> None:
            trail.append((cpu.eip, cpu.dr[6] & DR6_B, cpu.regs[0]))
            cpu.dr[6] &= ~DR6_B
            cpu.eflags |= RF

        cpu.deliver = deliver  # type: ignore[assignment]
        for number, linear in enumerate((0x1020 + where, 0x8000 + 4 * where, 0x8020, 0x1010)):
            cpu.write_debug_register(number, linear)
        cpu.write_debug_register(7, 0xFF | struct.unpack("<I", struct.pack("<HH", 0, kinds & 0xDDDD))[0])
        run(made, 4_000, fast=fast)
        trails.append(trail)
        ends.append(state(made))
    assert trails[0] == trails[1]
    assert ends[0] == ends[1]


def test_breakpoints_come_back_with_a_checkpoint(pc: Pc) -> None:
    arm(pc, 0, DATA, BreakOn.WRITE)
    kept = list(pc.cpu.dr)
    pc.cpu.write_debug_register(7, 0)
    assert pc.run(f"mov [{DATA}], al\nint 0x30").vector == DONE
    pc.cpu.dr[:] = kept
    pc.cpu.restored()
    caught: Caught = pc.run(f"mov [{DATA}], al\nint 0x30")
    assert caught.vector == DB
