"""The laboratory with a guest for another processor: what a person does there is done, or refused in one line."""

from __future__ import annotations

from teachvm.app.laboratory import Laboratory
from teachvm.app.presentation import CodeLine, CodeView
from teachvm.app.wording import Editable
from teachvm.lesson.cards import CARDS


def arrived(lab: Laboratory) -> Laboratory:
    while lab.running:
        lab.work(lambda: True)
    return lab


def lines(lab: Laboratory) -> list[CodeLine]:
    (view,) = lab.card("guest-code").body
    assert isinstance(view, CodeView)
    return [row for row in view.rows if isinstance(row, CodeLine)]


def test_the_panel_and_every_card_say_something_of_it() -> None:
    lab = Laboratory("rv32")
    assert lab.panel().facts[0].detail == "8000 0000"
    assert "is_prime" in [row.key for row in lab.symbols()]
    assert all(lab.card(card.id).body for card in CARDS)


def test_a_breakpoint_in_a_loop_is_met_each_time_it_is_come_to_both_ways() -> None:
    lab = Laboratory("rv32")
    assert lab.break_at("is_prime.try")
    place = lab.place("is_prime.try")
    assert [row.name for row in lab.panel().stops] == ["is_prime.try"]
    moments = []
    for _ in range(3):
        lab.start()
        moments.append(arrived(lab).position)
        assert lab.place("pc") == place
    assert moments == sorted(set(moments))
    assert [(line.address, line.breakpoint) for line in lines(lab) if line.current] == [(place, True)]


def test_a_place_is_found_by_name_register_and_number_and_its_code_shown() -> None:
    lab = Laboratory("rv32")
    assert [lab.place(text) for text in ("start", "PC", "8000 0000", "x0 + 80000000")] == [0x8000_0000] * 4
    assert lab.place("[start]") == lab.place("[pc + 4 - 4]")
    assert lab.go_to("count_primes")
    assert lab.place("count_primes") in [line.address for line in lines(lab)]
    assert lab.place("nothing_like_it") is None


def test_what_cannot_be_done_to_it_is_refused_in_one_line() -> None:
    lab = Laboratory("rv32")
    assert not lab.watch("start")
    assert lab.notice is not None
    assert not lab.edit(Editable("register", "a0", "rv32"), "5")
    assert "another processor" in lab.notice.text
    lab.flush_tlb()
    lab.drop_derived()
    lab.undo_edit()
    assert lab.position.n == 0
