"""Cards about a guest of another processor, and about its neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from teachvm.app.control import Control
from teachvm.app.notation import percent
from teachvm.app.presentation import CodeLabel, CodeLine, NoteView, plain
from teachvm.app.presenters import PRESENTERS, present
from teachvm.app.twin import twin
from teachvm.vmm.techniques import Technique
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from tests.app.presenters.worlds import card, code, current, pairs, running, stats, visible

MIB = 1 << 20


def demo(*others: VmSpec) -> Control:
    gamma = VmSpec("gamma", "rv32", MIB, Technique.EMULATION)
    return Control(WorldSpec(HostSpec(vms=(gamma, *others))))


@pytest.mark.parametrize("name", PRESENTERS)
def test_every_card_says_something_of_it(name: str) -> None:
    control = demo()
    visible(control, 12)
    assert twin(card(control, name))


@pytest.mark.parametrize("name", PRESENTERS)
@pytest.mark.parametrize("focus", ["alpha", "gamma"])
def test_every_card_says_something_where_both_kinds_share_a_host(name: str, focus: str) -> None:
    control = demo(VmSpec("alpha", "tinyos"))
    control.timeline.run(9_000)
    control.look(replace(control.focus, guest=focus))
    assert twin(card(control, name))


def test_its_code_is_shown_in_capstone_s_words_with_its_labels() -> None:
    control = demo()
    assert (current(control).mnemonic, plain(current(control).operands)) == ("lui", "sp, 0x80000")
    rows = code(control).rows
    assert [row.name for row in rows if isinstance(row, CodeLabel)][:2] == ["start", "halted"]
    jumps = {plain(row.operands) for row in rows if isinstance(row, CodeLine) and row.mnemonic in ("jal", "j", "beqz")}
    assert {"print", "count_primes", "print_number", "halted"} <= jumps
    assert all(row.tip is not None for row in rows if isinstance(row, CodeLine))


def test_a_step_shows_what_it_changed() -> None:
    control = demo()
    visible(control)
    (cell,) = pairs(control, "registers")["sp"].cells
    assert (cell.text, cell.changed, cell.was) == ("8000 0000", True, "0000 0000")


def test_nothing_of_it_runs_directly() -> None:
    control = demo()
    visible(control, 5)
    assert running(control) == ["VMM: interpreter"]
    assert stats(control)["Run directly"] == percent(0)
    assert stats(control)["Instructions"] == "5"


def test_what_it_has_not_is_said() -> None:
    view = present("guest-walk", demo().snapshot())
    (note,) = view.body
    assert isinstance(note, NoteView)
    assert "nothing for “Guest walk”" in plain(note.text)
