"""Every complaint about a lesson names its file, line and column, shows the line, and offers the nearest word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

MAX_PROBLEMS = 50
"""Complaints kept for one lesson; what lies beyond is counted, so that a broken file cannot flood the screen."""

MAX_SHOWN = 160
"""Characters of a line that are shown, around the column."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a lesson's file; line and column count from 1."""

    line: int
    column: int = 1

    def moved(self, columns: int) -> Place:
        """The place some columns to the right, on the same line."""
        return Place(self.line, self.column + columns)


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint; `text` is the line it is about, without its end."""

    file: str
    place: Place
    message: str
    text: str = ""
    severity: Severity = "error"

    @property
    def headline(self) -> str:
        """One line for a terminal: file, line, column and what is wrong."""
        kind = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.place.line}:{self.place.column}: {kind}{self.message}"

    def __str__(self) -> str:
        """The headline, the line itself and a caret under the column."""
        if not self.text.strip():
            return self.headline
        start = max(0, self.place.column - MAX_SHOWN * 3 // 4)
        shown = self.text[start : start + MAX_SHOWN]
        caret = " " * (self.place.column - 1 - start)
        return f"{self.headline}\n    {shown}\n    {caret}^"


class LessonError(Exception):
    """A lesson that cannot be used; `problems` holds at least one error, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def headline(self) -> str:
        """The first error on one line, and how many more there are."""
        errors = [problem for problem in self.problems if problem.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return errors[0].headline + more


class Complaints:
    """The complaints about one file while it is being read.

    Reading goes on after an error, so that an author sees all of them at once; whoever reads calls `finish` at the
    end, and nothing of a broken lesson is handed out.
    """

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self._lines = source.split("\n")
        self._problems: list[Problem] = []
        self._dropped = 0

    def error(self, place: Place, message: str) -> None:
        """Note something that makes the lesson unusable."""
        self._add(place, message, "error")

    def warn(self, place: Place, message: str) -> None:
        """Note something odd that can be passed over."""
        self._add(place, message, "warning")

    def _add(self, place: Place, message: str, severity: Severity) -> None:
        if len(self._problems) >= MAX_PROBLEMS:
            self._dropped += 1
            return
        text = self._lines[place.line - 1] if 0 < place.line <= len(self._lines) else ""
        problem = Problem(self.file, place, message, printable(text.expandtabs(1)), severity)
        if problem not in self._problems:
            self._problems.append(problem)

    def add(self, problem: Problem) -> None:
        """Take over a complaint about another file, such as the lesson's own guest."""
        self._problems.append(problem)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._problems, key=lambda p: (p.file != self.file, p.place.line, p.place.column)))

    @property
    def broken(self) -> bool:
        """True once an error was noted."""
        return any(problem.severity == "error" for problem in self._problems)

    def finish(self) -> tuple[Problem, ...]:
        """Return the warnings.

        Raises:
            LessonError: There was at least one error.
        """
        problems = list(self)
        if self.broken:
            if self._dropped:
                last = f"{self._dropped} more problems are not listed"
                problems.append(Problem(self.file, problems[-1].place, last, "", "warning"))
            raise LessonError(problems)
        return tuple(problems)


def printable(text: str) -> str:
    """The text with control characters shown as a middle dot, so that a terminal is not steered by a lesson."""
    return "".join(c if c.isprintable() else "·" for c in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or nothing."""
    by_fold = {name.casefold(): name for name in known}
    cutoff = 0.6 if len(word) > 3 else 0.5
    near = difflib.get_close_matches(word.casefold()[:64], by_fold, n=1, cutoff=cutoff)
    return f"; did you mean '{by_fold[near[0]]}'?" if near else ""


def quoted(word: object) -> str:
    """A word between quotes, shortened and printable, for a message."""
    text = printable(str(word))
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"


def one_of(known: Iterable[str]) -> str:
    """`a, b or c`."""
    names = list(known)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
