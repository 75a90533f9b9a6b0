"""The laboratory's control panel: what runs, go to and symbols, what runs stop at, what was changed by hand."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from teachvm.app.laboratory import SIZES_MIB
from teachvm.app.panel import PanelRow, PanelView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look

WIDTH, SLIM = 350, 300
SIDE = 22
MOST_SHOWN = 400
"""Symbols in the list at once; a search finds the others."""

VERBS = (
    ("show", "Show", "Show the place on a card"),
    ("memory", "Bytes", "Show the bytes there on the memory card"),
    ("break", "Break", "Stop runs before the instruction there, or no longer"),
    ("watch", "Watch", "Stop runs when the four bytes there are written"),
    ("reads", "Reads", "Stop runs when the four bytes there are read or written"),
)
"""What can be done with a place: name, word, explanation."""


class LabPanel(QFrame):
    """Shows a `PanelView` and the guest's symbols.

    `asked` carries a verb of `VERBS` and a place; `removed` the key of a stop; `sized` a number of MiB; `commanded` an
    action of the key table.
    """

    asked = Signal(str, str)
    removed = Signal(str)
    sized = Signal(int)
    commanded = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("lab-panel")
        self.setAccessibleName("Laboratory")
        self.view = PanelView("", "")
        self._symbols: tuple[PanelRow, ...] = ()
        self._wide = WIDTH
        self.heading = self._label("lab-heading", fonts.TITLE, "title")
        self.kicker = self._label("lab-kicker", fonts.SMALL, "small")
        self.facts = self._label("lab-facts", fonts.MONO_SMALL, "small")
        self.memory = self._button("lab-memory-size", "", "Memory of the guest; another size begins again")
        self.sizes = QMenu(self.memory)
        self.place = QLineEdit()
        self.verbs = [self._verb(*verb) for verb in VERBS]
        self.symbols = self._list("lab-symbols", "Symbols")
        self.stops = self._list("lab-stops", "Breakpoints and watched bytes")
        self.edits = self._list("lab-edits", "Values changed by hand")
        self.undo = self._button("lab-undo", "Undo", "Go back to the last change and take it back (Ctrl+Z)")
        self.redo = self._button("lab-redo", "Redo", "Make the change again (Ctrl+Shift+Z)")
        self.remove = self._button("lab-remove", "Remove", "Remove the chosen breakpoint or watch (Del)")
        self._rows = QVBoxLayout(self)
        self._set_up()
        self._lay_out()
        look.changed.connect(self._restyle)
        self._restyle()

    # --- parts ---------------------------------------------------------------------------------------------------

    def _label(self, name: str, style: fonts.Style, kind: str) -> QLabel:
        label = QLabel()
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setProperty("type", kind)
        self.look.dress(label, style)
        return label

    def _caption(self, text: str) -> QLabel:
        caption = QLabel(text)
        caption.setProperty("type", "kicker")
        self.look.dress(caption, fonts.CAPTION_STRONG)
        return caption

    def _button(self, name: str, text: str, says: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setAccessibleName(says)
        button.setToolTip(says)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.look.dress(button, fonts.SMALL)
        return button

    def _verb(self, name: str, text: str, says: str) -> QToolButton:
        button = self._button(f"lab-{name}", text, says)
        button.setProperty("verb", "true")
        self.look.dress(button, fonts.CAPTION)
        button.clicked.connect(lambda: self.ask(name))
        return button

    def _list(self, name: str, says: str) -> QListWidget:
        made = QListWidget()
        made.setObjectName(name)
        made.setAccessibleName(says)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setUniformItemSizes(True)
        made.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.look.dress(made, fonts.MONO_SMALL)
        made.itemActivated.connect(lambda item: self._activated(name, item))
        made.installEventFilter(self)
        return made

    def _set_up(self) -> None:
        self.memory.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.memory.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.memory.setProperty("verb", "true")
        self.memory.setMenu(self.sizes)
        self.sizes.setObjectName("lab-memory-sizes")
        for size in SIZES_MIB:
            self.sizes.addAction(f"{size} MiB").triggered.connect(lambda _on=False, mib=size: self.sized.emit(mib))
        self.place.setObjectName("lab-place")
        self.place.setPlaceholderText("Address, symbol or expression")
        self.place.setAccessibleName("Go to an address, a symbol or an expression")
        self.place.setToolTip("Such as counter, 0010 0247, ESP+8 or [table+4]; # begins a decimal number")
        self.look.dress(self.place, fonts.MONO)
        self.place.textChanged.connect(lambda _text: self._filter())
        self.place.returnPressed.connect(lambda: self.ask("show"))
        self.undo.clicked.connect(lambda: self.commanded.emit("undo-edit"))
        self.redo.clicked.connect(lambda: self.commanded.emit("redo-edit"))
        self.remove.clicked.connect(self._remove)

    def _lay_out(self) -> None:
        rows = self._rows
        size = QHBoxLayout()
        size.addWidget(self.kicker, 1)
        size.addWidget(self.memory, 0, Qt.AlignmentFlag.AlignTop)
        for widget in (self.heading, size, self.facts, self._caption("GO TO"), self.place):
            if isinstance(widget, QWidget):
                rows.addWidget(widget)
            else:
                rows.addLayout(widget)
        rows.addLayout(self._line(*self.verbs))
        rows.addWidget(self.symbols, 5)
        rows.addLayout(self._line(self._caption("STOP AT"), None, self.remove))
        rows.addWidget(self.stops, 3)
        rows.addLayout(self._line(self._caption("CHANGED"), None, self.undo, self.redo))
        rows.addWidget(self.edits, 3)

    @staticmethod
    def _line(*widgets: QWidget | None) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(2)
        for widget in widgets:
            if widget is None:
                line.addStretch(1)
            else:
                line.addWidget(widget)
        if None not in widgets:
            line.addStretch(1)
        return line

    # --- what it shows -------------------------------------------------------------------------------------------

    def show_panel(self, view: PanelView, symbols: tuple[PanelRow, ...]) -> None:
        """Show another state."""
        if symbols is not self._symbols or not self.symbols.count():
            self._symbols = symbols
            self._filter()
        if view == self.view:
            return
        old, self.view = self.view, view
        self.heading.setText(view.heading)
        self.kicker.setText(view.kicker)
        self.facts.setText("\n".join(f"{row.name} {row.detail}" for row in view.facts))
        self.memory.setText(f"{view.memory_mib} MiB")
        self.memory.setAccessibleName(f"Memory of the guest: {view.memory_mib} MiB")
        if view.stops != old.stops or not self.stops.count():
            _fill(self.stops, view.stops, "Break, Watch or F9 sets one.")
        if view.edits != old.edits or not self.edits.count():
            _fill(self.edits, view.edits, "Double-click a value to change it.")
        self.undo.setEnabled(bool(view.edits))
        self.redo.setEnabled(view.can_redo)
        self.remove.setEnabled(bool(view.stops))

    def _filter(self) -> None:
        """List the symbols that hold what is written; all of them while no name is being written."""
        wanted = self.place.text().strip().lower()
        found = [row for row in self._symbols if wanted in row.name.lower()]
        empty = "No symbol is called so." if self._symbols else "This guest has no symbols."
        _fill(self.symbols, tuple(found[:MOST_SHOWN]), empty, first=True)

    # --- what is done --------------------------------------------------------------------------------------------

    def ask(self, verb: str) -> None:
        """Do something with the place that is written, else with the chosen symbol."""
        text = self.place.text().strip()
        item = self.symbols.currentItem()
        if not text and item is not None:
            text = str(item.data(Qt.ItemDataRole.UserRole) or "")
        if text:
            self.asked.emit(verb, text)
        else:
            self.place.setFocus()

    def _activated(self, name: str, item: QListWidgetItem) -> None:
        key = str(item.data(Qt.ItemDataRole.UserRole) or "")
        if not key:
            return
        if name == "lab-symbols":
            self.asked.emit("show", key)
        elif name == "lab-stops" and key.startswith("break"):
            self.asked.emit("show", f"0x{key.partition(' ')[2]}")
        elif name == "lab-edits":
            self.asked.emit("moment", key)

    def _remove(self) -> None:
        item = self.stops.item(max(self.stops.currentRow(), 0))
        key = str(item.data(Qt.ItemDataRole.UserRole) or "")
        if key:
            self.removed.emit(key)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Del removes the chosen stop."""
        keys = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
        pressed = event.type() == QEvent.Type.KeyPress and watched is self.stops
        if pressed and isinstance(event, QKeyEvent) and event.key() in keys:
            self._remove()
            return True
        return super().eventFilter(watched, event)

    # --- layout --------------------------------------------------------------------------------------------------

    def set_slim(self, slim: bool) -> None:
        """A narrower panel for a small window."""
        if self._wide != (SLIM if slim else WIDTH):
            self._wide = SLIM if slim else WIDTH
            self._restyle()

    def _restyle(self) -> None:
        px = self.look.px
        self.setFixedWidth(px(self._wide))
        self._rows.setContentsMargins(px(SIDE), px(18), px(SIDE - 6), px(14))
        self._rows.setSpacing(px(6))
        self.memory.setIcon(self.look.icon("down"))
        for lists in (self.symbols, self.stops, self.edits):
            lists.setMinimumHeight(px(44))


def _fill(into: QListWidget, rows: tuple[PanelRow, ...], empty: str, *, first: bool = False) -> None:
    """Replace a list's rows, details `first` if asked; a row that cannot be chosen says that there are none."""
    chosen = into.currentRow()
    into.clear()
    for row in rows:
        item = QListWidgetItem(f"{row.detail}  {row.name}" if first else f"{row.name}  {row.detail}")
        item.setData(Qt.ItemDataRole.UserRole, row.key)
        item.setToolTip(f"{row.name}: {row.detail}")
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{row.name}, {row.detail}")
        into.addItem(item)
    if rows:
        into.setCurrentRow(min(max(chosen, 0), len(rows) - 1))
    else:
        item = QListWidgetItem(empty)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setToolTip(empty)
        into.addItem(item)
