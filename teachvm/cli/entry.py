"""`teachvm`: the group of commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from teachvm import __version__
from teachvm.cli.asm import asm
from teachvm.cli.bench import bench
from teachvm.cli.compare import compare
from teachvm.cli.exits import CommandError, ExitCode, explain
from teachvm.cli.lab import lab
from teachvm.cli.lesson import lesson
from teachvm.cli.names import names
from teachvm.cli.open import open_lesson
from teachvm.cli.render import render
from teachvm.cli.run import run

TRACEBACK = "TEACHVM_TRACEBACK"


class OpenOrCommand(click.Group):
    """A first word that is no command is the lesson to open; so is no word at all."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `open` before what does not begin with a command or one of our own options."""
        own = {option for parameter in self.get_params(ctx) for option in parameter.opts}
        if not args or (args[0] not in self.commands and args[0] not in own):
            args = ["open", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show both ways to call it."""
        formatter.write_usage(ctx.command_path, "[LESSON]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")


@click.group(cls=OpenOrCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="teachvm", message="%(prog)s %(version)s")
def teachvm() -> None:
    """Open the app, at LESSON if one is named: its number, its id or its folder.

    \b
    Examples:
      teachvm                                        the library of lessons
      teachvm 3                                      lesson 03
      teachvm run 3 --json                           the same lesson without a screen, as data
      teachvm asm guest.asm --listing                what the assembler makes of a file

    \b
    Exit codes: 0 ended well, 1 something failed, 2 the submission cannot run, 3 limit reached,
    4 the lesson or the command line is wrong.
    """  # noqa: D301 - \b is click's own mark for lines it must not fill


command: click.Command
for command in (open_lesson, run, lab, compare, render, asm, lesson, names, bench):
    teachvm.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    code: int
    _prepare_streams()
    try:
        code = _invoke(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.ENDED_WELL
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ExitCode.TOOL_ERROR
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "teachvm"
        code = _report(CommandError(f"{error.format_message()} See: {where} --help"))
    except click.ClickException as error:
        code = _report(CommandError(error.format_message()))
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        code = _report(error)
    sys.exit(int(code))


def _invoke(arguments: list[str]) -> int:
    """Run a command; not by click's own `main`, which makes a failure of a reader that has gone away."""
    try:
        with teachvm.make_context("teachvm", list(arguments)) as context:
            outcome = teachvm.invoke(context)
    except click.exceptions.Exit as done:  # what was asked for was --help or --version
        return done.exit_code
    return outcome if isinstance(outcome, int) else ExitCode.ENDED_WELL


def _prepare_streams() -> None:
    """What is closed becomes empty; what a terminal's encoding lacks is written as an escape, not an error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - open as long as the process
            setattr(sys, name, nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: Exception) -> ExitCode:
    lines, code = explain(error)
    for line in lines:
        click.echo(line, err=True)
    return code
