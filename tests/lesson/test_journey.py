"""Running to anchors on a real guest: where a run ends, on either side, and within its budget."""

from pathlib import Path

import pytest

from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.journey import Ending
from teachvm.lesson.watching import recorded
from teachvm.vmm.events import VmmEntered
from teachvm.vmm.techniques import Technique
from tests.lesson.worlds import Room


def test_a_trap_is_shown_before_at_and_after() -> None:
    room = Room("alpha")
    room.go("trap('lgdt')", "before")
    before = room.timeline.position
    assert before.phase == 0
    assert room.value("alpha.vcpu.gdtr.base") == 0x500
    room.go("trap('lgdt')", "at")
    at = room.timeline.position
    assert at.n == before.n
    assert at.phase > 0
    assert room.value("running") == "vmm"
    assert room.value("last('trap').reason") == "lgdt"
    room.timeline.seek(before)
    room.go("trap('lgdt')")
    assert room.timeline.position == (before.n + 1, 0)
    assert room.value("running") == "kernel"
    assert room.value("alpha.vcpu.gdtr.base != 0x500")


def test_a_run_that_starts_inside_a_unit_finds_what_comes_later_in_it() -> None:
    room = Room("alpha")
    room.go("trap('cli')", "before", limit=200_000)
    start = room.timeline.position
    room.timeline.step()  # the exception is raised
    assert room.timeline.position > start
    arrival = room.go("trap('cli')", "at")
    assert arrival.reached
    assert arrival.at.n == start.n


def test_the_same_milestone_again_is_the_next_one() -> None:
    room = Room("alpha")
    room.go("trap('mov-cr')", "at")
    first = room.timeline.position
    room.go("trap('mov-cr')", "at")
    second = room.timeline.position
    assert second.n > first.n
    room.timeline.seek(first)
    room.go("trap('mov_cr', nth=2)", "at")
    assert room.timeline.position.n > second.n


def test_a_label_is_met_before_its_instruction() -> None:
    room = Room("alpha")
    arrival = room.go("at('memory_init')")
    assert arrival.reached
    assert arrival.at.phase == 0
    assert room.value("cpu.eip == label('memory_init')")
    assert room.value("at('memory_init')")
    room.timeline.seek(room.timeline.position._replace(n=0))
    room.go("at('memory_init')", "after")
    assert room.timeline.position == (arrival.at.n + 1, 0)


def test_a_label_in_a_program_is_not_met_in_another_one() -> None:
    room = Room("alpha", "beta", program="ticker")
    room.go("at('start', process='ticker', vm='beta')")
    assert room.value("current") == "beta"
    assert room.value("cpu.cpl") == 3
    assert room.value("at('start', process='ticker', vm='beta')")
    assert not room.value("at('start', process='ticker', vm='alpha')")


@pytest.mark.parametrize("technique", [Technique.BARE_METAL, Technique.TRAP_AND_EMULATE])
def test_a_handler_is_met_at_its_first_instruction(technique: Technique) -> None:
    room = Room("alpha", technique=technique)
    arrival = room.go("at('system_call')")
    assert arrival.reached
    assert room.value("cpu.eip == label('system_call')")
    assert room.value("alpha.vcpu.cpl") == 0
    assert room.value("memory(alpha.vcpu.esp + 4) & 3") == 3  # the saved CS is a program's


def test_console_output_is_an_anchor_with_stars_and_in_order() -> None:
    room = Room("alpha")
    assert room.go("console('tinyos *: ')").reached
    assert str(room.value("alpha.console")).endswith("tinyos 1: ")
    assert room.go("console('pid', 'exited', vm='alpha')").reached
    assert str(room.value("alpha.console")).endswith("exited")
    assert room.timeline.position.phase == 0


def test_a_condition_is_tested_at_milestones_and_stops_inside_the_unit() -> None:
    room = Room("alpha")
    arrival = room.go("alpha.vcpu.paging")
    assert arrival.reached
    assert room.value("alpha.vcpu.paging")
    assert room.value("last('trap').reason") == "mov-cr"
    assert not room.go("alpha.vcpu.paging").instructions  # it holds already


def test_so_many_instructions_later() -> None:
    room = Room("alpha")
    room.go("at('memory_init')")
    before = room.timeline.position
    room.go("after(25)")
    assert room.timeline.position == (before.n + 25, 0)


def test_another_vm_gets_the_cpu() -> None:
    room = Room("alpha", "beta")
    assert room.go("switch('beta')").reached
    assert room.value("current") == "beta"
    assert room.go("switch").reached
    assert room.value("current") == "alpha"


def test_a_system_call_is_met_by_its_number() -> None:
    room = Room("alpha", technique=Technique.BARE_METAL)
    assert room.go("syscall(4)", "before").reached
    assert room.value("cpu.eax") == 4
    assert room.value("cpu.cpl") == 3
    assert room.value("count('syscall')") == 2  # uname and getpid
    room.go("syscall(4)")
    assert room.value("count('syscall')") == 3
    assert room.value("last('syscall').vector") == 0x80


