"""The switch in the header: who translates, on the running guest, and only where the technique has the choice."""

from __future__ import annotations

from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.trace.moment import Moment
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import Technique


def laboratory(technique: Technique) -> Laboratory:
    return Laboratory("tinyos", None, Wishes(technique))


def test_the_guest_goes_on_where_it_is_with_other_tables() -> None:
    session = laboratory(Technique.HARDWARE_ASSIST)
    session.control.seek(Moment(2_000))
    assert [each.id for each in session.header().pagings] == ["shadow", "nested", "nested-cached"]
    assert session.header().paging == "shadow"
    for name in ("nested", "nested-cached", "shadow", "nested-cached"):
        session.set_paging(name)
        assert session.header().paging == name
        assert session.control.position == Moment(2_000)
    engine = session.control.world.host.tenants["tinyos"].engine  # type: ignore[attr-defined]  # a VM has one
    assert isinstance(engine, HardwareAssist)
    session.control.timeline.run(6_000)
    assert engine.walker.cache_hits
    session.reset()
    assert session.header().paging == "shadow"


def test_a_technique_without_the_choice_shows_no_switch() -> None:
    for technique in (Technique.BARE_METAL, Technique.TRAP_AND_EMULATE, Technique.EMULATION):
        view = laboratory(technique).header()
        assert (view.pagings, view.paging) == ((), "")
