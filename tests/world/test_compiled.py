"""A world in which code is compiled goes through exactly the states of one in which nothing is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.cli.benchmarks import programs
from teachvm.machine.events import ExceptionRaised
from teachvm.trace.events import Event
from teachvm.trace.execution import ASKED_EVERY
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.events import InstructionInterpreted, VmmEntered
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

PROGRAMS = ("sieve", "spinner", "hello")
WORLDS = (
    (Technique.BARE_METAL, 1),
    (Technique.TRAP_AND_EMULATE, 1),
    (Technique.TRAP_AND_EMULATE, 2),
    (Technique.PARAVIRTUAL, 1),
    (Technique.BINARY_TRANSLATION, 1),
    (Technique.BINARY_TRANSLATION, 2),
)


def made(technique: Technique, count: int, program: str, *, compiled: bool) -> Timeline:
    vms = tuple(
        VmSpec(name, "tinyos", programs=(ProgramSpec(program),), technique=technique)
        for name in ("alpha", "beta")[:count]
    )
    world = build(WorldSpec(HostSpec(vms=vms)))
    tiers = world.host.machine.cpu.tiers
    assert tiers is not None
    tiers.enabled = compiled
    return Timeline(world)


def same_at(stops: list[int], technique: Technique, count: int, program: str) -> None:
    plain, fast = (made(technique, count, program, compiled=compiled) for compiled in (False, True))
    for stop in stops:
        plain.run(stop)
        fast.run(stop)
        assert plain.position == fast.position
        assert plain.digest() == fast.digest()
    assert recorded(plain) == recorded(fast)


def recorded(timeline: Timeline) -> list[Event]:
    return list(timeline._subject.recorder.log.of(Event))


@settings(max_examples=5)
@given(st.lists(st.integers(1, 9_000), min_size=2, max_size=3), st.sampled_from(WORLDS), st.sampled_from(PROGRAMS))
def test_digests_are_equal_wherever_a_world_is_stopped(
    stops: list[int], which: tuple[Technique, int], program: str
) -> None:
    same_at(stops, *which, program)


@pytest.mark.soak
@settings(max_examples=60)
@given(st.lists(st.integers(1, 60_000), min_size=2, max_size=6), st.sampled_from(WORLDS), st.sampled_from(PROGRAMS))
def test_digests_are_equal_in_long_runs(stops: list[int], which: tuple[Technique, int], program: str) -> None:
    same_at(stops, *which, program)


@pytest.mark.parametrize("which", WORLDS, ids=lambda which: f"{which[0].value}-{which[1]}")
def test_going_back_and_forth_over_compiled_code_finds_the_same_digests(which: tuple[Technique, int]) -> None:
    timeline = made(*which, "spinner", compiled=True)
    seen = {}
    for _ in range(6):
        timeline.run(7_001)
        seen[timeline.position] = timeline.digest()
    for moment in (*reversed(seen), *seen):
        timeline.seek(moment)
        assert (timeline.position, timeline.digest()) == (moment, seen[moment])
    there = Moment(timeline.position.n - 1)
    assert timeline.back_instruction() == there


@settings(max_examples=5)
@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=3), st.sampled_from(programs.PROGRAMS))
def test_system_calls_and_strings_between_compiled_code_record_the_same(stops: list[int], program: str) -> None:
    plain, fast = programs.world(program), programs.world(program)
    tiers = plain.host.machine.cpu.tiers
    assert tiers is not None
    tiers.enabled = False
    slow, quick = Timeline(plain), Timeline(fast)
    for stop in (5_200, *stops):
        slow.run(stop)
        quick.run(stop)
        assert slow.position == quick.position
        assert slow.digest() == quick.digest()
    assert recorded(slow) == recorded(quick)


@pytest.mark.parametrize("which", WORLDS, ids=lambda which: f"{which[0].value}-{which[1]}")
def test_a_boundary_and_a_trap_are_the_same_come_to_in_one_go_or_one_by_one(which: tuple[Technique, int]) -> None:
    steps = made(*which, "hello", compiled=True)
    for number in range(1, 20):
        steps.run(1)
        assert steps.digest() == arrived(which, Moment(number)).digest(), number
    leaps = made(*which, "hello", compiled=True)
    for _ in range(8):
        leaps.run(1_000, stop_when=lambda event: isinstance(event, VmmEntered | ExceptionRaised))
        assert leaps.digest() == arrived(which, leaps.position).digest(), leaps.position


def arrived(which: tuple[Technique, int], moment: Moment) -> Timeline:
    timeline = made(*which, "hello", compiled=True)
    timeline.seek(moment)
    return timeline


def test_a_barrier_is_asked_about_each_time_it_is_come_to() -> None:
    timeline = made(Technique.BARE_METAL, 1, "spinner", compiled=True)
    timeline.run(20_000)
    world = timeline._subject
    assert isinstance(world, World)
    cpu = world.host.machine.cpu
    address = cpu.eip
    plain = made(Technique.BARE_METAL, 1, "spinner", compiled=False)
    plain.run(20_000)
    other = plain._subject
    assert isinstance(other, World)
    for _ in range(200):
        timeline.run(10_000, stop_at=lambda: cpu.eip == address, barriers=frozenset((address,)))
        plain.run(10_000, stop_at=lambda: other.host.machine.cpu.eip == address)
        assert timeline.position == plain.position
    assert timeline.digest() == plain.digest()


def test_a_burst_ends_soon_where_every_unit_enters_the_vmm() -> None:
    guest = VmSpec("kernel", "repeat.asm", memory_bytes=programs.MEMORY_BYTES, technique=Technique.BINARY_TRANSLATION)
    world = build(WorldSpec(HostSpec(memory_bytes=8 << 20, vms=(guest,))), programs.FOLDER)
    timeline = Timeline(world)
    tenant = world.host.tenants["kernel"]
    assert isinstance(tenant, Vm)
    clock, ledger, longest, most = world.recorder.clock, tenant.ledger, 0, 0
    interpreted: list[InstructionInterpreted] = []
    world.recorder.log.subscribe(InstructionInterpreted, interpreted.append)
    while clock.n < 6_400:
        before, entered = clock.n, ledger.total_count
        interpreted.clear()
        timeline.run(1 << 20, keep_going=lambda before=before: clock.n == before)  # type: ignore[misc]  # one burst
        longest = max(longest, ledger.total_count - entered)
        most = max(most, len(interpreted))
    assert longest <= ASKED_EVERY
    # Each of these is up to 256 iterations, every one a walk of the guest's tables.
    assert 0 < most <= 2
