"""The programs of the bench: which there are, their images, and worlds that run them on the bare machine."""

from __future__ import annotations

from typing import Final

from teachvm import resources
from teachvm.guest import library
from teachvm.guest.image import Image
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from teachvm.world.world import World

PROGRAMS: Final = ("loop", "sieve", "bubble", "fib", "syscalls", "memcpy")
NO_BARRIERS: Final[frozenset[int]] = frozenset()
UNITS: Final = 32
"""Units executed one by one in a burst, as a timeline does it."""
MEMORY_BYTES: Final = 4 << 20
ROOM: Final = 0x3_0000
ROOM_BYTES: Final = 0x1_0000
"""Where the programs have their data."""
FOLDER: Final = resources.assets() / "bench"


def image(name: str) -> Image:
    """A program, assembled."""
    return library.build(f"{name}{library.SOURCE_SUFFIX}", (), FOLDER)


def place(made: Image, label: str) -> int:
    """Address of one of its labels."""
    return made.symbols.kernel.assembly.symbols[label]


def world(name: str, memory_bytes: int = MEMORY_BYTES) -> World:
    """A machine at a program's first instruction."""
    guest = VmSpec(name, f"{name}{library.SOURCE_SUFFIX}", memory_bytes=memory_bytes, technique=Technique.BARE_METAL)
    return build(WorldSpec(HostSpec(memory_bytes=memory_bytes, vms=(guest,))), FOLDER)


def run(subject: World, instructions: int) -> int:
    """Execute instructions without checkpoints, iterations of repeated ones counted each.

    Args:
        subject: The world.
        instructions: How many, or a few more.

    Returns:
        How many they became.
    """
    clock = subject.recorder.clock
    start = clock.cycles
    while (left := start + instructions - clock.cycles) > 0:
        if not subject.burst(left, NO_BARRIERS, UNITS) and not subject.unit():
            break
    return clock.cycles - start


def run_on(timeline: Timeline, subject: World, instructions: int) -> int:
    """The same on a timeline, with its checkpoints."""
    clock = subject.recorder.clock
    start = clock.cycles
    timeline.run(instructions, keep_going=lambda: clock.cycles < start + instructions)
    return clock.cycles - start
