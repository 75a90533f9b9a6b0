"""A grid of memory: addresses, units, text, marks around fields, changed units."""

from __future__ import annotations

from teachvm.app.notation import hex32
from teachvm.app.presentation import HexMark, HexRow, HexView, Place, Tip, plain
from teachvm.app.wording import Editable
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.flow import natural_width, put_line
from teachvm.ui.widgets.ink import TINT, Area, Mark, Spot, Words

ROW = 24.0
PAD = 16.0


class HexGrid(Canvas):
    """Paints a `HexView`; the text column goes first where there is little room, then the notes."""

    def __init__(self, look: Look, name: str = "memory") -> None:
        super().__init__(look, name)
        self._view = HexView(())
        self._marks: list[Mark] = []
        self._spots: list[Spot] = []
        self._top = 4.0

    def show_block(self, view: HexView) -> None:
        """Show other memory; what differs is repainted."""
        if view != self._view:
            self._view = view
            self.refresh()

    @property
    def _digit(self) -> float:
        return fonts.width("0", fonts.MONO)

    def _unit_x(self, at: int) -> float:
        """Left edge of a unit; bytes have a wider gap after every fourth."""
        extra = at // 4 if self._view.unit_bytes == 1 else 0
        step = 2 * self._view.unit_bytes + 1 + (0 if self._view.unit_bytes == 1 else 1)
        return PAD + self._digit * (9 + 2 + at * step + extra)

    def compose(self, width: float, height: float) -> Picture:
        """Set the rows, then the boxes around fields."""
        self._marks, self._spots = [], []
        self._top = 4.0
        view = self._view
        if view.title:
            title = fonts.elided(view.title, fonts.CAPTION_STRONG, width - 2 * PAD)
            self._marks.append(Words(PAD, 2, width - 2 * PAD, 22, title, fonts.CAPTION_STRONG, "dim"))
            self._top = 28.0
        rows = self._folded(width)
        per_row = len(rows[0].units) if rows else 0
        text_x = self._unit_x(per_row) + self._digit if per_row else PAD
        for mark in view.marks:
            self._mark(mark, per_row, rows)
        for at, row in enumerate(rows):
            self._row(row, self._top + at * ROW, width, text_x)
        return Picture(self._marks, self._spots, self._top + len(rows) * ROW + 8)

    def _folded(self, width: float) -> tuple[HexRow, ...]:
        """The rows, each cut in two as often as it takes to fit; notes stay with the first part."""
        rows, size = self._view.rows, self._view.unit_bytes
        while rows and len(rows[0].units) > 2 and self._unit_x(len(rows[0].units)) > width:
            half = len(rows[0].units) // 2
            cut: list[HexRow] = []
            for row in rows:
                low = frozenset(at for at in row.changed if at < half)
                high = frozenset(at - half for at in row.changed if at >= half)
                cut.append(HexRow(row.address, row.units[:half], row.text[:half], row.note, low))
                cut.append(HexRow(row.address + half * size, row.units[half:], row.text[half:], (), high))
            rows = tuple(cut)
        return rows

    def _row(self, row: HexRow, y: float, width: float, text_x: float) -> None:
        address = hex32(row.address)
        wide = fonts.width(address, fonts.MONO)
        place = Place(self._view.space, row.address, self._view.vm)
        self._marks.append(Words(PAD, y, wide, ROW, address, fonts.MONO, "dim"))
        tip = Tip("Address", f"{self._view.space} {address}")
        self._spots.append(Spot(PAD, y, wide, ROW, tip, place, address, row.address, name=address))
        for at, unit in enumerate(row.units):
            self._unit(row, at, unit, y)
        end = text_x
        chars = fonts.width(row.text, fonts.MONO)
        if row.text and text_x + chars <= width - PAD / 2:
            self._marks.append(Words(text_x, y, chars, ROW, row.text, fonts.MONO, "dim"))
            end += chars + 2 * self._digit
        if row.note and min(natural_width(row.note, fonts.SMALL), 90) <= width - PAD / 2 - end:
            laid = put_line(row.note, end, y, width - PAD / 2 - end, ROW, fonts.SMALL)
            self._marks += laid.marks
            self._spots += laid.spots

    def _unit(self, row: HexRow, at: int, unit: str, y: float) -> None:
        x = self._unit_x(at)
        digits = unit or "·" * 2 * self._view.unit_bytes
        wide = fonts.width(digits, fonts.MONO)
        changed = at in row.changed
        if changed:
            self._marks.append(Area(x - 3, y + 3, wide + 6, ROW - 6, "now", TINT, "now", 1.0, 4))
        role = "now" if changed else "text" if unit else "faint"
        style = fonts.MONO_STRONG if changed else fonts.MONO
        self._marks.append(Words(x, y, wide, ROW, digits, style, role))
        address = row.address + at * self._view.unit_bytes
        value = int(unit, 16) if unit else None
        tip = Tip(hex32(address), "" if unit else "nothing is mapped here")
        view, edit = self._view, None
        if view.editable and unit:
            edit = Editable("memory", hex32(address), view.vm, address, view.space, view.unit_bytes)
        name = f"{hex32(address)} {unit}"
        self._spots.append(Spot(x - 2, y, wide + 4, ROW, tip, None, unit, value, name=name, edit=edit))

    def _mark(self, mark: HexMark, per_row: int, rows: tuple[HexRow, ...]) -> None:
        """Box a field, one box per row it touches."""
        at, left = mark.start, mark.count
        while left > 0 and per_row and at // per_row < len(rows):
            row, column = divmod(at, per_row)
            here = min(left, per_row - column)
            x = self._unit_x(column) - 5
            end = self._unit_x(column + here - 1) + self._digit * 2 * self._view.unit_bytes + 5
            y = self._top + row * ROW
            self._marks.append(Area(x, y + 1, end - x, ROW - 2, mark.role, TINT, mark.role, 1.0, 5))
            if mark.label or mark.tip:
                tip = mark.tip or Tip(mark.label)
                self._spots.append(Spot(x, y, end - x, ROW, tip, name=mark.label or plain(rows[row].note)))
            at += here
            left -= here
