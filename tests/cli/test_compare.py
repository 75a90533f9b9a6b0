"""`teachvm compare`."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Outcome

Teachvm = Callable[..., Outcome]


def test_the_techniques_stand_side_by_side(teachvm: Teachvm) -> None:
    done = teachvm("compare", "tinyos")
    assert done.code == 0
    assert done.out.splitlines()[1].startswith("Bare metal")
    assert "First difference from bare metal: popfd" in done.out


def test_as_data_there_is_what_graders_read(teachvm: Teachvm) -> None:
    techniques = json.loads(teachvm("compare", "tinyos", "--json").out)["techniques"]
    for row in techniques.values():
        assert {"console", "cycles", "direct_share", "entries", "diverged"} <= set(row)
        assert sum(row["cycles_by_actor"].values()) == row["cycles"]
    assert techniques["bare-metal"]["diverged"] is None
    assert set(techniques["trap-and-emulate"]["diverged"]) == {"moment", "instruction", "why"}


def test_a_limit_that_is_too_small_is_said(teachvm: Teachvm) -> None:
    done = teachvm("compare", "tinyos", "--limit", "100")
    assert done.code == 3
    assert "the limit of 100 instructions was reached" in done.out


def test_a_guest_that_triple_faults_failed_as_it_does_alone(teachvm: Teachvm, tmp_path: Path) -> None:
    (tmp_path / "ud.asm").write_text("bits 32\norg 0x100000\nstart: ud2\n")
    done = teachvm("compare", str(tmp_path / "ud.asm"))
    assert done.code == teachvm("run", str(tmp_path / "ud.asm")).code == 1
    assert "Binary translation: ud: triple fault" in done.out


def test_a_lesson_with_two_guests_is_refused_in_one_line(teachvm: Teachvm) -> None:
    done = teachvm("compare", "2")
    assert done.code == 4
    assert done.err.splitlines() == ["teachvm: 2: techniques are compared on one guest; this world has several"]
