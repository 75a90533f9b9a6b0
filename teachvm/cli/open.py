"""`teachvm [LESSON]`: the window, or the lesson in the terminal where no window can open."""

from __future__ import annotations

import difflib
from pathlib import Path

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
      teachvm it.json            a recording, at its end
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.app.recordings import is_recording

    recording = None if lesson is None or not is_recording(Path(lesson)) else Path(lesson).resolve()
    if lesson is not None and recording is None:
        _known(lesson, context)
    if more:
        raise click.UsageError(f"one lesson can be open, so '{' '.join(more)}' has no meaning here", context)
    try:
        reason = None if terminal else screen.why_no_window()
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    if recording is not None:
        return _open_recording(recording, reason or ("the terminal was asked for" if terminal else None))
    if terminal or reason is not None:
        from teachvm.cli.terminal import play

        if reason is not None:
            click.echo(f"teachvm: {reason}; playing in the terminal.", err=True)
        return play(lesson)
    from teachvm.ui.application import run

    return run(lesson)


def _open_recording(path: Path, reason: str | None) -> int:
    from teachvm.app.headless import Wishes
    from teachvm.app.recorded import Recorded
    from teachvm.world.recording import RecordingError

    try:
        Recorded(path)  # before any window opens: what is wrong is said here
    except RecordingError as error:
        raise CommandError(f"{path.name}: {error}") from error
    if reason is not None:
        raise CommandError(f"{reason}; without a window, 'teachvm run {path.name}' replays the recording")
    from teachvm.ui.application import run

    return run(laboratory=(path.name, path.parent, Wishes()))


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
