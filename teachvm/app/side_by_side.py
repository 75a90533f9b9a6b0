"""One guest under every technique: what each run cost, how much of it ran directly, and where one went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from teachvm.app.chronicle import Totals, chronicle_of
from teachvm.app.headless import Account, accounts
from teachvm.guest.image import GuestError
from teachvm.guest.library import Folder
from teachvm.host.bare import BareGuest
from teachvm.host.stop import StopKind
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.vmm.foreign import ForeignVm
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.divergence import Divergence, LockStep
from teachvm.world.spec import SpecError, WorldSpec
from teachvm.world.world import World

STRETCH: Final = 50_000
"""Units between two readings of the event log, which forgets."""
ALL: Final = 1 << 62
"""More instructions than any limit."""
NEAR: Final = 64
"""So few instructions before a wanted one that each unit is looked at."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a run: its first instructions, while everything is met for the first time, or the rest.

    Attributes:
        instructions: Guest instructions completed in it.
        guest: Host cycles the guest's own code took, its programs and its kernel.
        vmm: Host cycles of the VMM.
        kinds: Entries into the VMM: how many traps, exits, callouts, hypercalls.
    """

    instructions: int
    guest: int
    vmm: int
    kinds: Mapping[str, int]

    def since(self, earlier: Part) -> Part:
        """What came after an earlier part that began where this one did."""
        kinds = {name: many - earlier.kinds.get(name, 0) for name, many in self.kinds.items()}
        return Part(
            self.instructions - earlier.instructions,
            self.guest - earlier.guest,
            self.vmm - earlier.vmm,
            {name: many for name, many in kinds.items() if many},
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one technique made of the guest.

    Attributes:
        technique: Which.
        stop: How the run ended; None if the limit came first.
        why: Why the run is over, in one sentence.
        console: What the guest wrote to its serial port.
        cycles: Host cycles of the whole run.
        by_actor: The same by who had the processor: guest program, guest kernel, VMM, nobody.
        instructions: Guest instructions completed.
        direct: Of these, completed by the processor without anybody in between.
        entries: VMM entries by reason.
        diverged: The first difference from bare metal a guest could see; None if there was none, or nothing to compare.
        cold: The first half: as many guest instructions as half of what the first technique completed.
        warm: The rest.
    """

    technique: Technique
    stop: StopKind | None
    why: str
    console: str
    cycles: int
    by_actor: Totals
    instructions: int
    direct: int
    entries: Mapping[str, Account]
    diverged: Divergence | None
    cold: Part
    warm: Part

    @property
    def ended(self) -> bool:
        """The guest came to its end within the limit, and well."""
        return self.stop is StopKind.ENDED_WELL

    @property
    def direct_share(self) -> float:
        """Share of the guest's instructions that ran directly, 0 to 1."""
        return self.direct / self.instructions if self.instructions else 0.0


