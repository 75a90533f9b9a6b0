"""Repeated string instructions: whole runs, stops, and registers after each."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.flags import DF, IF, RF, TF
from teachvm.machine.events import WalkReferenced
from tests.machine.pc import CODE, DATA, Pc

EAX, ECX, ESI, EDI = 0, 1, 6, 7
FROM, TO = 0x10_0000, 0x20_0000


@pytest.fixture
def pc() -> Pc:
    pc = Pc()
    pc.memory.write_bytes(FROM, random.Random(5).randbytes(0x4000))
    return pc


def start(pc: Pc, source: str, **registers: int) -> None:
    pc.load(source)
    numbers = {"eax": EAX, "ecx": ECX, "esi": ESI, "edi": EDI, "edx": 2}
    for name, value in registers.items():
        pc.cpu.regs[numbers[name]] = value


def test_a_whole_run_is_one_step_and_takes_a_cycle_for_each_iteration(pc: Pc) -> None:
    start(pc, "rep movsd", ecx=0x900, esi=FROM + 2, edi=TO + 0xFF3)
    assert pc.step() == 0x900
    assert pc.memory.read_bytes(TO + 0xFF3, 0x2400) == pc.memory.read_bytes(FROM + 2, 0x2400)
    assert (pc.cpu.regs[ECX], pc.cpu.regs[ESI], pc.cpu.regs[EDI]) == (0, FROM + 0x2402, TO + 0x33F3)
    assert pc.cpu.eip == CODE + 2


def test_a_zero_counter_takes_one_cycle_and_touches_nothing(pc: Pc) -> None:
    start(pc, "rep stosd", ecx=0, edi=0xFFFF_0000)
    assert pc.step() == 1
    assert (pc.cpu.eip, pc.cpu.regs[EDI]) == (CODE + 2, 0xFFFF_0000)


def test_a_device_that_is_due_stops_a_run_which_goes_on_later(pc: Pc) -> None:
    pc.cpu.budget = lambda: 100
    start(pc, "rep stosb", ecx=250, edi=TO, eax=0x5A)
    assert [pc.step(), pc.cpu.eip, pc.cpu.regs[ECX]] == [100, CODE, 150]
    assert [pc.step(), pc.cpu.eip, pc.cpu.regs[ECX]] == [100, CODE, 50]
    assert [pc.step(), pc.cpu.eip, pc.cpu.regs[ECX]] == [50, CODE + 2, 0]
    assert pc.memory.read_bytes(TO, 251) == b"\x5a" * 250 + b"\0"


def test_a_budget_below_one_still_lets_one_iteration_through(pc: Pc) -> None:
    pc.cpu.budget = lambda: -5
    start(pc, "rep stosb", ecx=2, edi=TO)
    assert (pc.step(), pc.step(), pc.cpu.regs[ECX]) == (1, 1, 0)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("distance", [-9, -4, -1, 1, 2, 3, 4, 5, 8, 17])
def test_overlapping_copies_go_element_by_element(pc: Pc, size: int, distance: int) -> None:
    count = 40
    expected = bytearray(pc.memory.read_bytes(FROM, 0x400))
    for index in range(count):
        at = 0x100 + index * size
        expected[at + distance : at + distance + size] = expected[at : at + size]
    start(pc, f"rep movs{'bw?d'[size - 1]}", ecx=count, esi=FROM + 0x100, edi=FROM + 0x100 + distance)
    pc.step()
    assert pc.memory.read_bytes(FROM, 0x400) == bytes(expected)


@pytest.mark.parametrize("distance", [-3, 0, 5])
def test_backward_copies_start_at_the_top(pc: Pc, distance: int) -> None:
    expected = bytearray(pc.memory.read_bytes(FROM, 0x2000))
    for index in range(300):
        at = 0x1100 - 4 * index
        expected[at + distance : at + distance + 4] = expected[at : at + 4]
    start(pc, "rep movsd", ecx=300, esi=FROM + 0x1100, edi=FROM + 0x1100 + distance)
    pc.cpu.eflags |= DF
    assert pc.step() == 300
    assert pc.memory.read_bytes(FROM, 0x2000) == bytes(expected)
    assert pc.cpu.regs[ESI] == FROM + 0x1100 - 1200


def test_a_run_stops_at_a_page_that_needs_a_walk_and_the_walk_opens_the_next_unit(pc: Pc) -> None:
    pc.identity_paging()
    start(pc, "rep stosd", ecx=0x500, edi=TO)
    assert pc.step() == 0x400
    references = [(event.at.n, event.linear) for event in pc.recorder.log.of(WalkReferenced) if event.linear != CODE]
    assert references == [(0, TO), (0, TO)]
    assert pc.step() == 0x100
    references = [(event.at.n, event.linear) for event in pc.recorder.log.of(WalkReferenced) if event.linear != CODE]
    assert references[2:] == [(1, TO + 0x1000)] * 2


def test_a_run_needs_no_stop_where_pages_are_resident(pc: Pc) -> None:
    pc.identity_paging()
    for page in (TO, TO + 0x1000):
        pc.cpu.write32(0, page, 0)
    start(pc, "rep stosd", ecx=0x500, edi=TO)
    assert pc.step() == 0x500


def test_iterations_before_a_fault_are_done_and_the_fault_comes_alone(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(TO + 0x1000, 0)
    start(pc, "rep movsb", ecx=0x20, esi=FROM, edi=TO + 0xFF0)
    assert pc.step() == 0x10
    assert (pc.cpu.regs[ECX], pc.cpu.regs[EDI], pc.cpu.eip) == (0x10, TO + 0x1000, CODE)
    caught = pc.until_handler()
    assert (caught.vector, caught.error, caught.eip, pc.cpu.cr2) == (14, 2, CODE, TO + 0x1000)
    assert pc.cpu.regs[ECX] == 0x10


@pytest.mark.parametrize("source", ["rep stosd", "rep movsd", "rep lodsd", "repne scasd", "repe cmpsd"])
@pytest.mark.parametrize("down", [False, True])
def test_a_fault_names_the_first_element_of_a_run_whichever_way_it_goes(pc: Pc, source: str, down: bool) -> None:
    pc.identity_paging()
    for page in (FROM, TO):
        pc.set_page(page, 0)
    start(pc, source, ecx=0x20, esi=FROM + 0x800, edi=TO + 0x800)
    pc.cpu.eflags |= DF if down else 0
    first = TO + 0x800 if source in ("rep stosd", "repne scasd") else FROM + 0x800
    assert (pc.until_handler().vector, pc.cpu.cr2, pc.cpu.regs[ECX]) == (14, first, 0x20)


def test_an_element_across_a_missing_page_is_not_begun(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(TO + 0x1000, 0)
    start(pc, "rep stosd", ecx=4, edi=TO + 0xFF6, eax=0xFFFF_FFFF)
    assert pc.step() == 2
    assert pc.memory.read_bytes(TO + 0xFFC, 4) == b"\xff\xff\0\0"
    caught = pc.until_handler()
    assert (caught.vector, pc.cpu.cr2, pc.cpu.regs[ECX]) == (14, TO + 0x1000, 2)


@pytest.mark.parametrize(("source", "left", "zf"), [("repne scasb", 5, 0x40), ("repe scasb", 9, 0)])
def test_scans_end_by_zf_with_the_registers_behind_the_element(pc: Pc, source: str, left: int, zf: int) -> None:
    pc.memory.write_bytes(TO, b"abcdefghij")
    start(pc, source, ecx=10, edi=TO, eax=ord("e"))
    assert pc.step() == 10 - left
    assert (pc.cpu.regs[ECX], pc.cpu.regs[EDI], pc.cpu.eflags & 0x40) == (left, TO + 10 - left, zf)
    assert pc.cpu.eip == CODE + 2


def test_a_comparison_of_equal_blocks_runs_to_the_end(pc: Pc) -> None:
    pc.memory.write_bytes(TO, pc.memory.read_bytes(FROM, 0x40))
    start(pc, "repe cmpsd", ecx=0x10, esi=FROM, edi=TO)
    assert pc.step() == 0x10
    assert (pc.cpu.regs[ECX], pc.cpu.eflags & 0x40) == (0, 0x40)


def test_sixteen_bit_addresses_wrap_and_count_in_sixteen_bits(pc: Pc) -> None:
    start(pc, "db 0xf3, 0x67, 0xaa", ecx=0x7_0004, edi=0x5_FFFE, eax=0x77)
    assert pc.step() == 4
    assert (pc.cpu.regs[ECX], pc.cpu.regs[EDI]) == (0x7_0000, 0x5_0002)
    assert pc.memory.read_bytes(0xFFFE, 2) + pc.memory.read_bytes(0, 2) == b"\x77" * 4


def test_single_stepping_stops_after_every_iteration(pc: Pc) -> None:
    pc.enter_ring(0, 2 | TF)
    start(pc, "rep stosb", ecx=3, edi=TO)
    caught = pc.until_handler()
    assert (caught.vector, caught.eip, pc.cpu.regs[ECX]) == (1, CODE, 2)


def test_a_run_over_its_own_code_is_seen_by_the_next_instruction(pc: Pc) -> None:
    start(pc, "rep stosb\nnop\nnop\nnop", ecx=1, edi=CODE + 2, eax=0x40)
    pc.load("rep stosb\nnop\nnop\nnop")
    pc.step(2)
    assert pc.cpu.regs[EAX] == 0x41


@settings(max_examples=60)
@given(
    st.integers(-80, 30), st.integers(1, 90), st.sampled_from(("stos", "movs")), st.sampled_from("bwd"), st.booleans()
)
def test_a_run_that_overwrites_itself_is_fetched_again_as_its_elements_are_one_by_one(
    away: int, count: int, what: str, size: str, down: bool
) -> None:
    ends = []
    for budget in (1 << 20, 1):
        pc = Pc()
        pc.memory.write_bytes(FROM, b"\x40" * 0x400)
        pc.memory.write_bytes(FROM + 0x400, b"\x42" * 0x400)
        pc.cpu.budget = lambda budget=budget: budget
        start(
            pc, f"rep {what}{size}", eax=0x4040_4040, ecx=count, esi=FROM + 0x3E0, edi=CODE + (-away if down else away)
        )
        pc.cpu.eflags |= DF if down else 0
        cycles = 0
        while cycles < count and pc.cpu.eip == CODE and pc.memory.read_bytes(CODE, 1) == b"\xf3":
            cycles += pc.step()
        ends.append((cycles, list(pc.cpu.regs), pc.cpu.eip, pc.memory.read_bytes(CODE - 0x200, 0x400)))
    assert ends[0] == ends[1]


def test_port_input_fills_memory_and_stops_for_an_interrupt_it_caused(pc: Pc) -> None:
    class Source:
        @property
        def pending(self) -> bool:
            return len(pc.ports.log) >= 3

        def acknowledge(self) -> int:
            return 0x20

    pc.ports.values[0x1F0] = 0x1234
    pc.cpu.interrupts = Source()
    pc.enter_ring(0, 2 | IF)
    start(pc, "rep insw", ecx=8, edi=TO, edx=0x1F0)
    assert pc.step() == 3
    assert (pc.cpu.regs[ECX], pc.cpu.eip) == (5, CODE)
    assert pc.memory.read_bytes(TO, 8) == b"\x34\x12" * 3 + b"\0\0"


def test_port_output_reads_memory_in_order(pc: Pc) -> None:
    pc.memory.write_bytes(DATA, b"abc")
    start(pc, "rep outsb", ecx=3, esi=DATA, edx=0xE9)
    assert pc.step() == 3
    assert pc.ports.log == [("out", 0xE9, 1, byte) for byte in b"abc"]


def _patterned(pc: Pc, rng: random.Random) -> None:
    """Memory of two values, mostly one of them, so that comparisons go some way."""
    often = rng.choice((0.5, 0.02, 0.001, 0))
    content = bytes(rng.random() < often for _ in range(0x3000))
    pc.memory.write_bytes(FROM, content)
    pc.memory.write_bytes(TO, content if rng.random() < 0.7 else content[4:] + b"\x01\0\0\0")


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(("movs", "stos", "lods", "scas", "cmps")),
    st.sampled_from("bwd"),
    st.sampled_from(("rep", "repne")),
    st.booleans(),
)
def test_runs_of_every_kind_and_direction_end_as_their_elements_do_one_by_one(
    seed: int, what: str, size: str, prefix: str, down: bool
) -> None:
    rng = random.Random(seed)
    registers = {
        "eax": rng.choice((0, 1, 0x0100, 0x0101_0101)),
        "ecx": rng.choice((rng.randrange(1, 20), rng.randrange(1, 1500))),
        "esi": FROM + 0x1000 + rng.choice((0, 1, rng.randrange(0x1000), 0xFFF)),
        "edi": rng.choice((FROM, TO)) + 0x1000 + rng.choice((0, 2, rng.randrange(0x1000), 0xFFF)),
    }
    ends = []
    for budget in (1 << 20, 1):
        pc = Pc()
        _patterned(pc, random.Random(seed))
        pc.cpu.budget = lambda budget=budget: budget
        repeated = prefix if what in ("scas", "cmps") else "rep"
        start(pc, f"{repeated} {what}{size}", **registers)
        pc.cpu.eflags |= DF if down else 0
        cycles = 0
        while pc.cpu.eip == CODE:
            cycles += pc.step()
        ends.append(
            (
                cycles,
                list(pc.cpu.regs),
                pc.cpu.eflags & ~RF,
                pc.memory.read_bytes(FROM, 0x3000),
                pc.memory.read_bytes(TO, 0x3000),
            )
        )
    assert ends[0] == ends[1]


def test_ports_are_accessed_at_most_a_few_hundred_times_in_one_unit(pc: Pc) -> None:
    start(pc, "rep outsb", ecx=1000, esi=FROM, edx=0x80)
    assert [pc.step() for _ in range(4)] == [256, 256, 256, 232]
