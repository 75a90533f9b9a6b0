"""Which part of the timeline is in sight, in cycles. No Qt in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from teachvm.app.presentation import LanesView

AIM = 36
"""Stretches a window holds when it is chosen for the student."""
FEW, MANY = 14, 120
"""Outside these bounds the automatic length is chosen anew."""
HEAD = (0.12, 0.78)
"""The playhead stays between these shares of the window."""
AHEAD, BEHIND, JUMPED = 0.45, 0.6, 0.74
"""Where the playhead stands after the page was turned, forwards and backwards, and after a jump."""
SHORTEST = 16.0
MOST = 3000


class TimeSpan:
    """A window on the timeline: follows the playhead, and keeps a length the student chose."""

    def __init__(self) -> None:
        self.start = 0.0
        self.length = 64.0
        self._chosen = False

    @property
    def stop(self) -> float:
        """First cycle after the window."""
        return self.start + self.length

    def follow(self, view: LanesView) -> None:
        """Bring the playhead into sight; unless the student zoomed, keep a readable number of stretches."""
        if not self._chosen:
            self._fit(view)
        low, high = HEAD
        if not self._chosen and view.frontier <= self.length * high + 1:
            self.start = 0.0
            return
        # Turning a page, not scrolling: between two pages, a step moves the playhead alone.
        if view.now > self.start + self.length * (1 + high):
            self.start = view.now - self.length * JUMPED
        elif view.now > self.start + self.length * high:
            self.start = view.now - self.length * AHEAD
        elif view.now < self.start + self.length * low:
            self.start = max(0.0, view.now - self.length * BEHIND)

    def _fit(self, view: LanesView) -> None:
        held = self._held(view)
        whole = view.frontier / HEAD[1]
        short = whole <= self.length * 1.02
        if FEW <= held <= MANY and not (short and held < FEW):
            return
        last = bisect_right(view.stretches, view.now, key=lambda stretch: stretch.start)
        first = max(last - AIM, 0)
        begin = view.stretches[first].start if view.stretches and first else 0
        self.length = max((view.now - begin) / HEAD[1], SHORTEST * 2)
        if held < FEW:
            self.length = max(self.length, min(whole, self.length * 2))

    def _held(self, view: LanesView) -> int:
        first = bisect_left(view.stretches, self.start, key=lambda stretch: stretch.start)
        return bisect_left(view.stretches, self.stop, key=lambda stretch: stretch.start) - first

    def move_to(self, start: float, frontier: int) -> None:
        """Scroll, not far beyond what was run."""
        self.start = min(max(start, 0.0), max(0.0, frontier - self.length * 0.25))

    def zoom(self, factor: float, about: float, view: LanesView) -> None:
        """Show `factor` times as much time around a cycle that stays where it is."""
        longest = max(view.frontier / HEAD[1], SHORTEST)
        length = min(max(self.length * factor, SHORTEST), longest)
        share = (about - self.start) / self.length
        before = self.start, self.length
        self.start, self.length = max(0.0, about - share * length), length
        if self._held(view) > MOST:
            self.start, self.length = before
        self._chosen = True

    def ticks(self, many: float) -> list[int]:
        """About `many` round cycles to write on the axis."""
        rough = max(self.length / max(many, 1), 1)
        power = 10 ** (len(str(int(rough))) - 1)
        step = next((power * times for times in (1, 2, 5) if power * times >= rough), power * 10)
        first = -(-int(self.start) // step) * step
        return list(range(first, int(self.stop) + 1, step))
