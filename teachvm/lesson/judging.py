"""Questions and checks judged by the machine at the moment they stand at; nothing is typed in by an author."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from teachvm.lesson.expressions import Expression, NoValueError
from teachvm.lesson.model import Ask, Check, Template
from teachvm.lesson.scope import Absent, Scalar, Scope, Value

Given = str
"""What a student answered: the number of the option from 0, or the text typed."""

THIN = "\u202f"
"""Thin space that no line breaks at, between groups of three digits."""

_NUMBER = re.compile(r"[+-]?(0x[0-9a-f]+|[0-9a-f]+h|0b[01]+|\d+)", re.IGNORECASE)
_BLANKS = re.compile(r"[\s_’']")


class UnanswerableError(Exception):
    """The lesson's own mistake: at this moment no option, or more than one, is right, or the answer has no value."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer; `solution` is what was right, `explanation` the author's words about it."""

    right: bool
    solution: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One expectation of a check: its text, whether it held, and what was found instead."""

    text: str
    held: bool
    found: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a check."""

    facts: tuple[Fact, ...]

    @property
    def passed(self) -> bool:
        """All facts held."""
        return all(fact.held for fact in self.facts)


def chosen(ask: Ask, seed: int, student: str) -> dict[str, Expression]:
    """The expressions a question's `vary` gives this student.

    Args:
        ask: The question.
        seed: The lesson's seed.
        student: Whoever answers; equal names get equal choices, in every process.
    """
    names: dict[str, Expression] = {}
    for vary in ask.vary:
        key = f"{seed}:{student}:{ask.id}:{vary.name}".encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        names[vary.name] = vary.choices[number % len(vary.choices)]
    return names


def local_names(given: Mapping[str, Expression], scope: Scope) -> dict[str, Value]:
    """The values of a question's own names at this moment.

    Raises:
        UnanswerableError: One has no value.
    """
    return {name: _value(expression, scope, {}) for name, expression in given.items()}


def solution(ask: Ask, scope: Scope, local: Mapping[str, Value]) -> str:
    """The right answer at this moment, as a student would give it: an option's text, a number or a text.

    Raises:
        UnanswerableError: There is none, or more than one.
    """
    if ask.type == "choice":
        return ask.options[right_option(ask, scope, local)].text
    value = _answer(ask, scope, local)
    return number_text(value) if isinstance(value, int) else value


def _answer(ask: Ask, scope: Scope, local: Mapping[str, Value]) -> int | str:
    """The value of a question's answer: an int for a number, a str for a text."""
    assert ask.answer is not None, "the schema wants an answer"
    value = _value(ask.answer, scope, local)
    if ask.type == "number" and not isinstance(value, int):
        _refuse(ask, "its answer is not a number")
    return int(value) if isinstance(value, int) else str(value)


def right_option(ask: Ask, scope: Scope, local: Mapping[str, Value]) -> int:
    """The number of the option that is right at this moment.

    Raises:
        UnanswerableError: There is none, or more than one.
    """
    right = [
        index for index, option in enumerate(ask.options) if option.when is not None and option.when.holds(scope, local)
    ]
    if len(right) != 1:
        texts = ", ".join(f"'{ask.options[index].text}'" for index in right)
        what = f"more than one option is right here: {texts}" if right else "no option is right here"
        _refuse(ask, what)
    return right[0]


def judge(ask: Ask, given: Given, scope: Scope, varied: Mapping[str, Expression]) -> Verdict:
    """Compare an answer with the machine as it is now.

    Args:
        ask: The question.
        given: The answer.
        scope: Where names are looked up.
        varied: What the question's `vary` gave this student.

    Raises:
        UnanswerableError: The question has no answer here.
    """
    local = local_names(varied, scope)
    right = solution(ask, scope, local)
    match ask.type:
        case "choice":
            good = given == str(right_option(ask, scope, local))
        case "number":
            good = parse_number(given) == _answer(ask, scope, local)
        case _:
            good = " ".join(given.casefold().split()) == " ".join(right.casefold().split())
    explanation = "" if ask.explain is None else fill(ask.explain, scope, local, varied)
    return Verdict(good, right, explanation)


def inspect(check: Check, scope: Scope) -> Outcome:
    """Test a check's facts at this moment."""
    return Outcome(tuple(_fact(expression, scope) for expression in check.expect))


