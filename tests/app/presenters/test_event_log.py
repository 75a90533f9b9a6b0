"""Event log: sentences in order, bounded, each leading to its moment."""

from teachvm.app.control import Control
from teachvm.app.presentation import Instant
from teachvm.trace.moment import Moment
from teachvm.vmm.region import VMM_BASE
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import finish, table, texts, tinyos, visible


def test_a_trap_is_four_sentences_with_their_actors(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control, 4)
    rows = texts(table(control, "event-log"))[-5:]
    assert [(row[2], row[3]) for row in rows if row[2] == "VMM"] == [
        ("VMM", "is entered for cli: #GP(0) at 0001 0a36 in alpha"),
        ("VMM", "reads the byte fa through the guest’s tables: cli"),
        ("VMM", "emulates it: vcpu.IF ← 0"),
        ("VMM", "resumes the guest at 0001 0a37"),
    ]
    assert ("CPU", "raises #GP(0) at 0001 0a36, CPL 1") in [(row[2], row[3]) for row in rows]


def test_standing_at_a_phase_it_ends_with_that_phase(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control, 4)
    control.seek(Moment(control.position.n - 1, 4))
    last = table(control, "event-log").rows[-1]
    assert last.cells[3].text.startswith("reads the byte fa")
    assert last.lit == "now"


def test_the_log_is_bounded_and_each_moment_leads_there() -> None:
    control = tinyos()
    finish(control)
    rows = table(control, "event-log").rows
    assert 400 <= len(rows) <= 500
    links = [row.cells[0].link for row in rows]
    moments = [link.moment for link in links if isinstance(link, Instant)]
    assert len(moments) == len(rows)
    assert moments == sorted(moments)


def test_rows_keep_their_identity_as_the_log_grows(whole_run: Control) -> None:
    whole_run.seek(Moment(30_000))
    first = table(whole_run, "event-log").rows
    whole_run.seek(Moment(30_060))
    second = table(whole_run, "event-log").rows
    assert first[0].key == second[0].key
    assert first[0] is second[0]


def test_walks_of_the_vmms_own_pages_are_left_out(whole_run: Control) -> None:
    whole_run.seek(Moment(20))
    said = [row[3] for row in texts(table(whole_run, "event-log"))]
    assert any(text.startswith("walks the tables for") for text in said)
    assert not any(f"{VMM_BASE >> 16:04x} " in text and text.startswith("walks") for text in said)
