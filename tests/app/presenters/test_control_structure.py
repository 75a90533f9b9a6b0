"""The control-structure card: every field in its group, the changed ones marked, the exit in words."""

from __future__ import annotations

from teachvm.app.control import Control
from teachvm.app.presentation import CardView, NoteView, TableView, plain
from teachvm.app.presenters import present
from teachvm.trace.grain import Grain
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vmx.fields import Field, Group
from tests.app.presenters.worlds import tinyos


def card(control: Control) -> CardView:
    return present("control-structure", control.snapshot(), control.before())


def rows(view: CardView) -> dict[str, tuple[str, str, bool]]:
    table = view.body[-1]
    assert isinstance(table, TableView)
    return {row.key: (row.cells[2].text, row.cells[3].text, row.cells[2].changed) for row in table.rows}


def test_every_field_stands_in_its_group() -> None:
    shown = rows(card(tinyos(Technique.HARDWARE_ASSIST)))
    assert {*(field.name for field in Field), *(group.name for group in Group)} == set(shown)


def test_a_step_over_an_exit_marks_what_it_changed_and_says_why() -> None:
    control = tinyos(Technique.HARDWARE_ASSIST)
    while "IO_INSTRUCTION" not in rows(card(control))["EXIT_REASON"][1]:
        control.step(Grain.TRAP)
        card(control)
        control.step(Grain.INSTRUCTION)
    view = card(control)
    shown = rows(view)
    assert shown["EXIT_QUALIFICATION"][1] == "1 byte out to port 0x20"
    assert shown["GUEST_RIP"][2]
    assert not shown["HOST_CR3"][2]
    note = view.body[0]
    assert isinstance(note, NoteView)
    assert plain(note.text).startswith("Last exit 30 IO_INSTRUCTION: 1 byte out to port 0x20")
    assert "HLT exiting" in shown["PROCESSOR_BASED"][1]


def test_without_the_mode_there_is_no_structure() -> None:
    (note,) = card(tinyos()).body
    assert isinstance(note, NoteView)
    assert "Only under hardware assist" in plain(note.text)


def test_before_the_first_exit_the_card_says_so() -> None:
    shown = rows(card(tinyos(Technique.HARDWARE_ASSIST)))
    assert shown["EXIT_REASON"][1] == "no exit yet"


def test_the_tsc_offset_is_told_as_the_difference_of_two_clocks() -> None:
    control = tinyos(Technique.HARDWARE_ASSIST)
    control.timeline.run(3_000)
    vm = control.world.host.tenants["alpha"]
    offset = vm.time - control.world.recorder.clock.cycles  # type: ignore[attr-defined]  # the only tenant is a VM
    assert offset < 0
    assert rows(card(control))["TSC_OFFSET"][1] == f"guest time − host time: {offset} cycles"
