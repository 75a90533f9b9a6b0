"""tinyos on the bare machine: what it says, how long it takes, and what it never does."""

from itertools import pairwise

import pytest

from teachvm.guest.loader import BOOT_INFO
from teachvm.guest.processes import Process, ProcessState, processes
from teachvm.isa.decode import decode
from teachvm.isa.flags import IF
from teachvm.isa.row import InstructionClass
from teachvm.machine.events import ExceptionRaised, PageWalked
from teachvm.machine.exceptions import Interruption, Source
from teachvm.machine.interrupts import deliver_through_idt
from tests.guest.bare import MIB, BareMetal

TICKERS = (("ticker", 0), ("ticker", 0))
LESSON_3 = """\
tinyos 1: 2048 KiB, programs: 2
ticker A (pid 1): 1
ticker B (pid 2): 1
ticker B (pid 2): 2
ticker A (pid 1): 2
ticker A (pid 1): 3
ticker B (pid 2): 3
ticker B (pid 2): 4
pid 2 (ticker) exited: 0
ticker A (pid 1): 4
pid 1 (ticker) exited: 0
ticks: 3
"""
HARMLESS = {
    "JMPF": "to the kernel's own code segment",
    "MOV": "loads of DS, ES, SS, FS, GS: no selector is read back",
    "IRETD": "faults outside ring 0, because of the selectors in its frame",
}
"""Sensitive, unprivileged instructions that act the same, or fault, in a kernel that was moved out of ring 0."""


