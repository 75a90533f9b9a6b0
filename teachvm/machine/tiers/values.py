"""What the specialiser computes with: things known when code is compiled, and code for things known when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MEMORY = "memory"
"""Dependency of an expression that reads memory."""


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
