"""Figures of one program: how fast it runs here and on Unicorn, and what going back in it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final

from teachvm.cli.benchmarks.programs import run, run_on, world
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline

if TYPE_CHECKING:
    from teachvm.cli.benchmarks.unicorn_pc import UnicornPc

TURNS: Final = 3
"""Times each side is measured; the best counts, since other work on the computer only makes it slower."""
PLACES: Final = 10
STEPS_BACK: Final = 5
"""Reverse steps taken at each of so many places, spread over the whole run."""
MIPS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ProgramFigures:
    """One program; None where Unicorn is not installed.

    Attributes:
        name: Of the program.
        mips: Million instructions a second, iterations of repeated ones counted each, without checkpoints.
        timeline_mips: The same with the checkpoints that time travel needs.
        unicorn_native_mips: Unicorn by itself.
        unicorn_hook_mips: Unicorn with a Python function called for each instruction.
        unicorn_step_mips: Unicorn asked for one instruction at a time.
        ratio_to_unicorn_hook: `mips` by `unicorn_hook_mips`.
        reverse_step_mean_ms: From a reverse step to the state before.
        reverse_step_p95_ms: The same, for nineteen of twenty.
        checkpoint_bytes: What the checkpoints of the run hold.
    """

    name: str
    mips: float
    timeline_mips: float
    unicorn_native_mips: float | None
    unicorn_hook_mips: float | None
    unicorn_step_mips: float | None
    ratio_to_unicorn_hook: float | None
    reverse_step_mean_ms: float
    reverse_step_p95_ms: float
    checkpoint_bytes: int


def measure_program(name: str, instructions: int) -> ProgramFigures:
    """Run a program here and, if it is there, on Unicorn, in turns.

    Args:
        name: Of the program.
        instructions: How many are executed here.
    """
    unicorn = _unicorn(name, instructions)
    here: list[float] = []
    hooked: list[float] = []
    for _ in range(TURNS):
        made = world(name)
        here.append(_mips(partial(run, made, instructions)))
        if unicorn is not None:
            hooked.append(unicorn.hooked())
    made = world(name)
    timeline = Timeline(made)
    on_timeline = _mips(partial(run_on, timeline, made, instructions))
    steps = _reverse_steps(timeline)
    hook = max(hooked, default=None)
    return ProgramFigures(
        name=name,
        mips=short(max(here)),
        timeline_mips=short(on_timeline),
        unicorn_native_mips=None if unicorn is None else short(max(unicorn.native() for _ in range(TURNS))),
        unicorn_hook_mips=None if hook is None else short(hook),
        unicorn_step_mips=None if unicorn is None else short(unicorn.stepped()),
        ratio_to_unicorn_hook=None if hook is None else short(max(here) / hook),
        reverse_step_mean_ms=short(mean(steps)),
        reverse_step_p95_ms=short(sorted(steps)[int(0.95 * (len(steps) - 1))]),
        checkpoint_bytes=timeline.checkpoint_bytes,
    )


def _unicorn(name: str, instructions: int) -> UnicornPc | None:
    try:
        from teachvm.cli.benchmarks.unicorn_pc import UnicornPc
    except ImportError:
        return None
    return UnicornPc(name, instructions)


def _mips(work: Callable[[], int]) -> float:
    begun = process_time()
    count = work()
    return count / (process_time() - begun) / MIPS


def _reverse_steps(timeline: Timeline) -> list[float]:
    """Milliseconds of single steps back, from the end of what was run to its beginning."""
    end, taken = timeline.position.n, []
    for number in range(PLACES, 0, -1):
        timeline.seek(Moment(end * number // PLACES))
        for _ in range(STEPS_BACK):
            begun = perf_counter()
            timeline.back_instruction()
            taken.append((perf_counter() - begun) * 1000)
    return taken


def short(value: float) -> float:
    """Four figures."""
    return float(f"{value:.4g}")
