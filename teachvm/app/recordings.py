"""Recordings as files: written from a world as it stands, opened without trust."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Final

from teachvm import __version__
from teachvm.guest import library
from teachvm.guest.image import GuestError
from teachvm.isa.assembler.errors import AsmError
from teachvm.trace.timeline import Timeline
from teachvm.world.build import build
from teachvm.world.recording import MOST_BYTES, Recording, RecordingError, Replay, parse, record
from teachvm.world.spec import SpecError
from teachvm.world.world import World

_SNIFFED: Final = 256
_MARK: Final = b'"teachvm-recording"'


def is_recording(path: Path) -> bool:
    """Whether a file says that it is a recording."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _MARK in file.read(_SNIFFED)
    except (OSError, ValueError):
        return False


class Opened:
    """A recording with its guests' files in a folder of their own, which lasts as long as this does.

    Attributes:
        recording: The document.
        folder: Where the guests' files lie.
    """

    def __init__(self, recording: Recording) -> None:
        """Lay the files out.

        Raises:
            RecordingError: A file cannot be.
        """
        self.recording = recording
        self.folder = Path(tempfile.mkdtemp(prefix="teachvm-recording-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        for name, content in recording.files.items():
            place = self.folder / name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            except OSError as error:
                raise RecordingError(f"its file '{name}' cannot be laid out: {error.strerror}") from error

    def replay(self) -> tuple[World, Timeline, Replay]:
        """Build the world, at its beginning; `Replay.advance` brings it to the end of the recording.

        Raises:
            RecordingError: It cannot be built, or something in it is not what was recorded.
        """
        try:
            world = build(self.recording.spec, self.folder)
        except (SpecError, GuestError, AsmError, ValueError) as error:
            raise RecordingError(f"the recorded world cannot be built: {' '.join(str(error).split())}") from error
        timeline = Timeline(world)
        return world, timeline, Replay(self.recording, world, timeline)


def open_recording(path: Path) -> Opened:
    """Read a recording; nothing in it is executed, and nothing is written but into a new folder.

    Raises:
        RecordingError: It is none, or not in order.
        OSError: It cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise RecordingError(f"{path.name} is larger than a recording may be, {MOST_BYTES >> 20} MiB")
    return Opened(parse(path.read_bytes()))


def guest_files(world: World, folder: Path | None) -> dict[str, bytes]:
    """The guests' own files as they are now, by their names in their folder.

    Raises:
        GuestError, AsmError: One is gone, or is no guest any more.
    """
    files: dict[str, bytes] = {}
    for vm in world.spec.host.vms:
        files |= library.files_of(vm.guest, [(program.name, program.arg) for program in vm.programs], folder)
    return files


def save(path: Path, world: World, timeline: Timeline, folder: Path | None) -> None:
    """Write what happened up to the present moment as a recording.

    Raises:
        RecordingError: It cannot be recorded, or not be written.
    """
    try:
        files = guest_files(world, folder)
    except (GuestError, AsmError) as error:
        raise RecordingError(f"a guest's file has changed since it was opened: {error}") from error
    text = record(world, timeline, files, __version__).text()
    if len(text) > MOST_BYTES:
        raise RecordingError(f"this would be larger than a recording may be, {MOST_BYTES >> 20} MiB")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"it cannot be written: {error.strerror or error}") from error
