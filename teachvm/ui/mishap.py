"""What nobody foresaw: one friendly line for the student, the whole story in a log file."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from teachvm import __version__
from teachvm.app import store

LARGEST_LOG = 1 << 20
"""Bytes after which the log begins anew; the old one is kept as `.1`."""

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def log_file() -> Path:
    """Where the stories go."""
    return store.state_folder() / "teachvm.log"


def write(error: BaseException) -> str:
    """Write an error to the log; returns where, or nothing when even that failed."""
    path = log_file()
    story = "".join(traceback.format_exception(error))
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a", encoding="utf-8") as file:
            file.write(f"--- {stamp} teachvm {__version__} on Python {sys.version.split()[0]}\n{story}\n")
    except OSError:
        return ""
    return str(path)


def line(error: BaseException, where: str) -> str:
    """The one line a student reads."""
    what = f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]
    details = f" Details are in {where}." if where else ""
    return f"Something in teachvm itself went wrong ({what}). Your lesson is still here.{details}"


def install(say: Callable[[str], object]) -> Hook:
    """Send errors nobody caught to the log and to `say`; returns the hook that was there before."""
    before: Hook = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
            return
        say(line(error, write(error)))

    sys.excepthook = hook
    return before
