"""Commands are run in this process, as the shell would run them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from teachvm.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def teachvm(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`teachvm("names", "--json")` runs the command and returns its exit code and what it printed."""

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return run
