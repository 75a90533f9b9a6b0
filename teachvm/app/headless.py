"""Running a world without a screen, and what there is to report about it afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from teachvm.app import recordings
from teachvm.app.typist import Typist
from teachvm.guest.image import Image
from teachvm.guest.library import GUESTS
from teachvm.guest.library import build as build_image
from teachvm.host.stop import StopKind
from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.expressions import ExpressionError, Known, NoValueError
from teachvm.lesson.journey import Ending, Journey
from teachvm.lesson.milestones import REASONS
from teachvm.lesson.names import RESERVED
from teachvm.lesson.reading import WorldScope
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.vmm.techniques import CHOICES, Choice, ShadowPolicy, Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import MAX_GUEST_MEMORY_BYTES, MIB, VMM_RESERVE_BYTES, HostSpec, VmSpec, WorldSpec
from teachvm.world.world import World

DEFAULT_LIMIT = 1_000_000
LARGER_GUEST_BYTES = 16 * MIB
"""Memory of a guest that lies beyond the first mebibyte, as kernels do."""


class Stopped(Enum):
    """Why a run without a screen is over."""

    ENDED_WELL = "ended-well"
    GUEST_FAILURE = "guest-failure"
    UNTIL_REACHED = "until-reached"
    LIMIT = "limit"
    UNTIL_MISSED = "until-missed"
    REPLAYED = "replayed"
    DIFFERS = "differs"


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


def run(
    spec: WorldSpec,
    folder: Path | None,
    until: str | None = None,
    limit: int = DEFAULT_LIMIT,
    *,
    typed: str = "",
    record: Path | None = None,
) -> Report:
    """Build a world and let it run to its end, to an anchor, or until `limit` instructions are complete.

    Args:
        spec: What it consists of.
        folder: Where guests of one's own lie.
        until: The anchor.
        limit: Most instructions.
        typed: What is typed on the first guest's console; see `Typist`.
        record: Where a recording of it is written.

    Raises:
        SpecError, GuestError, AsmError: The world cannot be built.
        UntilError: `until` is not in the language of anchors.
        RecordingError: It cannot be recorded.
    """
    world = build(spec, folder)
    timeline = Timeline(world)
    typist = Typist(world, timeline, typed)
    if until is None:
        stopped, why = _to_the_end(world, timeline, limit, typist)
    else:
        stopped, why = _to_an_anchor(world, timeline, until, limit, typist)
    if record is not None:
        recordings.save(record, world, timeline, folder)
    return report(world, timeline, stopped, why)


def replay(path: Path) -> Report:
    """Build a recorded world and bring it to the end of the recording.

    Raises:
        RecordingError: It is no recording in order.
        OSError: It cannot be read.
    """
    opened = recordings.open_recording(path)
    world, timeline, again = opened.replay()
    while again.advance():
        pass
    if again.same:
        return report(world, timeline, Stopped.REPLAYED, "the recording came to the digest it holds")
    why = f"the recording came to another state than it holds: digest {again.expected} was recorded"
    return report(world, timeline, Stopped.DIFFERS, why)


def report(world: World, timeline: Timeline, stopped: Stopped, why: str) -> Report:
    """What there is to say about a world where it stands."""
    return Report(
        stopped,
        why,
        timeline.position,
        timeline.digest(),
        {name: world.console(name) for name in world.guests},
        {name: accounts(world, name) for name in world.guests},
    )


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants a guest run that no lesson describes.

    Attributes:
        technique: How; None is what suits it: emulation for code of another processor, else trap and emulate.
        memory_bytes: Of each guest; 0 is what suits it.
        vms: How many copies of it, each in a VM of its own.
        load_at: Where a flat binary is put; 0 leaves it to the loader.
        paging: Who translates guest-physical addresses.
        costs: Lines of the cost table that are otherwise.
        shadow: How shadow tables are kept in step.
    """

    technique: Technique | None = None
    memory_bytes: int = 0
    vms: int = 1
    load_at: int = 0
    paging: Choice = CHOICES[0]
    costs: tuple[tuple[str, int], ...] = ()
    shadow: ShadowPolicy = ShadowPolicy.CACHING


