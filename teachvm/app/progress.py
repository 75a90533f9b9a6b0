"""How far a student came in each lesson, and what was answered: kept between runs, never lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teachvm.app import store

VERSION = 1


class ProgressStore:
    """The progress file: by lesson, the plain values its session gave; every change is written at once.

    Attributes:
        problem: What was wrong with the file when it was read; empty when nothing was.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or store.data_folder() / "progress.json"
        loaded = store.load(self._path, VERSION)
        self.problem = loaded.problem
        lessons = loaded.values.get("lessons")
        self._lessons: dict[str, dict[str, Any]] = {
            name: values
            for name, values in (lessons if isinstance(lessons, dict) else {}).items()
            if isinstance(values, dict)
        }

    def of(self, lesson: str) -> Mapping[str, Any] | None:
        """What a session of a lesson saved last; None if it was never opened."""
        return self._lessons.get(lesson)

    def reached(self, lesson: str) -> int:
        """How many beats of a lesson were seen."""
        value = self._lessons.get(lesson, {}).get("reached")
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

    def keep(self, lesson: str, saved: Mapping[str, Any]) -> str:
        """Write what a session saved; returns a problem with writing, or nothing."""
        values = dict(saved)
        if self._lessons.get(lesson) == values:
            return ""
        self._lessons[lesson] = values
        return store.save(self._path, {"version": VERSION, "lessons": self._lessons})
