"""Playing a lesson from beginning to end without a window: for commands, tests and the terminal."""

from __future__ import annotations

from typing import Protocol

from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.journey import Arrival, Ending
from teachvm.lesson.judging import Given, Outcome, UnanswerableError, Verdict
from teachvm.lesson.markdown import Prose
from teachvm.lesson.model import Ask, Beat, Check, Do, Hint, Movement, Part, Passage, Run, Show
from teachvm.lesson.progress import LessonRun
from teachvm.lesson.steps import StepKind


class Audience(Protocol):
    """Whoever the lesson is played to. Each method is called at its place in the beat."""

    def beat(self, run: LessonRun, beat: Beat) -> None:
        """A beat begins."""

    def say(self, prose: Prose) -> None:
        """Prose to read."""

    def hint(self, hint: Hint) -> None:
        """Folded help."""

    def show(self, run: LessonRun, show: Show) -> None:
        """What the stage shows from here on."""

    def ask(self, run: LessonRun, ask: Ask) -> Given | None:
        """Put a question; None when nobody answers."""

    def moved(self, run: LessonRun, movement: Movement, arrival: Arrival) -> None:
        """The machine was moved; look at `run.stage()`."""

    def judged(self, run: LessonRun, ask: Ask, verdict: Verdict | None) -> None:
        """What became of an answer."""

    def checked(self, run: LessonRun, check: Check, outcome: Outcome) -> None:
        """What became of a check."""

    def wrong(self, part: Ask | Movement, message: str) -> None:
        """The lesson itself is wrong here."""

    def goes_on(self, run: LessonRun) -> bool:
        """Whether to play the next beat."""


class Silence:
    """An audience that says nothing and answers nothing; a base for those that say or answer a little."""

    def beat(self, run: LessonRun, beat: Beat) -> None:
        """Nothing to do."""

    def say(self, prose: Prose) -> None:
        """Nothing to do."""

    def hint(self, hint: Hint) -> None:
        """Nothing to do."""

    def show(self, run: LessonRun, show: Show) -> None:
        """Nothing to do."""

    def ask(self, run: LessonRun, ask: Ask) -> Given | None:
        """No answer."""
        return None

    def moved(self, run: LessonRun, movement: Movement, arrival: Arrival) -> None:
        """Nothing to do."""

    def judged(self, run: LessonRun, ask: Ask, verdict: Verdict | None) -> None:
        """Nothing to do."""

    def checked(self, run: LessonRun, check: Check, outcome: Outcome) -> None:
        """Nothing to do."""

    def wrong(self, part: Ask | Movement, message: str) -> None:
        """Nothing to do."""

    def goes_on(self, run: LessonRun) -> bool:
        """Always."""
        return True


def play(run: LessonRun, audience: Audience) -> LessonRun:
    """Play a lesson to its end, from the beat it stands at.

    A task (`do`) is done by running to where the student would have come.

    Returns:
        The run, with answers, verdicts and outcomes in it.
    """
    for index in range(run.beat, len(run.lesson.beats)):
        run.enter(index)
        _play_beat(run, audience)
        if index + 1 < len(run.lesson.beats) and not audience.goes_on(run):
            break
    return run


def _play_beat(run: LessonRun, audience: Audience) -> None:
    audience.beat(run, run.here)
    for step in run.steps:
        match step.kind, step.part:
            case StepKind.ASK, Ask() as ask:
                given = audience.ask(run, ask)
                if given is not None:
                    run.answer(ask, given)
            case StepKind.JUDGE, Ask() as ask:
                _judge(run, ask, audience)
            case _, Run() | Do() as movement:
                _move(run, movement, audience)
            case _, Check() as check:
                audience.checked(run, check, run.inspect(check))
            case _, part:
                _tell(run, part, audience)
    for beat, check in run.lesson.instructor.hidden:
        if beat == run.beat:
            audience.checked(run, check, run.inspect(check))


def _tell(run: LessonRun, part: Part, audience: Audience) -> None:
    match part:
        case Passage():
            audience.say(part.prose)
        case Hint():
            audience.hint(part)
        case Show():
            run.shown = part
            audience.show(run, part)
        case _:
            raise AssertionError(f"nobody says a {type(part).__name__}")


def _move(run: LessonRun, movement: Movement, audience: Audience) -> None:
    try:
        arrival = run.journey(movement).advance()
    except NoValueError as error:
        here = run.moment()
        arrival = Arrival(Ending.BUDGET, here, 0, f"{movement.until.text} has no meaning here: {error}")
    assert arrival is not None, "nobody asked for a pause"
    if arrival.reached:
        run.arrived(movement)
    audience.moved(run, movement, arrival)


def _judge(run: LessonRun, ask: Ask, audience: Audience) -> None:
    try:
        audience.judged(run, ask, run.judge(ask))
    except UnanswerableError as error:
        audience.wrong(ask, str(error))
