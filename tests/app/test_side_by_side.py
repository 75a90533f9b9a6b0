"""One guest under every technique there is."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.app.headless import Wishes, alone, run
from teachvm.app.side_by_side import SideBySide
from teachvm.vmm.techniques import Technique
from teachvm.world.spec import HostSpec, ProgramSpec, SpecError, VmSpec, WorldSpec

LIMIT = 200_000


def hello() -> WorldSpec:
    return WorldSpec(HostSpec(vms=(VmSpec("alpha", "tinyos", programs=(ProgramSpec("hello"),)),)))


@pytest.fixture(scope="module")
def tickers() -> SideBySide:
    together = SideBySide(alone("tinyos"), None, LIMIT)
    while together.advance():
        pass
    return together


def test_each_technique_has_the_run_it_would_have_alone(tickers: SideBySide) -> None:
    assert [each.technique for each in tickers.runs] == list(Technique)
    for each in tickers.runs:
        report = run(alone("tinyos", wishes=Wishes(each.technique)), None, limit=LIMIT)
        assert [each.console] == list(report.console.values())
        assert [dict(each.entries)] == [dict(rows) for rows in report.entries.values()]


def test_only_trap_and_emulate_goes_wrong_and_the_popfd_is_named(tickers: SideBySide) -> None:
    wrong = [each for each in tickers.runs if each.diverged is not None]
    assert [each.technique for each in wrong] == [Technique.TRAP_AND_EMULATE]
    assert wrong[0].diverged is not None
    assert (wrong[0].diverged.text, wrong[0].diverged.place) == ("popfd", "sched_unlock+0xb")


def test_every_cycle_belongs_to_somebody(tickers: SideBySide) -> None:
    for each in tickers.runs:
        actors = each.by_actor
        assert actors.program + actors.kernel + actors.vmm + actors.hardware == each.cycles
        assert each.ended


def test_the_share_that_ran_directly_is_all_none_or_nearly_all(tickers: SideBySide) -> None:
    shares = {each.technique: each.direct_share for each in tickers.runs}
    assert shares[Technique.BARE_METAL] == 1
    assert shares[Technique.EMULATION] == 0
    assert 0.95 < shares[Technique.TRAP_AND_EMULATE] < 1


def test_slices_give_what_one_run_gives() -> None:
    random = Random(3)
    whole, sliced = SideBySide(hello(), None, LIMIT), SideBySide(hello(), None, LIMIT)
    while whole.advance():
        pass
    slices = 0
    while sliced.advance(lambda: random.random() < 0.8):
        slices += 1
    assert slices > 10
    assert sliced.runs == whole.runs


def test_several_guests_have_no_bare_metal_to_be_compared_with() -> None:
    guests = tuple(VmSpec(name, "tinyos") for name in ("alpha", "beta"))
    with pytest.raises(SpecError, match="one guest"):
        SideBySide(WorldSpec(HostSpec(vms=guests)), None, LIMIT)
