"""The text twin: everything a card shows, as lines for a screen reader, a terminal and a test."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from teachvm.app.notation import count, hex32, percent, plural
from teachvm.app.presentation import (
    ActorsView,
    Arrow,
    BarPart,
    BarsView,
    BitBox,
    Box,
    CardView,
    Cell,
    ChipsView,
    CodeLabel,
    CodeLine,
    CodeRow,
    CodeView,
    ConsoleView,
    DiagramView,
    Fragment,
    HexView,
    Label,
    LanesView,
    NoteView,
    PairsView,
    Shape,
    StatsView,
    TableView,
    plain,
)

RECENT = 12
"""Stretches of a timeline, up to now, that are read out; the rest is a count."""


def twin(view: CardView) -> str:
    """Say a card as text, block by block, in the order it is painted."""
    head = [plain(view.subtitle)] if view.subtitle else []
    head += [", ".join(badge.text for badge in view.aside)] if view.aside else []
    parts = ["\n".join(_SAY[type(block)](block)) for block in view.body]
    return "\n\n".join(part for part in ["\n".join(head), *parts] if part)


def _code_row(row: CodeRow) -> Iterable[str]:
    if isinstance(row, CodeLabel):
        yield f"{row.name}:"
    elif isinstance(row, CodeLine):
        marks = (">" if row.current else " ") + ("*" if row.breakpoint else " ")
        badge = f"  [{row.badge.text}]" if row.badge else ""
        yield f"{marks} {hex32(row.address)}  {row.code:<20}  {row.mnemonic} {plain(row.operands)}".rstrip() + badge
    else:
        for number, step in enumerate(row.steps, 1):
            sign = {"done": "done", "now": "now", "ahead": "to come"}[step.progress]
            yield f"     {number}. {plain(step.text)} ({sign})"


def _code(view: CodeView) -> list[str]:
    return [line for row in view.rows for line in _code_row(row)]


def _cell(cell: Cell) -> str:
    return f"{cell.text} (was {cell.was})" if cell.was is not None else cell.text


def _pairs(view: PairsView) -> list[str]:
    lines: list[str] = []
    for section in view.sections:
        lines += [section.title] if section.title else []
        for pair in section.rows:
            named = [
                f"{section.headings[at]}: {_cell(cell)}" if at < len(section.headings) else _cell(cell)
                for at, cell in enumerate(pair.cells)
            ]
            lines.append(f"{pair.name} = {', '.join(named)}")
    return lines


def _chips(view: ChipsView) -> list[str]:
    said = [f"{chip.name} {'on' if chip.on else 'off'}{' (changed)' if chip.changed else ''}" for chip in view.chips]
    return [f"{view.title}: {', '.join(said)}"]


def _actors(view: ActorsView) -> list[str]:
    lines = []
    for at, actor in enumerate(view.actors):
        running = " — running now" if actor.running else ""
        lines.append(f"{actor.letter} {actor.name}: {plain(actor.detail)}{running}")
        if view.crossing is not None and view.crossing.above == at:
            lines.append(f"  {'down' if view.crossing.down else 'up'}: {view.crossing.text}")
    return lines


def _stats(view: StatsView) -> list[str]:
    lines = [view.title] if view.title else []
    lines += [f"{stat.name}: {stat.value}" for stat in view.stats]
    if view.shares:
        lines.append("Shares: " + ", ".join(f"{share.name} {percent(share.fraction)}" for share in view.shares))
    return lines


def _hex(view: HexView) -> list[str]:
    lines = [view.title] if view.title else []
    for row in view.rows:
        units = " ".join(unit or "-" * 2 * view.unit_bytes for unit in row.units)
        changed = f"  (changed: {', '.join(str(at) for at in sorted(row.changed))})" if row.changed else ""
        lines.append(f"{hex32(row.address)}  {units}  {row.text}  {plain(row.note)}".rstrip() + changed)
    per_row = len(view.rows[0].units) if view.rows else 1
    for mark in view.marks:
        if mark.start // per_row < len(view.rows):
            at = view.rows[mark.start // per_row].address + mark.start % per_row * view.unit_bytes
            lines.append(f"{mark.label or 'marked'}: {count(mark.count * view.unit_bytes)} bytes at {hex32(at)}")
    return lines


def _table(view: TableView) -> list[str]:
    lines = [view.title] if view.title else []
    if not view.rows:
        return [*lines, view.empty or "No rows."]
    rows = [[_cell(cell) for cell in row.cells] for row in view.rows]
    titles = [column.title for column in view.columns]
    widths = [max(len(line[at]) if at < len(line) else 0 for line in [titles, *rows]) for at in range(len(titles))]

    def line(cells: list[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=False)).rstrip()

    said = [line(cells) + ("  <" if row.lit else "") for row, cells in zip(view.rows, rows, strict=True)]
    return [*lines, line(titles), *said]


def _console(view: ConsoleView) -> list[str]:
    head = [view.title] if view.title else []
    cut = [f"({count(view.dropped)} earlier lines not kept)"] if view.dropped else []
    return head + cut + (view.text.splitlines() or [view.empty])


def _note(view: NoteView) -> list[str]:
    return [plain(view.text)]


def _shape(shape: Shape) -> Iterable[str]:
    if isinstance(shape, Box):
        words = " · ".join(plain(line) for line in shape.lines)
        state = " (not there yet)" if shape.ghost else " (now)" if shape.lit else ""
        yield f"{shape.number + '. ' if shape.number else ''}{words}{state}"
    elif isinstance(shape, Label):
        yield plain(shape.text)
    elif isinstance(shape, BitBox):
        for bits in shape.fields:
            yield f"bits {bits.high}..{bits.low} {bits.name}: {bits.value}{' (now)' if bits.lit else ''}"
    elif isinstance(shape, Fragment):
        yield f"{plain(shape.title)}:"
        for row in shape.rows:
            yield f"  {row.index} {plain(row.text)}{' <' if row.lit else ''}"


def _diagram(view: DiagramView) -> list[str]:
    lines = [view.caption] if view.caption else []
    lines += [line for shape in view.shapes if not isinstance(shape, Arrow) for line in _shape(shape)]
    arrows = [shape for shape in view.shapes if isinstance(shape, Arrow)]
    lines += [f"{arrow.start} → {arrow.end}{': ' + arrow.label if arrow.label else ''}" for arrow in arrows]
    return lines


def _lanes(view: LanesView) -> list[str]:
    traps = view.counted or plural(len(view.notches), "trap")
    lines = [f"Now at cycle {count(view.now)} of {count(view.frontier)} run so far; {traps}."]
    last = bisect_right(view.stretches, view.now, key=lambda stretch: stretch.start)
    first = max(0, last - RECENT)
    if first:
        lines.append(f"({count(first)} before)")
    for at in range(first, last):
        stretch = view.stretches[at]
        lane = view.lanes[stretch.lane]
        who = f"{lane.name}, {stretch.role}" if stretch.role else lane.name
        lines.append(f"{count(stretch.start)}–{count(min(stretch.stop, view.frontier))} {who}")
    if len(view.stretches) > last:
        lines.append(f"({count(len(view.stretches) - last)} after now)")
    lines += [
        f"Left behind: a future from instruction {count(branch.at.n)} (cycle {count(branch.start)}) "
        f"to instruction {count(branch.until.n)} (cycle {count(branch.stop)})"
        f"{', with ' * bool(branch.came)}{branch.came}."
        for branch in view.branches
    ]
    return lines


def _bars(view: BarsView) -> list[str]:
    lines = [f"{view.title} ({view.unit})" if view.unit else view.title] if view.title or view.unit else []
    for bar in view.bars:
        said = [_parts(bar.parts)] + ([f"cold {_parts(bar.below)}"] if bar.below else [])
        lines.append(f"{bar.name}: {'; '.join(said)}; {plain(bar.says)}")
    if view.bars:
        start, stop = view.ends
        lines.append(f"Logarithmic axis: {', '.join(count(10**power) for power in range(start, stop + 1))}")
    return lines


def _parts(parts: tuple[BarPart, ...]) -> str:
    return ", ".join(f"{part.name} {count(round(part.value))}" for part in parts)


_SAY: dict[type, Callable[[Any], list[str]]] = {
    CodeView: _code,
    PairsView: _pairs,
    ChipsView: _chips,
    ActorsView: _actors,
    StatsView: _stats,
    HexView: _hex,
    TableView: _table,
    ConsoleView: _console,
    NoteView: _note,
    DiagramView: _diagram,
    LanesView: _lanes,
    BarsView: _bars,
}
