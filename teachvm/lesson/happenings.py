"""Which recorded facts are which milestones: the one table between the lessons' words and the machine's events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from teachvm.guest.library import GUESTS
from teachvm.isa.exceptions import Vector
from teachvm.lesson.scope import Scalar
from teachvm.machine.events import ExceptionRaised, HandlerEntered, SoftwareInterrupted, WalkReferenced
from teachvm.trace.events import Event
from teachvm.trace.moment import START, Moment
from teachvm.vmm.entries import EntryKind
from teachvm.vmm.events import (
    FaultReflected,
    HypercallMade,
    UnitChained,
    UnitInvalidated,
    UnitTranslated,
    VcpuSwitched,
    VmmEntered,
)
from teachvm.vmm.techniques import Technique
from teachvm.world.world import World

SYSTEM_CALL_VECTOR = 0x80
"""The vector of system calls in a guest that does not say: Linux's."""

EXCEPTIONS = 32
"""Vectors below belong to the processor's own exceptions."""

_OWN_EXCEPTIONS = (Technique.BARE_METAL, Technique.HARDWARE_ASSIST)
"""Where the hardware delivers an exception through the guest's own IDT; one that exits instead is not raised there."""

Facts = dict[str, Scalar]
"""What a milestone's arguments are compared with, and what `last(...)` tells."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A milestone that happened, with its facts."""

    event: Event
    facts: Facts


