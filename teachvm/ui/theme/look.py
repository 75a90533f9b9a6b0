"""What is chosen about the look: theme, zoom, motion. One object, handed to every widget."""

from __future__ import annotations

import weakref

import shiboken6
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QIcon
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

from teachvm.ui.theme import fonts, icons, sheet
from teachvm.ui.theme.tokens import THEME_NAMES, THEMES, Theme, ThemeName

ZOOMS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0, 2.4)
"""The steps of zooming in and out."""

HALL = 1.3
"""How much larger everything is in presenter mode."""


class Look(QObject):
    """The look of one application; `changed` is emitted after any change, when the style sheet is already in force."""

    changed = Signal()

    def __init__(self, theme: ThemeName = "dark", zoom: float = 1.0, *, motion: bool = True) -> None:
        super().__init__()
        fonts.load()
        self.theme: Theme = THEMES[theme]
        self.motion = motion
        self.hall = False
        self._zoom = zoom
        self._colours: dict[tuple[str, float], QColor] = {}
        self._dressed: weakref.WeakKeyDictionary[QWidget, fonts.Style] = weakref.WeakKeyDictionary()
        self._apply()

    @property
    def zoom(self) -> float:
        """Factor from layout pixels to widget pixels."""
        return self._zoom * (HALL if self.hall else 1.0)

    @property
    def chosen_zoom(self) -> float:
        """The zoom without presenter mode's share."""
        return self._zoom

    def set_theme(self, name: ThemeName) -> None:
        """Change every colour."""
        self.theme = THEMES[name]
        self._apply()

    def next_theme(self) -> None:
        """Go round the themes."""
        self.set_theme(THEME_NAMES[(THEME_NAMES.index(self.theme.name) + 1) % len(THEME_NAMES)])

    def set_zoom(self, zoom: float) -> None:
        """Change the size of everything, drawings too."""
        self._zoom = min(max(zoom, ZOOMS[0]), ZOOMS[-1])
        self._apply()

    def zoom_by(self, steps: int) -> None:
        """Zoom in or out by steps of the scale; 0 goes back to 1."""
        if steps == 0:
            self.set_zoom(1.0)
            return
        nearest = min(range(len(ZOOMS)), key=lambda at: abs(ZOOMS[at] - self._zoom))
        self.set_zoom(ZOOMS[min(max(nearest + steps, 0), len(ZOOMS) - 1)])

    def set_hall(self, hall: bool) -> None:
        """Presenter mode: everything larger."""
        self.hall = hall
        self._apply()

    def set_motion(self, motion: bool) -> None:
        """Allow or forbid movement."""
        self.motion = motion
        self.changed.emit()

    def px(self, length: float) -> int:
        """A length at the current zoom, in whole pixels."""
        return fonts.pixels(length, self.zoom)

    def colour(self, role: str, alpha: float = 1.0) -> QColor:
        """Colour of a role or surface with an opacity."""
        found = self._colours.get((role, alpha))
        if found is None:
            found = QColor(self.theme[role])
            found.setAlphaF(alpha)
            self._colours[(role, alpha)] = found
        return found

    def dress(self, widget: QWidget, style: fonts.Style) -> None:
        """Set a widget's font, now and whenever the zoom changes."""
        self._dressed[widget] = style
        widget.setFont(fonts.widget_font(style, self.zoom))

    def icon(self, name: str, role: str = "dim") -> QIcon:
        """An icon for a button in a role's colour."""
        return icons.icon(name, self.theme[role], self.theme["faint"], self.px(16))

    def picture(self, name: str, role: str) -> QSvgRenderer:
        """An icon for painting, in a role's colour."""
        return icons.renderer(name, self.theme[role])

    def _apply(self) -> None:
        self._colours.clear()
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.setFont(fonts.widget_font(fonts.SMALL, self.zoom))
            app.setPalette(sheet.palette(self.theme))
            styled = sheet.style_sheet(self.theme, self.zoom)
            if styled != app.styleSheet():
                # Setting it polishes every widget anew, even when it is the same.
                app.setStyleSheet(styled)
        for widget, style in list(self._dressed.items()):
            if shiboken6.isValid(widget):
                widget.setFont(fonts.widget_font(style, self.zoom))
        self.changed.emit()
