"""The machine room of a lesson: its front matter made into a world's specification, and the words its guests bring."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.host.costs import COSTS
from teachvm.lesson import schema
from teachvm.lesson.expressions import Known
from teachvm.lesson.folder import Folder
from teachvm.lesson.problems import Complaints, did_you_mean, quoted
from teachvm.lesson.yamldoc import Document
from teachvm.vmm.entries import EntryReason
from teachvm.world.spec import HostSpec, ProgramSpec, SpecError, VmSpec, WorldSpec, check


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run, and which words expressions may use about it."""

    spec: WorldSpec
    known: Known


def set_up(front: schema.FrontMatter, document: Document, folder: Folder, complaints: Complaints) -> Setting:
    """Make the specification of a lesson's world; what is wrong with it is complained about at its place."""
    host = front.host
    _costs(host, document, complaints)
    _hosts(front, document, complaints)
    vms = tuple(
        VmSpec(
            vm.name,
            vm.guest,
            vm.memory,
            vm.technique,
            vm.paging,
            tuple(ProgramSpec(program.name, program.argument) for program in vm.programs),
        )
        for vm in front.vms
    )
    spec = WorldSpec(HostSpec(host.name, host.memory, host.quantum, vms, tuple(host.costs.items())))
    try:
        check(spec)
    except SpecError as error:
        complaints.error(document.key_place(("vms",)), str(error))
    reasons = {reason.value for reason in EntryReason}
    known = Known(
        vms=tuple(vm.name for vm in vms),
        reasons=frozenset(reasons | {reason.replace("-", "_") for reason in reasons}),
    )
    return Setting(spec, known)


def _hosts(front: schema.FrontMatter, document: Document, complaints: Complaints) -> None:
    for index, vm in enumerate(front.vms):
        if vm.host is not None and vm.host != front.host.name:
            message = f"there is no host {quoted(vm.host)}{did_you_mean(vm.host, [front.host.name])}"
            complaints.error(document.place(("vms", index, "host")), message)


def _costs(host: schema.Host, document: Document, complaints: Complaints) -> None:
    known = [row.key for row in COSTS]
    for key in host.costs:
        if key not in known:
            message = f"no cost is called {quoted(key)}{did_you_mean(key, known)}"
            complaints.error(document.key_place(("host", "costs", key)), message)
