"""Setting rich text into lines: spans in, marks and spots out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from teachvm.app.presentation import Align, Badge, Span, Text
from teachvm.ui.theme import fonts
from teachvm.ui.theme.fonts import Style
from teachvm.ui.widgets.ink import TINT, Area, Mark, Sign, Spot, Words, badge_width

_PIECES = re.compile(r"\b[0-9a-f]{4} [0-9a-f]{4}\b\S*|\s+|\S+")
"""Blanks and words; a grouped 32-bit value is one word."""


class Run(NamedTuple):
    """A part of a span that stands on one line, `x` pixels from its start."""

    x: float
    text: str
    style: Style
    span: Span


Line = list[Run]


class _Piece(NamedTuple):
    """A word, a blank, or a part of a word."""

    text: str
    style: Style
    span: Span
    wide: float
    side: float = 0.0


class How(NamedTuple):
    """Most lines (0: as many as it takes; what does not fit ends in an ellipsis), room beside code, alignment."""

    lines: int = 0
    chip: float = 0.0
    align: Align = "left"


class Laid(NamedTuple):
    """Set text, ready to be painted."""

    marks: list[Mark]
    spots: list[Spot]
    height: float


def styled(span: Span, style: Style) -> Style:
    """The style of a span inside text of a base style."""
    return _styled(style, span.code, span.strong) if span.code or span.strong else style


@lru_cache(maxsize=256)
def _styled(style: Style, code: bool, strong: bool) -> Style:
    return Style(style.size, code or style.code, max(style.weight, 600) if strong else style.weight)


def _pieces(text: Text, style: Style, room: float, chip: float) -> list[_Piece]:
    """Words and blanks with their widths; what is wider than a line is cut, code keeps `chip` pixels at its sides."""
    pieces = []
    for span in text:
        its = styled(span, style)
        padded = fonts.width(span.text, its) + 2 * chip
        if chip and span.code and padded <= room:
            pieces.append(_Piece(span.text, its, span, padded, chip))
            continue
        for whole in _PIECES.findall(span.text):
            piece = whole
            while len(piece) > 1 and fonts.width(piece, its) > room:
                fit = next((n for n in range(len(piece) - 1, 1, -1) if fonts.width(piece[:n], its) <= room), 1)
                pieces.append(_Piece(piece[:fit], its, span, fonts.width(piece[:fit], its)))
                piece = piece[fit:]
            pieces.append(_Piece(piece, its, span, fonts.width(piece, its)))
    return pieces


def broken(text: Text, style: Style, room: float, chip: float = 0.0) -> list[Line]:
    """Break text into lines no wider than `room`; a word that goes on in the next span is not broken there."""
    lines: list[Line] = [[]]
    x = 0.0
    word: list[_Piece] = []
    gap: list[_Piece] = []

    def settle() -> None:
        nonlocal x
        long = sum(piece.wide for piece in word)
        if lines[-1] and x + sum(piece.wide for piece in gap) + long > room + 0.01:
            lines.append([])
            x = 0.0
        for piece in [*(gap if lines[-1] else []), *word]:
            if x + piece.wide > room + 0.01 and lines[-1]:
                lines.append([])
                x = 0.0
            lines[-1].append(Run(x + piece.side, piece.text, piece.style, piece.span))
            x += piece.wide
        word.clear()
        gap.clear()

    for piece in _pieces(text, style, room, chip):
        if piece.text.isspace():
            if word:
                settle()
            gap.append(piece)
            if "\n" in piece.text and lines[-1]:
                gap.clear()
                lines.append([])
                x = 0.0
        else:
            word.append(piece)
    if word:
        settle()
    return lines


def _joined(line: Line) -> Line:
    """Neighbouring runs of one span as one run, so that there are fewer things to paint."""
    joined: Line = []
    for run in line:
        if joined and joined[-1].span is run.span:
            joined[-1] = joined[-1]._replace(text=joined[-1].text + run.text)
        else:
            joined.append(run)
    return joined


def _line_width(line: Line) -> float:
    return line[-1].x + fonts.width(line[-1].text, line[-1].style) if line else 0.0


def put(
    text: Text,
    x: float,
    y: float,
    room: float,
    pitch: float,
    style: Style,
    how: How | None = None,
) -> Laid:
    """Set text at (x, y) in lines `pitch` apart."""
    lines, chip, align = how or How()
    marks: list[Mark] = []
    spots: list[Spot] = []
    set_lines = [_joined(line) for line in broken(text, style, room, chip)]
    if lines and len(set_lines) > lines:
        set_lines = set_lines[:lines]
        last = set_lines[-1][-1]
        cut = fonts.elided(last.text + " …", last.style, room - last.x)
        set_lines[-1][-1] = last._replace(text=cut if cut.endswith("…") else last.text)
    for row, line in enumerate(set_lines):
        slack = room - _line_width(line)
        shift = {"left": 0.0, "center": slack / 2, "right": slack}[align]
        for run in line:
            wide = fonts.width(run.text, run.style)
            at = (x + shift + run.x, y + row * pitch)
            marks.append(Words(*at, wide, pitch, run.text, run.style, run.span.role))
            if run.span.tip or run.span.link:
                spots.append(Spot(*at, wide, pitch, run.span.tip, run.span.link, run.text, name=run.text))
    return Laid(marks, spots, len(set_lines) * pitch)


def natural_width(text: Text, style: Style) -> float:
    """Width of a text on one line."""
    return sum(fonts.width(span.text, styled(span, style)) for span in text)


def put_line(text: Text, x: float, y: float, room: float, high: float, style: Style, align: Align = "left") -> Laid:
    """Set text on one line; the last span that fits is cut with an ellipsis."""
    marks: list[Mark] = []
    spots: list[Spot] = []
    at = x
    if align != "left":
        slack = max(0.0, room - natural_width(text, style))
        at += slack / 2 if align == "center" else slack
    end = x + room
    for span in text:
        its = styled(span, style)
        said = fonts.elided(span.text, its, end - at + 0.05)
        if not said:
            break
        wide = fonts.width(said, its)
        marks.append(Words(at, y, wide, high, said, its, span.role))
        if span.tip or span.link or said != span.text:
            spots.append(Spot(at, y, wide, high, span.tip, span.link, span.text, name=span.text))
        at += wide
    return Laid(marks, spots, high)


def put_badge(badge: Badge, right: float, middle: float) -> Laid:
    """Set a badge that ends at `right`, centred on `middle`."""
    wide = badge_width(badge.text, bool(badge.icon))
    x, y, high = right - wide, middle - 9, 18.0
    marks: list[Mark] = [
        Area(x, y, wide, high, badge.role, TINT, badge.role, 1.0, 9, base="card", stroke_alpha=0.4),
    ]
    text_x = x + 8
    if badge.icon:
        marks.append(Sign(x + 7, y + 3, 12, 12, badge.icon, badge.role))
        text_x += 15
    marks.append(Words(text_x, y, x + wide - 8 - text_x, high, badge.text, fonts.CAPTION_STRONG, badge.role))
    return Laid(marks, [Spot(x, y, wide, high, badge.tip, None, badge.text, name=badge.text)], high)
