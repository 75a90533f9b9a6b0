"""YAML in lessons: plain data with places, bounded before it is built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.lesson.problems import Complaints, Place
from teachvm.lesson.yamldoc import MAX_YAML_BYTES, Document, read


def _read(text: str, line: int = 1, column: int = 1) -> tuple[Document | None, list[str]]:
    complaints = Complaints("f.yaml", text)
    return read(text, Place(line, column), complaints), [problem.headline for problem in complaints]


def test_scalars_follow_yaml_1_2_so_that_yes_and_on_are_words() -> None:
    document, problems = _read("a: [yes, on, 'x', 0x10, 0o17, 1_000, -3, 2024-01-01, ~, true, 1.5]\n")
    assert problems == []
    assert document is not None
    assert document.data == {"a": ["yes", "on", "x", 16, 15, 1000, -3, "2024-01-01", None, True, 1.5]}


def test_keys_and_values_know_their_place_in_the_lessons_file() -> None:
    document, _ = _read('a:\n  b: [1, "two"]\n', line=10, column=3)
    assert document is not None
    assert document.key_place(("a", "b")) == Place(11, 5)
    assert document.place(("a", "b", 1)) == Place(11, 12)
    assert document.text_place(("a", "b", 1)) == Place(11, 13)
    assert document.place(("a", "no", "such")) == document.place(("a",))


def test_an_empty_document_has_no_keys() -> None:
    document, problems = _read("# nothing\n")
    assert document is not None
    assert (document.data, problems) == ({}, [])


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\n", "f.yaml:1:4: YAML anchors and aliases (& and *) are not used in lessons; write the value out"),
        ("a: *x\n", "f.yaml:1:4: YAML anchors and aliases (& and *) are not used in lessons; write the value out"),
        ("a: !!str 1\n", "f.yaml:1:4: YAML tags are not used in lessons; remove 'tag:yaml.org,2002:str'"),
        ("%YAML 1.1\n---\na: 1\n", "f.yaml:2:1: YAML directives (%) are not used in lessons"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: only one YAML document is allowed here"),
        ("<<: {a: 1}\n", "f.yaml:1:1: merge keys (<<) are not used in lessons; write the keys out"),
        ("a: 1\na: 2\n", "f.yaml:2:1: key 'a' stands here twice"),
        ("[1]: 2\n", "f.yaml:1:1: a key must be a plain word"),
        ("a: 99999999999999999999\n", "f.yaml:1:4: this number is too large"),
        ("a: " + "9" * 6000, "f.yaml:1:4: this number is too large"),
        ("a: " + "[" * 60_000, "f.yaml:1:11: nested deeper than 8 levels"),
        ("- " * 30_000, "f.yaml:1:17: nested deeper than 8 levels"),
        ("a: [" + "1," * 6000 + "]", "f.yaml:1:9995: more than 5000 values in one YAML document"),
        ("a: " + "x" * MAX_YAML_BYTES, "f.yaml:1:1: this YAML is longer than 64 KiB"),
        ("a: [1, 2\n", "f.yaml:2:1: broken YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c\n", "f.yaml:1:5: broken YAML: mapping values are not allowed here"),
        ("\tx: 1\n", "f.yaml:1:1: broken YAML: found character '\\t' that cannot start any token"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_what_a_lesson_may_not_use_is_refused_at_its_place(text: str, message: str) -> None:
    document, problems = _read(text)
    assert document is None
    assert problems == [message]


def test_aliases_cannot_make_a_small_file_large() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    document, problems = _read(bomb)
    assert document is None
    assert len(problems) == 1
    assert "anchors and aliases" in problems[0]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}\"'|>#&*!%@`, \n\t?0x1~<é\x00\x85"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    document, problems = _read(text)
    assert (document is None) == bool(problems)
