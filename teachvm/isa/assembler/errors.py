"""What is wrong with a source, where, and what to write instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from teachvm.isa.assembler import limits

_EXCERPT: Final = 120
"""Characters shown of a line."""
_TRAIL: Final = 4
"""Steps shown of the way to a line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, at one place.

    Shape: `line` and `column` count from 1 in the source file; `source` is that line as written;
    `trail` names the macros and repetitions the line came through, innermost first.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    source: str = ""
    trail: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`guest.asm:12:9: unknown instruction 'mvo', did you mean 'mov'?`."""
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}, {self.hint}" if self.hint else text

    def excerpt(self) -> str:
        """The message, the offending line with a mark under the column, and the way it was reached."""
        rows = [str(self)]
        if self.source.strip():
            # Of a long line, the part around the column.
            start = max(0, self.column - _EXCERPT // 2) if len(self.source) > _EXCERPT else 0
            shown = self.source[start : start + _EXCERPT].rstrip()
            # Tabs are kept under tabs, so that the mark stands where the eye expects it.
            lead = "".join("\t" if c == "\t" else " " for c in self.source[start : self.column - 1])
            rows += [f"    {shown}", f"    {lead}^"]
        trail = list(self.trail)
        if len(trail) > _TRAIL:
            trail[_TRAIL - 1 : -1] = [f"... {len(trail) - _TRAIL} more ..."]
        return "\n".join(rows + [f"    {step}" for step in trail])


class AsmError(Exception):
    """The source cannot be assembled; `problems` says why, in source order, at most `limits.ERRORS`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def first(self) -> Problem:
        """The problem to mend first."""
        return self.problems[0]

    @property
    def file(self) -> str:
        """File of the first problem."""
        return self.first.file

    @property
    def line(self) -> int:
        """Line of the first problem, from 1."""
        return self.first.line

    @property
    def column(self) -> int:
        """Column of the first problem, from 1."""
        return self.first.column

    @property
    def message(self) -> str:
        """What the first problem is."""
        return self.first.message

    @property
    def hint(self) -> str:
        """What to write instead, or nothing."""
        return self.first.hint


class Located(Protocol):
    """Anything that knows where in a source it stands."""

    @property
    def file(self) -> str:
        """Name of the source file."""

    @property
    def line(self) -> int:
        """Line from 1."""

    @property
    def column(self) -> int:
        """Column from 1."""

    @property
    def text_of_line(self) -> str:
        """The whole line as written."""


def error_at(place: Located, message: str, hint: str = "") -> AsmError:
    """An error of one problem at `place`, to raise."""
    return AsmError([Problem(place.file, place.line, place.column, message, hint, place.text_of_line)])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `word`, or nothing when none is near.

    Near is one slip in words up to four letters, two in longer ones; a swap of neighbours is one slip.
    """
    lower = word.lower()
    allowed = 1 if len(word) <= 4 else 2
    best: tuple[int, bool, str] | None = None
    for candidate in islice((one for one in known if abs(len(one) - len(word)) <= allowed), limits.NEAR_NAMES):
        distance = _slips(lower, candidate.lower(), allowed)
        if distance <= allowed:
            # Of two equally near words, the one that starts alike was meant.
            rank = (distance, candidate[:1].lower() != lower[:1], candidate)
            best = rank if best is None else min(best, rank)
    return f"did you mean '{best[2]}'?" if best else ""


def _slips(a: str, b: str, limit: int) -> int:
    """Letters to insert, drop, change or swap to make `b` of `a` (optimal string alignment); `limit` + 1 if more."""
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, above = above, row
    return above[-1]
