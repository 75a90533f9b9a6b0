"""VMM entries: why the VMM was entered, how often, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from teachvm.app.notation import THIN, count, percent
from teachvm.app.presentation import CardView, Cell, Column, NoteView, TableRow, TableView
from teachvm.app.scene import entries_text, scene_of, techniques
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Role, Span, Text, Tip
from teachvm.host.costs import COST_BY_KEY
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import InstructionInterpreted, VmmEntered
from teachvm.vmm.prices import parts
from teachvm.vmm.techniques import Technique

COLUMNS: Final = (
    Column("Reason", 12, stretch=True, tip=Tip("Entry reason", "Why the hardware left the guest for the VMM.")),
    Column("Count", 6, "right", code=True),
    Column("Cycles", 9, "right", code=True, tip=Tip("Cycles", "Host cycles from the entry to the resume, summed.")),
    Column(
        "Share", 6, "right", code=True, tip=Tip("Share", "Of all cycles spent in entries of this VM."), optional=True
    ),
    Column("Avg", 6, "right", code=True, optional=True),
    Column("Min", 6, "right", code=True, optional=True),
    Column("Max", 6, "right", code=True, optional=True),
    Column("Cost", 6, "right", code=True, tip=Tip("Cost", "What one such entry is charged; click one to change it.")),
)


@dataclass(frozen=True, slots=True)
class Account:
    """One line: how often, and host cycles in sum, at least and at most."""

    count: int
    cycles: int
    shortest: int
    longest: int


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """One table per VM, the dearest reason first; the one the VMM was entered for last is lit."""
    if not now.world.virtualized:
        text = "There is no VMM: exceptions and interrupts go straight to the guest’s own kernel."
        return CardView((Span("bare metal", "dim"),), (NoteView((Span(text),), "info"),))
    if not any(technique.direct for technique in techniques(now.world)):
        text = "Nothing of the guest runs on the processor, so nothing leaves it for the VMM: the interpreter goes on."
        return CardView((Span("emulation", "dim"),), (NoteView((Span(text),), "info"),))
    names = tuple(now.world.guests)
    if now.focus.guest:
        names = (scene_of(now).vm,)
    several = len(now.world.guests) > 1
    tables = tuple(_table(now, before, name, title=name if several else "") for name in names)
    shown = [now.world.guests[name].spec.technique for name in names]
    more = (_made_of(now),) if Technique.HARDWARE_ASSIST in shown else ()
    return CardView(_subtitle(now, names), (*tables, *more))


def _subtitle(now: Snapshot, names: tuple[str, ...]) -> Text:
    accounts = [account for name in names for account in _accounts(now, name).values()]
    entries = entries_text(now.world, sum(one.count for one in accounts))
    return (Span(f"{entries} · {count(sum(one.cycles for one in accounts))} cycles", "dim"),)


def _accounts(now: Snapshot, name: str) -> dict[EntryReason, Account]:
    if f"{name}.ledger" not in now:
        return {}  # a guest of another processor, which never leaves the interpreter
    ledger: Any = now.state(f"{name}.ledger")
    cycles, shortest, longest = dict(ledger.cycles), dict(ledger.shortest), dict(ledger.longest)
    counts = dict(ledger.counts)
    return {
        reason: Account(counts[reason], cycles[reason], shortest[reason], longest[reason])
        for reason in EntryReason
        if reason in counts
    }


def _table(now: Snapshot, before: Snapshot | None, name: str, title: str) -> TableView:
    accounts = _accounts(now, name)
    old = _accounts(before, name) if before is not None and f"{name}.ledger" in before else {}
    pending: EntryReason | None = now.state(f"{name}.engine").entry
    lit = pending or _last(now, name)
    costs: Any = now.state(f"{now.world.host.name}.costs")
    prices = dict(costs.cycles)
    reasons = [reason for reason in EntryReason if reason in accounts or reason is lit]
    reasons.sort(key=lambda reason: -accounts[reason].cycles if reason in accounts else 0)
    total = sum(one.cycles for one in accounts.values())
    technique = now.world.guests[name].spec.technique
    rows = [
        _row(
            reason,
            accounts.get(reason),
            old.get(reason),
            total,
            _price(parts(technique, reason), prices),
            lit=reason is lit,
            pending=reason is pending,
        )
        for reason in reasons
    ]
    if accounts:
        rows.append(_total(accounts))
    return TableView(COLUMNS, tuple(rows), empty="The VMM was not entered yet.", title=title)


def _last(now: Snapshot, name: str) -> EntryReason | None:
    """The reason of the entry that ended with the instruction just completed."""
    at = now.at
    start = Moment(at.n if at.phase else max(0, at.n - 1))
    last = None
    for event in now.log.of(Event, start, Moment(at.n, at.phase + bool(at.phase))):
        if isinstance(event, VmmEntered | InstructionInterpreted) and event.vm == name:
            last = event.reason
    return last


def _row(
    reason: EntryReason,
    account: Account | None,
    old: Account | None,
    total: int,
    price: Cell,
    *,
    lit: bool,
    pending: bool,
) -> TableRow:
    tip = Tip(reason.label, reason.explanation, reason.source)
    role: Role | None = "vmm" if lit else None
    closed = 0 if account is None else account.count
    counted = count(closed) + (" + 1" if pending else "")
    was = count(old.count) if old is not None and old.count != closed else None
    hint = Tip("Count", "Completed entries; the one still open is added when the guest goes on.") if pending else None
    first = (Cell(reason.label, tip=tip), Cell(counted, changed=was is not None, was=was, value=closed, tip=hint))
    if account is None:
        return TableRow(str(reason.value), (*first, *[Cell("–", "dim")] * 5, price), role, tip=tip)
    cells = (
        *first,
        Cell(count(account.cycles), value=account.cycles),
        Cell(percent(account.cycles / total if total else 0.0), "dim"),
        Cell(count(round(account.cycles / account.count)), "dim"),
        Cell(count(account.shortest), "dim"),
        Cell(count(account.longest), "dim"),
        price,
    )
    return TableRow(str(reason.value), cells, role, tip=tip)


def _price(charged: tuple[tuple[str, int], ...], prices: dict[str, int]) -> Cell:
    """What an entry is charged when it begins: one line of the cost table, to be changed by a click, or a sum."""
    if len(charged) == 1:
        return _line(charged[0][0], prices)
    cycles = sum(times * prices[key] for key, times in charged)
    usual = sum(times * COST_BY_KEY[key].cycles for key, times in charged)
    made = " + ".join(f"{times} × {key}" if times > 1 else key for key, times in charged)
    tip = Tip("Cost", f"{made}; the way back is charged as well. Below, each can be changed.")
    return Cell(count(cycles), "now" if cycles != usual else "dim", cycles != usual, value=cycles, tip=tip)


def _line(key: str, prices: dict[str, int]) -> Cell:
    """One line of the cost table, perhaps shared by several reasons."""
    row, cycles = COST_BY_KEY[key], prices[key]
    usual = f"Usually {count(row.cycles)} cycles" if cycles != row.cycles else "The usual figure"
    tip = Tip(
        "Cost",
        f"{row.label[:1].upper()}{row.label[1:]}. {usual}. Click to change it: the beat begins again.",
        row.source,
    )
    return Cell(count(cycles), "now", cycles != row.cycles, value=cycles, tip=tip, edit=row.key)


_EXIT: Final = ("vm-exit", "vmread", "handle", "handle-fault", "handle-trace", "handle-device", "vmwrite", "vm-entry")
"""What the way out of non-root mode and back is charged, in this order."""


def _made_of(now: Snapshot) -> TableView:
    """The lines of the cost table exits are made of."""
    costs: Any = now.state(f"{now.world.host.name}.costs")
    prices = dict(costs.cycles)
    rows = tuple(
        TableRow(key, (Cell(key, tip=Tip(key, COST_BY_KEY[key].label, COST_BY_KEY[key].source)), _line(key, prices)))
        for key in _EXIT
    )
    columns = (Column("", 12, stretch=True), Column("Cost", 6, "right", code=True))
    return TableView(columns, rows, title="What an exit is made of")


def _total(accounts: dict[EntryReason, Account]) -> TableRow:
    entries = sum(one.count for one in accounts.values())
    cycles = sum(one.cycles for one in accounts.values())
    shortest = min((one.shortest for one in accounts.values()), default=0)
    longest = max((one.longest for one in accounts.values()), default=0)
    average = count(round(cycles / entries)) if entries else "–"
    values = (count(entries), count(cycles), f"100{THIN}%" if cycles else "–", average, count(shortest), count(longest))
    return TableRow("total", (Cell("Total", strong=True), *(Cell(text, strong=True) for text in values)))
