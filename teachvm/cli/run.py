"""`teachvm run`: a lesson's world, or one guest, without a screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from teachvm.cli.exits import CommandError, ExitCode
from teachvm.cli.targets import GuestTarget, lesson_or_guest
from teachvm.cli.wishes import costs_of, guest_options, paging_of, technique_of, wishes_of
from teachvm.vmm.techniques import ShadowPolicy, Technique

if TYPE_CHECKING:
    from teachvm.app.headless import Report
    from teachvm.world.spec import WorldSpec


@click.command()
@click.argument("what", metavar="LESSON|GUEST|RECORDING")
@guest_options
@click.option("--until", metavar="EXPR", help="Stop at a label, an event, console output or a condition.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000_000),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="Stop after so many instructions.",
)
@click.option("--input", "typed", metavar="TEXT", default="", help="Type this on the first guest's console.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Write a recording to F.")
@click.option("--compare", is_flag=True, help="Name the first difference a guest can see from bare metal instead.")
@click.option(
    "--against",
    type=click.Choice([each.value for each in Technique]),
    help="Compare with this technique, not with bare metal.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    what: str,
    until: str | None,
    limit: int,
    typed: str,
    record: Path | None,
    compare: bool,
    against: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Run a lesson's world, a guest or a recording, and report.

    What is reported: consoles, VMM entries by reason, why and at which moment it stopped, and the digest of all state
    there. Exit codes: 0 ended well or --until reached, 1 the guest failed or ended before --until, 2 the guest does
    not assemble, 3 limit reached, 4 the lesson or the command line is wrong.

    --input is typed a line at a time: when the guest has read what was typed before and waits (HLT), or has gone on
    for 100 000 instructions. In TEXT, \\n is Enter. The same command types at the same moments, always.

    A recording holds the guest, what was typed and when, and the digest at the end: it is executed again and must
    come to the same digest, or the exit code is 1.

    \b
    Examples:
      teachvm run 3                                   lesson 03 to its end
      teachvm run lessons/03-trap-and-emulate --json
      teachvm run tinyos --technique bare-metal       a shipped guest
      teachvm run mine.asm --limit 20000              a guest of your own
      teachvm run kernel.elf --memory 64              an ELF or multiboot kernel, with 64 MiB
      teachvm run 3 --until "trap('cli', nth=2)"
      teachvm run tinyos --input "ls\\n" --record it.json   type, and keep what happened
      teachvm run it.json                             the same again, digest compared
      teachvm run 3 --compare                         the first difference from bare metal, and why
      teachvm run 3 --compare --against hardware-assist
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.app import headless, recordings
    from teachvm.world.recording import RecordingError

    try:
        if recordings.is_recording(Path(what)):
            _alone(what, until=until, typed=typed, record=record, compare=compare, against=against, **given)
            report = headless.replay(Path(what))
        else:
            spec, folder = _world(what, given)
            if compare or against is not None:
                return _compare(spec, folder, Technique(against or Technique.BARE_METAL), limit, as_json)
            report = headless.run(spec, folder, until, limit, typed=_keys(typed), record=record)
    except headless.UntilError as error:
        raise CommandError(str(error)) from error
    except RecordingError as error:
        raise CommandError(f"{what}: {error}" if record is None else f"{record}: {error}") from error
    click.echo(json.dumps(_data(report), indent=2) if as_json else _text(report))
    if report.stopped.value in _WELL:
        return ExitCode.ENDED_WELL
    if as_json:
        click.echo(f"teachvm: {report.why}", err=True)
    return ExitCode.LIMIT if report.stopped is headless.Stopped.LIMIT else ExitCode.FAILED


_WELL = frozenset(("ended-well", "until-reached", "replayed"))


def _keys(text: str) -> str:
    """What a person types for a text of the command line."""
    return text.replace("\\n", "\n")


def _alone(what: str, **given: Any) -> None:
    """A recording says itself what runs, how far, and what is typed."""
    extra = [f"--{'input' if name == 'typed' else name}" for name, value in given.items() if value]
    if extra:
        raise CommandError(
            f"{what} is a recording, which says itself what happens: {' and '.join(extra)} is not for it"
        )


def _world(what: str, given: dict[str, Any]) -> tuple[WorldSpec, Path | None]:
    from teachvm.app.headless import alone

    target = lesson_or_guest(what)
    if isinstance(target, GuestTarget):
        return alone(target.name, target.folder, wishes_of(given)), target.folder
    extra = [f"--{name}" for name in ("memory", "vms", "load") if given[name] is not None]
    if extra:
        raise CommandError(f"{' and '.join(extra)} is for a guest; what a lesson's world consists of, the lesson says")
    technique, paging = technique_of(given), paging_of(given)
    spec = target.spec if technique is None else target.spec.with_technique(technique)
    spec = spec if paging is None else spec.with_paging(paging)
    if given["shadow"] is not None:
        spec = spec.with_shadow(ShadowPolicy(given["shadow"]))
    for key, cycles in costs_of(given):
        spec = spec.with_cost(key, cycles)
    return spec, target.folder


def _data(report: Report) -> dict[str, object]:
    return {
        "console": dict(report.console),
        "entries": {
            tenant: {reason: {"count": row.count, "cycles": row.cycles} for reason, row in rows.items()}
            for tenant, rows in report.entries.items()
        },
        "stopped": report.stopped.value,
        "why": report.why,
        "moment": {"n": report.moment.n, "phase": report.moment.phase},
        "digest": report.digest,
    }


def _text(report: Report) -> str:
    from teachvm.lesson.problems import printable

    lines: list[str] = []
    for tenant, text in report.console.items():
        lines += [f"{tenant}:", *(f"  {printable(line)}" for line in text.splitlines())]
        rows = report.entries[tenant]
        if rows:
            lines.append(f"  {'VMM entries':20} {'count':>9} {'cycles':>12}")
            lines += [f"  {reason:20} {row.count:9} {row.cycles:12}" for reason, row in rows.items()]
    lines.append(f"stopped: {report.why}, at moment {report.moment.n}.{report.moment.phase}; digest {report.digest}")
    return "\n".join(lines)


def _compare(spec: WorldSpec, folder: Path | None, against: Technique, limit: int, as_json: bool) -> int:
    from teachvm.world.divergence import LockStep

    pair = LockStep(spec, folder, against=against)
    found = pair.run(limit)
    if as_json:
        difference = None if found is None else {"text": str(found), "place": found.place, "instruction": found.text}
        click.echo(json.dumps({"instructions": pair.instructions, "divergence": difference}, indent=2))
    elif found is None:
        click.echo(f"no difference from {against.label.lower()} in {pair.instructions} instructions")
    else:
        click.echo(f"{found} (after {pair.instructions} instructions)")
    return ExitCode.ENDED_WELL if found is not None or pair.ended else ExitCode.LIMIT
