"""Finding a lesson by what a person calls it: its number, its id, or its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from teachvm import resources
from teachvm.lesson.folder import LESSON_FILE
from teachvm.lesson.problems import did_you_mean, quoted

_FOLDER = re.compile(r"(\d{1,3})-([a-z0-9-]+)")


class UnknownLessonError(LookupError):
    """No lesson is called so, or more than one; the message names those that come near."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A lesson's folder and what its name says; the lesson itself is read with `load`."""

    path: Path
    number: int
    id: str


def shipped(folder: Path | None = None) -> tuple[Entry, ...]:
    """The lessons in a folder of lessons (the shipped ones unless one is given), by number."""
    found = []
    root = resources.lessons() if folder is None else folder
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        match = _FOLDER.fullmatch(path.name)
        if match is not None and (path / LESSON_FILE).is_file():
            found.append(Entry(path, int(match[1]), match[2]))
    return tuple(sorted(found, key=lambda entry: (entry.number, entry.id)))


def find(word: str, folder: Path | None = None) -> Path:
    """The folder of the lesson a person means.

    Args:
        word: A number (`3`), an id (`trap-and-emulate`), a folder's name, or a path.
        folder: Where to look for numbers and ids; the shipped lessons unless given.

    Raises:
        UnknownLessonError: Nothing fits, or several things do.
    """
    entries = shipped(folder)
    fits = [entry.path for entry in entries if word in (entry.id, entry.path.name, str(entry.number))]
    fits += [entry.path for entry in entries if word.isdigit() and int(word) == entry.number and entry.path not in fits]
    path = Path(word)
    if _is_lesson(path) and all(path.resolve() != fit.resolve() for fit in fits):
        fits.append(path)
    if len(fits) > 1:
        raise UnknownLessonError(f"{quoted(word)} can be {' or '.join(fit.as_posix() for fit in fits)}; give the path")
    if fits:
        return fits[0]
    if path.name and _is_folder(path):
        raise UnknownLessonError(f"the folder {quoted(word)} holds no {LESSON_FILE}, so it is no lesson")
    names = [name for entry in entries for name in (entry.id, entry.path.name)]
    listed = ", ".join(f"{entry.number} {entry.id}" for entry in entries)
    hint = did_you_mean(word, names) or f"; there are {listed}"
    raise UnknownLessonError(f"there is no lesson {quoted(word)}{hint}")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _is_lesson(path: Path) -> bool:
    try:
        return (path / LESSON_FILE).is_file() or (path.name == LESSON_FILE and path.is_file())
    except (OSError, ValueError):
        return False
