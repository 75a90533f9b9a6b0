"""`teachvm bench`: how fast this machine runs the app."""

from __future__ import annotations

import json
from time import perf_counter

import click

from teachvm import screen
from teachvm.cli.exits import CommandError


@click.command()
@click.option("--steps", type=click.IntRange(20, 100_000), default=300, show_default=True, help="Steps to time.")
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
def bench(steps: int, as_json: bool) -> None:
    """Measure the app: its start, and a step to its repaint.

    A step counts to the finished repaint of lesson 03's four cards, offscreen.

    The figures are wall-clock time and mean something on a machine that does nothing else.

    \b
    Examples:
      teachvm bench
      teachvm bench --steps 2000 --json
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    try:
        screen.ensure_libraries(screen.PAINTING)
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    begun = perf_counter()
    from teachvm.ui.application import offscreen
    from teachvm.ui.measure import measure

    loaded_s = perf_counter() - begun
    offscreen()
    figures = measure(steps)
    app = {
        "start_s": round(loaded_s + figures.start_s, 3),
        "step_to_paint_p95_ms": round(figures.step_to_paint_p95_ms, 1),
    }
    if as_json:
        click.echo(json.dumps({"app": app}))
        return
    click.echo(f"start, until the first picture stands      {app['start_s']:>8} s")
    click.echo(f"step, until it is painted (95 of 100)      {app['step_to_paint_p95_ms']:>8} ms")
