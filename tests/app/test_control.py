"""Moving a world: steps of every grain, runs that can be stopped, breakpoints, and what the person is told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from teachvm.app.control import SEARCH_UNITS, Control, Direction
from teachvm.app.focus import Focus
from teachvm.guest.image import GuestError
from teachvm.isa.operands import EDI
from teachvm.machine.events import ExceptionRaised, HandlerEntered, InterruptAccepted, WalkReferenced
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START, Moment
from teachvm.vmm.events import FaultReflected, GuestResumed, InterruptInjected, VmmEntered
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.inputs import ConsoleTyped
from teachvm.world.spec import WorldSpec
from teachvm.world.world import World
from tests.app import laboratory
from tests.app.lessons import FLOOD, FOR_EVER, KERNEL, TRIPLE_FAULT
from tests.world.kernels import BARE, TRAP, Sample, kernel, spec

BOTH = pytest.mark.parametrize("technique", [BARE, TRAP])


def control_of(sample: Sample | str, technique: Technique = TRAP, vms: int = 1) -> Control:
    """A control whose guest is a source, or a sample of the worlds' tests."""
    if isinstance(sample, str):
        sample = Sample((("guest.asm", sample),))

    def make(asked: WorldSpec) -> World:
        with tempfile.TemporaryDirectory(prefix="teachvm-guest-") as folder:
            for name, text in sample.sources:
                Path(folder, name).write_text(text, encoding="ascii")
            return build(asked, Path(folder))

    return Control(spec(sample, technique, vms), make)


def label(control: Control, name: str) -> int:
    return next(iter(control.world.guests.values())).symbols.address_of(name)


def standing(control: Control) -> int:
    """The guest's next instruction."""
    found = control._next_instruction()
    assert found is not None
    return found


def edi(control: Control) -> int:
    tenant = control.world.host.tenants["alpha"]
    assert isinstance(tenant, Vm)
    return tenant.vcpu.state().regs[EDI]


