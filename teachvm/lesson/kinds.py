"""Checking an expression before anything runs: which nodes are allowed, which names exist, which kinds fit together."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from teachvm.isa.exceptions import Vector
from teachvm.lesson.milestones import COUNTABLE, MILESTONE
from teachvm.lesson.names import FIELD, FUNCTION, NAME, Parameter
from teachvm.lesson.problems import did_you_mean, one_of, quoted
from teachvm.world.gallery import EXHIBIT

MAX_DEPTH = 24
MAX_ITEMS = 16
MAX_TEXT = 200
MAX_LITERAL = (1 << 64) - 1

CONSTANTS = ("True", "False", "None", "true", "false", "none")
_ARITHMETIC = (
    ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift,
)  # fmt: skip
_EQUALITY = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
_MEMBERSHIP = (ast.In, ast.NotIn)
_WORDS = ("vm", "label", "process", "milestone", "reason", "pattern", "vector", "exhibit")


Argument = tuple[str, ast.expr]
"""A parameter's name and what was given for it."""


class ExpressionError(Exception):
    """An expression that is not in the language; `offset` is the character it is about."""

    def __init__(self, message: str, offset: int) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Known:
    """The words of one lesson; an empty set of `labels` or `reasons` means that they are not checked.

    `labels` holds the labels of each VM's kernel under its name, and those of a program under `vm:program`. `local`
    are names a question adds, with their kinds.
    """

    vms: tuple[str, ...] = ()
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    processes: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    local: Mapping[str, str] = field(default_factory=dict)


