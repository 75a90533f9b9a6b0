"""Memory and stack: what lies on the stack by name, and bytes at an address with what changed."""

from dataclasses import replace

from teachvm.app.control import Control
from teachvm.app.presentation import HexView, NoteView, plain
from teachvm.trace.grain import Grain
from teachvm.vmm.addresses import Gfn
from teachvm.vmm.events import FaultReflected
from teachvm.vmm.vm import Vm
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import after, card, find, paging, until, visible


def grid(control: Control) -> HexView:
    view = card(control, "memory").body[0]
    assert isinstance(view, HexView)
    return view


def test_the_top_of_the_stack_is_marked_and_a_return_address_named(at: At) -> None:
    control = at("sched_lock")
    view = grid(control)
    assert view.unit_bytes == 4
    assert plain(view.rows[0].note) == "ESP · return to all_ended.boundary+0xe"
    assert view.rows[0].address == control.world.host.machine.cpu.regs[4]


def test_a_push_is_seen_on_the_stack(at: At) -> None:
    control = at("sched_lock")
    visible(control)
    view = grid(control)
    assert int(view.rows[0].units[0], 16) & 1 << 9
    assert plain(view.rows[1].note) == "return to all_ended.boundary+0xe"


def test_the_subtitle_follows_the_address_through_both_translations(at: At) -> None:
    control = at("sched_lock")
    said = plain(card(control, "memory").subtitle)
    assert said.startswith("alpha · stack, SS:ESP = gVA 0001 7ffc → gPA 0001 7ffc → hPA ")
    control = paging()
    until(control, "page_fault", 1)
    assert "→ physical 0001 7" in plain(card(control, "memory").subtitle)
    assert "hPA" not in plain(card(control, "memory").subtitle)


def test_the_frame_of_an_exception_is_named_field_by_field() -> None:
    control = paging()
    until(control, "fault_read")
    control.step(Grain.INSTRUCTION)
    rows = grid(control).rows
    notes = {plain(row.note) for row in rows}
    assert {"error code", "EIP fault_read", "CS ring 0"} <= notes
    mark = grid(control).marks[0]
    assert (mark.count, mark.label) == (4, "frame the CPU pushed")
    assert plain(rows[mark.start].note).endswith("error code")


def test_a_frame_from_ring_3_has_the_programs_stack_in_it(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, FaultReflected))
    after(whole_run, event)
    rows = grid(whole_run).rows
    notes = [plain(row.note) for row in rows]
    assert any("EIP" in note for note in notes)
    assert "CS ring 3" in notes
    assert "SS ring 3" in notes


def test_bytes_at_an_address_are_shown_in_rows_of_sixteen_with_the_text(at: At) -> None:
    control = at("sched_lock")
    address = control.world.guests["alpha"].symbols.address_of("banner.tinyos")
    control.look(replace(control.focus, memory=address))
    view = grid(control)
    assert view.unit_bytes == 1
    assert all(len(row.units) == 16 for row in view.rows)
    assert "tinyos 1" in "".join(row.text for row in view.rows)
    mark = view.marks[0]
    row, column = divmod(mark.start, 16)
    assert view.rows[row].address + column == address


def test_bytes_a_step_changed_are_marked() -> None:
    control = paging()
    until(control, "unmap")
    control.look(replace(control.focus, memory=0x0002_2128))
    grid(control)
    control.step(Grain.INSTRUCTION)
    changed = [(row.address + at) for row in grid(control).rows for at in row.changed]
    assert changed
    assert all(0x0002_2128 <= address < 0x0002_212C for address in changed)


def test_what_is_not_mapped_is_empty() -> None:
    control = paging()
    until(control, "first_read")
    control.look(replace(control.focus, memory=0x0900_0000))
    assert all(unit == "" for row in grid(control).rows for unit in row.units)
    assert plain(card(control, "memory").subtitle).endswith("→ not mapped")


def test_a_stack_on_an_unmapped_page_is_said_to_be_one() -> None:
    control = paging()
    until(control, "first_read")
    control.world.host.machine.cpu.regs[4] = 0x0900_0000
    control.leave()
    (note,) = card(control, "memory").body
    assert isinstance(note, NoteView)
    assert "page fault" in plain(note.text)


def test_a_physical_address_shows_the_bytes_that_lie_there_and_whose_they_are(at: At) -> None:
    control = at("sched_lock")
    tenant = control.world.host.tenants["alpha"]
    assert isinstance(tenant, Vm)
    gpa = 0x11008
    hpa = tenant.memory.hfn(Gfn(gpa >> 12)) << 12 | gpa & 0xFFF
    assert hpa != gpa
    ram = control.world.host.machine.memory
    for space, address, start in (("guest-physical", gpa, 0x10FE0), ("host-physical", hpa, (hpa & ~0xF) - 0x20)):
        control.look(replace(control.focus, memory=address, space=space))
        view = grid(control)
        assert (view.space, view.rows[0].address, view.editable) == (space, start, False)
        row = next(row for row in view.rows if row.address == address & ~0xF)
        assert bytes.fromhex("".join(row.units)) == ram.read_bytes(hpa & ~0xF, 16)
        assert f"{hpa:08x}" in plain(card(control, "memory").subtitle).replace(" ", "")
    assert "its gPA 0001 1008" in plain(card(control, "memory").subtitle)
    control.look(replace(control.focus, memory=tenant.region.gdt << 12, space="host-physical"))
    assert "the VMM’s: GDT of alpha" in plain(card(control, "memory").subtitle)
    control.look(replace(control.focus, memory=1 << 30, space="guest-physical"))
    assert "no RAM" in plain(card(control, "memory").subtitle)
