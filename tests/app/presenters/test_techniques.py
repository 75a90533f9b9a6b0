"""Techniques side by side: bars of what the runs counted, and how to begin before there are any."""

from __future__ import annotations

import pytest

from teachvm.app.cards import CARDS
from teachvm.app.headless import alone
from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.notation import count
from teachvm.app.presentation import BarsView, CardView, NoteView, plain
from teachvm.app.presenters import present
from teachvm.app.side_by_side import SideBySide
from teachvm.app.snapshot import Snapshot
from teachvm.app.survey import Finding, Measuring, SurveyView, workloads
from teachvm.vmm.techniques import Technique
from tests.app.presenters.worlds import tinyos


@pytest.fixture(scope="module")
def side() -> SideBySide:
    together = SideBySide(alone("tinyos"), None, 8_000)
    while together.advance():
        pass
    return together


def shown(survey: SurveyView | None, vms: tuple[str, ...] = ("alpha",)) -> CardView:
    snapshot: Snapshot = tinyos(vms=vms).snapshot()
    snapshot.survey = survey
    return present("techniques", snapshot)


def test_before_anything_was_measured_the_card_says_how_to_begin() -> None:
    (note,) = shown(None).body
    assert isinstance(note, NoteView)
    assert KEY_BY_ACTION["measure"].keys[0] in plain(note.text)


def test_several_guests_cannot_be_compared_and_the_card_says_so() -> None:
    (note,) = shown(None, ("alpha", "beta")).body
    assert isinstance(note, NoteView)
    assert "one guest" in plain(note.text)


def test_bars_are_the_cycles_of_the_runs_scaled_to_ten_thousand_instructions(side: SideBySide) -> None:
    view = shown(SurveyView((Finding("tickers", tuple(side.runs)), Finding("nothing yet", ())), "the rest"))
    bars, going = view.body
    assert isinstance(bars, BarsView)
    assert isinstance(going, NoteView)
    assert "Running the rest" in plain(going.text)
    for bar, run in zip(bars.bars, side.runs, strict=True):
        for part, measured in ((bar.parts, run.warm), (bar.below, run.cold)):
            scale = 10_000 / measured.instructions
            assert [each.value for each in part] == pytest.approx([measured.guest * scale, measured.vmm * scale])
        for name, many in run.warm.kinds.items():
            assert f"{count(many)} {name}" in plain(bar.says)


def test_cold_and_warm_are_one_run_cut_at_one_number_of_guest_instructions(side: SideBySide) -> None:
    cut = {run.cold.instructions for run in side.runs}
    assert max(cut) - min(cut) <= 1, "translated code may complete two at once"
    for run in side.runs:
        assert run.cold.instructions + run.warm.instructions == run.instructions
        assert run.cold.guest + run.warm.guest == run.by_actor.program + run.by_actor.kernel
        assert run.cold.vmm + run.warm.vmm == run.by_actor.vmm
        entries = 0 if run.technique is Technique.BARE_METAL else run.by_actor.traps
        assert sum(run.cold.kinds.values()) + sum(run.warm.kinds.values()) == entries


def test_what_the_entries_are_called_is_the_techniques_own(side: SideBySide) -> None:
    kinds = {run.technique: set(run.warm.kinds) | set(run.cold.kinds) for run in side.runs}
    assert kinds == {
        Technique.BARE_METAL: set(),
        Technique.TRAP_AND_EMULATE: {"trap"},
        Technique.BINARY_TRANSLATION: {"trap", "callout"},
        Technique.HARDWARE_ASSIST: {"exit"},
        Technique.PARAVIRTUAL: {"trap", "hypercall"},
        Technique.EMULATION: set(),
    }


def test_a_longer_bar_ends_further_right_on_the_log_axis_and_a_tenfold_one_a_decade_further(side: SideBySide) -> None:
    view = shown(SurveyView((Finding("tickers", tuple(side.runs)),), "")).body[0]
    assert isinstance(view, BarsView)
    start, stop = view.ends
    assert view.place(10.0**start) == 0
    assert view.place(10.0**stop) == pytest.approx(1)
    assert view.place(10.0 ** (start + 1)) == pytest.approx(1 / (stop - start))
    assert all(sum(part.value for part in bar.parts) <= 10**stop for bar in view.bars)


def test_the_shipped_system_is_measured_computing_and_calling_a_guest_of_ones_own_as_it_is() -> None:
    assert [load.name.partition(":")[0] for load in workloads(alone("tinyos"))] == ["compute", "system calls"]
    (own,) = workloads(alone("coop"))
    assert own.spec == alone("coop")


def test_measuring_can_be_stopped_and_gone_on_with() -> None:
    measuring = Measuring()
    assert measuring.begin(alone("coop"), None) is None
    assert measuring.work(lambda: False) is None
    measuring.going = False
    before = measuring.view
    assert before is not None
    assert measuring.begin(alone("coop"), None) is None
    assert measuring.view == before
    assert measuring.going


def test_every_action_in_a_cards_header_is_in_the_key_table() -> None:
    assert {action for card in CARDS for action in card.actions} <= set(KEY_BY_ACTION)
