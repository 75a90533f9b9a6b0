"""Addresses for statements: every jump as short as its distance allows, every name where it ends up.

Rounds: every statement gets an address and every name a value; jumps start short, and those that do not reach
are longer in the same round; until a round changes nothing. So the result depends on the source alone, and the rounds
are bounded. Source: Szymanski, "Assembling code for machines with span-dependent instructions", CACM 1978; the order
is NASM's, so that both come to the same lengths.
"""

from contextlib import suppress
from typing import Final

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import AsmError, error_at
from teachvm.isa.assembler.expressions import Expression, Scope, UndefinedError, Value, evaluate
from teachvm.isa.assembler.instructions import Growth, Instruction
from teachvm.isa.assembler.riscv import RiscvInstruction
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
)

_SOMEWHERE: Final = Value(0, 1)


def _growth(turn: int) -> Growth:
    """Jumps may shrink again at first; then they only grow; in the end they all are long, and that is an end."""
    if turn < limits.LAYOUT_ROUNDS // 2:
        return Growth.FREE
    return Growth.STICKY if turn < limits.LAYOUT_ROUNDS - 4 else Growth.LONGEST


class Layout:
    """Places statements from `origin` on.

    Shape: `addresses` and `sizes` in bytes, one for each statement; `symbols` as they end up, `labels` the names of
    addresses among them, `unworkable` the names of values that cannot be worked out; `end` is the address after the
    last byte.
    """

    def __init__(self, placed: list[Placed], origin: int, budget: limits.Budget) -> None:
        self.placed = placed
        self.addresses = [origin] * len(placed)
        self.sizes = [0] * len(placed)
        self.symbols: dict[str, Value] = {}
        self.labels: set[str] = set()
        self.unworkable: set[str] = set()
        self.end = origin
        self.origin = origin
        self._budget = budget
        self._instructions: dict[int, Instruction | RiscvInstruction] = {}

    def instruction(self, index: int) -> Instruction | RiscvInstruction:
        """The instruction of the statement `index`, also of one under `times`."""
        return self._instructions[index]

    def prepare(self, index: int) -> None:
        """Settle what a statement's instruction can be before there are addresses.

        Raises:
            AsmError: There is no such instruction.
        """
        statement = self.placed[index].statement
        body = statement.body if isinstance(statement, Times) else statement
        if isinstance(body, Code):
            self._instructions[index] = Instruction(body)
        elif isinstance(body, RiscvCode):
            self._instructions[index] = RiscvInstruction(body)

    def scope(self, index: int) -> Scope:
        """What names mean in the statement `index`, after the layout."""
        return Scope(self.symbols.get, Value(self.addresses[index], 1), Value(self.origin, 1))

    def settle(self) -> None:
        """Find an address for everything.

        Raises:
            AsmError: A size is not known in time, or the sizes never come to rest.
        """
        for turn in range(limits.LAYOUT_ROUNDS):
            before, sizes = self.symbols, list(self.sizes)
            self._place(before, _growth(turn))
            if self.sizes == sizes and self.symbols == before:
                return
        index = next((i for i in self._instructions if self.sizes[i] != sizes[i]), next(iter(self._instructions)))
        raise error_at(self._instructions[index].token, "the length of this instruction depends on itself")

    def _place(self, before: dict[str, Value], growth: Growth) -> None:
        """Give out addresses from the first statement to the last; names from below mean what they meant `before`."""
        self.symbols = known = {}
        self.unworkable.clear()
        pending: list[int] = []
        address = self.origin
        start = Value(self.origin, 1)
        self._budget.spend(len(self.placed))
        for index, placed in enumerate(self.placed):
            self.addresses[index] = address
            statement = placed.statement
            match statement:
                case Label(name):
                    known[name] = Value(address, 1)
                    self.labels.add(name)
                case Equ():
                    if not self._define(index, statement):
                        pending.append(index)
                case _:
                    if index in self._instructions:
                        scope = Scope(lambda name: known.get(name) or before.get(name), Value(address, 1), start)
                        self._settle_instruction(index, scope, growth)
                    self.sizes[index] = self.body_size(index, statement)
                    address += self.sizes[index]
        self.end = address
        self._resolve(pending)

    def _settle_instruction(self, index: int, scope: Scope, growth: Growth) -> None:
        """Let an instruction take the size its operands need now; problems are reported after the last round."""
        instruction, address = self._instructions[index], self.addresses[index]
        self._budget.spend(1 if instruction.is_branch else limits.ENCODING_STEPS)
        with suppress(AsmError):
            try:
                instruction.settle(scope, address, growth)
                statement = self.placed[index].statement
                if isinstance(statement, Times):
                    # Its rounds share one size, so the last must reach as well as the first.
                    rounds = self._count(index, statement.count)
                    last = address + max(0, rounds - 1) * instruction.size
                    instruction.settle(scope, last, Growth.STICKY if growth is Growth.FREE else growth)
            except UndefinedError:
                # In the first round, names from below; they are taken for addresses, as most of them are.
                assumed = Scope(lambda name: scope.lookup(name) or _SOMEWHERE, scope.here, scope.start)
                if not instruction.is_branch:
                    instruction.settle(assumed, address, growth)

    def _resolve(self, pending: list[int]) -> None:
        """Names for values that stand below them; from the last to the first, as often as one is found."""
        while pending:
            left: list[int] = []
            for index in reversed(pending):
                self._budget.spend()
                statement = self.placed[index].statement
                if isinstance(statement, Equ) and not self._define(index, statement):
                    left.append(index)
            if len(left) == len(pending):
                return
            pending = left[::-1]

    def _define(self, index: int, equ: Equ) -> bool:
        """Give a name its value, unless that needs names from below."""
        try:
            self.symbols[equ.name] = evaluate(equ.value, self.scope(index))
        except UndefinedError:
            return False
        except AsmError:
            # Of values that may change yet; what is wrong is reported after the last round.
            self.unworkable.add(equ.name)
        return True

    # --- Sizes -------------------------------------------------------------------------------------------------

    def body_size(self, index: int, statement: Statement) -> int:
        """Bytes of the statement `index`, or of what its `times` repeats."""
        match statement:
            case Code() | RiscvCode():
                return self._instructions[index].size
            case Data():
                return data_size(statement)
            case Reserve(unit, count):
                return unit * self._count(index, count)
            case Align(boundary):
                return (self.origin - self.addresses[index]) % boundary
            case Times(count, _, body):
                return self._count(index, count) * self.body_size(index, body)
            case _:
                return 0

    def _count(self, index: int, count: Expression) -> int:
        """How often something is repeated: from what stands above, since everything below moves with it."""
        try:
            value = evaluate(count, self.scope(index))
        except UndefinedError as unknown:
            raise error_at(unknown.token, f"the count must be known above, and '{unknown.name}' is not") from None
        except AsmError:
            return 0  # of values that may change yet; `check_counts` has the last word
        # Before the sizes are settled a count may pass through values it will not keep.
        return max(0, min(value.number, limits.OUTPUT_BYTES + 1))

    def check_counts(self, index: int) -> None:
        """Refuse a count that ended up negative or too large.

        Raises:
            AsmError: It did.
        """
        statement = self.placed[index].statement
        repeated = statement if isinstance(statement, Times | Reserve) else None
        if isinstance(statement, Times) and isinstance(statement.body, Reserve):
            self._check(index, statement.body)
        if repeated is not None:
            self._check(index, repeated)

    def _check(self, index: int, repeated: Times | Reserve) -> None:
        value = evaluate(repeated.count, self.scope(index))
        number = value.number
        if value.addresses:
            raise error_at(repeated.token, "the count is an address", "label - label is a number")
        if number < 0:
            hint = "there is no room left" if isinstance(repeated, Times) else ""
            raise error_at(repeated.token, f"the count is {number}", hint)
        if number > limits.OUTPUT_BYTES:
            raise error_at(repeated.token, f"the count {number} is more than {limits.OUTPUT_BYTES}")


def data_size(data: Data) -> int:
    """Bytes of a data directive."""
    return sum(data.unit if isinstance(item, Item) else len(item) for item in data.items)
