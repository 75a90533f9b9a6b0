"""A lesson in a terminal: prose, predictions and the text twins of the cards, for people without a screen."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from teachvm.lesson.journey import Arrival
from teachvm.lesson.judging import Given, Outcome, Verdict, parse_number
from teachvm.lesson.markdown import Prose
from teachvm.lesson.model import Ask, Beat, Check, Do, Hint, Movement, Show
from teachvm.lesson.player import Silence, play
from teachvm.lesson.progress import LessonRun, Stage

Write = Callable[[str], None]
"""Prints one piece of text, with a line end."""
Read = Callable[[str], str | None]
"""Shows a prompt and returns the line typed; None when there is no more input."""
Words = Callable[[str], str]
"""Markdown as plain text."""
Cards = Callable[[LessonRun, Stage], str]
"""The text twins of the cards a stage shows."""

ATTEMPTS = 3
WIDTH = 96


def play_in_terminal(run: LessonRun, *, read: Read, write: Write, words: Words, cards: Cards) -> LessonRun:
    """Play a lesson to somebody who reads and types.

    Args:
        run: The lesson, at the beat to begin with.
        read: Asks for a line.
        write: Prints.
        words: How prose is written.
        cards: How the stage is written.
    """
    teller = _Teller(read, write, words, cards)
    teller.opening(run)
    play(run, teller)
    teller.closing(run)
    return run


def is_farewell(line: str) -> bool:
    """Whether somebody wants to stop."""
    return line.strip().lower() in ("q", "quit", "exit")


class _Teller(Silence):
    """Says everything in the order of the beat; stops when there is no more input."""

    def __init__(self, read: Read, write: Write, words: Words, cards: Cards) -> None:
        self._read = read
        self._write = write
        self._words = words
        self._cards = cards
        self._silent = False

    def opening(self, run: LessonRun) -> None:
        """Title, summary and what will be learnt."""
        lesson = run.lesson
        number = f"Lesson {lesson.number}: " if lesson.number else ""
        self._write(f"{number}{lesson.title}\n{'=' * len(number + lesson.title)}\n{lesson.front.summary}\n")
        if lesson.objectives.markdown:
            self._write(f"You will be able to\n{self._prose(lesson.objectives.markdown)}\n")
        if lesson.intro.markdown:
            self.say(lesson.intro)

    def closing(self, run: LessonRun) -> None:
        """What to remember, and the points."""
        lesson = run.lesson
        if run.beat + 1 < len(lesson.beats):
            return
        if lesson.keypoints.markdown:
            self._write(f"Remember\n{self._prose(lesson.keypoints.markdown)}\n")
        self._write(f"Points: {run.points} of {lesson.points}")

    # ---- Audience ------------------------------------------------------------------------------

    def beat(self, run: LessonRun, beat: Beat) -> None:
        """A heading."""
        title = f"{beat.index + 1}/{len(run.lesson.beats)}  {beat.title}"
        self._write(f"\n{title}\n{'-' * len(title)}")
        if not beat.movements:
            self._stage(run)

    def say(self, prose: Prose) -> None:
        """A passage."""
        self._write(f"{self._prose(prose.markdown)}\n")

    def hint(self, hint: Hint) -> None:
        """Folded help is offered, and shown to whoever wants it."""
        answer = None if self._silent else self._ask_line(f"{hint.title}: read it? [y/N] ")
        if answer is not None and answer.strip().lower() in ("y", "yes"):
            self._write(f"{self._prose(hint.prose.markdown)}\n")

    def show(self, run: LessonRun, show: Show) -> None:
        """Cards are printed when the machine has moved."""

    def ask(self, run: LessonRun, ask: Ask) -> Given | None:
        """A prediction or a question; an empty line leaves it out."""
        kind = "Predict" if ask.predict else "Question"
        self._write(_folded(f"{kind}: {self._words(run.prompt(ask))}"))
        for index, option in enumerate(ask.options, start=1):
            self._write(f"  {index}) {self._words(option.text)}")
        for _ in range(ATTEMPTS):
            line = self._ask_line("Your answer (Enter: skip): ")
            if line is None or not line.strip():
                return None
            given = self._understood(ask, line.strip())
            if given is not None:
                return given
        return None

    def moved(self, run: LessonRun, movement: Movement, arrival: Arrival) -> None:
        """Where the machine came to, and the cards."""
        if isinstance(movement, Do):
            self._write(_folded(f"Task: {self._words(movement.task.markdown)} (done for you here)"))
        if not arrival.reached:
            self._write(f"! {arrival.text}")
        self._write(f"[moment {arrival.at} · {arrival.instructions} instructions · until {movement.until.text}]")
        self._stage(run)

    def judged(self, run: LessonRun, ask: Ask, verdict: Verdict | None) -> None:
        """Right or wrong, and why."""
        if verdict is None:
            return
        said = "Right." if verdict.right else "Not quite."
        if not verdict.right and run.lesson.front.grading.show_expected:
            said += f" It is: {self._words(verdict.solution)}"
        self._write(said)
        if verdict.explanation:
            self._write(self._prose(verdict.explanation))
        self._write("")

    def checked(self, run: LessonRun, check: Check, outcome: Outcome) -> None:
        """A line for a check the student may see, and what was found when it failed."""
        if check.visibility != "visible":
            return
        mark = "ok" if outcome.passed else "--"
        self._write(f"[{mark}] {check.title or ', '.join(fact.text for fact in outcome.facts)}")
        for fact in outcome.facts:
            if not fact.held:
                self._write(f"     expected {fact.text}; {fact.found}")

    def wrong(self, part: Ask | Movement, message: str) -> None:
        """The lesson's own mistake."""
        self._write(f"! {message}")

    def goes_on(self, run: LessonRun) -> bool:
        """The next beat on Enter."""
        line = self._ask_line("Enter: next beat, q: stop ")
        return line is not None and not is_farewell(line)

    # ---- inside --------------------------------------------------------------------------------

    def _stage(self, run: LessonRun) -> None:
        self._write(f"{self._cards(run, run.stage())}\n")

    def _prose(self, markdown: str) -> str:
        """Prose folded to the width of a page; what hangs below a list's mark stays below it."""
        lines = self._words(markdown).split("\n")
        return "\n".join(_folded(line) for line in lines)

    def _ask_line(self, prompt: str) -> str | None:
        line = None if self._silent else self._read(prompt)
        self._silent = line is None
        return line

    def _understood(self, ask: Ask, line: str) -> Given | None:
        """The answer as it is judged, or None after saying why it cannot be."""
        if ask.type == "text":
            return line
        number = parse_number(line)
        if ask.type == "number":
            if number is None:
                self._write("A number, please: 42, 0x2a or 2ah.")
            return None if number is None else line
        if number is None or not 1 <= number <= len(ask.options):
            self._write(f"One of the numbers 1 to {len(ask.options)}, please.")
            return None
        return str(number - 1)


def _folded(line: str) -> str:
    mark = re.match(r"\s*(?:[•-] |\d+\. )?", line)
    hang = " " * len(mark[0]) if mark else ""
    return textwrap.fill(line, WIDTH, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)