def sensitive_instructions(bare: BareMetal) -> dict[int, str]:
    """Mnemonics of the kernel's sensitive but unprivileged instructions, by address."""
    found = {}
    for piece in bare.image.symbols.kernel.assembly.pieces:
        if piece.agreement is not None:
            row = decode(piece.data[: len(piece.data) // piece.repeated]).row
            if row.klass is InstructionClass.SENSITIVE_UNPRIVILEGED:
                found[piece.address] = row.mnemonic
    return found


@pytest.fixture(scope="module", name="lesson")
def lesson_3_run() -> tuple[BareMetal, list[tuple[int, str, bool]]]:
    """The run of lesson 3, with every sensitive instruction the kernel executed: address, mnemonic, IF before it."""
    bare = BareMetal(programs=TICKERS)
    sensitive, executed = sensitive_instructions(bare), []
    cpu, seen = bare.cpu, -1

    def watch() -> None:
        nonlocal seen
        if cpu.cpl == 0 and cpu.eip in sensitive and bare.clock.n != seen:
            seen = bare.clock.n
            executed.append((cpu.eip, sensitive[cpu.eip], bool(cpu.eflags & IF)))

    bare.run(watch=watch)
    return bare, executed


Lesson = tuple[BareMetal, list[tuple[int, str, bool]]]


def test_two_tickers_take_turns_and_the_clock_ticks_three_times_after_the_lock(lesson: Lesson) -> None:
    assert lesson[0].console == LESSON_3


def test_lesson_3_fits_its_budget(lesson: Lesson) -> None:
    assert 20_000 <= lesson[0].clock.n <= 45_000


def test_machine_ends_halted_with_interrupts_off(lesson: Lesson) -> None:
    cpu = lesson[0].cpu
    assert cpu.halted
    assert not cpu.eflags & IF
    assert lesson[0].image.symbols.kernel.function_at(cpu.eip) == "halt"


def test_lock_is_the_only_place_where_a_moved_kernel_could_go_astray(lesson: Lesson) -> None:
    bare, executed = lesson
    suspects = [step for step in executed if step[1] not in HARMLESS]
    kernel = bare.image.symbols.kernel
    assert [(kernel.function_at(address), name, on) for address, name, on in suspects] == [
        ("sched_lock", "PUSHFD", True),
        ("sched_unlock", "POPFD", False),
    ]


def test_kernel_never_reads_a_segment_register() -> None:
    bare = BareMetal(programs=TICKERS)
    for piece in bare.image.symbols.kernel.assembly.pieces:
        if piece.agreement is not None:
            encoding = decode(piece.data[: len(piece.data) // piece.repeated]).row.encoding
            assert not encoding.startswith(("8C ", "0E", "16", "1E", "06")), f"{piece.address:#x}"


def test_three_ticks_have_half_a_tick_to_spare_on_both_sides() -> None:
    bare = BareMetal(programs=TICKERS)
    symbols = bare.image.symbols.kernel.assembly.symbols
    times: dict[str, int] = {}

    def watch() -> None:
        if bare.cpu.eip == symbols["sched_lock"]:
            times.setdefault("lock", bare.clock.cycles)
        elif bare.cpu.eip == symbols["count_ticks.round"] + 3:
            times["last round"] = bare.clock.cycles

    bare.run(watch=watch)
    tick = 239 * 5_000_000 / 596_591
    assert 3.3 * tick < times["last round"] - times["lock"] < 3.7 * tick


def test_programs_page_faults_are_true_ones_from_ring_3(lesson: Lesson) -> None:
    faults = list(lesson[0].recorder.log.of(ExceptionRaised))
    assert [(fault.vector, fault.error, fault.cpl) for fault in faults] == [(14, 6, 3)] * 2
    assert {fault.cr2 for fault in faults} == {0xBFFF_FFFC}, "each program's first push finds no stack page"


def test_top_four_megabytes_of_linear_space_are_never_touched(lesson: Lesson) -> None:
    assert max(walk.linear for walk in lesson[0].recorder.log.of(PageWalked)) < 0xFFC0_0000


def test_nothing_is_executed_from_a_page_that_is_written(lesson: Lesson) -> None:
    walks = list(lesson[0].recorder.log.of(PageWalked))
    fetched = {walk.frame for walk in walks if walk.access == "fetch" and walk.frame is not None}
    written = {walk.frame for walk in walks if walk.access == "write" and walk.frame is not None}
    assert not fetched & written


@pytest.mark.parametrize("mebibytes", [1, 3, 4, 5, 64, 100])
def test_any_size_of_memory_gives_the_same_text(mebibytes: int) -> None:
    bare = BareMetal(programs=TICKERS, memory_bytes=mebibytes * MIB)
    assert bare.run() == LESSON_3.replace("2048", str(mebibytes * 1024))


def test_without_programs_it_ends_at_once() -> None:
    bare = BareMetal(programs=TICKERS)
    bare.machine.memory.write32(BOOT_INFO + 4, 0)
    assert bare.run(20_000) == "tinyos 1: 2048 KiB, programs: 0\nticks: 3\n"


def test_sixteen_programs_all_get_their_turn() -> None:
    text = BareMetal(programs=[("hello", 0)] * 16).run()
    for pid in range(1, 17):
        assert f"process {pid}\n" in text
        assert f"pid {pid} (hello) exited: 0\n" in text


def test_ended_processes_give_their_memory_back() -> None:
    bare = BareMetal(programs=[("hello", 0), ("pages", 0), ("pages", 1), ("sieve", 300)])
    bare.run()
    symbols, memory = bare.image.symbols.kernel.assembly.symbols, bare.machine.memory
    first, fresh, free = (memory.read32(symbols[name]) for name in ("first_frame", "next_frame", "free_frames"))
    returned = set()
    while free:
        assert free not in returned, "the list of free frames has no loop"
        returned.add(free)
        free = memory.read32(free)
    used = set(range(first, fresh, 4096)) - returned
    assert used == {memory.read32(symbols["kernel_directory"]), memory.read32(symbols["kernel_directory"]) + 4096}


def test_process_table_is_readable_from_outside() -> None:
    bare = BareMetal(programs=[("spinner", 400), ("hello", 0)])
    read = bare.machine.memory.read_bytes
    symbols = bare.image.symbols
    assert processes(symbols, read) == (), "before the kernel has made any"
    while bare.cpu.cpl != 3:
        bare.turn()
    first, second = processes(symbols, read)
    assert (first.pid, first.name, first.state, first.current) == (1, "spinner", ProcessState.RUNNABLE, True)
    assert second == Process(2, "hello", ProcessState.RUNNABLE, second.directory, current=False)
    assert bare.cpu.cr3 == first.directory
    assert {process.directory % 4096 for process in (first, second)} == {0}
    bare.run()
    assert [process.state for process in processes(symbols, read)] == [ProcessState.FREE] * 2


def test_program_is_known_by_the_frame_its_code_is_mapped_to() -> None:
    bare = BareMetal(programs=TICKERS)
    names: list[str] = []
    while len(set(names)) < 2:
        bare.turn()
        if bare.cpu.cpl == 3:
            space = bare.image.symbols.space_at(_frame_of_programs(bare) + (bare.cpu.eip & 0xFFF))
            assert space is not None
            names.append(space.name)
    assert (names[0], names[-1]) == ("ticker#1", "ticker#2")


def _frame_of_programs(bare: BareMetal) -> int:
    """The frame that the present page tables map the first page of any program to."""
    memory = bare.machine.memory
    table = memory.read32((bare.cpu.cr3 & ~0xFFF) + (0x08048000 >> 22) * 4) & ~0xFFF
    return memory.read32(table + (0x08048000 >> 12 & 1023) * 4) & ~0xFFF


def test_scheduler_takes_the_cpu_away_at_every_tick() -> None:
    bare = BareMetal(programs=[("spinner", 0), ("spinner", 0), ("spinner", 0)])
    current = bare.image.symbols.kernel.assembly.symbols["current"]
    turns: list[tuple[int, int]] = []
    while len(turns) < 10:
        bare.turn()
        if bare.cpu.cpl == 3:
            running = bare.machine.memory.read32(current)
            if not turns or turns[-1][0] != running:
                turns.append((running, bare.clock.cycles))
    assert [(later[0] - earlier[0]) % 768 for earlier, later in pairwise(turns)] == [256] * 9, "in a circle of three"
    assert all(1_900 < later[1] - earlier[1] < 2_100 for earlier, later in pairwise(turns[1:]))


@pytest.mark.parametrize(("vector", "slave"), [(0x27, False), (0x2F, True)])
def test_spurious_interrupts_change_nothing(vector: int, slave: bool) -> None:
    bare = BareMetal(programs=TICKERS)
    while bare.cpu.cpl != 3 or bare.clock.n < 8_000:
        bare.turn()
    if slave:
        bare.board.pic.master.isr |= 4
    deliver_through_idt(bare.cpu, Interruption(vector, None, Source.EXTERNAL, bare.cpu.eip))
    bare.run()
    assert sorted(bare.console.splitlines()) == sorted(LESSON_3.splitlines())
    assert bare.board.pic.master.isr == 0


def test_mistake_of_the_kernel_itself_ends_in_a_panic_that_says_where() -> None:
    bare = BareMetal(programs=TICKERS)
    place = bare.image.symbols.address_of("handle_system_call")
    bare.machine.memory.write_bytes(place, b"\x0f\x0b")
    assert bare.run().endswith(f"panic: invalid opcode, error 0, eip {place:08x}\n")
    assert bare.cpu.halted


def test_kernel_that_writes_its_own_code_panics() -> None:
    bare = BareMetal(programs=TICKERS)
    place = bare.image.symbols.address_of("handle_system_call")
    # mov [start], eax: the page is read-only, and CR0.WP makes ring 0 respect that
    bare.machine.memory.write_bytes(place, b"\xa3\x00\x00\x01\x00")
    assert bare.run().endswith(f"panic: page fault, error 3, eip {place:08x}, address 00010000\n")