_USUAL = Wishes()


def alone(guest: str, folder: Path | None = None, wishes: Wishes = _USUAL) -> WorldSpec:
    """A world with nothing but one guest, called as its file is where that is a name expressions can use.

    Args:
        guest: A shipped guest's name, or a file in `folder`.
        folder: Where files lie.
        wishes: How it is run.

    Raises:
        GuestError, AsmError: It is no guest.
    """
    image = build_image(guest, folder=folder, load_at=wishes.load_at)
    memory = wishes.memory_bytes or _comfortable(guest, image)
    suits = Technique.EMULATION if image.riscv else Technique.TRAP_AND_EMULATE
    technique = wishes.technique or suits
    own = guest not in GUESTS
    vms = tuple(
        VmSpec(
            name,
            guest,
            memory,
            technique,
            wishes.paging.paging,
            load_at=wishes.load_at,
            debug_ports=own,
            shadow=wishes.shadow,
            walk_cache=wishes.paging.walk_cache,
        )
        for name in _names(guest, wishes.vms)
    )
    needed = sum(vm.memory_bytes + VMM_RESERVE_BYTES for vm in vms)
    memory = max(HostSpec().memory_bytes, -(-needed // MIB) * MIB)
    return WorldSpec(HostSpec(memory_bytes=memory, vms=vms, costs=wishes.costs))


def _names(guest: str, many: int) -> list[str]:
    stem = re.sub(r"[^a-z0-9_]", "_", Path(guest).stem.lower() if guest not in GUESTS else guest)
    name = stem if re.fullmatch(r"[a-z][a-z0-9_]{0,15}", stem) and stem not in RESERVED else "guest"
    return [name] if many == 1 else [f"{name[:13]}_{number}" for number in range(1, many + 1)]


def _comfortable(guest: str, image: Image) -> int:
    """Memory that suits a guest: what its manifest says, else a power of two with room behind the image."""
    if guest in GUESTS:
        return GUESTS[guest].memory_bytes
    end = image.memory_needed
    size = 2 * MIB if end < MIB else LARGER_GUEST_BYTES
    while size < end + MIB and size < MAX_GUEST_MEMORY_BYTES:
        size *= 2
    return size


def _to_the_end(world: World, timeline: Timeline, limit: int, typist: Typist) -> tuple[Stopped, str]:
    while (outcome := timeline.run(limit - timeline.position.n, keep_going=typist.idle)) is not Outcome.LIMIT:
        if not typist.type():
            break
    if outcome is Outcome.LIMIT and world.stopped is None:
        return Stopped.LIMIT, f"the limit of {limit} instructions was reached"
    return _ended(world)


def _to_an_anchor(world: World, timeline: Timeline, until: str, limit: int, typist: Typist) -> tuple[Stopped, str]:
    scope = WorldScope(world)
    try:
        anchor = compile_anchor(until, known(world))
        journey = Journey(world, timeline, scope, anchor, anchor.stop, limit)
        while (arrival := journey.advance(typist.idle)) is None or arrival.ending is Ending.WORLD_ENDED:
            if not typist.type():
                break
    except ExpressionError as error:
        raise UntilError(f"--until '{until}', character {error.offset + 1}: {error.message}") from error
    except NoValueError as error:
        raise UntilError(f"--until '{until}' has no meaning here: {error}") from error
    assert arrival is not None, "a pause is for typing"
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


def accounts(world: World, tenant: str) -> dict[str, Account]:
    """VMM entries of a tenant by reason; none on bare metal."""
    vm = world.host.tenants[tenant]
    rows = vm.ledger.rows() if isinstance(vm, Vm) else ()
    return {str(row.reason.value): Account(row.count, row.cycles) for row in rows}


def known(world: World) -> Known:
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
    return Known(tuple(tenants), labels, frozenset(processes), REASONS)
