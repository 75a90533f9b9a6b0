"""The stage: the cards of a beat, laid out in rows and columns, any of them maximised or taken off."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QScrollArea, QSplitter, QVBoxLayout, QWidget

from teachvm.app.cards import CARD_BY_ID, CARDS
from teachvm.app.presentation import CardView
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.views.shapes import Plan, plan, shape_of
from teachvm.ui.widgets.card import CardFrame

GAP = 14
MARGIN = 16


class Stage(QWidget):
    """Shows cards by id. Frames are kept once made, so that a card keeps its place when it comes back."""

    followed = Signal(object)
    sought = Signal(object)
    break_toggled = Signal(int)
    typed = Signal(str, str)
    valued = Signal(object, str)
    wondered = Signal(object, bool)
    edited = Signal(str, str)
    changed = Signal()
    asked = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("stage")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("Cards")
        self.frames: dict[str, CardFrame] = {}
        self.cards: tuple[str, ...] = ()
        self.maximised = ""
        self._plan: Plan | None = None
        self._content: QWidget | None = None
        self.empty = QLabel("No card is on the stage. Open one from the card palette in the header.")
        self.empty.setObjectName("stage-empty")
        self.empty.setProperty("type", "small")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        look.dress(self.empty, fonts.BODY)
        self.area = QScrollArea()
        self.area.setObjectName("stage-scroll")
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._outer = QVBoxLayout(self)
        self._outer.addWidget(self.area)
        look.changed.connect(self._restyle)
        self._restyle()

    def show_cards(self, cards: tuple[str, ...]) -> None:
        """Put these cards on the stage, and take the others off."""
        if cards != self.cards:
            self.cards = cards
            if self.maximised not in cards:
                self.maximised = ""
            self._arrange()
            self.changed.emit()

    def toggle(self, card: str) -> None:
        """Put a card on the stage, or take it off."""
        rest = tuple(name for name in self.cards if name != card)
        self.show_cards(rest if card in self.cards else (*self.cards, card))

    def maximise(self, card: str) -> None:
        """Give a card the whole stage, or give it back."""
        self.maximised = "" if self.maximised == card else card
        self._arrange()
        self.changed.emit()

    def in_sight(self) -> tuple[str, ...]:
        """The cards that need to be painted."""
        return (self.maximised,) if self.maximised else self.cards

    def show_view(self, card: str, view: CardView, *, lit: bool = False) -> None:
        """Show one card at another moment."""
        frame = self.frame(card)
        frame.show_view(view)
        frame.set_lit(lit)

    def frame(self, card: str) -> CardFrame:
        """The frame of a card, made when it is first asked for."""
        found = self.frames.get(card)
        if found is None:
            known = CARD_BY_ID.get(card)
            title = card.replace("-", " ").capitalize() if known is None else known.title
            actions = () if known is None else known.actions
            found = self.frames[card] = CardFrame(self.look, card, title, actions)
            # Without a parent it would be a window of its own for a moment, and take the focus.
            found.setParent(self)
            found.body.followed.connect(self.followed)
            found.body.sought.connect(self.sought)
            found.body.break_toggled.connect(self.break_toggled)
            found.body.typed.connect(self.typed)
            found.body.valued.connect(self.valued)
            found.body.wondered.connect(self.wondered)
            found.body.edited.connect(self.edited)
            found.maximise.connect(self.maximise)
            found.asked.connect(self.asked)
            found.closed.connect(self.toggle)
        return found

    def palette_menu(self, parent: QWidget) -> QMenu:
        """Every card as a menu; those on the stage are ticked."""
        menu = QMenu(parent)
        menu.setObjectName("card-palette")
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for card in CARDS:
            action = menu.addAction(card.title)
            action.setToolTip(card.question)
            action.setCheckable(True)
            action.setChecked(card.id in self.cards)
            action.triggered.connect(lambda _checked=False, name=card.id: self.toggle(name))
        return menu

    # --- layout --------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Build the splitters of the plan around the frames."""
        for frame in self.frames.values():
            frame.setParent(self)
            frame.hide()
        shown = self.in_sight()
        self._plan = plan(shown, self.width() / self.look.zoom - 2 * MARGIN)
        old, self._content = self._content, self._build(self._plan) if shown else None
        if self._content is not None:
            self.area.takeWidget()
            self.area.setWidget(self._content)
        else:
            self.area.takeWidget()
            self.area.setWidget(self.empty)
        if old is not None and old is not self._content:
            old.deleteLater()
        for name, frame in self.frames.items():
            frame.set_maximised(name == self.maximised)

    def _build(self, layout: Plan) -> QWidget:
        rows = self._splitter(Qt.Orientation.Vertical)
        for columns in layout.rows:
            row = self._splitter(Qt.Orientation.Horizontal)
            weights = []
            for column in columns:
                row.addWidget(self._column(column))
                weights.append(max(shape_of(name).weight for name in column))
            self._share(row, weights, [max(shape_of(name).width for name in column) for column in columns])
            rows.addWidget(row)
        heights = [max(sum(shape_of(name).height for name in column) for column in columns) for columns in layout.rows]
        self._share(rows, [10] * len(heights), heights)
        return rows

    def _column(self, names: tuple[str, ...]) -> QWidget:
        if len(names) == 1:
            return self._sized(names[0])
        column = self._splitter(Qt.Orientation.Vertical)
        for name in names:
            column.addWidget(self._sized(name))
        heights = [shape_of(name).height for name in names]
        self._share(column, [max(height // 10, 1) for height in heights], heights)
        return column

    def _sized(self, name: str) -> CardFrame:
        frame, shape = self.frame(name), shape_of(name)
        frame.setMinimumSize(self.look.px(shape.width), self.look.px(shape.height))
        frame.show()
        return frame

    def _splitter(self, orientation: Qt.Orientation) -> QSplitter:
        splitter = QSplitter(orientation)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(self.look.px(GAP))
        return splitter

    def _share(self, splitter: QSplitter, weights: list[int], least: list[int]) -> None:
        """Give each part its least size, and what is left by weight."""
        px, many = self.look.px, len(weights)
        across = splitter.orientation() == Qt.Orientation.Horizontal
        room = (self.width() if across else self.height()) - 2 * px(MARGIN) - px(GAP) * (many - 1)
        spare = max(0, room - sum(px(size) for size in least))
        splitter.setSizes(
            [px(size) + spare * weight // sum(weights) for size, weight in zip(least, weights, strict=True)]
        )
        for at, weight in enumerate(weights):
            splitter.setStretchFactor(at, weight)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A much narrower or wider stage is laid out anew."""
        super().resizeEvent(event)
        wanted = plan(self.in_sight(), self.width() / self.look.zoom - 2 * MARGIN)
        if wanted != self._plan or event.oldSize().width() <= 0:
            self._arrange()

    def place_of(self, card: str) -> QRect:
        """Where a card lies on the stage."""
        frame = self.frames[card]
        return QRect(frame.mapTo(self, frame.rect().topLeft()), frame.size())

    def _restyle(self) -> None:
        side = self.look.px(MARGIN)
        self._outer.setContentsMargins(side, side, side, side)
        if self.cards:
            self._arrange()
