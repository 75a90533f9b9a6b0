"""The shelf of lessons a library shows: the shipped ones with the student's progress, broken ones with their error."""

from __future__ import annotations

from pathlib import Path

from teachvm.app.progress import ProgressStore
from teachvm.app.rail import LibraryEntry
from teachvm.lesson.catalogue import Entry, shipped
from teachvm.lesson.loader import load
from teachvm.lesson.problems import LessonError


def entries(progress: ProgressStore, folder: Path | None = None) -> tuple[LibraryEntry, ...]:
    """Every lesson of a folder (the shipped ones unless given), with how far the student came."""
    return tuple(_entry(found, progress) for found in shipped(folder))


def _entry(found: Entry, progress: ProgressStore) -> LibraryEntry:
    number = str(found.number)
    try:
        lesson = load(found.path)
    except LessonError as error:
        return LibraryEntry(found.id, number, found.id.replace("-", " ").capitalize(), "", problem=error.headline)
    front, many = lesson.front, len(lesson.beats)
    return LibraryEntry(
        id=lesson.id,
        number=number,
        title=lesson.title,
        summary=front.summary,
        minutes=front.teaching + front.exercises,
        beats=many,
        reached=min(progress.reached(lesson.id), many),
        concepts=tuple(front.concepts),
    )
