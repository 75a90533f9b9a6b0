"""Which techniques can run the guests of a world, and why one cannot."""

from __future__ import annotations

from teachvm.app.rail import TechniqueView
from teachvm.vmm.techniques import Technique
from teachvm.world.world import World


def technique_view(technique: Technique, world: World) -> TechniqueView:
    """A technique as a position of the switch."""
    why = ""
    if technique is Technique.BARE_METAL and len(world.spec.host.vms) > 1:
        why = "Several guests share this host; bare metal runs one operating system."
    if not why and technique is not Technique.EMULATION and world.foreign:
        why = "This guest is code for another processor; only emulation can run it."
    return TechniqueView(technique.value, technique.short_label, technique.label, not why, why)
