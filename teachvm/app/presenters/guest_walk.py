"""Guest walk: how the guest's page tables turn a linear address into a physical one, reference by reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from teachvm.app.drawing import (
    Arrow,
    BitBox,
    BitField,
    DiagramView,
    Fragment,
    FragmentRow,
    Label,
    Shape,
)
from teachvm.app.notation import hex32
from teachvm.app.phrases import entry_bits, error_meaning
from teachvm.app.presentation import CardView, NoteView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.walks import Step, Walk, chosen
from teachvm.app.wording import Badge, Editable, Instant, Link, Place, Role, Span, Text, Tip
from teachvm.isa import paging
from teachvm.vmm.techniques import Paging

WIDTH, HEIGHT = 1280.0, 344.0
LEFT: Final = 24.0
WORD: Final = (150.0, 40.0, 740.0, 40.0)
"""x, y, width and height of the linear address cut into fields."""
TABLES_Y, TABLE_W, TABLE_H = 150.0, 240.0, 96.0
TABLE_X: Final = (250.0, 574.0, 898.0)
BELOW_Y: Final = 284.0
UNIT: Final = 4
"""Bytes in one row of the page."""
SDM: Final = "Intel SDM Vol. 3A, §4.3"

_BIT_TIPS: Final = {
    "P": "present: the entry maps something",
    "W": "writable; R: read-only",
    "U": "usable in ring 3; S: rings 0 to 2 only",
    "A": "accessed: the walker set it when it used the entry",
    "D": "dirty: set at the first write to the page",
}
_ENTRY_TEXT: Final = "; ".join(f"{bit} {meaning}" for bit, meaning in _BIT_TIPS.items())


@dataclass(frozen=True, slots=True)
class Where:
    """A table of the walk: its name, where it lies, and the entry used.

    Attributes:
        key: Prefix of shape ids.
        name: Its name.
        base: Physical address of its first byte; None if the walk does not come to it.
        index: Entry used.
        step: The reference, once made.
        role: Its colour.
    """

    key: str
    name: str
    base: int | None
    index: int
    step: Step | None
    role: Role


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The walk going on, or the last one, or the address in focus; only references made so far are lit."""
    del before
    scene = scene_of(now)
    walk = chosen(scene)
    if walk is None:
        text = "The guest’s paging is off (CR0.PG = 0): a linear address is the physical one, and nothing is walked."
        return CardView((Span(scene.title, "dim"),), (NoteView((Span(text),), "info"),))
    shapes = (*_address(walk), *_tables(scene, walk), *_outcome(scene, walk), *_arrows(walk))
    diagram = DiagramView(WIDTH, HEIGHT, shapes, _caption(scene, walk))
    return CardView(_subtitle(scene, walk), (diagram,), _aside(walk))


# ---- words ------------------------------------------------------------------------------------------------------


def _subtitle(scene: Scene, walk: Walk) -> Text:
    way = "guest virtual → guest physical" if scene.virtualized else "linear → physical"
    if walk.at is None:
        how = "as the tables are now"
    elif scene.paging is Paging.NESTED:
        how = "walked by the CPU, with a nested walk for each step"
    elif scene.virtualized:
        how = "walked by the VMM, for the VCPU"
    else:
        how = "walked by the CPU"
    return (Span(f"{way}, two levels · {how}", "dim"),)


def _aside(walk: Walk) -> tuple[Badge, ...]:
    badges = []
    if walk.access:
        tip = Tip(
            "Access", "Made in ring 3." if walk.user else "Made in rings 0 to 2, which are one to the page walker."
        )
        who: Role = "program" if walk.user else "kernel"
        badges.append(Badge(f"{walk.access} · {who}", who, tip=tip))
    if walk.error is not None:
        tip = Tip("Page fault", error_meaning(walk.error), "Intel SDM Vol. 3A, §4.7")
        happened = walk.at is not None
        badges.append(Badge(f"#PF({walk.error})" if happened else "a read would fault", "trap", "warning", tip))
    return tuple(badges)


