"""A lesson in the terminal: prose, questions, and the cards as their text twins."""

from __future__ import annotations

import sys

import click

from teachvm.app.cards import CARD_BY_ID
from teachvm.app.focus import Focus
from teachvm.app.presenters import present
from teachvm.app.prose import words
from teachvm.app.snapshot import Snapshot
from teachvm.app.twin import twin
from teachvm.cli.exits import CommandError, ExitCode
from teachvm.cli.targets import lesson_path
from teachvm.lesson.catalogue import shipped
from teachvm.lesson.loader import load
from teachvm.lesson.progress import LessonRun, Stage
from teachvm.lesson.terminal import is_farewell, play_in_terminal

PAGE_LINES = 24
NOW = ">"
"""How a twin marks the present instruction."""


def play(lesson: str | None) -> int:
    """Play a lesson, or the one chosen from the library, to whoever reads and types."""
    word = lesson if lesson is not None else _choose()
    if word is None:
        return ExitCode.ENDED_WELL
    run = LessonRun.start(load(lesson_path(word)))
    play_in_terminal(run, read=_read, write=click.echo, words=words, cards=_Cards())
    return ExitCode.ENDED_WELL


def _choose() -> str | None:
    """The library as a list, and the lesson picked from it; None when nobody picks one."""
    entries = shipped()
    if not entries:
        raise CommandError("there are no lessons")
    for entry in entries:
        front = load(entry.path).front
        click.echo(f"  {entry.number:2}  {front.title}: {front.summary}")
    first = str(entries[0].number)
    line = _read(f"Which lesson (Enter: {first}, q: none)? ")
    return None if line is None or is_farewell(line) else line.strip() or first


def _read(prompt: str) -> str | None:
    """A typed line; where nobody types, every question is passed over and the lesson goes on to its end."""
    try:
        return input(prompt)
    except EOFError:
        click.echo()
        return None if sys.stdin.isatty() else ""


def _excerpt(lines: list[str]) -> list[str]:
    """A page of a long card: what lies around the present instruction, or its beginning."""
    if len(lines) <= PAGE_LINES:
        return lines
    here = next((index for index, line in enumerate(lines) if line.startswith(NOW)), 0)
    first = max(0, min(here - PAGE_LINES // 2, len(lines) - PAGE_LINES))
    page = lines[first : first + PAGE_LINES]
    return [*(["…"] if first else []), *page, *(["…"] if first + PAGE_LINES < len(lines) else [])]


class _Cards:
    """The stage as text; what changed is told against the moment it was shown before."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None

    def __call__(self, run: LessonRun, stage: Stage) -> str:
        focus = Focus(stage.cards, stage.vm, stage.code, stage.memory, stage.walk, stage.highlight)
        now = Snapshot(run.world, run.timeline, focus)
        text = "\n\n".join(self._card(card, now) for card in stage.cards)
        now.leave()
        self._before = now
        return text

    def _card(self, card: str, now: Snapshot) -> str:
        lines = _excerpt(twin(present(card, now, self._before)).splitlines())
        return "\n".join((f"[{CARD_BY_ID[card].title}]", *(f"  {line}".rstrip() for line in lines)))
