"""Where a run ends: a label, an event, console output, a number of instructions, or a condition on the state.

`until` of a lesson and `--until` of a command are the same language. A call of a milestone's word is an anchor;
everything else is an expression, tested at milestones only, never per instruction.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from teachvm.lesson.expressions import Expression, ExpressionError, Known, NoValueError, parse
from teachvm.lesson.kinds import Checker
from teachvm.lesson.milestones import MILESTONE, Milestone, Stop
from teachvm.lesson.scope import Scalar, Scope

COUNTS = ("nth", "instructions")
"""Arguments that count: the first is 1."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in time, described; either `milestone` with its arguments, or `condition`.

    Arguments are expressions, evaluated once, when the run begins.
    """

    text: str
    milestone: Milestone | None = None
    arguments: tuple[tuple[str, Expression], ...] = ()
    condition: Expression | None = None

    @property
    def stop(self) -> Stop:
        """Where a run to this anchor ends unless the lesson says otherwise."""
        return "at" if self.milestone is None else self.milestone.stop

    def values(self, scope: Scope) -> list[tuple[str, Scalar]]:
        """The arguments at the present moment, by parameter, in order.

        Raises:
            NoValueError: An argument has no value now.
        """
        return [(name, _scalar(name, expression, scope)) for name, expression in self.arguments]


def _scalar(name: str, expression: Expression, scope: Scope) -> Scalar:
    value = expression.value(scope)
    if not isinstance(value, (int, str)):
        raise NoValueError("an argument has no value now")
    if name in COUNTS and isinstance(value, int) and value < 1:
        raise NoValueError(f"argument '{name}' counts from 1, and is {value} now")
    return value


def compile_anchor(text: str, known: Known) -> Anchor:
    """Parse and check an `until`.

    Raises:
        ExpressionError: It is neither a known milestone nor an expression that says true or false.
    """
    tree = parse(text)
    checker = Checker(text, known, also=MILESTONE)
    match tree:
        case ast.Name(id=word) if word in MILESTONE:
            call = ast.Call(func=tree, args=[], keywords=[])
            ast.copy_location(call, tree)
            return _milestone(text, call, MILESTONE[word], checker)
        case ast.Call(func=ast.Name(id=word)) if word in MILESTONE:
            return _milestone(text, tree, MILESTONE[word], checker)
        case _:
            return _condition(text, tree, checker)


def _milestone(text: str, call: ast.Call, milestone: Milestone, checker: Checker) -> Anchor:
    given = checker.arguments(call, milestone.parameters, milestone.signature)
    for name, node in given:
        if name in COUNTS and _written_out(node) < 1:
            raise ExpressionError(f"argument '{name}' counts from 1", node.col_offset)
    return Anchor(text, milestone, tuple((name, Expression(text, "any", node)) for name, node in given))


def _written_out(node: ast.expr) -> int:
    """The number that stands there, signs heeded; of what has to be computed first, any that is in order."""
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int(number))):
            return -number if isinstance(sign, ast.USub) else number
        case _:
            return 1


def _condition(text: str, tree: ast.expr, checker: Checker) -> Anchor:
    kind = checker.scalar(tree)
    if kind not in ("bool", "any"):
        raise ExpressionError(
            "an anchor is a milestone such as trap(...) or a condition that is true or false; this is neither", 0
        )
    return Anchor(text, condition=Expression(text, kind, tree))
