"""`teachvm render`: a lesson's window, or one card of it, as a picture."""

from __future__ import annotations

import re
from pathlib import Path

import click

from teachvm import screen
from teachvm.cli.exits import CommandError
from teachvm.cli.targets import lesson_path


def _size(context: click.Context, option: click.Parameter, value: str) -> tuple[int, int]:
    """Width and height in pixels, written 1600x1000."""
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", value)
    if match is None:
        raise click.BadParameter(f"'{value}' is no size; write it as 1600x1000.", context, option)
    return int(match[1]), int(match[2])


@click.command()
@click.argument("lesson")
@click.option("--beat", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Which beat.")
@click.option("--card", default="", metavar="ID", help="One card instead of the whole window.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True, help="Colours.")
@click.option("--size", callback=_size, default="1600x1000", show_default=True, metavar="WxH", help="Before --scale.")
@click.option("--scale", type=click.FloatRange(0.25, 8), default=1.0, show_default=True, help="Pixels per pixel.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG, or SVG by its suffix.")
def render(lesson: str, beat: int, card: str, theme: str, size: tuple[int, int], scale: float, output: Path) -> None:
    """Paint a beat of LESSON to a file, without a screen.

    \b
    Examples:
      teachvm render 3 -o lesson.png
      teachvm render 3 --beat 2 --theme light --size 1366x768 --scale 2 -o slide.png
      teachvm render 6 --beat 3 --card guest-walk --size 1200x600 -o walk.svg
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    path = lesson_path(lesson)
    try:
        screen.ensure_libraries(screen.PAINTING)
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    from teachvm.ui.application import offscreen
    from teachvm.ui.render import RenderError, Shot
    from teachvm.ui.render import render as paint

    offscreen()
    try:
        paint(Shot(str(path), beat, card, "light" if theme == "light" else "dark", size, scale), output)
    except RenderError as error:
        raise CommandError(str(error)) from error
