"""Value types between presenters and views: what a card says, with no word about how it is painted.

A presenter returns one :class:`CardView`; its body is a column of blocks (code, pairs, chips, actors, statistics,
memory, table, console, diagram, lanes, note). Views paint blocks, :mod:`teachvm.app.twin` says the same blocks as text,
and tests compare them. This is the one module presenters and views import; ``wording`` and ``drawing`` hold its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teachvm.app import wording
from teachvm.app.drawing import (
    Arrow,
    Bar,
    BarPart,
    BarsView,
    BitBox,
    BitField,
    Box,
    Branch,
    DiagramView,
    Fragment,
    FragmentRow,
    Label,
    Lane,
    LanesView,
    Notch,
    Shape,
    Side,
    Stretch,
)
from teachvm.app.wording import ROLES, Align, Badge, Instant, Link, Place, Progress, Role, Space, Span, Text, Tip, plain

__all__ = [
    "ROLES",
    "Actor",
    "ActorsView",
    "Align",
    "Arrow",
    "Badge",
    "Bar",
    "BarPart",
    "BarsView",
    "BitBox",
    "BitField",
    "Block",
    "Box",
    "Branch",
    "CardView",
    "Cell",
    "Chip",
    "ChipsView",
    "CodeLabel",
    "CodeLine",
    "CodeRow",
    "CodeView",
    "Column",
    "ConsoleView",
    "Crossing",
    "DiagramView",
    "Fragment",
    "FragmentRow",
    "HexMark",
    "HexRow",
    "HexView",
    "Instant",
    "Label",
    "Lane",
    "LanesView",
    "Link",
    "Notch",
    "NoteView",
    "Pair",
    "PairSection",
    "PairsView",
    "PhaseBlock",
    "PhaseStep",
    "Place",
    "Progress",
    "Role",
    "Shape",
    "Share",
    "Side",
    "Space",
    "Span",
    "Stat",
    "StatsView",
    "Stretch",
    "TableRow",
    "TableView",
    "Text",
    "Tip",
    "plain",
]

# --- code ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeLabel:
    """A symbol that starts here."""

    name: str
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One instruction: linear address, bytes as hex pairs, mnemonic, operands as coloured spans, its class as a badge.

    `current` marks the instruction the program counter stands at; `trapping` colours that bar as a trap.
    """

    address: int
    code: str
    mnemonic: str
    operands: Text = ()
    badge: Badge | None = None
    current: bool = False
    trapping: bool = False
    breakpoint: bool = False
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class PhaseStep:
    """One visible thing that happens inside an instruction, in order."""

    text: Text
    progress: Progress = "done"
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class PhaseBlock:
    """The phases of a trap, printed under the instruction that caused it."""

    steps: tuple[PhaseStep, ...]
    role: Role = "vmm"


CodeRow = CodeLabel | CodeLine | PhaseBlock


@dataclass(frozen=True, slots=True)
class CodeView:
    """A listing; the view keeps the current line in sight. `breakable`: the gutter takes breakpoints."""

    rows: tuple[CodeRow, ...]
    breakable: bool = True


# --- pairs, chips, actors, statistics --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """One value; `was` is the text before the last step, shown beside a changed value; `value` feeds copy and radix.

    `edit` names what a person may give anew there; empty for all other values.
    """

    text: str
    role: Role = "text"
    strong: bool = False
    was: str | None = None
    changed: bool = False
    value: int | None = None
    tip: Tip | None = None
    link: Link | None = None
    edit: str = ""
    alters: wording.Editable | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A named value with one cell per column of its section."""

    name: str
    cells: tuple[Cell, ...]
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class PairSection:
    """Rows under common column headings; `tint` lays a role's shade behind the section."""

    rows: tuple[Pair, ...]
    headings: tuple[str, ...] = ()
    title: str = ""
    tint: Role | None = None


