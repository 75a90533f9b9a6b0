"""Gallery of sensitive instructions: measured cells, and the row of what comes next."""

from __future__ import annotations

from teachvm.world.gallery import EXHIBITS
from tests.app.presenters.worlds import card, table, texts, tinyos, until


def test_each_mnemonic_has_a_row_with_what_it_did_in_each_ring() -> None:
    control = tinyos()
    rows = texts(table(control, "gallery"))
    assert [row[0] for row in rows] == [exhibit.mnemonic.lower() for exhibit in EXHIBITS]
    by_name = {row[0]: row[1:4] for row in rows}
    assert by_name["popf"] == ["0x2", "silent 0x202", "silent 0x202"]
    assert by_name["pop"] == ["0x38", "#GP(0x38)", "#GP(0x38)"]
    assert by_name["mov"] == ["0x8", "silent 0x19", "silent 0x2b"]
    assert by_name["verr"] == ["0x1", "silent 0x0", "silent 0x0"]


def test_the_count_is_said_both_ways_and_the_silent_ones_are_counted() -> None:
    said = "".join(span.text for span in card(tinyos(), "gallery").subtitle)
    assert said == "17 (18 if every mnemonic counts) · 14 mnemonics silent in ring 1"


def test_the_row_of_the_next_instruction_is_lit() -> None:
    control = tinyos()
    until(control, "sched_unlock", 11)
    lit = [row.key for row in table(control, "gallery").rows if row.lit]
    assert lit == ["POPF"]
