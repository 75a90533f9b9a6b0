"""Icons: one SVG file each in assets/icons, drawn in the colour a theme gives its role."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from teachvm import resources

RATIOS = (1, 2, 3)
"""Device pixel ratios icons are drawn for."""


def names() -> tuple[str, ...]:
    """Every icon there is, by its stem."""
    return tuple(sorted(path.stem for path in (resources.assets() / "icons").glob("*.svg")))


@lru_cache(maxsize=128)
def _source(name: str) -> str:
    return (resources.assets() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=512)
def renderer(name: str, colour: str) -> QSvgRenderer:
    """An icon in a colour (`#rrggbb`), ready to be drawn at any size."""
    return QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))


def pixmap(name: str, colour: str, size: int, ratio: float) -> QPixmap:
    """An icon as a square picture of `size` device-independent pixels."""
    side = round(size * ratio)
    picture = QPixmap(side, side)
    picture.fill(Qt.GlobalColor.transparent)
    with QPainter(picture) as painter:
        renderer(name, colour).render(painter, QRectF(0, 0, side, side))
    picture.setDevicePixelRatio(ratio)
    return picture


def icon(name: str, normal: str, disabled: str, size: int) -> QIcon:
    """An icon for a button, enabled and disabled, sharp at every ratio."""
    made = QIcon()
    for ratio in RATIOS:
        made.addPixmap(pixmap(name, normal, size, ratio), QIcon.Mode.Normal)
        made.addPixmap(pixmap(name, disabled, size, ratio), QIcon.Mode.Disabled)
    return made