def _caption(scene: Scene, walk: Walk) -> str:
    made = f"{walk.references} of {1 if walk.large else 2} references made"
    if walk.error is not None:
        if walk.at is None:
            return f"{hex32(walk.linear)}: a read by the kernel would be a page fault"
        return f"{hex32(walk.linear)}: {made}, page fault, error code {walk.error}: {error_meaning(walk.error)}"
    if walk.frame is None:
        return f"{hex32(walk.linear)}: {made}"
    gpa = walk.frame | walk.linear & 0xFFF
    hpa = scene.hpa(gpa)
    host = f", host-physical {hex32(hpa)}" if scene.virtualized and hpa is not None else ""
    return f"{hex32(walk.linear)}: {made}, physical {hex32(gpa)}{host}"


# ---- the address ------------------------------------------------------------------------------------------------


def _address(walk: Walk) -> tuple[Shape, ...]:
    high, low, offset = paging.split(walk.linear)
    x, y, w, h = WORD
    table = walk.pte is not None
    arrived = walk.done and walk.error is None
    fields = [_field("dir", "directory", 31, 22, high, "program", lit=walk.pde is not None)]
    if walk.large:
        rest = walk.linear & (paging.LARGE_PAGE_SIZE - 1)
        fields.append(_field("offset", "offset", 21, 0, rest, "good", lit=arrived, index=False))
    else:
        fields.append(_field("table", "table", 21, 12, low, "kernel", lit=table))
        fields.append(_field("offset", "offset", 11, 0, offset, "good", lit=arrived, index=False))
    return (
        Label(LEFT, y - 12, 118, (Span("linear address", "dim"),), small=True),
        Label(LEFT, y + 8, 118, (Span(hex32(walk.linear), strong=True, code=True),)),
        BitBox("word", x, y, w, h, tuple(fields), even=True),
    )


