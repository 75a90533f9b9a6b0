"""Breakpoints and watched bytes end every run, forwards and backwards, and nobody inside can tell."""

from dataclasses import replace
from pathlib import Path

import pytest

from teachvm.app.control import Control, Direction
from teachvm.app.focus import Watchpoint
from teachvm.app.places import evaluate
from teachvm.app.scene import scene_of
from teachvm.trace.moment import START
from teachvm.vmm.techniques import Technique
from tests.app.laboratory import BUILT, controlled


@pytest.fixture(params=BUILT, ids=lambda technique: technique.value)
def control(request: pytest.FixtureRequest, tmp_path: Path) -> Control:
    return controlled(tmp_path, request.param)


def address(control: Control, place: str) -> int:
    return evaluate(place, scene_of(control.snapshot()))


def watch(control: Control, place: str, size: int = 4, *, reads: bool = False) -> None:
    here = scene_of(control.snapshot())
    linear = evaluate(place, here)
    points = (*control.focus.watchpoints, Watchpoint(here.vm, linear, size, reads))
    control.look(replace(control.focus, watchpoints=points))


def run(control: Control, direction: Direction = Direction.FORWARD) -> None:
    control.start(direction)
    for _ in range(1_000):
        control.work(limit=50_000)
        if control.running is None:
            return
    raise AssertionError("the run does not end")


def test_a_run_stops_right_behind_each_write_and_backwards_at_the_same_places(control: Control) -> None:
    watch(control, "counter")
    seen = []
    for _ in range(6):
        run(control)
        seen.append((control.position, address(control, "[counter]")))
        assert control.notice is not None
        assert "were just written" in control.notice.text
    assert [value for _, value in seen] == [1, 2, 3, 4, 5, 6]
    for moment, value in reversed(seen[:-1]):
        run(control, Direction.BACKWARD)
        assert (control.position, address(control, "[counter]")) == (moment, value)
    run(control, Direction.BACKWARD)
    assert control.position == START


def test_what_is_watched_stays_watched_when_the_guest_is_run_another_way(control: Control) -> None:
    watch(control, "counter")
    for technique in BUILT:
        control.rebuild(control.world.run_by(technique))
        run(control)
        assert address(control, "[counter]") == 1, technique
        assert control.notice is not None
        assert "were just written" in control.notice.text


def test_a_rare_write_is_found_from_both_sides(control: Control) -> None:
    watch(control, "rare")
    run(control)
    found = control.position
    assert address(control, "[rare]") == 0x1234
    run(control)
    assert control.world.stopped is not None
    run(control, Direction.BACKWARD)
    assert control.position == found


def test_reading_stops_only_where_reads_are_watched(control: Control) -> None:
    watch(control, "letter")
    run(control)
    assert control.world.stopped is not None
    control.reset()
    control.look(replace(control.focus, watchpoints=()))
    watch(control, "letter", reads=True)
    run(control)
    assert control.world.stopped is None
    assert address(control, "eip") == address(control, "again") + 16
    assert address(control, "eax") == ord("a")


def test_bytes_beside_the_watched_ones_do_not_stop(control: Control) -> None:
    watch(control, "letter+4")
    run(control)
    assert control.world.stopped is not None


def test_several_breakpoints_and_watches_stop_in_the_order_of_time(control: Control) -> None:
    control.toggle_breakpoint(address(control, "work.out"))
    watch(control, "counter")
    places = []
    for _ in range(4):
        run(control)
        places.append(address(control, "eip") - address(control, "start"))
    again, out = address(control, "again") + 6, address(control, "work.out")
    start = address(control, "start")
    assert places == [again - start, out - start] * 2
    run(control, Direction.BACKWARD)
    assert address(control, "eip") == again


def test_neither_the_guest_nor_a_digest_can_tell_that_bytes_are_watched(control: Control) -> None:
    run(control)
    digest, console = control.timeline.digest(), control.world.console(next(iter(control.world.guests)))
    control.seek(START)
    watch(control, "counter")
    watch(control, "letter", reads=True)
    control.timeline.run(1 << 40)
    assert control.timeline.digest() == digest
    assert control.world.console(next(iter(control.world.guests))) == console


def test_code_runs_compiled_beside_a_watched_byte_nobody_touches(tmp_path: Path) -> None:
    control = controlled(tmp_path, Technique.BARE_METAL, LONG)
    watch(control, "rare")
    control.timeline.run(5_000)
    assert control.world.burst(10_000, frozenset()) > 5_000
    assert control.world.touched() is None


LONG = """
bits 32
org 0x10000
start:
    mov     ecx, 300000
again:
    inc     dword [counter]
    dec     ecx
    jnz     again
    cli
    hlt
    align 4096
counter: dd 0
    align 4096
rare: dd 0
"""
