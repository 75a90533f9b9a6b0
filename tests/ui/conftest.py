from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from teachvm.ui.theme.look import Look


@pytest.fixture
def look(qapp: QApplication) -> Look:
    """The dark theme at zoom 1, without motion: what a picture taken without a screen shows."""
    return Look("dark", 1.0, motion=False)


Shower = Callable[..., QWidget]


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[Shower]:
    """Show a widget at a size; it is gone when the test is over."""
    made: list[QWidget] = []

    def show(widget: QWidget, width: int = 600, height: int = 500) -> QWidget:
        made.append(widget)
        widget.resize(width, height)
        widget.show()
        QApplication.processEvents()
        return widget

    yield show
    for widget in made:
        widget.close()
        widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # type: ignore[arg-type]  # None: every object