def _field(
    key: str, name: str, high: int, low: int, value: int, role: Role, *, lit: bool, index: bool = True
) -> BitField:
    bits = high - low + 1
    digits = -(-bits // 4)
    said = f"0x{value:0{digits}x} · {value}" if index else f"0x{value:0{digits}x}"
    what = "picks one of 1024 entries" if index else "picks the byte inside the page"
    return BitField(key, f"{name} · {bits} bits", high, low, said, role, lit, Tip(f"bits {high}:{low}", what, SDM))


# ---- the tables -------------------------------------------------------------------------------------------------


def _where(scene: Scene, walk: Walk) -> tuple[Where, ...]:
    high, low, _ = paging.split(walk.linear)
    cr3 = scene.state.cr3 & paging.FRAME
    pde = walk.pde
    directory = cr3 if pde is None else pde.address & paging.FRAME
    name = "Page directory · CR3 =" if directory == cr3 else "Page directory ·"
    wheres = [Where("pd", name, directory, high, pde, "program")]
    if not walk.large:
        table = pde.entry & paging.FRAME if pde is not None and pde.entry & paging.P else None
        wheres.append(Where("pt", "Page table ·", table, low, walk.pte, "kernel"))
    return tuple(wheres)


def _tables(scene: Scene, walk: Walk) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    for where, x in zip(_where(scene, walk), TABLE_X, strict=False):
        shapes.append(_table(scene, where, x))
    shapes.append(_page(scene, walk))
    return tuple(shapes)


def _table(scene: Scene, where: Where, x: float) -> Fragment:
    if where.base is None:
        rows = tuple(FragmentRow(f"{where.key}{at}", "", (Span("no table", "dim"),)) for at in (1,))
        title: Text = (Span("Page table · none", "dim", strong=True),)
        return Fragment(where.key, x, TABLES_Y, TABLE_W, TABLE_H, title, rows, ghost=True)
    first = min(max(where.index - 1, 0), paging.ENTRIES - 3)
    rows = tuple(_entry(scene, where, where.base, first + at) for at in range(3))
    title = _title(scene, f"{where.name} ", where.base)
    return Fragment(where.key, x, TABLES_Y, TABLE_W, TABLE_H, title, rows, where.role, ghost=where.step is None)


def _entry(scene: Scene, where: Where, base: int, index: int) -> FragmentRow:
    address = base + index * paging.ENTRY_SIZE
    entry = _now(scene, address)
    used = index == where.index
    text = ""
    if used and where.step is not None:
        sticky = paging.A | paging.D
        if entry is not None and (entry ^ where.step.entry) & ~sticky:
            text = "The table has changed since: this is what the walk read."
            entry = where.step.entry
        elif entry is None:
            entry = where.step.entry
    leaf = where.key == "pt"
    shown = "?" if entry is None else _entry_text(entry, leaf=leaf)
    tip = Tip(f"{where.key.upper()}E {index}, at {hex32(address)}", text or f"{_ENTRY_TEXT}.", SDM)
    lit = where.role if used and where.step is not None else None
    identity = f"{where.key}{1 if used else 0 if index < where.index else 2}"
    link = _physical(scene, entry & paging.FRAME) if entry is not None and entry & paging.P else None
    edit = Editable("entry", f"{where.key.upper()}E {index}", scene.vm, address, "guest-physical")
    return FragmentRow(identity, str(index), (Span(shown, code=True),), lit, tip, link, edit)


def _entry_text(entry: int, *, leaf: bool) -> str:
    if entry & paging.P:
        return f"{hex32(entry)} {entry_bits(entry, leaf=leaf)}"
    return f"{hex32(entry)} not present" if entry else "not present"


def _now(scene: Scene, address: int) -> int | None:
    raw = scene.read_physical(address, paging.ENTRY_SIZE)
    return None if raw is None else int.from_bytes(raw, "little")


def _page(scene: Scene, walk: Walk) -> Fragment:
    x = TABLE_X[1] if walk.large else TABLE_X[2]
    if walk.frame is None:
        reached = walk.pte is not None or (walk.large and walk.pde is not None)
        what = "none" if walk.error is not None else "after the access check" if reached else "not reached yet"
        title: Text = (Span(f"Page · {what}", "dim", strong=True),)
        rows: tuple[FragmentRow, ...] = (FragmentRow("pg1", "", (Span("–", "dim"),)),)
        return Fragment("pg", x, TABLES_Y, TABLE_W, TABLE_H, title, rows, ghost=True)
    offset = walk.linear & 0xFFF
    first = min(max((offset & ~(UNIT - 1)) - UNIT, 0), paging.PAGE_SIZE - 3 * UNIT)
    rows = tuple(_units(scene, walk.frame, first + UNIT * at, offset) for at in range(3))
    title = _title(scene, "Page · ", walk.frame)
    return Fragment("pg", x, TABLES_Y, TABLE_W, TABLE_H, title, rows, "good")


def _units(scene: Scene, frame: int, start: int, offset: int) -> FragmentRow:
    raw = scene.read_physical(frame + start, UNIT)
    used = start <= offset < start + UNIT
    text = "no RAM" if raw is None else raw.hex(" ")
    identity = f"pg{1 if used else 0 if start < offset else 2}"
    tip = Tip(hex32(frame + start), "Bytes in the page, lowest address first.")
    return FragmentRow(identity, f"{start:03x}", (Span(text, code=True),), "good" if used else None, tip)


def _title(scene: Scene, name: str, base: int) -> Text:
    link, tip = _physical(scene, base), _host(scene, base)
    return (Span(name, "dim", strong=True), Span(hex32(base), "dim", strong=True, code=True, tip=tip, link=link))


def _physical(scene: Scene, address: int) -> Link:
    return Place("guest-physical", address, scene.vm) if scene.virtualized else Place("host-physical", address)


def _host(scene: Scene, address: int) -> Tip | None:
    """Where the host has it, for an address the guest takes for physical."""
    if not scene.virtualized:
        return Tip("Physical address", "Bits 31:12 come from the entry before.", SDM)
    hpa = scene.hpa(address)
    where = "no RAM" if hpa is None else f"host-physical {hex32(hpa)}"
    return Tip("Guest-physical address", f"Only the guest takes it for physical; the VMM's pmap says: {where}.")


# ---- what comes of it -------------------------------------------------------------------------------------------


def _outcome(scene: Scene, walk: Walk) -> tuple[Shape, ...]:
    if walk.error is not None:
        return _fault(walk)
    if walk.frame is None:
        return ()
    gpa = walk.frame | walk.linear & 0xFFF
    raw = scene.read_physical(gpa, UNIT) if walk.linear & 0xFFF <= paging.PAGE_SIZE - UNIT else None
    right = (TABLE_X[1] if walk.large else TABLE_X[2]) + TABLE_W + 22
    shapes: list[Shape] = []
    if raw is not None:
        value = Span(hex32(int.from_bytes(raw, "little")), strong=True, code=True)
        shapes += [
            Label(right, TABLES_Y + 18, WIDTH - right - 8, (Span("value there", "dim"),), small=True),
            Label(right, TABLES_Y + 38, WIDTH - right - 8, (value,)),
        ]
    return (*shapes, Label(TABLE_X[0], BELOW_Y, 960, _arrival(scene, gpa)))


def _arrival(scene: Scene, gpa: int) -> Text:
    name = "guest-physical" if scene.virtualized else "physical"
    text: Text = (Span(f"{name} ", "dim"), Span(hex32(gpa), strong=True, code=True, link=_physical(scene, gpa)))
    if not scene.virtualized:
        return text
    hpa = scene.hpa(gpa)
    if hpa is None:
        return (*text, Span(" · no RAM lies behind it: a device, or nobody", "dim"))
    place = Place("host-physical", hpa)
    return (*text, Span(" → host-physical ", "dim"), Span(hex32(hpa), "vmm", strong=True, code=True, link=place),
            Span(" · which the guest never learns", "dim"))  # fmt: skip


def _fault(walk: Walk) -> tuple[Shape, ...]:
    """The error code bit by bit, and what it says."""
    assert walk.error is not None
    meanings = {
        "RSVD": ("none", "reserved bit"),
        "U/S": ("supervisor", "ring 3"),
        "W/R": ("read", "write"),
        "P": ("not present", "rights"),
    }
    fields = tuple(
        _error_bit(walk.error, name, 3 - at, meanings[name]) for at, name in enumerate(("RSVD", "U/S", "W/R", "P"))
    )
    moment = None if walk.at is None else Instant(walk.at)
    if moment is None:
        would = (Span("a read by the kernel would be a page fault", "dim"),)
        return (Label(TABLE_X[0], BELOW_Y, 960, would),)
    return (
        Label(LEFT, BELOW_Y - 2, 210, (Span(f"#PF({walk.error})", "trap", strong=True, link=moment),)),
        Label(LEFT, BELOW_Y + 20, 210, (Span("error code", "dim"),), small=True),
        BitBox("error", TABLE_X[0], BELOW_Y, 600.0, 36.0, fields, even=True),
        Label(
            TABLE_X[0] + 624, BELOW_Y - 2, 420,
            (Span("CR2 = ", "dim"), Span(hex32(walk.linear), strong=True, code=True)),
        ),
        Label(TABLE_X[0] + 624, BELOW_Y + 20, 420, (Span(error_meaning(walk.error), "dim"),), small=True),
    )  # fmt: skip


def _error_bit(error: int, name: str, bit: int, meaning: tuple[str, str]) -> BitField:
    on = bool(error & paging.ERROR_BITS[name])
    tip = Tip(f"{name}, bit {bit}", meaning[on], "Intel SDM Vol. 3A, §4.7")
    return BitField(f"error-{bit}", name, bit, bit, f"{int(on)} · {meaning[on]}", "trap" if on else "text", on, tip)


# ---- arrows -----------------------------------------------------------------------------------------------------


def _arrows(walk: Walk) -> tuple[Arrow, ...]:
    """Base and index meet at the entry they select; lit for what has been done."""
    first, second = walk.pde is not None, walk.pte is not None
    arrived = walk.done and walk.error is None
    directory = Arrow("dir", "pd1", "bottom", "left", "program", at=0.26, lit=first, dashed=not first)
    if walk.large:
        return (
            directory,
            _base("pd1", "pg1", "program", done=arrived),
            _index("offset", "pg1", "good", 0.1, done=arrived),
        )
    return (
        directory,
        _base("pd1", "pt1", "program", done=second),
        _index("table", "pt1", "kernel", 0.6, done=second),
        _base("pt1", "pg1", "kernel", done=arrived),
        _index("offset", "pg1", "good", 0.88, done=arrived),
    )


def _base(start: str, end: str, role: Role, *, done: bool) -> Arrow:
    """From an entry to the table it points at."""
    return Arrow(start, end, "right", "left", role, lane=0.2, lit=done, dashed=not done)


def _index(start: str, end: str, role: Role, at: float, *, done: bool) -> Arrow:
    """From a field of the address down to the entry it picks."""
    return Arrow(start, end, "bottom", "left", role, at=at, lit=done, dashed=not done)