@dataclass(frozen=True, slots=True)
class PairsView:
    """Sections of named values (registers, controls) whose columns line up."""

    sections: tuple[PairSection, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """One flag: `on` is outlined and bright, `changed` is outlined in its role."""

    name: str
    on: bool = False
    changed: bool = False
    role: Role = "text"
    tip: Tip | None = None
    value: int | None = None
    alters: wording.Editable | None = None


@dataclass(frozen=True, slots=True)
class ChipsView:
    """A wrapped row of flags with a heading."""

    title: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who can hold the CPU; `letter` tells the actor apart where colour cannot."""

    name: str
    letter: str
    role: Role
    detail: Text = ()
    running: bool = False
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class Crossing:
    """An arrow between the actor at index `above` and the next one: control falls into it, or rises back."""

    above: int
    text: str
    role: Role = "trap"
    down: bool = True
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class ActorsView:
    """Who is running: actors from least to most privileged, and the crossing that just happened."""

    actors: tuple[Actor, ...]
    crossing: Crossing | None = None


@dataclass(frozen=True, slots=True)
class Stat:
    """A counted thing."""

    name: str
    value: str
    role: Role = "dim"
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, 0..1; `pattern` hatches it, so that neighbours differ without hue."""

    name: str
    fraction: float
    role: Role
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class StatsView:
    """Counted things, and how a whole divides into shares."""

    stats: tuple[Stat, ...]
    shares: tuple[Share, ...] = ()
    title: str = ""


# --- memory, table, console, note ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HexRow:
    """Consecutive units from `address`; a unit is its digits, empty where nothing is mapped. `note` names the row."""

    address: int
    units: tuple[str, ...]
    text: str = ""
    note: Text = ()
    changed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class HexMark:
    """A role's box around the units [start, start + count) from the first row on: a pointer, a frame, a field."""

    start: int
    count: int
    role: Role
    label: str = ""
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class HexView:
    """A grid of memory; `unit_bytes` is 1 for bytes, 4 for double words; `space` says what the addresses are."""

    rows: tuple[HexRow, ...]
    unit_bytes: int = 1
    marks: tuple[HexMark, ...] = ()
    space: Space = "linear"
    title: str = ""
    vm: str = ""
    editable: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A table column: `width` in characters of its widest value; the one with `stretch` takes what is left.

    `optional` columns are left out where there is too little room, the last one first.
    """

    title: str
    width: int = 8
    align: Align = "left"
    code: bool = False
    stretch: bool = False
    tip: Tip | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; `key` is its identity between two moments; `lit` rows stand out (the one the machine just touched)."""

    key: str
    cells: tuple[Cell, ...]
    lit: Role | None = None
    faded: bool = False
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class TableView:
    """Rows under columns; `follow` keeps the last row in sight (a log); `empty` is said when there is no row.

    A `whole` one insists on room for every row.
    """

    columns: tuple[Column, ...]
    rows: Sequence[TableRow]
    follow: bool = False
    empty: str = ""
    title: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ConsoleView:
    """What a guest printed; its last `fresh` characters came with the last step. `dropped` lines were cut above.

    `guest` is who receives what is typed; empty where nobody does.
    """

    text: str
    fresh: int = 0
    dropped: int = 0
    empty: str = "Nothing printed yet."
    title: str = ""
    guest: str = ""


@dataclass(frozen=True, slots=True)
class NoteView:
    """A sentence in place of, or beside, a picture."""

    text: Text
    icon: str = ""


Drawn = DiagramView | LanesView | BarsView
Block = CodeView | PairsView | ChipsView | ActorsView | StatsView | HexView | TableView | ConsoleView | NoteView | Drawn


@dataclass(frozen=True, slots=True)
class CardView:
    """Everything one card says at one moment; `aside` stands at the right of its header (a legend, totals)."""

    subtitle: Text = ()
    body: tuple[Block, ...] = ()
    aside: tuple[Badge, ...] = ()
    announce: str = ""
