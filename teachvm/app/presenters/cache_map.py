"""Cache map: how full the translation cache is, frame by frame, and what its bytes are."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from teachvm.app.notation import count, hex32, percent, plural
from teachvm.app.presentation import CardView, Cell, Column, NoteView, Share, Stat, StatsView, TableRow, TableView
from teachvm.app.presenters.translated_code import ROLES, why_not
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Role, Span, Tip
from teachvm.isa.paging import PAGE_SIZE
from teachvm.vmm.engines.translate.records import CacheInsn, Fragment, FragmentState, Origin
from teachvm.vmm.engines.translate.store import CACHE_BASE, CACHE_END

SOURCE: Final = "Adams & Agesen, ASPLOS 2006, §3.2"
COLUMNS: Final = (
    Column("Frame at", 9, code=True, tip=Tip("Frame", "4 KB of the cache, in the VMM’s region.")),
    Column("Fragments", 9, "right", code=True, tip=Tip("Fragments", "Units whose translation begins there.", SOURCE)),
    Column("Executed", 9, "right", code=True, tip=Tip("Executed", "How often the fragments that begin there were.")),
    Column("Used", 8, "right", code=True, stretch=True),
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Bytes by what they are, units and flushes, and one row a frame; the frame the hardware is in is lit."""
    del before
    scene = scene_of(now)
    path = f"{scene.vm}.cache"
    if path not in now:
        return CardView((Span(scene.technique.label, "dim"),), (NoteView((Span(why_not(scene)),), "info"),))
    cache: Any = now.state(path)
    fragments = [fragment for _, fragment in cache.fragments]
    used = CACHE_END - CACHE_BASE - (cache.bottom - cache.top)
    subtitle = f"{percent(used / (CACHE_END - CACHE_BASE))} of {count(CACHE_END - CACHE_BASE)} bytes used"
    return CardView((Span(subtitle, "dim"),), (_stats(cache, fragments), _frames(scene, cache, fragments)))


def _insns(fragments: list[Fragment]) -> list[CacheInsn]:
    return [insn for fragment in fragments for insn in (*fragment.code, *fragment.stubs)]


def _stats(cache: Any, fragments: list[Fragment]) -> StatsView:
    """Counts, and the bytes of all fragments by origin."""
    sizes: Counter[Origin] = Counter()
    for insn in _insns(fragments):
        sizes[insn.origin] += len(insn.bytes)
    total = max(1, sum(sizes.values()))
    shares = tuple(
        Share(origin.value, sizes[origin] / total, ROLES[origin], pattern=origin is not Origin.COPIED)
        for origin in Origin
        if sizes[origin]
    )
    gone = sum(fragment.state is not FragmentState.VALID for fragment in fragments)
    stats = (
        Stat("Units translated so far", count(cache.number)),
        Stat("Fragments in the cache", count(len(fragments))),
        Stat("Of these out of use", count(gone), tip=Tip("Out of use", "Their heads lead to the translator, or on.")),
        Stat("Thrown away whole", f"{count(cache.flushes)}×"),
    )
    return StatsView(stats, shares)


def _frames(scene: Scene, cache: Any, fragments: list[Fragment]) -> TableView:
    executed = dict(cache.executed)
    here = scene.place.insn.address if scene.place is not None else 0
    rows = []
    for start in range(CACHE_BASE, CACHE_END, PAGE_SIZE):
        inside = [fragment for fragment in fragments if start <= fragment.start < start + PAGE_SIZE]
        free = max(0, min(start + PAGE_SIZE, cache.bottom) - max(start, cache.top))
        lit: Role | None = "now" if start <= here < start + PAGE_SIZE else None
        cells = (
            Cell(hex32(start)),
            Cell(count(len(inside))),
            Cell(count(sum(executed.get(fragment.start, 0) for fragment in inside))),
            Cell(percent((PAGE_SIZE - free) / PAGE_SIZE), "dim" if free == PAGE_SIZE else "vmm"),
        )
        rows.append(TableRow(f"{start:x}", cells, lit, faded=free == PAGE_SIZE))
    return TableView(COLUMNS, tuple(rows), title=f"{plural(len(rows), 'frame')} of the cache")
