"""The library: every lesson as a tile with its progress, a search, and where the student was last."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QBoxLayout,
    QFrame,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from teachvm.app.presentation import Span
from teachvm.app.rail import LibraryEntry
from teachvm.ui.theme import fonts
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.flow import How, put, put_line
from teachvm.ui.widgets.ink import Area, Mark, Sign, Words, paint
from teachvm.ui.widgets.rows import Rows
from teachvm.ui.window.hero import Hero

TILE = 352
WIDEST = 520
TILE_HIGH = 208
GAP = 16


class LessonTile(QAbstractButton):
    """One lesson: number, title, summary, time, progress."""

    def __init__(self, look: Look, entry: LibraryEntry) -> None:
        super().__init__()
        self.look = look
        self.entry = entry
        self.setObjectName(f"lesson-{entry.id}")
        state = f"{entry.reached} of {entry.beats} beats seen" if entry.beats else ""
        self.setAccessibleName(f"Lesson {entry.number}: {entry.title}. {entry.summary} {state} {entry.problem}".strip())
        self.setToolTip(entry.problem or entry.summary)
        self.setEnabled(not entry.problem)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """All tiles are alike."""
        return QSize(self.look.px(TILE), self.look.px(TILE_HIGH))

    def marks(self, width: float, height: float) -> list[Mark]:
        """What is painted, in layout pixels."""
        entry = self.entry
        hot = self.underMouse() or self.hasFocus()
        marks: list[Mark] = [
            Area(
                0, 0, width, height, "", 1.0, "now" if hot else "line", 2.0 if self.hasFocus() else 1.0, 12, base="card"
            ),
        ]
        done = entry.beats > 0 and entry.reached >= entry.beats
        kicker = f"LESSON {entry.number}" if entry.number else "LESSON"
        marks.append(Words(20, 16, width - 60, 18, kicker, fonts.CAPTION_STRONG, "good" if done else "now"))
        if done:
            marks.append(Sign(width - 36, 17, 16, 16, "tick", "good"))
        title = put((Span(entry.title),), 20, 38, width - 40, 22, fonts.HEADING, How(2))
        marks += title.marks
        text = (Span(entry.problem, "trap"),) if entry.problem else (Span(entry.summary, "dim"),)
        y = 38 + title.height + 6
        lines = max(int((height - 48 - y) // 18), 1)
        marks += put(text, 20, y, width - 40, 18, fonts.SMALL, How(min(lines, 3))).marks
        return marks + self._foot(width, height)

    def _foot(self, width: float, height: float) -> list[Mark]:
        entry = self.entry
        y = height - 34
        said = f"{entry.minutes} min" if entry.minutes else ""
        state = (
            f"{entry.reached} of {entry.beats} beats"
            if entry.reached
            else f"{entry.beats} beats"
            if entry.beats
            else ""
        )
        words = " · ".join(part for part in (said, state) if part)
        marks = put_line((Span(words, "dim"),), 20, y, width - 40, 16, fonts.CAPTION).marks
        ideas = " · ".join(concept.replace("-", " ") for concept in entry.concepts)
        if ideas and not entry.problem:
            marks += put((Span(ideas, "dim"),), 20, y - 42, width - 40, 16, fonts.CAPTION, How(2)).marks
        if entry.beats:
            room = (width - 40 - 4 * (entry.beats - 1)) / entry.beats
            for at in range(entry.beats):
                role = "good" if at < entry.reached else "line"
                marks.append(Area(20 + at * (room + 4), height - 15, room, 4, role, radius=2))
        return marks

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the marks."""
        zoom = self.look.zoom
        with QPainter(self) as painter:
            painter.scale(zoom, zoom)
            paint(self.marks(self.width() / zoom, self.height() / zoom), painter, self.look)


