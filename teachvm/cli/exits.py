"""Exit codes, and how an error becomes lines for a person and one of them."""

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


def explain(error: Exception) -> tuple[tuple[str, ...], ExitCode]:
    """One line for each thing that is wrong, located ones as `file:line:column: what`, and the exit code.

    An error nobody foresaw is a line too: people are not shown a traceback they did not ask for.
    """
    from teachvm.guest.image import GuestError
    from teachvm.isa.assembler import AsmError
    from teachvm.lesson.problems import LessonError
    from teachvm.world.spec import SpecError

    match error:
        case CommandError():
            return (_said(str(error)),), error.code
        case AsmError():
            return tuple(_flat(str(problem)) for problem in error.problems), ExitCode.CANNOT_RUN
        case LessonError():
            return tuple(_flat(problem.headline) for problem in error.problems), ExitCode.TOOL_ERROR
        case GuestError():
            return (_said(str(error)),), ExitCode.CANNOT_RUN
        case SpecError():
            return (_said(str(error)),), ExitCode.TOOL_ERROR
        case OSError():
            reason = error.strerror or str(error)
            return (_said(f"{error.filename}: {reason}" if error.filename else reason),), ExitCode.TOOL_ERROR
        case _:
            what = f"internal error: {type(error).__name__}: {error} (TEACHVM_TRACEBACK=1 shows where)"
            return (_said(what),), ExitCode.TOOL_ERROR


def _said(message: str) -> str:
    return f"teachvm: {_flat(message)}"


def _flat(message: str) -> str:
    return " ".join(message.split())
