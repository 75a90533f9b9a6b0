"""Guest walk: only references made so far are lit, entries are the machine's own, faults are told bit by bit."""

from dataclasses import replace

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import Arrow, BitBox, DiagramView, Fragment, FragmentRow, Label, NoteView, plain
from teachvm.isa import paging as bits
from teachvm.machine.events import WalkReferenced
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.events import FaultClassified
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.techniques import Technique
from tests.app.presenters.worlds import card, find, paging, tinyos, until, visible


def diagram(control: Control) -> DiagramView:
    view = card(control, "guest-walk").body[0]
    assert isinstance(view, DiagramView)
    return view


def fields(control: Control) -> dict[str, tuple[str, bool]]:
    word = next(shape for shape in diagram(control).shapes if isinstance(shape, BitBox) and shape.id == "word")
    return {field.id: (field.value, field.lit) for field in word.fields}


def fragments(control: Control) -> dict[str, Fragment]:
    return {shape.id: shape for shape in diagram(control).shapes if isinstance(shape, Fragment)}


def used(control: Control, name: str) -> FragmentRow:
    return next(row for row in fragments(control)[name].rows if row.id == f"{name}1")


def lit_arrows(control: Control) -> set[tuple[str, str]]:
    return {(shape.start, shape.end) for shape in diagram(control).shapes if isinstance(shape, Arrow) and shape.lit}


def labels(control: Control) -> list[str]:
    return [plain(shape.text) for shape in diagram(control).shapes if isinstance(shape, Label)]


def test_without_paging_there_is_nothing_to_walk() -> None:
    (note,) = card(tinyos(), "guest-walk").body
    assert isinstance(note, NoteView)
    assert "CR0.PG = 0" in plain(note.text)


def test_the_walk_lights_up_reference_by_reference() -> None:
    control = paging()
    until(control, "first_read")
    visible(control)
    assert isinstance(control.snapshot().log.last_before(Moment(1 << 40), WalkReferenced), WalkReferenced)
    assert fields(control) == {"dir": ("0x020 · 32", True), "table": ("0x04a · 74", False), "offset": ("0x3f4", False)}
    assert plain(used(control, "pd").text) == "0002 2007 P W U"
    assert used(control, "pd").lit == "program"
    assert used(control, "pt").lit is None
    assert fragments(control)["pt"].ghost
    assert lit_arrows(control) == {("dir", "pd1")}
    visible(control)
    assert fields(control)["table"][1]
    assert plain(used(control, "pd").text) == "0002 2027 P W U A"
    assert plain(used(control, "pt").text) == "0001 a007 P W U"
    assert plain(fragments(control)["pg"].title) == "Page · after the access check"
    assert lit_arrows(control) == {("dir", "pd1"), ("pd1", "pt1"), ("table", "pt1")}
    visible(control)
    assert fields(control)["offset"][1]
    assert plain(used(control, "pt").text) == "0001 a027 P W U A"
    assert plain(used(control, "pg").text) == "2a 00 00 00"
    assert "0000 002a" in labels(control)
    assert lit_arrows(control) == {("dir", "pd1"), ("pd1", "pt1"), ("table", "pt1"), ("pt1", "pg1"), ("offset", "pg1")}


def test_neighbouring_entries_are_shown_around_the_one_used() -> None:
    control = paging()
    until(control, "first_read")
    visible(control, 3)
    assert [row.index for row in fragments(control)["pd"].rows] == ["31", "32", "33"]
    assert [plain(row.text) for row in fragments(control)["pt"].rows] == [
        "0001 b007 P W U", "0001 a027 P W U A", "0001 a005 P R U",
    ]  # fmt: skip
    assert [row.index for row in fragments(control)["pg"].rows] == ["3f0", "3f4", "3f8"]
    assert plain(fragments(control)["pd"].title) == "Page directory · CR3 = 0002 0000"


def test_a_first_write_walks_again_and_sets_dirty() -> None:
    control = paging()
    until(control, "first_write")
    visible(control, 3)
    assert plain(used(control, "pt").text) == "0001 a067 P W U A D"
    assert [badge.text for badge in card(control, "guest-walk").aside] == ["write · kernel"]


