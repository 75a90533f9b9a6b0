"""Arithmetic on expressions: what is known of the size and alignment of a result, and what needs no code at all."""

from __future__ import annotations

from teachvm.machine.tiers.values import Code, Known, Value, as_code, const


def join(symbol: str, left: Value, right: Value) -> Code | Known:
    """Two operands of an arithmetic operator, with what is known about the size of the result."""
    a, b = as_code(left), as_code(right)
    if symbol == "+" and isinstance(right, Known) and right.value < 0:
        symbol, right, b = "-", Known(-right.value), const(-right.value)
    simple = _identity(symbol, left, right, a, b)
    if simple is not None:
        return simple
    bits = _bits(symbol, right, a, b)
    aligned = _aligned(symbol, right, a)
    return Code(f"{a.inner} {symbol} {b.inner}", a.needs | b.needs, bits, loose=True, aligned=aligned)


def _identity(symbol: str, left: Value, right: Value, a: Code, b: Code) -> Code | Known | None:
    """Operations that change nothing."""
    if isinstance(right, Known):
        value = right.value
        if value == 0 and symbol in ("+", "-", "|", "^", "<<", ">>"):
            return a
        if symbol == "&" and a.bits is not None and value >= 0 and value & (1 << a.bits) - 1 == (1 << a.bits) - 1:
            return a
        if (symbol == "&" and value == 0) or (symbol == ">>" and a.bits is not None and a.bits <= value):
            return Known(0)
        if symbol == "*" and value == 1:
            return a
    if isinstance(left, Known) and left.value == 0 and symbol in ("+", "|", "^"):
        return b
    return None


def _aligned(symbol: str, right: Value, a: Code) -> bool:
    """Whether a result is a multiple of four because the left operand is."""
    if not a.aligned or not isinstance(right, Known):
        return False
    return right.value & 3 == 0 if symbol in ("+", "-") else symbol == "&"


def _bits(symbol: str, right: Value, a: Code, b: Code) -> int | None:
    """How many bits a result can have at the most."""
    by = right.value if isinstance(right, Known) and isinstance(right.value, int) else None
    if symbol == "&":
        known = [code.bits for code in (a, b) if code.bits is not None]
        return min(known, default=None)
    if symbol == ">>" and by is not None and a.bits is not None:
        return max(a.bits - by, 0)
    if a.bits is None or b.bits is None:
        return None
    match symbol:
        case "+":
            return max(a.bits, b.bits) + 1
        case "|" | "^":
            return max(a.bits, b.bits)
        case "*":
            return a.bits + b.bits
        case "<<" if by is not None:
            return a.bits + by
        case _:
            return None
