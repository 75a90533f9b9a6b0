"""Which instructions are joined: blocks, and where control goes from them.

Source: the blocks are those of any compiler textbook; what is cut off is what tier 0 has to execute.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from teachvm.isa.operands import ESP, Reg
from teachvm.machine.bound import Constant, Target
from teachvm.machine.operation import Operation
from teachvm.machine.registers import MASK32
from teachvm.machine.tiers.specialise import Traits

MOST_INSTRUCTIONS: Final = 48
"""Instructions of one function, or a few more: it is compiled within a frame."""
MOST_BLOCK: Final = 32
"""Instructions of one block."""


@dataclass(slots=True)
class Block:
    """Instructions that follow each other up to a transfer; `start` is a linear address (CS is flat).

    Attributes:
        start: Of the first instruction.
        operations: The instructions.
        addresses: Theirs.
        traits: Theirs.
        end: Behind the last one.
        transfers: The last one is a transfer of control.
    """

    start: int
    operations: list[Operation]
    addresses: list[int]
    traits: list[Traits]
    end: int
    transfers: bool = False


Fetch = Callable[[int], Operation | None]
"""The decoded instruction at an address of this page, or None."""

Known = Callable[[Operation, int], Traits | None]
"""The traits of an instruction and the address behind it; None if it cannot be compiled."""


def discover(entry: int, fetch: Fetch, known: Known, barriers: Collection[int] = ()) -> dict[int, Block]:
    """Blocks reachable from an entry by direct transfers inside its page, breadth first.

    Args:
        entry: Linear address of the first instruction.
        fetch: Where instructions come from.
        known: What is known of them.
        barriers: Addresses other than the entry that belong to no block.
    """
    blocks: dict[int, Block] = {}
    todo = [entry]
    total = 0
    while todo and total < MOST_INSTRUCTIONS:
        start = todo.pop(0)
        if start in blocks or start >> 12 != entry >> 12 or (start in barriers and start != entry):
            continue
        block = _block(start, fetch, known, barriers)
        if not block.operations:
            continue
        blocks[start] = block
        total += len(block.operations)
        todo += successors(block)
    return blocks


def _block(start: int, fetch: Fetch, known: Known, barriers: Collection[int]) -> Block:
    block = Block(start, [], [], [], start)
    while len(block.operations) < MOST_BLOCK and block.end >> 12 == start >> 12:
        at = block.end
        if at in barriers and at != start:
            break
        operation = fetch(at)
        if operation is None:
            break
        end = at + operation.length & MASK32
        found = known(operation, end)
        if found is None:
            break
        block.operations.append(operation)
        block.addresses.append(at)
        block.traits.append(found)
        block.end = end
        if operation.insn.row.terminator:
            block.transfers = True
            break
    return block


def successors(block: Block) -> list[int]:
    """Where control can go directly from a block."""
    last = block.operations[-1]
    if not block.transfers:
        return [block.end]
    relative = [operand for operand in last.operands if isinstance(operand, Target)]
    if not relative:
        return []
    target = block.end + relative[0].value & relative[0].mask
    if last.insn.row.mnemonic == "JMP":
        return [target]
    return [target, block.end]


def around(entry: int, blocks: dict[int, Block]) -> dict[int, Block]:
    """The loop around an entry: the blocks from which control can come back to it directly; empty if none can."""
    back: set[int] = set()
    while True:
        more = {
            start
            for start, block in blocks.items()
            if start not in back and any(target == entry or target in back for target in successors(block))
        }
        if not more:
            return {start: block for start, block in blocks.items() if start in back}
        back |= more


_BALANCED: Final = ("PUSH", "POP", "CALL", "RET")
"""Instructions that move ESP by an operand's size."""


def keeps_alignment(operation: Operation) -> bool:
    """Whether ESP stays a multiple of four if it was one."""
    insn, operands = operation.insn, operation.operands
    mnemonic = insn.row.mnemonic
    to_esp = bool(insn.operands) and isinstance(insn.operands[0], Reg) and _is_stack_pointer(insn.operands[0])
    if mnemonic in _BALANCED:
        released = operands[0] if mnemonic == "RET" and operands else None
        odd = isinstance(released, Constant) and released.value & 3
        return insn.opsize == 32 and not odd and not (mnemonic == "POP" and to_esp)
    if mnemonic in ("ADD", "SUB") and to_esp and insn.operands[0] == Reg(ESP, 32):
        return isinstance(operands[1], Constant) and not operands[1].value & 3
    if mnemonic in ("CMP", "TEST"):
        return True
    others = any(isinstance(operand, Reg) and _is_stack_pointer(operand) for operand in insn.operands[1:])
    swaps = mnemonic in ("XCHG", "XADD", "CMPXCHG") and others
    return not to_esp and not swaps and (mnemonic not in _MOVES_ESP or (insn.opsize == 32 and mnemonic != "LEAVE"))


_MOVES_ESP: Final = ("LEAVE", "ENTER", "PUSHFD", "POPFD", "PUSHAD", "POPAD")


def _is_stack_pointer(register: Reg) -> bool:
    return register.index == ESP and register.width != 8
