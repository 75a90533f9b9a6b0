"""How far a student came in each lesson, and what was answered: kept between runs, never lost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from teachvm.app import store

VERSION = 1


@dataclass(frozen=True, slots=True)
class LessonProgress:
    """`reached` is the number of beats seen, `beat` where the student was last (from 0); answers and checks by id."""

    beat: int = 0
    reached: int = 0
    answers: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, str]:
        """Answers by question."""
        return dict(self.answers)


class ProgressStore:
    """The progress file; every change is written at once. `problem` says what was wrong with it when it was read."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or store.data_folder() / "progress.json"
        loaded = store.load(self._path, VERSION)
        self.problem = loaded.problem
        lessons = loaded.values.get("lessons")
        self._lessons = {
            name: _valid(values)
            for name, values in (lessons if isinstance(lessons, dict) else {}).items()
            if isinstance(values, dict)
        }

    def of(self, lesson: str) -> LessonProgress:
        """Progress in a lesson; none for one that was never opened."""
        return self._lessons.get(lesson, LessonProgress())

    def reach(self, lesson: str, beat: int) -> str:
        """The student is at a beat; returns a problem with writing, or nothing."""
        old = self.of(lesson)
        return self._put(lesson, replace(old, beat=beat, reached=max(old.reached, beat + 1)))

    def answer(self, lesson: str, question: str, answer: str) -> str:
        """A question was answered; the first answer stays, as a prediction is made once."""
        old = self.of(lesson)
        if question in old.given:
            return ""
        return self._put(lesson, replace(old, answers=(*old.answers, (question, answer))))

    def passes(self, lesson: str, check: str) -> str:
        """A check passed; it stays passed."""
        old = self.of(lesson)
        return "" if check in old.passed else self._put(lesson, replace(old, passed=(*old.passed, check)))

    def forget(self, lesson: str) -> str:
        """Begin a lesson anew."""
        return self._put(lesson, LessonProgress())

    def _put(self, lesson: str, progress: LessonProgress) -> str:
        if self._lessons.get(lesson) == progress:
            return ""
        self._lessons[lesson] = progress
        lessons: dict[str, Any] = {}
        for name, one in sorted(self._lessons.items()):
            lessons[name] = {**asdict(one), "answers": dict(one.answers), "passed": list(one.passed)}
        return store.save(self._path, {"version": VERSION, "lessons": lessons})


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000 else 0


def _valid(values: dict[str, Any]) -> LessonProgress:
    """Progress from a file's values, each of which may be anything."""
    answers, passed = values.get("answers"), values.get("passed")
    return LessonProgress(
        _count(values.get("beat")),
        _count(values.get("reached")),
        tuple((str(name), str(said)) for name, said in answers.items()) if isinstance(answers, dict) else (),
        tuple(str(name) for name in passed) if isinstance(passed, list) else (),
    )
