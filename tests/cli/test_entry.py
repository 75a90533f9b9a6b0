import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from teachvm import __version__
from teachvm.cli.entry import teachvm as group

TREE = Path(__file__).resolve().parents[2]
Command = Callable[..., Any]
COMMANDS = sorted(group.commands)


def test_version_is_one_line(teachvm: Command) -> None:
    assert teachvm("--version").out == f"teachvm {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples(teachvm: Command, command: str) -> None:
    done = teachvm(command, "--help")
    assert done.code == 0
    assert "Examples:" in done.out or isinstance(group.commands[command], click.Group)


@pytest.mark.parametrize("arguments", [("names", "--jason"), ("names", "a", "b"), ("--wrong",)])
def test_a_wrong_command_line_is_one_line_and_exit_code_4(teachvm: Command, arguments: tuple[str, ...]) -> None:
    done = teachvm(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert done.err.startswith("teachvm: ")
    assert "--help" in done.err


def test_a_reader_that_stops_reading_is_no_error() -> None:
    shell = f"{sys.executable} -m teachvm names --json | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, cwd=TREE)
    assert (done.stdout, done.stderr) == ("{\n", "")
