"""What drawn cards say: the shapes of a diagram and the lanes of a timeline.

Lengths in a :class:`DiagramView` are layout units: one unit is one pixel at zoom 1 in a view of the diagram's nominal
size. The view stretches the layout to fill its card, and never shrinks it below that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Literal, NamedTuple

from teachvm.app.wording import Align, Editable, Link, Role, Text, Tip
from teachvm.trace.moment import Moment

Side = Literal["left", "right", "top", "bottom"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with lines of text; `lit` is bright, `ghost` is dashed (not there yet), `number` sits in a disc."""

    id: str
    x: float
    y: float
    w: float
    h: float
    lines: tuple[Text, ...] = ()
    role: Role = "line"
    lit: bool = False
    ghost: bool = False
    number: str = ""
    align: Align = "center"
    tip: Tip | None = None
    link: Link | None = None
    alters: Editable | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """Free text whose box starts at (x, y); `w` bounds it."""

    x: float
    y: float
    w: float
    text: Text
    align: Align = "left"
    small: bool = False
    heading: bool = False
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class BitField:
    """Bits `high`..`low` of a word, with their name above and their value inside."""

    id: str
    name: str
    high: int
    low: int
    value: str
    role: Role = "text"
    lit: bool = False
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class BitBox:
    """A word cut into bit fields; a field's width follows its number of bits unless `even`."""

    id: str
    x: float
    y: float
    w: float
    h: float
    fields: tuple[BitField, ...]
    even: bool = False


@dataclass(frozen=True, slots=True)
class FragmentRow:
    """One row of a table fragment; `id` may be an arrow's end."""

    id: str
    index: str
    text: Text
    lit: Role | None = None
    tip: Tip | None = None
    link: Link | None = None
    alters: Editable | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A few neighbouring entries of a table in memory, with its title above; (x, y, w, h) bound the rows."""

    id: str
    x: float
    y: float
    w: float
    h: float
    title: Text
    rows: tuple[FragmentRow, ...]
    role: Role = "line"
    ghost: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """A connection routed orthogonally from one shape's side to another's; `lane` (0..1) places its middle run.

    `at` and `to_at` (0..1) are where on the side it leaves and arrives. `label` stands on the middle run.
    """

    start: str
    end: str
    start_side: Side = "right"
    end_side: Side = "left"
    role: Role = "dim"
    at: float = 0.5
    to_at: float = 0.5
    lane: float = 0.5
    lit: bool = False
    dashed: bool = False
    head: bool = True
    label: str = ""


Shape = Box | Label | BitBox | Fragment | Arrow


@dataclass(frozen=True, slots=True)
class DiagramView:
    """Shapes on a layout of `width` x `height` units; the view stretches it to its card, and never below that size.

    In a `dense` one, rows stay together in a card that has more room.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    caption: str = ""
    dense: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """One horizontal track: an actor of one VM, or a tenant."""

    name: str
    letter: str
    role: Role
    tip: Tip | None = None


class Stretch(NamedTuple):
    """An actor ran from cycle `start` to `stop`, beginning at moment `at`; `role` overrides the lane's."""

    start: int
    stop: int
    lane: int
    at: Moment
    role: Role | None = None


class Notch(NamedTuple):
    """A trap (or another crossing) at a cycle, from one lane to another."""

    cycle: int
    source: int
    target: int
    at: Moment
    text: str
    role: Role = "trap"


class Branch(NamedTuple):
    """A future that was left behind: it branched off at a cycle and moment, and was seen up to others.

    `came` says in a few words what came from outside in it, from there on; empty if nothing did.
    """

    start: int
    stop: int
    at: Moment
    until: Moment
    came: str = ""


@dataclass(frozen=True, slots=True)
class LanesView:
    """What ran when, on the host's clock in cycles.

    `stretches` and `notches` are ordered by their first field and may be long: the view cuts them to what is visible.
    `now` is the playhead; everything up to `frontier` has been run at least once; `key` changes when the past does,
    that is, at a fork; `branches` are the futures left behind at forks, oldest first. `counted` says the notches.
    """

    lanes: tuple[Lane, ...]
    stretches: Sequence[Stretch]
    notches: Sequence[Notch]
    now: int
    frontier: int
    key: str = ""
    branches: tuple[Branch, ...] = ()
    counted: str = ""


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of a bar: its value in the chart's unit; `pattern` hatches it, so that neighbours differ without hue."""

    name: str
    value: float
    role: Role
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A named bar of parts laid end to end, a thinner one below it, and what is said beside them."""

    name: str
    parts: tuple[BarPart, ...]
    below: tuple[BarPart, ...] = ()
    says: Text = ()
    tip: Tip | None = None


@dataclass(frozen=True, slots=True)
class BarsView:
    """Horizontal bars on one logarithmic axis that begins at a power of ten below the least of them."""

    bars: tuple[Bar, ...]
    title: str = ""
    unit: str = ""

    @property
    def ends(self) -> tuple[int, int]:
        """The powers of ten the axis begins and ends at."""
        totals = [sum(part.value for part in parts) for bar in self.bars for parts in (bar.parts, bar.below) if parts]
        first = [parts[0].value for bar in self.bars for parts in (bar.parts, bar.below) if parts]
        low = min((value for value in (*first, *totals) if value >= 1), default=1.0)
        high = max((*totals, low))
        start = floor(log10(low)) - (1 if log10(low).is_integer() else 0)
        return start, max(start + 1, ceil(log10(high)))

    def place(self, value: float) -> float:
        """Where a value lies between the ends of the axis, 0..1."""
        start, stop = self.ends
        return 0.0 if value <= 10.0**start else (log10(value) - start) / (stop - start)
