"""The way through: lines, statements, addresses, bytes; problems are collected on it."""

from collections.abc import Callable, Container, Iterator
from types import MappingProxyType
from typing import TypeVar

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.assembly import Assembly, Piece, Span
from teachvm.isa.assembler.directives import item_bytes
from teachvm.isa.assembler.errors import AsmError, Located, Problem, did_you_mean, error_at
from teachvm.isa.assembler.expressions import Scope, UndefinedError, evaluate
from teachvm.isa.assembler.layout import Layout
from teachvm.isa.assembler.lexer import SourceLine
from teachvm.isa.assembler.parser import RESERVED, Parser
from teachvm.isa.assembler.preprocessor import Preprocessor, trailed
from teachvm.isa.assembler.resolver import Resolver
from teachvm.isa.assembler.statements import (
    Align,
    Code,
    Data,
    Equ,
    Item,
    Label,
    Placed,
    Reserve,
    RiscvCode,
    Statement,
    Times,
    symbols_of,
)
from teachvm.isa.keystone import Agreement, DisagreementError, agreement

_T = TypeVar("_T")


class _TooManyError(Exception):
    """As many problems as are shown at once."""


class _Assembling:
    """One source on its way to bytes."""

    def __init__(self, name: str, resolver: Resolver | None, ask: bool, steps: int) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.budget = limits.Budget(steps)
        self.parser = Parser(resolver, self.budget)
        self.preprocessor = Preprocessor(self.parser.constant, RESERVED, resolver, self.budget, self._unread)
        self.placed: list[Placed] = []
        self._ask = ask
        self._readable = True

    # --- Problems ----------------------------------------------------------------------------------------------

    def _unread(self, error: AsmError) -> None:
        """A problem that hides lines, so that names they define would seem undefined."""
        self._readable = False
        self.report(error)

    def report(self, error: AsmError) -> None:
        """Note the problems of an error.

        Raises:
            _TooManyError: That is enough.
        """
        for problem in error.problems:
            if problem not in self.problems:
                self.problems.append(problem)
            if len(self.problems) >= limits.ERRORS:
                raise _TooManyError

    def _undefined(self, name: str, token: Located) -> AsmError:
        if name in self.parser.defined:
            return error_at(token, f"the value of '{name}' depends on itself")
        hint = did_you_mean(name, self.parser.defined)
        return error_at(token, f"'{name}' is not defined", hint)

    def _attempt(self, index: int, action: Callable[[int], _T], reported: Container[str] = frozenset()) -> _T | None:
        """Do something for a statement, or note why not, unless that is a name whose value is `reported` already."""
        placed = self.placed[index]
        try:
            return action(index)
        except UndefinedError as unknown:
            if unknown.name in reported:
                return None
            error = self._undefined(unknown.name, unknown.token)
        except AsmError as raised:
            error = raised
        self.report(trailed(error, placed.trail))
        return None

    # --- The way through ---------------------------------------------------------------------------------------

    def run(self, source: str) -> Assembly:
        """Assemble the source.

        Raises:
            AsmError: It has problems.
        """
        try:
            self._read(source)
            layout = self._lay_out()
            if layout is not None and not self.problems:
                pieces = self._pieces(layout)
                if not self.problems:
                    return self._assembly(layout, pieces)
        except limits.ExhaustedError:
            last = self.preprocessor.visited[-1] if self.preprocessor.visited else SourceLine(self.name, 1, "")
            message = "this source asks for too much: too many lines, repetitions or expansions"
            self.problems.append(Problem(last.file, last.number, 1, message, source=last.text))
        except _TooManyError:
            pass
        raise AsmError(sorted(self.problems, key=self._reading_order))

    def _reading_order(self, problem: Problem) -> tuple[bool, str, int, int]:
        return problem.file != self.name, problem.file, problem.line, problem.column

    def _read(self, source: str) -> None:
        for line in self.preprocessor.lines(self.name, source):
            try:
                for statement in self.parser.statements(line.tokens):
                    self.placed.append(Placed(statement, line.origin, line.trail))
            except AsmError as error:
                self.report(trailed(error, line.trail))

    def _lay_out(self) -> Layout | None:
        layout = Layout(self.placed, self.parser.origin, self.budget)
        for index in range(len(self.placed)):
            if self._readable:
                self._attempt(index, self._check_names)
            self._attempt(index, layout.prepare)
        if self.problems:
            return None
        try:
            layout.settle()
        except AsmError as error:
            self.report(error)
        return layout

    def _check_names(self, index: int) -> None:
        for symbol in symbols_of(self.placed[index].statement):
            if symbol.name not in self.parser.defined:
                raise self._undefined(symbol.name, symbol.token)

    # --- Bytes -------------------------------------------------------------------------------------------------

    def _pieces(self, layout: Layout) -> list[Piece]:
        if layout.end - layout.origin > limits.OUTPUT_BYTES:
            index = next(i for i, size in enumerate(layout.sizes) if self._past_limit(layout, i, size))
            where = self.placed[index].origin
            message = f"the program grows beyond {limits.OUTPUT_BYTES} bytes here"
            self.report(AsmError([Problem(where.file, where.number, 1, message, source=where.text)]))
            return []
        pieces: list[Piece] = []
        for index in range(len(self.placed)):
            piece = self._attempt(index, lambda i: self._piece(layout, i), layout.unworkable)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def _past_limit(self, layout: Layout, index: int, size: int) -> bool:
        return layout.addresses[index] + size - layout.origin > limits.OUTPUT_BYTES

    def _piece(self, layout: Layout, index: int) -> Piece | None:
        """Bytes of one statement; None for what has none."""
        statement, origin = self.placed[index].statement, self.placed[index].origin
        layout.check_counts(index)
        scope, address = layout.scope(index), layout.addresses[index]
        data = b"".join(self._bytes(layout, index, statement, scope))
        if isinstance(statement, Equ):
            evaluate(statement.value, scope)
        if not data:
            return None
        opinion, rounds = None, 1
        body = statement
        if isinstance(statement, Times):
            body = statement.body
            rounds = len(data) // max(1, layout.body_size(index, body))
        if isinstance(body, RiscvCode):
            opinion = Agreement.NOT_ASKED
        elif isinstance(body, Code):
            opinion = self._opinion(body, data[: layout.instruction(index).size])
        return Piece(address, data, origin, opinion, rounds)

    def _opinion(self, code: Code, data: bytes) -> Agreement:
        if not self._ask:
            return Agreement.NOT_ASKED
        try:
            return agreement(data, code.bits)
        except DisagreementError as disagreement:
            raise error_at(code.word, str(disagreement), "one of the two is wrong") from None

    def _bytes(self, layout: Layout, index: int, statement: Statement, scope: Scope) -> Iterator[bytes]:
        match statement:
            case Code() | RiscvCode():
                yield layout.instruction(index).encoded(scope, layout.addresses[index])
            case Data(unit, items):
                for item in items:
                    yield self._item(unit, item, scope) if isinstance(item, Item) else item
            case Reserve() | Align():
                fill = statement.fill if isinstance(statement, Align) else 0
                yield bytes((fill,)) * layout.body_size(index, statement)
            case Times():
                yield from self._repeated(layout, index, statement, scope)
            case Label() | Equ():
                pass

    def _repeated(self, layout: Layout, index: int, times: Times, scope: Scope) -> Iterator[bytes]:
        count = evaluate(times.count, scope).number
        if not isinstance(times.body, Code | RiscvCode) or not layout.instruction(index).is_branch:
            yield b"".join(self._bytes(layout, index, times.body, scope)) * count
            return
        if count > limits.REPETITIONS:
            raise error_at(times.token, f"a jump can be repeated {limits.REPETITIONS} times at most, not {count}")
        instruction, address = layout.instruction(index), layout.addresses[index]
        for turn in range(count):
            # `$` stays where the first round is, but the distance shrinks as EIP moves on.
            yield instruction.encoded(scope, address + turn * instruction.size)

    def _item(self, unit: int, item: Item, scope: Scope) -> bytes:
        return item_bytes(unit, evaluate(item.value, scope), item.token)

    def _assembly(self, layout: Layout, pieces: list[Piece]) -> Assembly:
        return Assembly(
            name=self.name,
            origin=layout.origin,
            data=b"".join(piece.data for piece in pieces),
            symbols=MappingProxyType({name: value.number for name, value in layout.symbols.items()}),
            labels=frozenset(layout.labels),
            map=tuple(Span(p.address, len(p.data), p.source.file, p.source.number) for p in pieces),
            pieces=tuple(pieces),
            lines=tuple(self.preprocessor.visited),
            riscv=self.parser.riscv,
        )


def assemble(
    source: str,
    name: str = "guest.asm",
    resolver: Resolver | None = None,
    *,
    second_opinion: bool = True,
    steps: int = limits.STEPS,
) -> Assembly:
    """Assemble one source.

    Args:
        source: Its text.
        name: How messages and the map call it.
        resolver: Where `%include` and `incbin` find files; without one they are refused.
        second_opinion: Ask keystone about every instruction, where it is installed.
        steps: Work the source may ask for before it is refused.

    Raises:
        AsmError: The source has problems, `limits.ERRORS` of them at most.
    """
    return _Assembling(name, resolver, second_opinion, steps).run(source)
