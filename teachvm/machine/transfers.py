"""Far control transfers: jumps, calls and returns between segments and rings, call gates, IRET.

Each does all its checks and every store that can fault before the first change.

Source: Intel SDM Vol. 2A/2B, JMP, CALL, RET, IRET (operation in protected mode); Vol. 3A, §5.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from teachvm.isa.descriptors import (
    CALL_GATE_16,
    CALL_GATE_32,
    TASK_GATE,
    TSS_16,
    TSS_32,
    TSS_BACK_LINK,
    TSS_BUSY_BIT,
    Gate,
    Segment,
    is_null,
)
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import AC, DF, ID, IF, IOPL_MASK, NT, RESERVED_ONE, RF, STATUS, TF, VIF, VIP, VM, iopl
from teachvm.isa.operands import CS, ESP, SS
from teachvm.machine.events import InterruptReturned
from teachvm.machine.exceptions import StopReason, general_protection, selector_fault
from teachvm.machine.registers import MASK32
from teachvm.machine.selectors import (
    TABLE_INDICATOR,
    Descriptor,
    at_cpl,
    find_descriptor,
    mark_accessed,
    null_outer_segments,
    push_on_inner_stack,
    require_code_descriptor,
    require_descriptor,
    stack_segment,
)

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

PROGRAM_FLAGS = STATUS | TF | DF | NT | RF | AC | ID
"""What IRET restores at every privilege level."""


class _Return(NamedTuple):
    """Where a far return goes, checked."""

    code: Segment
    eip: int
    cpl: int
    stack: Segment | None
    """The outer ring's stack segment; None when the ring stays the same."""
    esp: int


def far_jump(cpu: Cpu, selector: int, offset: int) -> None:
    """JMP to another segment, or through a call gate; the privilege level stays.

    Raises:
        Fault: #GP, #NP, #PF.
        CpuStopped: The target is a task.
    """
    target = _named(cpu, selector)
    if target.segment.is_system:
        gate = _call_gate(cpu, selector, target)
        target = _gate_code(cpu, gate)
        if target.segment.dpl > cpu.cpl or (not target.segment.conforming and target.segment.dpl != cpu.cpl):
            raise selector_fault(Vector.GP, gate.selector)
        offset = gate.offset
    else:
        _check_direct(cpu, selector, target.segment)
    _enter_code(cpu, target, offset)


def far_call(cpu: Cpu, selector: int, offset: int, size: int) -> None:
    """CALL to another segment, or through a call gate to an inner ring.

    Args:
        cpu: The processor.
        selector: Of a code segment, or of a call gate.
        offset: Ignored with a gate, which has its own.
        size: Operand size in bytes; a gate has its own.

    Raises:
        Fault: #GP, #NP, #SS, #TS, #PF.
        CpuStopped: The target is a task.
    """
    target = _named(cpu, selector)
    if target.segment.is_system:
        gate = _call_gate(cpu, selector, target)
        target = _gate_code(cpu, gate)
        offset, size = gate.offset, 4 if gate.is_32 else 2
        if not target.segment.conforming and target.segment.dpl < cpu.cpl:
            _call_inner_ring(cpu, gate, target, size)
            return
    else:
        _check_direct(cpu, selector, target.segment)
    if offset > target.segment.limit:
        raise general_protection()
    mask = (1 << 8 * size) - 1
    code = mark_accessed(cpu, target)
    cpu.push_all(size, [cpu.segs[CS].selector, cpu.next_eip & mask])
    cpu.segs[CS] = at_cpl(code, cpu.cpl)
    cpu.next_eip = offset


def _call_inner_ring(cpu: Cpu, gate: Gate, target: Descriptor, size: int) -> None:
    """Call through a gate to a more privileged ring: new stack, parameters copied from the old one."""
    if gate.offset > target.segment.limit:
        raise general_protection()
    mask = (1 << 8 * size) - 1
    cpl = target.segment.dpl
    parameters = [cpu.top(size, size * index) for index in reversed(range(gate.params))]
    frame = [cpu.segs[SS].selector, cpu.regs[ESP], *parameters, cpu.segs[CS].selector, cpu.next_eip]
    code = mark_accessed(cpu, target)
    push_on_inner_stack(cpu, cpl, size, [value & mask for value in frame])
    cpu.cpl = cpl
    cpu.segs[CS] = at_cpl(code, cpl)
    cpu.next_eip = gate.offset


