"""Digests of a few worlds after a run; `python -m tests.world.digests` prints them, with any Python and no package.

`digests.txt` holds what every supported Python must print. It changes when the machine, the VMM or a shipped guest
changes on purpose; then write it anew, in the change that made it necessary:

    python -m tests.world.digests > tests/world/digests.txt
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from teachvm.trace.events import Event
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.spec import ProgramSpec
from tests.world.kernels import PIECES, Sample, kernel, world

LIMIT = 6_000
PINNED = Path(__file__).with_name("digests.txt")
PROGRAMS = (ProgramSpec("hello"), ProgramSpec("sieve", 60), ProgramSpec("pages", 2))
TINYOS = Sample(programs=PROGRAMS, guest="tinyos")
EVERYTHING = kernel([(name, number) for number, name in enumerate(PIECES)], 50, 8)
WORLDS: dict[str, tuple[Sample, Technique, int]] = {
    "tinyos on bare metal": (TINYOS, Technique.BARE_METAL, 1),
    "tinyos in a VM": (TINYOS, Technique.TRAP_AND_EMULATE, 1),
    "a kernel on bare metal": (EVERYTHING, Technique.BARE_METAL, 1),
    "tinyos translated": (TINYOS, Technique.BINARY_TRANSLATION, 1),
    "tinyos under hardware assist": (TINYOS, Technique.HARDWARE_ASSIST, 1),
    "tinyos emulated": (TINYOS, Technique.EMULATION, 1),
    "a kernel in two VMs": (EVERYTHING, Technique.TRAP_AND_EMULATE, 2),
}


def digest(name: str) -> str:
    """Where a world came to, the digest of its state there, and that of all it recorded on the way."""
    subject = world(*WORLDS[name])
    timeline = Timeline(subject)
    timeline.run(LIMIT)
    events = hashlib.blake2b(digest_size=8)
    for event in subject.recorder.log.of(Event):
        events.update(repr(event).encode())
    return f"{name}: {timeline.position} {timeline.digest()} {events.hexdigest()}"


@cache
def digests() -> str:
    """A line for each world."""
    return "".join(f"{digest(name)}\n" for name in WORLDS)


if __name__ == "__main__":
    print(digests(), end="")  # noqa: T201 - a script of the tests
