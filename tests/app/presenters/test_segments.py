"""Segments and descriptors: the guest's beside the hardware's, by the rules of deprivileging, not by the card's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import NoteView, TableView, plain
from teachvm.guest.loader import BOOT_CODE, BOOT_DATA
from teachvm.isa.descriptors import DESCRIPTOR_SIZE, Gate, Segment, flat_data
from teachvm.isa.exceptions import spelled
from teachvm.vmm.deprivilege import shadow_descriptor
from teachvm.vmm.descriptors import reversible
from teachvm.vmm.techniques import Technique
from tests.app.laboratory import controlled
from tests.app.presenters.worlds import card, texts, tinyos

MOVED = (Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION)
NOT_MOVED = (Technique.BARE_METAL, Technique.HARDWARE_ASSIST, Technique.EMULATION)

LDT_SELECTOR = 0x18
IN_LDT = 0x0F
"""Entry 1 of the LDT, RPL 3."""
SOURCE = f"""
bits 32
org 0x10000
start:
    lgdt    [gdtr]
    mov     ax, {BOOT_DATA}
    mov     ds, ax
    mov     es, ax
    mov     ax, {LDT_SELECTOR}
    lldt    ax
    mov     ax, {IN_LDT}
    mov     fs, ax
loaded:
    mov     byte [gdt + {BOOT_DATA} + 6], 0xC7 ; the limit of the descriptor in memory: 2 GiB
changed:
    nop
    mov     ax, {BOOT_DATA}
    mov     ds, ax
again:
    nop
    mov     word [gdt + {BOOT_CODE} + 2], 0x1000 ; the base of the code segment
moved:
    nop
finished:
    hlt
    align 8
gdt:
    dq      0
    dq      0x00CF9B000000FFFF
    dq      0x00CF93000000FFFF
    dw      15, ldt - $$            ; present, LDT, two entries
    db      0x01, 0x82, 0, 0
gdtr:
    dw      31
    dd      gdt
    align 8
ldt:
    dq      0
    dq      0x0040F3001000007F      ; data, ring 3, base 0x1000, 128 bytes
