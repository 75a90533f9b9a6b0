"""One instruction specialised: its meaning, its operands, and what its flags matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teachvm.isa.conditions import BY_MNEMONIC
from teachvm.isa.descriptors import Segment
from teachvm.isa.flags import STATUS
from teachvm.isa.row import InstructionClass
from teachvm.machine.condition import ConditionCode, condition_code
from teachvm.machine.instructions.meanings import meaning_of
from teachvm.machine.operation import Operation
from teachvm.machine.tiers.evaluate import CPU, ConditionTable, Evaluator
from teachvm.machine.tiers.values import Code, Known, UnsupportedError, Value


class _Condition:
    """What a meaning sees of a condition: a table that, asked, asks the flags."""

    def __init__(self, condition: ConditionCode) -> None:
        self.table = ConditionTable(condition)


class Specialiser(Evaluator):
    """An evaluator that takes whole instructions."""

    def specialise(self, operation: Operation) -> None:
        """Write one instruction's code; `branch` or `target` say where it goes, if not on.

        Raises:
            UnsupportedError: It has to stay with tier 0.
        """
        insn = operation.insn
        entry = meaning_of(insn)
        self.begin()
        arguments: list[Value] = [CPU]
        condition = BY_MNEMONIC.get(insn.row.mnemonic)
        if condition is not None:
            arguments.append(Known(_Condition(condition_code(condition.code))))
        if entry.shaped:
            arguments.append(Known(insn))
        arguments += [Known(operand) for operand in operation.operands]
        result = self.call(entry.function, arguments)
        if result != Known(None):
            raise UnsupportedError("an instruction that says how many cycles it took")


@dataclass(frozen=True, slots=True)
class Traits:
    """What an instruction does, as far as others have to know.

    Attributes:
        may_leave: It may leave compiled code, before it has done anything.
        overwrites: Status flags it writes in any case.
        tests: Status flags it looks at.
    """

    may_leave: bool
    overwrites: int
    tests: int


def traits(operation: Operation, next_eip: int, segments: tuple[Segment, ...]) -> Traits | None:
    """Specialise an instruction on trial; None if it cannot be compiled."""
    insn = operation.insn
    if insn.row.klass is not InstructionClass.INNOCUOUS or insn.lock or insn.rep or insn.row.intercept is not None:
        return None
    trial = Specialiser(segments)
    trial.next_eip = next_eip
    # Flags as some earlier instruction may have left them, so that what depends on registers is exercised too.
    trial.flags.write(STATUS, Code("t0 + r0", frozenset(("t0", "r0")), 32, loose=True))
    try:
        trial.specialise(operation)
    except (UnsupportedError, AttributeError, KeyError, TypeError, IndexError):
        return None
    tests = insn.row.flags.tested & STATUS
    if trial.asks_flags and not tests:
        tests = STATUS
    return Traits(trial.may_leave, trial.wrote_flags, tests)


def dead_flags(instructions: Sequence[Traits]) -> list[bool]:
    """For each instruction, whether the flags it writes are overwritten before anybody can see them.

    Flags are seen by instructions that test them, at the end of the block, and before an instruction that may leave.
    """
    dead = [False] * len(instructions)
    live = STATUS
    for index in range(len(instructions) - 1, -1, -1):
        each = instructions[index]
        dead[index] = not each.overwrites & live and bool(each.overwrites)
        live = live & ~each.overwrites | each.tests
        if each.may_leave:
            live = STATUS
    return dead
