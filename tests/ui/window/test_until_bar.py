"""The line that says what to run to, and what comes of it."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from teachvm.ui.window.main_window import MainWindow
from tests.ui.window.conftest import settle


def test_a_line_runs_the_machine_forwards_and_back_to_what_it_says(opened: MainWindow) -> None:
    bridge = opened.bridge
    assert bridge is not None
    assert opened.page.until.isHidden()
    QTest.keyClick(opened, Qt.Key.Key_F5, Qt.KeyboardModifier.ControlModifier)
    assert opened.page.until.isVisible()
    assert opened.focusWidget() is opened.page.until.line
    QTest.keyClicks(opened.page.until.line, "trap('cli')")
    places = []
    for _ in range(2):
        QTest.keyClick(opened.page.until.line, Qt.Key.Key_Return)
        settle(opened)
        places.append(bridge.session.position)
    assert places[0] < places[1]
    QTest.keyClick(opened.page.until.line, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    settle(opened)
    assert bridge.session.position == places[0]
    opened.page.until.line.setText("trap(")
    opened.page.until.forward.click()
    settle(opened)
    assert bridge.session.notice is not None
    assert bridge.session.notice.failure
    assert bridge.session.position == places[0]
    opened.page.until.close_button.click()
    assert opened.page.until.isHidden()
