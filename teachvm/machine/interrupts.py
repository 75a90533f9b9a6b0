"""Delivery of exceptions and interrupts through the IDT, and the way from one fault to the next.

Source: Intel SDM Vol. 3A, §6.10 to §6.14 (IDT, procedures, error codes), §6.15 (#DF), Table 6-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teachvm.isa.descriptors import (
    DESCRIPTOR_SIZE,
    INTERRUPT_GATE_16,
    INTERRUPT_GATE_32,
    TASK_GATE,
    TRAP_GATE_16,
    TRAP_GATE_32,
    Gate,
    Segment,
)
from teachvm.isa.exceptions import Vector, becomes_double_fault, gate_error
from teachvm.isa.flags import IF, NT, RF, TF, VM
from teachvm.isa.operands import CS, ESP, SS
from teachvm.machine.events import ExceptionRaised, HandlerEntered
from teachvm.machine.exceptions import Fault, Interruption, Source, StopReason, general_protection, selector_fault
from teachvm.machine.registers import MASK32
from teachvm.machine.selectors import at_cpl, mark_accessed, push_on_inner_stack, require_code_descriptor

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

HANDLER_GATES = frozenset((INTERRUPT_GATE_16, INTERRUPT_GATE_32, TRAP_GATE_16, TRAP_GATE_32, TASK_GATE))
"""Gate types an IDT entry may have."""


class Target(NamedTuple):
    """Where a gate leads."""

    size: int
    """Bytes of each value pushed."""
    offset: int
    code: Segment
    cpl: int
    cleared: int
    """Flags the handler starts without."""


def deliver_through_idt(cpu: Cpu, interruption: Interruption) -> None:
    """Enter the handler that the IDT names: push the frame through the MMU, load CS:EIP.

    A fault met on the way is delivered instead, as a double fault if the two are so related. The exception is a
    software interrupt: its fault belongs to the INT instruction and is raised to the caller.

    Raises:
        Fault: Only for a software interrupt that cannot be delivered; nothing has changed then.
        CpuStopped: Triple fault, or a task gate.

    Source: Intel SDM Vol. 3A, §6.12.1.
    """
    current = interruption
    from_cpl = cpu.cpl
    # INT n takes the single step of its own back; what pushing the frame meets is reported in the handler.
    cpu.trap_pending = False
    while True:
        try:
            if current.cr2 is not None:
                cpu.cr2 = current.cr2
            cpu.delivering = current
            _enter_handler(cpu, current)
            break
        except Fault as fault:
            if current.external and fault.error is not None and fault.vector != Vector.PF:
                fault.error |= 1
            if current.source is Source.SOFTWARE:
                cpu.delivering = None
                raise
            cpu.delivery_fault(current, fault)
            current = _escalate(cpu, current, fault)
    cpu.delivering = None
    cpu.halted = False
    cpu.shadow = False
    cpu.mark(HandlerEntered, vector=current.vector, from_cpl=from_cpl, to_cpl=cpu.cpl, eip=cpu.eip)


def _escalate(cpu: Cpu, first: Interruption, second: Fault) -> Interruption:
    """What is delivered after a fault during delivery.

    Raises:
        CpuStopped: A fault while delivering #DF.
    """
    if first.vector == Vector.DF and first.source is not Source.EXTERNAL:
        raise cpu.stop(StopReason.TRIPLE_FAULT, f"{second} while delivering #DF, eip {first.eip:#010x}")
    if first.source is not Source.EXTERNAL and becomes_double_fault(first.vector, second.vector):
        following = Interruption(int(Vector.DF), 0, Source.FAULT, first.eip)
    else:
        following = Interruption(int(second.vector), second.error, Source.FAULT, first.eip, second.cr2)
    if second.cr2 is not None:
        cpu.cr2 = second.cr2
    cpu.mark(
        ExceptionRaised,
        vector=following.vector,
        error=following.error,
        eip=following.eip,
        cpl=cpu.cpl,
        cr2=following.cr2,
    )
    return following


def _enter_handler(cpu: Cpu, interruption: Interruption) -> None:
    """Deliver one interruption: every check and every store that can fault comes before the first change.

    Raises:
        Fault: Delivery is impossible.
        CpuStopped: The gate is a task gate.
    """
    size, offset, code, cpl, cleared = _resolve_gate(cpu, interruption)
    if offset > code.limit:
        raise general_protection()
    eflags = cpu.eflags
    saved = eflags | RF if interruption.source is Source.FAULT else eflags
    frame = [saved, cpu.segs[CS].selector, interruption.eip]
    if interruption.error is not None:
        frame.append(interruption.error)
    if cpl != cpu.cpl:
        frame[:0] = [cpu.segs[SS].selector, cpu.regs[ESP]]
    if size == 2:
        frame = [value & 0xFFFF for value in frame]
    if cpl != cpu.cpl:
        push_on_inner_stack(cpu, cpl, size, frame)
    else:
        cpu.push_all(size, frame)
    cpu.eflags = eflags & ~cleared
    cpu.segs[CS] = code
    cpu.cpl = cpl
    cpu.eip = offset


def _resolve_gate(cpu: Cpu, interruption: Interruption) -> Target:
    """The gate of a vector and the code segment behind it, both checked.

    Raises:
        Fault: #GP or #NP for the gate (error code 8 * vector + 2) or for the code segment; #PF.
        CpuStopped: A task gate.
    """
    vector, software = interruption.vector, interruption.source is Source.SOFTWARE
    known = remembered_gate(cpu, vector, cpu.cpl, software=software)
    if known is not None:
        return known
    where = vector * DESCRIPTOR_SIZE
    if where + DESCRIPTOR_SIZE - 1 > cpu.idtr.limit:
        raise general_protection(gate_error(vector))
    linear = cpu.idtr.base + where & MASK32
    raw = cpu.read_linear(linear, DESCRIPTOR_SIZE)
    gate = Gate.unpack(raw.to_bytes(DESCRIPTOR_SIZE, "little"))
    if gate is None or gate.type not in HANDLER_GATES:
        raise general_protection(gate_error(vector))
    if software and gate.dpl < cpu.cpl:
        raise general_protection(gate_error(vector))
    if not gate.present:
        raise Fault(Vector.NP, gate_error(vector))
    if gate.type == TASK_GATE:
        raise cpu.stop(StopReason.TASK_SWITCH, f"vector {vector} has a task gate")
    found = require_code_descriptor(cpu, gate.selector)
    segment = found.segment
    if segment.dpl > cpu.cpl:
        raise selector_fault(Vector.GP, gate.selector)
    if not segment.present:
        raise selector_fault(Vector.NP, gate.selector)
    cpl = cpu.cpl if segment.conforming else segment.dpl
    cleared = TF | NT | RF | VM | (IF if gate.clears_if else 0)
    code = at_cpl(mark_accessed(cpu, found), cpl)
    target = Target(4 if gate.is_32 else 2, gate.offset, code, cpl, cleared)
    cpu.concluded.keep(cpu, ("gate", vector, software, cpu.cpl), target, linear, found.linear)
    return target


def remembered_gate(cpu: Cpu, vector: int, cpl: int, *, software: bool = True) -> Target | None:
    """Where a vector's gate leads from a ring, if its checks came out well before and would again."""
    known: Target | None = cpu.concluded.of(cpu).get(("gate", vector, software, cpl))
    return known
