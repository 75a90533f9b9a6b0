"""Between a session and the window: one coalesced signal, and running in slices of a timer. No thread.

A slice is 8 ms of work in the event loop, so that a key is never more than a slice away. Slow speeds step; Fast and Max
run, with views painted a few times a second, or hardly at all.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, QTimer, Signal

from teachvm.app import speed
from teachvm.app.control import Direction
from teachvm.app.session import Session
from teachvm.app.wording import Editable
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.techniques import Technique

SLICE_S = 0.008
FAST_VIEWS_S = 1 / 30
MAX_VIEWS_S = 0.5
"""Most seconds between two paintings while running Fast, and Max."""


class SessionBridge(QObject):
    """Drives one session. `moved` says that views should ask again; many movements make one signal."""

    moved = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.position = speed.USUAL
        self._stepping = False
        self._due = 0.0
        self._painted = 0.0
        self._poked = QTimer(self)
        self._poked.setSingleShot(True)
        self._poked.setInterval(0)
        self._poked.timeout.connect(self._tell)
        self._work = QTimer(self)
        self._work.timeout.connect(self._slice)

    @property
    def running(self) -> bool:
        """Something goes on by itself."""
        return self._stepping or self.session.running

    # --- commands ------------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Something changed: tell the views, once, when the present event is done."""
        if not self._poked.isActive():
            self._poked.start()

    def step(self, grain: Grain) -> None:
        """One step forward."""
        self._rest()
        self.session.step(grain)
        self.resume()

    def back(self, grain: Grain) -> None:
        """One step back."""
        self._rest()
        self.session.back(grain)
        self.resume()

    def seek(self, moment: Moment) -> None:
        """To a moment."""
        self._rest()
        self.session.seek(moment)
        self.resume()

    def toggle_run(self) -> None:
        """Run at the chosen speed, or pause."""
        if self.running:
            self.stop()
            return
        if speed.steps_per_second(self.position) is None:
            self.session.start(Direction.FORWARD)
        else:
            self._stepping = True
            self._due = perf_counter()
        self.resume()

    def run_back(self) -> None:
        """Run backwards to the previous trap."""
        self._rest()
        self.session.start(Direction.BACKWARD)
        self.resume()

    def run_until(self, text: str, direction: Direction) -> None:
        """Run, either way, until something is so."""
        self._rest()
        self.session.run_until(text, direction)
        self.resume()

    def find_origin(self, what: Editable, direction: Direction) -> None:
        """Go to where a value was written or changed last, or is next."""
        self._rest()
        self.session.find_origin(what, direction)
        self.resume()

    def compare(self, against: Technique = Technique.BARE_METAL) -> None:
        """Hold the guest against itself by another technique."""
        self._rest()
        self.session.compare(against)
        self.resume()

    def do(self, action: str) -> None:
        """Let the session do what it calls as its action is called; the past may change."""
        self.change(getattr(self.session, action.replace("-", "_")))

    def measure(self) -> None:
        """Set the techniques side by side."""
        self._rest()
        self.session.measure()
        self.resume()

    def type_text(self, guest: str, text: str) -> None:
        """Type on a guest's console; a run at the chosen speed goes on."""
        going = self._stepping or self.session.control.running is Direction.FORWARD
        self._rest()
        self.session.type_text(guest, text)
        if going:
            self.toggle_run()
        else:
            self.resume()

    def set_cost(self, key: str, given: str) -> None:
        """Let a piece of work cost something else; the beat begins again."""
        self._rest()
        self.session.set_cost(key, given)
        self.resume()

    def change(self, do: Callable[[], None]) -> None:
        """Do something to the session that moves its world."""
        self._rest()
        do()
        self.resume()

    def stop(self) -> None:
        """Stop; always works."""
        self._rest()
        self.session.stop()
        self.poke()

    def set_speed(self, position: int) -> None:
        """Another speed, while running too."""
        was, self.position = speed.steps_per_second(self.position), position
        rate = speed.steps_per_second(position)
        if self._stepping and rate is None:
            self._stepping = False
            self.session.start(Direction.FORWARD)
        elif self.session.control.running is Direction.FORWARD and was is None and rate is not None:
            self.session.stop()
            self._stepping = True
        self._due = perf_counter()
        self.resume()

    def resume(self) -> None:
        """Tell the views, and go on with whatever the session began."""
        self.poke()
        if self.running:
            self._work.setInterval(self._interval())
            if not self._work.isActive():
                self._work.start()

    # --- inside --------------------------------------------------------------------------------------------------

    def _interval(self) -> int:
        rate = speed.steps_per_second(self.position)
        if not self._stepping or rate is None:
            return 0
        return max(1, min(int(1000 / rate), 1000))

    def _rest(self) -> None:
        self._stepping = False
        self._work.stop()

    def _slice(self) -> None:
        """Work for one slice, then let the event loop have its turn."""
        begun = perf_counter()
        until = begun + SLICE_S
        if self._stepping:
            self._steps(until)
        elif self.session.running:
            self.session.work(lambda: perf_counter() < until)
        now = perf_counter()
        if not self.running:
            self._work.stop()
            self.poke()
        elif self._stepping or now + (now - begun) - self._painted > self._views_every():
            # Another slice as long as this one would make the picture late; it would also come before a poke is heard.
            self._painted = now
            self._poked.stop()
            self._tell()

    def _views_every(self) -> float:
        return MAX_VIEWS_S if self.position == speed.MAX else FAST_VIEWS_S

    def _steps(self, until: float) -> None:
        """Take the steps that are due, as far as the slice goes."""
        rate = speed.steps_per_second(self.position) or 1.0
        now = perf_counter()
        while self._stepping and self._due <= now < until:
            self._due = max(self._due + 1 / rate, now - 0.25)
            self.session.step(Grain.VISIBLE)
            if self.session.notice is not None or self.session.control.stops_here():
                self._stepping = False
            now = perf_counter()

    def _tell(self) -> None:
        self.moved.emit()