def far_return(cpu: Cpu, size: int, released: int) -> None:
    """RET to another segment, and perhaps to an outer ring.

    Args:
        cpu: The processor.
        size: Operand size in bytes.
        released: Bytes of parameters to drop, from both stacks when the ring changes.

    Raises:
        Fault: #GP, #NP, #SS, #PF.
    """
    eip, selector = cpu.tops(size, 2)
    selector &= 0xFFFF
    back = _check_return(cpu, eip, selector, size, 2 * size + released)
    _commit_return(cpu, back, 2 * size + released, released)


def interrupt_return(cpu: Cpu, size: int) -> None:
    """IRET: back to the interrupted program, in the same ring or an outer one.

    IF changes only when CPL <= IOPL and IOPL only at CPL 0; otherwise they stay as they are, without a fault.

    Raises:
        Fault: #GP, #NP, #SS, #TS, #PF.
        CpuStopped: A return to another task or to virtual-8086 mode.
    """
    if cpu.eflags & NT:
        raise _task_return(cpu)
    known = _known_return(cpu) if size == 4 else None
    if known is not None:
        back, image = known
    else:
        eip, selector, image = cpu.tops(size, 3)
        selector &= 0xFFFF
        if size == 4 and image & VM and cpu.cpl == 0:
            raise cpu.stop(StopReason.VIRTUAL_8086, f"IRET at eip {cpu.eip:#010x} with EFLAGS.VM set")
        back = _check_return(cpu, eip, selector, size, 3 * size)
    from_cpl = cpu.cpl
    changed = returned_flags(from_cpl, cpu.eflags)
    if size == 2:
        changed &= 0xFFFF
    _commit_return(cpu, back, 3 * size, 0)
    cpu.set_flags(image | RESERVED_ONE, changed)
    cpu.emit(InterruptReturned, from_cpl=from_cpl, to_cpl=cpu.cpl, eip=back.eip)


def returned_flags(cpl: int, eflags: int) -> int:
    """Which flags IRET restores in a ring, by the IOPL it is executed with."""
    changed = PROGRAM_FLAGS
    if cpl <= iopl(eflags):
        changed |= IF
    if cpl == 0:
        changed |= IOPL_MASK | VIF | VIP
    return changed


# ---- direct transfers and gates ------------------------------------------------------------------


def _named(cpu: Cpu, selector: int) -> Descriptor:
    """The descriptor of a far transfer's selector."""
    if is_null(selector):
        raise general_protection()
    return require_descriptor(cpu, selector)


def _check_direct(cpu: Cpu, selector: int, segment: Segment) -> None:
    """Rules for a transfer straight to a code segment: nonconforming code needs DPL = CPL and RPL <= CPL."""
    if not segment.is_code:
        raise selector_fault(Vector.GP, selector)
    if segment.dpl > cpu.cpl or (not segment.conforming and (segment.dpl < cpu.cpl or selector & 3 > cpu.cpl)):
        raise selector_fault(Vector.GP, selector)
    if not segment.present:
        raise selector_fault(Vector.NP, selector)


def _call_gate(cpu: Cpu, selector: int, target: Descriptor) -> Gate:
    """The call gate a far transfer names; tasks end the CPU, anything else is refused.

    Raises:
        Fault: #GP(selector), #NP(selector).
        CpuStopped: A task gate or an available TSS.
    """
    segment = target.segment
    task = segment.type == TASK_GATE or (segment.type in (TSS_16, TSS_32) and not selector & TABLE_INDICATOR)
    if segment.type not in (CALL_GATE_16, CALL_GATE_32) and not task:
        raise selector_fault(Vector.GP, selector)
    if segment.dpl < max(cpu.cpl, selector & 3):
        raise selector_fault(Vector.GP, selector)
    if not segment.present:
        raise selector_fault(Vector.NP, selector)
    gate = Gate.unpack(target.raw)
    if task or gate is None:
        raise cpu.stop(StopReason.TASK_SWITCH, f"far transfer to task {selector:#06x} at eip {cpu.eip:#010x}")
    return gate


def _gate_code(cpu: Cpu, gate: Gate) -> Descriptor:
    """The code segment behind a call gate."""
    found = require_code_descriptor(cpu, gate.selector)
    if found.segment.dpl > cpu.cpl:
        raise selector_fault(Vector.GP, gate.selector)
    if not found.segment.present:
        raise selector_fault(Vector.NP, gate.selector)
    return found


def _enter_code(cpu: Cpu, target: Descriptor, offset: int) -> None:
    """Load CS at the present CPL and go to an offset in it."""
    if offset > target.segment.limit:
        raise general_protection()
    cpu.segs[CS] = at_cpl(mark_accessed(cpu, target), cpu.cpl)
    cpu.next_eip = offset


