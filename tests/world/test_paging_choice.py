"""Who translates guest-physical addresses can change while a guest runs: it sees nothing, and time goes both ways."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vmx.events import PagingSwitched
from teachvm.world.build import build
from teachvm.world.divergence import LockStep
from teachvm.world.inputs import DerivedDropRequested, PagingChosen
from teachvm.world.spec import HostSpec, ProgramSpec, SpecError, VmSpec, WorldSpec, check
from teachvm.world.world import World


def spec(*programs: str, paging: Paging = Paging.SHADOW, technique: Technique = Technique.HARDWARE_ASSIST) -> WorldSpec:
    chosen = tuple(ProgramSpec(name) for name in programs)
    return WorldSpec(HostSpec(vms=(VmSpec("alpha", "tinyos", technique=technique, paging=paging, programs=chosen),)))


def engine(world: World) -> HardwareAssist:
    found = world.host.tenants["alpha"].engine  # type: ignore[attr-defined]  # the only tenant is a VM
    assert isinstance(found, HardwareAssist)
    return found


@pytest.mark.parametrize("seed", [1])
def test_tinyos_sees_bare_metal_though_tables_are_dropped_and_switched_at_random_moments(seed: int) -> None:
    random = Random(seed)
    pair = LockStep(spec("hello", "pages", "ticker"))
    switches = 0
    while not pair.ended:
        assert pair.run(random.randrange(1, 400)) is None
        if random.random() < 0.7:
            PagingChosen("alpha", random.choice(list(Paging))).apply(pair.here.world)
            switches += 1
        else:
            DerivedDropRequested().apply(pair.here.world)
    assert switches > 50
    assert len(list(pair.here.world.recorder.log.of(PagingSwitched))) > 20


def test_moments_across_a_switch_are_those_of_a_straight_run() -> None:
    timeline = Timeline(build(spec("pages")), 400)
    for at, paging in ((1_500, Paging.NESTED), (3_000, Paging.SHADOW), (4_200, Paging.NESTED)):
        timeline.seek(Moment(at))
        timeline.inject(PagingChosen("alpha", paging))
    digests = {}
    for at in range(1_000, 5_000, 333):
        timeline.seek(Moment(at))
        digests[timeline.position] = timeline.digest()
    moments = list(digests)
    Random(3).shuffle(moments)
    for moment in moments:
        timeline.seek(moment)
        assert timeline.digest() == digests[moment]


def test_nested_tables_leave_no_shadow_and_no_trace_behind() -> None:
    world = build(spec("pages"))
    timeline = Timeline(world)
    timeline.run(6_000)
    vm = engine(world).vm
    assert vm.shadow.leaves
    assert vm.memory.traced
    free = world.host.frames.free_count
    timeline.inject(PagingChosen("alpha", Paging.NESTED))
    timeline.run(500)
    assert not vm.shadow.leaves
    assert not vm.shadow.directories
    assert not vm.memory.traced
    assert world.host.frames.free_count >= free


@pytest.mark.parametrize("technique", [Technique.TRAP_AND_EMULATE, Technique.EMULATION])
def test_nested_tables_need_hardware_that_walks_them(technique: Technique) -> None:
    with pytest.raises(SpecError, match="nested page tables need technique hardware-assist"):
        check(spec("hello", paging=Paging.NESTED, technique=technique))


def test_another_technique_keeps_the_choice_only_if_it_has_it() -> None:
    nested = spec("hello", paging=Paging.NESTED)
    assert nested.with_technique(Technique.BARE_METAL).host.vms[0].paging is Paging.SHADOW
    assert nested.with_technique(Technique.HARDWARE_ASSIST) == nested
