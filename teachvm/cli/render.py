"""`teachvm render`: a lesson's window, or one card of it, as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from teachvm import screen
from teachvm.cli.exits import CommandError
from teachvm.cli.targets import GuestTarget, lesson_or_guest
from teachvm.cli.wishes import guest_options, wishes_of


def _size(context: click.Context, option: click.Parameter, value: str) -> tuple[int, int]:
    """Width and height in pixels, written 1600x1000."""
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", value)
    if match is None:
        raise click.BadParameter(f"'{value}' is no size; write it as 1600x1000.", context, option)
    return int(match[1]), int(match[2])


@click.command()
@click.argument("what", metavar="LESSON|GUEST")
@guest_options
@click.option("--beat", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Which beat.")
@click.option("--card", default="", metavar="ID", help="One card instead of the whole window.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True, help="Colours.")
@click.option("--size", callback=_size, default="1600x1000", show_default=True, metavar="WxH", help="Before --scale.")
@click.option("--scale", type=click.FloatRange(0.25, 8), default=1.0, show_default=True, help="Pixels per pixel.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG, or SVG by its suffix.")
def render(  # the options of a picture are many
    what: str, beat: int, card: str, theme: str, size: tuple[int, int], scale: float, output: Path, **given: Any
) -> None:
    """Paint a lesson, or a guest, to a file.

    What is painted is a beat of LESSON, or GUEST in the laboratory; no screen is needed.

    \b
    Examples:
      teachvm render 3 -o lesson.png
      teachvm render 3 --beat 2 --theme light --size 1366x768 --scale 2 -o slide.png
      teachvm render 6 --beat 3 --card guest-walk --size 1200x600 -o walk.svg
      teachvm render tinyos --technique bare-metal -o laboratory.png
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    target = lesson_or_guest(what)
    guest = (target.name, target.folder, wishes_of(given)) if isinstance(target, GuestTarget) else None
    lesson = "" if isinstance(target, GuestTarget) else str(target.folder)
    try:
        screen.ensure_libraries(screen.PAINTING)
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    from teachvm.ui.application import offscreen
    from teachvm.ui.interrupt import at_once
    from teachvm.ui.render import RenderError, Shot
    from teachvm.ui.render import render as paint

    offscreen()
    try:
        with at_once():
            paint(Shot(lesson, beat, card, "light" if theme == "light" else "dark", size, scale, guest), output)
    except RenderError as error:
        raise CommandError(str(error)) from error