# ---- returns -------------------------------------------------------------------------------------


def _check_return(cpu: Cpu, eip: int, selector: int, size: int, popped: int) -> _Return:
    """Check the frame of a far return.

    Args:
        cpu: The processor.
        eip: From the frame.
        selector: CS from the frame; its RPL is the ring returned to.
        size: Bytes of each stack item.
        popped: Distance from the stack top to the outer ESP and SS.

    Raises:
        Fault: #GP(0), #GP(selector), #NP(selector), #SS(selector), #PF.
    """
    ring, asked = selector & 3, ("return", selector, cpu.cpl)
    concluded = cpu.concluded.of(cpu)
    known: Segment | None = concluded.get(asked)
    found = None
    if known is None:
        found = _returned_to(cpu, selector)
    segment = found.segment if found is not None else known
    assert segment is not None
    stack, esp = None, 0
    if ring > cpu.cpl:
        esp, outer = cpu.tops(size, 2, popped)
        outer &= 0xFFFF
        if is_null(outer):
            raise general_protection()
        stack = concluded.get(("stack", outer, ring)) or stack_segment(cpu, outer, ring, Vector.GP)
    if eip > segment.limit:
        raise general_protection()
    if found is not None:
        segment = mark_accessed(cpu, found)
        cpu.concluded.keep(cpu, asked, segment, found.linear)
    return _Return(segment, eip, ring, stack, esp)


def _known_return(cpu: Cpu) -> tuple[_Return, int] | None:
    """A return to an outer ring whose frame lies in one piece, and all of whose checks came out well before.

    Returns:
        Where it goes, and the image of EFLAGS; None where anything has to be looked at.
    """
    esp, cpl, held = cpu.regs[ESP], cpu.cpl, cpu.segs[SS]
    whole = held.present and held.holds_upwards(esp, esp + 20)
    frame = cpu.words_at(held.base + esp & MASK32, 5, cpl) if whole else None
    if frame is None:
        return None
    eip, selector, image, outer_esp, outer = frame
    ring, concluded = selector & 3, cpu.concluded.of(cpu)
    segment: Segment | None = concluded.get(("return", selector & 0xFFFF, cpl))
    stack: Segment | None = concluded.get(("stack", outer & 0xFFFF, ring))
    if segment is None or stack is None or ring <= cpl or eip > segment.limit or image & VM:
        return None
    return _Return(segment, eip, ring, stack, outer_esp), image


def _returned_to(cpu: Cpu, selector: int) -> Descriptor:
    """The code segment a far return names: not to an inner ring, and of the ring in the selector."""
    found = require_code_descriptor(cpu, selector)
    segment, ring = found.segment, selector & 3
    if ring < cpu.cpl:
        raise selector_fault(Vector.GP, selector)
    if segment.dpl > ring or (not segment.conforming and segment.dpl != ring):
        raise selector_fault(Vector.GP, selector)
    if not segment.present:
        raise selector_fault(Vector.NP, selector)
    return found


def _commit_return(cpu: Cpu, back: _Return, popped: int, released: int) -> None:
    """Make a checked return happen: nothing here can fault."""
    cpu.segs[CS] = back.code
    cpu.next_eip = back.eip
    if back.stack is None:
        cpu.drop(popped)
        return
    cpu.segs[SS] = back.stack
    if back.stack.big:
        cpu.regs[ESP] = back.esp + released & MASK32
    else:
        # The upper half of ESP is not restored: every IA-32 processor lets the inner ring's show through here.
        cpu.regs[ESP] = cpu.regs[ESP] & 0xFFFF_0000 | back.esp + released & 0xFFFF
    cpu.cpl = back.cpl
    null_outer_segments(cpu)


def _task_return(cpu: Cpu) -> Exception:
    """What IRET with NT set ends in: the back link's fault, or the end of what is modelled.

    Source: Intel SDM Vol. 2A, IRET, TASK-RETURN.
    """
    link = cpu.read_linear(cpu.tr.base + TSS_BACK_LINK & MASK32, 2)
    found = None if link & TABLE_INDICATOR else find_descriptor(cpu, link)
    if found is None or found.segment.type & ~(TSS_BUSY_BIT | 8) != 1 or not found.segment.type & TSS_BUSY_BIT:
        return selector_fault(Vector.TS, link)
    if not found.segment.present:
        return selector_fault(Vector.NP, link)
    return cpu.stop(StopReason.TASK_SWITCH, f"IRET to task {link:#06x} at eip {cpu.eip:#010x}")
