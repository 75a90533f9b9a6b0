"""PySide6 6.12.0 gives away a reference to None in each call that returns it, and Python <= 3.11 aborts in the end."""

import sys

from PySide6.QtCore import QObject


def test_a_qt_call_that_returns_none_keeps_the_count_of_references_to_none() -> None:
    thing = QObject()
    calls = 300
    before = sys.getrefcount(None)
    for _ in range(calls):
        thing.setObjectName("x")
    assert before - sys.getrefcount(None) < calls // 10
