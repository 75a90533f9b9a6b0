"""Timeline: stretches without gaps or overlaps, a notch for every trap, and nothing beyond what was run."""

from itertools import pairwise

import pytest

from teachvm.app.chronicle import chronicle_of
from teachvm.app.control import Control
from teachvm.app.presentation import LanesView, plain
from teachvm.trace import events
from teachvm.trace.moment import Moment
from teachvm.vmm.events import VmmEntered
from teachvm.world.inputs import DerivedDropRequested
from tests.app.presenters.worlds import ALL, bare, card, find, finish, stats, tinyos, until, visible


def lanes(control: Control) -> LanesView:
    view = card(control, "timeline").body[0]
    assert isinstance(view, LanesView)
    return view


def test_at_the_beginning_there_is_nothing_but_lanes() -> None:
    view = lanes(tinyos())
    assert [lane.letter for lane in view.lanes] == ["U", "K", "V", "H"]
    assert (len(view.stretches), len(view.notches), view.now, view.frontier) == (0, 0, 0, 0)


def test_bare_metal_has_no_vmm_lane() -> None:
    assert [lane.letter for lane in lanes(bare()).lanes] == ["U", "K", "H"]


@pytest.mark.parametrize("fixture", ["whole_run", "whole_bare_run", "two_runs"])
def test_stretches_follow_each_other_without_a_gap(fixture: str, request: pytest.FixtureRequest) -> None:
    control: Control = request.getfixturevalue(fixture)
    control.seek(Moment(ALL))
    view = lanes(control)
    stretches = list(view.stretches)
    assert stretches[0].start == 0
    assert stretches[-1].stop == control.world.recorder.clock.cycles == view.frontier
    assert all(one.stop == other.start for one, other in pairwise(stretches))
    assert all(one.at <= other.at for one, other in pairwise(stretches))
    idle = {len(view.lanes) - 1}  # with two guests there may always be one to run
    assert {stretch.lane for stretch in stretches} | idle == set(range(len(view.lanes)))


def test_every_entry_is_a_notch_from_its_guest_down_to_the_vmm(whole_run: Control) -> None:
    whole_run.seek(Moment(ALL))
    view = lanes(whole_run)
    entries = list(whole_run.world.recorder.log.of(VmmEntered))
    assert [notch.at for notch in view.notches] == [event.at for event in entries]
    assert [notch.source for notch in view.notches] == [0 if event.cpl == 3 else 1 for event in entries]
    assert {notch.target for notch in view.notches} == {2}
    assert view.notches[0].text == "#PF(0): hidden page fault"


def test_a_stretch_begins_where_the_machine_really_is(whole_run: Control) -> None:
    whole_run.seek(Moment(ALL))
    for stretch in list(lanes(whole_run).stretches)[100:140:7]:
        whole_run.seek(stretch.at)
        assert stretch.start <= whole_run.world.recorder.clock.cycles <= stretch.stop + 1


def test_the_playhead_moves_and_what_was_run_stays(whole_run: Control) -> None:
    whole_run.seek(Moment(ALL))
    whole = lanes(whole_run)
    whole_run.seek(Moment(1_000))
    view = lanes(whole_run)
    assert view.now == whole_run.world.recorder.clock.cycles
    assert view.frontier == whole.frontier
    assert len(view.stretches) == len(whole.stretches)
    assert plain(card(whole_run, "timeline").subtitle).startswith("instruction 1\u202f000 · ")


def test_only_what_was_run_is_there_while_it_runs() -> None:
    control = tinyos()
    until(control, "sched_lock", 2)
    before = len(lanes(control).notches)
    visible(control)
    view = lanes(control)
    assert len(view.notches) == before + 1
    assert view.frontier == view.now
    assert view.stretches[len(view.stretches) - 1].stop == view.now


def test_two_vms_have_a_lane_each_coloured_by_mode(two_runs: Control) -> None:
    two_runs.seek(Moment(ALL))
    view = lanes(two_runs)
    assert [lane.name for lane in view.lanes] == ["alpha", "beta", "VMM", "Hardware"]
    assert {stretch.role for stretch in view.stretches if stretch.lane < 2} == {"program", "kernel"}
    assert {stretch.role for stretch in view.stretches if stretch.lane >= 2} == {None}


@pytest.mark.parametrize("fixture", ["whole_run", "whole_bare_run", "two_runs"])
def test_totals_are_the_hosts_clock_at_any_moment(fixture: str, request: pytest.FixtureRequest) -> None:
    control: Control = request.getfixturevalue(fixture)
    for n in (0, 6, 4_100, 9_999, 30_124, 30_125, 36_000):
        control.seek(Moment(n))
        now = control.snapshot()
        totals = chronicle_of(now.world).totals(now.at, now.cycles)
        assert sum(totals[:4]) == now.cycles


def test_a_view_does_not_change_when_the_world_runs_on() -> None:
    control = tinyos()
    until(control, "sched_lock", 2)
    view = lanes(control)
    before = list(view.stretches), list(view.notches)
    finish(control)
    lanes(control)
    assert (list(view.stretches), list(view.notches)) == before


def test_a_fork_tells_the_new_past_only() -> None:
    control = tinyos()
    finish(control)
    old, known = lanes(control), control.timeline.frontier
    control.seek(Moment(4_000))
    control.inject(DerivedDropRequested())
    view = lanes(control)
    assert view.key != old.key
    assert view.frontier == view.now < old.frontier
    assert all(notch.at <= Moment(4_000) for notch in view.notches)
    event = find(control, lambda one: isinstance(one, VmmEntered))
    assert view.notches[0].at == event.at
    (branch,) = view.branches
    assert (branch.at, branch.start) == (Moment(4_000), view.now)
    assert (branch.until, branch.stop) == (known, old.frontier)


def test_after_more_happened_than_the_log_keeps_the_gap_stays_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOG_CAPACITY", 1_500)
    control = tinyos()
    control.seek(Moment(60))
    known = len(lanes(control).stretches)
    finish(control)
    view = lanes(control)
    stretches = list(view.stretches)
    assert control.world.recorder.log.first > 0
    assert len(stretches) > known
    gaps = [(one.stop, other.start) for one, other in pairwise(stretches) if one.stop != other.start]
    assert len(gaps) == 1
    assert stretches[-1].stop == view.frontier
    ledger = control.world.host.tenants["alpha"].ledger
    interpreted = sum(row.count for row in ledger.rows() if row.reason.cost == "interpret")
    assert stats(control)["Traps so far"] == str(ledger.total_count - interpreted)
