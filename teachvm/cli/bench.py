"""`teachvm bench`: how fast this machine runs programs, and the app."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from teachvm import screen
from teachvm.cli.exits import CommandError

if TYPE_CHECKING:
    from teachvm.cli.benchmarks.figures import ProgramFigures
    from teachvm.cli.benchmarks.translation import TranslationFigures


@click.command()
@click.option("--steps", type=click.IntRange(20, 100_000), default=300, show_default=True, help="Steps to time.")
@click.option(
    "--instructions",
    type=click.IntRange(10_000, 1_000_000_000),
    default=10_000_000,
    show_default=True,
    help="Instructions of each program to time.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=1.0,
    show_default=True,
    help="Seconds of run mode in the window for each hostile program.",
)
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
def bench(steps: int, instructions: int, seconds: float, as_json: bool) -> None:
    """Measure this machine: small programs, and the app.

    The programs also run on Unicorn where it is installed, in the same run. A step of the app counts to the finished
    repaint of lesson 03's four cards, offscreen. Run mode is measured in the laboratory's window under programs that
    leave it no rest: a turn of the event loop is a slice and perhaps a repaint, and a key waits for the longest turn.
    What binary translation costs is measured on tinyos with the sieve, beside bare metal in turns.

    Programs, translation and run mode are timed in seconds of the processor, everything else in seconds of the wall
    clock, which mean something on a machine that does nothing else.

    \b
    Examples:
      teachvm bench
      teachvm bench --steps 2000 --json
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    try:
        screen.ensure_libraries(screen.PAINTING)
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    from teachvm.cli.benchmarks.figures import measure_program
    from teachvm.cli.benchmarks.programs import PROGRAMS
    from teachvm.cli.benchmarks.translation import measure_translation
    from teachvm.cli.benchmarks.window import measure_app, measure_runs
    from teachvm.ui.interrupt import at_once

    with at_once():
        app = measure_app(steps)
        app["run_mode"] = measure_runs(seconds)
    programs = [measure_program(name, instructions) for name in PROGRAMS]
    translation = measure_translation(instructions)
    if as_json:
        rows = [asdict(each) for each in programs]
        click.echo(json.dumps({"programs": rows, "translation": asdict(translation), "app": app}))
        return
    _print(programs, translation, app)


def _print(programs: list[ProgramFigures], translation: TranslationFigures, app: dict[str, Any]) -> None:
    click.echo("million instructions a second")
    click.echo(
        f"{'':9}{'here':>8}{'with time travel':>18}{'Unicorn':>9}{'hooked':>8}{'stepped':>9}{'here/hooked':>13}"
        f"{'  a step back, mean and 95 of 100':>33}{'checkpoints':>14}"
    )
    for each in programs:
        click.echo(
            f"{each.name:9}{each.mips:8.2f}{each.timeline_mips:18.2f}{_cell(each.unicorn_native_mips, 9)}"
            f"{_cell(each.unicorn_hook_mips, 8)}{_cell(each.unicorn_step_mips, 9)}"
            f"{_cell(each.ratio_to_unicorn_hook, 13)}"
            f"{each.reverse_step_mean_ms:18.1f} ms{each.reverse_step_p95_ms:9.1f} ms"
            f"{each.checkpoint_bytes / (1 << 20):10.1f} MiB"
        )
    click.echo(
        f"tinyos with {translation.program}: bare metal {translation.bare_metal_s} s, "
        f"binary translation {translation.translation_s} s, {translation.ratio} times as long; "
        f"once all is translated and compiled {translation.steady_ratio} times"
    )
    click.echo(f"start, until the first picture stands      {app['start_s']:>8} s")
    click.echo(f"step, until it is painted (95 of 100)      {app['step_to_paint_p95_ms']:>8} ms")
    click.echo(
        "run mode in the window: milliseconds of a turn (95 of 100, longest) and from Esc to the stopped picture; "
        "pictures a second"
    )
    for row in app["run_mode"]:
        figures = (
            f"{row['turn_p95_ms']:8.1f}{row['turn_max_ms']:8.1f}{row['stop_max_ms']:8.1f}{row['views_per_s']:8.1f}"
        )
        click.echo(f"{row['program']:9}{row['technique']:20}{figures}")


def _cell(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.2f}"