class TileGrid(QWidget):
    """Tiles in as many columns as fit."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("library-grid")
        self.tiles: list[LessonTile] = []

    def arrange(self) -> None:
        """Place the visible tiles."""
        px = self.look.px
        high, gap = px(TILE_HIGH), px(GAP)
        shown = [tile for tile in self.tiles if not tile.isHidden()]
        columns = min(self._columns(self.width()), max(len(shown), 1))
        wide = min((self.width() - gap * (columns - 1)) // columns, px(WIDEST))
        for at, tile in enumerate(shown):
            tile.setGeometry(at % columns * (wide + gap), at // columns * (high + gap), wide, high)

    def _columns(self, width: int) -> int:
        wide, gap = self.look.px(TILE), self.look.px(GAP)
        return max(1, (width + gap) // (wide + gap))

    def hasHeightForWidth(self) -> bool:
        """Fewer columns, more rows."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of the rows the visible tiles need."""
        shown = sum(not tile.isHidden() for tile in self.tiles)
        return -(-shown // self._columns(width)) * self.look.px(TILE_HIGH + GAP)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, other columns."""
        super().resizeEvent(event)
        self.arrange()


class Library(QWidget):
    """The home page.

    `opened` carries a lesson's id, `open_file` asks for one from a folder, `open_guest` for a guest's file.
    """

    opened = Signal(str)
    open_file = Signal()
    open_guest = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("library")
        self.setAccessibleName("Library")
        self.hero = Hero(look)
        self.search = QLineEdit()
        self.search.setObjectName("library-search")
        self.search.setPlaceholderText("Search lessons and ideas")
        self.search.setAccessibleName("Search lessons")
        self.search.setClearButtonEnabled(True)
        for clear in self.search.findChildren(QAbstractButton):
            clear.setObjectName("library-search-clear")
            clear.setAccessibleName("Clear the search")
        self.search.textChanged.connect(self._filter)
        look.dress(self.search, fonts.SMALL)
        self.resume = QPushButton()
        self.resume.setObjectName("library-resume")
        self.resume.setProperty("primary", "true")
        self.resume.setAccessibleName("Go on with the last lesson")
        self.resume.clicked.connect(lambda: self.opened.emit(str(self.resume.property("lesson"))))
        look.dress(self.resume, fonts.NAME)
        self.open_button = QPushButton("Open a lesson folder…")
        self.open_button.setObjectName("library-open")
        self.open_button.setAccessibleName("Open a lesson from a folder")
        self.open_button.clicked.connect(self.open_file)
        look.dress(self.open_button, fonts.SMALL)
        self.lab_button = QPushButton("Laboratory: open a guest…")
        self.lab_button.setObjectName("library-laboratory")
        self.lab_button.setAccessibleName("Laboratory: open a guest without a lesson")
        self.lab_button.setToolTip("Assembly source, a static ELF executable, a multiboot kernel or a flat binary")
        self.lab_button.clicked.connect(self.open_guest)
        look.dress(self.lab_button, fonts.SMALL)
        self.nothing = self._label("No lesson matches.", fonts.BODY, "small")
        self.grid = TileGrid(look)
        self._lay_out()
        look.changed.connect(self._restyle)
        self._restyle()

    def _label(self, text: str, style: fonts.Style, kind: str) -> QLabel:
        label = QLabel(text)
        label.setProperty("type", kind)
        label.setWordWrap(True)
        self.look.dress(label, style)
        return label

    def _lay_out(self) -> None:
        self._rows = Rows(self.look, (40, 32, 40, 32), 18)
        self._rows.setObjectName("column")
        self._bar = QWidget()
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._bar)
        self._line.setContentsMargins(0, 0, 0, 0)
        for widget in (self.resume, self.search, self.open_button, self.lab_button):
            self._line.addWidget(widget)
        self._line.addStretch(1)
        parts: tuple[QWidget, ...] = (self.hero, self._bar, self.nothing, self.grid)
        for part in parts:
            self._rows.add(part)
        self.area = QScrollArea()
        self.area.setObjectName("library-scroll")
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(self._rows)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.area)

    def show_entries(self, entries: tuple[LibraryEntry, ...], last: str = "") -> None:
        """Show the lessons; `last` is the one the student was in."""
        for tile in self.grid.tiles:
            tile.hide()
            tile.deleteLater()
        self.grid.tiles = []
        for entry in entries:
            tile = LessonTile(self.look, entry)
            tile.setParent(self.grid)
            tile.clicked.connect(lambda _checked=False, name=entry.id: self.opened.emit(name))
            tile.show()
            self.grid.tiles.append(tile)
        known = next((entry for entry in entries if entry.id == last and not entry.problem), None)
        self.resume.setVisible(known is not None)
        if known is not None:
            self.resume.setText(f"Go on: {known.title}")
            self.resume.setAccessibleName(f"Go on with lesson {known.number}, {known.title}")
            self.resume.setProperty("lesson", known.id)
        self._stand()
        self._filter(self.search.text())

    def focus_first(self) -> None:
        """Give the focus to what a student most likely wants: to go on, or the first lesson."""
        first = next((tile for tile in self.grid.tiles if tile.isEnabled()), None)
        wanted = self.resume if self.resume.isVisibleTo(self) else first or self.search
        wanted.setFocus()

    def _filter(self, wanted: str) -> None:
        """Show the tiles that hold every word."""
        words = wanted.lower().split()
        for tile in self.grid.tiles:
            entry = tile.entry
            held = " ".join((entry.number, entry.title, entry.summary, *entry.concepts)).lower()
            tile.setVisible(all(word in held for word in words))
        self.nothing.setVisible(bool(self.grid.tiles) and all(tile.isHidden() for tile in self.grid.tiles))
        self.grid.arrange()
        self._rows.arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window, what there is to open stands one below the other."""
        super().resizeEvent(event)
        self._stand()

    def _stand(self) -> None:
        parts = [each for each in (self.resume, self.search, self.open_button, self.lab_button) if not each.isHidden()]
        need = sum(max(each.sizeHint().width(), each.minimumWidth()) + self.look.px(10) for each in parts)
        across = self.width() >= need + self.look.px(90)
        direction = QBoxLayout.Direction.LeftToRight if across else QBoxLayout.Direction.TopToBottom
        if direction != self._line.direction():
            self._line.setDirection(direction)
            self._rows.arrange()

    def _restyle(self) -> None:
        px = self.look.px
        self._line.setSpacing(px(10))
        self.search.setFixedWidth(px(300))
        self._stand()
        self.grid.arrange()
