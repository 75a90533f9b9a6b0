"""Diagrams and timelines: routes, filling the card, which moment a place of the picture stands for."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from teachvm.app.notation import count
from teachvm.app.presentation import Branch, CardView, LanesView, Notch, Side
from teachvm.app.twin import twin
from teachvm.trace.moment import Moment
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.diagram import Diagram
from teachvm.ui.widgets.ink import Area, Wire, Words, bounds
from teachvm.ui.widgets.lanes import NAMES, Lanes
from teachvm.ui.widgets.routes import Rect, route
from teachvm.ui.widgets.span import TimeSpan
from tests.ui import samples
from tests.ui.checks import of_marks

Shower = Callable[..., QWidget]
SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")
places = st.tuples(st.integers(0, 900), st.integers(0, 600))


@given(places, st.sampled_from(SIDES), places, st.sampled_from(SIDES), st.floats(0, 1))
def test_routes_run_along_the_axes_from_end_to_end(
    start: tuple[int, int], start_side: Side, end: tuple[int, int], end_side: Side, lane: float
) -> None:
    points = route(start, start_side, end, end_side, lane)
    assert points[0] == start
    assert points[-1] == end
    if start != end:
        assert all(abs(ax - bx) < 0.6 or abs(ay - by) < 0.6 for (ax, ay), (bx, by) in pairwise(points))
    assert len(points) <= 5


def test_a_route_between_facing_sides_has_one_middle_run() -> None:
    assert route((0, 10), "right", (100, 50), "left") == ((0, 10), (50, 10), (50, 50), (100, 50))
    assert route((0, 10), "right", (100, 10), "left") == ((0, 10), (100, 10))
    assert route((10, 0), "bottom", (60, 80), "left") == ((10, 0), (10, 80), (60, 80))


def test_the_point_on_a_side_is_a_share_of_it() -> None:
    box = Rect(10, 20, 100, 40)
    assert box.on("left", 0.5) == (10, 40)
    assert box.on("bottom", 0.25) == (35, 60)


def diagram(look: Look) -> Diagram:
    made = Diagram(look, "guest-walk")
    block = samples.walk().body[0]
    made.show_block(block)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(("width", "height"), [(700, 300), (1000, 330), (1280, 300), (1500, 700), (1900, 420)])
def test_a_diagram_fills_its_card_and_stays_inside(look: Look, shown: Shower, width: int, height: int) -> None:
    made = diagram(look)
    shown(made, width, height)
    boxes = [bounds(mark) for mark in made.picture.marks]
    left, right = min(box.left() for box in boxes), max(box.right() for box in boxes)
    top, bottom = min(box.top() for box in boxes), max(box.bottom() for box in boxes)
    assert left >= -1
    assert right <= width + 1
    assert top >= -1
    assert bottom <= height + 1
    assert right - left >= 0.9 * width
    assert bottom - top >= 0.6 * height


def test_arrows_end_at_the_sides_of_their_shapes(look: Look, shown: Shower) -> None:
    made = diagram(look)
    shown(made, 1280, 320)
    row = made.rect_of("pt1")
    assert row is not None
    ends = [mark.points[-1] for mark in made.picture.marks if isinstance(mark, Wire)]
    assert any(abs(x - row.x) < 0.1 and row.y <= y <= row.y + row.h for x, y in ends)


def test_no_arrow_crosses_the_title_of_a_table(look: Look, shown: Shower) -> None:
    made = diagram(look)
    shown(made, 1280, 320)
    titles = [bounds(mark) for mark in made.picture.marks if isinstance(mark, Words) and mark.text.startswith("Page")]
    assert len(titles) == 3
    for wire in made.picture.marks:
        if isinstance(wire, Wire):
            for (ax, ay), (bx, by) in pairwise(wire.points):
                for title in titles:
                    across = min(ax, bx) < title.right() and max(ax, bx) > title.left()
                    assert not (across and min(ay, by) < title.bottom() and max(ay, by) > title.top())


def lanes(look: Look, view: LanesView) -> Lanes:
    made = Lanes(look, "lanes")
    made.show_block(view)
    return made


def test_a_click_goes_to_the_moment_under_it(look: Look, shown: Shower, qtbot: QtBot) -> None:
    view = samples.lanes()
    made = lanes(look, view)
    shown(made, 1200, 150)
    for stretch in view.stretches[2:30:3]:
        x = made._x((stretch.start + stretch.stop) / 2, 1200)
        with qtbot.waitSignal(made.sought) as sought:
            qtbot.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(round(x), 30))
        qtbot.mouseRelease(made, Qt.MouseButton.LeftButton)
        moment = sought.args[0]
        assert stretch.at <= moment <= Moment(stretch.at.n + stretch.stop - stretch.start, 9)


def test_clicking_beyond_what_was_run_goes_to_its_end(look: Look, shown: Shower, qtbot: QtBot) -> None:
    view = samples.lanes()
    made = lanes(look, view)
    shown(made, 1200, 150)
    with qtbot.waitSignal(made.sought) as sought:
        qtbot.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(1170, 30))
    assert sought.args[0].n >= view.stretches[-1].at.n


def test_keys_go_from_trap_to_trap_and_to_the_beginning(look: Look, shown: Shower, qtbot: QtBot) -> None:
    view = samples.lanes(now=700)
    made = lanes(look, view)
    shown(made, 1200, 150)
    before = [notch for notch in view.notches if notch.cycle < 700]
    after = [notch for notch in view.notches if notch.cycle > 700]
    for key, moment in (
        (Qt.Key.Key_Left, before[-1].at),
        (Qt.Key.Key_Right, after[0].at),
        (Qt.Key.Key_Home, Moment(0)),
    ):
        with qtbot.waitSignal(made.sought) as sought:
            qtbot.keyClick(made, key)
        assert sought.args == [moment]


def test_every_trap_in_sight_is_a_notch_and_what_was_not_run_says_so(look: Look, shown: Shower) -> None:
    view = samples.lanes()
    made = lanes(look, view)
    shown(made, 1200, 150)
    marks = made.picture.marks
    assert sum(isinstance(mark, Area) and mark.fill == "trap" for mark in marks) == len(view.notches)
    assert any(isinstance(mark, Words) and mark.text == "not run yet" for mark in marks)


def test_a_storm_of_traps_is_painted_as_crowds_that_say_how_many_they_are(
    look: Look, shown: Shower, qtbot: QtBot
) -> None:
    plain = samples.lanes()
    storm = tuple(Notch(cycle, 0, 2, Moment(cycle, 1), "#PF: hidden") for cycle in range(100, 100 + 300))
    lone = Notch(700, 0, 2, Moment(700, 1), "#GP(0): cli")
    made = lanes(look, replace(plain, notches=(*storm, lone)))
    shown(made, 1200, 150)
    dots = [mark for mark in made.picture.marks if isinstance(mark, Area) and mark.fill == "trap" and mark.h == 7]
    assert len(dots) == 2
    said = [spot.name for spot in made.picture.spots if "trap" in spot.name or "cli" in spot.name]
    assert said[0].startswith("300 traps from cycle 100 to 399")
    assert said[1].startswith("#GP(0): cli at cycle 700")
    with qtbot.waitSignal(made.sought) as sought:
        qtbot.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(round(made._x(100, 1200)), 30))
    assert sought.args == [storm[0].at]


def test_of_ten_thousand_traps_in_sight_the_first_is_painted_too(look: Look, shown: Shower) -> None:
    storm = [Notch(cycle // 10, 0, 2, Moment(cycle, 1), "#PF: hidden") for cycle in range(1_000, 11_000)]
    notches = Notch(20, 0, 2, Moment(20, 1), "#GP(0): cli"), *storm
    made = lanes(look, replace(samples.lanes(), notches=notches))
    shown(made, 1200, 150)
    said = [spot.name for spot in made.picture.spots if "trap" in spot.name or "cli" in spot.name]
    assert len(said) == 2
    assert said[0].startswith("#GP(0): cli at cycle 20")
    assert said[1].startswith(f"{count(10_000)} traps from cycle 100 to")


def test_every_future_left_behind_is_a_dashed_line_that_says_what_it_is(look: Look, shown: Shower) -> None:
    plain = samples.lanes()
    branches = tuple(Branch(start, start + 400, Moment(start), Moment(start + 390)) for start in (300, 900, 1500, 2000))
    made = lanes(look, replace(plain, branches=branches))
    shown(made, 1200, 170)
    dashed = [mark for mark in made.picture.marks if isinstance(mark, Wire) and mark.dashed]
    along = [mark.points for mark in dashed if mark.points[0][1] == mark.points[1][1]][1:]
    assert [points[0][0] for points in along] == pytest.approx([made._x(one.start, 1200) for one in branches])
    assert any(isinstance(mark, Words) and mark.text == "left behind" for mark in made.picture.marks)
    said = [spot.name for spot in made.picture.spots if spot.name.startswith("left behind")]
    assert len(said) == len(branches)
    assert list(of_marks(made.picture.marks, QRectF(0, 0, 1200, 170))) == []
    text = twin(CardView((), (replace(plain, branches=branches),)))
    assert text.count("Left behind") == len(branches)
    assert (
        f"from instruction {count(1500)} (cycle {count(1500)}) to instruction {count(1890)} (cycle {count(1900)})"
        in text
    )


def test_the_window_follows_the_playhead_through_a_long_past() -> None:
    span = TimeSpan()
    whole = samples.lanes(count=600)
    for now in range(0, whole.frontier, 97):
        view = LanesView(whole.lanes, whole.stretches, whole.notches, now, whole.frontier)
        span.follow(view)
        assert span.start <= now <= span.stop
        held = sum(stretch.stop > span.start and stretch.start < span.stop for stretch in whole.stretches)
        assert held <= 130


def test_a_chosen_zoom_is_kept_and_the_cycle_under_the_pointer_stays() -> None:
    span = TimeSpan()
    view = samples.lanes(count=300, now=5000)
    span.follow(view)
    at = span.start + span.length / 3
    span.zoom(0.5, at, view)
    assert at == pytest.approx(span.start + span.length / 3)
    length = span.length
    span.follow(LanesView(view.lanes, view.stretches, view.notches, 9000, view.frontier))
    assert span.length == length
    assert span.start <= 9000 <= span.stop


def test_ticks_are_round_and_few() -> None:
    span = TimeSpan()
    for length in (16.0, 70.0, 999.0, 12_345.0, 7_000_000.0):
        span.length = length
        ticks = span.ticks(8)
        assert 2 <= len(ticks) <= 20
        steps = {b - a for a, b in pairwise(ticks)}
        assert len(steps) == 1
        assert str(steps.pop()).rstrip("0") in ("1", "2", "5")


def test_a_timeline_of_a_million_cycles_paints_in_time(look: Look, shown: Shower) -> None:
    view = samples.lanes(count=20_000, now=10**9)
    made = lanes(look, view)
    shown(made, 1600, 150)
    made.zoom(1000.0)
    made.grab()
    assert len(made.picture.marks) < 12_000
    assert all(mark.x >= NAMES - 6 for mark in made.picture.marks if isinstance(mark, Area))
