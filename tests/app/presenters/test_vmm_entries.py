"""VMM entries: the ledger as a table, with the reason just entered for."""

from teachvm.app.control import Control
from teachvm.app.notation import count
from teachvm.app.presentation import NoteView, plain
from teachvm.trace.moment import Moment
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import bare, card, table, texts, tinyos, visible


def test_the_table_is_the_ledger(whole_run: Control) -> None:
    whole_run.seek(Moment(1 << 40))
    ledger = whole_run.world.host.tenants["alpha"].ledger
    rows = {row[0]: row[1:] for row in texts(table(whole_run, "vmm-entries"))}
    for one in ledger.rows():
        assert rows[one.reason.label][:2] == [count(one.count), count(one.cycles)]
        assert rows[one.reason.label][4:6] == [count(one.shortest), count(one.longest)]
        assert rows[one.reason.label][6] == count(whole_run.world.host.costs.of(one.reason.cost))
    assert rows["Total"][:2] == [count(ledger.total_count), count(ledger.total_cycles)]
    assert len(rows) >= 6


def test_the_reason_just_entered_for_is_lit_and_counted_once_it_is_over(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control)
    lit = [row for row in table(control, "vmm-entries").rows if row.lit]
    assert [[cell.text for cell in row.cells[:3]] for row in lit] == [["cli", "0 + 1", "–"]]
    visible(control, 3)
    lit = [row for row in table(control, "vmm-entries").rows if row.lit]
    assert [[cell.text for cell in row.cells[:3]] for row in lit] == [["cli", "1", count(2_004)]] or (
        lit[0].cells[1].text == "1"
    )
    visible(control)
    assert not [row for row in table(control, "vmm-entries").rows if row.lit]


def test_before_the_first_entry_it_says_so() -> None:
    view = table(tinyos(), "vmm-entries")
    assert view.rows == ()
    assert view.empty == "The VMM was not entered yet."


def test_every_vm_has_its_table(two_runs: Control) -> None:
    two_runs.seek(Moment(20_000))
    assert [block.title for block in (table(two_runs, "vmm-entries", at) for at in (0, 1))] == ["alpha", "beta"]


def test_on_bare_metal_a_note_says_that_there_is_no_vmm() -> None:
    (note,) = card(bare(), "vmm-entries").body
    assert isinstance(note, NoteView)
    assert plain(note.text).startswith("There is no VMM")
