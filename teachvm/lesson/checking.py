"""`teachvm lesson check`: read a lesson, then play it and see whether everything it says comes true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from teachvm.lesson.folder import INSTRUCTOR_FILE, LESSON_FILE
from teachvm.lesson.journey import Arrival
from teachvm.lesson.judging import Outcome, UnanswerableError, Verdict, bare, parse_number, solution
from teachvm.lesson.loader import load
from teachvm.lesson.model import Ask, Check, Lesson, Movement
from teachvm.lesson.player import Silence, play
from teachvm.lesson.problems import LessonError, Place, Problem
from teachvm.lesson.progress import LessonRun


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of one lesson found; `lesson` is None when it could not even be read.

    `answers` are the machine's answers to the questions, by id; `instructions` what playing it took.
    """

    lesson: Lesson | None
    problems: tuple[Problem, ...]
    answers: dict[str, str]
    instructions: int = 0
    points: int = 0

    @property
    def passed(self) -> bool:
        """No error; warnings may be there."""
        return all(problem.severity == "warning" for problem in self.problems)


def check(path: Path) -> Report:
    """Read and play one lesson."""
    try:
        lesson = load(path)
    except LessonError as error:
        return Report(None, error.problems, {})
    run = LessonRun.start(lesson)
    examiner = _Examiner(lesson)
    play(run, examiner)
    instructions = run.moment().n
    most = lesson.front.grading.max_instructions
    if instructions > most:
        message = f"playing the lesson takes {instructions} instructions, but grading allows {most}"
        examiner.complain(lesson.file, Place(1), message)
    asked = lesson.front.grading.points
    if asked is not None and asked != lesson.points:
        message = f"grading says {asked} points, but the lesson has {lesson.points}"
        examiner.complain(lesson.file, Place(1), message)
    return Report(lesson, tuple(examiner.problems), examiner.answers, instructions, run.points)


class _Examiner(Silence):
    """Answers every question rightly, and holds each claim of the lesson against the machine."""

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        self.problems: list[Problem] = list(lesson.warnings)
        self.answers: dict[str, str] = {}
        self._lesson = lesson
        self._expected = dict(lesson.instructor.answers)

    def moved(self, run: LessonRun, movement: Movement, arrival: Arrival) -> None:
        """Every anchor has to be reached."""
        if not arrival.reached:
            self.complain(self._lesson.file, movement.place, arrival.text)

    def judged(self, run: LessonRun, ask: Ask, verdict: Verdict | None) -> None:
        """Every question has one right answer, and it is the one its author expects."""
        try:
            answer = solution(ask, run.scope, run.names(ask))
        except UnanswerableError as error:
            self.wrong(ask, str(error))
            return
        self.answers[ask.id] = answer
        given = str([option.text for option in ask.options].index(answer)) if ask.type == "choice" else bare(answer)
        run.answer(ask, given)
        run.judge(ask)
        expected = self._expected.get(ask.id)
        if expected is None:
            return
        same = parse_number(bare(answer)) == expected if isinstance(expected, int) else answer == expected
        if not same:
            message = f"question '{ask.id}': the author expects '{expected}', but the machine says '{answer}'"
            self.complain(self._lesson.file, ask.place, message)

    def checked(self, run: LessonRun, check: Check, outcome: Outcome) -> None:
        """Every fact has to hold."""
        for fact in outcome.facts:
            if not fact.held:
                message = f"check '{check.id}': {fact.text} does not hold: {fact.found}"
                self.complain(self._file(check), check.place, message)

    def wrong(self, part: Ask | Movement, message: str) -> None:
        """A mistake the player came upon."""
        self.complain(self._lesson.file, part.place, message)

    def complain(self, file: str, place: Place, message: str) -> None:
        """Note a mistake of the lesson."""
        self.problems.append(Problem(file, place, message))

    def _file(self, check: Check) -> str:
        hidden = any(check is found for _, found in self._lesson.instructor.hidden)
        return self._lesson.file.replace(LESSON_FILE, INSTRUCTOR_FILE) if hidden else self._lesson.file
