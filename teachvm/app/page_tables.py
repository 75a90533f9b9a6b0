"""What may be chosen about page tables while a guest runs: who translates, how shadow tables are kept in step."""

from __future__ import annotations

from collections.abc import Iterator

from teachvm.app.control import Control
from teachvm.app.rail import TechniqueView
from teachvm.app.scene import chosen_guest
from teachvm.host.host import Tenant
from teachvm.trace.subject import Input
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import CHOICES, Paging, ShadowPolicy
from teachvm.vmm.vm import Vm
from teachvm.world.inputs import PagingChosen, ShadowChosen


def looked_at(control: Control) -> Tenant:
    """The guest in the middle of what is shown: the switch is about it."""
    return control.world.host.tenants[chosen_guest(control.snapshot()).name]


def paging(vm: Tenant, *, policies: bool = True) -> str:
    """Which position of the switch is in force for a guest; empty where its technique has no choice."""
    if not isinstance(vm, Vm) or not vm.engine.technique.pagings:
        return ""
    choice = vm.engine.choice if isinstance(vm.engine, HardwareAssist) else None
    if policies and (choice is None or choice.paging is Paging.SHADOW):
        return str(vm.shadow.policy.value)
    return "" if choice is None else choice.name


def pagings(vm: Tenant, *, policies: bool = True) -> tuple[TechniqueView, ...]:
    """The choice of who translates, and how shadow tables are kept in step; empty where there is none.

    Args:
        vm: Whose addresses are translated.
        policies: Offer each way to keep shadow tables in step, not only shadow tables as such.
    """
    if not isinstance(vm, Vm):
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


def chosen(control: Control, name: str) -> Iterator[Input]:
    """What has to come into a world from outside for a position that is not in force: all guests follow."""
    vm = looked_at(control)
    now = paging(vm, policies=False)
    offered = {each.id for policies in (True, False) for each in pagings(vm, policies=policies)}
    if name not in offered or name in (now, paging(vm, policies=True)):
        return
    policy = next((each for each in ShadowPolicy if each.value == name), None)
    wanted = name if policy is None else "shadow"
    choice = next(each for each in CHOICES if each.name == wanted)
    for guest in control.world.guests:
        if now and now != wanted:
            yield PagingChosen(guest, choice.paging, choice.walk_cache)
        if policy is not None:
            yield ShadowChosen(guest, policy)
