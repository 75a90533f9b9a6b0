"""How shadow tables are kept in step can change while a guest runs: it sees nothing, and time goes both ways."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.events import ShadowPolicySwitched
from teachvm.vmm.techniques import Paging, ShadowPolicy, Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.divergence import LockStep
from teachvm.world.inputs import PagingChosen, ShadowChosen
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

OVER_SHADOW_TABLES = [
    Technique.TRAP_AND_EMULATE,
    Technique.BINARY_TRANSLATION,
    Technique.HARDWARE_ASSIST,
    Technique.PARAVIRTUAL,
]


def spec(*programs: str, technique: Technique, vms: tuple[str, ...] = ("alpha",)) -> WorldSpec:
    chosen = tuple(ProgramSpec(name) for name in programs)
    return WorldSpec(HostSpec(vms=tuple(VmSpec(name, "tinyos", technique=technique, programs=chosen) for name in vms)))


def vm(world: World, name: str = "alpha") -> Vm:
    found = world.host.tenants[name]
    assert isinstance(found, Vm)
    return found


@pytest.mark.parametrize("technique", [Technique.BINARY_TRANSLATION, Technique.HARDWARE_ASSIST])
def test_tinyos_sees_bare_metal_though_the_policy_changes_at_random_moments(technique: Technique) -> None:
    random = Random(7)
    pair = LockStep(spec("hello", "pages", technique=technique))
    while not pair.ended:
        assert pair.run(random.randrange(1, 900)) is None
        ShadowChosen("alpha", random.choice(list(ShadowPolicy))).apply(pair.here.world)
    assert len(list(pair.here.world.recorder.log.of(ShadowPolicySwitched))) > 12


@pytest.mark.parametrize("technique", OVER_SHADOW_TABLES)
def test_a_guest_comes_to_the_same_end_and_moments_across_a_switch_are_those_of_a_straight_run(
    technique: Technique,
) -> None:
    plain = build(spec("pages", technique=technique))
    Timeline(plain).run(200_000)
    world = build(spec("pages", technique=technique))
    timeline = Timeline(world, 400)
    for at, policy in ((1_500, "unsync"), (3_000, "noncaching"), (4_200, "unsync"), (4_900, "caching")):
        timeline.seek(Moment(at))
        timeline.inject(ShadowChosen("alpha", ShadowPolicy(policy)))
    digests = {}
    for at in range(1_000, 5_600, 511):
        timeline.seek(Moment(at))
        digests[timeline.position] = timeline.digest()
    moments = list(digests)
    Random(3).shuffle(moments)
    for moment in moments:
        timeline.seek(moment)
        assert timeline.digest() == digests[moment]
    timeline.run(200_000)
    assert world.console("alpha") == plain.console("alpha") != ""
    assert vm(world).memory.read_bytes(0x10000, 0x8000) == vm(plain).memory.read_bytes(0x10000, 0x8000)


def test_nothing_is_traced_without_a_cache_but_descriptors() -> None:
    world = build(spec("pages", technique=Technique.TRAP_AND_EMULATE))
    timeline = Timeline(world)
    timeline.run(6_000)
    guest = vm(world)
    assert guest.shadow.tables
    before = dict(guest.memory.traced)
    timeline.inject(ShadowChosen("alpha", ShadowPolicy.NONCACHING))
    timeline.run(900)
    assert guest.shadow.leaves
    assert set(guest.memory.traced) == {gfn for gfn in guest.vcpu.gdt.pages if gfn is not None}
    timeline.inject(ShadowChosen("alpha", ShadowPolicy.CACHING))
    timeline.run(900)
    assert set(guest.memory.traced) & set(before) > set(guest.vcpu.gdt.pages)


def test_the_neighbour_keeps_its_policy() -> None:
    world = build(spec("hello", technique=Technique.TRAP_AND_EMULATE, vms=("alpha", "beta")))
    timeline = Timeline(world)
    timeline.run(9_000)
    timeline.inject(ShadowChosen("beta", ShadowPolicy.UNSYNC))
    timeline.run(40_000)
    assert (vm(world).shadow.policy, vm(world, "beta").shadow.policy) == (ShadowPolicy.CACHING, ShadowPolicy.UNSYNC)
    assert world.console("alpha") == world.console("beta") != ""


def test_a_policy_chosen_while_tables_are_nested_counts_when_shadow_tables_come_back() -> None:
    world = build(spec("pages", technique=Technique.HARDWARE_ASSIST))
    timeline = Timeline(world)
    timeline.run(3_000)
    for given in (
        PagingChosen("alpha", Paging.NESTED),
        ShadowChosen("alpha", ShadowPolicy.NONCACHING),
        PagingChosen("alpha", Paging.SHADOW),
    ):
        timeline.inject(given)
        timeline.run(400)
    assert vm(world).shadow.policy is ShadowPolicy.NONCACHING
    assert vm(world).shadow.leaves
    assert not vm(world).memory.traced
