"""`teachvm lesson`: what an author needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from teachvm.cli.exits import CommandError, ExitCode
from teachvm.cli.targets import lesson_path

if TYPE_CHECKING:
    from teachvm.lesson.checking import Report


@click.group(short_help="Check lessons; print what may stand in them.")
def lesson() -> None:
    """Check lessons, and print what may stand in them.

    \b
    Examples:
      teachvm lesson check my-lesson
      teachvm lesson schema > lesson.schema.json
    """  # noqa: D301 - \b is click's own mark for lines it must not fill


@lesson.command(short_help="Read lessons and play them to their end.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
def check(paths: tuple[str, ...]) -> int:
    """Read each lesson and play it to its end: does everything it says come true?

    PATH is a lesson's folder, a folder of lessons, a number or an id; without any, the shipped lessons are checked.
    Every anchor has to be reached within its limit, every question to have one right answer, every check to hold.
    Exit codes: 0 all passed, 1 something does not come true, 4 a lesson cannot be read.

    \b
    Examples:
      teachvm lesson check                the shipped lessons
      teachvm lesson check my-lesson      one folder
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.lesson.checking import check as examine

    worst = ExitCode.ENDED_WELL
    for path in _lessons(paths):
        report = examine(path)
        for problem in report.problems:
            click.echo(str(problem), err=True)
        click.echo(f"{path.as_posix()}: {_verdict(report)}")
        if report.lesson is None:
            worst = ExitCode.TOOL_ERROR
        elif not report.passed:
            worst = max(worst, ExitCode.FAILED)
    return worst


@lesson.command(short_help="Print the JSON Schema of a lesson's parts.")
def schema() -> None:
    """Print the JSON Schema of the front matter, of every block, and of instructor.yaml.

    \b
    Examples:
      teachvm lesson schema > lesson.schema.json
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.lesson.blocks import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _lessons(words: tuple[str, ...]) -> list[Path]:
    from teachvm.lesson.catalogue import shipped

    if not words:
        return [entry.path for entry in shipped()]
    found: list[Path] = []
    for word in words:
        inside = [entry.path for entry in shipped(Path(word))]
        found += inside or [lesson_path(word)]
    if not found:
        raise CommandError("there are no lessons there")
    return found


def _verdict(report: Report) -> str:
    if report.lesson is None:
        return "cannot be read"
    if not report.passed:
        return "does not come true"
    beats = len(report.lesson.beats)
    return f"passed; {beats} beats, {report.points} points, {report.instructions} instructions"
