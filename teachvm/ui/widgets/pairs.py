"""Named values in columns (what the guest sees, what the hardware holds), and flags as chips."""

from __future__ import annotations

from teachvm.app.presentation import Cell, Chip, ChipsView, Pair, PairSection, PairsView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.ink import TINT, Area, Mark, Spot, Words

ROW = 26.0
PAD = 16.0
GAP = 16.0
ARROW = " ← "


def cell_marks(cell: Cell, x: float, y: float, room: float, row: float) -> tuple[list[Mark], Spot]:
    """Set one value at its column's left edge; a changed one is outlined, with what it was beside it."""
    style = fonts.MONO_STRONG if cell.strong else fonts.MONO
    before = f"{ARROW}{cell.was}" if cell.was is not None else ""
    wide, tail = fonts.width(cell.text, style), fonts.width(before, fonts.MONO)
    if before and wide + tail > room:
        before, tail = "", 0.0
    said = fonts.elided(cell.text, style, room)
    wide = min(wide, fonts.width(said, style))
    marks: list[Mark] = []
    if cell.changed:
        role = cell.role if cell.role not in ("text", "dim") else "now"
        marks.append(Area(x - 5, y + 2, wide + tail + 10, row - 4, role, TINT, role, 1.2, 5))
    marks.append(Words(x, y, wide, row, said, style, cell.role))
    if before:
        marks.append(Words(x + wide, y, tail, row, before, fonts.MONO, "dim"))
    return marks, Spot(
        x - 5, y, wide + tail + 10, row, cell.tip, cell.link, cell.text, cell.value, name=cell.text, edit=cell.alters
    )


class PairsTable(Canvas):
    """Paints a `PairsView`."""

    def __init__(self, look: Look, name: str = "pairs") -> None:
        super().__init__(look, name)
        self._view = PairsView(())

    def show_block(self, view: PairsView) -> None:
        """Show other values; what differs is repainted."""
        if view != self._view:
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Set the sections; columns line up across all of them."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        edges = self._edges(width)
        y = 2.0
        for section in self._view.sections:
            y = self._section(section, y, width, edges, marks, spots)
        return Picture(marks, spots, y + 6)

    def _edges(self, width: float) -> list[float]:
        """Left edges of the value columns, and the right edge of the last."""
        rows = [row for section in self._view.sections for row in section.rows]
        names = max((fonts.width(row.name, fonts.MONO) for row in rows), default=0.0)
        many = max((len(row.cells) for row in rows), default=1)
        first = PAD + max(names, 44.0) + GAP
        edges = [first]
        for wide in self._widths(rows, many, width - PAD / 2 - first):
            edges.append(edges[-1] + wide)
        return edges

    def _widths(self, rows: list[Pair], many: int, room: float) -> list[float]:
        """Widths of the value columns; where room is short headings give way before values, then all in proportion."""
        values = [self._value(rows, at) + GAP for at in range(many)]
        needs = [max(value, self._heading(at) + GAP) for at, value in enumerate(values)]
        if sum(needs) <= room:
            return [need + (room - sum(needs)) / many for need in needs]
        if sum(values) <= room:
            share = (room - sum(values)) / (sum(needs) - sum(values))
            return [value + (need - value) * share for value, need in zip(values, needs, strict=True)]
        return [value * max(30.0 * many, room) / sum(values) for value in values]

    def _value(self, rows: list[Pair], at: int) -> float:
        texts = (row.cells[at] for row in rows if at < len(row.cells))
        return max((fonts.width(cell.text, fonts.MONO_STRONG) for cell in texts), default=0.0)

    def _heading(self, at: int) -> float:
        heads = (section.headings[at].upper() for section in self._view.sections if at < len(section.headings))
        return max((fonts.width(text, fonts.CAPTION_STRONG) for text in heads), default=0.0)

    def _section(
        self, section: PairSection, y: float, width: float, edges: list[float], marks: list[Mark], spots: list[Spot]
    ) -> float:
        if section.title:
            title = fonts.elided(section.title.upper(), fonts.CAPTION_STRONG, width - 2 * PAD)
            marks.append(Words(PAD, y + 2, width - 2 * PAD, 22, title, fonts.CAPTION_STRONG, "dim"))
            y += 26
        if section.headings:
            rooms = [edges[at + 1] - edges[at] - 6 for at, _ in enumerate(section.headings)]
            loud = all(
                fonts.width(heading.upper(), fonts.CAPTION_STRONG) <= room
                for heading, room in zip(section.headings, rooms, strict=True)
            )
            for at, (heading, room) in enumerate(zip(section.headings, rooms, strict=True)):
                said = heading.upper() if loud else fonts.elided(heading, fonts.CAPTION_STRONG, room)
                marks.append(Words(edges[at], y, room, 22, said, fonts.CAPTION_STRONG, "dim"))
            y += 23
        if section.tint:
            marks.append(Area(0, y, width, ROW * len(section.rows), section.tint, TINT))
        for row in section.rows:
            name = fonts.elided(row.name, fonts.MONO, edges[0] - PAD - 6)
            marks.append(Words(PAD, y, edges[0] - PAD - 6, ROW, name, fonts.MONO, "dim"))
            values = ", ".join(cell.text for cell in row.cells)
            spots.append(Spot(PAD, y, edges[0] - PAD - 6, ROW, row.tip, copy=row.name, name=f"{row.name}: {values}"))
            for at, cell in enumerate(row.cells):
                made, spot = cell_marks(cell, edges[at], y, edges[at + 1] - edges[at] - 8, ROW)
                marks += made
                spots.append(spot._replace(name=f"{row.name} {cell.text}"))
            y += ROW
        return y + 4


class Chips(Canvas):
    """Paints a `ChipsView`."""

    def __init__(self, look: Look, name: str = "chips") -> None:
        super().__init__(look, name)
        self._view = ChipsView("", ())

    def show_block(self, view: ChipsView) -> None:
        """Show other flags."""
        if view != self._view:
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Set the chips in rows."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        y = 2.0
        if self._view.title:
            marks.append(Words(PAD, y, width - 2 * PAD, 22, self._view.title, fonts.CAPTION_STRONG, "dim"))
            y += 26
        x = PAD
        for chip in self._view.chips:
            wide = fonts.width(chip.name, fonts.MONO_SMALL) + 14
            if x + wide > width - PAD and x > PAD:
                x, y = PAD, y + 28
            self._chip(chip, x, y, wide, marks, spots)
            x += wide + 6
        return Picture(marks, spots, y + 34)

    @staticmethod
    def _chip(chip: Chip, x: float, y: float, wide: float, marks: list[Mark], spots: list[Spot]) -> None:
        if chip.changed:
            role = chip.role if chip.role not in ("text", "dim") else "now"
            marks.append(Area(x, y, wide, 22, role, TINT, role, 1.4, 5))
        elif chip.on:
            marks.append(Area(x, y, wide, 22, "", 1.0, "dim", 1.0, 5))
            role = chip.role
        else:
            marks.append(Area(x, y, wide, 22, "", 1.0, "line", 1.0, 5))
            role = "dim"
        marks.append(Words(x + 7, y, wide - 14, 22, chip.name, fonts.MONO_SMALL, role))
        state = ("set" if chip.on else "clear") + (", changed" if chip.changed else "")
        value = chip.value if chip.alters else None
        name = f"{chip.name} {state}"
        spots.append(Spot(x, y, wide, 22, chip.tip, None, chip.name, value, name=name, edit=chip.alters))
