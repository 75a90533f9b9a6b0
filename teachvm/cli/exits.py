"""Exit codes, and how an error becomes one line and one of them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell, a grader or a script is told; the same for every command."""

    ENDED_WELL = 0
    FAILED = 1  # a check failed, or the guest did: triple fault
    CANNOT_RUN = 2  # the submission does not assemble or is no guest
    LIMIT = 3  # the instruction budget is exhausted
    TOOL_ERROR = 4  # the lesson or the command line is wrong
    INTERRUPTED = 130  # Ctrl+C, as shells count it

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.name.lower().replace("_", "-")


class CommandError(Exception):
    """A command cannot go on; the message is the one line its user reads."""

    def __init__(self, message: str, code: ExitCode = ExitCode.TOOL_ERROR) -> None:
        super().__init__(message)
        self.code = code
