"""Lesson prose as values: Markdown into blocks of coloured text that a window lays out and a terminal prints.

A link to `role:vmm` colours its words with that role, a link to `term:tlb` explains them; other links stay words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from teachvm.app.notation import THIN
from teachvm.app.wording import ROLES, Role, Span, Text, Tip, plain

Kind = Literal["paragraph", "heading", "code", "quote", "item", "rule", "table"]


@dataclass(frozen=True, slots=True)
class ProseBlock:
    """One block of prose. `marker` precedes a list item, `indent` counts the lists around it; `rows` are a table's."""

    kind: Kind
    text: Text = ()
    marker: str = ""
    indent: int = 0
    rows: tuple[tuple[Text, ...], ...] = ()


_GROUPS = re.compile(r"(?<=\d) (?=\d{3}\b)")
"""The blank between groups of three digits."""

_ROLE: dict[str, Role] = {role: role for role in ROLES}


def blocks(markdown: str, terms: Mapping[str, Tip] | None = None) -> tuple[ProseBlock, ...]:
    """Read Markdown; raw HTML in it is words, straight quotation marks are curled, numbers hold together."""
    parser = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable(["table", "smartquotes"])
    return tuple(_Reader(terms or {}).read(parser.parse(markdown)))


@lru_cache(maxsize=256)
def inline(markdown: str) -> Text:
    """The words of one line or paragraph of Markdown."""
    return tuple(span for block in blocks(markdown) for span in block.text)


def words(markdown: str) -> str:
    """Prose as plain lines."""
    said = []
    for block in blocks(markdown):
        said += [" | ".join(plain(cell) for cell in row) for row in block.rows]
        if block.text:
            said.append(
                "  " * max(block.indent - 1, 0) + (f"{block.marker} " if block.marker else "") + plain(block.text)
            )
    return "\n".join(said)


class _Reader:
    """Walks markdown-it's tokens; a list item's first paragraph carries its marker."""

    def __init__(self, terms: Mapping[str, Tip]) -> None:
        self._terms = terms
        self._lists: list[int] = []
        self._marker = ""
        self._quoted = 0
        self._rows: list[tuple[Text, ...]] = []
        self._row: list[Text] = []
        self._heading = False
        self._cell = False

    def read(self, tokens: list[Token]) -> Iterator[ProseBlock]:
        for token in tokens:
            yield from self._one(token)

    def _one(self, token: Token) -> Iterator[ProseBlock]:
        kind = token.type
        if kind in ("fence", "code_block"):
            yield ProseBlock("code", (Span(token.content.rstrip("\n"), code=True),), indent=len(self._lists))
        elif kind == "hr":
            yield ProseBlock("rule")
        elif kind == "inline":
            yield from self._inline(token)
        elif kind in ("bullet_list_open", "ordered_list_open"):
            start = int(token.attrs.get("start", 1)) if kind == "ordered_list_open" else -1
            self._lists.append(start)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif kind == "list_item_open":
            self._open_item()
        elif kind in ("blockquote_open", "blockquote_close"):
            self._quoted += 1 if kind == "blockquote_open" else -1
        elif kind in ("heading_open", "heading_close"):
            self._heading = kind == "heading_open"
        elif kind in ("th_open", "td_open", "th_close", "td_close"):
            self._cell = kind.endswith("open")
        elif kind == "tr_close":
            self._rows.append(tuple(self._row))
            self._row = []
        elif kind == "table_close":
            yield ProseBlock("table", rows=tuple(self._rows))
            self._rows = []

    def _open_item(self) -> None:
        number = self._lists[-1]
        self._marker = "•" if number < 0 else f"{number}."
        if number >= 0:
            self._lists[-1] += 1

    def _inline(self, token: Token) -> Iterator[ProseBlock]:
        text = self._spans(token.children or [], strong=self._heading)
        if self._cell:
            self._row.append(text)
            return
        kind: Kind = "paragraph"
        if self._heading:
            kind = "heading"
        elif self._quoted:
            kind = "quote"
        elif self._lists:
            kind = "item"
        marker, self._marker = self._marker, ""
        yield ProseBlock(kind, text, marker, len(self._lists))

    def _spans(self, tokens: list[Token], *, strong: bool) -> Text:
        spans: list[Span] = []
        depth, role, tip = int(strong), _ROLE["text"], None
        for token in tokens:
            if token.type in ("strong_open", "em_open"):
                depth += 1
            elif token.type in ("strong_close", "em_close"):
                depth -= 1
            elif token.type == "link_open":
                role, tip = self._link(str(token.attrs.get("href", "")))
            elif token.type == "link_close":
                role, tip = _ROLE["text"], None
            elif token.type == "softbreak":
                spans.append(Span(" "))
            elif token.type == "hardbreak":
                spans.append(Span("\n"))
            elif token.content:
                code = token.type == "code_inline"
                content = token.content if code else _GROUPS.sub(THIN, token.content)
                spans.append(Span(content, role, depth > 0, code, tip))
        return tuple(spans)

    def _link(self, target: str) -> tuple[Role, Tip | None]:
        scheme, _, name = target.partition(":")
        if scheme == "role":
            return _ROLE.get(name, _ROLE["text"]), None
        if scheme == "term":
            return _ROLE["now"], self._terms.get(name, Tip(name))
        return _ROLE["text"], None
