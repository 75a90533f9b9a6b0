from collections.abc import Callable
from typing import Any

import pytest

from teachvm.cli import names
from teachvm.cli.exits import CommandError, ExitCode, explain
from teachvm.guest.image import GuestError
from teachvm.world.spec import SpecError

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (CommandError("no  such\nthing"), "teachvm: no such thing", ExitCode.TOOL_ERROR),
        (CommandError("limit", ExitCode.LIMIT), "teachvm: limit", ExitCode.LIMIT),
        (GuestError("no guest 'x'"), "teachvm: no guest 'x'", ExitCode.CANNOT_RUN),
        (SpecError("too large"), "teachvm: too large", ExitCode.TOOL_ERROR),
        (FileNotFoundError(2, "No such file", "a.asm"), "teachvm: a.asm: No such file", ExitCode.TOOL_ERROR),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error: Exception, line: str, code: ExitCode) -> None:
    assert explain(error) == ((line,), code)


def test_what_nobody_foresaw_is_one_line_too(teachvm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(names.names, "callback", broken)
    done = teachvm("names")
    assert done.code == ExitCode.TOOL_ERROR
    assert done.err == "teachvm: internal error: ZeroDivisionError: a bug (TEACHVM_TRACEBACK=1 shows where)\n"


def test_ctrl_c_ends_a_command_without_a_word(teachvm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(names.names, "callback", interrupted)
    done = teachvm("names")
    assert (done.code, done.out) == (130, "")
