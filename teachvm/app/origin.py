"""Where a value comes from: who wrote these bytes last, when did this change last.

Both are asked of the past, and answered by executing it again, stretch by stretch, from the present backwards, each
once forwards while somebody listens. Bytes are watched at the memory itself, where stores to any other page cost
nothing; another value is compared at every instruction boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from teachvm.app.doer import Doer, at_work, became, number, said
from teachvm.app.notation import count, hex32
from teachvm.app.wording import Editable
from teachvm.isa.flags import Flag, iopl
from teachvm.isa.operands import REGISTER_NAMES, SEGMENT_NAMES
from teachvm.isa.paging import PAGE_SIZE
from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.reading import WorldScope
from teachvm.machine.memory import Memory
from teachvm.machine.register_loads import DEBUG
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.view import GuestState
from teachvm.world.world import World

Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found; `at` is the boundary, or the phase, at which it is just about to happen. None: never."""

    text: str
    at: Moment | None = None


class Quest:
    """One question to the past. The world is moved while it is answered; `close` ends that at any time."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self._world = world
        self._timeline = timeline
        self._scope = WorldScope(world)
        self.here = timeline.position
        """Where it was asked: the place to return to when there is no answer."""
        self._stop = self.here
        self._steps = self._search()

    @property
    def progress(self) -> str:
        """How far it has come, in one line."""
        return f"Looking back from moment {count(self.here.n)}: at {count(self._stop.n)} … Esc stops."

    def advance(self, keep_going: Callable[[], bool]) -> Answer | None:
        """Go on; the answer, or None while there is more to do. With an answer the world stands where that says."""
        for answer in self._steps:
            if answer is not None:
                self.close()
                self._timeline.seek(self.here if answer.at is None else answer.at)
                return answer
            if not keep_going():
                return None
        raise AssertionError("a search ends with an answer")

    def close(self) -> None:
        """Listen no more."""
        self._steps.close()

    def give_up(self) -> None:
        """Somebody stopped it: return to where it was asked."""
        self.close()
        self._timeline.seek(self.here)

    def _search(self) -> Generator[Answer | None, None, None]:
        raise NotImplementedError

    def _stretches(self) -> Iterator[tuple[Moment, Moment]]:
        """The past in stretches, from the present backwards."""
        while self._stop > START:
            start = self._timeline.stretch_before(self._stop)
            yield start, self._stop
            self._stop = start


class LastWrite(Quest):
    """Who wrote these bytes of host-physical memory last, whatever they wrote."""

    def __init__(self, world: World, timeline: Timeline, memory: Memory, watched: range, name: str) -> None:
        """Ask.

        Args:
            world: Whose past it is.
            timeline: What moves it.
            memory: Where the bytes are.
            watched: Their addresses.
            name: What people call them.
        """
        super().__init__(world, timeline)
        self._memory = memory
        self._watched = watched
        self._name = name
        self._hit: tuple[Moment, bytes, Doer] | None = None

    def _content(self) -> bytes:
        return self._memory.read_bytes(self._watched.start, len(self._watched))

    def _writing(self) -> None:
        now = self._world.recorder.clock.now
        if now < self._stop or (now == self._stop and self._timeline.applying):
            self._hit = now, self._content(), at_work(self._world, self._timeline)

    def _search(self) -> Generator[Answer | None, None, None]:
        content = self._content()
        try:
            for start, stop in self._stretches():
                self._timeline.seek(start)
                self._memory.watch(self._watched, self._writing)
                for _ in self._timeline.again(start, stop, asks=True):
                    yield None
                self._memory.watch(range(0))
                if self._hit is not None:
                    at, before, doer = self._hit
                    yield Answer(
                        f"{self._name}: last written at moment {count(at.n)} by {doer}. {became(before, content)}", at
                    )
        finally:
            self._memory.watch(range(0))
        yield Answer(f"{self._name}: never written since the start; there is what was loaded: {number(content)}.")


class LastChange(Quest):
    """When the value of an expression changed last, and who was at work then."""

    def __init__(self, world: World, timeline: Timeline, name: str, value: Callable[[WorldScope], object]) -> None:
        """Ask.

        Args:
            world: Whose past it is.
            timeline: What moves it.
            name: What people call it.
            value: Reads it where the world stands.
        """
        super().__init__(world, timeline)
        self._name = name
        self._read = value

    def _value(self) -> object:
        try:
            return self._read(self._scope)
        except NoValueError:
            return None

    def _search(self) -> Generator[Answer | None, None, None]:
        now, text = self._value(), self._name
        for start, stop in self._stretches():
            last: tuple[Moment, object] | None = None
            for boundary in self._timeline.again(start, stop, None):
                value = self._value()
                if value != now:
                    last = boundary, value
                yield None
            if last is not None:
                at, before = last
                self._timeline.seek(at)
                yield Answer(
                    f"{text} became {said(now)}, before {said(before)}, in the instruction after moment "
                    f"{count(at.n)}: {at_work(self._world, self._timeline)}.",
                    at,
                )
        yield Answer(f"{text} has been {said(now)} since the start.")


def asked_of(
    world: World,
    timeline: Timeline,
    what: Editable,
    written: Callable[[World, Timeline, Memory, range, str], Asked],
    changed: Callable[[World, Timeline, str, Callable[[WorldScope], object]], Asked],
) -> Asked | None:
    """The question one has about a value on a card.

    Args:
        world: Where it is.
        timeline: What moves it.
        what: The value.
        written: Makes the question for bytes of memory: who writes them.
        changed: Makes the question for a register or a flag: when it changes.

    Returns:
        None where there is no memory behind an address.
    """
    scope, vm, name = WorldScope(world), what.vm or None, what.name
    match what.kind:
        case "register":
            return changed(world, timeline, name, lambda now: _register(now.guest_state(vm), name))
        case "flag":
            return changed(world, timeline, name, lambda now: _flag(now.guest_state(vm), name))
        case "entry" | "memory":
            place: int | None = what.address
            if what.space == "linear":
                place = scope.translate(vm, what.address)
            virtual = scope.virtual(vm)
            if place is not None and virtual is not None and what.space != "host-physical":
                place = virtual.memory.hpa(Gpa(place))
            if place is None:
                return None
            size = min(what.size, PAGE_SIZE - (place & PAGE_SIZE - 1))
            memory = world.host.machine.memory
            return written(world, timeline, memory, range(place, place + size), name or hex32(what.address))


def _register(state: GuestState, name: str) -> int:
    word = name.lower()
    if word in REGISTER_NAMES[32]:
        return state.regs[REGISTER_NAMES[32].index(word)]
    if word in SEGMENT_NAMES:
        return state.segs[SEGMENT_NAMES.index(word)].selector
    if name in DEBUG:
        return state.dr[DEBUG[name]]
    if word in ("gdtr", "idtr"):
        return int(getattr(state, word).base)
    if word in ("ldtr", "tr"):
        return int(getattr(state, word).selector)
    return int(getattr(state, word))


def _flag(state: GuestState, name: str) -> int:
    return iopl(state.eflags) if name == "IOPL" else int(state.eflags & Flag[name] != 0)
