"""Options that say how a guest is run: the same for every command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from teachvm.cli.exits import CommandError
from teachvm.host.costs import PRESETS
from teachvm.vmm.techniques import CHOICES, Choice, ShadowPolicy, Technique
from teachvm.world.spec import MAX_GUEST_MEMORY_BYTES, MAX_VMS, MIB

if TYPE_CHECKING:
    from teachvm.app.headless import Wishes

TECHNIQUES = ", ".join(technique.value for technique in Technique)
YEARS = ", ".join(str(preset.year) for preset in PRESETS.values())
LARGEST_MIB = MAX_GUEST_MEMORY_BYTES // MIB


def _address(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """A physical address, decimal or hexadecimal."""
    if value is None:
        return None
    try:
        address = int(value, 0)
    except ValueError:
        address = -1
    if not 0 < address < MAX_GUEST_MEMORY_BYTES:
        raise click.BadParameter(f"'{value}' is no address in memory; write it as 0x100000.", context, option)
    return address


def guest_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; `wishes_of` reads them."""
    for option in (
        click.option("--load", callback=_address, metavar="ADDRESS", help="Put a flat binary there (0x10000)."),
        click.option("--vms", type=click.IntRange(1, MAX_VMS), metavar="N", help="So many copies, each in its own VM."),
        click.option("--memory", type=click.IntRange(1, LARGEST_MIB), metavar="MIB", help="Memory of each guest."),
        click.option("--paging", metavar="P", help="With hardware assist: shadow, nested or nested-cached."),
        click.option(
            "--shadow",
            type=click.Choice([policy.value for policy in ShadowPolicy]),
            metavar="S",
            help="How shadow tables are kept in step: noncaching, caching or unsync.",
        ),
        click.option("--exits", metavar="YEAR", help=f"Price exits as processors of a year did: {YEARS}."),
        click.option("--technique", metavar="T", help=f"Run every guest this way: {TECHNIQUES}."),
    ):
        command = option(command)
    return command


def technique_of(given: dict[str, Any]) -> Technique | None:
    """The technique asked for.

    Raises:
        CommandError: There is none of that name.
    """
    name = given["technique"]
    if name is None:
        return None
    try:
        return Technique(name)
    except ValueError as error:
        from teachvm.lesson.problems import did_you_mean

        names = [technique.value for technique in Technique]
        hint = did_you_mean(name, names) or f"; there are {', '.join(names)}"
        raise CommandError(f"there is no technique '{name}'{hint}") from error


def paging_of(given: dict[str, Any]) -> Choice | None:
    """Who is to translate guest-physical addresses.

    Raises:
        CommandError: There is nobody of that name.
    """
    name = given["paging"]
    found = next((choice for choice in CHOICES if choice.name == name), None)
    if found is None and name is not None:
        names = ", ".join(choice.name for choice in CHOICES)
        raise CommandError(f"there is no paging '{name}'; there are {names}")
    return found


def costs_of(given: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """The lines of the cost table the option changes.

    Raises:
        CommandError: No processor of that year is in the table.
    """
    year = given["exits"]
    if year is None:
        return ()
    found = next((preset for preset in PRESETS.values() if str(preset.year) == year), None)
    if found is None:
        raise CommandError(f"exits of '{year}' are in no table; there are {YEARS}")
    return found.cycles


def wishes_of(given: dict[str, Any]) -> Wishes:
    """What the options ask for.

    Raises:
        CommandError: There is no such technique.
    """
    from teachvm.app.headless import Wishes

    return Wishes(
        technique_of(given),
        (given["memory"] or 0) * MIB,
        given["vms"] or 1,
        given["load"] or 0,
        paging_of(given) or CHOICES[0],
        costs_of(given),
        ShadowPolicy(given["shadow"] or ShadowPolicy.CACHING.value),
    )