def test_a_fault_is_the_guests_own_on_bare_metal_and_under_a_vmm() -> None:
    for technique in (Technique.BARE_METAL, Technique.TRAP_AND_EMULATE):
        room = Room("alpha", technique=technique, program="pages")
        assert room.go("fault('#PF', vm='alpha')").reached
        assert room.value("last('fault').vector") == 14
        assert room.value("last('fault').error") == 6  # a write from ring 3 to an absent page
        assert room.value("count('fault')") == 1


def test_a_walk_is_met_at_its_first_reference() -> None:
    room = Room("alpha", technique=Technique.BARE_METAL)
    room.go("at('start', process='hello')")
    here = room.timeline.position
    assert room.go("walk(cpu.esp - 4)").reached
    assert room.timeline.position.n >= here.n
    assert room.value("count('walk') > 0")


@pytest.mark.parametrize("word", ["exit", "callout", "translated", "chained", "hypercall"])
def test_what_other_techniques_do_never_happens_here(word: str) -> None:
    room = Room("alpha")
    arrival = room.go(word, limit=500)
    assert arrival.ending is Ending.BUDGET
    assert arrival.text == f"{word} was not reached within 500 instructions"


def test_a_world_that_ends_first_says_so() -> None:
    room = Room("alpha")
    arrival = room.go("trap('cli', nth=99)")
    assert arrival.ending is Ending.WORLD_ENDED
    assert "was not reached: alpha halted with interrupts off after" in arrival.text
    assert room.go("stopped").reached


def test_a_paused_run_goes_on_to_the_same_place() -> None:
    whole, sliced = Room("alpha"), Room("alpha")
    expected = whole.go("trap('in-out', nth=20)")
    journey = sliced.journey("trap('in-out', nth=20)")
    pauses = 0
    while (arrival := journey.advance(lambda: False)) is None:
        pauses += 1
    assert pauses > 10
    assert arrival == expected
    assert sliced.timeline.digest() == whole.timeline.digest()


def test_looking_for_an_anchor_changes_nothing() -> None:
    room, plain = Room("alpha"), Room("alpha")
    room.go("count('walk') > 40 and 'B' not in alpha.console")
    here = room.timeline.position
    plain.timeline.seek(here)
    assert room.timeline.digest() == plain.timeline.digest()


def test_a_run_from_the_past_recognises_what_is_recorded_already() -> None:
    room = Room("alpha")
    room.go("trap('lidt')")
    there = room.timeline.position
    room.go("after(500)")
    room.timeline.seek(there._replace(n=0))
    room.go("trap('lidt')")
    assert room.timeline.position == there


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("trap('lgdt')", True),
        ("trap('lgdt', nth=2)", False),
        ("trap('hlt')", False),
        ("console('tinyos')", True),
        ("after(100)", True),
        ("after(1000000)", False),
        ("at('console_write')", False),
        ("alpha.vcpu.paging", True),
        ("stopped", False),
    ],
)
def test_the_past_tells_whether_a_task_was_done(text: str, reached: bool) -> None:
    room = Room("alpha")
    start = room.timeline.position
    room.go("console('tinyos 1')")
    anchor = compile_anchor(text, room.known)
    assert recorded(anchor, room.world, room.scope, start, room.timeline.position) is reached


def test_a_milestone_is_past_at_its_phase_and_not_before() -> None:
    room = Room("alpha")
    room.go("trap('lgdt')", "at")
    at = room.timeline.position
    entered = [e for e in room.world.recorder.log.of(VmmEntered) if e.at == at]
    assert entered
    assert room.value("last('trap').reason") == "lgdt"
    count = room.value("count('trap')")
    room.timeline.back()
    assert room.value("count('trap')") == int(str(count)) - 1


LOOP = """
        bits    32
        org     0x10000
start:  mov     esp, 0x18000
        mov     edi, 9
again:  inc     eax
        inc     ebx
cleared:
        cli
pushed: pushfd
        pop     esi
called: call    leaf
        inc     edx
        inc     edx
        inc     edx
elided: jmp     on
on:     dec     edi
        jnz     again
        mov     dx, 0x501
        out     dx, al
leaf:   inc     ecx
left:   ret
"""


@pytest.mark.parametrize("label", ["again", "cleared", "pushed", "called", "elided", "on", "leaf", "left"])
@pytest.mark.parametrize(
    "technique", [Technique.BARE_METAL, Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION, Technique.EMULATION]
)
def test_a_label_in_a_loop_is_met_once_each_time_round(technique: Technique, label: str, tmp_path: Path) -> None:
    """Though one instruction of the guest's may take several of translated code, or none of its own."""
    kernel = tmp_path / "guest.asm"
    kernel.write_text(LOOP, encoding="ascii")
    room = Room("alpha", technique=technique, kernel=kernel)
    arrival = room.go(f"at('{label}', nth=5)")
    assert arrival.reached
    assert room.value("alpha.vcpu.edi") == 5
    assert room.go(f"at('{label}', nth=2)").reached
    assert room.value("alpha.vcpu.edi") == 3
