"""Segments and descriptors: the guest's registers and GDT beside what the hardware holds and uses in their place."""

from __future__ import annotations

from typing import Final

from teachvm.app.cells import SEGMENTS, selector_tip
from teachvm.app.notation import hex32, plural
from teachvm.app.presentation import Block, CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Span, Tip
from teachvm.isa.descriptors import DESCRIPTOR_SIZE, Segment, is_null
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.region import GDT_BASE
from teachvm.vmm.techniques import Technique

SDM: Final = "Intel SDM Vol. 3A, §3.4"
SHADOWED: Final = "Bugnion et al., TOCS 30(4) 2012: shadow descriptors"
MOST: Final = 16
"""Descriptors shown of a table."""
_MOVED: Final = (Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION, Technique.PARAVIRTUAL)
"""Where the hardware uses a table of the VMM's: one ring down, and cut short."""
_REVERSIBLE: Final = Tip(
    "Nonreversible",
    "The hidden part is not what the table says any more: loading the selector again would give something else.",
    SHADOWED,
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Segment registers with their hidden parts, then the guest's GDT, each beside the hardware's."""
    del before
    scene = scene_of(now)
    table = _guest_table(scene)
    blocks: list[Block] = [_registers(scene, table), _descriptors(scene, table)]
    if scene.virtualized and scene.technique not in _MOVED:
        text = "The hardware uses the guest’s own tables: nothing is shadowed."
        if not scene.technique.direct:
            text = "No hardware loads these: they are variables of the software that runs the guest."
        blocks.append(NoteView((Span(text),), "info"))
    subtitle = f"GDT at {hex32(scene.state.gdtr.base)}, {plural(len(table) // DESCRIPTOR_SIZE, 'descriptor')}"
    return CardView((Span(subtitle, "dim"),), tuple(blocks))


def _guest_table(scene: Scene) -> bytes:
    gdtr = scene.state.gdtr
    content = scene.read(gdtr.base, min(gdtr.limit + 1, MOST * DESCRIPTOR_SIZE))
    return content[: len(content) // DESCRIPTOR_SIZE * DESCRIPTOR_SIZE]


def _registers(scene: Scene, table: bytes) -> TableView:
    shows = scene.virtualized and scene.in_guest == scene.vm and scene.technique in _MOVED
    columns = [Column("", 3, code=True), Column("Guest’s", 8, code=True)]
    columns.append(Column("Hidden part", 26, code=True, stretch=True))
    columns += [Column("Hardware’s", 35, code=True)] if shows else []
    rows = []
    for name, segment, held in zip(SEGMENTS, scene.state.segs, scene.hardware.segs, strict=True):
        stale = _nonreversible(segment, table)
        hidden = Cell(_said(segment), "trap" if stale else "text", tip=_REVERSIBLE if stale else None)
        cells = [Cell(name), Cell(f"{segment.selector:04x}", tip=selector_tip(name, segment)), hidden]
        cells += [Cell(f"{held.selector:04x} {_said(held)}", "vmm")] if shows else []
        rows.append(TableRow(name, tuple(cells)))
    return TableView(tuple(columns), tuple(rows), title="Registers")


def _nonreversible(segment: Segment, table: bytes) -> bool:
    """Whether the table has another descriptor than the register; the accessed bit aside."""
    at = (segment.selector >> 3) * DESCRIPTOR_SIZE
    if segment.selector & 4 or not segment.selector >> 3 or at + DESCRIPTOR_SIZE > len(table):
        return False
    stored = Segment.unpack(segment.selector, table[at : at + DESCRIPTOR_SIZE])
    return (stored.base, stored.limit, stored.dpl) != (segment.base, segment.limit, segment.dpl)


def _said(segment: Segment) -> str:
    if not segment.present:
        return "null" if is_null(segment.selector) else "not present"
    kind = "system" if segment.is_system else "code" if segment.is_code else "data"
    return f"{kind} {hex32(segment.base)}+{hex32(segment.limit)} DPL {segment.dpl}"


def _descriptors(scene: Scene, table: bytes) -> TableView:
    real = _real_table(scene, len(table))
    columns = [Column("Selector", 8, code=True), Column("In the guest’s GDT", 26, code=True, stretch=True)]
    shadow = Tip("Shadow", "DPL 0 became 1; limits end below the VMM.", SHADOWED)
    columns += [Column("In the real GDT", 30, code=True, tip=shadow)] if real else []
    rows = []
    for at in range(DESCRIPTOR_SIZE, len(table), DESCRIPTOR_SIZE):
        cells = [Cell(f"{at:04x}"), Cell(_said(Segment.unpack(at, table[at : at + DESCRIPTOR_SIZE])))]
        if real:
            held = _said(Segment.unpack(at, real[at : at + DESCRIPTOR_SIZE]))
            cells.append(Cell(held, "vmm" if held != cells[1].text else "dim"))
        rows.append(TableRow(f"{at}", tuple(cells)))
    return TableView(tuple(columns), tuple(rows), empty="The guest has loaded no GDT yet.", title="GDT")


def _real_table(scene: Scene, size: int) -> bytes:
    """The table the hardware uses while this guest has it; empty where that is the guest's own, or another VM's."""
    host = scene.snapshot.state(scene.host)
    if scene.technique not in _MOVED or host.on_cpu != scene.vm:
        return b""
    hardware = scene.hardware
    walk = look(scene.read_host, PagingMode(hardware.cr0, hardware.cr3, hardware.cr4), Gva(GDT_BASE))
    content = scene.snapshot.read(walk.gpa >> PAGE_SHIFT << PAGE_SHIFT, size)
    return b"" if content is None else content
