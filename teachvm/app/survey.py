"""All techniques on one guest, workload by workload, a slice at a time, and what came out so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from teachvm.app.control import Notice
from teachvm.app.side_by_side import Run, SideBySide
from teachvm.guest.image import GuestError
from teachvm.guest.library import GUESTS, Folder
from teachvm.isa.assembler.errors import AsmError
from teachvm.world.spec import ProgramSpec, SpecError, WorldSpec

MOST: Final = 30_000
"""Units of one run: enough to come past starting up, few enough to wait for."""
_COMPUTES: Final = (ProgramSpec("sieve", 2_000),)
_CALLS: Final = (ProgramSpec("ticker"), ProgramSpec("hello"))
_SYSTEM: Final = "tinyos"
"""The guest whose programs these are."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is run: its name for people, and the world with it."""

    name: str
    spec: WorldSpec


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one workload so far."""

    workload: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class SurveyView:
    """A survey at one moment: `going` says what is being run, and is empty when nothing is."""

    findings: tuple[Finding, ...]
    going: str


def workloads(spec: WorldSpec) -> tuple[Workload, ...]:
    """A guest's own start; for the shipped system that starts programs, one that computes and some that call it."""
    vm = spec.host.vms[0]
    if vm.guest not in GUESTS or GUESTS[vm.guest].system != _SYSTEM:
        return (Workload(f"{vm.guest}, from its start", spec),)

    def started(programs: tuple[ProgramSpec, ...]) -> WorldSpec:
        return replace(spec, host=replace(spec.host, vms=(replace(vm, programs=programs),)))

    return (
        Workload(f"compute: {vm.guest} with {_named(_COMPUTES)}", started(_COMPUTES)),
        Workload(f"system calls: {vm.guest} with {_named(_CALLS)}", started(_CALLS)),
    )


def _named(programs: tuple[ProgramSpec, ...]) -> str:
    return " and ".join(program.name for program in programs)


class Survey:
    """Runs every workload by every technique, in worlds of their own; the student's world stays where it is."""

    def __init__(self, spec: WorldSpec, folder: Folder | None) -> None:
        """Begin with nothing known.

        Raises:
            SpecError: There are several guests.
            GuestError, AsmError: The guest cannot be built.
        """
        loads = workloads(spec)
        self._parts = [(load.name, SideBySide(load.spec, folder, MOST)) for load in loads]

    def advance(self, keep_going: Callable[[], bool]) -> bool:
        """Go on; False when everything is known.

        Raises:
            SpecError, GuestError, AsmError: The world cannot be built.
        """
        for _, part in self._parts:
            if not part.finished:
                part.advance(keep_going)
                break
        return any(not part.finished for _, part in self._parts)

    @property
    def view(self) -> SurveyView:
        """What is known so far."""
        going = next((f"{name} by {part.todo[0].label.lower()}" for name, part in self._parts if part.todo), "")
        return SurveyView(tuple(Finding(name, tuple(part.runs)) for name, part in self._parts), going)


class Measuring:
    """A survey somebody asked for, and whether it goes on.

    Attributes:
        going: It has more to do, and nobody stopped it.
    """

    def __init__(self) -> None:
        self.going = False
        self._survey: Survey | None = None

    @property
    def view(self) -> SurveyView | None:
        """What is known; None before anybody asked."""
        return None if self._survey is None else self._survey.view

    def forget(self) -> None:
        """What was measured holds no more."""
        self.going, self._survey = False, None

    def begin(self, spec: WorldSpec, folder: Folder | None) -> Notice | None:
        """Begin, or go on where it was stopped; a notice if that cannot be done."""
        why = why_not(spec)
        if why:
            return Notice(why, failure=True)
        try:
            if self._survey is None or not self._survey.view.going:
                self._survey = Survey(spec, folder)
        except (SpecError, GuestError, AsmError) as error:
            return Notice(str(error), failure=True)
        self.going = True
        return None

    def work(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Do one slice; a notice if the guest cannot be built."""
        try:
            self.going = self._survey is not None and self._survey.advance(keep_going)
        except (SpecError, GuestError, AsmError) as error:
            self.going = False
            return Notice(str(error), failure=True)
        return None


def why_not(spec: WorldSpec) -> str:
    """Why the techniques cannot be set side by side in a world; empty if they can."""
    return "Several guests share this host; techniques are compared on one." if len(spec.host.vms) > 1 else ""
