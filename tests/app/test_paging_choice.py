"""The switch in the header: who translates, on the running guest, and only where the technique has the choice."""

from __future__ import annotations

from pathlib import Path

from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.app.lesson_session import LessonSession
from teachvm.app.page_tables import looked_at
from teachvm.lesson.catalogue import find
from teachvm.lesson.loader import load
from teachvm.trace.moment import Moment
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import Technique
from tests.app.lessons import ready, settled


def laboratory(technique: Technique) -> Laboratory:
    return Laboratory("tinyos", None, Wishes(technique))


def test_the_guest_goes_on_where_it_is_with_other_tables() -> None:
    session = laboratory(Technique.HARDWARE_ASSIST)
    session.control.seek(Moment(2_000))
    assert session.header().paging == "caching"
    for name in ("nested", "nested-cached", "caching", "nested-cached"):
        session.set_paging(name)
        assert session.header().paging == name
        assert session.control.position == Moment(2_000)
    engine = session.control.world.host.tenants["tinyos"].engine  # type: ignore[attr-defined]  # a VM has one
    assert isinstance(engine, HardwareAssist)
    session.control.timeline.run(6_000)
    assert engine.walker.cache_hits
    session.reset()
    assert session.header().paging == "caching"


def test_a_technique_without_the_choice_shows_no_switch() -> None:
    for technique in (Technique.BARE_METAL, Technique.EMULATION):
        view = laboratory(technique).header()
        assert (view.pagings, view.paging) == ((), "")


def test_shadow_tables_are_kept_in_step_another_way_from_here_on() -> None:
    for technique in (Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION, Technique.PARAVIRTUAL):
        session = laboratory(technique)
        session.control.seek(Moment(4_000))
        assert [each.id for each in session.header().pagings] == ["noncaching", "caching", "unsync"]
        assert session.header().paging == "caching"
        for name in ("unsync", "noncaching", "caching", "unsync"):
            session.set_paging(name)
            assert session.header().paging == name
            assert session.control.position == Moment(4_000)
        session.control.seek(Moment(6_000))
        session.control.seek(Moment(3_000))
        assert session.header().paging == "caching", "before it was chosen"
        session.control.seek(Moment(5_000))
        assert session.header().paging == "unsync"
        session.reset()
        assert session.header().paging == "caching"


def test_under_hardware_assist_one_switch_leads_to_every_way_and_back() -> None:
    session = laboratory(Technique.HARDWARE_ASSIST)
    session.control.seek(Moment(2_000))
    names = [each.id for each in session.header().pagings]
    assert names == ["noncaching", "caching", "unsync", "nested", "nested-cached"]
    for name in ("nested", "unsync", "nested-cached", "caching", "noncaching", "nested"):
        session.set_paging(name)
        assert session.header().paging == name
        assert session.control.position == Moment(2_000)
    session.control.timeline.run(500)


def test_a_lesson_offers_ways_to_keep_tables_in_step_only_beside_the_card_that_shows_them(tmp_path: Path) -> None:
    body = """## One\n\n```{{show}}\ncards: [{cards}]\n```\n\nText.\n"""
    for cards, offered in (("guest-code", 0), ("guest-code, shadow-tables", 3)):
        session = ready(tmp_path / cards[-4:], body.format(cards=cards))
        assert len(session.header().pagings) == offered
    session = ready(tmp_path / "assisted", body.format(cards="guest-code"), technique="hardware-assist")
    assert [each.id for each in session.header().pagings] == ["shadow", "nested", "nested-cached"]
    session.set_paging("nested")
    assert session.header().paging == "nested"


def test_the_switch_says_how_the_guest_in_the_middle_is_translated() -> None:
    session = settled(LessonSession(load(find("nested-paging"))))
    assert session.header().paging == "nested"
    session.go_to_beat(4)
    settled(session)
    assert looked_at(session.control).name == "beta"
    assert session.header().paging == "caching"
