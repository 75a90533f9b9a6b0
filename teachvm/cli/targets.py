"""What a word on the command line means: a lesson, or a guest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from teachvm.cli.exits import CommandError

if TYPE_CHECKING:
    from teachvm.lesson.model import Lesson


LESSON_SUFFIX = ".md"


@dataclass(frozen=True, slots=True)
class GuestTarget:
    """A guest to run alone: a shipped one, or a file in `folder`."""

    name: str
    folder: Path | None


def lesson_path(word: str) -> Path:
    """The folder of the lesson a word names: a number, an id or a folder.

    Raises:
        CommandError: It names nothing, or several.
    """
    from teachvm.lesson.catalogue import UnknownLessonError, find

    try:
        return find(word)
    except UnknownLessonError as error:
        raise CommandError(str(error)) from error


def lesson_or_guest(word: str) -> Lesson | GuestTarget:
    """The lesson or the guest a word names.

    Raises:
        CommandError: It names nothing, or two things.
        LessonError: The lesson has mistakes.
    """
    from teachvm.guest.library import GUESTS
    from teachvm.lesson.loader import load
    from teachvm.lesson.problems import did_you_mean, quoted

    guest = _guest(word)
    try:
        path = lesson_path(word)
    except CommandError as error:
        if guest is not None:
            return guest
        _refuse_devices(word)
        if (Path(word).suffix or "/" in word) and not Path(word).is_dir():
            raise CommandError(f"{word}: there is no such file") from error
        if near := did_you_mean(word, GUESTS):
            raise CommandError(f"there is no lesson or guest {quoted(word)}{near}") from error
        hint = "" if "did you mean" in str(error) else f"; guests are {', '.join(GUESTS)}, or the path of a file"
        raise CommandError(f"{error}{hint}") from error
    if guest is not None and (guest.folder is None or Path(word).suffix):
        raise CommandError(f"'{word}' is the lesson {path.as_posix()} and a guest; give the path of the one you mean")
    return load(path)


def guest_target(word: str) -> GuestTarget:
    """The guest a word names.

    Raises:
        CommandError: It names none.
    """
    from teachvm.guest.library import GUESTS
    from teachvm.lesson.problems import did_you_mean, quoted

    guest = _guest(word)
    if guest is not None:
        return guest
    path = Path(word)
    if word and path.is_dir():
        raise CommandError(f"{word} is a folder; give the file of a guest, or one of {', '.join(GUESTS)}")
    _refuse_devices(word)
    if path.suffix or "/" in word:
        raise CommandError(f"{word}: there is no such file")
    near = did_you_mean(word, GUESTS) or f"; guests are {', '.join(GUESTS)}, or the path of a file"
    raise CommandError(f"there is no guest {quoted(word)}{near}")


def _refuse_devices(word: str) -> None:
    """A pipe or a device would be read for ever, and a link in a circle leads nowhere."""
    path = Path(word)
    try:
        there = not path.is_dir() and (path.exists() or path.is_symlink())
    except (OSError, ValueError):
        return
    if there:
        raise CommandError(f"{word} is no plain file that could be read as a guest")


def _guest(word: str) -> GuestTarget | None:
    from teachvm.guest.library import GUESTS

    if word in GUESTS:
        return GuestTarget(word, None)
    path = Path(word)
    try:
        if path.suffix != LESSON_SUFFIX and path.is_file():
            real = path.resolve()
            if not real.name.isprintable():
                raise CommandError(f"{word!r}: a guest's file needs a name that can be printed; rename it")
            return GuestTarget(real.name, real.parent)
    except (OSError, ValueError):
        return None
    return None
