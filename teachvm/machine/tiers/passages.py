"""Ways between rings that compiled code takes again: INT n and IRET, as they went the last time they were executed.

The plain functions in `interrupts` and `transfers` do the checks and leave what they concluded; a passage holds that,
reads and writes the frame in one piece, and changes the registers. Whatever is not as it was then (another table,
another stack, a frame over a page's edge, flags that need care) it leaves to them, before it has changed anything.

Source: Intel SDM Vol. 3A, §6.12.1 (handler procedures); Vol. 2A, INT n and IRET.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from teachvm.isa.descriptors import Segment
from teachvm.isa.flags import NT, RESERVED_ONE, RF, TF, VM
from teachvm.isa.operands import CS, ESP, SS
from teachvm.machine.events import HandlerEntered, InterruptReturned, SoftwareInterrupted
from teachvm.machine.interrupts import deliver_through_idt, remembered_gate
from teachvm.machine.registers import MASK32
from teachvm.machine.selectors import remembered_stack
from teachvm.machine.tiers.border import is_flat
from teachvm.machine.transfers import returned_flags

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu
    from teachvm.machine.operation import Operation
    from teachvm.machine.tlb import PageMap

INTERRUPT, RETURN = "INT", "IRETD"
PASSED: Final = (INTERRUPT, RETURN)
"""Instructions there are passages for."""
CAREFUL: Final = TF | RF | NT | VM
"""EFLAGS bits with which a return is left to the plain function."""
_INNER, _SAME = Struct("<5I"), Struct("<3I")
"""Frames with and without a change of rings, upwards from the stack top."""
_LAST: Final = 0x1000 - _INNER.size
"""Last offset in a page at which a frame lies in one piece."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage leads: what compiled code is found by.

    Attributes:
        noted: The segment registers, and what the engine has at hand with them.
        cpl: The privilege level.
    """

    noted: tuple[list[Segment], Any, Any]
    cpl: int

    @property
    def segs(self) -> list[Segment]:
        """The segment registers."""
        return self.noted[0]


Take = Callable[[], Place | None]
"""Do the instruction; None if the plain function has to, and nothing has changed."""


@dataclass(slots=True)
class Passage:
    """An instruction that was executed before, in the same segments and ring.

    Attributes:
        operation: The instruction.
        take: Does it.
        places: Where it led, by the selectors in the frame; shared with `take`.
    """

    operation: Operation
    take: Take
    places: dict[int, Place]


def interrupt_passage(
    cpu: Cpu, operation: Operation, eip: int, cpl: int, place: Place, writes: PageMap
) -> Passage | None:
    """INT n as it was just executed; None if it is one that is left to the plain functions.

    Args:
        cpu: The processor, in the handler.
        operation: The instruction.
        eip: Its address.
        cpl: Where it came from.
        place: Where it is now.
        writes: Compiled code's page map for stores to the handler's stack.
    """
    recorder, ram, vector = cpu.recorder, cpu.ram, operation.insn.operands[0].value  # type: ignore[union-attr]  # an immediate
    gate = remembered_gate(cpu, vector, cpl)
    if gate is None or gate.size != 4 or recorder is None or ram is None or cpu.deliver is not deliver_through_idt:
        return None
    inner = gate.cpl != cpl
    stack = remembered_stack(cpu, gate.cpl) if inner else None
    if not is_flat(place.segs[SS]) or not place.segs[SS].big or (inner and stack is None):
        return None
    words = memoryview(b"") if stack is None else stack[0]
    idtr, gdtr, ldtr, tr = cpu.idtr, cpu.gdtr, cpu.ldtr, cpu.tr
    code, segment, regs, memory, kept = place.segs[CS], place.segs[SS], cpu.regs, ram.bytes_, ~gate.cleared
    record, mark, offset, new_cpl = recorder.record, recorder.record_phase, gate.offset, gate.cpl
    after = eip + operation.length & MASK32
    raised = {"vector": vector, "eip": eip, "cpl": cpl, "cpu": cpu.name}
    entered = {"vector": vector, "from_cpl": cpl, "to_cpl": new_cpl, "eip": offset, "cpu": cpu.name}
    size = _INNER.size if inner else _SAME.size

    def take() -> Place | None:
        if cpu.idtr is not idtr or cpu.gdtr is not gdtr or cpu.tr is not tr or cpu.ldtr is not ldtr:
            return None
        esp = regs[ESP]
        if inner and words[1] & 0xFFFF != segment.selector:
            return None
        low = (words[0] if inner else esp) - size
        delta = writes.get(low >> 12)
        if delta is None or low & 3 or low & 0xFFF > _LAST:
            return None
        segs, eflags = cpu.segs, cpu.eflags
        record(SoftwareInterrupted, raised)
        if inner:
            _INNER.pack_into(memory, low + delta, after, segs[CS].selector, eflags, esp, segs[SS].selector)
        else:
            _SAME.pack_into(memory, low + delta, after, segs[CS].selector, eflags)
        regs[ESP] = low
        segs[CS], segs[SS] = code, segment
        cpu.eflags, cpu.cpl, cpu.eip = eflags & kept, new_cpl, offset
        mark(HandlerEntered, entered)
        return place

    return Passage(operation, take, {})


def return_passage(cpu: Cpu, operation: Operation, segs: list[Segment], cpl: int, reads: PageMap) -> Passage | None:
    """IRET from a ring and its segments; where it leads is added to its `places` each time it led somewhere else.

    Args:
        cpu: The processor.
        operation: The instruction.
        segs: The segment registers before it.
        cpl: The ring it returns from.
        reads: Compiled code's page map for reads from that ring's stack.
    """
    recorder, ram = cpu.recorder, cpu.ram
    if operation.insn.opsize != 32 or recorder is None or ram is None:
        return None
    if not is_flat(segs[SS]) or not segs[SS].big:
        return None
    gdtr, ldtr, regs, memory, record = cpu.gdtr, cpu.ldtr, cpu.regs, ram.bytes_, recorder.record
    places: dict[int, Place] = {}
    name = cpu.name

    def take() -> Place | None:
        esp, eflags = regs[ESP], cpu.eflags
        delta = reads.get(esp >> 12)
        if delta is None or esp & 3 or esp & 0xFFF > _LAST or cpu.gdtr is not gdtr or cpu.ldtr is not ldtr:
            return None
        eip, selector, image, outer_esp, outer = _INNER.unpack_from(memory, esp + delta)
        ring = selector & 3
        place = places.get((selector & 0xFFFF) << 16 | (outer & 0xFFFF if ring != cpl else 0))
        if place is None or (image | eflags) & CAREFUL:
            return None
        segs = place.noted[0]
        if eip > segs[CS].limit:
            return None
        regs[ESP] = outer_esp if ring != cpl else esp + _SAME.size & MASK32
        cpu.segs[:] = segs
        cpu.cpl = ring
        changed = returned_flags(cpl, eflags)
        cpu.eflags = eflags & ~changed | (image | RESERVED_ONE) & changed
        record(InterruptReturned, {"from_cpl": cpl, "to_cpl": ring, "eip": eip, "cpu": name})
        cpu.eip = eip
        return place

    return Passage(operation, take, places)


def led_to(passage: Passage, cpl: int, place: Place) -> None:
    """Note where a return from a ring led, for the next one with the same selectors in its frame."""
    code, stack = place.segs[CS], place.segs[SS]
    passage.places[code.selector << 16 | (stack.selector if place.cpl != cpl else 0)] = place
