"""TLB: what is resident, what is new, what is stale, and what was flushed last."""

from teachvm.app.presentation import NoteView, plain
from teachvm.trace.grain import Grain
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import card, paging, table, texts, until


def test_with_paging_off_nothing_is_remembered_and_the_card_says_why() -> None:
    control = paging()
    assert table(control, "tlb").rows == ()
    assert table(control, "tlb").empty.startswith("Paging is off")


def test_an_entry_inserted_by_the_last_step_is_lit() -> None:
    control = paging()
    until(control, "first_read")
    control.step(Grain.INSTRUCTION)
    rows = {row[2]: row for row in texts(table(control, "tlb"))}
    assert rows["0804 a000"] == ["10", "0", "0804 a000", "0001 a000", "W U", "–", "the same"]
    lit = [row.cells[2].text for row in table(control, "tlb").rows if row.lit]
    assert lit == ["0804 a000"]


def test_an_entry_the_tables_no_longer_grant_is_stale_until_invlpg() -> None:
    control = paging()
    until(control, "stale_read")
    rows = {row[2]: row[-1] for row in texts(table(control, "tlb"))}
    assert rows["0804 a000"] == "stale: not present"
    assert [badge.text for badge in card(control, "tlb").aside] == ["1 stale"]
    until(control, "fault_read")
    assert "0804 a000" not in {row[2] for row in texts(table(control, "tlb"))}
    note = card(control, "tlb").body[1]
    assert isinstance(note, NoteView)
    assert plain(note.text).startswith("TLB drops the page of 0804 a3f4 (invlpg): its entry")


def test_under_a_vmm_it_translates_to_host_addresses_and_holds_the_vmms_pages(at: At) -> None:
    control = at("sched_lock")
    rows = {row[2]: row for row in texts(table(control, "tlb"))}
    assert rows["ffc0 3000"][-1] == "the VMM’s own page"
    kernel = rows["0001 0000"]
    assert int(kernel[3].replace(" ", ""), 16) == control.world.host.tenants["alpha"].memory.hpa(0x1_0000)
    assert plain(card(control, "tlb").subtitle).endswith("gVA → hPA, by the shadow tables")
