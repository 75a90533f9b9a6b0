"""Named values in columns: what gives way where there is too little room."""

from teachvm.app.presentation import Cell, Pair, PairSection, PairsView
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.ink import Words
from teachvm.ui.widgets.pairs import PairsTable


def test_headings_give_way_before_a_digit_of_a_value_does(look: Look) -> None:
    rows = (Pair("CR0", (Cell("8001 0033"), Cell("8001 003b"))), Pair("CS", (Cell("0008"), Cell("0fe1"))))
    table = PairsTable(look)
    table.show_block(PairsView((PairSection(rows, ("guest sees", "hardware, in non-root mode now")),)))
    said = {mark.text for mark in table.compose(250.0, 200.0).marks if isinstance(mark, Words)}
    assert {"8001 0033", "8001 003b", "0008", "0fe1"} <= said
    assert not {"hardware, in non-root mode now", "HARDWARE, IN NON-ROOT MODE NOW"} & said
