"""Expressions as trees, and what they come to.

A value is a number plus a count of addresses in it: `label - label` is a plain number, `label + 4` an
address, and everything else an address takes part in has no meaning before the program is loaded. NASM draws
the same line, so what assembles here assembles there to the same bytes.

Source: NASM manual, chapter 3 (operators, critical expressions). Deviation: numbers that leave 64 bits, and `/`,
`%` or `>>` on a negative left side (unsigned there), are errors instead of surprises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.lexer import Token
from teachvm.isa.operands import Reg


class Value(NamedTuple):
    """A worked-out expression: `number`, and how many addresses it contains (0 for a plain number)."""

    number: int
    addresses: int = 0


@dataclass(frozen=True, slots=True)
class Constant:
    """A number written down."""

    value: Value
    token: Token
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A label or an `equ`, by its full name."""

    name: str
    token: Token
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """`$` or `$$`."""

    token: Token
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """A register inside an address; it has no value of its own."""

    register: Reg
    token: Token
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `~x` or `!x`."""

    operand: "Expression"
    token: Token
    depth: int


@dataclass(frozen=True, slots=True)
class Binary:
    """`left token right`."""

    left: "Expression"
    right: "Expression"
    token: Token
    depth: int


Expression = Constant | Symbol | Position | Register | Unary | Binary


class Scope(NamedTuple):
    """What names mean while an expression is worked out; a lookup gives None for a name not known yet."""

    lookup: Callable[[str], Value | None]
    here: Value | None
    start: Value | None


class UndefinedError(Exception):
    """A name in an expression has no value; `token` is where it stands."""

    def __init__(self, name: str, token: Token) -> None:
        super().__init__(name)
        self.name = name
        self.token = token


_COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def evaluate(node: Expression, scope: Scope) -> Value:
    """Work an expression out.

    Raises:
        UndefinedError: A name has no value in `scope`.
        AsmError: Division by zero, an address where only a number can be, a value beyond 64 bits.
    """
    match node:
        case Constant(value):
            return value
        case Symbol(name, token):
            value_or_none = scope.lookup(name)
        case Position(token):
            name = token.text
            value_or_none = scope.here if name == "$" else scope.start
        case Unary(operand, token):
            return _bounded(_unary_value(token, evaluate(operand, scope)), token)
        case Binary(left, right, token):
            return _bounded(_binary_value(token, evaluate(left, scope), evaluate(right, scope)), token)
        case Register():
            raise TypeError("a register has no value; the operand reader takes registers out of addresses")
    if value_or_none is None:
        raise UndefinedError(name, token)
    return value_or_none


NO_ADDRESS: Final = "addresses can be moved by a number or subtracted from each other, nothing else"
"""What to say of a value with more or less than one address in it."""


def _bounded(value: Value, token: Token) -> Value:
    if not -(1 << 63) <= value.number < 1 << 64:
        raise error_at(token, f"the result of '{token.text}' does not fit in 64 bits")
    return value


def _scalar(token: Token, *values: Value) -> None:
    """Refuse addresses under an operator that needs plain numbers."""
    if any(value.addresses for value in values):
        raise error_at(
            token,
            f"'{token.text}' needs plain numbers, and this is an address",
            "a difference of two labels is a number: (label - $$)",
        )


def _unary_value(token: Token, value: Value) -> Value:
    if token.text == "-":
        return Value(-value.number, -value.addresses)
    _scalar(token, value)
    return Value(~value.number) if token.text == "~" else Value(int(value.number == 0))


def _binary_value(token: Token, a: Value, b: Value) -> Value:
    sign = token.text
    if sign == "+":
        return Value(a.number + b.number, a.addresses + b.addresses)
    if sign == "-":
        return Value(a.number - b.number, a.addresses - b.addresses)
    if sign in _COMPARISONS:
        if a.addresses != b.addresses:
            raise error_at(token, f"'{sign}' compares an address with a plain number")
        return Value(int(_COMPARISONS[sign](_signed(a.number), _signed(b.number))))
    if sign == "*" and not (a.addresses and b.addresses):
        return Value(a.number * b.number, a.addresses * b.number + b.addresses * a.number)
    _scalar(token, a, b)
    return Value(_number(token, sign, a.number, b.number))


def _number(token: Token, sign: str, a: int, b: int) -> int:
    """Operators of two plain numbers."""
    match sign:
        case "|":
            return a | b
        case "^":
            return a ^ b
        case "&":
            return a & b
        case "&&":
            return int(a != 0 and b != 0)
        case "||":
            return int(a != 0 or b != 0)
        case "^^":
            return int((a != 0) != (b != 0))
        case "<<" | ">>":
            return _shifted(token, a, b)
        case _:
            return _divided(token, sign, a, b)


def _shifted(token: Token, a: int, b: int) -> int:
    if not 0 <= b < 64:
        raise error_at(token, f"a shift by {b} leaves nothing", "shift by 0 to 63")
    if token.text == "<<":
        return a << b
    if a < 0:
        raise error_at(token, f"'>>' shifts unsigned numbers, and its left side is {a}")
    return a >> b


def _divided(token: Token, sign: str, a: int, b: int) -> int:
    if b == 0:
        raise error_at(token, "division by zero")
    if sign in ("/", "%"):
        if a < 0 or b < 0:
            raise error_at(token, f"'{sign}' divides unsigned numbers", f"write '{sign * 2}' for signed ones")
        return a // b if sign == "/" else a % b
    a, b = _signed(a), _signed(b)
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient if sign == "//" else a - quotient * b


def _signed(number: int) -> int:
    """The number read as a 64-bit two's complement one."""
    return number - (1 << 64) if number >> 63 == 1 else number


def has_names(node: Expression) -> bool:
    """Whether the value can change as addresses do."""
    match node:
        case Symbol() | Position():
            return True
        case Unary(operand):
            return has_names(operand)
        case Binary(left, right):
            return has_names(left) or has_names(right)
        case _:
            return False


def shown(number: int) -> str:
    """A number as people compare it: small ones decimal, large ones hexadecimal."""
    return str(number) if abs(number) <= 9999 else hex(number)
