"""How much room each card wants: what the stage needs to know to lay cards out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["narrow", "tall", "small", "wide"]
"""narrow: a slim column · tall: a column · small: half a column · wide: a row of its own"""


@dataclass(frozen=True, slots=True)
class CardShape:
    """Form, least size in layout pixels, and share of the row's width beyond it."""

    form: Form
    width: int
    height: int
    weight: int


SHAPES: dict[str, CardShape] = {
    "who-is-running": CardShape("narrow", 192, 210, 3),
    "guest-code": CardShape("tall", 350, 200, 30),
    "vcpu-and-cpu": CardShape("tall", 280, 200, 20),
    "registers": CardShape("tall", 250, 200, 16),
    "memory": CardShape("tall", 330, 200, 24),
    "guest-walk": CardShape("wide", 560, 290, 30),
    "nested-walk": CardShape("wide", 560, 330, 34),
    "control-structure": CardShape("tall", 330, 200, 22),
    "tlb": CardShape("small", 330, 150, 22),
    "console": CardShape("small", 240, 140, 18),
    "vmm-entries": CardShape("small", 350, 170, 22),
    "event-log": CardShape("small", 320, 160, 22),
    "gallery": CardShape("wide", 560, 240, 30),
    "techniques": CardShape("wide", 560, 240, 30),
    "translated-code": CardShape("tall", 470, 240, 34),
    "shadow-tables": CardShape("tall", 470, 200, 26),
    "segments": CardShape("tall", 560, 240, 26),
    "block-graph": CardShape("tall", 430, 240, 30),
    "cache-map": CardShape("small", 330, 220, 22),
    "timeline": CardShape("wide", 480, 170, 30),
}

TABLE_WIDTH = 300
"""A small card at least as wide holds a table."""

COLUMNS, ROOMY = 3, 1500.0
"""More columns than that only on a stage at least so wide: a console and a listing want width more than height."""

DEFAULT = CardShape("tall", 300, 220, 20)


def shape_of(card_id: str) -> CardShape:
    """The shape of a card; a middling one for a card nobody measured."""
    return SHAPES.get(card_id, DEFAULT)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where cards go: rows from the top, each of columns from the left, each of one or two cards from the top."""

    rows: tuple[tuple[tuple[str, ...], ...], ...]


def plan(card_ids: tuple[str, ...], room: float = 1200.0) -> Plan:
    """Lay out cards in the order given; small ones share columns, wide ones get rows, `room` is the stage's width."""
    wide = [name for name in card_ids if shape_of(name).form == "wide"]
    columns: list[list[str]] = []
    for name in card_ids:
        form = shape_of(name).form
        if form == "wide":
            continue
        last = columns[-1] if columns else None
        halves = form == "small" and last is not None and len(last) == 1 and shape_of(last[0]).form == "small"
        if halves and last is not None:
            last.append(name)
        else:
            columns.append([name])
    if _need(columns) > room or (len(columns) > COLUMNS and room < ROOMY):
        columns = _merged(columns)
    rows = [tuple(tuple(column) for column in part) for part in _folded(columns, room)]
    return Plan((*(((name,),) for name in wide), *rows))


def _need(columns: list[list[str]]) -> int:
    """Least width of a row of columns."""
    return sum(max(shape_of(name).width for name in column) + 14 for column in columns)


def _merged(columns: list[list[str]]) -> list[list[str]]:
    """Put small cards below tall ones: tables below the widest column, the others below the last."""
    tall = [column for column in columns if shape_of(column[0]).form == "tall"]
    if not tall:
        return columns
    widest = max(tall, key=lambda column: shape_of(column[0]).weight)
    kept = [list(column) for column in columns if shape_of(column[0]).form != "small"]
    for column in columns:
        for name in column if shape_of(column[0]).form == "small" else ():
            below = widest[0] if shape_of(name).width >= TABLE_WIDTH else tall[-1][0]
            place = next(other for other in kept if other[0] == below)
            if len(place) > 2:
                place = min((other for other in kept if shape_of(other[0]).form == "tall"), key=len)
            place.append(name)
    return kept


def _folded(columns: list[list[str]], room: float) -> list[list[list[str]]]:
    """Break a row that is too narrow for its columns into two."""
    if not columns:
        return []
    if _need(columns) <= room or len(columns) < 3:
        return [columns]
    half = (len(columns) + 1) // 2
    return [columns[:half], columns[half:]]
