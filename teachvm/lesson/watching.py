"""Recognising an anchor while a world moves, and afterwards in what it recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from teachvm.lesson.anchors import Anchor
from teachvm.lesson.expressions import Expression
from teachvm.lesson.happenings import KINDS, Happenings, is_later, is_past, matches
from teachvm.lesson.reading import WorldScope
from teachvm.lesson.scope import Scalar
from teachvm.machine.events import ConsoleWrote, HandlerEntered
from teachvm.trace.events import Event
from teachvm.trace.moment import START, Moment
from teachvm.vmm.events import GuestResumed
from teachvm.world.world import World

NOWHERE: frozenset[int] = frozenset()
LINE_KEPT = 1_000
"""Characters of console output a pattern is looked for in."""


class Watch(Protocol):
    """Recognises one anchor; it is shown every event and every boundary once, in order.

    A boundary without events may be left out where the next instruction is at none of the `barriers`.
    """

    kinds: tuple[type[Event], ...]
    barriers: frozenset[int] | None
    """Addresses of instructions it may be reached at without an event; None for any."""
    met: Moment | None
    """Where it was reached, if that is not where `event` or `boundary` said so."""

    def event(self, event: Event) -> bool:
        """Whether the anchor is reached by this event."""

    def boundary(self) -> bool:
        """Whether it is reached at this instruction boundary."""


@dataclass(slots=True)
class _Milestone:
    """An event of the log, with the wanted facts, for the nth time."""

    kinds: tuple[type[Event], ...]
    facts: Callable[[Event], Mapping[str, Scalar] | None]
    wanted: Mapping[str, Scalar]
    number: Callable[[], int] | None
    left: int
    barriers: frozenset[int] | None = NOWHERE
    met: Moment | None = None

    def event(self, event: Event) -> bool:
        facts = self.facts(event)
        if facts is None:
            return False
        found = dict(facts)
        if self.number is not None:
            found["number"] = self.number()
        if not matches(found, self.wanted):
            return False
        self.left -= 1
        return self.left == 0

    def boundary(self) -> bool:
        return False


@dataclass(slots=True)
class ConsoleWatch:
    """Texts on a console, in order; `text` is the line so far, by source."""

    kinds: tuple[type[Event], ...]
    patterns: tuple[re.Pattern[str], ...]
    source: str | None
    left: int
    text: dict[str, str]
    found: dict[str, int]
    barriers: frozenset[int] | None = NOWHERE
    met: Moment | None = None

    def event(self, event: Event) -> bool:
        """Whether the last text is complete with this byte."""
        if not isinstance(event, ConsoleWrote) or self.source not in (None, event.source):
            return False
        text = (self.text.get(event.source, "") + chr(event.byte))[-LINE_KEPT:]
        index = self.found.get(event.source, 0)
        if not self.patterns[index].search(text):
            self.text[event.source] = text
            return False
        self.text[event.source] = ""
        self.found[event.source] = (index + 1) % len(self.patterns)
        self.left -= self.found[event.source] == 0
        return self.left == 0

    def boundary(self) -> bool:
        """Never: bytes are events."""
        return False


@dataclass(slots=True)
class _Label:
    """The guest's next instruction is the one at a label.

    The first instruction of a handler is met inside a unit, when the delivery is complete: the unit goes on until an
    instruction has completed. `met` is then that phase, otherwise the boundary.

    An instruction that the guest comes to once counts once, though it may take several units in translated code, or be
    begun again after a fault the guest does not see: `completed` says whether it is another time.
    """

    kinds: tuple[type[Event], ...]
    here: Callable[[], bool]
    now: Callable[[], Moment]
    completed: Callable[[], int]
    left: int
    barriers: frozenset[int] | None
    met: Moment | None = None
    inside: Moment | None = None
    counted: tuple[int, Moment] = (-1, START)

    def __post_init__(self) -> None:
        """Where the guest stands already does not count."""
        self._anew()

    def event(self, event: Event) -> bool:
        if self.inside is None and self._anew():
            self.inside = event.at
        return False

    def _anew(self) -> bool:
        if not self.here():
            return False
        before, then = self.counted
        self.counted = self.completed(), self.now()
        # Who goes back in time comes to it again.
        return before != self.counted[0] or self.counted[1] <= then

    def boundary(self) -> bool:
        inside, self.inside = self.inside, None
        if self._anew() or (inside is not None and self.here()):
            self.met = self.now()
        elif inside is not None:
            self.met = inside
        else:
            return False
        self.left -= 1
        return self.left == 0


@dataclass(slots=True)
class _After:
    """So many instructions later."""

    kinds: tuple[type[Event], ...]
    n: Callable[[], int]
    target: int
    barriers: frozenset[int] | None = None
    met: Moment | None = None

    def event(self, event: Event) -> bool:
        return False

    def boundary(self) -> bool:
        return self.n() >= self.target


@dataclass(slots=True)
class _Condition:
    """A state expression, tested when something visible has happened."""

    kinds: tuple[type[Event], ...]
    holds: Callable[[], bool]
    stirred: bool = False
    barriers: frozenset[int] | None = NOWHERE
    met: Moment | None = None

    def event(self, event: Event) -> bool:
        self.stirred = True
        return event.PHASE and self.holds()

    def boundary(self) -> bool:
        stirred, self.stirred = self.stirred, False
        return stirred and self.holds()


def watch(anchor: Anchor, world: World, scope: WorldScope) -> Watch:
    """Begin to look out for an anchor.

    Raises:
        NoValueError: An argument of the anchor has no value now.
    """
    if anchor.condition is not None:
        condition: Expression = anchor.condition
        return _Condition((Event,), lambda: condition.holds(scope))
    assert anchor.milestone is not None
    given = dict(anchor.values(scope))
    clock = world.recorder.clock
    left = _count(given.pop("nth", 1))
    match anchor.milestone.word:
        case "at":
            vm, process = given.get("vm"), given.get("process")
            address = scope.address_of(given["label"], vm, process)
            here = scope.next_instructions(vm)
            return _Label(
                (HandlerEntered, GuestResumed),
                lambda: address in here() and scope.is_at(address, vm, process),
                lambda: clock.now,
                scope.completed(vm),
                left,
                frozenset((address,)),
            )
        case "after":
            return _After((), lambda: clock.n, clock.n + _count(given["instructions"]))
        case "console":
            texts = [str(value) for name, value in anchor.values(scope) if name == "pattern"]
            source = None if given.get("vm") is None else scope.tenant(given["vm"])
            return ConsoleWatch((ConsoleWrote,), tuple(map(_pattern, texts)), source, left, {}, {})
        case word:
            return _milestone(word, given, left, world, scope)


def _milestone(word: str, given: dict[str, Scalar], left: int, world: World, scope: WorldScope) -> _Milestone:
    if given.get("vm") is not None:
        given["vm"] = scope.tenant(given["vm"])
    happenings = Happenings(world)
    number = (lambda: scope.guest_state(None).regs[0]) if "number" in given else None
    return _Milestone(KINDS[word], lambda event: happenings.facts(word, event), given, number, left)


def recorded(
    anchor: Anchor, world: World, scope: WorldScope, since: Moment, until: Moment, *, complete: bool = False
) -> bool:
    """Whether an anchor was reached between two moments of the recorded past; `until` is the present moment.

    For a task: the student may have moved there in any way. Labels and conditions are looked at now.

    Args:
        anchor: What to reach.
        world: Whose past it is.
        scope: What its arguments and conditions read.
        since: Where the task began.
        until: The present moment.
        complete: The unit in which it happened must be over as well: a trap counts when the guest runs again.

    Raises:
        NoValueError: An argument of the anchor has no value now.
    """
    looking = watch(anchor, world, scope)
    if isinstance(looking, _After):
        looking.target += since.n - until.n
        return looking.boundary()
    if isinstance(looking, _Condition):
        return until > since and looking.holds() and not (complete and until.phase)
    if isinstance(looking, _Label):
        return until > since and looking.here()
    if complete:
        until = Moment(until.n)
    past = _between(world.recorder.log.of(looking.kinds, since, Moment(until.n, until.phase + 1)), since, until)
    return any(looking.event(event) for event in past)


def _between(events: Iterable[Event], since: Moment, until: Moment) -> Iterable[Event]:
    return (event for event in events if is_later(event, since) and is_past(event, until))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^\n]*?".join(re.escape(piece) for piece in text.split("*")))


def _count(value: Scalar) -> int:
    return max(1, int(value)) if isinstance(value, int) else 1
