import json
from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]


def test_the_figures_of_the_app_are_json(teachvm: Command) -> None:
    done = teachvm("bench", "--steps", "20", "--json")
    assert (done.code, done.err) == (0, "")
    (figures,) = json.loads(done.out).values()
    assert set(figures) == {"start_s", "step_to_paint_p95_ms"}
    assert all(figure > 0 for figure in figures.values())


@pytest.mark.parametrize("steps", ["0", "19", "many"])
def test_too_few_steps_are_refused_in_one_line(teachvm: Command, steps: str) -> None:
    done = teachvm("bench", "--steps", steps)
    assert done.code == 4
    assert len(done.err.splitlines()) == 1
    assert "--steps" in done.err
