import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from teachvm.cli.benchmarks.figures import measure_program
from teachvm.cli.benchmarks.programs import PROGRAMS, ROOM, ROOM_BYTES, image, place, world
from teachvm.cli.benchmarks.window import HOSTILE

Command = Callable[..., Any]


def test_the_figures_are_json_with_unicorn_beside_each_program(teachvm: Command) -> None:
    done = teachvm("bench", "--steps", "20", "--instructions", "20000", "--seconds", "0.01", "--json")
    assert (done.code, done.err) == (0, "")
    figures = json.loads(done.out)
    assert set(figures["app"]) == {"start_s", "step_to_paint_p95_ms", "run_mode"}
    runs = figures["app"].pop("run_mode")
    assert {(row["program"], row["technique"]) for row in runs} >= {(name, "bare-metal") for name in HOSTILE}
    assert all(0 < row["turn_p95_ms"] <= row["turn_max_ms"] <= row["stop_max_ms"] for row in runs)
    assert all(row["views_per_s"] > 0 for row in runs)
    assert all(figure > 0 for figure in figures["app"].values())
    assert set(figures["translation"]) == {"program", "bare_metal_s", "translation_s", "ratio", "steady_ratio"}
    assert figures["translation"].pop("program") == "sieve"
    assert all(figure > 0 for figure in figures["translation"].values())
    assert [program["name"] for program in figures["programs"]] == list(PROGRAMS)
    for program in figures["programs"]:
        assert {*program} == {
            "name", "mips", "timeline_mips", "unicorn_native_mips", "unicorn_hook_mips", "unicorn_step_mips",
            "ratio_to_unicorn_hook", "reverse_step_mean_ms", "reverse_step_p95_ms", "checkpoint_bytes",
        }  # fmt: skip
        assert all(figure > 0 for key, figure in program.items() if key != "name")


def test_without_unicorn_its_columns_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "teachvm.cli.benchmarks.unicorn_pc", raising=False)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    figures = measure_program("loop", 10_000)
    assert figures.mips > 0
    assert (figures.unicorn_native_mips, figures.unicorn_hook_mips, figures.ratio_to_unicorn_hook) == (None, None, None)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_bench_program_ends_as_it_does_on_unicorn(name: str) -> None:
    pytest.importorskip("unicorn")
    from teachvm.cli.benchmarks.unicorn_pc import UnicornPc

    theirs = UnicornPc(name, 1).result(rounds=2)
    made = world(name)
    memory, cpu = made.host.machine.memory, made.host.machine.cpu
    memory.write32(place(image(name), "rounds"), 2)
    finish = place(image(name), "finish")
    while cpu.eip != finish:
        assert made.unit()
    assert (list(cpu.regs), memory.read_bytes(ROOM, ROOM_BYTES)) == theirs


@pytest.mark.parametrize("steps", ["0", "19", "many"])
def test_too_few_steps_are_refused_in_one_line(teachvm: Command, steps: str) -> None:
    done = teachvm("bench", "--steps", steps)
    assert done.code == 4
    assert len(done.err.splitlines()) == 1
    assert "--steps" in done.err
