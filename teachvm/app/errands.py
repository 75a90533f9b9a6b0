"""What somebody sends the machine to do in time, in slices: to go where something is so, or to find where it came from.

An errand moves the world as it likes and says in the end where it came to; one that is given up leaves the world where
it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from teachvm.app.control import Direction, Notice
from teachvm.app.headless import known
from teachvm.app.notation import count
from teachvm.app.onward import NextChange, NextWrite, Onward
from teachvm.app.origin import LastChange, LastWrite, Quest, asked_of
from teachvm.app.retreat import Retreat
from teachvm.app.wording import Editable
from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.expressions import ExpressionError, NoValueError
from teachvm.lesson.journey import Ending, Journey
from teachvm.lesson.reading import WorldScope
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.world.world import World

LONGEST = 1 << 40


class ErrandError(ValueError):
    """Something that cannot be asked; the message is one line for people."""


class Errand(Protocol):
    """Work in slices."""

    @property
    def progress(self) -> str:
        """What goes on, in one line."""

    def advance(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Go on; what came out, or None while there is more to do."""

    def give_up(self) -> None:
        """Somebody stopped it."""


class Search:
    """A question to the past or to the future: the world goes where the answer is."""

    def __init__(self, quest: Quest | Onward) -> None:
        self._quest = quest

    @property
    def progress(self) -> str:
        """How far it has looked."""
        return self._quest.progress

    def advance(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Look on."""
        answer = self._quest.advance(keep_going)
        return None if answer is None else Notice(answer.text)

    def give_up(self) -> None:
        """Look no more."""
        self._quest.give_up()


class Way:
    """A run forwards to an anchor; stopped, it stands where it came to, as any run."""

    def __init__(self, journey: Journey, timeline: Timeline, text: str) -> None:
        self._journey = journey
        self._timeline = timeline
        self._text = text

    @property
    def progress(self) -> str:
        """How far it has come."""
        return f"Running until {self._text}: at moment {count(self._timeline.position.n)} … Esc stops."

    def advance(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Run on."""
        arrival = self._journey.advance(keep_going)
        if arrival is None:
            return None
        if arrival.ending is Ending.REACHED:
            return Notice(f"{self._text}: reached at moment {arrival.at}.")
        return Notice(f"{arrival.text}.")

    def give_up(self) -> None:
        """Stay."""


class Again:
    """A future that was taken up, executed again as far as it had been seen; stopped, it can be gone on in."""

    def __init__(self, timeline: Timeline, end: Moment) -> None:
        self._timeline = timeline
        self._end = end
        self._start = timeline.position

    @property
    def progress(self) -> str:
        """How far it has come."""
        here = count(self._timeline.position.n)
        return f"Taking this future up again: at instruction {here} of {count(self._end.n)} … Esc stops."

    def advance(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Run on."""
        timeline, left = self._timeline, self._end.n - self._timeline.position.n
        if left > 0 and timeline.run(left, keep_going=keep_going) is Outcome.PAUSED:
            return None
        timeline.seek(self._end)
        return Notice(
            f"You are in the future again that parts at instruction {count(self._start.n)}, as far as it was seen. "
            "The one you came from is left behind now, and can be taken up in turn."
        )

    def give_up(self) -> None:
        """Stay."""


def until(world: World, timeline: Timeline, text: str, direction: Direction) -> Errand:
    """The way to the next place, or the previous one, at which something a lesson can say is so.

    Raises:
        ErrandError: It is not in the language, or has no meaning now.
    """
    scope = WorldScope(world)
    scope.mark()
    try:
        anchor = compile_anchor(text, known(world))
        if direction is Direction.BACKWARD:
            return Search(Retreat(world, timeline, anchor))
        return Way(Journey(world, timeline, scope, anchor, anchor.stop, LONGEST), timeline, text.strip())
    except ExpressionError as error:
        raise ErrandError(f"“{text.strip()}”, character {error.offset + 1}: {error.message}.") from error
    except NoValueError as error:
        raise ErrandError(f"“{text.strip()}” has no meaning here: {error}.") from error


def origin(world: World, timeline: Timeline, what: Editable, direction: Direction) -> Errand:
    """The search for who wrote a value last, or when it changed last; forwards, for who does next.

    Raises:
        ErrandError: There is no memory there.
    """
    quest: Quest | Onward | None
    if direction is Direction.FORWARD:
        quest = asked_of(world, timeline, what, NextWrite, NextChange)
    else:
        quest = asked_of(world, timeline, what, LastWrite, LastChange)
    if quest is None:
        raise ErrandError("No memory lies behind this address now, so nobody writes it.")
    return Search(quest)
