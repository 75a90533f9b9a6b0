import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teachvm import resources

Command = Callable[..., Any]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of lesson 06, to break."""
    folder = tmp_path / "06-two-level-paging"
    shutil.copytree(resources.lessons() / "06-two-level-paging", folder)
    return folder


def test_a_good_lesson_passes(teachvm: Command, copy: Path) -> None:
    done = teachvm("lesson", "check", str(copy))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{copy}: passed; ")


def test_a_folder_of_lessons_is_checked_lesson_by_lesson(teachvm: Command, copy: Path) -> None:
    assert teachvm("lesson", "check", str(copy.parent)).out.startswith(f"{copy}: passed; ")


def test_an_anchor_that_is_never_reached_failed(teachvm: Command, copy: Path) -> None:
    lesson = copy / "lesson.md"
    text = lesson.read_text(encoding="utf-8").rstrip()
    lesson.write_text(f'{text}\n\n```{{run}}\nuntil: "after(90000)"\n```\n', encoding="utf-8")
    done = teachvm("lesson", "check", str(copy))
    assert done.code == 1
    assert done.out == f"{copy}: does not come true\n"
    assert "lesson.md:" in done.err


def test_a_lesson_that_cannot_be_read_is_located(teachvm: Command, copy: Path) -> None:
    lesson = copy / "lesson.md"
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("\ntitle:", "\ntitel:"), encoding="utf-8")
    done = teachvm("lesson", "check", str(copy))
    assert (done.code, done.out) == (4, f"{copy}: cannot be read\n")
    assert "did you mean 'title'?" in done.err


def test_no_such_lesson_is_one_line(teachvm: Command) -> None:
    done = teachvm("lesson", "check", "no-such-lesson")
    assert (done.code, done.err.count("\n")) == (4, 1)


def test_the_schema_is_json(teachvm: Command) -> None:
    done = teachvm("lesson", "schema")
    assert done.code == 0
    assert set(json.loads(done.out)["blocks"]) == {"run", "show", "ask", "check", "do"}
