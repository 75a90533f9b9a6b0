"""Decoded instructions made executable: a meaning with its operands bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from teachvm.isa.conditions import BY_MNEMONIC
from teachvm.isa.control import CR0_EM, CR0_TS
from teachvm.isa.decode import Insn, TooLong, UndefinedOpcode, decode
from teachvm.isa.exceptions import Vector
from teachvm.isa.operands import Creg, Dreg, Far, Imm, Mem, Operand, Reg, Rel, Sreg
from teachvm.isa.row import InstructionClass
from teachvm.isa.rows.absent import ESCAPES
from teachvm.machine.bound import (
    Bound,
    Constant,
    ControlRegister,
    DebugRegister,
    FarPointer,
    Register16,
    Register32,
    RegisterHigh,
    RegisterLow,
    SegmentRegister,
    Target,
)
from teachvm.machine.bound_memory import bind_memory
from teachvm.machine.condition import condition_code
from teachvm.machine.exceptions import Fault, general_protection, invalid_opcode
from teachvm.machine.instructions import Meaning, meaning_of

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

Execute = Callable[["Cpu"], int | None]
"""Does the instruction; returns its cycles where that is not one."""

REMEMBERED: Final = 4096
"""Recently decoded windows kept for code that no memory keeps decoded."""


class Operation:
    """One instruction ready to execute, independent of where it lies and of whose processor executes it.

    Attributes:
        execute: Takes the CPU; with `eip` at the instruction and `next_eip` behind it.
        length: Bytes.
        insn: As decoded.
        operands: Bound, in the row's order.
    """

    __slots__ = ("execute", "insn", "length", "operands")

    def __init__(self, insn: Insn) -> None:
        entry = meaning_of(insn)
        popped = insn.row.mnemonic == "POP"
        self.insn = insn
        self.length = insn.length
        self.operands = tuple(bind_operand(operand, insn.opsize, popped=popped) for operand in insn.operands)
        run = entry.function
        arguments: tuple[object, ...] = (insn, *self.operands) if entry.shaped else self.operands
        condition = BY_MNEMONIC.get(insn.row.mnemonic)
        if condition is not None:
            arguments = (condition_code(condition.code), *arguments)
        self.execute: Execute = _applied(run, arguments)
        if insn.row.intercept is not None:
            self.execute = _interceptable(self, self.execute)
        if insn.row.klass is InstructionClass.PRIVILEGED:
            self.execute = _privileged(self.execute)


def bind_operand(operand: Operand, opsize: int, *, popped: bool = False) -> Bound:
    """Bind one decoded operand.

    Args:
        operand: As decoded.
        opsize: Operand size of the instruction, 16 or 32.
        popped: It is the destination of a POP.
    """
    match operand:
        case Reg(index, width):
            return _bind_register(index, width)
        case Mem():
            return bind_memory(operand, popped=popped)
        case Imm(value, width):
            return Constant(value, width)
        case Rel(displacement):
            return Target(displacement, opsize)
        case Far(selector, offset):
            return FarPointer(selector << opsize | offset, opsize + 16)
        case Sreg(index):
            return SegmentRegister(index)
        case Creg(index):
            return ControlRegister(index)
        case Dreg(index):
            return DebugRegister(index)


def _bind_register(index: int, width: int) -> Bound:
    if width == 32:
        return Register32(index)
    if width == 16:
        return Register16(index)
    return RegisterHigh(index - 4) if index >= 4 else RegisterLow(index)


def _applied(run: Meaning, arguments: tuple[object, ...]) -> Execute:
    """The meaning with its operands in place, in a call of fixed shape: unpacking a tuple costs half as much again."""
    match arguments:
        case ():
            return run
        case (a,):
            return lambda cpu: run(cpu, a)
        case (a, b):
            return lambda cpu: run(cpu, a, b)
        case (a, b, c):
            return lambda cpu: run(cpu, a, b, c)
        case _:
            return lambda cpu: run(cpu, *arguments)


def _interceptable(operation: Operation, execute: Execute) -> Execute:
    """Ask the processor's hook first, if it has one; the privilege check comes before it.

    Source: Intel SDM Vol. 3C, ch. 25: faults that privilege causes take precedence over exits.
    """

    def ask(cpu: Cpu) -> int | None:
        if cpu.intercept is not None and cpu.intercept(operation):
            return None
        return execute(cpu)

    return ask


def _privileged(execute: Execute) -> Execute:
    """Refuse outside ring 0, as the row's class says."""

    def check(cpu: Cpu) -> int | None:
        if cpu.cpl:
            raise general_protection()
        return execute(cpu)

    return check


@lru_cache(maxsize=REMEMBERED)
def decoded(code: bytes, bits: int) -> Operation:
    """Decode and bind the instruction at the start of `code`.

    Raises:
        DecodeError: As `isa.decode.decode`.
    """
    for length in range(1, len(code) + 1):
        known = _WHOLE.get((code[:length], bits))
        if known is not None:
            return known
    operation = _distant(code, bits) or Operation(decode(code, bits))
    if len(_WHOLE) >= REMEMBERED:
        _WHOLE.clear()
    insn = operation.insn
    _WHOLE[code[: insn.length], bits] = operation
    if len(insn.operands) == 1 and isinstance(insn.operands[0], Rel) and insn.fields[-1].size == DISTANCE:
        _DISTANT[code[: insn.length - DISTANCE], bits] = insn
    return operation


_WHOLE: Final[dict[tuple[bytes, int], Operation]] = {}
"""Instructions by exactly their bytes: no instruction is the beginning of another."""
_DISTANT: Final[dict[tuple[bytes, int], Insn]] = {}
"""Transfers with a distance of 32 bits, one of each by the bytes before it: in that alone they differ."""
DISTANCE: Final = 4


def _distant(code: bytes, bits: int) -> Operation | None:
    """The instruction, if it is the same as one decoded before but for the distance to its target."""
    for length in (1, 2):
        like = _DISTANT.get((code[:length], bits))
        if like is not None and len(code) >= length + DISTANCE:
            target = Rel(int.from_bytes(code[length : length + DISTANCE], "little", signed=True))
            return Operation(
                Insn(like.row, like.length, (target,), like.opsize, like.adsize, like.lock, like.rep, like.fields)
            )
    return None


def fetched(code: bytes, bits: int, cr0: int = 0) -> Operation:
    """Decode and bind, with the decoder's refusals as the exceptions they are.

    Args:
        code: As many bytes of the instruction as can be read.
        bits: 16 or 32, by CS.D.
        cr0: Its EM and TS say that an instruction for the FPU is #NM.

    Raises:
        Truncated: The instruction goes on beyond `code`.
        Fault: #UD, #NM, #GP(0).
    """
    try:
        return decoded(code, bits)
    except UndefinedOpcode as refused:
        if refused.opcode in ESCAPES and cr0 & (CR0_EM | CR0_TS):
            raise Fault(Vector.NM) from None
        raise invalid_opcode() from None
    except TooLong:
        raise general_protection() from None
