"""What may be chosen about page tables while a guest runs: who translates, how shadow tables are kept in step."""

from __future__ import annotations

from collections.abc import Iterator

from teachvm.app.rail import TechniqueView
from teachvm.trace.subject import Input
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import CHOICES, Paging, ShadowPolicy
from teachvm.vmm.vm import Vm
from teachvm.world.inputs import PagingChosen, ShadowChosen
from teachvm.world.world import World


def _first(world: World) -> Vm | None:
    tenant = next(iter(world.host.tenants.values()))
    return tenant if isinstance(tenant, Vm) else None


def paging(world: World) -> str:
    """Which of `pagings` is in force; empty where the technique has no choice."""
    vm = _first(world)
    return vm.engine.choice.name if vm is not None and isinstance(vm.engine, HardwareAssist) else ""


def pagings(world: World) -> tuple[TechniqueView, ...]:
    """The choice of who translates; empty where there is none."""
    if not paging(world):
        return ()
    return tuple(TechniqueView(each.name, each.short_label, each.label, True, each.explanation) for each in CHOICES)


def shadow(world: World) -> str:
    """Which of `shadows` is in force; empty where no shadow tables translate."""
    vm = _first(world)
    if vm is None or not vm.engine.technique.pagings:
        return ""
    if isinstance(vm.engine, HardwareAssist) and vm.engine.choice.paging is Paging.NESTED:
        return ""
    return str(vm.shadow.policy.value)


def shadows(world: World) -> tuple[TechniqueView, ...]:
    """The choice of how shadow tables are kept in step; empty where there are none."""
    if not shadow(world):
        return ()
    return tuple(
        TechniqueView(each.value, each.label, f"Shadow: {each.value}", True, each.explanation) for each in ShadowPolicy
    )


def chosen(world: World, name: str) -> Iterator[Input]:
    """What has to come into a world from outside, for a position of either switch that is not in force."""
    for choice in CHOICES if name != paging(world) and paging(world) else ():
        if choice.name == name:
            for guest in world.guests:
                yield PagingChosen(guest, choice.paging, choice.walk_cache)
    for policy in ShadowPolicy if name != shadow(world) and shadow(world) else ():
        if policy.value == name:
            for guest in world.guests:
                yield ShadowChosen(guest, policy)
