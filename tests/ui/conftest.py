from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from teachvm.ui.theme.look import Look


@pytest.fixture
def look(qapp: QApplication) -> Look:
    """The dark theme at zoom 1, without motion: what a picture taken without a screen shows."""
    return Look("dark", 1.0, motion=False)


Shower = Callable[..., QWidget]


@pytest.fixture
def shown(qtbot: QtBot) -> Shower:
    """Show a widget at a size; it is closed when the test is over."""

    def show(widget: QWidget, width: int = 600, height: int = 500) -> QWidget:
        qtbot.addWidget(widget)
        widget.resize(width, height)
        widget.show()
        QApplication.processEvents()
        return widget

    return show
