"""The two type families, the five sizes, and how wide a text is.

Both families come as package dependencies and are loaded from their files: no system font is assumed. Contextual
alternates are off (no ligatures in `->` or `!=`, no `×` between digits), zeros are slashed in code, nothing is hinted.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import fontpkg_inter
import fontpkg_jetbrains_mono
from PySide6.QtGui import QFont, QFontDatabase, QFontMetricsF, QRawFont

PROSE = "Inter"
CODE = "JetBrains Mono"

UNIT = 2
"""Fonts are made this many times too large and painted smaller: Qt's pixel sizes are whole, ours are not."""


class Style(NamedTuple):
    """How a run of text is set; `size` in pixels at zoom 1."""

    size: float
    code: bool = False
    weight: int = 400


TITLE = Style(21, weight=700)
HEADING = Style(15, weight=700)
BODY = Style(14)
NAME = Style(14, weight=600)
SMALL = Style(12.5)
SMALL_STRONG = Style(12.5, weight=600)
CAPTION = Style(11)
CAPTION_STRONG = Style(11, weight=600)
MONO = Style(12.5, code=True)
MONO_STRONG = Style(12.5, code=True, weight=700)
MONO_SMALL = Style(11, code=True)


class MissingFontError(Exception):
    """A font file of the package dependencies is not where it should be, or is no font."""


def load() -> None:
    """Make both families known to Qt; does nothing when they already are.

    Raises:
        MissingFontError: A font file is absent or damaged.
    """
    known = set(QFontDatabase.families())
    for family, package in ((PROSE, fontpkg_inter), (CODE, fontpkg_jetbrains_mono)):
        if family in known:
            continue
        files = sorted(Path(package.ROOT, "files").glob("*.ttf"))
        if not files or any(QFontDatabase.addApplicationFont(str(file)) < 0 for file in files):
            raise MissingFontError(f"the fonts of {family} are missing or damaged: reinstall {package.__name__}")


def _dressed(code: bool, weight: int) -> QFont:
    font = QFont(CODE if code else PROSE)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    # The axis alone: with a weight as well, Qt would embolden the bold once more.
    font.setVariableAxis(QFont.Tag("wght"), weight)
    font.setFeature(QFont.Tag("calt"), 0)
    if code:
        font.setFeature(QFont.Tag("zero"), 1)
        font.setStyleHint(QFont.StyleHint.Monospace)
    return font


@lru_cache(maxsize=128)
def font(style: Style) -> QFont:
    """The font of a style for painting on a canvas, `UNIT` times too large."""
    made = _dressed(style.code, style.weight)
    made.setPixelSize(round(style.size * UNIT))
    return made


def widget_font(style: Style, zoom: float) -> QFont:
    """The font of a style for a Qt widget, at the nearest whole pixel."""
    made = _dressed(style.code, style.weight)
    made.setPixelSize(pixels(style.size, zoom))
    return made


def pixels(size: float, zoom: float) -> int:
    """A length at a zoom, to the nearest whole pixel, halves up."""
    return int(size * zoom + 0.5)


@lru_cache(maxsize=128)
def _metrics(style: Style) -> QFontMetricsF:
    return QFontMetricsF(font(style))


@lru_cache(maxsize=65536)
def width(text: str, style: Style) -> float:
    """Advance width of a text in pixels at zoom 1."""
    return _metrics(style).horizontalAdvance(text) / UNIT


@lru_cache(maxsize=128)
def cap_height(style: Style) -> float:
    """Height of a capital letter in pixels at zoom 1."""
    return _metrics(style).capHeight() / UNIT


@lru_cache(maxsize=16384)
def elided(text: str, style: Style, room: float) -> str:
    """The text if it fits into `room` pixels, else its longest start with an ellipsis."""
    if width(text, style) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", style) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


@lru_cache(maxsize=2)
def _raw(code: bool) -> QRawFont:
    return QRawFont.fromFont(_dressed(code, 400))


def missing_glyphs(text: str, code: bool) -> str:
    """Characters of a text that its family cannot draw; spaces need no glyph."""
    raw = _raw(code)
    return "".join(sorted({char for char in text if not char.isspace() and not raw.supportsCharacter(ord(char))}))