"""


def later(technique: Technique) -> Control:
    control = tinyos(technique)
    control.leave()
    control.timeline.run(9_000)
    control.leave()
    return control


def table(control: Control, title: str) -> TableView:
    return next(
        block
        for block in card(control, "segments").body
        if isinstance(block, TableView) and block.title.startswith(title)
    )


def marked(control: Control) -> list[str]:
    """Registers the card says are nonreversible."""
    rows = table(control, "Registers").rows
    said = [row.key for row in rows if row.cells[-1].text == "nonreversible"]
    assert said == [row.key for row in rows if row.lit == "trap"]
    view = card(control, "segments")
    assert [badge.text for badge in view.aside] == ([f"{len(said)} nonreversible"] if said else [])
    return said


def words(said: str) -> set[str]:
    return set(said.replace("+", " ").split())


@pytest.mark.parametrize("technique", MOVED)
def test_the_real_table_is_the_guests_one_ring_down_and_cut_short(technique: Technique) -> None:
    control = later(technique)
    memory = control.world.host.tenants["alpha"].memory  # type: ignore[attr-defined]
    in_kernel = control.world.host.tenants["alpha"].vcpu.gdt.in_kernel  # type: ignore[attr-defined]
    rows = texts(table(control, "GDT"))
    assert len(rows) == 5
    for selector, guest, real in rows:
        raw = memory.read_bytes(0x11000 + int(selector, 16), DESCRIPTOR_SIZE)
        own, held = Segment.unpack(0, raw), Segment.unpack(0, shadow_descriptor(raw, in_kernel=in_kernel))
        assert f"{own.base:08x}+{own.limit:08x}DPL{own.dpl}" in guest.replace(" ", "")
        assert ("not present" in real) == (not held.present)
        if held.present:
            assert (f"DPL {held.dpl}" in real) == (held.dpl != own.dpl)
            assert f"{held.limit:08x}" in real.replace(" ", "")
            assert held.base == own.base, "the base is never changed, and so it is not said"


@pytest.mark.parametrize("technique", [Technique.TRAP_AND_EMULATE, Technique.HARDWARE_ASSIST])
def test_registers_are_the_hardwares_where_it_runs_the_guest(technique: Technique) -> None:
    control = later(technique)
    hardware = control.world.host.machine.cpu
    rows = texts(table(control, "Registers"))
    held = (*hardware.segs, hardware.ldtr, hardware.tr)
    assert [row[0] for row in rows] == ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"]
    for row, segment in zip(rows, held, strict=True):
        if technique is Technique.TRAP_AND_EMULATE:
            assert row[3].startswith(f"{segment.selector:04x}")
        if segment.present:
            said = row[2] + row[3] if technique is Technique.TRAP_AND_EMULATE else row[2]
            assert f"{segment.limit:08x}" in said.replace(" ", "")


@pytest.mark.parametrize("technique", NOT_MOVED[1:])
def test_where_nothing_is_shadowed_the_card_says_so(technique: Technique) -> None:
    control = later(technique)
    assert isinstance(card(control, "segments").body[-1], NoteView)
    assert all(len(table.columns) <= 4 for table in card(control, "segments").body if isinstance(table, TableView))


@pytest.mark.parametrize("technique", [*MOVED, *NOT_MOVED])
def test_each_gate_of_the_guest_stands_beside_the_one_the_hardware_takes(technique: Technique) -> None:
    control = later(technique)
    guest, host = control.world.guests["alpha" if technique is not Technique.BARE_METAL else "host"], control.world.host
    base = guest.symbols.address_of("idt")
    rows = {row.cells[0].text: row for row in table(control, "IDT").rows}
    memory = host.tenants[guest.name].memory if technique is not Technique.BARE_METAL else host.machine.memory  # type: ignore[attr-defined]
    for vector in range(256):
        gate = Gate.unpack(memory.read_bytes(base + 8 * vector, 8)) if vector < 0x81 else None
        assert (spelled(vector) in rows) == (gate is not None and gate.present), vector
        if gate is None or not gate.present:
            continue
        cells = rows[spelled(vector)].cells
        assert cells[1].value == gate.offset
        assert cells[2].text == guest.symbols.kernel.name_at(gate.offset)
        if technique in MOVED:
            region = host.tenants["alpha"].region  # type: ignore[attr-defined]
            real = Gate.unpack(host.machine.memory.read_bytes((region.idt << 12) + 8 * vector, 8))
            assert real is not None
            assert cells[3].text.replace(" ", "") == f"VMM{real.offset:08x}DPL{real.dpl}"


def test_a_kernel_that_knows_of_the_vmm_has_told_it_its_handlers_and_one_gate_leads_past_it() -> None:
    control = later(Technique.PARAVIRTUAL)
    rows = {row.cells[0].text: row.cells for row in table(control, "Trap table").rows}
    assert rows["#PF"][2].text == "page_fault"
    assert rows["#PF"][3].text.startswith("VMM")
    past = [name for name, cells in rows.items() if not cells[3].text.startswith("VMM")]
    assert past == ["int 0x80"]


@pytest.mark.parametrize("technique", [*MOVED, *NOT_MOVED])
def test_a_register_whose_descriptor_was_changed_after_it_was_loaded_is_marked(
    tmp_path: Path, technique: Technique
) -> None:
    control = controlled(tmp_path, technique, SOURCE)
    guest = next(iter(control.world.guests.values()))
    stops = []
    for label in ("loaded", "changed", "again", "moved"):
        address = guest.symbols.address_of(label)
        control.leave()
        control.timeline.run(10_000, stop_at=lambda at=address: guest_eip(control) == at)
        control.leave()
        stops.append(marked(control))
    notes = [plain(block.text) for block in card(control, "segments").body if isinstance(block, NoteView)]
    ignored = ["ES", "SS", "GS"]
    assert stops == [[], ["ES", "SS", "DS", "GS"], ignored, ["ES", "CS", *ignored[1:]]]
    assert notes[0].startswith("ES, CS, SS, GS: the table in memory says something else than they hold.")
    translated = technique is Technique.BINARY_TRANSLATION
    assert ("executes each instruction itself" in notes[0]) == (technique in MOVED and not translated)
    assert ("gives the hardware the hidden part" in notes[0]) == translated


@pytest.mark.parametrize("technique", [*MOVED, *NOT_MOVED])
def test_a_local_table_is_shown_beside_none_of_the_hardwares(tmp_path: Path, technique: Technique) -> None:
    control = controlled(tmp_path, technique, SOURCE)
    assert not any(
        block.title.startswith("LDT") for block in card(control, "segments").body if isinstance(block, TableView)
    )
    address = next(iter(control.world.guests.values())).symbols.address_of("loaded")
    control.leave()
    control.timeline.run(10_000, stop_at=lambda: guest_eip(control) == address)
    control.leave()
    rows = texts(table(control, "LDT"))
    assert [row[0] for row in rows] == ["0004", "000c"]
    assert words(rows[1][1]) == words("data 0000 1000+0000 007f DPL 3")
    if technique in MOVED:
        assert rows[1][2].startswith("none")
    registers = {row.key: row.cells for row in table(control, "Registers").rows}
    assert registers["FS"][1].text == f"{IN_LDT:04x}"
    assert registers["FS"][-1].text == "the same"


def test_a_null_register_is_reversible_and_one_without_a_descriptor_is_not() -> None:
    assert reversible(Segment(3, 0, 0, 0), None)
    assert not reversible(flat_data(BOOT_DATA), None)
    assert not reversible(flat_data(0), flat_data(0).pack()), "loaded in another mode"
    raw = flat_data(BOOT_DATA)
    assert reversible(raw, Segment(0, raw.base, raw.limit, raw.access & ~1).pack()), "the accessed bit aside"
    assert not reversible(raw, Segment(0, raw.base, raw.limit, raw.access & ~0x80).pack()), "not present any more"


def guest_eip(control: Control) -> int:
    """Where the guest is, whoever executes it."""
    tenant = next(iter(control.world.host.tenants.values()))
    vcpu = getattr(tenant, "vcpu", None)
    return control.world.host.machine.cpu.eip if vcpu is None else int(vcpu.state().eip)
