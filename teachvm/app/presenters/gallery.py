"""Gallery of sensitive instructions: what each did in rings 0, 1 and 3, just measured, and what that does to a VMM."""

from __future__ import annotations

from typing import Final

from teachvm.app.notation import hex32, plural
from teachvm.app.presentation import CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Badge, Role, Span, Tip
from teachvm.isa.decode import MAX_LENGTH, DecodeError, decode
from teachvm.isa.row import InstructionClass
from teachvm.world.gallery import COUNT_SAID, EXHIBITS, Exhibit, Measured, measure

SOURCE: Final = "Robin & Irvine, USENIX Security 2000"
_DEPRIVILEGED: Final = 1
"""The ring a guest kernel is moved to."""

_MEASURED: Final = Tip(
    "Measured",
    "Each row was executed in each ring of a small machine of its own, and its registers were read afterwards.",
)
COLUMNS: Final = (
    Column("", 6, code=True),
    Column("In ring 0", 12, code=True, tip=Tip("In ring 0", "Where a kernel believes to be.")),
    Column("In ring 1", 13, code=True, tip=Tip("In ring 1", "Where a VMM puts a guest kernel.")),
    Column("In ring 3", 13, code=True, tip=Tip("In ring 3", "Where programs run."), optional=True),
    Column("In another ring than 0", 30, stretch=True),
    Column("Family", 18, optional=True, tip=Tip("Family", "Robin and Irvine's two kinds.", SOURCE)),
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """One row a mnemonic; the row of the guest's next instruction is lit."""
    del before
    here = _exhibit_here(scene_of(now))
    silent = sum(measure(exhibit)[_DEPRIVILEGED].silent for exhibit in EXHIBITS)
    table = TableView(COLUMNS, tuple(_row(exhibit, here) for exhibit in EXHIBITS))
    note = NoteView(
        (
            Span("Executed just now on a processor of this kind, IOPL 0, no VMM. "),
            Span("Silent", "trap", strong=True),
            Span(" means no exception: a VMM that waits for a trap waits for ever."),
        ),
        "info",
    )
    said = Tip("How many", f"The literature counts {COUNT_SAID}.", SOURCE)
    subtitle = (
        Span(f"{COUNT_SAID} · ", "dim", tip=said),
        Span(f"{plural(silent, 'mnemonic')} silent in ring 1", "trap"),
    )
    return CardView(subtitle, (table, note), (Badge("measured", "good", "tick", _MEASURED),))


def _exhibit_here(scene: Scene) -> str:
    """The exhibit the guest's next instruction belongs to; empty if it is none of them."""
    try:
        row = decode(scene.read(scene.linear_eip, MAX_LENGTH)).row
    except DecodeError:
        return ""
    return _SHORT.get(row.mnemonic, row.mnemonic) if row.klass is InstructionClass.SENSITIVE_UNPRIVILEGED else ""


_SHORT: Final = {"PUSHFD": "PUSHF", "POPFD": "POPF", "CALLF": "CALL", "JMPF": "JMP", "RETF": "RET", "INT": "INT n"}
"""Row's mnemonic -> the list's, where it is another."""


def _row(exhibit: Exhibit, here: str) -> TableRow:
    measured = measure(exhibit)
    cells = (
        Cell(exhibit.mnemonic.lower(), strong=True),
        _cell(exhibit, measured[0], None),
        *(_cell(exhibit, each, measured[0]) for each in measured[1:]),
        Cell(
            exhibit.harm,
            "dim",
            tip=Tip(exhibit.mnemonic, f"In ring 0: {exhibit.meant} Elsewhere: {exhibit.harm}", SOURCE),
        ),
        Cell(exhibit.family.value, "dim", tip=Tip(exhibit.family.value, exhibit.family.explanation, SOURCE)),
    )
    lit: Role | None = "now" if exhibit.mnemonic == here else None
    return TableRow(exhibit.mnemonic, cells, lit, tip=Tip(exhibit.mnemonic, exhibit.meant, SOURCE))


def _cell(exhibit: Exhibit, measured: Measured, kernel: Measured | None) -> Cell:
    """What was seen: an exception, or a value in silence."""
    probe = "; ".join(exhibit.probe.splitlines())
    flags = f"EFLAGS {hex32(measured.eflags)}, CS {measured.cs:04x}"
    if not measured.silent:
        return Cell(measured.exception, "vmm", strong=True, tip=Tip("Faults", f"{probe} — {flags}. The VMM is told."))
    seen = measured.ebx if exhibit.shows.startswith("EBX") else measured.eax
    says = f"{exhibit.shows}: EAX {hex32(measured.eax)}, EBX {hex32(measured.ebx)}; {flags}"
    if kernel is None:
        return Cell(f"{seen:#x}", tip=Tip(exhibit.meant, f"{probe} — {says}."))
    other = "" if measured.same_as(kernel) else ", not what ring 0 saw"
    return Cell(f"silent {seen:#x}", "trap", tip=Tip("No exception", f"{probe} — {says}{other}."))
