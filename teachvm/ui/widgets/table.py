"""A table of rows that change a little at every step (VMM entries, TLB, event log)."""

from __future__ import annotations

from PySide6.QtCore import (
    QModelIndex,
    QObject,
    QPoint,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QCursor, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from teachvm.app.presentation import Cell, Column, TableView
from teachvm.app.wording import Editable
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.asking import value_menu
from teachvm.ui.widgets.canvas import ANY_HEIGHT
from teachvm.ui.widgets.cell_editor import CellEditor
from teachvm.ui.widgets.field_editor import FieldEditor
from teachvm.ui.widgets.ink import Area, Mark, Words, paint
from teachvm.ui.widgets.pairs import cell_marks
from teachvm.ui.widgets.table_model import Index, RowsModel

ROW = 26
PAD = 8.0
EDGE = 16.0
"""Room before the first column: where a card's title begins."""
TITLE_HIGH = 30.0
HEADING_HIGH = 32.0
FOOT = 14.0
"""Room below the last row, where a bar for scrolling sideways may stand."""
MOST_SHOWN = 4
"""Rows a table insists on; it is given what its card has left, and scrolls the rest."""


class CellDelegate(QStyledItemDelegate):
    """Paints a value from marks, as every other value is painted."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look

    def marks(self, index: Index, width: float, height: float) -> list[Mark]:
        """What is painted for a value in a cell of a size, in layout pixels."""
        model = index.model()
        if not isinstance(model, RowsModel):
            return []
        cell, row, column = model.cell(index), model.rows[index.row()], model.columns[index.column()]
        marks: list[Mark] = []
        if row.lit:
            marks.append(Area(0, 0, width, height, row.lit, self._look.theme.tint))
            if index.column() == 0:
                marks.append(Area(0, 0, 3, height, row.lit))
        if row.faded:
            cell = Cell(cell.text, "dim", False, None, False, cell.value, cell.tip, cell.link)
        left = EDGE if index.column() == 0 else PAD
        room = width - left - PAD
        if column.code:
            made, spot = cell_marks(cell, left, 0, room, height)
            slack = {"left": 0.0, "center": 0.5, "right": 1.0}[column.align] * max(0.0, room - spot.w + 10)
            return marks + [mark._replace(x=mark.x + slack) for mark in made if not hasattr(mark, "points")]
        style = fonts.SMALL_STRONG if cell.strong else fonts.SMALL
        if cell.changed:
            marks.append(Area(2, 3, width - 4, height - 6, "now", self._look.theme.tint, radius=5))
        said = fonts.elided(cell.text, style, room)
        return [*marks, Words(left, 0, room, height, said, style, cell.role, column.align)]

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a value; the selected row is outlined by Qt's focus, not by colour alone."""
        zoom = self._look.zoom
        box: QRectF = QRectF(option.rect)
        painter.save()
        painter.setClipRect(box)
        painter.translate(box.topLeft())
        painter.scale(zoom, zoom)
        paint(self.marks(index, box.width() / zoom, box.height() / zoom), painter, self._look)
        painter.restore()


class Table(QWidget):
    """Shows a `TableView`; `followed` carries the link of an activated value, `edited` one that was given anew.

    `valued` carries a value of the machine and what it is to be, `wondered` one somebody asks about.
    """

    followed = Signal(object)
    edited = Signal(str, str)
    valued = Signal(object, str)
    wondered = Signal(object, bool)
    fills = True

    def __init__(self, look: Look, name: str = "table") -> None:
        super().__init__()
        self.look = look
        self.setObjectName(name)
        self._view = TableView((), ())
        self.model = RowsModel(look, self)
        self.title = QLabel()
        self.title.setProperty("type", "small")
        self.title.setIndent(0)
        self.title.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        look.dress(self.title, fonts.SMALL)
        self.empty = QLabel()
        self.empty.setProperty("type", "small")
        self.empty.setWordWrap(True)
        look.dress(self.empty, fonts.SMALL)
        self.empty.setMargin(look.px(14))
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.table = self._make_table(name)
        self.editor = CellEditor(look, name, self.table)
        self.editor.edited.connect(self.edited)
        self._following = True
        bar = self.table.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._keep_end)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.empty, 1)
        look.changed.connect(self._restyle)
        self._restyle()

    def _make_table(self, name: str) -> QTableView:
        table = QTableView()
        table.setObjectName(f"{name}-rows")
        table.setAccessibleName(name.replace("-", " "))
        table.setModel(self.model)
        table.setItemDelegate(CellDelegate(self.look, table))
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(self.look.px(ROW))
        table.horizontalHeader().setHighlightSections(False)
        self.look.dress(table.horizontalHeader(), fonts.CAPTION_STRONG)
        table.horizontalHeader().setMinimumSectionSize(self.look.px(24))
        table.activated.connect(self._activated)
        table.clicked.connect(self._clicked)
        table.doubleClicked.connect(self._change)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._ask)
        return table

    def show_block(self, view: TableView) -> None:
        """Show other rows; only differing ones are repainted."""
        if view is self._view:
            return
        new_columns = view.columns != self._view.columns
        self._view = view
        self.table.setVisible(bool(view.rows))
        chosen = self.table.currentIndex()
        row, column = chosen.row(), min(chosen.column(), len(view.columns) - 1)
        self.model.show_rows(view.columns, view.rows)
        if 0 <= row < len(view.rows) and not self.table.currentIndex().isValid():
            self.table.setCurrentIndex(self.model.index(row, column))  # other columns do not lose somebody's place
        self.title.setText(view.title)
        self.title.setVisible(bool(view.title))
        self.empty.setText(view.empty)
        self.empty.setVisible(not view.rows)
        if new_columns:
            self._size_columns()
        self._keep_end()

    def _scrolled(self, value: int) -> None:
        """Whoever scrolls up is reading there, and stays; at the end again, the end is followed."""
        self._following = value >= self.table.verticalScrollBar().maximum() - 2

    def _keep_end(self) -> None:
        """Rows came, or there is more or less room for them: the last one stays in sight."""
        if self._view.follow and self._following:
            self.table.scrollToBottom()

    def least_height(self) -> float:
        """Room for the heading and a few rows, in layout pixels."""
        if self._view.whole:
            return self.most_height()
        return (
            (TITLE_HIGH if self._view.title else 0.0)
            + HEADING_HIGH
            + ROW * min(max(len(self._view.rows), 2), MOST_SHOWN)
        )

    def most_height(self) -> float:
        """Room for every row; for what is said in their place, any."""
        if not self._view.rows:
            return float(ANY_HEIGHT)
        title = TITLE_HIGH if self._view.title else 0.0
        return title + HEADING_HIGH + ROW * len(self._view.rows) + FOOT

    def height_at(self, _width: int) -> int:
        """Widget height it asks for."""
        return round(self.least_height() * self.look.zoom)

    def _natural(self, column: Column) -> float:
        """Width a column needs, in layout pixels."""
        style = fonts.MONO if column.code else fonts.SMALL
        room = max(fonts.width("0" * column.width, style), fonts.width(column.title, fonts.CAPTION_STRONG) + 2)
        return room + 2 * PAD + 2

    def _hide_columns(self) -> None:
        """Leave out optional columns, the last one first, until the others fit."""
        columns = self._view.columns
        need = sum(self._natural(column) for column in columns) + EDGE - PAD
        room = self.width() / self.look.zoom - 14
        for at in reversed(range(len(columns))):
            hide = columns[at].optional and need > room
            need -= self._natural(columns[at]) if hide else 0.0
            self.table.setColumnHidden(at, hide)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, perhaps other columns."""
        super().resizeEvent(event)
        self._hide_columns()

    def _size_columns(self) -> None:
        header = self.table.horizontalHeader()
        self._hide_columns()
        for at, column in enumerate(self._view.columns):
            header.setSectionResizeMode(at, QHeaderView.ResizeMode.Interactive)
            self.table.setColumnWidth(at, self.look.px(self._natural(column) + (EDGE - PAD if at == 0 else 0.0)))
            if column.stretch:
                header.setSectionResizeMode(at, QHeaderView.ResizeMode.Stretch)

    def _activated(self, index: QModelIndex) -> None:
        """Enter follows a value; where there is nothing to follow, it edits what can be edited in its row."""
        columns = (index.column(), *range(self.model.columnCount()))
        places = [self.model.index(index.row(), column) for column in columns]
        editable = next((place for place in places if self.model.cell(place).edit), None)
        if self.model.cell(index).link is None and editable is not None:
            self._edit(editable)
        else:
            self._clicked(index)

    def _clicked(self, index: QModelIndex) -> None:
        """Follow a value that leads somewhere; edit one that can be given anew."""
        cell = self.model.cell(index)
        if cell.link is not None:
            self.followed.emit(cell.link)
        elif cell.edit:
            self._edit(index)

    def _edit(self, index: QModelIndex) -> None:
        cell, row = self.model.cell(index), self.model.rows[index.row()]
        self.table.scrollTo(index)
        title = self.model.columns[index.column()].title
        value = cell.text if cell.value is None else str(cell.value)
        said = f"{title} of {row.cells[0].text}, now {cell.text}"
        self.editor.begin(cell.edit, said, value, self.table.visualRect(index))

    # --- values of the machine -----------------------------------------------------------------------------------

    @property
    def pointed(self) -> Editable | None:
        """The value of the machine in the chosen cell, else the one under the pointer."""
        table = self.table
        index = table.currentIndex()
        if not (table.hasFocus() or table.viewport().hasFocus()) or not index.isValid():
            index = (
                table.indexAt(table.viewport().mapFromGlobal(QCursor.pos())) if table.underMouse() else QModelIndex()
            )
        return self.model.cell(index).alters if index.isValid() else None

    def menu_at(self, index: QModelIndex) -> QMenu:
        """The menu of a cell."""
        cell = self.model.cell(index)
        return value_menu(self, cell.text, cell.value, cell.alters, self.wondered.emit)

    def _ask(self, where: QPoint) -> None:
        """Open the menu of the cell under the pointer, or for the key that opens it, of the chosen one."""
        index = self.table.indexAt(where)
        if index.isValid() and self.model.cell(index).text:
            menu = self.menu_at(index)
            menu.exec(self.table.viewport().mapToGlobal(where))
            menu.deleteLater()

    def _change(self, index: QModelIndex) -> None:
        """Open a line over a value of the machine to change it in."""
        what = self.model.cell(index).alters
        if what is None:
            return
        text = self.model.cell(index).text if what.kind != "entry" else ""
        editor = FieldEditor(self.look, self.table.viewport(), what, text, self.table.visualRect(index))
        editor.taken.connect(self.valued)
        editor.show()
        editor.setFocus()

    def _restyle(self) -> None:
        self.title.setContentsMargins(self.look.px(EDGE), 0, 0, 0)
        self.title.setFixedHeight(self.look.px(TITLE_HIGH))
        self.table.verticalHeader().setDefaultSectionSize(self.look.px(ROW))
        self._size_columns()
        self.table.viewport().update()

    def painted(self) -> list[Mark]:
        """The marks of the cells in sight, each relative to its cell: what a test of clipped text reads."""
        delegate = self.table.itemDelegate()
        found: list[Mark] = []
        for row in range(self.model.rowCount()):
            for column in range(self.model.columnCount()):
                index = self.model.index(row, column)
                box = self.table.visualRect(index)
                if isinstance(delegate, CellDelegate) and box.intersects(self.table.viewport().rect()):
                    zoom = self.look.zoom
                    found += delegate.marks(index, box.width() / zoom, box.height() / zoom)
        return found
