"""Every beat of every shipped lesson, as a student meets it: no text wider than its box, always something to do."""

from itertools import cycle

import pytest

from teachvm.lesson.catalogue import shipped
from teachvm.ui.theme.tokens import THEME_NAMES
from teachvm.ui.window.main_window import MainWindow
from tests.ui.checks import problems
from tests.ui.window.conftest import settle
from tests.ui.window.journeys import beginnings_and_ends, bridge_of, every_state

LESSONS = [entry.id for entry in shipped()]
SIZES = [(1024, 768), (1366, 768), (1600, 1000)]


def opened_at(window: MainWindow, lesson: str, size: tuple[int, int]) -> None:
    window.resize(*size)
    assert window.open_lesson(lesson)
    settle(window)


@pytest.mark.parametrize(("lesson", "size"), list(zip(LESSONS, cycle(SIZES), strict=False)))
def test_no_text_is_wider_than_its_box_where_a_beat_begins_and_ends(
    window: MainWindow, lesson: str, size: tuple[int, int]
) -> None:
    opened_at(window, lesson, size)
    for where in beginnings_and_ends(window):
        assert problems(window) == [], where
        action = window.page.rail.action
        assert window.page.rail.rect().contains(action.geometry().translated(window.page.rail.foot.pos())), where
        assert bridge_of(window).session.notice is None or not bridge_of(window).session.notice.failure, where


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("theme", THEME_NAMES)
@pytest.mark.parametrize("size", [*SIZES, (2560, 1440)])
@pytest.mark.parametrize("lesson", LESSONS)
def test_no_text_is_wider_than_its_box_in_any_state_of_any_beat(
    window: MainWindow, lesson: str, size: tuple[int, int], theme: str
) -> None:
    window.look.set_theme(theme)  # type: ignore[arg-type]
    opened_at(window, lesson, size)
    for where in every_state(window):
        assert problems(window) == [], where
