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


def paging(world: World, *, policies: bool = True) -> str:
    """Which position of the switch is in force; empty where the technique has no choice."""
    vm = _first(world)
    if vm is None or not vm.engine.technique.pagings:
        return ""
    choice = vm.engine.choice if isinstance(vm.engine, HardwareAssist) else None
    if policies and (choice is None or choice.paging is Paging.SHADOW):
        return str(vm.shadow.policy.value)
    return "" if choice is None else choice.name


def pagings(world: World, *, policies: bool = True) -> tuple[TechniqueView, ...]:
    """The choice of who translates, and how shadow tables are kept in step; empty where there is none.

    Args:
        world: Whose guests' addresses are translated.
        policies: Offer each way to keep shadow tables in step, not only shadow tables as such.
    """
    vm = _first(world)
    if vm is None:
        return ()
    kept = tuple(_policy(each) for each in ShadowPolicy) if policies and vm.engine.technique.pagings else ()
    if not isinstance(vm.engine, HardwareAssist):
        return kept
    choices = [each for each in CHOICES if not kept or each.paging is not Paging.SHADOW]
    return (
        *kept,
        *(TechniqueView(each.name, each.short_label, each.label, True, each.explanation) for each in choices),
    )


def _policy(policy: ShadowPolicy) -> TechniqueView:
    said = f"Shadow: {policy.value}"
    return TechniqueView(policy.value, said, said, True, policy.explanation)


def chosen(world: World, name: str) -> Iterator[Input]:
    """What has to come into a world from outside for a position of the switch that is not in force."""
    if name in (paging(world, policies=True), paging(world, policies=False)):
        return
    offered = {each.id for policies in (True, False) for each in pagings(world, policies=policies)}
    policy = next((each for each in ShadowPolicy if each.value == name), None)
    wanted = "shadow" if policy is not None else name
    for guest in world.guests if name in offered else ():
        for choice in CHOICES if paging(world, policies=False) not in ("", wanted) else ():
            if choice.name == wanted:
                yield PagingChosen(guest, choice.paging, choice.walk_cache)
        if policy is not None:
            yield ShadowChosen(guest, policy)
