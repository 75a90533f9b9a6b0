"""Shadow tables: what the hardware would walk, held against a walk of the hardware's own tables."""

from __future__ import annotations

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import NoteView, TableView, plain
from teachvm.app.wording import Walked
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.keys import FLAT
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import ShadowPolicy, Technique
from teachvm.vmm.vm import Vm
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


def test_a_table_left_out_of_step_says_so_with_the_entries_the_guest_has_changed_since() -> None:
    control = tinyos(Technique.TRAP_AND_EMULATE, shadow=ShadowPolicy.UNSYNC)
    vm = control.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    control.leave()
    control.timeline.run(60_000, stop_at=lambda: bool(vm.shadow.unsync))
    control.timeline.run(40)
    control.leave()
    (gfn,) = vm.shadow.unsync
    now, before = vm.memory.read_bytes(gfn << 12, 4096), vm.shadow.unsync[gfn]
    changed = sum(
        now[at] & ~0x60 != before[at] & ~0x60 or now[at + 1 : at + 4] != before[at + 1 : at + 4]
        for at in range(0, 4096, 4)
    )
    view = card(control, "shadow-tables")
    rows = {row.cells[0].value: row for row in table_of(control, 1).rows}
    assert rows[gfn << 12].lit == "now"
    assert rows[gfn << 12].cells[2].text.startswith(f"unsync: {changed} entr")
    assert all(row.lit is None for gpa, row in rows.items() if gpa != gfn << 12)
    assert [badge.text for badge in view.aside] == ["Unsync"]


@pytest.mark.parametrize("policy", list(ShadowPolicy))
def test_each_table_of_the_guest_is_traced_left_out_of_step_or_not_looked_at(policy: ShadowPolicy) -> None:
    control = tinyos(Technique.BINARY_TRANSLATION, shadow=policy)
    vm = control.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    rows = table_of(control, 1).rows
    assert {row.cells[0].value for row in rows} >= {key.gfn << 12 for key in vm.shadow.directories if key.gfn != FLAT}
    for row in rows:
        gfn = (row.cells[0].value or 0) >> 12
        how = "unsync" if gfn in vm.shadow.unsync else "traced" if gfn in vm.memory.traced else "free"
        assert how in row.cells[2].text
    assert (policy is ShadowPolicy.NONCACHING) == all(row.cells[2].text.startswith("not at all") for row in rows)


def test_an_entry_waits_for_its_first_write_until_d_is_set_in_both() -> None:
    control = tinyos(Technique.TRAP_AND_EMULATE)
    vm = control.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    mode, waiting, written = vm.vcpu.mode, 0, 0
    for row in table_of(control, 0).rows:
        linear = row.cells[0].value
        assert linear is not None
        guest, entry = look(vm.memory.read, mode, Gva(linear)), vm.shadow.entry(Gva(linear)) or 0
        assert guest.accessed, "no entry is made before A is set in the guest's own"
        waits = "D waits" in row.cells[3].text
        waiting, written = waiting + waits, written + bool(entry & 2)
        if waits:
            assert (guest.writable, guest.dirty, entry & 2) == (True, False, 0)
        if entry & 2:
            assert guest.dirty
    assert waiting
    assert written


def test_every_cell_of_a_row_leads_to_the_walk_of_its_address() -> None:
    control = tinyos(Technique.TRAP_AND_EMULATE)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    for row in table_of(control, 0).rows:
        assert {cell.link for cell in row.cells} == {Walked(row.cells[0].value or 0)}


def table_of(control: Control, at: int) -> TableView:
    view = card(control, "shadow-tables").body[at]
    assert isinstance(view, TableView)
    return view
