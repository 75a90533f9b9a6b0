"""One student's way through one lesson: where they are, what they answered, what the machine said to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teachvm.lesson.expressions import Expression, NoValueError
from teachvm.lesson.journey import Journey
from teachvm.lesson.judging import Given, Outcome, UnanswerableError, Verdict, chosen, fill, inspect, judge, local_names
from teachvm.lesson.model import Ask, Beat, Check, Do, Lesson, Movement, Show
from teachvm.lesson.reading import Baseline, WorldScope
from teachvm.lesson.scope import Value
from teachvm.lesson.steps import Step, StepKind, steps
from teachvm.lesson.watching import recorded
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.world.build import build
from teachvm.world.world import World

SAVED_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """What the stage shows at a place in a beat.

    `highlight` are the texts of expressions; `code` is a label; `memory` and `walk` are linear addresses, None where
    the lesson names none or they have no value now.
    """

    cards: tuple[str, ...]
    highlight: tuple[str, ...] = ()
    vm: str = ""
    code: str = ""
    memory: int | None = None
    walk: int | None = None


class LessonRun:
    """A lesson being worked through. It moves nothing by itself: it hands out journeys, and judges where they led.

    Plain values: `beat` (from 0), `reached` (beats seen so far), `answers` by question, `verdicts`, `outcomes` of
    checks, `done` tasks, and `shown`, the `show` block in force.

    Attributes:
        lesson: What is worked through.
        world: The machine it is about.
        timeline: What moves the world.
        scope: What expressions read.
        student: Whose questions these are; equal names get equal questions.
    """

    def __init__(self, lesson: Lesson, world: World, timeline: Timeline, student: str = "") -> None:
        self.lesson = lesson
        self.world = world
        self.timeline = timeline
        self.scope = WorldScope(world)
        self.student = student
        self.beat = 0
        self.reached = 0
        self.shown: Show | None = None
        self.answers: dict[str, Given] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.done: set[str] = set()
        self._baselines: dict[str, Baseline] = {}

    @classmethod
    def start(cls, lesson: Lesson, student: str = "") -> LessonRun:
        """Build the lesson's world and stand at its first moment.

        Raises:
            SpecError, GuestError, AsmError: A file of the lesson has changed since it was loaded.
        """
        world = build(lesson.spec, lesson.folder)
        return cls(lesson, world, Timeline(world), student)

    # ---- where ---------------------------------------------------------------------------------

    @property
    def here(self) -> Beat:
        """The present beat."""
        return self.lesson.beats[self.beat]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The present beat in the order it happens."""
        return steps(self.here)

    def enter(self, beat: int) -> None:
        """Go to a beat, counted from 0."""
        self.beat = beat
        self.reached = max(self.reached, beat + 1)
        self.shown = None

    def stage(self, show: Show | None = None) -> Stage:
        """What to show, completed from the lesson's own cards.

        Args:
            show: A `show` block; else the one in `shown`, which whoever plays the beat keeps up to date, else the one
                the beat begins with.
        """
        given = show or self.shown or self._first_shown()
        if given is None:
            return Stage(self.lesson.cards, self._highlight(()))
        return Stage(
            given.cards or self.lesson.cards,
            self._highlight(given.highlight),
            given.vm,
            given.code,
            self._address(given.memory),
            self._address(given.walk),
        )

    def _first_shown(self) -> Show | None:
        """The last `show` block before anything of the beat is asked or moves; what follows would tell too much."""
        found: Show | None = None
        for step in self.steps:
            if step.kind in (StepKind.ASK, StepKind.MOVE):
                break
            if isinstance(step.part, Show):
                found = step.part
        return found

    def _highlight(self, shown: tuple[Expression, ...]) -> tuple[str, ...]:
        from_runs = [expression for part in self.here.movements for expression in getattr(part, "highlight", ())]
        return tuple(dict.fromkeys(expression.text for expression in (*shown, *from_runs)))

    def _address(self, expression: Expression | None) -> int | None:
        if expression is None:
            return None
        try:
            value = expression.value(self.scope)
        except NoValueError:
            return None
        return int(value) & 0xFFFF_FFFF if isinstance(value, int) else None

    # ---- moving --------------------------------------------------------------------------------

    def journey(self, movement: Movement) -> Journey:
        """Begin a run or a task from the present moment.

        Raises:
            NoValueError: Its anchor has an argument without a value now.
        """
        self.begin(movement)
        return Journey(self.world, self.timeline, self.scope, movement.until, movement.stop, movement.limit)

    def begin(self, movement: Movement) -> None:
        """From here on `run.…` counts; a task the student does by hand begins like this."""
        self.scope.mark()
        if isinstance(movement, Do):
            self._baselines[movement.id] = self.scope.baseline

    def arrived(self, movement: Movement) -> None:
        """A journey reached its anchor."""
        if isinstance(movement, Do):
            self.done.add(movement.id)

    def task_done(self, task: Do) -> bool:
        """Whether the student has done a task since it last began, in whatever way they moved."""
        begun = self._baselines.get(task.id)
        if begun is None:
            return False
        now, complete = self.timeline.position, task.stop == "after"
        try:
            there = recorded(task.until, self.world, self.scope, begun.at, now, complete=complete)
        except NoValueError:
            return False
        if there:
            self.done.add(task.id)
        return there

    # ---- questions and checks ------------------------------------------------------------------

    def names(self, ask: Ask) -> dict[str, Value]:
        """Values of the question's own names for this student.

        Raises:
            UnanswerableError: The lesson's mistake.
        """
        return local_names(self._varied(ask), self.scope)

    def _varied(self, ask: Ask) -> dict[str, Expression]:
        return chosen(ask, self.lesson.front.seed, self.student)

    def prompt(self, ask: Ask) -> str:
        """The question's words, as Markdown."""
        try:
            return fill(ask.prompt, self.scope, self.names(ask), self._varied(ask))
        except UnanswerableError:
            return ask.prompt.source

    def answer(self, ask: Ask, given: Given) -> None:
        """Keep an answer until it is judged; a later answer replaces it."""
        self.answers[ask.id] = given

    def judge(self, ask: Ask) -> Verdict | None:
        """Judge an answer by the machine as it is now; None when none was given.

        Raises:
            UnanswerableError: The lesson's mistake.
        """
        given = self.answers.get(ask.id)
        if given is None:
            return None
        verdict = judge(ask, given, self.scope, self._varied(ask))
        self.verdicts[ask.id] = verdict
        return verdict

    def inspect(self, check: Check) -> Outcome:
        """Test a check's facts at this moment, and keep the result."""
        outcome = inspect(check, self.scope)
        self.outcomes[check.id] = outcome
        return outcome

    def explanation(self, check: Check) -> str:
        """The author's words about a check, with the machine's values."""
        return "" if check.explain is None else fill(check.explain, self.scope)

    @property
    def points(self) -> int:
        """Points so far."""
        parts = [part for beat in self.lesson.beats for part in beat.parts]
        parts += [check for _, check in self.lesson.instructor.hidden]
        return sum(part.points for part in parts if isinstance(part, (Ask, Check, Do)) and self._earned(part))

    def _earned(self, part: Ask | Check | Do) -> bool:
        match part:
            case Ask():
                return part.id in self.verdicts and self.verdicts[part.id].right
            case Check():
                return part.id in self.outcomes and self.outcomes[part.id].passed
            case Do():
                return part.id in self.done

    # ---- kept between runs ---------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """Progress as plain values for a file; results are not kept, since the machine can judge again."""
        return {
            "version": SAVED_VERSION,
            "lesson": self.lesson.id,
            "beat": self.beat,
            "reached": self.reached,
            "answers": dict(self.answers),
            "done": sorted(self.done),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back what `saved` gave; what does not fit this lesson any more is left out."""
        if saved.get("version") != SAVED_VERSION or saved.get("lesson") != self.lesson.id:
            return
        parts = [part for beat in self.lesson.beats for part in beat.parts]
        last = len(self.lesson.beats) - 1
        self.beat = _within(saved.get("beat"), last)
        self.reached = max(self.beat + 1, _within(saved.get("reached"), last + 1))
        asked = {part.id for part in parts if isinstance(part, Ask)}
        answers = saved.get("answers")
        given = answers.items() if isinstance(answers, Mapping) else ()
        self.answers = {str(name): str(answer) for name, answer in given if name in asked}
        tasks = {part.id for part in parts if isinstance(part, Do)}
        done = saved.get("done")
        self.done = tasks & set(map(str, done)) if isinstance(done, (list, tuple)) else set()

    def moment(self) -> Moment:
        """Where the world stands."""
        return self.timeline.position


def _within(value: object, most: int) -> int:
    return min(max(value, 0), most) if isinstance(value, int) else 0
