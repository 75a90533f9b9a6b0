"""Console: each guest's own text, with what is fresh."""

from dataclasses import replace

from teachvm.app.control import Control
from teachvm.app.presentation import ConsoleView
from teachvm.machine.events import ConsoleWrote
from teachvm.trace.moment import Moment
from tests.app.presenters.worlds import card, find, tinyos


def consoles(control: Control) -> list[ConsoleView]:
    return [block for block in card(control, "console").body if isinstance(block, ConsoleView)]


def test_before_anything_is_printed_it_says_so() -> None:
    (view,) = consoles(tinyos())
    assert view.text == ""
    assert view.empty == "Nothing printed yet."


def test_what_the_last_step_printed_is_fresh(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, ConsoleWrote) and one.byte == ord("y"))
    whole_run.seek(Moment(event.at.n))
    whole_run.snapshot()
    whole_run.seek(Moment(event.at.n + 1))
    (view,) = consoles(whole_run)
    assert view.text == "tiny"
    assert view.fresh == 1


def test_all_that_was_printed_is_there_at_the_end(whole_run: Control) -> None:
    whole_run.seek(Moment(1 << 40))
    (view,) = consoles(whole_run)
    assert "pid 1 (ticker) exited: 0" in view.text
    assert view.text.splitlines()[-1] == "ticks: 0"


def test_two_guests_have_two_consoles_and_one_can_be_chosen(two_runs: Control) -> None:
    two_runs.seek(Moment(1 << 40))
    assert [view.title for view in consoles(two_runs)] == ["alpha", "beta"]
    two_runs.look(replace(two_runs.focus, guest="beta"))
    assert [view.title for view in consoles(two_runs)] == ["beta"]
    two_runs.look(replace(two_runs.focus, guest=""))
