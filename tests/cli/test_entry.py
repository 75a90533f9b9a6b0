import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teachvm import __version__
from teachvm.cli.entry import teachvm as group

TREE = Path(__file__).resolve().parents[2]
Command = Callable[..., Any]
COMMANDS = [
    (name, *inner)
    for name, command in sorted(group.commands.items())
    for inner in [(), *((sub,) for sub in getattr(command, "commands", ()))]
]


def test_version_is_one_line(teachvm: Command) -> None:
    assert teachvm("--version").out == f"teachvm {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_examples(teachvm: Command, command: tuple[str, ...]) -> None:
    done = teachvm(*command, "--help")
    assert done.code == 0
    assert "Examples:" in done.out


@pytest.mark.parametrize("group", [(), ("lesson",)], ids=["teachvm", "lesson"])
def test_no_summary_of_a_command_is_cut_off(teachvm: Command, group: tuple[str, ...]) -> None:
    commands = teachvm(*group, "--help").out.split("Commands:")[1]
    assert "..." not in commands


def test_a_group_without_a_command_shows_its_help(teachvm: Command) -> None:
    done = teachvm("lesson")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("Usage: teachvm lesson ")


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


def test_a_terminal_without_our_typography_still_gets_the_text() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "teachvm", "names", "keys"],
        cwd=TREE,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Shift+F7, F6" in done.stdout


@pytest.mark.parametrize("command", ["names", "run 3 --limit 9 --json", "3 --terminal", "--version"])
def test_closed_streams_are_empty_ones(command: str) -> None:
    shell = f"{sys.executable} -m teachvm {command} <&- >&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, cwd=TREE)
    assert done.returncode == (3 if "--limit" in command else 0)
    assert "internal error" not in done.stderr
