"""What must hold for every window: no text wider than its box, none on top of another, no glyph missing.

`problems(window)` is for any test that shows a window; it reads the painted marks and the texts of Qt's widgets.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TypeGuard

from PySide6.QtCore import QRectF
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSlider,
    QToolButton,
    QWidget,
)

from teachvm.ui.theme import fonts
from teachvm.ui.widgets.canvas import Canvas
from teachvm.ui.widgets.ink import Mark, Words
from teachvm.ui.widgets.table import Table
from teachvm.ui.window.ask import Option
from teachvm.ui.window.buttons import KeyButton
from teachvm.ui.window.library import LessonTile

SLACK = 0.75
"""Pixels a text may be wider than its box: rounding, not ink."""


def problems(window: QWidget) -> list[str]:
    """Everything that is wrong with what a window shows, one line each."""
    found: list[str] = []
    for widget in [window, *window.findChildren(QWidget)]:
        if not widget.isVisibleTo(window) or widget.width() <= 0 or widget.height() <= 0:
            continue
        where = path(widget, window)
        for size, marks in painted(widget):
            found += [f"{where}: {problem}" for problem in of_marks(marks, size)]
        found += [f"{where}: {problem}" for problem in of_widget(widget)]
    return found


def path(widget: QWidget, window: QWidget) -> str:
    """Where a widget is, by object names."""
    names: list[str] = []
    at: QWidget | None = widget
    while at is not None and at is not window:
        if at.objectName() and not at.objectName().startswith("qt_"):
            names.append(at.objectName())
        at = at.parentWidget()
    return "/".join(reversed(names)) or type(widget).__name__


def painted(widget: QWidget) -> Iterator[tuple[QRectF | None, list[Mark]]]:
    """The marks a widget paints, with the room it paints them in."""
    if isinstance(widget, Canvas):
        zoom = widget.look.zoom
        yield QRectF(0, 0, widget.width() / zoom, widget.height() / zoom), widget.picture.marks
    elif isinstance(widget, Table):
        yield None, [mark for mark in widget.painted() if is_words(mark)]
    elif isinstance(widget, Option):
        yield None, widget.marks(widget.width() / widget.look.zoom)[0]
    elif isinstance(widget, LessonTile):
        zoom = widget.look.zoom
        yield None, widget.marks(widget.width() / zoom, widget.height() / zoom)
    elif isinstance(widget, KeyButton):
        yield QRectF(0, 0, widget.width() / widget.look.zoom, widget.height()), widget.marks()


def is_words(mark: Mark) -> TypeGuard[Words]:
    return isinstance(mark, Words)


def of_marks(marks: Iterable[Mark], size: QRectF | None) -> Iterator[str]:
    """Texts that leave their box or the widget, lie on one another, or need a glyph there is none of."""
    texts = [mark for mark in marks if is_words(mark)]
    for words in texts:
        need = fonts.width(words.text, words.style)
        if need > words.w + SLACK:
            yield f"{words.text!r} needs {need:.1f} and has {words.w:.1f}"
        if size is not None and (words.x < -1 or words.x + words.w > size.width() + 1):
            yield f"{words.text!r} leaves the widget sideways"
        missing = fonts.missing_glyphs(words.text, words.style.code)
        if missing:
            yield f"{words.text!r} has no glyph for {missing!r}"
    if size is not None:
        for one, other in combinations(texts, 2):
            if abs(one.y - other.y) < 40 and ink(one).intersects(ink(other)):
                yield f"{one.text!r} lies on {other.text!r}"


def ink(words: Words) -> QRectF:
    """Roughly the pixels a text covers: its capitals' height about the middle of its box."""
    wide = fonts.width(words.text, words.style)
    slack = {"left": 0.0, "center": 0.5, "right": 1.0}[words.align] * (words.w - wide)
    high = fonts.cap_height(words.style)
    return QRectF(words.x + slack + 0.5, words.y + (words.h - high) / 2, max(wide - 1, 0), high)


def of_widget(widget: QWidget) -> Iterator[str]:
    """Texts of Qt's own widgets."""
    text = ""
    if isinstance(widget, QLabel) and widget.text():
        text = widget.text()
        yield from of_label(widget)
    elif isinstance(widget, QAbstractButton) and not isinstance(widget, Option | KeyButton | LessonTile):
        text = widget.text()
        if text and widget.width() + 1 < widget.sizeHint().width():
            yield f"button {text!r} needs {widget.sizeHint().width()} and has {widget.width()}"
        if isinstance(widget, QToolButton) and widget.height() + 1 < widget.minimumSizeHint().height() and text:
            yield f"button {text!r} is too low"
    elif isinstance(widget, QPlainTextEdit):
        text = widget.toPlainText()
    elif isinstance(widget, QLineEdit):
        text = widget.placeholderText()
    missing = fonts.missing_glyphs(text, widget.font().family() == fonts.CODE)
    if missing:
        yield f"{text!r} has no glyph for {missing!r}"


def of_label(label: QLabel) -> Iterator[str]:
    if label.wordWrap():
        metrics = QFontMetricsF(label.font())
        widest = max(label.text().split(), key=metrics.horizontalAdvance, default="")
        if metrics.horizontalAdvance(widest) > label.width() + 1:
            yield f"label word {widest!r} is wider than the label"
        if label.heightForWidth(label.width()) > label.height() + 2:
            yield f"label {label.text()!r} is cut below"
    elif label.sizeHint().width() > label.width() + 1:
        yield f"label {label.text()!r} needs {label.sizeHint().width()} and has {label.width()}"


def unnamed(window: QWidget) -> list[str]:
    """Interactive widgets without an object name or an accessible name."""
    found = []
    for widget in window.findChildren(QWidget):
        interactive = isinstance(
            widget, Canvas | QAbstractButton | QLineEdit | QPlainTextEdit | QAbstractItemView | QSlider
        )
        if not interactive or isinstance(widget, QHeaderView) or widget.objectName().startswith("qt_"):
            continue
        if not widget.objectName() or not (widget.accessibleName() or getattr(widget, "text", str)()):
            found.append(f"{path(widget, window)} ({type(widget).__name__})")
    return found
