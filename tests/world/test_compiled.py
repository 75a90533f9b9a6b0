"""A world in which code is compiled goes through exactly the states of one in which nothing is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.cli.benchmarks import programs
from teachvm.machine.events import ExceptionRaised
from teachvm.machine.memory import Memory
from teachvm.machine.tiers.region import Region
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
from tests.world import kernels

STOPS = st.lists(st.integers(1, 4_000), min_size=2, max_size=5)
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
    assert_same(stops, *(made(technique, count, program, compiled=compiled) for compiled in (False, True)))


def assert_same(stops: list[int], plain: Timeline, fast: Timeline) -> None:
    for stop in stops:
        plain.run(stop)
        fast.run(stop)
        assert plain.position == fast.position
        assert plain.digest() == fast.digest()
    assert recorded(plain) == recorded(fast)


LOOPS = {
    "count": "mov ecx, 90 + {a}\n.l{n}: dec ecx\n jnz .l{n}",
    "branch": "mov ecx, 70 + {a}\n.l{n}: add ebx, ecx\n lea esi, [ebx * 2 + ecx]\n cmp esi, ebx\n jb .m{n}\n"
    " mov [0x90000 + {p}], esi\n.m{n}: sub ecx, 1\n ja .l{n}",
    "nested": "mov edx, 9\n.l{n}: mov ecx, {a} | 1\n.m{n}: ror eax, 3\n xor eax, ecx\n loop .m{n}\n dec edx\n"
    " jnz .l{n}",
    "store": "mov edi, 0x90000 + {p} + ({a} & 3)\n mov ecx, 300\n.l{n}: mov [edi + ecx * 4], ecx\n add [edi], cl\n"
    " dec ecx\n jns .l{n}",
    "pages": "mov esi, 0x80000\n.l{n}: mov eax, [esi]\n inc dword [esi + {a}]\n add esi, 1024\n cmp esi, 0xA0000\n"
    " jb .l{n}",
    "call": "mov ecx, 70 + {a}\n.l{n}: call .f{n}\n dec ecx\n jnz .l{n}\n jmp .e{n}\n.f{n}: inc dword [spot + 4]\n"
    " ret\n.e{n}:",
    "flags": "mov ecx, 90\n.l{n}: pushfd\n cli\n add ebx, [esp]\n popfd\n dec ecx\n jnz .l{n}",
    "fault": "recover_at .r{n}\n mov ecx, 70 + {a}\n.l{n}: mov eax, 1000\n xor edx, edx\n dec ecx\n div ecx\n"
    " jmp .l{n}\n.r{n}:",
    "lost": "recover_at .r{n}\n mov esi, 0xF0000 + {a}\n.l{n}: xor ebx, [esi]\n add esi, 64\n jmp .l{n}\n.r{n}:",
    "patch": "mov ecx, 70 + {a}\n.l{n}: test ecx, 31\n jnz .p{n}\n mov [.p{n} + 1], cl\n.p{n}: mov al, 0\n"
    " add [spot + 8], al\n dec ecx\n jnz .l{n}",
    "segment": "mov ecx, 90\n.l{n}: mov eax, 0x10\n mov es, ax\n mov [es:spot + 12], ecx\n dec ecx\n jnz .l{n}",
    "say": "mov ecx, 70\n.l{n}: inc eax\n test ecx, 15\n jnz .m{n}\n in al, 0x21\n.m{n}: dec ecx\n jnz .l{n}",
}
"""Loops of a kernel that are executed often enough to be compiled in the translation cache; see `kernels.PIECES`."""
WHOLE = ("count", "branch", "nested", "store", "pages")
"""Those of them in which nothing calls the VMM, or loads a segment."""


def looping(names: list[tuple[str, int]], period: int, rounds: int, vms: int = 1, *, compiled: bool) -> Timeline:
    pieces = {**kernels.PIECES, **LOOPS}
    body = "\n".join(
        pieces[name].format(n=number, a=value, p=value % 8 * 4096, ring3="nop")
        for number, (name, value) in enumerate(names)
    )
    source = kernels.HEAD.format(count=period, rounds=rounds) + body + kernels.TAIL.replace("{table}", kernels.TABLE)
    world = kernels.world(kernels.Sample((("guest.asm", source),)), Technique.BINARY_TRANSLATION, vms)
    tiers = world.host.machine.cpu.tiers
    assert tiers is not None
    tiers.enabled = compiled
    return Timeline(world)


def loops_compiled(timeline: Timeline) -> int:
    """Regions that tally their ways, in pages of the translation cache."""
    (memory,) = timeline._subject.memories
    assert isinstance(memory, Memory)
    pages = (memory.code_page(pfn) for pfn in range(memory.page_count))
    return sum(isinstance(each, Region) and bool(each.ways) for page in pages for each in page.regions.values())


LOOPING = st.lists(
    st.tuples(st.sampled_from([*LOOPS, *LOOPS, *kernels.PIECES]), st.integers(0, 255)), min_size=1, max_size=6
)


@settings(max_examples=12)
@given(LOOPING, st.integers(40, 900), st.integers(1, 4), st.sampled_from((1, 1, 2)), STOPS)
def test_translated_loops_are_counted_the_same_compiled_and_one_by_one(
    names: list[tuple[str, int]], period: int, rounds: int, vms: int, stops: list[int]
) -> None:
    assert_same(stops, *(looping(names, period, rounds, vms, compiled=compiled) for compiled in (False, True)))


@pytest.mark.soak
@pytest.mark.timeout(0)
@settings(max_examples=400)
@given(LOOPING, st.integers(20, 2_000), st.integers(1, 12), st.sampled_from((1, 1, 2)), STOPS)
def test_many_translated_loops_are_counted_the_same_compiled_and_one_by_one(
    names: list[tuple[str, int]], period: int, rounds: int, vms: int, stops: list[int]
) -> None:
    assert_same(stops, *(looping(names, period, rounds, vms, compiled=compiled) for compiled in (False, True)))


@pytest.mark.parametrize("name", LOOPS)
def test_each_translated_loop_is_counted_the_same_compiled_and_one_by_one(name: str) -> None:
    plain, fast = (looping([(name, 90)], 700, 3, compiled=compiled) for compiled in (False, True))
    most = 0
    for stop in [650] * 8 + [50, 10_000]:
        assert_same([stop], plain, fast)
        most = max(most, loops_compiled(fast))
    assert most or name not in WHOLE
    assert not loops_compiled(plain)


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
