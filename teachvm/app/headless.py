"""Running a world without a screen, and what there is to report about it afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from teachvm.guest.library import GUESTS, SOURCE_SUFFIX
from teachvm.host.stop import StopKind
from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.expressions import ExpressionError, Known, NoValueError
from teachvm.lesson.journey import Ending, Journey
from teachvm.lesson.names import RESERVED
from teachvm.lesson.reading import WorldScope
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from teachvm.world.world import World

DEFAULT_LIMIT = 1_000_000


class Stopped(Enum):
    """Why a run without a screen is over."""

    ENDED_WELL = "ended-well"
    GUEST_FAILURE = "guest-failure"
    UNTIL_REACHED = "until-reached"
    LIMIT = "limit"
    UNTIL_MISSED = "until-missed"


@dataclass(frozen=True, slots=True)
class Account:
    """VMM entries for one reason: how many, and the host cycles they took together."""

    count: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Report:
    """A world after its run.

    Attributes:
        stopped: Why it is over.
        why: The same in one sentence.
        moment: Where on the timeline.
        digest: Fingerprint of all state there; equal in every process.
        console: What each tenant wrote to its serial port.
        entries: VMM entries of each tenant by reason; none on bare metal.
    """

    stopped: Stopped
    why: str
    moment: Moment
    digest: str
    console: Mapping[str, str]
    entries: Mapping[str, Mapping[str, Account]]


class UntilError(ValueError):
    """A place to stop at that is not in the language; the message quotes it and points at the character."""


def run(spec: WorldSpec, folder: Path | None, until: str | None = None, limit: int = DEFAULT_LIMIT) -> Report:
    """Build a world and let it run to its end, to an anchor, or until `limit` instructions are complete.

    Raises:
        SpecError, GuestError, AsmError: The world cannot be built.
        UntilError: `until` is not in the language of anchors.
    """
    world = build(spec, folder)
    timeline = Timeline(world)
    if until is None:
        stopped, why = _to_the_end(world, timeline, limit)
    else:
        stopped, why = _to_an_anchor(world, timeline, until, limit)
    return Report(
        stopped,
        why,
        timeline.position,
        timeline.digest(),
        {name: world.console(name) for name in world.guests},
        {name: _entries(world, name) for name in world.guests},
    )


def alone(guest: str, technique: Technique = Technique.TRAP_AND_EMULATE) -> WorldSpec:
    """A world with one guest, called as its source is where that is a name expressions can use."""
    stem = re.sub(r"[^a-z0-9_]", "_", guest.removesuffix(SOURCE_SUFFIX).lower())
    name = stem if re.fullmatch(r"[a-z][a-z0-9_]{0,15}", stem) and stem not in RESERVED else "guest"
    memory = GUESTS[guest].memory_bytes if guest in GUESTS else VmSpec(name, guest).memory_bytes
    return WorldSpec(HostSpec(vms=(VmSpec(name, guest, memory, technique),)))


def _to_the_end(world: World, timeline: Timeline, limit: int) -> tuple[Stopped, str]:
    if timeline.run(limit) is Outcome.LIMIT and world.stopped is None:
        return Stopped.LIMIT, f"the limit of {limit} instructions was reached"
    return _ended(world)


def _to_an_anchor(world: World, timeline: Timeline, until: str, limit: int) -> tuple[Stopped, str]:
    scope = WorldScope(world)
    try:
        anchor = compile_anchor(until, _known(world))
        arrival = Journey(world, timeline, scope, anchor, anchor.stop, limit).advance()
    except ExpressionError as error:
        raise UntilError(f"--until '{until}', character {error.offset + 1}: {error.message}") from error
    except NoValueError as error:
        raise UntilError(f"--until '{until}' has no meaning here: {error}") from error
    assert arrival is not None, "nobody asked for a pause"
    match arrival.ending:
        case Ending.REACHED:
            return Stopped.UNTIL_REACHED, f"{until} was reached"
        case Ending.BUDGET:
            return Stopped.LIMIT, arrival.text
        case Ending.WORLD_ENDED:
            stopped, _why = _ended(world)
            return (stopped if stopped is Stopped.GUEST_FAILURE else Stopped.UNTIL_MISSED), arrival.text


def _ended(world: World) -> tuple[Stopped, str]:
    assert world.stopped is not None, "a world without a reason to stop goes on"
    failed = world.stopped.kind is StopKind.GUEST_FAILURE
    return (Stopped.GUEST_FAILURE if failed else Stopped.ENDED_WELL), world.stopped.text


def _entries(world: World, tenant: str) -> dict[str, Account]:
    vm = world.host.tenants[tenant]
    rows = vm.ledger.rows() if isinstance(vm, Vm) else ()
    return {str(row.reason.value): Account(row.count, row.cycles) for row in rows}


def _known(world: World) -> Known:
    """The words an anchor may use about this world: its tenants, their labels and programs, the entry reasons."""
    tenants = {**{guest.spec.name: guest for guest in world.guests.values()}, **world.guests}
    labels: dict[str, frozenset[str]] = {}
    processes: set[str] = set()
    for name, guest in tenants.items():
        labels[name] = frozenset(guest.symbols.kernel.assembly.labels)
        for space in guest.symbols.programs:
            for word in (space.name, space.program):
                labels[f"{name}:{word}"] = frozenset(space.assembly.labels)
                processes.add(word)
    reasons = {str(reason.value) for reason in EntryReason}
    underscored = {reason.replace("-", "_") for reason in reasons}
    return Known(tuple(tenants), labels, frozenset(processes), frozenset(reasons | underscored))
