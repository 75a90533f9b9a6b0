"""A text typed on a guest's console without a person: the moments are the guest's own, so they come again."""

from __future__ import annotations

from typing import Final

from teachvm.machine.events import CpuHalted
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.events import VcpuBlocked
from teachvm.world.inputs import ConsoleTyped
from teachvm.world.world import World


class Typist:
    """Types a text on a guest's console, a line at a time, at moments that depend on the guest alone.

    A line is typed when the guest has read all before it and waits for something (HLT), or has gone on for
    `PATIENCE` instructions since the line before.
    """

    PATIENCE: Final = 100_000

    def __init__(self, world: World, timeline: Timeline, text: str) -> None:
        """Make ready to type.

        Args:
            world: Its first guest is typed to.
            timeline: What moves it.
            text: What is typed; the serial line carries Latin-1.
        """
        self._world = world
        self._timeline = timeline
        self._guest = next(iter(world.guests))
        self._console = world.guests[self._guest].board.console
        self._lines = text.encode("latin-1", "replace").splitlines(keepends=True)
        self._since = timeline.position.n
        self._waited: Moment | None = None
        self._unsubscribes = [world.recorder.log.subscribe(kind, self._waits) for kind in (CpuHalted, VcpuBlocked)]

    def _waits(self, event: Event) -> None:
        self._waited = event.at

    def idle(self) -> bool:
        """Whether there is nothing to type now; asked while the world runs."""
        if not self._lines:
            return True
        if self._console.received or self._console.arriving:
            self._waited = None
            return True
        return self._waited is None and self._timeline.position.n - self._since < self.PATIENCE

    def type(self) -> bool:
        """Type the next line, if it is time: to a guest that waits for ever, before it does."""
        if self.idle():
            return False
        if self._world.stopped is not None and self._waited is not None:
            self._timeline.seek(Moment(self._waited.n))
        self._timeline.inject(ConsoleTyped(self._guest, self._lines.pop(0)))
        self._since = self._timeline.position.n
        self._waited = None
        if not self._lines:
            for unsubscribe in self._unsubscribes:
                unsubscribe()
        return True