def run_out(control: Control, units: int = 1_000_000) -> None:
    """Do slices until the run in progress is over."""
    left = iter(range(units // 64))
    while control.work(lambda: next(left, None) is not None):
        assert next(left, None) is not None, "the run does not end"


def phase(control: Control) -> object:
    """The event the world stands at."""
    at = control.position
    return next(iter(control.world.recorder.log.of(VmmEntered, at, Moment(at.n, at.phase + 1))), None)


# ---- steps --------------------------------------------------------------------------------------------------------


@BOTH
def test_an_instruction_with_its_trap_is_one_step_and_back_again(technique: Technique) -> None:
    control = control_of(KERNEL, technique)
    places = [standing(control)]
    for _ in range(50):
        control.step(Grain.INSTRUCTION)
        assert control.position.phase == 0
        places.append(standing(control))
    assert places[0] == label(control, "start")
    assert label(control, "second") in places
    for place in reversed(places[:-1]):
        control.back(Grain.INSTRUCTION)
        assert standing(control) == place
    control.back(Grain.INSTRUCTION)
    assert control.position == START


def test_stepping_by_instructions_from_inside_a_trap_goes_to_its_ends() -> None:
    control = control_of(KERNEL)
    control.step(Grain.TRAP)
    inside = control.position
    assert inside.phase
    control.step(Grain.INSTRUCTION)
    assert control.position == Moment(inside.n + 1)
    control.seek(inside)
    control.back(Grain.INSTRUCTION)
    assert control.position == Moment(inside.n)


def test_the_next_trap_is_an_entry_into_the_vmm_and_back_it_is_the_same_ones() -> None:
    control = control_of(KERNEL)
    found = []
    for _ in range(3):
        control.step(Grain.TRAP)
        assert isinstance(phase(control), VmmEntered)
        found.append(control.position)
    assert len(set(found)) == 3
    for moment in (found[1], found[0]):
        control.back(Grain.TRAP)
        assert control.position == moment
    control.back(Grain.TRAP)
    assert control.position == START
    assert control.notice is not None
    assert control.notice.text == "No trap lies before this: this is the beginning."


def test_on_bare_metal_the_next_trap_is_an_exception_or_interrupt() -> None:
    control = control_of(kernel([("divide", 1), ("on", 1), ("loop", 40), ("undefined", 1)], 30, 3), BARE)
    kinds = set()
    while control.world.stopped is None:
        control.step(Grain.TRAP)
        at = control.position
        events = control.world.recorder.log.of((ExceptionRaised, InterruptAccepted), at, Moment(at.n, at.phase + 1))
        kinds |= {type(event) for event in events}
    assert kinds == {ExceptionRaised, InterruptAccepted}


def test_a_far_trap_goes_on_being_looked_for_in_slices_and_can_be_stopped() -> None:
    control = control_of(FOR_EVER)
    control.seek(Moment(20))
    control.step(Grain.TRAP)
    assert control.position.n >= 20 + SEARCH_UNITS
    assert control.running is Direction.FORWARD
    assert control.work(lambda: False)
    control.stop()
    assert not control.work(lambda: True)
    control.back(Grain.TRAP)
    run_out(control)
    assert control.position < Moment(20), "back to the traps of the beginning"


@pytest.mark.parametrize("vms", [1, 2])
def test_the_finest_step_shows_the_vmms_phases_but_neither_delivery_nor_resume(vms: int) -> None:
    control = control_of(kernel([("divide", 1), ("wait", 1), ("unmap", 1), ("program", 2)], 40, 5), TRAP, vms)
    hidden = ExceptionRaised | InterruptAccepted | HandlerEntered | GuestResumed | WalkReferenced
    seen = set()
    for _ in range(400):
        control.step(Grain.VISIBLE)
        at = control.position
        if at.phase:
            log = control.world.recorder.log
            event = next(e for e in log.slice(log.number(at), log.end) if e.PHASE)
            assert not isinstance(event, hidden)
            seen.add(type(event))
    assert {VmmEntered, FaultReflected, InterruptInjected} <= seen


@BOTH
def test_walk_references_are_steps_only_where_a_walk_can_be_seen(technique: Technique) -> None:
    control = control_of(kernel([("reload", 1), ("fill", 20)], 400, 2), technique)

    def walks() -> int:
        control.reset()
        found = 0
        while control.world.stopped is None and control.position.n < 300:
            control.step(Grain.VISIBLE)
            at = control.position
            found += bool(list(control.world.recorder.log.of(WalkReferenced, at, Moment(at.n, at.phase + 1))))
            found -= not at.phase and bool(list(control.world.recorder.log.of(WalkReferenced, at, Moment(at.n, 1))))
        return found

    assert walks() == 0
    control.look(Focus(cards=("guest-walk",)))
    assert walks() > 3
    control.look(Focus(cards=("tlb", "console")))
    assert walks() > 3


# ---- runs ---------------------------------------------------------------------------------------------------------


@BOTH
def test_a_run_goes_to_the_end_of_the_world_and_says_why_it_ended(technique: Technique) -> None:
    control = control_of(KERNEL, technique)
    control.start()
    run_out(control)
    assert control.running is None
    assert control.notice is not None
    assert control.notice.text.endswith("halted with interrupts off. Step back, or press F3 to start again.")
    assert not control.notice.failure
    end = control.position
    for step in (lambda: control.step(Grain.VISIBLE), lambda: control.step(Grain.TRAP), control.start):
        step()
        run_out(control)
        assert control.position == end, "there is nothing beyond the end"
    control.back(Grain.VISIBLE)
    assert control.position < end
    assert control.notice is None


@BOTH
def test_a_guest_that_faults_to_death_is_told_as_a_failure_and_can_be_gone_back_in(technique: Technique) -> None:
    control = control_of(TRIPLE_FAULT, technique)
    control.start()
    run_out(control)
    assert control.notice is not None
    assert control.notice.failure
    assert "triple fault" in control.notice.text
    control.back(Grain.INSTRUCTION)
    assert control.world.stopped is None
    control.reset()
    assert control.position == START


def test_a_run_is_paused_when_its_slice_is_over_and_goes_on_where_it_was() -> None:
    control = control_of(FOR_EVER)
    control.start()
    assert control.work(lambda: False)
    first = control.position
    assert control.work(lambda: False)
    second = control.position
    assert START < first < second
    assert control.work(limit=10)
    assert control.position == Moment(second.n + 10)
    control.stop()
    assert control.running is None
    assert control.position == Moment(second.n + 10)


def test_a_flood_on_the_console_stays_within_bounds_and_can_be_stopped() -> None:
    control = control_of(FLOOD)
    control.start()
    for _ in range(20):
        assert control.work(limit=500)
    control.stop()
    assert set(control.world.console("alpha")) == {"x"}
    control.back(Grain.TRAP)
    assert isinstance(phase(control), VmmEntered)


@BOTH
def test_a_run_stops_at_a_breakpoint_every_time_it_comes_by(technique: Technique) -> None:
    control = control_of(KERNEL, technique)
    control.toggle_breakpoint(label(control, "count"))
    places = []
    for _ in range(3):
        control.start()
        run_out(control)
        assert standing(control) == label(control, "count")
        places.append(control.position)
    assert places == [Moment(places[0].n + 2 * step) for step in range(3)]
    assert control.notice is None
    control.toggle_breakpoint(label(control, "count"))
    control.toggle_breakpoint(label(control, "third"))
    control.start()
    run_out(control)
    assert standing(control) == label(control, "third")
    control.start(Direction.BACKWARD)
    control.toggle_breakpoint(label(control, "third"))
    control.toggle_breakpoint(label(control, "count"))
    run_out(control)
    assert control.position > places[-1], "a trap comes first"


@pytest.mark.parametrize("technique", laboratory.BUILT, ids=lambda each: each.value)
def test_a_breakpoint_in_a_tight_loop_is_met_in_every_round_both_ways(technique: Technique, tmp_path: Path) -> None:
    control = laboratory.controlled(tmp_path, technique)
    (tenant,) = control.world.host.tenants.values()
    control.toggle_breakpoint(label(control, "work.spin"))
    places, done = [], []
    for _ in range(5):
        control.start()
        run_out(control)
        places.append(control.position)
        done.append(tenant.instructions)
    assert done == [4, 6, 8, 10, 12]
    back = []
    for _ in range(4):
        control.start(Direction.BACKWARD)
        run_out(control)
        back.append(control.position)
    assert back == places[-2::-1]


EVERY_FATE = """
        bits    32
        org     0x10000
start:  mov     esp, 0x18000
        mov     ax, ds
        mov     gs, ax
        mov     edi, 12
again:  inc     eax
copied: inc     ebx
        inc     ecx
cleared:
        cli
jumped: jmp     on
        nop
reached:
        mov     ebp, [gs:start]
pushed: pushfd
        pop     esi
        dec     edi
branch: jnz     again
        mov     dx, 0x501
        out     dx, al
        hlt
on:     inc     edx
called: call    leaf
back:   inc     edx
        inc     edx
        inc     edx
        inc     edx
elided: jmp     reached
leaf:   inc     eax
ret_:   ret
"""
"""A loop of a kernel's in which translated code does something else with each instruction."""
FATES = ("again", "copied", "cleared", "jumped", "on", "called", "back", "elided", "reached", "pushed", "branch")


@pytest.mark.parametrize("name", FATES)
def test_a_run_stops_at_a_breakpoint_in_translated_code_once_each_time_it_comes_by(name: str) -> None:
    control = control_of(EVERY_FATE, Technique.BINARY_TRANSLATION)
    control.toggle_breakpoint(label(control, name))
    rounds = []
    for _ in range(8):
        control.start()
        run_out(control)
        assert control.world.stopped is None
        rounds.append(edi(control))
    assert rounds == list(range(rounds[0], rounds[0] - 8, -1))
    assert rounds[0] == 12 - (name == "branch")
    back = []
    for _ in range(3):
        control.start(Direction.BACKWARD)
        run_out(control)
        back.append(edi(control))
    assert back == rounds[-2:-5:-1]


@BOTH
def test_running_backwards_stops_at_breakpoints_too(technique: Technique) -> None:
    control = control_of(KERNEL, technique)
    control.seek(Moment(40))
    control.toggle_breakpoint(label(control, "count"))
    seen = []
    for _ in range(3):
        control.start(Direction.BACKWARD)
        run_out(control)
        assert standing(control) == label(control, "count")
        seen.append(control.position)
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 3


@BOTH
@pytest.mark.parametrize("to_trap", [False, True])
def test_a_breakpoint_at_the_first_instruction_of_a_handler_is_met(technique: Technique, to_trap: bool) -> None:
    control = control_of(kernel([("on", 1), ("loop", 60)], 30, 20), technique)
    control.seek(Moment(45))
    control.toggle_breakpoint(label(control, "tick"))
    for _ in range(2):
        control.start()
        run_out(control)
        assert standing(control) == label(control, "tick")
        assert control.position.phase, "the handler is entered inside a unit"
    last = control.position
    control.step(Grain.INSTRUCTION)
    control.start(Direction.BACKWARD)
    run_out(control)
    if standing(control) != label(control, "tick"):  # the trap that led there
        control.seek(last)
    assert control.position == last


def test_an_instruction_that_faults_to_the_vmm_and_starts_over_stops_a_run_once() -> None:
    # The page behind [ebx] has no shadow entry: a hidden fault resumes the guest at the very same instruction.
    control = control_of(KERNEL.replace("first:", "mov ebx, 0x70000\ntouch: mov eax, [ebx]\nfirst:"))
    control.toggle_breakpoint(label(control, "touch"))
    control.start()
    run_out(control)
    assert standing(control) == label(control, "touch")
    control.start()
    run_out(control)
    assert control.world.stopped is not None


# ---- looking ------------------------------------------------------------------------------------------------------


def test_a_snapshot_stays_the_same_until_the_world_moves() -> None:
    control = control_of(KERNEL)
    assert control.before() is None
    now = control.snapshot()
    assert control.snapshot() is now
    assert now.at == START
    eip = now.state("alpha.vcpu").eip
    code = now.read(0, 16)
    control.step(Grain.INSTRUCTION)
    control.step(Grain.INSTRUCTION)
    later = control.snapshot()
    assert later is not now
    assert control.before() is None, "nobody looked in between"
    control.step(Grain.INSTRUCTION)
    assert control.before() is later
    assert now.state("alpha.vcpu").eip == eip, "what was held still stays"
    assert later.read(0, 16) is None, "nobody looked there in time"
    control.seek(START)
    assert control.snapshot().read(0, 16) == code


def test_what_was_read_of_a_moment_can_be_read_of_it_later() -> None:
    control = control_of(KERNEL)
    now = control.snapshot()
    assert now.read(0x1F0000, 4) == bytes(4)
    assert now.read(1 << 40, 4) is None
    control.step(Grain.INSTRUCTION)
    assert now.read(0x1F0000, 4) == bytes(4)
    assert now.read(0x1F0004, 4) is None
    assert "alpha.vcpu" in now
    assert "beta.vcpu" not in now


def test_looking_elsewhere_does_not_move_the_world() -> None:
    control = control_of(KERNEL)
    control.step(Grain.INSTRUCTION)
    now = control.snapshot()
    control.look(replace(control.focus, memory=0x10000))
    again = control.snapshot()
    assert (again.at, again.focus.memory) == (now.at, 0x10000)
    assert control.before() is None
    control.toggle_breakpoint(5)
    assert control.focus.breakpoints == {5}
    control.toggle_breakpoint(5)
    assert control.focus.breakpoints == frozenset()


# ---- another world ------------------------------------------------------------------------------------------------


def test_a_world_that_cannot_be_built_leaves_the_old_one() -> None:
    control = control_of(KERNEL)
    control.step(Grain.INSTRUCTION)
    world, position = control.world, control.position
    broken = replace(control.world.spec.host, vms=(replace(control.world.spec.host.vms[0], guest="nothing.asm"),))
    with pytest.raises(GuestError):
        control.rebuild(WorldSpec(broken))
    assert (control.world, control.position) == (world, position)
    control.rebuild(control.world.spec.with_technique(BARE))
    assert control.world is not world
    assert control.position == START
    assert not control.virtualized


def test_what_is_typed_in_the_past_forks_the_future() -> None:
    control = control_of(KERNEL)
    control.start()
    run_out(control)
    control.seek(Moment(10))
    control.inject(ConsoleTyped("alpha", b"hi"))
    assert control.position == Moment(10)
    assert [fork.at for fork in control.timeline.forks] == [Moment(10)]
    assert control.timeline.frontier == Moment(10)


Move = Callable[[Control], None]
MOVES: dict[str, Move] = {
    "step": lambda control: control.step(Grain.VISIBLE),
    "instruction": lambda control: control.step(Grain.INSTRUCTION),
    "trap": lambda control: control.step(Grain.TRAP),
    "back": lambda control: control.back(Grain.VISIBLE),
    "back trap": lambda control: control.back(Grain.TRAP),
    "run": lambda control: (control.start(), run_out(control))[0],
    "run back": lambda control: (control.start(Direction.BACKWARD), run_out(control))[0],
    "reset": lambda control: control.reset(),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("source", [KERNEL, TRIPLE_FAULT])
def test_every_movement_works_at_the_beginning_in_the_middle_and_at_the_end(move: str, source: str) -> None:
    for start in (Moment(0), Moment(1), Moment(1, 2), Moment(3), Moment(10**6)):
        control = control_of(source)
        control.seek(start)
        MOVES[move](control)
        run_out(control)
        control.snapshot()
