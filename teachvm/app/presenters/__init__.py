"""One module per card: what the card says at one moment, as plain values a view can paint and a twin can read out.

Role: pure functions from snapshots to `CardView`; a presenter's module is called as its card's stem.
May import: the rest of `app`, and what `app` may import; never Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from teachvm.app.presentation import CardView
from teachvm.app.presenters import (
    block_graph,
    cache_map,
    console,
    control_structure,
    event_log,
    foreign,
    gallery,
    guest_code,
    guest_walk,
    memory,
    nested_walk,
    registers,
    segments,
    shadow_tables,
    techniques,
    timeline,
    tlb,
    translated_code,
    vcpu_and_cpu,
    vmm_entries,
    who_is_running,
)
from teachvm.app.scene import chosen_guest
from teachvm.app.snapshot import Snapshot

Presenter = Callable[[Snapshot, Snapshot | None], CardView]

PRESENTERS: Final[dict[str, Presenter]] = {
    "who-is-running": who_is_running.present,
    "guest-code": guest_code.present,
    "vcpu-and-cpu": vcpu_and_cpu.present,
    "registers": registers.present,
    "memory": memory.present,
    "segments": segments.present,
    "guest-walk": guest_walk.present,
    "nested-walk": nested_walk.present,
    "control-structure": control_structure.present,
    "shadow-tables": shadow_tables.present,
    "tlb": tlb.present,
    "translated-code": translated_code.present,
    "block-graph": block_graph.present,
    "cache-map": cache_map.present,
    "console": console.present,
    "vmm-entries": vmm_entries.present,
    "gallery": gallery.present,
    "techniques": techniques.present,
    "event-log": event_log.present,
    "timeline": timeline.present,
}

OF_ANY_GUEST: Final = frozenset(("console", "event-log", "techniques", "timeline"))
"""Cards that do not care which processor a guest is for."""


def present(card: str, now: Snapshot, before: Snapshot | None = None) -> CardView:
    """What a card shows.

    Args:
        card: Its id.
        now: The moment shown.
        before: The moment shown before it, for what changed.

    Raises:
        KeyError: There is no card of that id.
    """
    presenter = PRESENTERS[card]
    guest = chosen_guest(now)
    if guest.image.riscv and card not in OF_ANY_GUEST:
        return foreign.present(card, now, before, guest)
    return presenter(now, before)
