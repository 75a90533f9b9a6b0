"""Markdown into pieces: prose as it was written, machine blocks and prose blocks with their places.

markdown-it-py reads the Markdown. One rule is added, MyST's colon fence: a line of three or more colons with a name in
braces opens a prose block (`:::{hint}`), a line of as many colons or more closes it, and its content is Markdown again.
Raw HTML is not let through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from teachvm.lesson.problems import Complaints, Place

MAX_PIECES = 600
LINK_SCHEMES = ("http", "https", "mailto", "role", "term")
"""Where a link may lead; `role:vmm` colours its words, `term:tlb` explains them."""

_DIRECTIVE = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Prose:
    """Text for people: its Markdown, and the same as HTML."""

    markdown: str
    html: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A `## ` heading: a beat begins."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Piece:
    """A block with a name in braces; `body` begins at `first`. `colon` tells a prose block from a machine block."""

    name: str
    title: str
    body: str
    place: Place
    first: Place
    colon: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose between blocks."""

    prose: Prose
    place: Place


Part = Heading | Piece | Passage
ImageCheck = Callable[[str], str]


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    parser.block.ruler.before(
        "fence", "colon_fence", _colon_fence, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.validateLink = _harmless  # type: ignore[method-assign]  # markdown-it's own way to set the link policy
    return parser


def _harmless(url: str) -> bool:
    scheme, colon, _ = url.strip().partition(":")
    return not colon or scheme.lower() in LINK_SCHEMES


def _colon_fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Block rule: `:::{name} title` up to a line of at least as many colons, or the end of the container."""
    if state.is_code_block(start):
        return False
    opening = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    colons = len(opening) - len(opening.lstrip(":"))
    if colons < 3 or not _DIRECTIVE.match(opening[colons:].strip()):
        return False
    if silent:
        return True
    line, closed = start + 1, False
    while line < end:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        if len(text) >= colons and not text.strip(":"):
            closed = True
            break
        line += 1
    token = state.push("colon_fence", "div", 0)
    token.info = opening[colons:].strip()
    token.content = state.getLines(start + 1, line, state.blkIndent, keepLastLF=True)
    token.map = [start, line + closed]
    token.markup = ":" * colons
    token.meta = {"closed": closed}
    state.line = line + closed
    return True


def lines_of(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends a line, as Markdown and YAML see it here."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def html(markdown: str) -> str:
    """Prose as HTML; raw HTML in it is shown as text."""
    rendered: str = _parser().render(markdown)
    return rendered


def split(source: str, offset: int, complaints: Complaints, image: ImageCheck | None = None) -> list[Part]:
    """Cut a lesson's text into headings, blocks and prose between them.

    Args:
        source: The Markdown.
        offset: Lines of the file before its first line.
        complaints: Takes what is wrong.
        image: Says what is wrong with an image's link.
    """
    parser = _parser()
    try:
        tokens = parser.parse(source)
    except RecursionError:
        complaints.error(Place(offset + 1), "the Markdown is nested too deeply")
        return []
    if image is not None:
        for token in tokens:
            for child in token.children or ():
                if child.type == "image" and (problem := image(str(child.attrs.get("src", "")))):
                    complaints.error(Place(offset + _span(token)[0] + 1), problem)
    return _Splitter(parser, source, offset, complaints).parts(tokens)


class _Splitter:
    def __init__(self, parser: MarkdownIt, source: str, offset: int, complaints: Complaints) -> None:
        self._parser = parser
        self._lines = lines_of(source)
        self._offset = offset
        self._complaints = complaints
        self._parts: list[Part] = []
        self._prose: list[Token] = []

    def parts(self, tokens: Sequence[Token]) -> list[Part]:
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "heading_open" and token.tag == "h2" and token.level == 0:
                self._flush()
                self._parts.append(Heading(_text(tokens[index + 1]), self._place(token)))
                index += 3
                continue
            if not self._block(token):
                self._prose.append(token)
            index += 1
        self._flush()
        if len(self._parts) > MAX_PIECES:
            self._complaints.error(Place(self._offset + 1), f"the lesson has more than {MAX_PIECES} parts")
            return []
        return self._parts

    def _block(self, token: Token) -> bool:
        """Take a block with a name in braces; False when the token is prose."""
        if token.type not in ("fence", "colon_fence"):
            return False
        match = _DIRECTIVE.fullmatch(token.info.strip())
        if match is None:
            return False
        place = self._place(token)
        if token.level:
            self._complaints.error(place, "a block stands at the left margin, not inside a list or a quotation")
            return True
        if self._is_open(token):
            self._complaints.error(place, f"this block is not closed; end it with a line {token.markup}")
            return True
        self._flush()
        name, title = match.groups()
        first = Place(place.line + 1, place.column)
        self._parts.append(Piece(name, title, token.content, place, first, token.type == "colon_fence"))
        return True

    def _is_open(self, token: Token) -> bool:
        if token.type == "colon_fence":
            return not token.meta["closed"]
        start, end = _span(token)
        last = self._lines[end - 1].strip() if end - 1 < len(self._lines) else ""
        return end - start < 2 or not last or bool(last.strip(token.markup[0])) or len(last) < len(token.markup)

    def _flush(self) -> None:
        tokens, self._prose = self._prose, []
        if not tokens:
            return
        spans = [_span(token) for token in tokens if token.map]
        if not spans:
            return
        start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        markdown = "".join(self._lines[start:end]).strip("\n")
        rendered: str = self._parser.renderer.render(tokens, self._parser.options, {})
        self._parts.append(Passage(Prose(markdown, rendered), Place(self._offset + start + 1)))

    def _place(self, token: Token) -> Place:
        start, _ = _span(token)
        line = self._lines[start] if start < len(self._lines) else ""
        return Place(self._offset + start + 1, 1 + len(line) - len(line.lstrip(" ")))


def _span(token: Token) -> tuple[int, int]:
    span = token.map or [0, 0]
    return span[0], span[1]


def _text(inline: Token) -> str:
    """The characters of a heading, without its emphasis."""
    parts: list[Any] = inline.children or []
    return "".join(
        child.content if child.type in ("text", "code_inline") else " " * (child.type == "softbreak") for child in parts
    )
