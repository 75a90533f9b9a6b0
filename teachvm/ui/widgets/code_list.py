"""A listing of instructions: address, bytes, text and class, the current line, and the phases of a trap inside it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from PySide6.QtCore import QRect, QRectF, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent

from teachvm.app.notation import hex32
from teachvm.app.presentation import (
    Badge,
    CodeLabel,
    CodeLine,
    CodeRow,
    CodeView,
    PhaseBlock,
    PhaseStep,
    Place,
    Span,
    Tip,
)
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put, put_badge, put_line
from teachvm.ui.widgets.ink import TINT, Area, Edge, Mark, Sign, Spot, Words, badge_width

ROW = 26.0
GUTTER = 40.0
LABEL_GAP = 6.0
PAD = 14.0
BYTES_MOST = 21
"""Characters of the bytes column: seven bytes; longer instructions end in an ellipsis."""
BYTES_LEAST = 14
"""With less room than for five bytes, or all there are, the column is left out."""
STEP_PITCH = 20.0


class _Chunk(NamedTuple):
    """A row that was set, to be used again while it stays where it is: most rows do, from step to step."""

    row: CodeRow
    marks: list[Mark]
    spots: list[Spot]
    height: float


class CodeList(Canvas):
    """Paints a `CodeView`. `break_toggled` carries a clicked gutter's address, `reveal` where the current line is."""

    break_toggled = Signal(int)
    reveal = Signal(QRect)

    def __init__(self, look: Look, name: str = "code-list") -> None:
        super().__init__(look, name)
        self._view = CodeView(())
        self._marks: list[Mark] = []
        self._spots: list[Spot] = []
        self._current: QRectF | None = None
        self._chunks: dict[float, _Chunk] = {}
        self._frame: object = None
        self.acted.connect(lambda action: self.break_toggled.emit(int(action)))

    def show_block(self, view: CodeView) -> None:
        """Show a listing, with its current line in sight."""
        if view != self._view:
            self._view = view
            self.refresh()
        self.reveal_current()

    def reveal_current(self) -> None:
        """Ask for the current line to be scrolled into sight."""
        if self.isVisible() and self.picture and self._current is not None:
            self.reveal.emit(self.to_pixels(self._current))

    def selected_address(self) -> int | None:
        """The instruction chosen by keyboard, else the current one."""
        spots = self.picture.spots
        if 0 <= self._chosen < len(spots):
            y = spots[self._chosen].y
            near = next((spot for spot in spots if spot.action and spot.y <= y < spot.y + ROW), None)
            if near is not None:
                return int(near.action)
        lines = (row for row in self._view.rows if isinstance(row, CodeLine))
        return next((line.address for line in lines if line.current), None)

    def compose(self, width: float, height: float) -> Picture:
        """Set the rows one below the other."""
        columns = self._columns(width)
        frame = (width, columns, self._view.breakable)
        old, self._chunks = self._chunks if frame == self._frame else {}, {}
        self._frame = frame
        self._current = None
        marks: list[Mark] = []
        spots: list[Spot] = []
        y = 4.0
        for row in self._view.rows:
            if isinstance(row, CodeLabel) and y > 4:
                y += LABEL_GAP
            chunk = old.get(y)
            if chunk is None or chunk.row != row:
                chunk = self._chunk(row, y, width, columns)
            self._chunks[y] = chunk
            marks += chunk.marks
            spots += chunk.spots
            self._place_current(row, y, chunk.height, width)
            y += chunk.height
        return Picture(marks, spots, y + 6)

    def _chunk(self, row: CodeRow, y: float, width: float, columns: tuple[float, float, float]) -> _Chunk:
        """Set one row."""
        self._marks, self._spots = [], []
        high = ROW
        if isinstance(row, CodeLabel):
            self._label(row, y, width)
        elif isinstance(row, CodeLine):
            self._line(row, y, width, columns)
        else:
            high = self._phases(row, y, width)
        return _Chunk(row, self._marks, self._spots, high)

    def _place_current(self, row: CodeRow, y: float, high: float, width: float) -> None:
        """Note where the current line is, with a line before it and its phases."""
        if isinstance(row, CodeLine) and row.current:
            self._current = QRectF(0, y - ROW, width, ROW * 4)
        elif isinstance(row, PhaseBlock) and self._current is not None:
            self._current.setBottom(max(self._current.bottom(), y + high))

    def _columns(self, width: float) -> tuple[float, float, float]:
        """Left edges of bytes and text, and the width of the bytes column (0: left out)."""
        digit = fonts.width("0", fonts.MONO)
        lines = [row for row in self._view.rows if isinstance(row, CodeLine)]
        longest = min(max((len(line.code) for line in lines), default=0), BYTES_MOST)
        text = max((self._text_width(line) for line in lines), default=0.0)
        code_x = GUTTER + digit * 9 + 24
        room = width - code_x - 18 - text
        wide = digit * longest if room >= digit * longest else digit * int(max(room, 0) / digit)
        if wide < digit * min(longest, BYTES_LEAST):
            return code_x, code_x, 0.0
        return code_x, code_x + wide + 18, wide

    @staticmethod
    def _text_width(line: CodeLine) -> float:
        badge = badge_width(line.badge.text, bool(line.badge.icon)) + PAD + 10 if line.badge else PAD
        operands = "".join(span.text for span in line.operands)
        return fonts.width(f"{line.mnemonic} {operands}", fonts.MONO) + badge

    def _label(self, row: CodeLabel, y: float, width: float) -> None:
        name = fonts.elided(f"{row.name}:", fonts.MONO_STRONG, width - GUTTER - PAD)
        wide = fonts.width(name, fonts.MONO_STRONG)
        self._marks.append(Words(GUTTER, y, wide, ROW, name, fonts.MONO_STRONG, "kernel"))
        self._spots.append(Spot(GUTTER, y, wide, ROW, row.tip, None, row.name, name=row.name))

    def _line(self, row: CodeLine, y: float, width: float, columns: tuple[float, float, float]) -> None:
        code_x, text_x, code_room = columns
        marks = self._marks
        if row.current:
            role = "trap" if row.trapping else "now"
            marks += [
                Area(0, y, width, ROW, role, TINT),
                Area(0, y, 3, ROW, role),
                Sign(15, y + 8, 10, 10, "current", role),
            ]
        if row.breakpoint:
            at = 3.0 if row.current else 14.0
            marks.append(Sign(at, y + 7, 12, 12, "breakpoint", "trap"))
        if self._view.breakable:
            said = "Remove the breakpoint" if row.breakpoint else "Set a breakpoint here"
            tip = Tip("Breakpoint", f"{said} (F9 on the current line).")
            name = f"{said}: {hex32(row.address)}"
            self._spots.append(Spot(0, y, GUTTER - 4, ROW, tip, action=str(row.address), name=name))
        address = hex32(row.address)
        wide = fonts.width(address, fonts.MONO)
        marks.append(Words(GUTTER, y, wide, ROW, address, fonts.MONO, "dim"))
        place = Place("linear", row.address)
        self._spots.append(
            Spot(GUTTER, y, wide, ROW, Tip("Linear address"), place, address, row.address, name=f"address {address}")
        )
        if code_room:
            said = fonts.elided(row.code, fonts.MONO, code_room + 0.1)
            marks.append(Words(code_x, y, code_room, ROW, said, fonts.MONO, "dim"))
            tip = Tip("Bytes", row.code)
            self._spots.append(Spot(code_x, y, code_room, ROW, tip, copy=row.code, name=f"bytes {row.code}"))
        self._instruction(row, text_x, y, width)

    def _instruction(self, row: CodeLine, x: float, y: float, width: float) -> None:
        end = width - PAD
        if row.badge:
            end = self._badge(row.badge, x + self._text_width(replace(row, badge=None)) - PAD, end, y)
        text = (Span(row.mnemonic + (" " if row.operands else ""), "now", code=True), *row.operands)
        code = tuple(Span(span.text, span.role, span.strong, True, span.tip, span.link) for span in text)
        laid = put_line(code, x, y, end - x, ROW, fonts.MONO)
        self._marks += laid.marks
        whole = row.mnemonic + " " + "".join(span.text for span in row.operands)
        self._spots.append(Spot(x, y, max(end - x, 0), ROW, row.tip, copy=whole.strip(), name=whole.strip()))
        self._spots += laid.spots

    def _badge(self, badge: Badge, text_end: float, end: float, y: float) -> float:
        """Set a line's badge, in fewer words where the instruction needs room; returns where the text has to end."""
        shorter = [badge.text, badge.text.partition(" · ")[0], ""]
        fits = (words for words in shorter if text_end + 8 + badge_width(words, bool(badge.icon)) <= end)
        said = next(fits, "" if badge.icon else badge.text)
        laid = put_badge(replace(badge, text=said), end, y + ROW / 2)
        self._marks += laid.marks
        self._spots += [spot._replace(copy=badge.text, name=badge.text) for spot in laid.spots]
        return end - badge_width(said, bool(badge.icon)) - 8

    def _phases(self, block: PhaseBlock, y: float, width: float) -> float:
        """Set the phases of a trap; returns the height used."""
        x, room = GUTTER, width - GUTTER - PAD
        marks: list[Mark] = []
        top = y + 6
        at = top + 8
        for number, step in enumerate(block.steps, 1):
            at += self._step(marks, number, step, x + 22, at, room - 34)
        high = at + 8 - top
        self._marks += [
            Area(x, top, room, high, block.role, TINT, radius=6),
            Edge(x, top, room, high, block.role, 3, 3),
            *marks,
        ]
        return high + 14

    def _step(self, marks: list[Mark], number: int, step: PhaseStep, x: float, y: float, room: float) -> float:
        ahead, now = step.progress == "ahead", step.progress == "now"
        role = "dim" if ahead else "text"
        marks.append(Words(x, y, 10, STEP_PITCH, str(number), fonts.SMALL_STRONG, "now" if now else role))
        if now:
            marks.append(Sign(x - 13, y + 6, 8, 8, "current", "now"))
        text = step.text
        if ahead:
            text = tuple(Span(span.text, "dim", False, span.code, span.tip, span.link) for span in text)
        laid = put(text, x + 16, y, room - 16, STEP_PITCH, fonts.SMALL)
        marks += laid.marks
        words = "".join(span.text for span in text)
        state = {"done": "done", "now": "now", "ahead": "to come"}[step.progress]
        self._spots.append(Spot(x, y, room, laid.height, None, step.link, words, name=f"{number}. {words} ({state})"))
        self._spots += laid.spots
        return laid.height

    def showEvent(self, event: QShowEvent) -> None:
        """Once laid out, bring the current line into sight."""
        super().showEvent(event)
        self.reveal_current()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The current line moved with the width."""
        super().resizeEvent(event)
        self.reveal_current()