class SideBySide:
    """Runs one guest by each technique in turn, a slice at a time; each run is a world of its own.

    Attributes:
        runs: What is finished, in the order of the techniques; none by a technique the guest was not built for.
    """

    def __init__(self, spec: WorldSpec, folder: Folder | None, limit: int) -> None:
        """Take a world with one guest; its own technique does not matter.

        Args:
            spec: The world.
            folder: Where guests of somebody's own lie.
            limit: Most instructions of one run.

        Raises:
            SpecError: There are several guests.
            GuestError, AsmError: The guest cannot be built.
        """
        if len(spec.host.vms) != 1:
            raise SpecError("techniques are compared on one guest; this world has several")
        self._spec = spec
        self._folder = folder
        self._limit = limit
        self.runs: list[Run] = []
        (guest,) = build(spec.with_technique(Technique.EMULATION), folder).guests.values()
        self._foreign = guest.image.riscv
        self.todo = [Technique.EMULATION] if self._foreign else list(Technique)
        self._work: Iterator[None] | None = None
        self._half: int | None = None
        """Guest instructions after which a run counts as warm; None until one run was made to know it."""

    @property
    def finished(self) -> bool:
        """Every technique has had its run."""
        return not self.todo

    def advance(self, keep_going: Callable[[], bool] = lambda: True) -> bool:
        """Go on; False when everything is done.

        Raises:
            SpecError, GuestError, AsmError: The world cannot be built.
        """
        while self.todo:
            if self._work is None:
                self._work = self._run(self.todo[0], keep_going)
            if next(self._work, self) is self:
                self._work = None
                self.todo.pop(0)
            if not keep_going():
                break
        return bool(self.todo)

    def _run(self, technique: Technique, keep_going: Callable[[], bool]) -> Iterator[None]:
        """One technique's run, then the same beside bare metal; pauses where `keep_going` says no.

        A paravirtual kernel is another build, so its instructions have no counterpart: only consoles can be compared.
        """
        spec = self._spec.with_technique(technique)
        try:
            world = build(spec, self._folder)
        except GuestError:
            if technique is Technique.PARAVIRTUAL:
                return  # the guest has no build that makes hypercalls
            raise
        if self._half is None:
            trial = build(spec, self._folder)
            yield from self._advance(trial, Timeline(trial), ALL, keep_going)
            self._half = _completed(trial) // 2
        timeline = Timeline(world)
        yield from self._advance(world, timeline, self._half, keep_going)
        cold = _part(world)
        yield from self._advance(world, timeline, ALL, keep_going)
        diverged = None
        if technique not in (Technique.BARE_METAL, Technique.PARAVIRTUAL) and not self._foreign:
            pair = LockStep(spec, self._folder)
            while True:
                diverged = pair.run(self._limit - pair.instructions, keep_going)
                if diverged is not None or pair.ended or pair.instructions >= self._limit:
                    break
                yield
        self.runs.append(_account(technique, world, self._limit, diverged, cold))

    def _advance(self, world: World, timeline: Timeline, wanted: int, keep_going: Callable[[], bool]) -> Iterator[None]:
        """Run until the guest has completed so many instructions, or is at its end, or at the limit."""
        while (left := min(self._limit - timeline.position.n, (wanted - _completed(world)))) > 0:
            if left > NEAR:
                # A unit completes two instructions at most.
                outcome = timeline.run(min(left // 2, STRETCH), keep_going=keep_going)
            else:
                outcome = timeline.run(left, stop_at=lambda: _completed(world) >= wanted, keep_going=keep_going)
            chronicle_of(world)
            if outcome is Outcome.ENDED:
                break
            if outcome is Outcome.PAUSED:
                yield


def _completed(world: World) -> int:
    """Guest instructions completed so far."""
    tenant = next(iter(world.host.tenants.values()))
    if isinstance(tenant, BareGuest):
        return tenant.completed
    if isinstance(tenant, ForeignVm):
        return tenant.emulated
    assert isinstance(tenant, Vm)
    return tenant.instructions


def _part(world: World) -> Part:
    """All of a run so far."""
    clock, chronicle = world.recorder.clock, chronicle_of(world)
    totals = chronicle.totals(clock.now, clock.cycles)
    return Part(_completed(world), totals.program + totals.kernel, totals.vmm, dict(chronicle.kinds))


def _account(technique: Technique, world: World, limit: int, diverged: Divergence | None, cold: Part) -> Run:
    name, tenant = next(iter(world.host.tenants.items()))
    clock, stopped = world.recorder.clock, world.stopped
    if isinstance(tenant, BareGuest):
        direct = done = tenant.completed
    elif isinstance(tenant, ForeignVm):
        direct, done = 0, tenant.emulated
    else:
        assert isinstance(tenant, Vm)
        direct, done = tenant.direct + tenant.translated, tenant.instructions
    return Run(
        technique=technique,
        stop=None if stopped is None else stopped.kind,
        why=f"the limit of {limit} instructions was reached" if stopped is None else stopped.text,
        console=world.console(name),
        cycles=clock.cycles,
        by_actor=chronicle_of(world).totals(clock.now, clock.cycles),
        instructions=done,
        direct=direct,
        entries=accounts(world, name),
        diverged=diverged,
        cold=cold,
        warm=_part(world).since(cold),
    )
