"""Translated code: the records of the cache, both sides as they stand in memory, joined by what became of each."""

from __future__ import annotations

import pytest

from teachvm.app.control import Control
from teachvm.app.drawing import Arrow, Box
from teachvm.app.notation import count
from teachvm.app.presentation import DiagramView, NoteView, StatsView, TableView, plain
from teachvm.isa.disassembler import line
from teachvm.trace.grain import Grain
from teachvm.vmm.engines.translate.records import Fragment, Origin
from teachvm.vmm.engines.translate.store import CACHE_FRAMES
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from tests.app.presenters.worlds import card, tinyos


@pytest.fixture(scope="module")
def translated() -> Control:
    control = tinyos(Technique.BINARY_TRANSLATION)
    control.leave()
    control.timeline.run(6_000)
    control.leave()
    return control


def within(control: Control) -> Fragment:
    """The fragment the card has to show."""
    vm = control.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    cache = vm.engine.cache  # type: ignore[attr-defined]  # binary translation has one
    place = cache.places.get(control.world.host.machine.cpu.eip) if vm.engine.in_cache else None  # type: ignore[attr-defined]
    start = place.fragment if place is not None else vm.engine.within  # type: ignore[attr-defined]
    found: Fragment = cache.fragments.get(start) or max(cache.fragments.values(), key=lambda one: one.number)
    return found


def test_both_sides_are_the_records_disassembled_and_the_bytes_are_in_memory(translated: Control) -> None:
    hardware = translated.world.host.machine.cpu
    for _ in range(12):
        translated.step(Grain.VISIBLE)
        fragment = within(translated)
        picture = card(translated, "translated-code").body[0]
        assert isinstance(picture, DiagramView)
        boxes = [shape for shape in picture.shapes if isinstance(shape, Box)]
        made = [box for box in boxes if box.id.startswith("c")]
        assert len(boxes) - len(made) == len(fragment.guest)
        for box, insn in zip(made, fragment.code, strict=True):
            assert plain(box.lines[0]).endswith(str(line(insn.bytes, insn.address).text))
        lit = [insn.address for box, insn in zip(made, fragment.code, strict=True) if box.lit]
        assert lit in ([], [hardware.eip])
        joined = [shape for shape in picture.shapes if isinstance(shape, Arrow)]
        standing = [insn for insn in fragment.guest if not insn.elided]
        assert len(joined) >= len(standing) - 1
        assert all(insn.origin is not Origin.COPIED or insn.bytes for insn in fragment.guest)


def test_the_map_counts_what_the_cache_holds(translated: Control) -> None:
    vm = translated.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    cache = vm.engine.cache  # type: ignore[attr-defined]  # binary translation has one
    counts, frames = card(translated, "cache-map").body
    assert isinstance(counts, StatsView)
    assert isinstance(frames, TableView)
    assert counts.stats[0].value == count(cache.number)
    assert sum(share.fraction for share in counts.shares) == pytest.approx(1)
    rows = [[int("".join(cell.text.split())) for cell in row.cells[1:3]] for row in frames.rows]
    assert [sum(column) for column in zip(*rows, strict=True)] == [len(cache.fragments), sum(cache.executed.values())]
    assert len(frames.rows) == CACHE_FRAMES


def test_the_graph_joins_fragments_as_their_exits_do(translated: Control) -> None:
    vm = translated.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    cache = vm.engine.cache  # type: ignore[attr-defined]  # binary translation has one
    graph = card(translated, "block-graph").body[0]
    assert isinstance(graph, DiagramView)
    ids = {shape.id for shape in graph.shapes if isinstance(shape, Box)}
    arrows = [shape for shape in graph.shapes if isinstance(shape, Arrow)]
    assert {arrow.end for arrow in arrows} | {arrow.start for arrow in arrows} <= ids
    for arrow in arrows:
        ways = cache.fragments[int(arrow.start[1:], 16)].exits
        assert arrow.dashed == (arrow.end[0] == "x")
        assert arrow.dashed or int(arrow.end[1:], 16) in [way.to for way in ways]


def test_the_ways_out_are_the_exits_of_the_fragment(translated: Control) -> None:
    fragment = within(translated)
    table = card(translated, "translated-code").body[1]
    assert isinstance(table, TableView)
    assert len(table.rows) == len(fragment.exits)


def test_before_anything_ran_and_where_nothing_is_translated_the_card_says_so() -> None:
    for technique in (Technique.BINARY_TRANSLATION, Technique.HARDWARE_ASSIST, Technique.EMULATION):
        (note,) = card(tinyos(technique), "translated-code").body
        assert isinstance(note, NoteView)
        assert "ranslat" in plain(note.text)
        assert isinstance(card(tinyos(technique), "cache-map").body[0], NoteView | StatsView)