def fill(
    template: Template,
    scope: Scope,
    local: Mapping[str, Value] | None = None,
    written: Mapping[str, Expression] | None = None,
) -> str:
    """The text with the machine's values in it; what has no value now is shown as a dash.

    Args:
        template: Text and expressions.
        scope: Where names are looked up.
        local: Values of a question's own names.
        written: The same as the author wrote them: `{va}` shows `0x0804a3f4`, not a decimal number.
    """
    words: list[str] = []
    for piece in template.pieces:
        if isinstance(piece, str):
            words.append(piece)
        elif written is not None and piece.text.strip() in written:
            words.append(written[piece.text.strip()].text)
        else:
            words.append(_shown(piece, scope, local))
    return "".join(words)


def parse_number(text: str) -> int | None:
    """A number as people write it: `42`, `0x2a`, `2ah`, `0b101010`, `2 318`; None if it is not one."""
    packed = _BLANKS.sub("", text)
    if len(packed) > 70 or not _NUMBER.fullmatch(packed):
        return None
    sign = -1 if packed.startswith("-") else 1
    digits = packed.lstrip("+-").lower()
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if digits.endswith("h"):
        return sign * int(digits[:-1], 16)
    if digits.startswith("0b"):
        return sign * int(digits, 2)
    return sign * int(digits) if digits.isdecimal() else None


def number_text(value: int) -> str:
    """A number for people: small ones in decimal, larger ones in hexadecimal too."""
    return str(value) if -10 < value < 10 else f"{value} ({hex_text(value)})"


def bare(number: str) -> str:
    """What `number_text` said, without the hexadecimal in brackets."""
    return number.partition(" (")[0]


def hex_text(value: int) -> str:
    """Hexadecimal, grouped by four digits: `0010 0247`; eight digits at least."""
    digits = f"{abs(value):08x}"
    head = len(digits) % 4
    groups = [digits[:head]] * bool(head) + [digits[at : at + 4] for at in range(head, len(digits), 4)]
    return "-" * (value < 0) + " ".join(groups)


def _refuse(ask: Ask, what: str) -> NoReturn:
    raise UnanswerableError(f"question '{ask.id}': {what}")


def _value(expression: Expression, scope: Scope, local: Mapping[str, Value]) -> Scalar:
    try:
        value = expression.value(scope, local)
    except NoValueError as error:
        raise UnanswerableError(f"'{expression.text}': {error}") from None
    if isinstance(value, (int, str)):
        return value
    raise UnanswerableError(f"'{expression.text}' has no value now")


def _shown(expression: Expression, scope: Scope, local: Mapping[str, Value] | None) -> str:
    try:
        value = expression.value(scope, local)
    except NoValueError:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", THIN)
    return said(value)


def said(value: Value) -> str:
    """A value for people."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return value
        case _:
            return "–"


def _fact(expression: Expression, scope: Scope) -> Fact:
    try:
        value = expression.value(scope)
    except NoValueError as error:
        return Fact(expression.text, held=False, found=str(error))
    if value:
        return Fact(expression.text, held=True)
    return Fact(expression.text, held=False, found=_instead(expression, expression.tree, scope))


def _instead(expression: Expression, tree: ast.expr, scope: Scope) -> str:
    """What was found where something else was expected: the sides of the comparison that failed, with their values."""
    match tree:
        case ast.BoolOp(op=ast.And(), values=parts):
            failed = next((part for part in parts if not _part(expression, part, scope)), tree)
            return _instead(expression, failed, scope)
        case ast.Compare(left=left, comparators=others):
            sides = [side for side in (left, *others) if not isinstance(side, (ast.Constant, ast.Tuple, ast.List))]
            return ", ".join(f"{ast.unparse(side)} is {_told(_part(expression, side, scope))}" for side in sides)
        case _:
            return f"{ast.unparse(tree)} is {_told(_part(expression, tree, scope))}"


def _part(expression: Expression, tree: ast.expr, scope: Scope) -> Value | Absent:
    try:
        return Expression(expression.text, "any", tree).value(scope)
    except NoValueError:
        return None


def _told(value: Value | Absent) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return number_text(value)
    if isinstance(value, str):
        return f"'{value[:60]}…'" if len(value) > 60 else f"'{value}'"
    return said(None if isinstance(value, Absent) else value)
