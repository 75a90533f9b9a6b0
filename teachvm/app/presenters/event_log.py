"""Event log: what happened, in order, one sentence each; activating a moment goes there."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final
from weakref import WeakKeyDictionary

from teachvm.app.notation import count
from teachvm.app.past import past_end
from teachvm.app.presentation import CardView, Cell, Column, TableRow, TableView
from teachvm.app.sentences import say
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Instant, Span, Tip, plain
from teachvm.machine.events import HandlerEntered, InterruptReturned, PageWalked, WalkReferenced
from teachvm.trace.events import Event, EventLog
from teachvm.vmm.events import ShadowDropped, VcpuBlocked, VmmEntered
from teachvm.vmm.region import VMM_BASE

MOST: Final = 500
STEP: Final = 100
"""By how many rows the log moves on when it is full, so that rows keep their places in between."""
COLUMNS: Final = (
    Column(
        "Moment",
        10,
        "right",
        code=True,
        tip=Tip("Moment", "Instructions completed, and the phase inside one."),
        optional=True,
    ),
    Column("Cycles", 9, "right", code=True, tip=Tip("Cycles", "The host's clock, at a nominal 10 MHz."), optional=True),
    Column("Who", 7),
    Column("What", 28, stretch=True),
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The last events up to this moment; the latest ones since the moment shown before stand out."""
    del before
    rows = _rows_of(now).until(now.log, past_end(now))
    shown = min(len(rows), MOST)
    subtitle = f"{count(shown)} of {count(past_end(now))} events"
    return CardView((Span(subtitle, "dim"),), (TableView(COLUMNS, rows, follow=True, empty="Nothing happened yet."),))


class _Rows:
    """The rows of one log, made once for each event."""

    def __init__(self, hardware: str, *, virtualized: bool) -> None:
        self._hardware = hardware
        self._virtualized = virtualized
        self._made: dict[int, TableRow] = {}
        self._numbers: list[int] = []
        self._read = 0
        self._cuts = 0

    def read(self, log: EventLog) -> None:
        """Note which events have rows; the rows are made when they are shown."""
        if log.cuts != self._cuts:
            self._made.clear()
            self._numbers.clear()
            self._read, self._cuts = 0, log.cuts
        start = max(self._read, log.first)
        for number, event in enumerate(log.slice(start, log.end), start):
            if self._shown(event):
                self._numbers.append(number)
        self._read = log.end

    def _shown(self, event: Event) -> bool:
        """Whether an event has a row of its own.

        A walk has one, not one for each of its references, and none for the VMM's pages. Under a VMM the hardware's
        delivery is part of the entry it leads to, and its IRET part of the resume.
        """
        if isinstance(event, PageWalked):
            return event.linear < VMM_BASE
        if self._virtualized and isinstance(event, HandlerEntered | InterruptReturned):
            return event.cpu != self._hardware
        return not isinstance(event, WalkReferenced)

    def until(self, log: EventLog, end: int) -> tuple[TableRow, ...]:
        """The last rows of events before a number; the very last is lit."""
        last = bisect_left(self._numbers, end)
        first = max(0, -(-(last - MOST) // STEP) * STEP)
        rows = [row for number in self._numbers[first:last] if (row := self._row(log, number)) is not None]
        if rows:
            one = rows[-1]
            rows[-1] = TableRow(one.key, one.cells, "now", one.faded, one.tip)
        return tuple(rows)

    def _row(self, log: EventLog, number: int) -> TableRow | None:
        row = self._made.get(number)
        if row is None:
            events = log.slice(number, number + 1)
            if not events or number < log.first:
                return None
            if len(self._made) > 8 * MOST:
                self._made.clear()
            row = self._made[number] = _row(number, events[0], self._hardware)
        return row


def _row(number: int, event: Event, hardware: str) -> TableRow:
    said = say(event, hardware)
    text = plain(said.text)
    source = ""
    explanation = text
    if isinstance(event, VmmEntered):
        explanation, source = event.reason.explanation, event.reason.source
    faded = isinstance(event, PageWalked | ShadowDropped | VcpuBlocked)
    link = Instant(event.at)
    cells = (
        Cell(str(event.at), "dim", tip=Tip("Go there", "The whole machine goes to this moment."), link=link),
        Cell(count(event.cycles), "dim", link=link),
        Cell(said.who, said.role, strong=True, link=link),
        Cell(text, tip=Tip(type(event).__name__, explanation, source), link=link),
    )
    return TableRow(str(number), cells, faded=faded)


_LOGS: WeakKeyDictionary[EventLog, _Rows] = WeakKeyDictionary()


def _rows_of(snapshot: Snapshot) -> _Rows:
    rows = _LOGS.get(snapshot.log)
    if rows is None:
        rows = _LOGS[snapshot.log] = _Rows(snapshot.world.host.machine.cpu.name, virtualized=snapshot.world.virtualized)
    rows.read(snapshot.log)
    return rows
