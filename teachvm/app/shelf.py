"""The shelf of lessons a library shows: the shipped ones with the student's progress, broken ones with their error.

Only a lesson's front matter is read, and its headings counted: a library must not take longer with every lesson there
is. What is wrong deeper inside is said when the lesson is opened.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from teachvm.app.progress import ProgressStore
from teachvm.app.rail import LibraryEntry
from teachvm.lesson.catalogue import Entry, shipped
from teachvm.lesson.folder import LESSON_FILE, front_matter, open_folder
from teachvm.lesson.markdown import Heading, split
from teachvm.lesson.problems import Complaints, LessonError, Place
from teachvm.lesson.schema import FrontMatter
from teachvm.lesson.validation import validated
from teachvm.lesson.yamldoc import read


def entries(progress: ProgressStore, folder: Path | None = None) -> tuple[LibraryEntry, ...]:
    """Every lesson of a folder (the shipped ones unless given), with how far the student came."""
    found = []
    for lesson in shipped(folder):
        try:
            stamp = (lesson.path / LESSON_FILE).stat().st_mtime_ns
        except OSError:
            continue
        entry = _entry(lesson, stamp)
        found.append(replace(entry, reached=min(progress.reached(entry.id), entry.beats)))
    return tuple(found)


@lru_cache(maxsize=256)
def _entry(found: Entry, _stamp: int) -> LibraryEntry:
    """Read a lesson's front matter; a file that was not written since is not read again."""
    number = str(found.number)
    try:
        front, beats = _front(found.path)
    except LessonError as error:
        return LibraryEntry(found.id, number, found.id.replace("-", " ").capitalize(), "", problem=error.headline)
    return LibraryEntry(
        id=front.id,
        number=number,
        title=front.title,
        summary=front.summary,
        minutes=front.teaching + front.exercises,
        beats=beats,
        concepts=tuple(front.concepts),
    )


def _front(path: Path) -> tuple[FrontMatter, int]:
    """A lesson's front matter and its number of beats.

    Raises:
        LessonError: The front matter is not what a lesson's must be.
    """
    folder = open_folder(path)
    source = folder.text(LESSON_FILE)
    complaints = Complaints(f"{path.name}/{LESSON_FILE}", source)
    matter, markdown, offset = front_matter(source, complaints)
    document = read(matter, Place(2), complaints) if not complaints.broken else None
    front = validated(FrontMatter, document, complaints) if document is not None else None
    complaints.finish()
    if front is None:
        raise AssertionError("front matter that is no value has an error")
    body = Complaints(complaints.file, source)
    return front, sum(isinstance(part, Heading) for part in split(markdown, offset, body))
