"""Segments and descriptors: the guest's registers and tables beside what the hardware holds and uses in their place."""

from __future__ import annotations

from typing import Final

from teachvm.app.cells import SEGMENTS, selector_tip, tip
from teachvm.app.notation import hex32, plural
from teachvm.app.presentation import Block, CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Editable, Place, Role, Span, Tip
from teachvm.isa.descriptors import DESCRIPTOR_SIZE, INTERRUPT_GATE_32, SYSTEM_TYPE_NAMES, Gate, Segment, is_null
from teachvm.isa.exceptions import spelled
from teachvm.isa.operands import CS, SS
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.machine.selectors import TABLE_INDICATOR
from teachvm.vmm.descriptors import reversible
from teachvm.vmm.engines.translate.fields import CACHE_CODE, FIELDS_DATA
from teachvm.vmm.region import VMM_CS
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm

SDM: Final = "Intel SDM Vol. 3A, §3.4"
SHADOWED: Final = "Bugnion et al., TOCS 30(4) 2012: shadow descriptors"
MOST: Final = 64
"""Descriptors shown of a table."""
_MOVED: Final = (Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION, Technique.PARAVIRTUAL)
"""Where the hardware uses tables of the VMM's: one ring down, and cut short."""
_NONREVERSIBLE: Final = Tip(
    "Nonreversible",
    "The hidden part is not what the table in memory says: loading the selector again would give something else. The "
    "processor goes on using the hidden part, so a VMM has to keep it as it is.",
    SHADOWED,
)
_SHADOW: Final = Tip(
    "Shadow", "DPL 0 became 1; limits end below the VMM. What is left out is as in the guest’s.", SHADOWED
)
_HELD: Final = Tip(
    "The hardware’s", "What it holds while it runs this guest; what is left out is as in the guest’s.", SHADOWED
)
_CACHE: Final = Tip("Code segment of the translation cache", "It reaches the cache, which the guest’s segments do not.")
_FIELDS: Final = Tip("The VMM’s data segment", "Translated code reaches the guest’s virtual flags and more through GS.")
_OF_CACHE: Final = dict.fromkeys(CACHE_CODE.values(), _CACHE) | dict.fromkeys(FIELDS_DATA.values(), _FIELDS)
"""What the hardware's registers hold for translated code, and not for the guest."""
_OWN: Final = Tip(
    "The VMM’s own", "Every gate of the real IDT leads to the VMM, which decides what the guest hears of."
)
_WIDE, _SHORT = 30, 25
"""Characters of a descriptor, and of what is said of the hardware's beside it."""


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Segment registers with their hidden parts, then the guest's tables, each beside the hardware's."""
    del before
    scene = scene_of(now)
    state = scene.state
    gdt = _table(scene, state.gdtr.base, state.gdtr.limit)
    ldt = _table(scene, state.ldtr.base, state.ldtr.limit) if state.ldtr.present else b""
    stale = tuple(_nonreversible(segment, gdt, ldt) for segment in state.segs)
    blocks: list[Block] = [_registers(scene, stale)]
    if any(stale):
        blocks.append(_kept(scene, stale))
    blocks.append(_descriptors(scene, "GDT", gdt, _real_frame(scene, "gdt", len(gdt))))
    if state.ldtr.present:
        blocks.append(_descriptors(scene, "LDT", ldt, None))
    blocks.append(_gates(scene))
    if scene.virtualized and scene.technique not in _MOVED:
        text = "The hardware uses the guest’s own tables: nothing is shadowed."
        if not scene.technique.direct:
            text = "No hardware loads these: they are variables of the software that runs the guest."
        blocks.append(NoteView((Span(text),), "info"))
    subtitle = f"GDT at {hex32(state.gdtr.base)}, IDT at {hex32(state.idtr.base)}"
    many = sum(stale)
    aside = (Badge(f"{many} nonreversible", "trap", "warning", _NONREVERSIBLE),) if many else ()
    return CardView((Span(subtitle, "dim"),), tuple(blocks), aside)


def _table(scene: Scene, base: int, limit: int) -> bytes:
    """The whole descriptors of one of the guest's tables that can be read, as many as are shown."""
    content = scene.read(base, min(limit + 1, MOST * DESCRIPTOR_SIZE))
    return content[: len(content) // DESCRIPTOR_SIZE * DESCRIPTOR_SIZE]


def _real_frame(scene: Scene, name: str, size: int) -> bytes:
    """A table of the VMM's region, which the hardware uses while it has this guest; empty where it uses the guest's."""
    tenant = scene.snapshot.world.host.tenants[scene.vm]
    if scene.technique not in _MOVED or not isinstance(tenant, Vm):
        return b""
    frame: int = getattr(tenant.region, name)
    return scene.snapshot.read(frame << PAGE_SHIFT, size) or b""


# ---- registers --------------------------------------------------------------------------------------------------


def _nonreversible(segment: Segment, gdt: bytes, ldt: bytes) -> bool:
    """Whether the descriptor a selector names in memory is not what the register holds."""
    table = ldt if segment.selector & TABLE_INDICATOR else gdt
    at = (segment.selector >> 3) * DESCRIPTOR_SIZE
    if at >= MOST * DESCRIPTOR_SIZE:
        return False
    raw = table[at : at + DESCRIPTOR_SIZE]
    return not reversible(segment, raw or None)


def _registers(scene: Scene, stale: tuple[bool, ...]) -> TableView:
    shows = scene.virtualized and scene.in_guest == scene.vm and scene.technique in _MOVED
    columns = [
        Column("", 4, code=True),
        Column("Guest’s", 7, code=True),
        Column("Hidden part", _WIDE, code=True, stretch=True, tip=Tip("Hidden part", "What it was loaded with.", SDM)),
    ]
    columns += [Column("Hardware’s", _SHORT, code=True, tip=_HELD)] if shows else []
    columns.append(Column("In memory", 13, tip=_NONREVERSIBLE, optional=True))
    state, hardware = scene.state, scene.hardware
    rows = []
    for name, segment, held, changed in zip(SEGMENTS, state.segs, hardware.segs, stale, strict=True):
        says = Cell("nonreversible", "trap", strong=True, tip=_NONREVERSIBLE) if changed else Cell("the same", "dim")
        if is_null(segment.selector) and not changed:
            says = Cell("")
        cells = [Cell(name, tip=tip(name)), _selector(scene, name, segment, selector_tip(name, segment))]
        cells.append(Cell(_said(segment), "trap" if changed else "text", tip=_NONREVERSIBLE if changed else None))
        cells += [_held(segment, held)] if shows else []
        rows.append(TableRow(name, (*cells, says), "trap" if changed else None))
    for name, segment, held in (("LDTR", state.ldtr, hardware.ldtr), ("TR", state.tr, hardware.tr)):
        cells = [Cell(name, tip=tip(name)), _selector(scene, name, segment), Cell(_said(segment))]
        reach = f"{hex32(held.base)}+{hex32(held.limit)}" if held.present else "null"
        cells += [Cell(f"{held.selector:04x} {reach}", "vmm" if held != segment else "dim", tip=_HELD)] if shows else []
        rows.append(TableRow(name, (*cells, Cell(""))))
    return TableView(tuple(columns), tuple(rows), title="Registers", whole=True)


def _kept(scene: Scene, stale: tuple[bool, ...]) -> NoteView:
    """What the VMM makes of registers that cannot be loaded again."""
    names = [name for name, changed in zip(SEGMENTS, stale, strict=True) if changed]
    several = len(names) > 1
    said = f"{', '.join(names)}: the table in memory says something else than {'they hold' if several else 'it holds'}."
    text = " The processor goes on with the hidden part."
    if scene.technique in _MOVED:
        text = " The VMM gives the hardware the hidden part, cut short, and not what is in memory."
        translated = scene.technique is Technique.BINARY_TRANSLATION
        if (stale[SS] or stale[CS]) and not translated:
            text = " The hardware could not load that again: the VMM executes each instruction itself."
        elif stale[CS] and not any(stale[CS + 1 :]) and not stale[0]:
            text = " Translated code goes on: it runs in the code segment of the cache."
    return NoteView((Span(said), Span(text, "dim")), "warning")


def _held(own: Segment, held: Segment) -> Cell:
    """What the hardware has in place of a register of the guest's: selector, and what differs of the hidden part."""
    for segment, where in _OF_CACHE.items():
        if (segment.base, segment.limit, segment.access) == (held.base, held.limit, held.access):
            return Cell(f"{held.selector:04x} {'cache' if held.is_code else 'VMM’s fields'}", "vmm", tip=where)
    role: Role = "dim" if own == held else "vmm"
    return Cell(f"{held.selector:04x} {_beside(own, held)}".rstrip(), role, tip=Tip(_said(held), _HELD.text))


def _said(segment: Segment) -> str:
    """A descriptor, or a hidden part, in a few words: kind, base, limit, level."""
    return " ".join(_parts(segment))


def _parts(segment: Segment) -> tuple[str, ...]:
    if not segment.present:
        return ("null" if is_null(segment.selector) else "not present",)
    kind = "code" if segment.is_code else "data"
    if segment.is_system:
        kind = SYSTEM_TYPE_NAMES.get(segment.type, "reserved").removesuffix(" (busy)")
    return kind, f"{hex32(segment.base)}+{hex32(segment.limit)}", f"DPL {segment.dpl}"


def _beside(own: Segment, held: Segment) -> str:
    """What is different of a descriptor held in place of another one."""
    was, now = _parts(own), _parts(held)
    if len(was) != len(now):
        return " ".join(now)
    differing = [new for old, new in zip(was, now, strict=True) if old != new]
    if len(now) > 1 and now[1] in differing and own.base == held.base:
        differing[differing.index(now[1])] = f"+{hex32(held.limit)}"
    return " ".join(differing)


# ---- tables of segments -----------------------------------------------------------------------------------------


def _selector(scene: Scene, name: str, segment: Segment, tip_: Tip | None = None) -> Cell:
    """A selector, which can be given anew."""
    edit = Editable("register", name, scene.vm)
    return Cell(f"{segment.selector:04x}", tip=tip_, value=segment.selector, alters=edit)


def _descriptors(scene: Scene, name: str, table: bytes, real: bytes | None) -> TableView:
    """A table of segments beside the real one; None where the VMM keeps no shadow of it."""
    moved = scene.technique in _MOVED
    columns = [Column("Selector", 8, code=True), Column(f"In the guest’s {name}", _WIDE, code=True, stretch=True)]
    columns += [Column(f"In the real {name}", _SHORT, code=True, tip=_SHADOW)] if moved else []
    first, flag = (0, TABLE_INDICATOR) if name == "LDT" else (DESCRIPTOR_SIZE, 0)
    rows = []
    for at in range(first, len(table), DESCRIPTOR_SIZE):
        own = table[at : at + DESCRIPTOR_SIZE]
        cells = [Cell(f"{at | flag:04x}"), Cell(_entry(own, at or flag))]
        if moved:
            cells.append(_shadowed(own, real, at))
        rows.append(TableRow(f"{name}{at}", tuple(cells)))
    many = plural(len(rows), "descriptor")
    return TableView(
        tuple(columns), tuple(rows), empty=f"The guest has loaded no {name} yet.", title=f"{name} · {many}"
    )


def _entry(raw: bytes, selector: int) -> str:
    gate = Gate.unpack(raw)
    if gate is not None and gate.present:
        return f"{SYSTEM_TYPE_NAMES[gate.type]} {gate.selector:04x}:{hex32(gate.offset)} DPL {gate.dpl}"
    return _said(Segment.unpack(selector, raw))


def _shadowed(own: bytes, real: bytes | None, at: int) -> Cell:
    """What the real table has in the same slot."""
    if real is None or at + DESCRIPTOR_SIZE > len(real):
        return Cell(
            "none: a load is a trap", "vmm", tip=Tip("Not shadowed", "The VMM loads it, from the guest’s table.")
        )
    held = Segment.unpack(at, real[at : at + DESCRIPTOR_SIZE])
    said = _beside(Segment.unpack(at, own), held)
    return Cell(said or "the same", "vmm" if said else "dim", tip=Tip(_said(held), _SHADOW.text))


# ---- gates ------------------------------------------------------------------------------------------------------


def _gates(scene: Scene) -> TableView:
    """The guest's way in for each vector, beside the gate the hardware really takes."""
    found = _told(scene) if scene.technique is Technique.PARAVIRTUAL else _own_gates(scene)
    name = "Trap table, told by hypercall" if scene.technique is Technique.PARAVIRTUAL else "IDT"
    real = _real_frame(scene, "idt", 256 * DESCRIPTOR_SIZE)
    columns = [
        Column("Vector", 9, code=True),
        Column("In the guest’s IDT" if name == "IDT" else "Told to the VMM", 24, code=True),
        Column("Leads to", 14, stretch=True, optional=True),
    ]
    columns += [Column("In the real IDT", 22, code=True, tip=_OWN)] if real else []
    rows = []
    for vector, gate in list(found.items())[:MOST]:
        leads = scene.name_at(gate.offset) or ""
        where = Place("linear", gate.offset, scene.vm)
        cells = [
            Cell(spelled(vector)),
            Cell(_gate(gate), value=gate.offset, link=where),
            Cell(leads, "dim", link=where),
        ]
        if real:
            held = Gate.unpack(real[vector * DESCRIPTOR_SIZE : (vector + 1) * DESCRIPTOR_SIZE])
            cells.append(_real_gate(held))
        rows.append(TableRow(f"v{vector}", tuple(cells)))
    empty = "The guest has loaded no IDT yet."
    more = f", the first {MOST} shown" if len(found) > MOST else ""
    return TableView(tuple(columns), tuple(rows), empty=empty, title=f"{name} · {plural(len(found), 'gate')}{more}")


def _own_gates(scene: Scene) -> dict[int, Gate]:
    idtr = scene.state.idtr
    content = scene.read(idtr.base, min(idtr.limit + 1, 256 * DESCRIPTOR_SIZE)) if idtr.base else b""
    found = {}
    for vector in range(len(content) // DESCRIPTOR_SIZE):
        gate = Gate.unpack(content[vector * DESCRIPTOR_SIZE : (vector + 1) * DESCRIPTOR_SIZE])
        if gate is not None and gate.present:
            found[vector] = gate
    return found


def _told(scene: Scene) -> dict[int, Gate]:
    """The trap table a guest that knows of the VMM has handed over, as the gates it stands for."""
    traps = dict(scene.snapshot.state(f"{scene.vm}.engine").traps)
    return {
        vector: Gate(selector, address, INTERRUPT_GATE_32, ring)
        for vector, (ring, selector, address) in sorted(traps.items())
    }


def _gate(gate: Gate) -> str:
    return f"{gate.selector:04x}:{hex32(gate.offset)} DPL {gate.dpl}"


def _real_gate(held: Gate | None) -> Cell:
    if held is None:
        return Cell("not present", "dim")
    if held.selector == VMM_CS:
        return Cell(f"VMM {hex32(held.offset)} DPL {held.dpl}", "vmm", tip=_OWN)
    tip_ = Tip("Passed on", "This gate leads to the guest’s kernel itself, past the VMM.", SHADOWED)
    return Cell(_gate(held), "kernel", tip=tip_)
