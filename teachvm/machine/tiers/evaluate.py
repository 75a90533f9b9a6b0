"""A meaning's own source, specialised: what is known is computed, what is not becomes code.

The evaluator runs the syntax tree of a meaning, of the operands' `load` and `store`, and of the CPU methods they call,
with registers as local variables. A handful of CPU members are the border to the machine (`border`); everything else
is ordinary Python of the project, read once.
"""

from __future__ import annotations

import ast
import inspect
import operator
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from teachvm.isa import alu, shifts
from teachvm.machine.bound import Bound
from teachvm.machine.condition import ConditionCode
from teachvm.machine.tiers.border import Border
from teachvm.machine.tiers.expressions import join
from teachvm.machine.tiers.flags import condition, function_name
from teachvm.machine.tiers.values import Code, Known, Many, Status, UnsupportedError, Value, as_code

CPU: Final = Known("cpu")
_BINARY: Final[dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.BitAnd: ("&", operator.and_),
    ast.BitOr: ("|", operator.or_),
    ast.BitXor: ("^", operator.xor),
    ast.LShift: ("<<", operator.lshift),
    ast.RShift: (">>", operator.rshift),
    ast.Mod: ("%", operator.mod),
    ast.FloorDiv: ("//", operator.floordiv),
}
_COMPARE: Final[dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda a, b: a in b),
}
_PLAIN: Final = (alu.div, alu.idiv, shifts.bsf, shifts.bsr)
"""Pure functions of several results of which none is flags."""
_CALLED: Final = (alu.div, alu.idiv)
"""Pure functions compiled code calls, because they refuse some operands."""


