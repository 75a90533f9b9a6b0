"""Control structure: what the processor keeps of a guest in non-root mode, field by field, and why it left last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from teachvm.app.assisted import exit_span
from teachvm.app.notation import hex32, plural
from teachvm.app.presentation import Block, CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Place, Span, Text, Tip
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.vm import Vm
from teachvm.vmm.vmx.exits import (
    TYPE_NAMES,
    VIOLATION_FETCH,
    VIOLATION_FINAL,
    VIOLATION_WRITE,
    Event,
    ExitReason,
)
from teachvm.vmm.vmx.fields import CONTROL_BITS, OFFSETS, Field, Group

COLUMNS: Final = (
    Column("Field", 26, stretch=True),
    Column("Encoding", 6, code=True, optional=True),
    Column("Value", 17, code=True),
    Column("Means", 30, stretch=True, optional=True),
)
SOURCE: Final = "Intel SDM Vol. 3C, ch. 24; encodings: Vol. 3D, appendix B"
ORDER: Final = (
    Group.EXIT,
    Group.CONTROL,
    Group.ENTRY_CONTROL,
    Group.EXIT_CONTROL,
    Group.GUEST,
    Group.HOST,
)
_CR_ACCESS: Final = ("mov to CR{}", "mov from CR{}", "clts", "lmsw")


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Every field in its group; those that changed since the moment shown before stand out."""
    scene = scene_of(now)
    values = _values(scene, now)
    if values is None:
        text = "Only under hardware assist has the processor a control structure; its fields are shown here then."
        return CardView((Span(scene.title, "dim"),), (NoteView((Span(text),), "info"),))
    earlier = None if before is None else _values(scene_of(before, scene.vm), before)
    blocks: list[Block] = []
    left = _left(values)
    if left is not None:
        blocks.append(NoteView(left, "info"))
    blocks.append(TableView(COLUMNS, tuple(row for group in ORDER for row in _rows(group, values, earlier))))
    changed = 0 if earlier is None else sum(values[field] != earlier[field] for field in Field)
    subtitle = f"{scene.title} · {len(Field)} fields in a host frame · {changed} changed"
    return CardView((Span(subtitle, "dim"),), tuple(blocks))


def _values(scene: Scene, snapshot: Snapshot) -> dict[Field, int] | None:
    """What the structure holds, read from its frame as the processor does."""
    tenant = snapshot.world.host.tenants[scene.vm]
    if not isinstance(tenant, Vm) or not isinstance(tenant.engine, HardwareAssist):
        return None
    page = snapshot.read(tenant.engine.structure.address, 1 << PAGE_SHIFT)
    if page is None:
        return None
    return {field: int.from_bytes(page[at : at + field.size], "little") for field, at in OFFSETS.items()}


def _rows(group: Group, values: dict[Field, int], earlier: dict[Field, int] | None) -> Iterable[TableRow]:
    yield TableRow(group.name, (Cell(group.value, strong=True), *(Cell("") for _ in COLUMNS[1:])))
    for field in Field:
        if field.group is not group:
            continue
        value = values[field]
        was = value if earlier is None else earlier[field]
        changed = was != value
        tip = Tip(field.label, "Only the processor writes it." if field.read_only else "The VMM writes it.", SOURCE)
        digits = 2 * field.size
        cells = (
            Cell(field.label, tip=tip),
            Cell(f"{field.value:04x}", "dim"),
            Cell(
                f"{value:0{digits}x}", strong=changed, changed=changed, value=value,
                was=f"{was:0{digits}x}" if changed else None,
            ),
            Cell(_means(field, values), "dim"),
        )  # fmt: skip
        yield TableRow(field.name, cells, "now" if changed else None)


def _means(field: Field, values: dict[Field, int]) -> str:
    value = values[field]
    if field.group is Group.EXIT and not values[Field.GUEST_RIP]:
        return "no exit yet" if field is Field.EXIT_REASON else ""
    if field is Field.TSC_OFFSET:
        return f"guest time − host time: {value - (value >> 63 << 64)} cycles"
    if field in CONTROL_BITS:
        return ", ".join(name for bit, name in CONTROL_BITS[field].items() if value & bit) or "none"
    if field is Field.EXIT_REASON:
        return next((reason.name for reason in ExitReason if reason.value == value), "")
    if field is Field.EXIT_QUALIFICATION:
        return _qualification(values)
    if field in _EVENTS:
        event = Event.unpack(value, values[_EVENTS[field]])
        return "not valid" if event is None else f"vector {event.vector}, {TYPE_NAMES.get(event.type, event.type)}"
    if field is Field.EXCEPTION_BITMAP:
        return ", ".join(f"vector {bit}" for bit in range(32) if value >> bit & 1) or "no exception exits"
    return ""


_EVENTS: Final = {
    Field.EXIT_INTERRUPTION: Field.EXIT_ERROR,
    Field.VECTORING: Field.VECTORING_ERROR,
    Field.ENTRY_INTERRUPTION: Field.ENTRY_ERROR,
}
"""Fields that hold an event, and where its error code is."""


def _qualification(values: dict[Field, int]) -> str:
    """The exit qualification in words, by the reason."""
    value, reason = values[Field.EXIT_QUALIFICATION], values[Field.EXIT_REASON]
    if reason == ExitReason.EPT_VIOLATION.value:
        access = "write" if value & VIOLATION_WRITE else "fetch" if value & VIOLATION_FETCH else "read"
        where = "at the end of the guest’s walk" if value & VIOLATION_FINAL else "of an entry of the guest’s tables"
        return f"{access} {where}"
    if reason == ExitReason.IO_INSTRUCTION.value:
        way = "in from" if value & 8 else "out to"
        return f"{plural((value & 7) + 1, 'byte')} {way} port {value >> 16:#x}"
    if reason == ExitReason.CR_ACCESS.value:
        return _CR_ACCESS[value >> 4 & 3].format(value & 15)
    if reason == ExitReason.EXCEPTION_NMI.value:
        return f"linear address {hex32(value)}"
    return ""


def _left(values: dict[Field, int]) -> Text | None:
    """Why the guest was left last, in a sentence."""
    number = values[Field.EXIT_REASON]
    reason = next((each for each in ExitReason if each.value == number), None)
    if reason is None or not values[Field.PIN_BASED] or not values[Field.GUEST_RIP]:
        return None
    means = _qualification(values)
    told = f": {means}" if means else f": {reason.explanation}"
    where = values[Field.GUEST_RIP]
    return (
        Span("Last "), exit_span(reason.name), Span(told), Span("; guest RIP is "),
        Span(hex32(where), code=True, link=Place("linear", where)),
    )  # fmt: skip
