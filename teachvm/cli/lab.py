"""`teachvm lab`: any guest in the window, without a lesson."""

from __future__ import annotations

from typing import Any

import click

from teachvm import screen
from teachvm.cli.exits import CommandError
from teachvm.cli.targets import guest_target
from teachvm.cli.wishes import guest_options, wishes_of


@click.command()
@click.argument("guest")
@guest_options
def lab(guest: str, **given: Any) -> int:
    """Open any guest in the window, without a lesson.

    Every card and technique is there, and registers, memory and page table entries can be changed and taken back.

    GUEST is a shipped guest or a file: assembly source, a static ELF32 executable, a multiboot kernel or a flat
    binary, told apart by what it holds.

    \b
    Examples:
      teachvm lab tinyos
      teachvm lab mine.asm --technique bare-metal
      teachvm lab kernel.elf --memory 64
      teachvm lab code.bin --load 0x100000 --vms 2
    """  # noqa: D301 - \b is click's own mark for lines it must not fill
    from teachvm.app.laboratory import Laboratory

    target, wishes = guest_target(guest), wishes_of(given)
    Laboratory(target.name, target.folder, wishes)  # before any window opens: what is wrong is said here
    try:
        reason = screen.why_no_window()
    except screen.ScreenError as error:
        raise CommandError(str(error)) from error
    if reason is not None:
        raise CommandError(f"{reason}; without one, 'teachvm run {guest}' runs the guest")
    from teachvm.ui.application import run

    return run(laboratory=(target.name, target.folder, wishes))
