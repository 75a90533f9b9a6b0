"""The nested-walk card: one cell for each reference, lit as it is made, and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from teachvm.app.control import Control
from teachvm.app.drawing import Box, DiagramView, Label
from teachvm.app.origin import LastChange, LastWrite, asked_of
from teachvm.app.presentation import CardView, NoteView, plain
from teachvm.app.presenters import present
from teachvm.app.twin import twin
from teachvm.machine.events import ExceptionRaised
from teachvm.trace.grain import Grain
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vmx.events import NestedReferenced, VmExited
from teachvm.world.build import build
from teachvm.world.inputs import PagingChosen
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from tests.app.presenters.worlds import PAGING_LESSON, until

DATA = 0x0804_A3F4


def world(technique: Technique = Technique.HARDWARE_ASSIST, paging: Paging = Paging.NESTED) -> Control:
    """The lesson on page tables, in a VM, with both walks on the stage; before the first read of a page."""
    spec = WorldSpec(HostSpec(vms=(VmSpec("alpha", "guest.asm", technique=technique, paging=paging),)))
    control = Control(spec, lambda asked: build(asked, PAGING_LESSON))
    control.look(replace(control.focus, cards=("guest-walk", "nested-walk")))
    return control


@pytest.fixture
def at_read() -> Control:
    control = world()
    until(control, "first_read")
    return control


def card(control: Control) -> CardView:
    return present("nested-walk", control.snapshot(), None)


def boxes(control: Control) -> dict[str, Box]:
    (diagram,) = card(control).body
    assert isinstance(diagram, DiagramView)
    return {shape.id: shape for shape in diagram.shapes if isinstance(shape, Box)}


def text(box: Box) -> str:
    return " ".join(plain(line) for line in box.lines)


def labels(control: Control) -> str:
    (diagram,) = card(control).body
    assert isinstance(diagram, DiagramView)
    return "\n".join(plain(shape.text) for shape in diagram.shapes if isinstance(shape, Label))


def to_data_walk(control: Control) -> None:
    """To the first reference of the walk that ends well, for the data."""
    for _ in range(200):
        control.step(Grain.VISIBLE)
        phase = next(iter(control.world.recorder.log.of(NestedReferenced, control.position)), None)
        if phase is not None and phase.at == control.position and phase.linear == DATA and phase.index == 7:
            return
    raise AssertionError("the walk was not complete")


def test_each_step_lights_the_cell_of_the_next_reference(at_read: Control) -> None:
    to_data_walk(at_read)
    for count in range(8, 0, -1):
        shown = boxes(at_read)
        assert sum(not shown[f"tick{at}"].ghost for at in range(8)) == count
        assert f"{count} of 8" in labels(at_read)
        current = [box for name, box in shown.items() if box.role == "now" and not name.startswith("tick")]
        assert [box.number for box in current] == [str(count)]
        at_read.back(Grain.VISIBLE)


def test_a_walk_that_is_over_shows_every_entry_and_the_data(at_read: Control) -> None:
    at_read.step(Grain.INSTRUCTION)
    shown = boxes(at_read)
    vm = at_read.world.host.tenants["alpha"]
    frame = vm.memory.pmap[0x1A] << 12  # type: ignore[attr-defined]  # the only tenant is a VM
    assert text(shown["r0c3"]) == "PDE 32 → 0002 2000"
    assert text(shown["r1c3"]) == "PTE 74 → 0001 a000"
    assert text(shown["r2c1"]) == f"NPT[26] → {frame >> 16:04x} {frame & 0xFFFF:04x}"
    assert text(shown["r2c3"]) == "data 0000 002a"
    assert [shown[f"r{row}c{column}"].number for row in range(3) for column in (0, 1, 3)][:8] == list("12345678")
    said = twin(card(at_read))
    assert "8 of 8 memory references made" in said
    assert "nested PDE" in said


def test_an_address_asked_about_is_shown_as_the_tables_are(at_read: Control) -> None:
    at_read.look(replace(at_read.focus, walk=0x0804_9000))
    assert "as the tables are now" in plain(card(at_read).subtitle)
    shown = boxes(at_read)
    assert text(shown["r0c3"]) == "PDE 32 → 0002 2000"
    assert text(shown["r1c3"]) == "PTE 73 → 0001 b000"
    # Nobody has touched the page, so the nested tables do not have it yet.
    assert text(shown["r2c1"]) == "NPT[27] → not present"
    assert shown["r2c3"].ghost


def test_the_card_says_what_deeper_tables_would_take(at_read: Control) -> None:
    assert "two guest levels over four nested ones: 14 · four over four: 24" in labels(at_read)


def test_with_a_walk_cache_the_nested_references_it_knows_are_not_made(at_read: Control) -> None:
    at_read.step(Grain.INSTRUCTION)
    at_read.inject(PagingChosen("alpha", Paging.NESTED, walk_cache=True))
    at_read.step(Grain.INSTRUCTION)
    until(at_read, "unmap")
    (badge,) = card(at_read).aside
    assert "spared" in badge.text
    spared = [box for box in boxes(at_read).values() if "walk cache" in text(box)]
    assert all(box.ghost for box in spared)


@pytest.mark.parametrize(
    ("technique", "paging", "said"),
    [
        (Technique.BARE_METAL, Paging.SHADOW, "No VMM lies below"),
        (Technique.TRAP_AND_EMULATE, Paging.SHADOW, "Nested tables need hardware assist"),
        (Technique.HARDWARE_ASSIST, Paging.SHADOW, "shadow tables translate here"),
    ],
)
def test_where_nothing_is_nested_the_card_says_why(technique: Technique, paging: Paging, said: str) -> None:
    (note,) = card(world(technique, paging)).body
    assert isinstance(note, NoteView)
    assert said in plain(note.text)


def test_the_guest_walk_beside_it_keeps_the_guest_s_half(at_read: Control) -> None:
    at_read.step(Grain.INSTRUCTION)
    view = present("guest-walk", at_read.snapshot(), None)
    assert "walked by the CPU, with a nested walk for each step" in plain(view.subtitle)
    assert "2 of 2 references made, physical 0001 a3f4" in twin(view)


def test_a_page_fault_of_the_guest_s_own_is_delivered_without_the_vmm_and_can_be_stepped_to() -> None:
    control = world()
    control.look(replace(control.focus, cards=("guest-code",)))
    until(control, "fault_read")
    control.step(Grain.VISIBLE)
    phase = next(iter(control.world.recorder.log.of(ExceptionRaised, control.position)))
    assert (phase.at, phase.vector) == (control.position, 14)
    assert "CPU raises #PF" in twin(present("guest-code", control.snapshot(), control.before()))
    control.step(Grain.INSTRUCTION)
    after = control.world.recorder.log.of(VmExited, phase.at)
    # Pages of the handler's that nobody touched before may be missing; the fault itself is no exit.
    assert {event.reason.value for event in after} <= {"nested-violation"}


def test_each_entry_read_says_whose_it_is_so_that_its_origin_can_be_asked(at_read: Control) -> None:
    at_read.step(Grain.INSTRUCTION)
    asked = [box.alters for box in boxes(at_read).values() if box.alters is not None]
    guests = [each for each in asked if each.space == "guest-physical"]
    assert [each.name[:3] for each in guests] == ["PDE", "PTE"]
    assert {each.vm for each in guests} == {"alpha"}
    assert {each.space for each in asked} == {"guest-physical", "host-physical"}
    for each in asked:
        quest = asked_of(at_read.world, at_read.timeline, each, LastWrite, LastChange)
        assert quest is not None
        found = quest.advance(lambda: True)
        assert found is not None
        assert "last written" in found.text
        at_read.seek(quest.here)
