"""Who is running: one actor at a time, the crossing while a trap is in progress, and counts that add up."""

from dataclasses import replace
from pathlib import Path

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import StatsView, plain
from teachvm.machine.events import CpuHalted, InterruptAccepted
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.events import GuestResumed, InterruptInjected, VcpuBlocked, VmmEntered
from teachvm.vmm.techniques import Technique
from teachvm.world.events import WorldEnded
from tests.app.laboratory import controlled
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import actors, after, card, find, running, stats, tinyos, until, visible


def test_under_a_vmm_there_are_four_actors_and_the_kernel_is_fooled(at: At) -> None:
    control = at("sched_lock", 2)
    stack = actors(control).actors
    assert [(actor.letter, actor.role) for actor in stack] == [
        ("U", "program"), ("K", "kernel"), ("V", "vmm"), ("H", "hardware"),
    ]  # fmt: skip
    assert plain(stack[1].detail) == "thinks ring 0 · really ring 1"
    assert running(control) == ["Guest kernel"]


@pytest.mark.parametrize(
    ("technique", "words", "ring"),
    [
        (Technique.TRAP_AND_EMULATE, "thinks ring 0 · really ring 1", 1),
        (Technique.PARAVIRTUAL, "ring 1, and knows it", 1),
        (Technique.HARDWARE_ASSIST, "ring 0 · in non-root mode", 0),
    ],
)
def test_the_kernel_is_where_the_card_says(technique: Technique, words: str, ring: int) -> None:
    control = tinyos(technique)
    until(control, "memory_init")
    assert plain(actors(control).actors[1].detail) == words
    assert control.world.host.machine.cpu.cpl == ring


IN_CHARGE = """
        bits    32
        org     0x10000
start:  mov     esp, 0x18000
        lgdt    [table]
        mov     eax, 0x23
        mov     ds, ax
        mov     es, ax
        push    dword 0x23
        push    dword 0x17000
        push    dword 0x{eflags:x}
        push    dword 0x1b
        push    dword program
        iretd
program:
        nop
there:  jmp     program
        align   8
gdt:    dq      0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF
table:  dw      39
        dd      gdt
"""


@pytest.mark.parametrize(
    ("eflags", "words"), [(0x3202, "translated, ring 3"), (2, "translated, ring 3"), (0x202, "ring 3")]
)
def test_a_program_that_may_see_or_change_the_real_if_is_said_to_be_translated(
    tmp_path: Path, eflags: int, words: str
) -> None:
    control = controlled(tmp_path, Technique.BINARY_TRANSLATION, IN_CHARGE.format(eflags=eflags))
    control.leave()
    control.timeline.run(300)
    control.leave()
    assert running(control) == ["Guest program"]
    assert plain(actors(control).actors[0].detail) == words
    assert control.world.host.machine.cpu.cpl == 3


def test_on_bare_metal_there_is_no_vmm_and_the_kernel_is_in_ring_0(bare_at: At) -> None:
    control = bare_at("sched_lock")
    stack = actors(control).actors
    assert [actor.letter for actor in stack] == ["U", "K", "H"]
    assert plain(stack[1].detail) == "ring 0"
    assert running(control) == ["Guest kernel"]


def test_a_trap_moves_control_down_to_the_vmm_and_says_what_it_does(at: At) -> None:
    control = at("sched_lock", 2)
    assert actors(control).crossing is None
    seen = []
    for _ in range(3):
        visible(control)
        view = actors(control)
        assert running(control) == ["VMM"]
        assert view.crossing is not None
        assert (view.crossing.text, view.crossing.above, view.crossing.down) == ("#GP(0) · trap", 1, True)
        seen.append(plain(view.actors[2].detail))
    assert seen == ["ring 0 · entered: cli", "ring 0 · has read cli", "ring 0 · emulated cli"]
    visible(control)
    assert running(control) == ["Guest kernel"]
    assert actors(control).crossing is None


def test_the_hardwares_if_is_not_the_guests(at: At) -> None:
    control = at("sched_lock", 3)
    assert plain(actors(control).actors[3].detail).startswith("IF = 1 · CR3 = ")
    visible(control, 10)
    control.step(Grain.TRAP)
    assert plain(actors(control).actors[3].detail).startswith("IF = 0 · CR3 = ")


def test_a_program_is_called_by_its_process_name(whole_run: Control) -> None:
    after(whole_run, find(whole_run, lambda one: isinstance(one, GuestResumed) and one.cpl == 3))
    assert running(whole_run) == ["Guest program"]
    assert plain(actors(whole_run).actors[0].detail) == "ring 3 · ticker 1"


