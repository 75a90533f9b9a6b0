import json
from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def test_json_is_one_object_with_every_section_and_the_schemas(teachvm: Command) -> None:
    done = teachvm("names", "--json")
    assert done.code == 0
    whole = json.loads(done.out)
    assert {"events", "entry-reasons", "techniques", "cards", "grains", "keys", "blocks", "exit-codes"} <= set(whole)
    assert "frontMatter" in whole["schemas"]["lesson"]


def test_text_shows_one_section_when_one_is_named(teachvm: Command) -> None:
    done = teachvm("names", "front-matter")
    assert done.code == 0
    assert "grading.max_instructions" in done.out
    assert "not in this version yet" in done.out
    assert "entry-reasons" not in done.out


def test_a_misspelt_section_is_one_line_that_names_the_nearest(teachvm: Command) -> None:
    done = teachvm("names", "tecniques")
    assert (done.code, done.out) == (4, "")
    assert done.err == "teachvm: there is no section 'tecniques'; did you mean 'techniques'?\n"
