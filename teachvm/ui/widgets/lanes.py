"""The timeline's picture: who ran when, a notch for every trap, the playhead, and what has not been run yet."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QMenu, QSizePolicy

from teachvm.app.notation import count, plural
from teachvm.app.presentation import Branch, Lane, LanesView, Notch, Stretch, Tip
from teachvm.trace.moment import Moment
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.ink import Area, Mark, Sign, Spot, Wire, Words
from teachvm.ui.widgets.span import TimeSpan

NAMES = 140.0
RIGHT = 18.0
TOP = 12.0
AXIS = 30.0
BRANCHES = 18.0
"""Height of the row of futures left behind, below the lanes, when there are any."""
BRANCH_ROWS, BRANCH_STEP = 3, 5.0
"""Futures drawn one below the other before the next one is drawn over the first."""
MOST = 3000
"""Stretches painted at once; a wider span is not offered."""
TAKE = "take-up"
"""Action of a future's spot; its number follows."""
BAR = 0.85
"""Opacity of a bar."""
CROWDED = 2.0
"""Layout pixels between two traps below which they are painted as one."""
LOOKED_AT = 8
"""Traps looked at of those in one place."""
CROWD = 0.55
"""Opacity of what joins the lanes of several traps."""


class Lanes(Canvas):
    """Paints a `LanesView`; `sought` carries the moment of a click, a drag or a key, `taken` the number of a future."""

    sought = Signal(object)
    taken = Signal(int)
    fills = True

    def __init__(self, look: Look, name: str = "lanes") -> None:
        super().__init__(look, name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._view = LanesView((), (), (), 0, 0)
        self.span = TimeSpan()
        self._marks: list[Mark] = []
        self._spots: list[Spot] = []
        self._traps: list[tuple[Spot, Notch]] = []
        self._dragging = ""

    def show_block(self, view: LanesView) -> None:
        """Show another time; the window follows the playhead."""
        if view.key != self._view.key:
            self.span = TimeSpan()
        self._view = view
        self.span.follow(view)
        self.refresh()

    def forget_window(self) -> None:
        """Choose the part in sight anew, as if nothing had been seen before."""
        self.span = TimeSpan()
        self.span.follow(self._view)
        self.refresh()

    def least_height(self) -> float:
        """Room for every lane and the axis, in layout pixels."""
        return TOP + self._foot() + 22.0 * max(len(self._view.lanes), 1)

    def _foot(self) -> float:
        """Height below the lanes: futures left behind, if any, and the axis."""
        return AXIS + (BRANCHES if self._view.branches else 0.0)

    @property
    def branched(self) -> bool:
        """Futures were left behind, so that there is one more row."""
        return bool(self._view.branches)

    # --- geometry ------------------------------------------------------------------------------------------------

    def _x(self, cycle: float, width: float) -> float:
        return NAMES + (cycle - self.span.start) / self.span.length * (width - NAMES - RIGHT)

    def cycle_at(self, x: float) -> float:
        """The cycle under a layout x."""
        room = self.width() / self.look.zoom - NAMES - RIGHT
        return self.span.start + (x - NAMES) / max(room, 1) * self.span.length

    def moment_at(self, cycle: float) -> Moment | None:
        """The moment at a cycle that has been run: inside a guest's stretch, instructions are spread evenly."""
        stretches = self._view.stretches
        at = bisect_right(stretches, cycle, key=lambda stretch: stretch.start) - 1
        if not stretches:
            return None
        if at < 0:
            return stretches[0].at
        stretch = stretches[at]
        if at + 1 == len(stretches):
            done = int(min(max(cycle, stretch.start), self._view.frontier) - stretch.start)
            return stretch.at if stretch.at.phase else Moment(stretch.at.n + done, 0)
        units = stretches[at + 1].at.n - stretch.at.n
        share = min((cycle - stretch.start) / max(stretch.stop - stretch.start, 1), 1.0)
        return Moment(stretch.at.n + int(units * share), 0) if units and not stretch.at.phase else stretch.at

    # --- picture -------------------------------------------------------------------------------------------------

    def compose(self, width: float, height: float) -> Picture:
        """Set lanes, bars, notches, the part not run yet, the axis and the playhead."""
        self._marks, self._spots, self._traps = [], [], []
        view = self._view
        room = width - NAMES - RIGHT
        if room < 40 or not view.lanes:
            return Picture([], [], height)
        pitch = (height - TOP - self._foot()) / len(view.lanes)
        bar = min(18.0, pitch * 0.64)
        self._background(width, height, pitch)
        first, last = self._visible(view.stretches)
        self._bars(first, last, width, pitch, bar)
        self._notches(width, pitch)
        self._branches(width, height)
        self._axis(width, height)
        self._overview(width, height)
        self._playhead(width, height)
        return Picture(self._marks, self._spots, height)

    def _visible(self, stretches: object) -> tuple[int, int]:
        """Indexes of the stretches that touch the window."""
        series = self._view.stretches
        first = max(bisect_right(series, self.span.start, key=lambda stretch: stretch.start) - 1, 0)
        last = bisect_left(series, self.span.stop, key=lambda stretch: stretch.start)
        return (first, last) if last - first <= MOST else (last - MOST, last)

    def _background(self, width: float, height: float, pitch: float) -> None:
        for at, lane in enumerate(self._view.lanes):
            y = TOP + at * pitch
            self._name(lane, y, pitch)
            self._marks.append(Wire(((NAMES, y + pitch / 2), (width - RIGHT, y + pitch / 2)), "line", 1.0))
        x = self._x(self._view.frontier, width)
        if x < width - RIGHT:
            begin = max(x, NAMES)
            high = height - TOP - self._foot() + 8
            self._marks.append(Area(begin, TOP - 4, width - RIGHT - begin, high, "faint", 0.1, radius=4, base="card2"))
            said = "not run yet"
            if width - RIGHT - begin > fonts.width(said, fonts.SMALL) + 28:
                y = TOP + (high - 28) / 2
                self._marks.append(Words(begin + 16, y, width - RIGHT - begin - 28, 20, said, fonts.SMALL, "dim"))

    def _name(self, lane: Lane, y: float, pitch: float) -> None:
        self._marks.append(Words(18, y, 14, pitch, lane.letter, fonts.MONO_STRONG, lane.role, "center"))
        name = fonts.elided(lane.name, fonts.SMALL, NAMES - 46)
        self._marks.append(Words(38, y, NAMES - 46, pitch, name, fonts.SMALL, "dim"))
        self._spots.append(Spot(18, y, NAMES - 26, pitch, lane.tip or Tip(lane.name), name=lane.name))

    def _bars(self, first: int, last: int, width: float, pitch: float, bar: float) -> None:
        view = self._view
        drawn = [float("-inf")] * len(view.lanes)
        previous: Stretch | None = None
        for stretch in view.stretches[first:last]:
            x = max(self._x(stretch.start, width), NAMES)
            end = min(self._x(min(stretch.stop, view.frontier), width), width - RIGHT)
            if previous is not None and previous.lane != stretch.lane and x - drawn[stretch.lane] > 1:
                self._join(previous.lane, stretch.lane, x, pitch)
            previous = stretch
            if end - drawn[stretch.lane] < 0.75:
                continue
            y = TOP + stretch.lane * pitch + (pitch - bar) / 2
            wide = max(end - x, 3.0)
            lane = view.lanes[stretch.lane]
            role = stretch.role or lane.role
            self._marks.append(Area(x, y, wide, bar, role, BAR, radius=min(4.0, wide / 2), base="card"))
            if wide > 26:
                self._marks.append(Words(x, y, wide, bar, lane.letter, fonts.CAPTION_STRONG, "on-now", "center"))
            drawn[stretch.lane] = end
            said = f"cycles {count(stretch.start)} to {count(stretch.stop)}, from instruction {count(stretch.at.n)}"
            self._spots.append(Spot(x, y, wide, bar, Tip(lane.name, said), name=f"{lane.name} {said}"))

    def _join(self, source: int, target: int, x: float, pitch: float) -> None:
        top, bottom = TOP + (source + 0.5) * pitch, TOP + (target + 0.5) * pitch
        self._marks.append(Wire(((x, top), (x, bottom)), "faint", 1.0))

    def _notches(self, width: float, pitch: float) -> None:
        """Set the traps in sight; those that stand closer than can be told apart, from one lane to another, are one."""
        notches = self._view.notches
        at = bisect_left(notches, self.span.start, key=_cycle)
        last = bisect_right(notches, self.span.stop, key=_cycle)
        near = CROWDED / (width - NAMES - RIGHT) * self.span.length
        crowds: dict[tuple[int, int], tuple[int, int]] = {}
        while at < last:
            stop = bisect_left(notches, notches[at].cycle + near, at + 1, last, key=_cycle)
            # Of a multitude in one place, a few are asked from where to where they lead.
            for index in (*range(at, stop, (stop - at - 1) // LOOKED_AT + 1), stop - 1):
                lanes = notches[index].source, notches[index].target
                crowd = crowds.get(lanes, (index, index))
                if notches[index].cycle - notches[crowd[1]].cycle > 2 * near:
                    self._crowd(crowd[0], crowd[1], width, pitch)
                    crowd = index, index
                crowds[lanes] = crowd[0], index
            at = stop
        for crowd in crowds.values():
            self._crowd(crowd[0], crowd[1], width, pitch)

    def _crowd(self, first: int, last: int, width: float, pitch: float) -> None:
        notch, until = self._view.notches[first], self._view.notches[last].cycle
        x, end = self._x(notch.cycle, width), self._x(until, width)
        top, bottom = TOP + (notch.source + 0.5) * pitch, TOP + (notch.target + 0.5) * pitch
        said, where = notch.text, f"at cycle {count(notch.cycle)}, instruction {count(notch.at.n)}: click to go there"
        if first == last:
            self._marks.append(Wire(((x, top), (x, bottom)), notch.role, 2.0))
        else:
            high = abs(bottom - top)
            self._marks.append(Area(x - 1, min(top, bottom), end - x + 2, high, notch.role, CROWD, base="card"))
            many, known = last - first + 1, self._view.counted
            said = f"{count(many)} of {known}" if known else plural(many, "trap")
            where = f"from cycle {count(notch.cycle)} to {count(until)}: press Ctrl and turn the wheel to see each"
        self._marks.append(Area(x - 3.5, top - 3.5, end - x + 7, 7, notch.role, radius=3.5))
        spot = x - 5, min(top, bottom) - 4, end - x + 10, abs(bottom - top) + 8
        self._spots.append(Spot(*spot, Tip(said, where), name=f"{said} {where}"))
        self._traps.append((self._spots[-1], notch))

    def _branches(self, width: float, height: float) -> None:
        """Set the futures that were left behind: each leaves the present at its fork, and ends where it was seen to."""
        view = self._view
        top = height - self._foot() + 2
        if view.branches:
            said = fonts.elided("left behind", fonts.SMALL, NAMES - 46)
            self._marks.append(Wire(((16, top + 8), (32, top + 8)), "dim", 1.5, dashed=True))
            self._marks.append(Words(38, top, NAMES - 46, 16, said, fonts.SMALL, "dim"))
        for number, branch in enumerate(view.branches):
            x, end = self._x(branch.start, width), self._x(branch.stop, width)
            if end < NAMES or x > width - RIGHT:
                continue
            y = top + 3 + number % BRANCH_ROWS * BRANCH_STEP
            begin, stop = max(x, NAMES), min(max(end, x + 8), width - RIGHT)
            self._marks.append(Wire(((begin, y), (stop, y)), "dim", 1.5, dashed=True))
            if x >= NAMES:
                self._marks.append(Wire(((x, TOP), (x, y)), "dim", 1.0, dashed=True))
                self._marks.append(Area(x - 3, y - 3, 6, 6, "dim", radius=3))
            if end <= width - RIGHT:
                self._marks.append(Wire(((stop, y - 3), (stop, y + 3)), "dim", 1.5))
            tip, said = (
                Tip("A future left behind", f"{branch_words(branch)}: click to take it up"),
                branch_words(branch),
            )
            spot = Spot(begin, y - 4, stop - begin, 8, tip, action=f"{TAKE} {number}", name=f"left behind: {said}")
            self._spots.append(spot)

    def _axis(self, width: float, height: float) -> None:
        y = height - AXIS + 4
        for cycle in self.span.ticks((width - NAMES - RIGHT) / 110):
            x = self._x(cycle, width)
            said = count(cycle)
            wide = fonts.width(said, fonts.CAPTION)
            if x - wide / 2 < NAMES - 8 or x + wide / 2 > width:
                continue
            self._marks.append(Wire(((x, y - 4), (x, y - 1)), "faint", 1.0))
            self._marks.append(Words(x - wide / 2, y, wide, 14, said, fonts.CAPTION, "dim"))
        self._marks.append(Words(38, y, NAMES - 46, 14, "cycles", fonts.CAPTION, "dim"))

    def _overview(self, width: float, height: float) -> None:
        """A thin strip for all that was run, with the window as a thumb; only where the window is a part of it."""
        whole = max(self._view.frontier, 1)
        if self.span.start <= 0 and self.span.stop >= whole:
            return
        room, y = width - NAMES - RIGHT, height - 9
        self._marks.append(Area(NAMES, y, room, 4, "line", radius=2))
        x = NAMES + room * min(self.span.start / whole, 1)
        end = NAMES + room * min(self.span.stop / whole, 1)
        self._marks.append(Area(min(x, end - 14), y - 1, max(end - x, 14), 6, "faint", radius=3))
        at = NAMES + room * min(self._view.now / whole, 1)
        self._marks.append(Area(at - 1, y - 2, 2, 8, "now"))

    def _playhead(self, width: float, height: float) -> None:
        x = self._x(self._view.now, width)
        if NAMES - 1 <= x <= width - RIGHT + 1:
            self._marks.append(Wire(((x, 4), (x, height - AXIS + 2)), "now", 2.0))
            self._marks.append(Sign(x - 7, -1, 14, 12, "fall", "now"))

    # --- pointer and keys ----------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the moment under the pointer; the strip below moves the window."""
        spot = self.spot_at(event.position())
        if spot is not None and spot.action.startswith(TAKE):
            self.futures_menu([int(spot.action.removeprefix(TAKE))]).popup(event.globalPosition().toPoint())
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        _, y = self.to_layout(event.position())
        self._dragging = "strip" if y > self.height() / self.look.zoom - 13 else "head"
        self._drag(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the playhead, or the window."""
        if self._dragging:
            self._drag(event.position())
        else:
            super().mouseMoveEvent(event)
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stop dragging."""
        self._dragging = ""
        event.accept()

    def _drag(self, point: QPointF) -> None:
        x, _ = self.to_layout(point)
        if self._dragging == "strip":
            room = self.width() / self.look.zoom - NAMES - RIGHT
            middle = (x - NAMES) / max(room, 1) * max(self._view.frontier, 1)
            self.span.move_to(middle - self.span.length / 2, self._view.frontier)
            self.refresh()
            return
        spot = self.spot_at(point)
        notch = next((one for held, one in self._traps if held is spot and self._near(one, x)), None)
        moment = notch.at if notch else self.moment_at(min(self.cycle_at(x), self._view.frontier))
        if moment is not None:
            self.sought.emit(moment)

    def futures_menu(self, numbers: Sequence[int]) -> QMenu:
        """Offers to take up futures that were left behind, by their numbers."""
        menu = QMenu(self)
        menu.setObjectName("futures-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for number in numbers:
            action = menu.addAction(f"Take up this future: {branch_words(self._view.branches[number])}")
            action.triggered.connect(lambda _checked=False, chosen=number: self.taken.emit(chosen))
        return menu

    def all_futures(self) -> QMenu:
        """The same for all of them, the latest first."""
        return self.futures_menu(list(reversed(range(len(self._view.branches)))))

    def _near(self, notch: Notch, x: float) -> bool:
        return abs(self._x(notch.cycle, self.width() / self.look.zoom) - x) < 6

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ctrl and wheel zoom about the pointer, the wheel alone scrolls."""
        steps = event.angleDelta().y() / 120 or event.angleDelta().x() / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(0.8**steps, self.cycle_at(self.to_layout(event.position())[0]))
        else:
            self.span.move_to(self.span.start - steps * self.span.length / 8, self._view.frontier)
            self.refresh()
        event.accept()

    def zoom(self, factor: float, about: float | None = None) -> None:
        """Show `factor` times as much time."""
        self.span.zoom(factor, self._view.now if about is None else about, self._view)
        self.refresh()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go from trap to trap, Home and End to the ends, plus and minus zoom."""
        notches, now, key = self._view.notches, self._view.now, event.key()
        if key == Qt.Key.Key_Right and notches:
            at = bisect_right(notches, now, key=lambda notch: notch.cycle)
            self._seek_notch(at)
        elif key == Qt.Key.Key_Left and notches:
            self._seek_notch(bisect_left(notches, now, key=lambda notch: notch.cycle) - 1)
        elif key == Qt.Key.Key_Home:
            self.sought.emit(Moment(0, 0))
        elif key == Qt.Key.Key_End:
            moment = self.moment_at(self._view.frontier)
            if moment is not None:
                self.sought.emit(moment)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Minus):
            self.zoom(0.8 if key == Qt.Key.Key_Plus else 1.25)
        else:
            super().keyPressEvent(event)

    def _seek_notch(self, at: int) -> None:
        if 0 <= at < len(self._view.notches):
            self.sought.emit(self._view.notches[at].at)


def _cycle(notch: Notch) -> int:
    return notch.cycle


def branch_words(branch: Branch) -> str:
    """Which future it is, in a few words."""
    came = f", with {branch.came}" if branch.came else ""
    return f"from instruction {count(branch.at.n)}, seen until {count(branch.until.n)}{came}"
