"""When a value is written next, or changes next: the way there, forwards, in slices.

The world goes on until right behind the instruction that did it, as a run does that stops at watched bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from teachvm.app.doer import Doer, at_work, became, said
from teachvm.app.notation import count
from teachvm.app.origin import Answer
from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.reading import WorldScope
from teachvm.machine.memory import Memory
from teachvm.trace.execution import NOWHERE
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.world.world import World

FOREVER = 1 << 40


class Onward:
    """One question to the future. The world runs while it is answered, and stands where it came to."""

    def __init__(self, world: World, timeline: Timeline, name: str) -> None:
        self._world = world
        self._timeline = timeline
        self._name = name
        self.here = timeline.position
        """Where it was asked."""

    @property
    def progress(self) -> str:
        """How far it has come, in one line."""
        return f"Looking on from moment {count(self.here.n)}: at {count(self._timeline.position.n)} … Esc stops."

    def advance(self, keep_going: Callable[[], bool]) -> Answer | None:
        """Go on; the answer, or None while there is more to do."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Somebody stopped it: stay, as after any run."""

    def _unanswered(self, outcome: Outcome, verb: str) -> Answer | None:
        if outcome is Outcome.PAUSED:
            return None
        return Answer(f"{self._name} is not {verb} any more: at moment {count(self._timeline.position.n)} all ends.")


class NextWrite(Onward):
    """Who writes these bytes of host-physical memory next, whatever they write."""

    def __init__(self, world: World, timeline: Timeline, memory: Memory, watched: range, name: str) -> None:
        """Ask.

        Args:
            world: Whose future it is.
            timeline: What moves it.
            memory: Where the bytes are.
            watched: Their addresses.
            name: What people call them.
        """
        super().__init__(world, timeline, name)
        self._memory = memory
        self._watched = watched
        self._hit: tuple[Moment, bytes, Doer] | None = None

    def advance(self, keep_going: Callable[[], bool]) -> Answer | None:
        """Run on, with an ear at the bytes."""
        timeline = self._timeline
        self._memory.watch(self._watched, self._writing)
        try:
            outcome = timeline.run(
                FOREVER, stop_at=lambda: self._hit is not None, barriers=NOWHERE, keep_going=keep_going
            )
        finally:
            self._memory.watch(range(0))
        if self._hit is None:
            return self._unanswered(outcome, "written")
        at, before, doer = self._hit
        outside = at.n if timeline.inputs and doer.eip is None and not at.phase else at.n + 1
        timeline.seek(Moment(outside))
        content = self._content()
        return Answer(
            f"{self._name}: next written at moment {count(at.n)} by {doer}. {became(before, content)}",
            timeline.position,
        )

    def _content(self) -> bytes:
        return self._memory.read_bytes(self._watched.start, len(self._watched))

    def _writing(self) -> None:
        """Somebody writes; what came before the question is done again up to where it was asked, and does not count."""
        now = self._world.recorder.clock.now
        again = now < self.here or (now.n == self.here.n and self._timeline.applying)
        if self._hit is None and not again:
            self._hit = now, self._content(), at_work(self._world, self._timeline)


class NextChange(Onward):
    """When a value changes next, and who is at work then."""

    def __init__(self, world: World, timeline: Timeline, name: str, value: Callable[[WorldScope], object]) -> None:
        """Ask.

        Args:
            world: Whose future it is.
            timeline: What moves it.
            name: What people call the value.
            value: Reads it where the world stands.
        """
        super().__init__(world, timeline, name)
        self._scope = WorldScope(world)
        self._read = value
        self._was = self._value()

    def _value(self) -> object:
        try:
            return self._read(self._scope)
        except NoValueError:
            return None

    def advance(self, keep_going: Callable[[], bool]) -> Answer | None:
        """Run on, and compare at every boundary."""
        timeline = self._timeline
        outcome = timeline.run(
            FOREVER, stop_at=lambda: self._value() != self._was, barriers=None, keep_going=keep_going
        )
        if outcome is not Outcome.REACHED:
            return self._unanswered(outcome, "changed")
        behind, now = timeline.position, self._value()
        timeline.back_instruction()
        doer = at_work(self._world, timeline)
        timeline.seek(behind)
        return Answer(
            f"{self._name} becomes {said(now)}, before {said(self._was)}, in the instruction after moment "
            f"{count(behind.n - 1)}: {doer}.",
            behind,
        )
