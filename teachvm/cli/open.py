"""`teachvm [LESSON]`: the window, or the lesson in the terminal where no window can open."""

from __future__ import annotations

import click

from teachvm import screen
from teachvm.cli.exits import CommandError


@click.command("open", hidden=True)
@click.argument("lesson", required=False)
@click.option("--terminal", is_flag=True, help="Play the lesson in the terminal even where a window could open.")
def open_lesson(lesson: str | None, terminal: bool) -> int:
    """Open the app at LESSON (its number, id or folder), or at the library.

    \b
    Examples:
      teachvm                    the library of lessons
      teachvm 3                  lesson 03
      teachvm trap-and-emulate   the same, by its id
      teachvm 3 --terminal       the same, without a window
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    try:
        reason = "asked for" if terminal else screen.why_no_window()
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    if reason is None:
        from teachvm.ui.application import run

        return run(lesson)
    from teachvm.lesson.player import play

    if not terminal:
        click.echo(f"teachvm: {reason}; playing in the terminal.", err=True)
    return play(lesson)
