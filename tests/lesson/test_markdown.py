"""Markdown is read by markdown-it; the colon fence is the one rule of our own."""

import pytest

from teachvm.lesson.markdown import Heading, Passage, Piece, html, lines_of, split
from teachvm.lesson.problems import Complaints, Place

MARGIN = "a block stands at the left margin, not inside a list or a quotation"


def _parts(source: str, offset: int = 0) -> tuple[list[object], list[str]]:
    complaints = Complaints("f.md", "\n" * offset + source)
    return list(split(source, offset, complaints)), [problem.headline for problem in complaints]


def test_prose_keeps_its_markdown_and_gets_its_html() -> None:
    (passage,), _ = _parts("Two\n**bold** words.\n\n- item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert isinstance(passage, Passage)
    assert passage.prose.markdown.startswith("Two\n**bold** words.")
    assert "<strong>bold</strong>" in passage.prose.html
    assert "<table>" in passage.prose.html


def test_blocks_know_where_their_first_line_is() -> None:
    parts, problems = _parts("Text.\n\n```{run}\nuntil: x\n```\n\n:::{hint} A title\nHelp\n:::\n## A `b` *c*\n", 10)
    assert problems == []
    assert parts[1:] == [
        Piece("run", "", "until: x\n", Place(13), Place(14), colon=False),
        Piece("hint", "A title", "Help\n", Place(17), Place(18), colon=True),
        Heading("A b c", Place(20)),
    ]


def test_a_fence_with_tildes_or_more_backquotes_is_a_fence_too() -> None:
    parts, problems = _parts("~~~{run}\na: 1\n~~~\n````{ask}\n```\nb: 2\n````\n")
    assert problems == []
    assert [(part.name, part.body) for part in parts if isinstance(part, Piece)] == [
        ("run", "a: 1\n"),
        ("ask", "```\nb: 2\n"),
    ]


def test_an_ordinary_code_block_is_prose() -> None:
    parts, _ = _parts("```nasm\ncli\n```\n\n    {run}\n")
    assert [type(part) for part in parts] == [Passage]


def test_a_colon_fence_ends_at_as_many_colons_or_more() -> None:
    parts, problems = _parts("::::{hint}\n:::\nstill inside\n:::::\nafter\n")
    assert problems == []
    assert isinstance(parts[0], Piece)
    assert parts[0].body == ":::\nstill inside\n"
    assert isinstance(parts[1], Passage)


@pytest.mark.parametrize("text", [":::\nno name\n:::\n", "::{hint}\nx\n", ":::hint\nx\n"])
def test_colons_without_a_name_in_braces_are_prose(text: str) -> None:
    parts, problems = _parts(text)
    assert problems == []
    assert [type(part) for part in parts] == [Passage]


def test_a_colon_fence_interrupts_a_paragraph() -> None:
    parts, _ = _parts("Text\n:::{hint}\nHelp\n:::\n")
    assert [type(part) for part in parts] == [Passage, Piece]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```{run}\nuntil: x\n", "f.md:1:1: this block is not closed; end it with a line ```"),
        (":::{hint}\nx\n", "f.md:1:1: this block is not closed; end it with a line :::"),
        ("- a\n\n  ```{run}\n  x: 1\n  ```\n", f"f.md:3:3: {MARGIN}"),
        ("> :::{hint}\n> x\n> :::\n", f"f.md:1:1: {MARGIN}"),
        ("x\n\n" + "".join(f"## {n}\n" for n in range(601)), "f.md:1:1: the lesson has more than 600 parts"),
    ],
    ids=["fence", "colons", "list", "quotation", "many"],
)  # fmt: skip
def test_blocks_in_the_wrong_place_are_refused(text: str, problem: str) -> None:
    _, problems = _parts(text)
    assert problems == [problem]


def test_html_and_harmful_links_are_only_text() -> None:
    rendered = html("<script>x</script> [a](javascript:alert) [b](file:///etc/passwd) [c](role:vmm) [d](https://x.org)")
    assert "<script>" not in rendered
    assert 'href="javascript' not in rendered
    assert 'href="file' not in rendered
    assert '<a href="role:vmm">c</a>' in rendered
    assert '<a href="https://x.org">d</a>' in rendered


def test_only_a_line_feed_ends_a_line() -> None:
    assert lines_of("a\x0bb\u2028c\nd") == ["a\x0bb\u2028c\n", "d"]
    assert lines_of("") == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text", ["[" * 25_000, "> " * 20_000, "*a " * 15_000, "![[]](" * 4_000, ":::{a}\n" * 20_000, "|" * 100_000]
)
def test_awkward_markdown_is_read(text: str) -> None:
    _parts(text)
