"""What running a kernel from the translation cache costs this program, beside running it on the bare machine."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from typing import Final

from teachvm.cli.benchmarks.figures import TURNS, short
from teachvm.host.bare import BareGuest
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

NAME: Final = "guest"
PROGRAM: Final = "sieve"
LONG: Final = 100_000
"""Numbers the sieve goes through, where more than its start is to be measured."""
UNLIMITED: Final = 1 << 40
WARM: Final = 200_000
"""Guest instructions before that."""


@dataclass(frozen=True, slots=True)
class TranslationFigures:
    """tinyos with one program, by two techniques in turns; time of the processor, the best turn of each.

    Attributes:
        program: The program.
        bare_metal_s: From the start of the world to its end on bare metal.
        translation_s: The same under binary translation.
        ratio: The second by the first.
        steady_ratio: The same where the program goes on for long and everything is translated and compiled.
    """

    program: str
    bare_metal_s: float
    translation_s: float
    ratio: float
    steady_ratio: float


def measure_translation(instructions: int) -> TranslationFigures:
    """Run tinyos with its sieve, from start to end at the usual size, and for so many instructions of a long one."""
    techniques = (Technique.BARE_METAL, Technique.BINARY_TRANSLATION)
    whole: dict[Technique, list[float]] = {technique: [] for technique in techniques}
    steady: dict[Technique, list[float]] = {technique: [] for technique in techniques}
    for _ in range(TURNS):
        for technique in techniques:
            whole[technique].append(_whole(technique))
    for _ in range(TURNS):
        for technique in techniques:
            steady[technique].append(_steady(technique, min(instructions, WARM)))
    bare, translated = (min(whole[technique]) for technique in techniques)
    first, second = (min(steady[technique]) for technique in techniques)
    return TranslationFigures(PROGRAM, short(bare), short(translated), short(translated / bare), short(second / first))


def _world(technique: Technique, size: int = 0) -> World:
    guest = VmSpec(NAME, "tinyos", technique=technique, programs=(ProgramSpec(PROGRAM, size),))
    return build(WorldSpec(HostSpec(vms=(guest,))))


def _whole(technique: Technique) -> float:
    timeline = Timeline(_world(technique))
    begun = process_time()
    timeline.run(UNLIMITED)
    return process_time() - begun


def _steady(technique: Technique, instructions: int) -> float:
    world = _world(technique, LONG)
    timeline = Timeline(world)
    _complete(timeline, world, instructions)
    begun = process_time()
    _complete(timeline, world, instructions)
    return process_time() - begun


def _complete(timeline: Timeline, world: World, instructions: int) -> None:
    """Run until the guest has completed so many instructions more."""
    (tenant,) = world.host.tenants.values()

    def completed() -> int:
        assert isinstance(tenant, BareGuest | Vm)
        return tenant.completed if isinstance(tenant, BareGuest) else tenant.instructions

    until = completed() + instructions
    timeline.run(UNLIMITED, keep_going=lambda: completed() < until)