@pytest.mark.parametrize(
    ("label", "error", "says"),
    [
        ("fault_read", 0, "the page is not present, read, from a supervisor ring"),
        ("user_reads_absent", 4, "the page is not present, read, from ring 3"),
        ("user_reads_kernel", 5, "a rights violation, read, from ring 3"),
        ("user_writes_read_only", 7, "a rights violation, write, from ring 3"),
    ],
)
def test_a_fault_shows_its_error_code_bit_by_bit(label: str, error: int, says: str) -> None:
    control = paging()
    until(control, label)
    control.step(Grain.TRAP)
    code = next(shape for shape in diagram(control).shapes if isinstance(shape, BitBox) and shape.id == "error")
    assert {field.name: field.value[0] for field in code.fields} == {
        name: str(int(bool(error & mask))) for name, mask in bits.ERROR_BITS.items()
    }
    assert [field.name for field in code.fields if field.lit] == [
        name for name in ("RSVD", "U/S", "W/R", "P") if error & bits.ERROR_BITS[name]
    ]
    assert says in labels(control)
    assert f"#PF({error})" in labels(control)
    assert card(control, "guest-walk").aside[1].text == f"#PF({error})"
    assert ("pt1", "pg1") not in lit_arrows(control)


def test_an_absent_directory_entry_leads_to_no_table() -> None:
    control = paging()
    until(control, "user_reads_absent")
    control.step(Grain.TRAP)
    assert plain(used(control, "pd").text) == "not present"
    assert plain(fragments(control)["pt"].title) == "Page table · none"
    assert lit_arrows(control) == {("dir", "pd1")}


def test_an_address_in_focus_is_looked_up_without_touching_the_tables() -> None:
    control = paging()
    until(control, "first_read")
    digest = control.timeline.digest()
    control.look(replace(control.focus, walk=0x0804_A3F4))
    assert plain(used(control, "pt").text) == "0001 a007 P W U"
    assert plain(card(control, "guest-walk").subtitle).endswith("as the tables are now")
    assert plain(used(control, "pg").text) == "2a 00 00 00"
    assert control.timeline.digest() == digest


def test_an_address_in_focus_lights_up_step_by_step_when_it_is_walked() -> None:
    control = paging()
    until(control, "first_read")
    control.look(replace(control.focus, walk=0x0804_A3F4))
    assert ("offset", "pg1") in lit_arrows(control)
    visible(control)
    assert lit_arrows(control) == {("dir", "pd1")}
    visible(control)
    assert ("table", "pt1") in lit_arrows(control)
    visible(control)
    assert plain(card(control, "guest-walk").subtitle).endswith("walked by the CPU")
    visible(control)
    assert plain(card(control, "guest-walk").subtitle).endswith("as the tables are now")


def test_a_mere_look_at_an_absent_page_claims_no_fault() -> None:
    control = paging()
    until(control, "first_read")
    control.look(replace(control.focus, walk=0x0900_0000))
    assert [badge.text for badge in card(control, "guest-walk").aside] == ["a read would fault"]
    assert not any("CR2" in text for text in labels(control))


def test_a_table_changed_since_the_walk_shows_what_the_walk_read() -> None:
    control = paging()
    until(control, "stale_read")
    control.look(replace(control.focus, walk=None))
    until(control, "invalidate")
    control.look(replace(control.focus, walk=0x0804_A3F4))
    assert plain(used(control, "pt").text) == "not present"


def test_under_a_vmm_the_vmm_walks_and_the_host_address_is_told() -> None:
    control = paging(Technique.TRAP_AND_EMULATE)
    control.look(replace(control.focus, cards=()))
    until(control, "first_read")
    control.look(replace(control.focus, cards=("guest-walk",)))
    control.step(Grain.INSTRUCTION)
    assert plain(card(control, "guest-walk").subtitle) == (
        "guest virtual → guest physical, two levels · walked by the VMM, for the VCPU"
    )
    assert any(text.startswith("guest-physical 0001 a3f4 → host-physical ") for text in labels(control))
    assert "0000 002a" in labels(control)


def test_inside_a_trap_the_vmms_walk_is_drawn_as_it_goes(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, FaultClassified) and one.kind is FaultKind.TRUE)
    walk = whole_run.world.recorder.log.last_before(event.at, WalkReferenced)
    assert walk is not None
    whole_run.seek(walk.at)
    assert lit_arrows(whole_run) == {("dir", "pd1")}
    whole_run.seek(event.at)
    assert card(whole_run, "guest-walk").aside[-1].text.startswith("#PF(")


def test_a_large_page_needs_one_reference() -> None:
    control = paging()
    until(control, "first_read")
    machine = control.world.host.machine
    machine.memory.write(0x0002_0000 + 4 * 4, 4, 0x0040_0000 | bits.P | bits.RW | bits.PS)
    machine.cpu.write_cr4(machine.cpu.cr4 | 1 << 4)
    control.leave()
    control.look(replace(control.focus, walk=0x0100_1234))
    assert set(fields(control)) == {"dir", "offset"}
    assert fields(control)["offset"] == ("0x001234", True)
    assert set(fragments(control)) == {"pd", "pg"}
    assert "physical 0040 1234" in labels(control)