class Happenings:
    """Finds the milestones of one world in its events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hardware = world.host.machine.cpu.name
        self._asked = (-1, START, "")
        """Who had the hardware when that was asked last: cuts of the log by then, moment, name."""
        self._readers: Mapping[str, Callable[[Event], Facts | None]] = {
            "trap": self._trap,
            "exit": self._exit,
            "callout": self._callout,
            "fault": self._fault,
            "hypercall": self._hypercall,
            "walk": self._walk,
            "reference": self._reference,
            "translated": self._translated,
            "chained": self._chained,
            "invalidated": self._invalidated,
            "switch": self._switch,
            "syscall": self._syscall,
        }

    def facts(self, word: str, event: Event) -> Facts | None:
        """What happened, if the event is a milestone of that word."""
        return self._readers[word](event)

    def between(self, word: str, since: Moment | None, until: Moment) -> Iterator[Happening]:
        """Milestones after one moment and up to another, in order."""
        for event in self._world.recorder.log.of(KINDS[word], since, Moment(until.n, until.phase + 1)):
            if is_later(event, since) and is_past(event, until):
                facts = self.facts(word, event)
                if facts is not None:
                    yield Happening(event, facts)

    def latest(self, word: str, vm: str, until: Moment) -> Happening | None:
        """The last milestone up to a moment, of one VM or of any."""
        stop = Moment(until.n, until.phase + 1)
        while (event := self._world.recorder.log.last_before(stop, KINDS[word])) is not None:
            facts = self.facts(word, event) if is_past(event, until) else None
            if facts is not None and vm in ("", facts.get("vm")):
                return Happening(event, facts)
            stop = event.at
        return None

    # ---- one reader for each word --------------------------------------------------------------

    def _trap(self, event: Event) -> Facts | None:
        return self._entry(event, EntryKind.TRAP)

    def _exit(self, event: Event) -> Facts | None:
        return self._entry(event, EntryKind.EXIT)

    def _callout(self, event: Event) -> Facts | None:
        return self._entry(event, EntryKind.CALLOUT)

    def _entry(self, event: Event, kind: EntryKind) -> Facts | None:
        if not isinstance(event, VmmEntered) or event.kind is not kind:
            return None
        return {
            "vm": event.vm,
            "reason": event.reason.value,
            "vector": event.vector,
            "error": event.error,
            "eip": event.eip,
        }

    def _translated(self, event: Event) -> Facts | None:
        if not isinstance(event, UnitTranslated):
            return None
        return {"vm": event.vm, "linear": event.eip, "eip": event.eip, "instructions": event.instructions}

    def _chained(self, event: Event) -> Facts | None:
        return {"vm": event.vm, "linear": event.eip} if isinstance(event, UnitChained) else None

    def _invalidated(self, event: Event) -> Facts | None:
        return {"vm": event.vm, "linear": event.eip} if isinstance(event, UnitInvalidated) else None

    def _hypercall(self, event: Event) -> Facts | None:
        if not isinstance(event, HypercallMade):
            return None
        return {"vm": event.vm, "reason": event.name, "result": event.result}

    def _fault(self, event: Event) -> Facts | None:
        if isinstance(event, FaultReflected) and event.vector < EXCEPTIONS and not self._told_already(event):
            return {"vm": event.vm, "vector": event.vector, "error": event.error, "linear": event.cr2}
        if not isinstance(event, ExceptionRaised) or event.cpu != self._hardware:
            return None
        vm = self._on_cpu(event.at)
        if self._world.guests[vm].spec.technique not in _OWN_EXCEPTIONS:
            return None
        return {"vm": vm, "vector": event.vector, "error": event.error, "linear": event.cr2, "eip": event.eip}

    def _told_already(self, event: FaultReflected) -> bool:
        """Whether the hardware was delivering this exception by itself, and an exit on the way came between."""
        log = self._world.recorder.log
        entered = log.last_before(event.at, HandlerEntered)
        before = None if entered is None else log.last_before(entered.at, (ExceptionRaised, HandlerEntered))
        assisted = self._world.guests[event.vm].spec.technique is Technique.HARDWARE_ASSIST
        return assisted and isinstance(before, ExceptionRaised) and before.vector == event.vector

    def _walk(self, event: Event) -> Facts | None:
        return self._reference(event) if isinstance(event, WalkReferenced) and event.index == 0 else None

    def _reference(self, event: Event) -> Facts | None:
        if isinstance(event, WalkReferenced) and event.cpu == self._hardware:
            return {"vm": self._on_cpu(event.at), "linear": event.linear}
        return None

    def _switch(self, event: Event) -> Facts | None:
        return {"vm": event.after} if isinstance(event, VcpuSwitched) else None

    def _syscall(self, event: Event) -> Facts | None:
        if not isinstance(event, SoftwareInterrupted) or event.cpu != self._hardware or event.cpl != 3:
            return None
        vm = self._on_cpu(event.at)
        manifest = GUESTS.get(self._world.guests[vm].spec.guest)
        vector = SYSTEM_CALL_VECTOR if manifest is None else manifest.syscall_vector
        return {"vm": vm, "vector": event.vector, "eip": event.eip} if event.vector == vector else None

    def _on_cpu(self, moment: Moment) -> str:
        """Whose guest the hardware ran at a moment; asked in order, only what lies between is looked through."""
        log = self._world.recorder.log
        cuts, since, name = self._asked
        if cuts == log.cuts and since <= moment:
            for switched in log.of(VcpuSwitched, since, moment):
                name = switched.after
        else:
            last = log.last_before(moment, VcpuSwitched)
            name = next(iter(self._world.guests)) if last is None else last.after
        self._asked = log.cuts, moment, name
        return name


def is_past(event: Event, now: Moment) -> bool:
    """Whether a recorded event has happened at a moment: a phase has when it is that phase, others come after it."""
    return event.at <= now if event.PHASE else event.at < now


def is_later(event: Event, since: Moment | None) -> bool:
    """Whether an event comes after a moment."""
    return since is None or not is_past(event, since)


KINDS: Mapping[str, tuple[type[Event], ...]] = {
    "trap": (VmmEntered,),
    "exit": (VmmEntered,),
    "callout": (VmmEntered,),
    "fault": (FaultReflected, ExceptionRaised),
    "hypercall": (HypercallMade,),
    "walk": (WalkReferenced,),
    "reference": (WalkReferenced,),
    "translated": (UnitTranslated,),
    "chained": (UnitChained,),
    "invalidated": (UnitInvalidated,),
    "switch": (VcpuSwitched,),
    "syscall": (SoftwareInterrupted,),
}
"""The events to look through for each milestone."""


def vector_of(word: Scalar) -> int | None:
    """A vector as a lesson names it: `'#PF'` or its number."""
    if isinstance(word, int):
        return int(word)
    return int(Vector[str(word).removeprefix("#")]) if word is not None else None


def matches(facts: Facts, wanted: Mapping[str, Scalar]) -> bool:
    """Whether a milestone has what an anchor asks for; a linear address is compared by its page."""
    return all(_alike(name, value, facts.get(name)) for name, value in wanted.items())


def _alike(name: str, wanted: Scalar, found: Scalar) -> bool:
    match name:
        case "reason":
            return found == str(wanted).replace("_", "-")
        case "vector":
            return found == vector_of(wanted)
        case "linear" if isinstance(wanted, int) and isinstance(found, int):
            return wanted >> 12 == found >> 12
        case _:
            return found == wanted
