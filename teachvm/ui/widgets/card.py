"""The frame around a card: title, subtitle, badges, its text twin, and a button to give it the whole stage."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPlainTextEdit, QStackedLayout, QToolButton, QVBoxLayout

from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.presentation import CardView, plain
from teachvm.app.twin import twin
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, Picture
from teachvm.ui.widgets.column import BlockColumn
from teachvm.ui.widgets.flow import put_badge, put_line
from teachvm.ui.widgets.ink import Mark, Spot, Words, badge_width

HEADER = 40.0
NARROW = 265
"""Below this width the header's buttons are a menu."""


class CardTitle(Canvas):
    """The painted part of a card's header."""

    def __init__(self, look: Look, name: str, title: str) -> None:
        super().__init__(look, f"{name}-title")
        self.title = title
        self._view = CardView()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(title)

    def show_view(self, view: CardView) -> None:
        """Show another subtitle and other badges."""
        if (view.subtitle, view.aside) != (self._view.subtitle, self._view.aside):
            self._view = view
            self.refresh()

    def compose(self, width: float, height: float) -> Picture:
        """Set title, subtitle, and badges from the right."""
        marks: list[Mark] = []
        spots: list[Spot] = []
        wide = fonts.width(self.title, fonts.SMALL_STRONG)
        end = width
        for badge in reversed(self._view.aside):
            need = badge_width(badge.text, bool(badge.icon))
            if end - need < 16 + wide + 12:
                break
            laid = put_badge(badge, end, HEADER / 2)
            marks += laid.marks
            spots += laid.spots
            end -= need + 8
        said = fonts.elided(self.title, fonts.SMALL_STRONG, max(end - 18, 0))
        marks.append(Words(14, 0, min(wide, max(end - 18, 0)), HEADER, said, fonts.SMALL_STRONG, "text"))
        room = end - 14 - wide - 12
        if self._view.subtitle and room > 30:
            laid = put_line(self._view.subtitle, 14 + wide + 10, 0, room, HEADER, fonts.SMALL)
            marks += laid.marks
            words = plain(self._view.subtitle)
            spots.append(Spot(14 + wide + 10, 0, room, HEADER, copy=words, name=words))
            spots += laid.spots
        return Picture(marks, spots, HEADER)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A double click on the title is the maximise button."""
        self.acted.emit("maximise")
        event.accept()


class CardFrame(QFrame):
    """One card on the stage. `show_view` takes a `CardView` and paints what differs."""

    maximise = Signal(str)
    closed = Signal(str)
    asked = Signal(str)
    """An action of the key table that stands in the card's header."""

    def __init__(self, look: Look, card_id: str, title: str, actions: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.look = look
        self.card_id = card_id
        self.setObjectName(f"card-{card_id}")
        self.setAccessibleName(title)
        self.setProperty("card", "true")
        self.view = CardView()
        self._bare = False
        self.title = CardTitle(look, card_id, title)
        self.body = BlockColumn(look, card_id)
        self.twin = QPlainTextEdit()
        self.twin.setObjectName(f"{card_id}-twin")
        self.twin.setAccessibleName(f"{title}, as text")
        self.twin.setReadOnly(True)
        self.twin.setTabChangesFocus(True)
        self.twin.setProperty("code", "true")
        look.dress(self.twin, fonts.MONO)
        self.twin.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.twin_button = self._button("twin", "text", f"{title} as text, for reading aloud and copying")
        self.twin_button.setCheckable(True)
        self.twin_button.toggled.connect(self._toggle_twin)
        self.maximise_button = self._button("maximise", "maximise", f"Give {title} the whole stage (or give it back)")
        self.maximise_button.clicked.connect(lambda: self.maximise.emit(self.card_id))
        self.close_button = self._button("close", "close", f"Take {title} off the stage")
        self.close_button.clicked.connect(lambda: self.closed.emit(self.card_id))
        self.own_buttons = [self._own_button(action) for action in actions]
        self.more_button = self._button("more", "more", f"What can be done with {title}")
        self.more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more_button.setMenu(self._more_menu())
        self.title.acted.connect(lambda _action: self.maximise.emit(self.card_id))
        self._lay_out()
        look.changed.connect(self._restyle)
        self._restyle()

    def _button(self, what: str, icon: str, says: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"{self.card_id}-{what}")
        button.setAccessibleName(says)
        button.setToolTip(says)
        button.setProperty("icon-name", icon)
        return button

    def _own_button(self, action: str) -> QToolButton:
        key = KEY_BY_ACTION[action]
        button = self._button(action, action, f"{key.does} ({key.keys[0]})")
        button.clicked.connect(lambda: self.asked.emit(action))
        return button

    @property
    def _shown_when_wide(self) -> tuple[QToolButton, ...]:
        return (*self.own_buttons, self.twin_button, self.maximise_button, self.close_button)

    def _more_menu(self) -> QMenu:
        """The buttons as a menu, for a card too narrow to show them."""
        menu = QMenu(self)
        for text, button in (
            *((button.toolTip(), button) for button in self.own_buttons),
            ("As text, or as a picture", self.twin_button),
            ("Give it the whole stage, or give it back", self.maximise_button),
            ("Take it off the stage", self.close_button),
        ):
            menu.addAction(text).triggered.connect(lambda _checked=False, one=button: one.click())
        return menu

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrow card has one button for all."""
        super().resizeEvent(event)
        self._show_buttons()

    def set_bare(self) -> None:
        """A picture of a card has no buttons."""
        self._bare = True
        self._show_buttons()

    def _show_buttons(self) -> None:
        if self._bare:
            for button in (self.more_button, *self._shown_when_wide):
                button.hide()
            return
        narrow = self.width() < self.look.px(NARROW)
        self.more_button.setVisible(narrow)
        for button in self._shown_when_wide:
            button.setVisible(not narrow)

    def _lay_out(self) -> None:
        self._head = QHBoxLayout()
        self._head.setSpacing(0)
        self._head.addWidget(self.title, 1)
        for button in (self.more_button, *self._shown_when_wide):
            self._head.addWidget(button)
        rule = QFrame()
        rule.setObjectName("rule")
        rule.setFixedHeight(1)
        self._pages = QStackedLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 4)
        layout.setSpacing(0)
        layout.addLayout(self._head)
        layout.addWidget(rule)
        layout.addLayout(self._pages, 1)
        # Only now: pages of a stack that belongs to nobody yet are shown as windows of their own.
        for page in (self.body, self.twin):
            self._pages.addWidget(page)

    def show_view(self, view: CardView) -> None:
        """Show the card at another moment."""
        self.view = view
        self.title.show_view(view)
        if self.twin_button.isChecked():
            self._fill_twin()
        else:
            self.body.show_blocks(view.body)

    def text(self) -> str:
        """The card's text twin."""
        return twin(self.view)

    def _fill_twin(self) -> None:
        text = self.text()
        if text != self.twin.toPlainText():
            at = self.twin.verticalScrollBar().value()
            self.twin.setPlainText(text)
            self.twin.verticalScrollBar().setValue(at)

    def _toggle_twin(self, shown: bool) -> None:
        if shown:
            self._fill_twin()
            self._pages.setCurrentWidget(self.twin)
            self.twin.setFocus()
        else:
            self.body.show_blocks(self.view.body)
            self._pages.setCurrentWidget(self.body)
        self._restyle()

    def set_maximised(self, maximised: bool) -> None:
        """Show which way the maximise button goes."""
        self.maximise_button.setProperty("icon-name", "restore" if maximised else "maximise")
        self._restyle()

    def set_lit(self, lit: bool) -> None:
        """Spotlight: outline the card whose contents just changed."""
        if self.property("lit") != ("true" if lit else "false"):
            self.setProperty("lit", "true" if lit else "false")
            self.style().unpolish(self)
            self.style().polish(self)

    def _restyle(self) -> None:
        px = self.look.px
        self.title.setFixedHeight(px(HEADER))
        self._head.setContentsMargins(0, 0, px(8), 0)
        self.twin_button.setProperty("icon-name", "picture" if self.twin_button.isChecked() else "text")
        self._show_buttons()
        for button in (self.more_button, *self._shown_when_wide):
            button.setIcon(self.look.icon(str(button.property("icon-name"))))
            button.setFixedSize(px(28), px(28))