class _ReturnedError(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


@cache
def _tree(function: Any) -> tuple[ast.FunctionDef, dict[str, Any]]:
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise UnsupportedError(f"{function} is no plain function")
    return node, function.__globals__


class Evaluator(Border):
    """Specialises one instruction after another into the lines of one function."""

    # ---- functions -----------------------------------------------------------------------------

    def call(self, function: Any, arguments: list[Value]) -> Value:
        """Run a function of the project on values, as if it stood here."""
        node, names = _tree(function)
        parameters = [argument.arg for argument in node.args.args]
        if len(parameters) < len(arguments) or node.args.kwonlyargs or node.args.vararg:
            raise UnsupportedError(f"call of {function.__qualname__}")
        frame = dict(zip(parameters, arguments, strict=False))
        defaults = node.args.defaults
        for parameter, default in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True):
            frame.setdefault(parameter, Known(ast.literal_eval(default)))
        self.frames.append(frame)
        self.names.append(names)
        try:
            for statement in node.body:
                self._statement(statement)
        except _ReturnedError as returned:
            return returned.value
        finally:
            self.frames.pop()
            self.names.pop()
        return Known(None)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=expression):
                self._value(expression)
            case ast.Assign(targets=[target], value=expression):
                self._assign(target, self._value(expression))
            case ast.AugAssign(target=ast.Name() as target, op=op, value=expression):
                left = self._value(ast.copy_location(ast.Name(target.id, ast.Load()), target))
                self._assign(target, self._binary(type(op), left, self._value(expression)))
            case ast.If(test=test, body=body, orelse=orelse):
                self._if(test, body, orelse)
            case ast.Return(value=expression):
                raise _ReturnedError(Known(None) if expression is None else self._value(expression))
            case ast.Assert() | ast.Pass():
                pass
            case _:
                raise UnsupportedError(ast.unparse(node))

    def _assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.require_own_frame()
                self.frames[-1][name] = value
            case ast.Tuple(elts=targets) if isinstance(value, Many) and len(targets) == len(value.items):
                for part, item in zip(targets, value.items, strict=True):
                    self._assign(part, item)
            case ast.Tuple(elts=targets) if isinstance(value, Known) and isinstance(value.value, tuple):
                for part, item in zip(targets, value.value, strict=True):
                    self._assign(part, Known(item))
            case ast.Subscript(value=ast.Attribute(value=owner, attr="regs"), slice=index):
                number = self._value(index)
                if self._value(owner) != CPU or not isinstance(number, Known):
                    raise UnsupportedError(ast.unparse(target))
                self.store_register(number.value, as_code(value))
            case _:
                raise UnsupportedError(ast.unparse(target))

    def _if(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        chosen = self._value(test)
        if isinstance(chosen, Known):
            for statement in body if chosen.value else orelse:
                self._statement(statement)
            return
        if orelse:
            raise UnsupportedError("a run-time choice between two computations")
        with self.only_if(as_code(chosen)):
            try:
                for statement in body:
                    self._statement(statement)
            except _ReturnedError:
                raise UnsupportedError("a return on one way only") from None

    # ---- expressions ---------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=value):
                return Known(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return self._many([self._value(element) for element in elements])
            case ast.Attribute(value=owner, attr=attribute):
                return self._attribute(self._value(owner), attribute)
            case ast.Subscript(value=owner, slice=index):
                return self._subscript(self._value(owner), index)
            case ast.Call(func=function, args=arguments, keywords=[]):
                return self._call(function, [self._value(argument) for argument in arguments])
            case _:
                return self._computed(node)

    def _computed(self, node: ast.expr) -> Value:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(type(op), self._value(left), self._value(right))
            case ast.UnaryOp(op=op, operand=operand):
                return self._unary(op, self._value(operand))
            case ast.BoolOp(op=op, values=values):
                return self._bool(op, values)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(type(op), self._value(left), self._value(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(self._value(test), body, orelse)
            case _:
                raise UnsupportedError(ast.unparse(node))

    def _name(self, name: str) -> Value:
        if name in self.frames[-1]:
            return self.frames[-1][name]
        names = self.names[-1]
        if name in names:
            return Known(names[name])
        raise UnsupportedError(name)

    @staticmethod
    def _many(items: list[Value]) -> Value:
        if all(isinstance(item, Known) for item in items):
            return Known(tuple(item.value for item in items if isinstance(item, Known)))
        if any(isinstance(item, Many) for item in items):
            raise UnsupportedError("a tuple in a tuple")
        return Many(tuple(item for item in items if not isinstance(item, Many)))

    def _attribute(self, owner: Value, attribute: str) -> Value:
        if owner == CPU:
            return self.cpu_attribute(attribute)
        if isinstance(owner, Known):
            return Known(getattr(owner.value, attribute))
        raise UnsupportedError(attribute)

    def _binary(self, op: type[ast.operator], left: Value, right: Value) -> Value:
        symbol, compute = _BINARY.get(op, ("", operator.add))
        if not symbol:
            raise UnsupportedError(op.__name__)
        if isinstance(left, Known) and isinstance(right, Known):
            return Known(compute(left.value, right.value))
        return join(symbol, left, right)

    def _unary(self, op: ast.unaryop, operand: Value) -> Value:
        if isinstance(operand, Known):
            table: dict[type[ast.unaryop], Callable[[Any], Any]] = {
                ast.Invert: operator.invert, ast.USub: operator.neg, ast.Not: operator.not_,
            }  # fmt: skip
            return Known(table[type(op)](operand.value))
        code = as_code(operand)
        symbol = {ast.Invert: "~", ast.USub: "-", ast.Not: "not "}[type(op)]
        return Code(f"{symbol}{code.inner}", code.needs, None, loose=True)

    def _bool(self, op: ast.boolop, values: list[ast.expr]) -> Value:
        word = " and " if isinstance(op, ast.And) else " or "
        open_parts: list[Code] = []
        for node in values:
            value = self._value(node)
            if isinstance(value, Known):
                if bool(value.value) != isinstance(op, ast.And):
                    return value
            else:
                open_parts.append(as_code(value))
        if not open_parts:
            return Known(isinstance(op, ast.And))
        needs = frozenset().union(*(part.needs for part in open_parts))
        return Code(word.join(part.inner for part in open_parts), needs, None, loose=True)

    @staticmethod
    def _compare(op: type[ast.cmpop], left: Value, right: Value) -> Value:
        symbol, compute = _COMPARE.get(op, ("", operator.eq))
        if not symbol:
            raise UnsupportedError(op.__name__)
        if isinstance(left, Known) and isinstance(right, Known):
            return Known(compute(left.value, right.value))
        a, b = as_code(left), as_code(right)
        return Code(f"{a.inner} {symbol} {b.inner}", a.needs | b.needs, 1, loose=True)

    def _choice(self, test: Value, body: ast.expr, orelse: ast.expr) -> Value:
        if isinstance(test, Known):
            return self._value(body if test.value else orelse)
        a, b, t = as_code(self._value(body)), as_code(self._value(orelse)), as_code(test)
        bits = None if a.bits is None or b.bits is None else max(a.bits, b.bits)
        return Code(f"{a.inner} if {t.inner} else {b.inner}", a.needs | b.needs | t.needs, bits, loose=True)

    def _subscript(self, owner: Value, index: ast.expr) -> Value:
        if isinstance(owner, Known) and isinstance(owner.value, ConditionTable):
            self.asks_flags = True
            text = condition(self.flags, owner.value.code)
            return Code(f"1 if {text} else 0", self.flags.needs(), 1, loose=True, truth=text)
        at = self._value(index)
        if owner == Known("regs") and isinstance(at, Known):
            return self.register(at.value)
        if isinstance(owner, Known) and isinstance(at, Known):
            return Known(owner.value[at.value])
        raise UnsupportedError(ast.unparse(index))

    # ---- calls ---------------------------------------------------------------------------------

    def _call(self, function: ast.expr, arguments: list[Value]) -> Value:
        if isinstance(function, ast.Attribute):
            owner = self._value(function.value)
            if owner == CPU:
                return self.cpu_call(function.attr, arguments)
            if isinstance(owner, Known) and isinstance(owner.value, Bound):
                if function.attr == "address":
                    return self.address(owner.value)
                return self.call(getattr(type(owner.value), function.attr), [owner, *arguments])
        target = self._value(function)
        if not isinstance(target, Known):
            raise UnsupportedError(ast.unparse(function))
        return self._call_known(target.value, arguments)

    def _call_known(self, target: Any, arguments: list[Value]) -> Value:
        if all(isinstance(argument, Known) and argument != CPU for argument in arguments):
            return Known(target(*(argument.value for argument in arguments if isinstance(argument, Known))))
        module = getattr(target, "__module__", "")
        if module in (alu.__name__, shifts.__name__):
            return self._pure(target, arguments)
        if module.startswith("teachvm.machine.instructions"):
            return self.call(target, arguments)
        raise UnsupportedError(f"call of {target}")

    def _pure(self, function: Any, arguments: list[Value]) -> Value:
        """A function of the ALU: its result as code, its flags for later."""
        operands = tuple(a if isinstance(a, Known) else self.atom(as_code(a)) for a in arguments)
        if function in _CALLED:
            return self.called(function_name(function), operands, 2)
        returns = _tree(function)[0].returns
        many = isinstance(returns, ast.Subscript) and not isinstance(returns.slice, ast.Constant)
        if not many:
            return self.call(function, list(operands))
        if function in _PLAIN or not isinstance(returns, ast.Subscript):
            raise UnsupportedError(function.__name__)
        assert isinstance(returns.slice, ast.Tuple)
        count = len(returns.slice.elts)
        items: list[Known | Code | Status] = []
        for index in range(count - 1):
            item = self._element(function, list(operands), index)
            items.append(item if isinstance(item, Known) else as_code(item))
        first = items[0]
        assert not isinstance(first, Status)
        if self.flags_dead:
            items.append(Known(None))
        else:
            items.append(Status(function, operands, count - 1, first))
        return Many(tuple(items))

    def _element(self, function: Any, arguments: list[Value], index: int) -> Value:
        """One element of the tuple a pure function returns; only what it is made of is computed."""
        node, names = _tree(function)
        frame = dict(zip((argument.arg for argument in node.args.args), arguments, strict=True))
        later: dict[str, tuple[ast.expr, int | None]] = {}
        for statement in node.body:
            match statement:
                case ast.Expr(value=ast.Constant()):
                    continue
                case ast.Assign(targets=[ast.Name(id=name)], value=expression) if name not in later:
                    later[name] = (expression, None)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=expression):
                    for place, part in enumerate(targets):
                        assert isinstance(part, ast.Name)
                        later[part.id] = (expression, place)
                case ast.Return(value=ast.Tuple(elts=elements)):
                    return self._demanded(elements[index], frame, later, names)
                case ast.Return(value=ast.Call(func=inner, args=inner_arguments)):
                    given = [self._demanded(argument, frame, later, names) for argument in inner_arguments]
                    target = self._demanded(inner, frame, later, names)
                    assert isinstance(target, Known)
                    return self._element(target.value, given, index)
                case _:
                    break
        raise UnsupportedError(f"{function.__name__} as code")

    def _demanded(
        self,
        node: ast.expr,
        frame: dict[str, Value],
        later: dict[str, tuple[ast.expr, int | None]],
        names: dict[str, Any],
    ) -> Value:
        """The value of an expression in a function body whose assignments are computed on demand."""
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and name.id in later and name.id not in frame:
                expression, place = later[name.id]
                if place is None:
                    frame[name.id] = self._demanded(expression, frame, later, names)
                else:
                    frame[name.id] = self._demanded_part(expression, place, frame, later, names)
        self.frames.append(frame)
        self.names.append(names)
        try:
            return self._value(node)
        finally:
            self.frames.pop()
            self.names.pop()

    def _demanded_part(
        self,
        node: ast.expr,
        place: int,
        frame: dict[str, Value],
        later: dict[str, tuple[ast.expr, int | None]],
        names: dict[str, Any],
    ) -> Value:
        match node:
            case ast.Tuple(elts=elements):
                return self._demanded(elements[place], frame, later, names)
            case ast.Call(func=inner, args=arguments):
                given = [self._demanded(argument, frame, later, names) for argument in arguments]
                target = self._demanded(inner, frame, later, names)
                assert isinstance(target, Known)
                return self._element(target.value, given, place)
            case _:
                raise UnsupportedError(ast.unparse(node))


class ConditionTable:
    """Stands for the table of a condition: asking it means asking the flags."""

    def __init__(self, condition: ConditionCode) -> None:
        self.code = condition.code
