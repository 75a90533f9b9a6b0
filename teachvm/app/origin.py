"""Where a value comes from: who wrote these bytes last, when did this change last.

Both are asked of the past, and answered by executing it again, stretch by stretch, from the present backwards, each
once forwards while somebody listens. Bytes are watched at the memory itself, where stores to any other page cost
nothing; another value is compared at every instruction boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

from teachvm.app.notation import count, hex32
from teachvm.app.wording import Editable
from teachvm.isa import disassembler
from teachvm.isa.decode import MAX_LENGTH
from teachvm.isa.flags import Flag, iopl
from teachvm.isa.operands import CS, REGISTER_NAMES, SEGMENT_NAMES
from teachvm.isa.paging import PAGE_SIZE
from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.reading import WorldScope
from teachvm.machine.events import ExceptionRaised, InterruptAccepted, SoftwareInterrupted, WalkReferenced
from teachvm.machine.memory import Memory
from teachvm.machine.register_loads import DEBUG
from teachvm.machine.registers import MASK32
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.view import GuestState
from teachvm.vmm.vm import Vm
from teachvm.world.world import World

WALKER: Final = "the page walker of the processor"
DELIVERY: Final = "the processor, on its way into a handler"
OUTSIDE: Final = "somebody outside the machine"
_DELIVERING: Final = (ExceptionRaised, InterruptAccepted, SoftwareInterrupted)


@dataclass(frozen=True, slots=True)
class Doer:
    """Who did something, and with which instruction.

    Attributes:
        who: In words.
        eip: Linear address of the guest's instruction; None if none has a part in it.
        where: Its symbol, or empty.
        text: The instruction as people read it.
    """

    who: str
    eip: int | None = None
    where: str = ""
    text: str = ""

    def __str__(self) -> str:
        """As the end of a sentence."""
        if self.eip is None:
            return self.who
        return f"{self.who}, with {self.text} at {self.eip:#010x}{f' ({self.where})' if self.where else ''}"


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

    def _search(self) -> Generator[Answer | None, None, None]:
        raise NotImplementedError

    def _stretches(self) -> Iterator[tuple[Moment, Moment]]:
        """The past in stretches, from the present backwards."""
        while self._stop > START:
            start = self._timeline.stretch_before(self._stop)
            yield start, self._stop
            self._stop = start

    def _doer(self) -> Doer:
        """Who is at work where the world stands, possibly inside a unit."""
        world, name = self._world, self._world.host.on_cpu
        if self._timeline.applying:
            return Doer(OUTSIDE)
        running, guest = self._scope.running(), self._scope.tenant(None)
        tenant = world.host.tenants.get(name or "")
        log = world.recorder.log
        latest = log.slice(log.cursor - 1, log.cursor)
        if latest and latest[0].at == world.recorder.clock.now:
            hardware = getattr(latest[0], "cpu", None) == world.host.machine.cpu.name
            if hardware and isinstance(latest[0], WalkReferenced):
                return self._named(WALKER)
            if hardware and isinstance(latest[0], _DELIVERING):
                return self._named(DELIVERY)
        if running in ("program", "kernel"):
            label = f"the {running} of {guest}" if world.virtualized else f"the guest {running}"
            if isinstance(tenant, Vm) and not tenant.vcpu.in_guest:
                label += ", interpreted by the VMM"
            return self._named(label)
        return self._named("the VMM" if world.virtualized else "the processor")

    def _named(self, who: str) -> Doer:
        """With the instruction of the guest that is under way, the one the VMM emulates included."""
        scope = self._scope
        state = scope.guest_state(None)
        eip = state.segs[CS].base + state.eip & MASK32
        physical = scope.translate(None, eip)
        if physical is None:
            return Doer(who)
        symbols = self._world.guests[scope.tenant(None)].symbols
        room = min(MAX_LENGTH, 0x1000 - (physical & 0xFFF))
        code = scope.read_physical(None, physical, room).to_bytes(room, "little")
        one = disassembler.text(
            code, eip, lambda address: symbols.name_at(address, scope.translate(None, address) or 0)
        )
        return Doer(who, eip, symbols.name_at(eip, physical) or "", str(one))


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
            self._hit = now, self._content(), self._doer()

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
                        f"{self._name}: last written at moment {count(at.n)} by {doer}. {_became(before, content)}", at
                    )
        finally:
            self._memory.watch(range(0))
        yield Answer(f"{self._name}: never written since the start; there is what was loaded: {_number(content)}.")


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
                    f"{text} became {_said(now)}, before {_said(before)}, in the instruction after moment "
                    f"{count(at.n)}: {self._doer()}.",
                    at,
                )
        yield Answer(f"{text} has been {_said(now)} since the start.")


def asked_of(world: World, timeline: Timeline, what: Editable) -> Quest | None:
    """The question one has about a value on a card: who wrote these bytes, or when did this register change.

    Returns:
        None where there is no memory behind an address.
    """
    scope, vm = WorldScope(world), what.vm or None
    match what.kind:
        case "register":
            return LastChange(world, timeline, what.name, lambda now: _register(now.guest_state(vm), what.name))
        case "flag":
            return LastChange(world, timeline, what.name, lambda now: _flag(now.guest_state(vm), what.name))
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
            name = what.name or f"{hex32(what.address)}"
            return LastWrite(world, timeline, world.host.machine.memory, range(place, place + size), name)


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


def _became(before: bytes, content: bytes) -> str:
    if before == content:
        return f"It wrote {_number(content)}, which was there already."
    return f"It became {_number(content)}; before it was {_number(before)}."


def _number(content: bytes) -> str:
    """Up to eight bytes as one number, as the processor would read it; more as bytes."""
    if len(content) in (1, 2, 4, 8):
        return f"0x{int.from_bytes(content, 'little'):0{2 * len(content)}x}"
    return content[:16].hex(" ") + (" …" if len(content) > 16 else "")


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:#x}" if isinstance(value, int) and value > 9 else str(value)
