"""`teachvm [LESSON]`: the window, or the lesson in the terminal where no window can open."""

from __future__ import annotations

import difflib

import click

from teachvm import screen
from teachvm.cli.exits import CommandError
from teachvm.cli.targets import lesson_path


@click.command("open", hidden=True)
@click.argument("lesson", required=False)
@click.argument("more", nargs=-1)
@click.option("--terminal", is_flag=True, help="Play the lesson in the terminal even where a window could open.")
@click.pass_context
def open_lesson(context: click.Context, lesson: str | None, more: tuple[str, ...], terminal: bool) -> int:
    """Open the app at LESSON (its number, id or folder), or at the library.

    \b
    Examples:
      teachvm                    the library of lessons
      teachvm 3                  lesson 03
      teachvm trap-and-emulate   the same, by its id
      teachvm 3 --terminal       the same, without a window
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    if lesson is not None:
        _known(lesson, context)
    if more:
        raise click.UsageError(f"one lesson can be open, so '{' '.join(more)}' has no meaning here", context)
    try:
        reason = None if terminal else screen.why_no_window()
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    if terminal or reason is not None:
        from teachvm.cli.terminal import play

        if reason is not None:
            click.echo(f"teachvm: {reason}; playing in the terminal.", err=True)
        return play(lesson)
    from teachvm.ui.application import run

    return run(lesson)


def _known(word: str, context: click.Context) -> None:
    """Refuse a word that is no lesson before any window opens; it may be a misspelt command."""
    try:
        lesson_path(word)
    except CommandError as error:
        group = context.parent.command if context.parent else None
        commands = group.commands if isinstance(group, click.Group) else {}
        near = difflib.get_close_matches(word, [name for name, one in commands.items() if not one.hidden], n=1)
        if near and "did you mean" not in str(error):
            raise CommandError(f"there is no lesson '{word}'; did you mean the command '{near[0]}'?") from error
        raise
