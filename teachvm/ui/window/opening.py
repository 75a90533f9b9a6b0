"""Opening a lesson: from what a person typed to a session, or to one line that says why not; and watching its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.app.lesson_session import LessonSession
from teachvm.app.progress import ProgressStore
from teachvm.app.recorded import Recorded
from teachvm.app.recordings import is_recording
from teachvm.guest.image import GuestError
from teachvm.isa.assembler.errors import AsmError
from teachvm.lesson.catalogue import UnknownLessonError, find
from teachvm.lesson.loader import load
from teachvm.lesson.problems import LessonError
from teachvm.world.recording import RecordingError
from teachvm.world.spec import SpecError

SETTLE_MS = 150
"""Editors write a file in several goes; it is read when they have been quiet for so long."""


class CannotOpenError(Exception):
    """A lesson that cannot be opened; the message is the one line a student reads."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A lesson's folder and the session on it."""

    path: Path
    session: LessonSession


def open_session(word: str, progress: ProgressStore, beat: int | None = None) -> Opened:
    """Open a lesson where the student left it, or at a beat.

    Args:
        word: Its number, id, or folder.
        progress: What earlier sessions saved.
        beat: The beat to stand at, from 0.

    Raises:
        CannotOpenError: There is no such lesson, it is broken, or its world cannot be built.
    """
    try:
        path = find(word)
        lesson = load(path)
        session = LessonSession(lesson, progress.of(lesson.id))
        if beat is not None:
            session.go_to_beat(beat)
    except LessonError as error:
        raise CannotOpenError(_flat(error.headline)) from error
    except (UnknownLessonError, SpecError, GuestError, AsmError, OSError) as error:
        raise CannotOpenError(_flat(str(error))) from error
    return Opened(path, session)


def open_guest(guest: str, folder: Path | None, wishes: Wishes | None = None) -> Laboratory:
    """Open a guest, or a recording, in the laboratory.

    Args:
        guest: A shipped guest's name, or a file in `folder`.
        folder: Where it lies.
        wishes: How it is run.

    Raises:
        CannotOpenError: It is no guest and no recording, or cannot be run.
    """
    try:
        if folder is not None and is_recording(folder / guest):
            return Recorded(folder / guest)
        return Laboratory(guest, folder, wishes)
    except (RecordingError, SpecError, GuestError, AsmError, OSError) as error:
        raise CannotOpenError(_flat(str(error))) from error


def _flat(text: str) -> str:
    return " ".join(text.split())


class FileWatcher(QObject):
    """Watches the files of what is open; `saved` says that one of them was written, and they have settled."""

    saved = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._files = QFileSystemWatcher(self)
        self._stamps: dict[Path, tuple[int, int] | None] = {}
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.look)
        self._files.fileChanged.connect(lambda _path: self._settle.start())
        self._files.directoryChanged.connect(lambda _path: self._settle.start())

    def watch(self, files: Iterable[Path]) -> None:
        """Watch these files, and no others."""
        old = [*self._files.files(), *self._files.directories()]
        if old:
            self._files.removePaths(old)
        self._settle.stop()
        self._stamps = {file: _stamp(file) for file in files}
        self._listen()

    def look(self) -> None:
        """Say it if a file is another one than it was; one that is gone for the moment is waited for."""
        now = {file: _stamp(file) for file in self._stamps}
        changed = any(stamp is not None and stamp != self._stamps[file] for file, stamp in now.items())
        self._stamps = {file: stamp or self._stamps[file] for file, stamp in now.items()}
        self._listen()
        if changed:
            self.saved.emit()

    def _listen(self) -> None:
        """Editors replace a file, which is then no longer the one that was watched: its folder is watched too."""
        watched = {*self._files.files(), *self._files.directories()}
        wanted = {str(place) for file in self._stamps for place in (file, file.parent) if place.exists()} - watched
        if wanted:
            self._files.addPaths(sorted(wanted))


def _stamp(file: Path) -> tuple[int, int] | None:
    """When a file was written and how long it is; None if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
