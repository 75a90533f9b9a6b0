"""A lesson's beat as a picture, without a screen: the whole window or one card, PNG or SVG by suffix."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QRect, QSize
from PySide6.QtGui import QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QWidget

from teachvm.app.cards import CARD_BY_ID
from teachvm.app.progress import ProgressStore
from teachvm.app.settings import SettingsStore
from teachvm.ui.application import Guest, make_application
from teachvm.ui.theme.look import Look
from teachvm.ui.theme.tokens import ThemeName
from teachvm.ui.window.main_window import MainWindow

LARGEST = 16_384
"""Pixels of a side of a picture at most."""

PATIENCE_S = 60.0
"""How long the way to a beat may take."""


class RenderError(Exception):
    """The picture cannot be made; the message is one line."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a picture shows. `beat` counts from 1, `card` is empty for the whole window, `size` is before `scale`.

    With a `laboratory` (a guest, the folder its file lies in, how it is run) there is no lesson and no beat.
    """

    lesson: str
    beat: int = 1
    card: str = ""
    theme: ThemeName = "dark"
    size: tuple[int, int] = (1600, 1000)
    scale: float = 1.0
    laboratory: Guest | None = None


def render(shot: Shot, path: Path) -> None:
    """Paint a beat to a file; a `.svg` is drawn, any other suffix is a picture of that format.

    Raises:
        RenderError: The lesson cannot be opened, there is no such beat or card, or the file cannot be written.
    """
    width, height = shot.size
    if not (0 < width * shot.scale <= LARGEST and 0 < height * shot.scale <= LARGEST):
        raise RenderError(f"a picture of {width}x{height} at scale {shot.scale:g} is empty or too large")
    if shot.card and shot.card not in CARD_BY_ID:
        raise RenderError(f"there is no card {shot.card!r}; there are {', '.join(CARD_BY_ID)}")
    _check_path(path)
    app = make_application()
    with tempfile.TemporaryDirectory(prefix="teachvm-render-") as folder:
        window = _window(shot, Path(folder))
        try:
            _paint(_target(window, shot), path, shot.scale)
        finally:
            window.close()
            window.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            app.processEvents()


def _window(shot: Shot, folder: Path) -> MainWindow:
    """The window at the beat, settled; nobody's settings or progress are read or written."""
    look = Look(shot.theme, 1.0, motion=False)
    window = MainWindow(look, SettingsStore(folder / "settings.json"), ProgressStore(folder / "progress.json"))
    window.setMinimumSize(1, 1)
    window.resize(QSize(*shot.size))
    window.show()
    lab = shot.laboratory
    if not (window.open_laboratory(*lab) if lab else window.open_lesson(shot.lesson, beat=shot.beat - 1)):
        message = window.notice.text.text()
        window.close()
        raise RenderError(message)
    many = len(window.lesson.lesson.beats) if window.lesson else 0
    if lab is None and not 1 <= shot.beat <= many:
        window.close()
        raise RenderError(f"the lesson has beats 1 to {many}, not {shot.beat}")
    _settle(window)
    return window


def _settle(window: MainWindow) -> None:
    """Let the beat's own run arrive, and everything be laid out."""
    until = perf_counter() + PATIENCE_S
    QApplication.processEvents()
    while window.bridge is not None and window.bridge.running:
        if perf_counter() > until:
            raise RenderError("the way to this beat takes too long")
        QApplication.processEvents()
    window.refresh()
    _unfocus()
    window.page.scroll_home()
    QApplication.processEvents()


def _unfocus() -> None:
    """A picture shows nobody's focus."""
    QApplication.processEvents()
    focus = QApplication.focusWidget()
    if focus is not None:
        focus.clearFocus()
    QApplication.processEvents()


def _target(window: MainWindow, shot: Shot) -> QWidget:
    """What is painted: the window, or one card at the asked size."""
    if not shot.card:
        return window
    if shot.card not in window.page.stage.cards:
        window.page.stage.show_cards((*window.page.stage.cards, shot.card))
    window.page.stage.maximise(shot.card)
    if "measure" in CARD_BY_ID[shot.card].actions and window.bridge is not None:
        session = window.bridge.session
        session.measure()
        while session.running:
            session.work(lambda: True)
    window.refresh()
    frame = window.page.stage.frame(shot.card)
    frame.setParent(None)
    frame.setMinimumSize(1, 1)
    frame.set_bare()
    frame.resize(QSize(*shot.size))
    frame.show()
    _unfocus()
    return frame


def _check_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise RenderError(f"{path} cannot be written: there is no folder {path.parent}")
    known = {str(name.data(), "ascii") for name in QImageWriter.supportedImageFormats()} | {"svg"}
    if path.suffix.lower().removeprefix(".") not in known:
        raise RenderError(f"{path} cannot be written: its suffix names no kind of picture; use .png or .svg")


def _paint(widget: QWidget, path: Path, scale: float) -> None:
    if path.suffix.lower() == ".svg":
        _paint_svg(widget, path)
        return
    image = QImage(round(widget.width() * scale), round(widget.height() * scale), QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(scale)
    image.fill(0)
    with QPainter(image) as painter:
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        widget.render(painter, QPoint())
    if not image.save(str(path)):
        raise RenderError(f"{path} cannot be written: may you write there?")


def _paint_svg(widget: QWidget, path: Path) -> None:
    drawing = QSvgGenerator()
    drawing.setFileName(str(path))
    drawing.setSize(widget.size())
    drawing.setResolution(96)
    drawing.setViewBox(QRect(0, 0, widget.width(), widget.height()))
    drawing.setTitle(widget.accessibleName() or widget.windowTitle())
    painter = QPainter()
    if not painter.begin(drawing):
        raise RenderError(f"{path} cannot be written: may you write there?")
    try:
        widget.render(painter, QPoint())
    finally:
        painter.end()
