"""A recording, opened: the laboratory on the recorded world, which goes to where the recording ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from teachvm.app.control import Notice
from teachvm.app.laboratory import FIRST_CARDS, Laboratory
from teachvm.app.notation import count
from teachvm.app.recordings import Opened, open_recording
from teachvm.app.session import Session
from teachvm.trace.moment import Moment
from teachvm.world.recording import RecordingError, Replay


class Replaying:
    """The way to the end of a recording; given up, the world stands where it came to."""

    def __init__(self, replay: Replay, end: int) -> None:
        self._replay = replay
        self._end = end

    @property
    def progress(self) -> str:
        """What goes on."""
        return f"Replaying {count(self._end)} instructions … Esc stops, and leaves the rest out."

    def advance(self, keep_going: Callable[[], bool]) -> Notice | None:
        """Go on."""
        try:
            while self._replay.advance():
                if not keep_going():
                    return None
        except RecordingError as error:
            return Notice(f"{str(error).capitalize()}.", failure=True)
        if self._replay.same:
            return Notice("Replayed: this is the state that was recorded, and its whole past can be gone through.")
        return Notice("Replayed, but this is not the state that was recorded: the digests differ.", failure=True)

    def give_up(self) -> None:
        """Stay."""


class Recorded(Laboratory):
    """The laboratory with a recording in it.

    Attributes:
        opened: The recording and its files; they are there as long as this is.
    """

    def __init__(self, path: Path) -> None:
        """Build the recorded world, at its beginning; `work` brings it to the end.

        Raises:
            RecordingError: The recording is not in order, or another version's.
            SpecError, GuestError, AsmError, OSError: The world cannot be built.
        """
        self.opened: Opened = open_recording(path)
        spec = self.opened.recording.spec
        self.guest = spec.host.vms[0].guest
        self.folder = self.opened.folder
        Session.__init__(self, spec, self.folder)
        self.control.look(replace(self.control.focus, cards=FIRST_CARDS))
        self._names = None
        self._name = path.name
        replay = Replay(self.opened.recording, self.control.world, self.control.timeline)
        end = self.opened.recording.end
        self._set_out(lambda: Replaying(replay, Moment(end.n, end.phase).n))

    def files(self) -> tuple[Path, ...]:
        """None: what is in a recording stays."""
        return ()

    @property
    def title(self) -> str:
        """The file's name."""
        return self._name
