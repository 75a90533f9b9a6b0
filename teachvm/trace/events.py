"""Facts about what happened, and the log that keeps them in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from teachvm.trace.clock import Clock
from teachvm.trace.kept import Kept, Note
from teachvm.trace.moment import START, Moment

EVENTS: dict[str, type[Event]] = {}
"""Every event class by name, filled as modules declare them; `teachvm names` prints it."""

KINDS: list[type[Event]] = []
"""The same classes, and what they were before they got slots, in order of declaration."""

LOG_CAPACITY = 200_000
"""Events kept; the oldest are forgotten beyond it (they can be had again by re-execution)."""
FORGOTTEN_AT_ONCE = 16
"""Which part of them goes at once: letting go of many takes its time."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in the past tense. Subclasses add fields; the first two are stamped by the recorder.

    Attributes:
        at: The moment from which on the fact is true.
        cycles: Host cycles at that moment.
    """

    at: Moment
    cycles: int
    PHASE: ClassVar[bool] = False
    """True for facts that are a phase of their own, that is, recorded with `Recorder.mark`."""
    NUMBER: ClassVar[int] = -1
    """Place of the class in `KINDS`."""

    def __init_subclass__(cls) -> None:
        """Enter the class in the table of event names."""
        EVENTS[cls.__name__] = cls
        cls.NUMBER = len(KINDS)
        KINDS.append(cls)


E = TypeVar("E", bound=Event)
Handler = Callable[[E], None]


class EventLog:
    """Append-only record of events, ordered by moment; the recorder comes first, then subscribers by type.

    Re-execution publishes the same events again. `cursor` is the index the next published event has; while it is inside
    the log nothing is appended. A checkpoint keeps the cursor, so going back needs no search.

    Of what was forgotten, the stretch that was executed again last is kept beside the log: so the past of a moment can
    be asked for however long ago it is, as far back as the checkpoint that moment was reached from.
    """

    def __init__(self) -> None:
        self._events: Kept[Event] = Kept(_made, KINDS)
        self._forgotten = 0
        self._whole_from = START
        self._again: Kept[Event] = Kept(_made, KINDS)
        """Forgotten events that re-execution has published again, the first of them numbered `_again_first`."""
        self._again_first = 0
        self.cuts = 0
        """How often the future was cut off; what was read beyond a cut is no longer true."""
        self._subscribers: dict[type[Event], list[Callable[[Event], None]]] = {}
        self._handlers: dict[type[Event], tuple[Callable[[Event], None], ...]] = {}
        self.cursor = 0

    def publish(self, event: Event) -> None:
        """Record an event, unless re-execution repeats a recorded one, then tell subscribers of its class and bases."""
        self._keep(event)
        if self._subscribers:
            for handler in self._handlers_of(type(event)):
                handler(event)

    def note(self, kind: type[Event], clock: Clock, fields: dict[str, Any]) -> None:
        """Record what is true from now on; the event is made at once only if somebody listens.

        Args:
            kind: The event's class.
            clock: Says when.
            fields: The event's own fields, given away.
        """
        if self._subscribers and self._handlers_of(kind):
            self.publish(kind(clock.now, clock.cycles, **fields))
        else:
            self._keep((kind.NUMBER, clock.n, clock.phase, clock.cycles, fields))

    def _keep(self, item: Event | Note) -> None:
        items = self._events.items
        if self.cursor - self._forgotten == len(items):
            items.append(item)
            if len(items) > LOG_CAPACITY:
                self._forget()
        elif self.cursor < self._forgotten:
            self._recall(item)
        self.cursor += 1

    def _forget(self) -> None:
        part = max(1, len(self._events) // FORGOTTEN_AT_ONCE)
        self._whole_from = Moment(self._events[part - 1].at.n + 1)
        del self._events[:part]
        self._forgotten += part

    def _recall(self, item: Event | Note) -> None:
        """Keep a forgotten event that happens again; what does not join on to it goes."""
        again = self._again
        place = self.cursor - self._again_first
        if not 0 <= place <= len(again):
            again.items.clear()
            self._again_first, place = self.cursor, 0
        if place == len(again):
            again.items.append(item)
            if len(again) > LOG_CAPACITY:
                del again[: max(1, len(again) // FORGOTTEN_AT_ONCE)]
                self._again_first = self.cursor + 1 - len(again)

    def _handlers_of(self, kind: type[Event]) -> tuple[Callable[[Event], None], ...]:
        handlers = self._handlers.get(kind)
        if handlers is None:
            handlers = tuple(h for base in kind.__mro__ for h in self._subscribers.get(base, ()))
            self._handlers[kind] = handlers
        return handlers

    def subscribe(self, kind: type[E], handler: Handler[E]) -> Callable[[], None]:
        """Call `handler` for each event of `kind` or a subclass, also during re-execution.

        Returns:
            A function that ends the subscription.
        """
        handlers = self._subscribers.setdefault(kind, [])
        handlers.append(handler)  # type: ignore[arg-type]  # publish() only passes events of `kind`
        self._handlers.clear()

        def unsubscribe() -> None:
            handlers.remove(handler)  # type: ignore[arg-type]  # the same object that was appended
            self._handlers.clear()
            if not handlers:
                self._subscribers.pop(kind, None)

        return unsubscribe

    def __len__(self) -> int:
        return len(self._events)

    @property
    def first(self) -> int:
        """Number of the oldest event kept; events are numbered from 0 in the order they were recorded."""
        return self._forgotten

    @property
    def whole_from(self) -> Moment:
        """The instruction boundary from which on nothing was forgotten."""
        return self._whole_from

    @property
    def end(self) -> int:
        """Number the next new event gets."""
        return self._forgotten + len(self._events)

    def number(self, moment: Moment) -> int:
        """Number of the first event at or after a moment; `end` if there is none."""
        if moment < self._whole_from and len(self._again) and self._again[0].at <= moment:
            return self._again_first + bisect_left(self._again, moment, key=_moment_of)
        return self._forgotten + self._index(moment)

    def slice(self, start: int, stop: int) -> list[Event]:
        """Events by number, `start <= number < stop`, as far as they are kept."""
        return [event for _, event in self.numbered(start, stop)]

    def numbered(self, start: int, stop: int) -> list[tuple[int, Event]]:
        """As `slice`, each event with its number."""
        low, high = max(start, self._forgotten), max(stop, self._forgotten)
        found = list(enumerate(self._events[low - self._forgotten : high - self._forgotten], low))
        if start < self._forgotten and len(self._again):
            low, high = max(start, self._again_first), max(min(stop, self._forgotten), self._again_first)
            again = self._again[low - self._again_first : high - self._again_first]
            found = [*enumerate(again, low), *found]
        return found

    def _index(self, moment: Moment) -> int:
        return bisect_left(self._events, moment, key=_moment_of)

    def of(
        self, kind: type[E] | tuple[type[E], ...], start: Moment | None = None, stop: Moment | None = None
    ) -> Iterator[E]:
        """Events of a kind with `start <= at < stop`, oldest first."""
        if len(self._again) and (start is None or start < self._whole_from):
            for event in self._again[: self._forgotten - self._again_first]:
                if (
                    (start is None or event.at >= start)
                    and (stop is None or event.at < stop)
                    and isinstance(event, kind)
                ):
                    yield event
        low = 0 if start is None else self._index(start)
        high = len(self._events) if stop is None else self._index(stop)
        for index in range(low, high):
            if self._events.is_a(index, kind):
                yield self._events[index]  # type: ignore[misc]  # it is of the kind

    def last_before(self, moment: Moment, kind: type[E] | tuple[type[E], ...]) -> E | None:
        """The latest event of a kind strictly before a moment, or None."""
        for index in range(self._index(moment) - 1, -1, -1):
            if self._events.is_a(index, kind):
                return self._events[index]  # type: ignore[return-value]  # it is of the kind
        for index in range(bisect_left(self._again, moment, key=_moment_of) - 1, -1, -1):
            event = self._again[index]
            if isinstance(event, kind):
                return event
        return None

    def latest(self, start: Moment, stop: Moment, wanted: Callable[[Event], bool]) -> Event | None:
        """The latest event with `start <= at < stop` that is wanted; asked from the latest on."""
        for index in range(self._index(stop) - 1, self._index(start) - 1, -1):
            if wanted(self._events[index]):
                return self._events[index]
        return None

    def cycles_at(self, frontier: Moment) -> int:
        """Host cycles at the end of what was run, as far as the log can tell: an instruction takes one."""
        last = self._events[-1] if len(self._events) else None
        return frontier.n if last is None else last.cycles + max(0, frontier.n - last.at.n)

    def truncate(self, here: Moment) -> tuple[Event, ...]:
        """Forget what lies beyond the cursor, because the future will differ; returns the forgotten events.

        Args:
            here: The moment the cursor stands at.
        """
        keep = max(0, self.cursor - self._forgotten)
        future = tuple(self._events[keep:])
        del self._events[keep:]
        if self.cursor < self._forgotten:
            # The present lies in what was forgotten: what was executed again up to here is the log from now on.
            place = self.cursor - self._again_first
            self._events = self._again.part(place) if 0 <= place <= len(self._again) else Kept(_made, KINDS)
            self._whole_from = Moment(self._events[0].at.n + 1) if len(self._events) else here
            self._forgotten = self.cursor - len(self._events)
        self._again = Kept(_made, KINDS)
        self.cuts += 1
        return future


def _made(note: Note) -> Event:
    number, n, phase, cycles, fields = note
    return KINDS[number](Moment(n, phase), cycles, **fields)


def _moment_of(event: Event) -> Moment:
    return event.at
