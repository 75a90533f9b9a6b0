"""A table's rows as Qt asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from teachvm.app.presentation import Cell, Column, TableRow, Tip
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import tip_html

Index = QModelIndex | QPersistentModelIndex
_ALIGN = {
    "left": Qt.AlignmentFlag.AlignLeft,
    "center": Qt.AlignmentFlag.AlignHCenter,
    "right": Qt.AlignmentFlag.AlignRight,
}


class RowsModel(QAbstractTableModel):
    """Rows as a Qt model; `show_rows` tells Qt about differing rows only."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.columns: tuple[Column, ...] = ()
        self.rows: Sequence[TableRow] = ()

    def show_rows(self, columns: tuple[Column, ...], rows: Sequence[TableRow]) -> None:
        """Take other rows: added and removed ones at the end, changed ones in place."""
        if columns != self.columns:
            self.beginResetModel()
            self.columns, self.rows = columns, rows
            self.endResetModel()
            return
        old, common = self.rows, min(len(self.rows), len(rows))
        if len(rows) < len(old):
            self.beginRemoveRows(QModelIndex(), len(rows), len(old) - 1)
            self.rows = old[: len(rows)]
            self.endRemoveRows()
        elif len(rows) > len(old):
            self.beginInsertRows(QModelIndex(), len(old), len(rows) - 1)
            self.rows = [*old, *rows[common:]]
            self.endInsertRows()
        differing = [at for at in range(common) if old[at] is not rows[at] and old[at] != rows[at]]
        self.rows = rows
        for at in differing:
            self.dataChanged.emit(self.index(at, 0), self.index(at, max(len(columns) - 1, 0)))

    def rowCount(self, parent: Index | None = None) -> int:
        """Rows of the table; no row has children."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """Columns of the table."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def cell(self, index: Index) -> Cell:
        """The value at an index; an empty one where the row is short."""
        cells = self.rows[index.row()].cells
        return cells[index.column()] if index.column() < len(cells) else Cell("")

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, alignment, explanation and spoken form of a value."""
        if not index.isValid():
            return None
        cell, column = self.cell(index), self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGN[column.align] | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.AccessibleTextRole:
            was = f", was {cell.was}" if cell.was is not None else ""
            return f"{column.title} {cell.text}{was}"
        if role == Qt.ItemDataRole.ToolTipRole:
            tip = cell.tip or self.rows[index.row()].tip
            return tip_html(tip or Tip(cell.text), self._look) if tip or cell.text else None
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Column titles, their explanation and alignment."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.ToolTipRole and column.tip:
            return tip_html(column.tip, self._look)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGN[column.align] | Qt.AlignmentFlag.AlignVCenter
        return None
