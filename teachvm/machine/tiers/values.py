"""What the specialiser computes with: things known when code is compiled, and code for things known when it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


class UnsupportedError(Exception):
    """The specialiser cannot express this; the instruction stays with tier 0."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value known at compile time: an operand, a constant, a function, the CPU itself."""

    value: Any


@dataclass(frozen=True, slots=True)
class Code:
    """An expression over local variables of the compiled function.

    Attributes:
        text: Python source; an atom unless `loose`.
        needs: Locals that must keep their values until it is used.
        bits: The value is in 0 .. 2**bits - 1; None if that is not known.
        loose: Needs parentheses inside another expression.
        truth: Source that is true exactly if the value is not zero, where that is shorter.
        aligned: The value is known to be a multiple of four.
    """

    text: str
    needs: frozenset[str] = frozenset()
    bits: int | None = None
    loose: bool = False
    truth: str = ""
    aligned: bool = False

    @property
    def test(self) -> str:
        """The source as a condition."""
        return self.truth or self.text

    @property
    def inner(self) -> str:
        """The source as part of a larger expression."""
        return f"({self.text})" if self.loose else self.text


@dataclass(frozen=True, slots=True)
class Status:
    """Status flags not computed yet: element `index` of what a pure function returns for operands.

    Attributes:
        function: A function of `isa.alu` or `isa.shifts` that returns result and flags.
        operands: Its arguments, known or code.
        index: Which element of the returned tuple the flags are; None if it returns them alone.
        result: The first element, when it was computed already.
    """

    function: Any
    operands: tuple[Known | Code, ...]
    index: int | None
    result: Code | Known | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """A tuple of values."""

    items: tuple[Known | Code | Status, ...]


Value = Known | Code | Status | Many


def const(value: int) -> Code:
    """A known number as code."""
    bits = value.bit_length() if value >= 0 else None
    return Code(str(value), frozenset(), bits, loose=value < 0)


def as_code(value: Value) -> Code:
    """A value as an expression.

    Raises:
        UnsupportedError: It has no expression.
    """
    if isinstance(value, Code):
        return value
    if isinstance(value, Known) and isinstance(value.value, int):
        return const(int(value.value))
    raise UnsupportedError(f"{value} is no expression")


def needs_of(value: Value) -> frozenset[str]:
    """Locals a value is computed from."""
    match value:
        case Code():
            return value.needs
        case Many(items=items):
            return frozenset().union(*(needs_of(item) for item in items))
        case Status(operands=operands, result=result):
            parts = operands if result is None else (*operands, result)
            return frozenset().union(*(needs_of(part) for part in parts))
        case _:
            return frozenset()


def substitute(code: Code, name: str, copy: Code) -> Code:
    """An expression with one local replaced by another; names are whole words by construction."""
    if name not in code.needs:
        return code
    word = rf"\b{name}\b"
    text, truth = re.sub(word, copy.text, code.text), re.sub(word, copy.text, code.truth)
    return replace(code, text=text, truth=truth, needs=code.needs - {name} | copy.needs)


Change = Callable[[Code], Code]


def mapped(value: Value, change: Change) -> Value:
    """A value with every expression in it changed."""
    match value:
        case Code():
            return change(value)
        case Many(items=items):
            return Many(tuple(_mapped_item(item, change) for item in items))
        case _:
            return _mapped_item(value, change)


def _mapped_item(value: Known | Code | Status, change: Change) -> Known | Code | Status:
    if not isinstance(value, Status):
        return _mapped_part(value, change)
    operands = tuple(_mapped_part(operand, change) for operand in value.operands)
    result = None if value.result is None else _mapped_part(value.result, change)
    return Status(value.function, operands, value.index, result)


def _mapped_part(value: Known | Code, change: Change) -> Known | Code:
    return change(value) if isinstance(value, Code) else value


def renamed(value: Value, name: str, copy: Code) -> Value:
    """A value with one local replaced by another."""
    return mapped(value, lambda code: substitute(code, name, copy))