class Checker:
    """Finds the kind of every part of an expression, and refuses what does not fit."""

    def __init__(self, text: str, known: Known, also: Collection[str] = ()) -> None:
        self._text = text
        self._known = known
        self._also = also  # words that can stand here beside an expression's own, for "did you mean"
        self._depth = 0

    def kind(self, node: ast.expr) -> str:
        """The kind of a part: a scalar, a record, `any` or `several`.

        Raises:
            ExpressionError: It cannot stand here.
        """
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(node, "the expression is nested too deeply")
        try:
            return self._kind(node)
        finally:
            self._depth -= 1

    def scalar(self, node: ast.expr) -> str:
        """Like `kind`, for a place where one value is needed."""
        kind = self.kind(node)
        if kind in FIELD:
            names = list(FIELD[kind])
            fields = ", ".join(names[:8]) + ", …" * (len(names) > 8)
            raise self._wrong(node, f"{self._source(node)} has fields; name one of them: {fields}")
        return kind

    def _kind(self, node: ast.expr) -> str:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._field(node)
            case ast.Call():
                return self._call(node)
            case ast.Compare():
                return self._compare(node)
            case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return self._parts(node, parts)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.IfExp():
                self.scalar(node.test)
                kinds = {self.scalar(node.body), self.scalar(node.orelse)}
                return kinds.pop() if len(kinds) == 1 else "any"
            case _:
                name = _NODE_NAMES.get(type(node), "this")
                raise self._wrong(node, f"{name} cannot be used in a lesson's expression")

    def _parts(self, node: ast.expr, parts: Sequence[ast.expr]) -> str:
        if len(parts) > MAX_ITEMS:
            raise self._wrong(node, f"more than {MAX_ITEMS} values in a row")
        for part in parts:
            self.scalar(part)
        return "bool" if isinstance(node, ast.BoolOp) else "several"

    def _constant(self, node: ast.Constant) -> str:
        match node.value:
            case bool():
                return "bool"
            case int():
                if node.value > MAX_LITERAL:
                    raise self._wrong(node, "the number has more than 64 bits")
                return "int"
            case str():
                if len(node.value) > MAX_TEXT:
                    raise self._wrong(node, f"a text of more than {MAX_TEXT} characters")
                return "str"
            case None:
                return "any"
            case _:
                raise self._wrong(node, "only whole numbers, texts, true, false and none can be written out")

    def _name(self, node: ast.Name) -> str:
        if node.id in CONSTANTS:
            return "any" if node.id in ("None", "none") else "bool"
        if node.id in self._known.local:
            return self._known.local[node.id]
        if node.id in self._known.vms:
            return "vm"
        if node.id in NAME:
            return NAME[node.id].kind
        if node.id in FUNCTION:
            raise self._wrong(node, f"{node.id} is a function: {FUNCTION[node.id].signature}")
        self._no_milestone(node, node.id)
        words = (*NAME, *self._known.vms, *self._known.local, *FUNCTION, *self._also)
        raise self._wrong(node, f"unknown name {quoted(node.id)}{did_you_mean(node.id, words)}")

    def _field(self, node: ast.Attribute) -> str:
        kind = self.kind(node.value)
        fields = FIELD.get(kind)
        if fields is None:
            raise self._wrong(node.value, f"{self._source(node.value)} has no fields")
        if node.attr not in fields:
            offset = self._end(node) - len(node.attr)
            hint = did_you_mean(node.attr, fields)
            raise ExpressionError(f"{self._source(node.value)} has no field {quoted(node.attr)}{hint}", offset)
        return fields[node.attr].kind

    def _unary(self, node: ast.UnaryOp) -> str:
        kind = self.scalar(node.operand)
        if isinstance(node.op, ast.Not):
            return "bool"
        if kind == "str":
            raise self._wrong(node, "a sign in front of a text")
        return "int"

    def _arithmetic(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Pow):
            raise self._wrong(node, "powers cannot be used; write 1 << n for a power of two")
        if isinstance(node.op, ast.Div):
            raise self._wrong(node, "write // for a division; there are only whole numbers")
        if not isinstance(node.op, _ARITHMETIC):
            raise self._wrong(node, "this operator cannot be used in a lesson's expression")
        for side in (node.left, node.right):
            if self.scalar(side) in ("str", "several"):
                raise self._wrong(side, f"{self._source(side)} is not a number")
        return "int"

    def _compare(self, node: ast.Compare) -> str:
        left, left_kind = node.left, self.scalar(node.left)
        for op, right in zip(node.ops, node.comparators, strict=True):
            right_kind = self.scalar(right)
            self._comparable(op, left, left_kind, right, right_kind)
            left, left_kind = right, right_kind
        return "bool"

    def _comparable(self, op: ast.cmpop, left: ast.expr, left_kind: str, right: ast.expr, right_kind: str) -> None:
        if isinstance(op, _MEMBERSHIP):
            if right_kind not in ("str", "several", "any"):
                raise self._wrong(right, f"'in' needs a text or a list, and {self._source(right)} is neither")
            if right_kind == "str" and left_kind not in ("str", "any"):
                raise self._wrong(left, f"only a text can be 'in' a text, and {self._source(left)} is not one")
            return
        sides = {_family(left_kind), _family(right_kind)} - {"any"}
        if "several" in sides:
            raise self._wrong(left, "a list can only stand after 'in'")
        if len(sides) > 1:
            raise self._wrong(left, f"{self._source(left)} and {self._source(right)} are of different kinds")
        if not isinstance(op, _EQUALITY) and sides == {"text"}:
            raise self._wrong(left, "texts have no order; use == or in")

    def _call(self, node: ast.Call) -> str:
        if not isinstance(node.func, ast.Name):
            raise self._wrong(node, "only the functions of the names table can be called")
        function = FUNCTION.get(node.func.id)
        if function is None:
            self._no_milestone(node, node.func.id)
            words = (*FUNCTION, *NAME, *self._known.vms, *self._also)
            raise self._wrong(node, f"unknown function {quoted(node.func.id)}{did_you_mean(node.func.id, words)}")
        self.arguments(node, function.parameters, f"{function.signature}")
        return function.kind

    def _no_milestone(self, node: ast.expr, word: str) -> None:
        if word in MILESTONE:
            signature = MILESTONE[word].signature
            raise self._wrong(node, f"{quoted(word)} says where a run ends and stands alone: {signature}")

    def arguments(self, node: ast.Call, parameters: Sequence[Parameter], signature: str) -> list[Argument]:
        """Match the arguments of a call with parameters, each parameter's in order.

        Raises:
            ExpressionError: One is missing, unknown, given twice or of the wrong kind.
        """
        given = self._positional(node, parameters, signature)
        known = {parameter.name for parameter in parameters}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg not in known:
                hint = did_you_mean(keyword.arg or "", known)
                raise self._wrong(keyword, f"no argument {quoted(keyword.arg)}{hint}: {signature}")
            if any(name == keyword.arg for name, _ in given):
                raise self._wrong(keyword, f"argument '{keyword.arg}' is given twice: {signature}")
            given.append((keyword.arg, keyword.value))
        for parameter in parameters:
            if parameter.required and all(name != parameter.name for name, _ in given):
                raise self._wrong(node, f"argument '{parameter.name}' is missing: {signature}")
        by_name = {parameter.name: parameter for parameter in parameters}
        for name, argument in given:
            self._argument(by_name[name], argument, dict(given))
        return given

    def _positional(self, node: ast.Call, parameters: Sequence[Parameter], signature: str) -> list[Argument]:
        places = [parameter for parameter in parameters if not parameter.keyword]
        if places and places[-1].many:
            places += [places[-1]] * (MAX_ITEMS - len(places))
        given: list[Argument] = []
        for index, argument in enumerate(node.args):
            if index >= len(places) or isinstance(argument, ast.Starred):
                raise self._wrong(argument, f"too many arguments: {signature}")
            given.append((places[index].name, argument))
        return given

    def _argument(self, parameter: Parameter, node: ast.expr, given: Mapping[str, ast.expr]) -> None:
        if parameter.kind == "vector" and isinstance(node, ast.Constant) and isinstance(node.value, int):
            return
        if parameter.kind not in _WORDS:
            kind = self.scalar(node)
            if _family(kind) not in (_family(parameter.kind), "any"):
                raise self._wrong(node, f"{self._source(node)} is not a number")
            return
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            raise self._wrong(node, f"argument '{parameter.name}' is a word in quotes")
        self._constant(node)
        words = self._words(parameter.kind, given)
        if words and node.value not in words:
            hint = did_you_mean(node.value, words)
            listed = "" if hint or len(words) > 12 else f"; there is {one_of(sorted(words))}"
            raise self._wrong(node, f"unknown {parameter.kind} {quoted(node.value)}{hint or listed}")

    def _words(self, kind: str, given: Mapping[str, ast.expr]) -> Collection[str]:
        match kind:
            case "vm":
                return (*self._known.vms, "host") if self._known.vms else ()
            case "milestone":
                return COUNTABLE
            case "reason":
                return self._known.reasons
            case "process":
                return self._known.processes
            case "vector":
                return tuple(f"#{vector.name}" for vector in Vector)
            case "exhibit":
                return tuple(EXHIBIT)
            case "label":
                return self._labels(given)
            case _:
                return ()

    def _labels(self, given: Mapping[str, ast.expr]) -> Collection[str]:
        vm, process = (_literal(given.get(name)) for name in ("vm", "process"))
        labels: set[str] = set()
        for name, found in self._known.labels.items():
            owner, _, program = name.partition(":")
            if (vm is None or owner == vm) and program == (process or ""):
                labels |= found
        return labels

    def _wrong(self, node: ast.expr | ast.keyword, message: str) -> ExpressionError:
        return ExpressionError(message, self._column(node.col_offset))

    def _column(self, byte_offset: int) -> int:
        return len(self._text.encode()[:byte_offset].decode(errors="ignore"))

    def _end(self, node: ast.expr) -> int:
        return self._column(node.end_col_offset or node.col_offset)

    def _source(self, node: ast.expr) -> str:
        text = self._text[self._column(node.col_offset) : self._end(node)]
        return text if text[:1] in "'\"" else quoted(text)


def _literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _family(kind: str) -> str:
    """Kinds that compare with each other: numbers and truth values, or texts."""
    return {"int": "number", "bool": "number", "str": "text"}.get(kind, kind)


_NODE_NAMES: dict[type[ast.expr], str] = {
    ast.Lambda: "lambda",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.JoinedStr: "an f-string",
    ast.Subscript: "an index in brackets",
    ast.Starred: "a star",
    ast.NamedExpr: "an assignment",
    ast.Slice: "a slice",
}
