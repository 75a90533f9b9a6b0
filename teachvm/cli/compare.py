"""`teachvm compare`: one guest under every technique."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from teachvm.cli.exits import CommandError, ExitCode
from teachvm.cli.targets import GuestTarget, lesson_or_guest

if TYPE_CHECKING:
    from teachvm.app.side_by_side import Run
    from teachvm.host.stop import StopKind


@click.command()
@click.argument("what", metavar="GUEST|LESSON")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000_000),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="Stop each run after so many instructions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(what: str, limit: int, as_json: bool) -> int:
    """Run one guest by every technique, and set the runs side by side.

    What is reported for each: host cycles, how much of the guest ran directly, VMM entries by reason, and the first
    difference from bare metal that the guest could see. Exit codes: 0 all runs ended well, 1 the guest failed by itself
    (triple fault), 2 it does not assemble, 3 a run came to the limit, 4 the command line is wrong.

    \b
    Examples:
      teachvm compare tinyos
      teachvm compare mine.asm --json
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.app.headless import alone
    from teachvm.app.side_by_side import SideBySide
    from teachvm.world.spec import SpecError

    target = lesson_or_guest(what)
    spec = alone(target.name, target.folder) if isinstance(target, GuestTarget) else target.spec
    try:
        together = SideBySide(spec, target.folder, limit)
    except SpecError as error:
        raise CommandError(f"{what}: {error}") from error
    while together.advance():
        pass
    if as_json:
        click.echo(json.dumps({"techniques": {run.technique.value: _data(run) for run in together.runs}}, indent=2))
    else:
        click.echo("\n".join(_text(together.runs)))
    return _code([run.stop for run in together.runs])


def _code(stops: list[StopKind | None]) -> ExitCode:
    """What the shell is told: a run that is not over comes before one that failed, since nobody knows how it ends."""
    from teachvm.host.stop import StopKind

    if None in stops:
        return ExitCode.LIMIT
    return ExitCode.FAILED if StopKind.GUEST_FAILURE in stops else ExitCode.ENDED_WELL


def _data(run: Run) -> dict[str, object]:
    found = run.diverged
    return {
        "console": run.console,
        "cycles": run.cycles,
        "cycles_by_actor": {name: cycles for name, cycles in run.by_actor._asdict().items() if name != "traps"},
        "instructions": run.instructions,
        "direct_share": run.direct_share,
        "entries": {reason: {"count": row.count, "cycles": row.cycles} for reason, row in run.entries.items()},
        "diverged": None
        if found is None
        else {
            "moment": {"n": found.moment.n, "phase": found.moment.phase},
            "instruction": f"{found.text} at {found.eip:#010x}" + (f" ({found.place})" if found.place else ""),
            "why": str(found),
        },
        "stopped": run.why,
    }


def _text(runs: list[Run]) -> list[str]:
    lines = [f"{'':20} {'cycles':>12} {'in the VMM':>12} {'direct':>8} {'entries':>8}  console"]
    plain = runs[0].console
    for run in runs:
        count = sum(row.count for row in run.entries.values())
        same = "the same" if run.console == plain else "another"
        lines.append(
            f"{run.technique.label:20} {run.cycles:12} {run.by_actor.vmm:12} {run.direct_share:8.1%} {count:8}  {same}"
        )
    for run in runs:
        if run.diverged is not None:
            lines.append(f"{run.technique.label}: {run.diverged}")
        if not run.ended:
            lines.append(f"{run.technique.label}: {run.why}")
    return lines
