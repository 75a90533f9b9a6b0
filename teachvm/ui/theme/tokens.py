"""The token table: every colour of every theme, and the arithmetic of contrast.

Roles are those of `teachvm.app.wording`, plus surfaces. Hue is never the only sign: a letter, an icon, an outline or a
pattern says the same thing.

Source: WCAG 2.2, relative luminance and contrast ratio; the hues start from Okabe and Ito's palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["dark", "light", "contrast"]

# role            dark       light      high contrast
TABLE: dict[str, tuple[str, str, str]] = {
    "program":    ("#56b4e9", "#0072b2", "#7cc8ff"),
    "kernel":     ("#c58be0", "#8a3fb0", "#dfb0ff"),
    "vmm":        ("#f0a92b", "#9a5b00", "#ffc24d"),
    "hardware":   ("#8795a9", "#5b6878", "#c8d2e0"),
    "trap":       ("#ff6b4a", "#c93a12", "#ff9a80"),
    "good":       ("#2fbf8f", "#00795a", "#4fe3b0"),
    "now":        ("#6ea8fe", "#1f62d0", "#a6caff"),
    "text":       ("#e6ebf2", "#18202b", "#ffffff"),
    "dim":        ("#93a1b5", "#56637a", "#d3dbe6"),
    "faint":      ("#5d6b80", "#8c98ab", "#a9b4c3"),
    "line":       ("#2a3442", "#d9e0e9", "#8b96a5"),
    "card":       ("#161c25", "#ffffff", "#000000"),
    "card2":      ("#1c2430", "#f6f8fb", "#0d1117"),
    "background": ("#0f1319", "#eef1f5", "#000000"),
    "on-now":     ("#0b1220", "#ffffff", "#000000"),
}  # fmt: skip

THEME_NAMES: tuple[ThemeName, ...] = ("dark", "light", "contrast")

TINT: dict[ThemeName, float] = {"dark": 0.14, "light": 0.07, "contrast": 0.20}
"""How much of a role is mixed into a surface behind a badge, a current line, a tinted section."""

READABLE = ("text", "dim", "program", "kernel", "vmm", "hardware", "trap", "good", "now")
"""Roles that may colour text; `faint` and `line` are ornament."""

AA = 4.5
"""Least contrast ratio of body text."""


def channels(colour: str) -> tuple[int, int, int]:
    """Split `#rrggbb` into red, green and blue, 0..255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(over: str, under: str, share: float) -> str:
    """Lay `share` (0..1) of one colour over another."""
    blended = (round(a * share + b * (1 - share)) for a, b in zip(channels(over), channels(under), strict=True))
    return "#" + "".join(f"{value:02x}" for value in blended)


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, 0..1."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1..21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@dataclass(frozen=True, slots=True)
class Theme:
    """One column of the table."""

    name: ThemeName
    colours: dict[str, str]
    tint: float

    def __getitem__(self, role: str) -> str:
        """Colour of a role or surface, `#rrggbb`."""
        return self.colours[role]

    def tinted(self, role: str, surface: str = "card", share: float | None = None) -> str:
        """Opaque colour of a surface with a role's tint on it."""
        return mix(self.colours[role], self.colours[surface], self.tint if share is None else share)

    @property
    def dark(self) -> bool:
        """Light text on a dark surface."""
        return luminance(self.colours["card"]) < 0.5


THEMES: dict[ThemeName, Theme] = {
    name: Theme(name, {role: values[at] for role, values in TABLE.items()}, TINT[name])
    for at, name in enumerate(THEME_NAMES)
}
