"""Prose on a canvas: paragraphs, lists, code, quotations and tables, in the same ink as the cards."""

from __future__ import annotations

from teachvm.app.presentation import Role, Span, Text, plain
from teachvm.app.prose import ProseBlock, blocks, words
from teachvm.ui.theme import fonts
from teachvm.ui.theme.fonts import Style
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import How, natural_width, put
from teachvm.ui.widgets.ink import Area, Mark, Spot, Wire, Words

PITCH = 21.5
GAP = 10.0
INDENT = 20.0


class Prose(Canvas):
    """Lays out Markdown; plain words are in `role`, strong and coloured ones stand out."""

    def __init__(self, look: Look, name: str = "prose", style: Style = fonts.BODY, role: Role = "dim") -> None:
        super().__init__(look, name)
        self._style = style
        self._role = role
        self._markdown = ""
        self._blocks: tuple[ProseBlock, ...] = ()
        self._marks: list[Mark] = []
        self._spots: list[Spot] = []

    def show_markdown(self, markdown: str) -> None:
        """Show other prose."""
        if markdown == self._markdown:
            return
        self._markdown = markdown
        found = blocks(markdown)
        self.setAccessibleName(words(markdown) or self.objectName())
        if found != self._blocks:
            self._blocks = found
            self.forget()
            self.updateGeometry()
            self.update()

    @property
    def _pitch(self) -> float:
        return PITCH * self._style.size / fonts.BODY.size

    def compose(self, width: float, height: float) -> Picture:
        """Set the blocks one below the other."""
        self._marks, self._spots = [], []
        y = 0.0
        previous = ""
        for block in self._blocks:
            if previous:
                y += GAP + 6 if block.kind == "heading" else 4 if block.kind == previous == "item" else GAP
            y += self._block(block, y, width)
            previous = block.kind
        return Picture(self._marks, self._spots, y + 2)

    def _block(self, block: ProseBlock, y: float, width: float) -> float:
        indent = INDENT * block.indent if block.kind in ("item", "code") else 0.0
        if block.kind == "rule":
            self._marks.append(Wire(((0, y + 4), (width, y + 4)), "line", 1.0))
            return 8.0
        if block.kind == "code":
            return self._code(plain(block.text), indent, y, width - indent)
        if block.kind == "table":
            return self._table(block, y, width)
        if block.kind == "heading":
            return self._text(block.text, 0, y, width, fonts.HEADING, "text")
        if block.kind == "quote":
            high = self._text(block.text, 16, y, width - 16, self._style, self._role)
            self._marks.append(Area(0, y + 2, 3, high - 4, "faint", radius=1.5))
            return high
        if block.marker:
            room = INDENT + 4
            self._marks.append(
                Words(indent - INDENT, y, room - 8, self._pitch, block.marker, self._style, "dim", "left")
            )
        return self._text(block.text, indent, y, width - indent, self._style, self._role)

    def _text(self, text: Text, x: float, y: float, room: float, style: Style, role: Role) -> float:
        """Set a paragraph: emphasis is brighter than the words around it, code stands on a patch."""
        inked = tuple(
            Span(
                span.text,
                span.role if span.role != "text" else "text" if span.strong or span.code else role,
                span.strong,
                span.code,
                span.tip,
                span.link,
            )
            for span in text
        )
        laid = put(inked, x, y, room, self._pitch if style == self._style else style.size * 1.45, style, How(chip=4.0))
        small = 0.9
        for at, mark in enumerate(laid.marks):
            if isinstance(mark, Words) and mark.style.code:
                self._marks.append(
                    Area(mark.x - 3, mark.y + 2, mark.w + 6, mark.h - 4, "line", 0.55, radius=5, base="card2")
                )
                shrunk = Style(mark.style.size * small, True, mark.style.weight)
                laid.marks[at] = mark._replace(style=shrunk, align="center")
        self._marks += laid.marks
        self._spots += laid.spots
        return laid.height

    def _code(self, text: str, x: float, y: float, room: float) -> float:
        lines = text.split("\n")
        high = 19.0 * len(lines) + 16
        self._marks.append(Area(x, y, room, high, "", 1.0, "line", 1.0, 8, base="card2"))
        for at, line in enumerate(lines):
            said = fonts.elided(line, fonts.MONO, room - 24)
            top = y + 8 + 19 * at
            self._marks.append(Words(x + 12, top, room - 24, 19, said, fonts.MONO, "text"))
        self._spots.append(Spot(x, y, room, high, None, None, text, name=text))
        return high

    def _table(self, block: ProseBlock, y: float, width: float) -> float:
        columns = max(len(row) for row in block.rows)
        needs = [
            max(natural_width(row[at], fonts.SMALL) for row in block.rows if at < len(row)) + 14
            for at in range(columns)
        ]
        scale = min(1.0, width / sum(needs))
        top = y
        for number, row in enumerate(block.rows):
            x = 0.0
            high = 0.0
            for cell, need in zip(row, needs, strict=False):
                strong = tuple(Span(span.text, "text", True, span.code) for span in cell) if number == 0 else cell
                laid = put(strong, x, y + 4, need * scale - 14 * scale, 19, fonts.SMALL)
                self._marks += laid.marks
                self._spots += laid.spots
                high = max(high, laid.height)
                x += need * scale
            y += high + 8
            self._marks.append(Wire(((0, y - 0.5), (width, y - 0.5)), "line", 1.0))
        return y - top
