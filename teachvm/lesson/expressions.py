"""A small total language over the machine: it reads values, ends at once, and changes nothing.

Numbers, text, comparison, `and or not in`, `if else`, bounded arithmetic, field access, and the functions of
`teachvm.lesson.names`. An expression is parsed and checked when the lesson is loaded, kinds included, so that what can
still go wrong later is only a value that does not exist at that moment.

This module is the only door to simpleeval, which evaluates the tree; the tree it gets has been checked node by node.
Names and fields are looked up in a `Scope`, never with `getattr`.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import simpleeval

from teachvm.lesson.kinds import Checker, ExpressionError, Known
from teachvm.lesson.scope import Absent, Record, Scope, Value

__all__ = ["MAX_LENGTH", "Expression", "ExpressionError", "Known", "NoValueError", "compile_expression", "parse"]

MAX_LENGTH = 400
MAX_NUMBER = (1 << 64) - 1
MAX_SHIFT = 64
_NOTHING = "a part of it has no value now"


class NoValueError(Exception):
    """The expression has no value at this moment; the message says which part, in words for an author."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; `kind` is the kind of its value."""

    text: str
    kind: str
    tree: ast.expr

    def value(self, scope: Scope, local: Mapping[str, Value] | None = None) -> Value:
        """Evaluate at the present moment.

        Args:
            scope: Where names are looked up.
            local: Names that belong to the question, such as those its `vary` gives.

        Raises:
            NoValueError: A part has no value now, or a number grew too large.
        """
        return _Evaluator(self.text, scope, local or {}).value(self.tree)

    def holds(self, scope: Scope, local: Mapping[str, Value] | None = None) -> bool:
        """Whether a condition is true now; one without a value is not."""
        try:
            return bool(self.value(scope, local))
        except NoValueError:
            return False


def compile_expression(text: str, known: Known) -> Expression:
    """Parse and check an expression.

    Raises:
        ExpressionError: It is not in the language, or names something unknown; `offset` counts characters.
    """
    tree = parse(text)
    kind = Checker(text, known).scalar(tree)
    if kind == "several":
        raise ExpressionError("a list can only stand after 'in'", 0)
    return Expression(text, kind, tree)


