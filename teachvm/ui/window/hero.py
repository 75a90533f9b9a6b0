"""The picture at the top of the library: what the whole course is about, drawn in the colours it uses."""

from __future__ import annotations

from PySide6.QtCore import Qt

from teachvm.app.presentation import Span
from teachvm.ui.theme import fonts
from teachvm.ui.theme.fonts import Style
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import put
from teachvm.ui.widgets.ink import TINT, Area, Mark, Wire, Words

HIGH = 236.0
LAYERS = (
    ("Guest program", "U", "program"),
    ("Guest kernel", "K", "kernel"),
    ("VMM", "V", "vmm"),
    ("Hardware", "H", "hardware"),
)
RUNS = (
    (0, 90),
    (1, 40),
    (2, 26),
    (1, 60),
    (0, 120),
    (2, 24),
    (0, 70),
    (1, 46),
    (2, 40),
    (3, 26),
    (2, 16),
    (1, 52),
    (0, 96),
)
"""Who runs, and for how long: lane and length."""
SAYS = (
    "Every guest here is real machine code on a simulated PC. It runs; when it does what a guest must not do, it traps;"
    " a monitor does that for it; it runs on. Step through any of it, forwards and backwards."
)


class Hero(Canvas):
    """Says what this is, and shows it: four layers, and control falling through them."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "hero")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("teachvm: see a machine inside a machine. " + SAYS)

    def compose(self, width: float, height: float) -> Picture:
        """Set the words left, and the picture right where there is room for it."""
        marks: list[Mark] = [Area(0, 0, width, HIGH, "", 1.0, "line", 1.0, 14, base="card")]
        pictured = width >= 860
        room = min(width * 0.42, 470.0) if pictured else width - 64
        title = put((Span("See a machine inside a machine", strong=True),), 32, 44, room, 38, Style(28, weight=700))
        marks += title.marks
        marks += put((Span(SAYS, "dim"),), 32, 44 + title.height + 14, room, 22, fonts.BODY).marks
        if pictured:
            marks += self._lanes(32 + room + 40, width - 32)
        return Picture(marks, [], HIGH)

    @staticmethod
    def _lanes(left: float, right: float) -> list[Mark]:
        """One lane per layer, the runs between them, a notch where control falls."""
        marks: list[Mark] = []
        top, pitch, start = 30.0, 46.0, left + 132
        for at, (name, letter, role) in enumerate(LAYERS):
            y = top + at * pitch
            marks.append(Area(left, y + 4, 116, 32, role, TINT, role, 1.0, 8, base="card2", stroke_alpha=0.6))
            marks.append(Words(left + 8, y + 4, 16, 32, letter, fonts.MONO_STRONG, role, "center"))
            marks.append(Words(left + 28, y + 4, 86, 32, name, fonts.CAPTION_STRONG, "text"))
            marks.append(Wire(((start, y + 20), (right, y + 20)), "line", 1.0))
        scale = (right - start) / sum(length for _, length in RUNS)
        x, last = start, -1
        for lane, length in RUNS:
            y, wide = top + lane * pitch, length * scale
            if last >= 0:
                falls = lane > last and lane >= 2 > last
                join = Wire(
                    ((x, top + last * pitch + 20), (x, y + 20)), "trap" if falls else "faint", 2.0 if falls else 1.0
                )
                marks.append(join)
                if falls:
                    marks.append(Area(x - 4, top + last * pitch + 16, 8, 8, "trap", radius=4))
            marks.append(Area(x, y + 11, wide - 1, 18, LAYERS[lane][2], 0.85, radius=4, base="card"))
            x, last = x + wide, lane
        return marks
