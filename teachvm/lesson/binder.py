"""From validated blocks to the lesson's values: every expression checked, at its own place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from teachvm.lesson import blocks, model
from teachvm.lesson.anchors import Anchor, compile_anchor
from teachvm.lesson.cards import CARD_BY_ID
from teachvm.lesson.expressions import Expression, ExpressionError, Known, compile_expression
from teachvm.lesson.markdown import Prose, html
from teachvm.lesson.problems import Complaints, Place, did_you_mean, one_of, quoted
from teachvm.lesson.yamldoc import Document, Path

T = TypeVar("T")
_CONDITION = ("bool", "int", "any")


@dataclass(frozen=True, slots=True)
class Binder:
    """Gives one block's texts their meaning; complaints point into the block."""

    document: Document
    known: Known
    complaints: Complaints
    place: Place

    def run(self, block: blocks.Run) -> model.Run | None:
        """A `{run}` block."""
        until = self._anchor(block.until, ("until",))
        highlight = self._expressions(block.highlight, ("highlight",))
        if until is None:
            return None
        return model.Run(block.id or "", until, block.limit, block.stop or until.stop, highlight, self.place)

    def do(self, block: blocks.Do) -> model.Do | None:
        """A `{do}` block."""
        until = self._anchor(block.until, ("until",))
        if until is None:
            return None
        stop = block.stop or until.stop
        task = Prose(block.task, html(block.task))
        return model.Do(block.id, task, until, stop, block.limit, block.grain, block.points, self.place)

    def show(self, block: blocks.Show) -> model.Show:
        """A `{show}` block."""
        cards(block.cards or (), ("cards",), self.document, self.complaints)
        vm = block.vm or ""
        if vm and vm not in (*self.known.vms, "host"):
            self._wrong(("vm",), f"unknown VM {quoted(vm)}{did_you_mean(vm, self.known.vms) or self._vms()}")
        labels = frozenset().union(*self.known.labels.values())
        if block.code and labels and block.code not in labels:
            self._wrong(("code",), f"unknown label {quoted(block.code)}{did_you_mean(block.code, labels)}")
        return model.Show(
            block.cards or (),
            self._expressions(block.highlight, ("highlight",)),
            vm,
            block.code or "",
            self.optional(block.memory, ("memory",), ("int", "any")),
            self.optional(block.walk, ("walk",), ("int", "any")),
            self.place,
        )

    def ask(self, block: blocks.Ask) -> model.Ask:
        """An `{ask}` block."""
        vary = tuple(
            model.Vary(name, self._expressions(choices, ("vary", name))) for name, choices in block.vary.items()
        )
        local = {v.name: v.choices[0].kind if v.choices else "any" for v in vary}
        inner = replace(self, known=replace(self.known, local=local))
        options = tuple(
            model.Option(option.text, inner.optional(option.when, ("options", index, "when"), _CONDITION))
            for index, option in enumerate(block.options)
        )
        kinds = ("int", "bool", "any") if block.type == "number" else ("str", "any")
        return model.Ask(
            block.id,
            inner.template(block.prompt, ("prompt",)),
            block.type,
            options,
            inner.optional(block.answer, ("answer",), kinds),
            inner.template(block.explain, ("explain",)) if block.explain else None,
            block.predict,
            vary,
            block.points,
            block.visibility,
            self.place,
        )

    def check(self, block: blocks.Check, path: Path = ()) -> model.Check:
        """A `{check}` block, or a hidden check at `path` in the instructor's file."""
        return model.Check(
            block.id,
            block.title or "",
            self._expressions(block.expect, (*path, "expect"), _CONDITION),
            self.template(block.explain, (*path, "explain")) if block.explain else None,
            block.points,
            block.visibility,
            self.place,
        )

    def template(self, text: str, path: Path) -> model.Template:
        """Text with expressions in braces; a doubled brace stands for itself."""
        pieces: list[str | Expression] = []
        plain, index = "", 0
        while index < len(text):
            char = text[index]
            if text[index : index + 2] in ("{{", "}}"):
                plain, index = plain + char, index + 2
            elif char == "{":
                end = text.find("}", index)
                if end < 0:
                    self._wrong(path, "a { without its }; write {{ for a brace")
                    return model.Template(text, (text,))
                expression = self._expression(text[index + 1 : end], path, offset=index + 1)
                pieces += [plain] if expression is None else [plain, expression]
                plain, index = "", end + 1
            else:
                plain, index = plain + char, index + 1
        return model.Template(text, tuple(pieces) + ((plain,) if plain else ()))

    def _anchor(self, text: str, path: Path) -> Anchor | None:
        self._warn_plain(path)
        try:
            return compile_anchor(text, self.known)
        except ExpressionError as error:
            self._wrong(path, error.message, error.offset)
            return None

    def optional(self, text: str | None, path: Path, kinds: Sequence[str]) -> Expression | None:
        """An expression that may be left out; `kinds` are those that fit."""
        if text is None:
            return None
        self._warn_plain(path)
        return self._expression(text, path, kinds)

    def _expressions(self, texts: Sequence[str], path: Path, kinds: Sequence[str] = ()) -> tuple[Expression, ...]:
        found = (self._expression(text, (*path, index), kinds) for index, text in enumerate(texts))
        return tuple(expression for expression in found if expression is not None)

    def _expression(self, text: str, path: Path, kinds: Sequence[str] = (), offset: int = 0) -> Expression | None:
        try:
            expression = compile_expression(text, self.known)
        except ExpressionError as error:
            self._wrong(path, error.message, offset + error.offset)
            return None
        if kinds and expression.kind not in kinds:
            wanted = {"int": "a number", "bool": "a condition", "str": "a text"}
            is_condition: Literal["bool", "int", "str"] = "bool" if "bool" in kinds and "int" in kinds else "int"
            needed = "str" if "str" in kinds else is_condition
            self._wrong(path, f"{quoted(text)} is {wanted[expression.kind]}, but {wanted[needed]} is needed here")
            return None
        return expression

    def _warn_plain(self, path: Path) -> None:
        if path not in self.document.quoted:
            self.complaints.warn(self.document.place(path), "put this expression in quotes")

    def _wrong(self, path: Path, message: str, offset: int = 0) -> None:
        self.complaints.error(self.document.text_place(path).moved(offset), message)

    def _vms(self) -> str:
        return f"; there is {one_of(self.known.vms)}" if self.known.vms else ""


def cards(ids: Sequence[str], path: Path, document: Document, complaints: Complaints) -> None:
    """Complain about cards that do not exist or stand twice."""
    for index, card in enumerate(ids):
        place = document.place((*path, index))
        if card not in CARD_BY_ID:
            complaints.error(place, f"unknown card {quoted(card)}{did_you_mean(card, CARD_BY_ID)}")
        elif card in ids[:index]:
            complaints.error(place, f"card {quoted(card)} stands here twice")