def parse(text: str) -> ast.expr:
    """The tree of an expression, which may still hold anything.

    Raises:
        ExpressionError: It is too long, or not well-formed.
    """
    stripped = text.strip()
    if not stripped:
        raise ExpressionError("the expression is empty", 0)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    if "\n" in stripped:
        raise ExpressionError("an expression stands on one line", 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is not worth a warning of Python's
            return ast.parse(_without_indent(text), mode="eval").body
    except SyntaxError as error:
        raise _malformed(text, error) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("this is not an expression", 0) from None


def _without_indent(text: str) -> str:
    """Brackets keep columns right and let leading blanks stand."""
    return text if not text[:1].isspace() else "(" + text[1:] + ")"


def _malformed(text: str, error: SyntaxError) -> ExpressionError:
    for wrong, right in (("&&", "and"), ("||", "or"), ("===", "==")):
        if wrong in text:
            return ExpressionError(f"write '{right}' instead of '{wrong}'", text.index(wrong))
    offset = min(max((error.offset or 1) - 1, 0), len(text))
    if text[offset : offset + 1] == "=":
        return ExpressionError("write '==' to compare; '=' only names an argument", offset)
    return ExpressionError(f"not a well-formed expression: {error.msg}", offset)


def _bounded(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        _number(left)
        _number(right)
        try:
            result = function(left, right)
        except ZeroDivisionError:
            raise NoValueError("division by zero") from None
        if abs(result) > MAX_NUMBER:
            raise NoValueError("the number grows beyond 64 bits")
        return result

    return apply


def _shift(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if not 0 <= right <= MAX_SHIFT:
            raise NoValueError(f"a shift by {right} bits")
        return function(left, right)

    return _bounded(apply)


def _number(value: Any) -> None:
    if not isinstance(value, int):
        raise NoValueError(
            "a part of it has no value now" if isinstance(value, Absent) else "it calculates with a text"
        )


def _ordered(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(left: Any, right: Any) -> bool:
        if isinstance(left, Absent) or isinstance(right, Absent):
            raise NoValueError(_NOTHING)
        try:
            return bool(function(left, right))
        except TypeError:
            raise NoValueError("it compares things of different kinds") from None

    return apply


def _equal(left: Any, right: Any) -> bool:
    left, right = (None if isinstance(side, Absent) else side for side in (left, right))
    return bool(left == right)


def _contains(item: Any, container: Any) -> bool:
    return item in container


def _signed(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        _number(value)
        return function(value)

    return apply


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _bounded(operator.add),
    ast.Sub: _bounded(operator.sub),
    ast.Mult: _bounded(operator.mul),
    ast.FloorDiv: _bounded(operator.floordiv),
    ast.Mod: _bounded(operator.mod),
    ast.BitAnd: _bounded(operator.and_),
    ast.BitOr: _bounded(operator.or_),
    ast.BitXor: _bounded(operator.xor),
    ast.LShift: _shift(operator.lshift),
    ast.RShift: _shift(operator.rshift),
    ast.Eq: _equal,
    ast.NotEq: lambda left, right: not _equal(left, right),
    ast.Is: _equal,
    ast.IsNot: lambda left, right: not _equal(left, right),
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _ordered(_contains),
    ast.NotIn: lambda left, right: not _ordered(_contains)(left, right),
    ast.Not: operator.not_,
    ast.USub: _signed(operator.neg),
    ast.UAdd: _signed(operator.pos),
    ast.Invert: _signed(operator.invert),
}


class _Evaluator(simpleeval.SimpleEval):  # type: ignore[misc]  # simpleeval carries no types
    """simpleeval with the language's own operators, fields from records, and no other node."""

    def __init__(self, text: str, scope: Scope, local: Mapping[str, Value]) -> None:
        super().__init__(operators=_OPERATORS, functions={}, names={})
        self.expr = text
        self._scope = scope
        self._local = local
        self.nodes = {
            ast.Name: self._name,
            ast.Attribute: self._field,
            ast.Call: self._function,
            ast.Tuple: self._several,
            ast.List: self._several,
            ast.Constant: self._eval_constant,
            ast.UnaryOp: self._eval_unaryop,
            ast.BinOp: self._eval_binop,
            ast.BoolOp: self._eval_boolop,
            ast.Compare: self._eval_compare,
            ast.IfExp: self._eval_ifexp,
        }

    def value(self, tree: ast.expr) -> Value:
        try:
            result = self._eval(tree)
        except simpleeval.InvalidExpression as error:
            raise NoValueError(str(error)) from None
        if isinstance(result, (bool, int, str, Absent)) or result is None:
            return None if isinstance(result, Absent) else result
        raise NoValueError("it is not a single value")

    def _name(self, node: ast.Name) -> Any:
        if node.id in ("true", "false", "none"):
            return {"true": True, "false": False, "none": None}[node.id]
        if node.id in self._local:
            return self._local[node.id]
        return self._scope.name(node.id)

    def _field(self, node: ast.Attribute) -> Any:
        record = self._eval(node.value)
        if isinstance(record, Absent):
            return record
        if not isinstance(record, Record):
            raise NoValueError(f"'.{node.attr}' of something without fields")
        value = record.field(node.attr)
        return Absent() if value is None else value

    def _function(self, node: ast.Call) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        positional = [self._eval(argument) for argument in node.args]
        named = {str(keyword.arg): self._eval(keyword.value) for keyword in node.keywords}
        if any(isinstance(argument, Absent) for argument in (*positional, *named.values())):
            return Absent()
        value = self._scope.call(name, positional, named)
        return Absent() if value is None else value

    def _several(self, node: ast.Tuple | ast.List) -> Any:
        return tuple(self._eval(item) for item in node.elts)
