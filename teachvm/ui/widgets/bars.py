"""Horizontal bars on a logarithmic axis, a thinner one below each for comparison, and words at their ends."""

from __future__ import annotations

from math import ceil

from teachvm.app.notation import count
from teachvm.app.presentation import Bar, BarPart, BarsView, Span, plain
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put, put_line
from teachvm.ui.widgets.ink import Area, Mark, Spot, Wire, Words

PAD = 14.0
ROW, THICK, THIN = 34.0, 15.0, 5.0
LEAST_BAR = 3.0
LEAST_ROOM = 160.0
"""Less room than that for bars beside names and words, and the words go above them."""
TICK = 76.0
"""Room one number of the axis takes."""


class Bars(Canvas):
    """Paints a `BarsView`."""

    def __init__(self, look: Look, name: str = "bars") -> None:
        super().__init__(look, name)
        self._view = BarsView(())

    def show_block(self, view: BarsView) -> None:
        """Show other bars."""
        if view != self._view:
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Names at the left, bars on the axis, words to their right; on a narrow card, words above full-width bars."""
        view = self._view
        marks: list[Mark] = []
        spots: list[Spot] = []
        y = 8.0
        if not view.bars:
            return Picture(marks, spots, y)
        if view.title:
            marks.append(Words(PAD, y, width - 2 * PAD, 20, view.title, fonts.SMALL_STRONG, "text"))
            y += 26
        names = max(fonts.width(bar.name, fonts.SMALL) for bar in view.bars) + 14
        says = max(sum(fonts.width(span.text, fonts.SMALL_STRONG) for span in bar.says) for bar in view.bars) + 24
        beside = width - 2 * PAD - names - says >= LEAST_ROOM
        left = PAD + names if beside else PAD
        room = width - PAD - left - (says if beside else 0.0)
        first = len(marks)
        top = y
        for bar in view.bars:
            if beside:
                marks.append(Words(PAD, y, names - 12, THICK + 4, bar.name, fonts.SMALL, "text", "right"))
                end = self._both(marks, bar, left, y + 2, room)
                laid = put_line(bar.says, end + 10, y, says, THICK + 4, fonts.SMALL)
                high = ROW
            else:
                laid = put((Span(f"{bar.name}  ", strong=True), *bar.says), PAD, y, width - 2 * PAD, 19, fonts.SMALL)
                self._both(marks, bar, left, y + laid.height + 2, room)
                high = laid.height + ROW
            marks += laid.marks
            words = plain(bar.says)
            spots.append(Spot(PAD, y, width - 2 * PAD, high - 4, bar.tip, copy=words, name=f"{bar.name}: {words}"))
            spots += laid.spots
            y += high
        marks[first:first] = self._axis(left, top, y, room) if beside else []
        return Picture(marks, spots, self._ticks(marks, left, y, room, width) + 6)

    def _both(self, marks: list[Mark], bar: Bar, left: float, y: float, room: float) -> float:
        """The bar and the thin one below it; returns where the longer one ends."""
        end = self._bar(marks, bar.parts, left, y, THICK, room)
        return max(end, self._bar(marks, bar.below, left, y + THICK + 3, THIN, room))

    def _axis(self, left: float, top: float, bottom: float, room: float) -> list[Mark]:
        """A faint line at every power of ten."""
        start, stop = self._view.ends
        across = [left + room * (power - start) / (stop - start) for power in range(start, stop + 1)]
        return [Wire(((x, top), (x, bottom)), "line", 1.0) for x in across]

    def _bar(
        self, marks: list[Mark], parts: tuple[BarPart, ...], left: float, y: float, high: float, room: float
    ) -> float:
        """The parts end to end; returns where the last one ends."""
        total, x = 0.0, left
        for part in parts:
            total += part.value
            end = left + room * min(1.0, self._view.place(total))
            if part.value > 0:
                wide = max(end - x, LEAST_BAR)
                marks.append(Area(x, y, wide, high, part.role, radius=min(3, high / 2), hatched=part.pattern))
                x += wide
        return x

    def _ticks(self, marks: list[Mark], left: float, y: float, room: float, width: float) -> float:
        start, stop = self._view.ends
        every = max(1, ceil(TICK / (room / (stop - start))))
        for power in range(start, stop + 1, every):
            x = left + room * (power - start) / (stop - start)
            wide = fonts.width(count(10**power), fonts.CAPTION)
            x = min(max(x - wide / 2, PAD), width - PAD - wide)
            marks.append(Words(x, y, wide, 16, count(10**power), fonts.CAPTION, "dim"))
        if self._view.unit:
            marks.append(Words(left, y + 16, width - PAD - left, 16, self._view.unit, fonts.CAPTION, "dim"))
        return y + 32
