"""Shadow tables: what the hardware would walk, held against a walk of the hardware's own tables."""

from __future__ import annotations

import pytest

from teachvm.app.presentation import NoteView, TableView, plain
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import Technique
from tests.app.presenters.worlds import card, tinyos


@pytest.mark.parametrize("technique", [Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION])
def test_each_row_is_what_a_walk_of_the_hardwares_tables_finds(technique: Technique) -> None:
    control = tinyos(technique)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    hardware, memory = control.world.host.machine.cpu, control.world.host.machine.memory
    table = card(control, "shadow-tables").body[0]
    assert isinstance(table, TableView)
    assert len(table.rows) >= 5
    for row in table.rows:
        linear, gpa, hpa = (cell.value for cell in row.cells[:3])
        assert linear is not None
        assert gpa is not None
        walk = look(memory.read, PagingMode(hardware.cr0, hardware.cr3, hardware.cr4), Gva(linear))
        assert walk.gpa == hpa, "what the hardware takes for physical is host-physical"
        assert control.world.host.tenants["alpha"].memory.pmap[gpa >> 12] == walk.gpa >> 12  # type: ignore[attr-defined]
        assert ("read-only" in row.cells[3].text) <= (not walk.writable)
    assert any("traced" in row.cells[3].text for row in table.rows) or technique is not Technique.TRAP_AND_EMULATE


@pytest.mark.parametrize("technique", [Technique.BARE_METAL, Technique.EMULATION])
def test_where_there_are_none_the_card_says_what_is_walked_instead(technique: Technique) -> None:
    (note,) = card(tinyos(technique), "shadow-tables").body
    assert isinstance(note, NoteView)
    assert "own tables" in plain(note.text)