def test_a_resume_goes_back_up(whole_run: Control) -> None:
    whole_run.seek(find(whole_run, lambda one: isinstance(one, GuestResumed) and one.at.n > 0).at)
    crossing = actors(whole_run).crossing
    assert crossing is not None
    assert (crossing.text, crossing.down) == ("resume", False)


def test_an_exception_on_bare_metal_is_the_hardwares_work_first(whole_bare_run: Control) -> None:
    whole_bare_run.seek(find(whole_bare_run, lambda one: isinstance(one, InterruptAccepted)).at)
    assert running(whole_bare_run) == ["Hardware CPU"]
    crossing = actors(whole_bare_run).crossing
    assert crossing is not None
    assert (crossing.text, crossing.down) == ("interrupt 0x20", False)


def test_after_everybody_waited_the_vmm_takes_the_guest_up_again(whole_run: Control) -> None:
    after(whole_run, find(whole_run, lambda one: isinstance(one, VcpuBlocked)))
    assert running(whole_run) == ["VMM"]
    assert plain(actors(whole_run).actors[2].detail) == "ring 0 · the timer ended a wait"


def test_a_halted_machine_without_a_vmm_waits(whole_bare_run: Control) -> None:
    after(whole_bare_run, find(whole_bare_run, lambda one: isinstance(one, CpuHalted)))
    assert running(whole_bare_run) == ["Hardware CPU"]
    assert plain(actors(whole_bare_run).actors[2].detail).startswith("halted, waits for a device")


def test_at_the_end_the_hardware_has_stopped(whole_run: Control) -> None:
    whole_run.seek(find(whole_run, lambda one: isinstance(one, WorldEnded)).at)
    assert running(whole_run) == ["Hardware CPU"]
    assert plain(actors(whole_run).actors[3].detail).startswith("stopped")


def test_with_two_vms_the_one_that_has_the_processor_is_shown(two_runs: Control) -> None:
    event = find(two_runs, lambda one: isinstance(one, VmmEntered) and one.vm == "beta" and one.at.n > 2000)
    two_runs.seek(event.at)
    assert plain(card(two_runs, "who-is-running").subtitle) == "beta"
    assert running(two_runs) == ["VMM"]
    two_runs.look(replace(two_runs.focus, guest="alpha"))
    assert plain(card(two_runs, "who-is-running").subtitle) == "alpha"
    assert actors(two_runs).crossing is None
    two_runs.look(replace(two_runs.focus, guest=""))


# ---- counts -----------------------------------------------------------------------------------------------------


def test_traps_and_instructions_are_counted_from_the_beginning() -> None:
    control = tinyos()
    assert stats(control) == {"Traps so far": "0", "Instructions": "0", "Cycles in VMM": "0\u202f%"}
    for _ in range(3):
        control.step(Grain.TRAP)
    assert stats(control)["Traps so far"] == "3"
    assert stats(control)["Instructions"] == "5"


def test_the_trap_count_is_the_ledgers_plus_the_one_going_on(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, InterruptInjected))
    whole_run.seek(event.at)
    ledger = whole_run.snapshot().state("alpha.ledger")
    entries = sum(count for reason, count in ledger.counts if reason.cost != "interpret")
    going_on = whole_run.snapshot().state("alpha.engine").entry is not None
    assert stats(whole_run)["Traps so far"] == f"{entries + going_on}"


@pytest.mark.parametrize("fixture", ["whole_run", "whole_bare_run", "two_runs"])
def test_shares_are_parts_of_one_whole(fixture: str, request: pytest.FixtureRequest) -> None:
    control: Control = request.getfixturevalue(fixture)
    control.seek(Moment(30_000))
    view = card(control, "who-is-running").body[1]
    assert isinstance(view, StatsView)
    assert sum(share.fraction for share in view.shares) == pytest.approx(1)
    assert len({share.role for share in view.shares}) == len(view.shares)


# ---- announcements ----------------------------------------------------------------------------------------------


def test_a_trap_is_announced_once_when_it_begins(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control)
    assert card(control, "who-is-running").announce == "VMM is entered for cli: #GP(0) at 0001 0a36 in alpha."
    visible(control)
    assert card(control, "who-is-running").announce == ""


def test_several_traps_are_announced_by_number_and_the_last() -> None:
    control = tinyos()
    control.snapshot()
    control.seek(Moment(12))
    assert card(control, "who-is-running").announce.startswith("5 traps. The last: VMM is entered for ")


def test_going_back_announces_nothing() -> None:
    control = tinyos()
    control.seek(Moment(12))
    control.snapshot()
    control.back(Grain.INSTRUCTION)
    assert card(control, "who-is-running").announce == ""
