"""Selectors to segments: descriptor table lookups and the checks of every segment register load.

All accesses to descriptor tables are supervisor accesses whatever the CPL.

Source: Intel SDM Vol. 3A, §3.4 and §3.5 (selectors, descriptors), §5.5 to §5.9 (privilege checks).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from teachvm.isa.descriptors import (
    ACCESSED,
    DESCRIPTOR_SIZE,
    LDT,
    P_BIT,
    TSS_16,
    TSS_32,
    TSS_32_BUSY,
    TSS_BUSY_BIT,
    Segment,
    is_null,
    null_segment,
    tss_16_sp,
    tss_esp,
    unpacked,
)
from teachvm.isa.exceptions import Vector
from teachvm.isa.operands import DS, ES, ESP, FS, GS, SS
from teachvm.machine.exceptions import general_protection, selector_fault
from teachvm.machine.segmentation import Segmentation

ACCESS_BYTE = 5
"""Offset of the type byte in a descriptor."""

TABLE_INDICATOR = 1 << 2
"""Selector bit: the LDT, not the GDT."""


class Descriptor(NamedTuple):
    """A descriptor and where it lies."""

    linear: int
    raw: bytes
    segment: Segment
    """The descriptor read as a segment; for a gate only its type, DPL and P mean something."""


def descriptor_address(cpu: Segmentation, selector: int) -> int | None:
    """Linear address of the descriptor a selector names; None when it lies outside its table."""
    if selector & TABLE_INDICATOR:
        if not cpu.ldtr.present:
            return None
        base, limit = cpu.ldtr.base, cpu.ldtr.limit
    else:
        base, limit = cpu.gdtr.base, cpu.gdtr.limit
    offset = selector & 0xFFF8
    return base + offset & 0xFFFF_FFFF if offset + DESCRIPTOR_SIZE - 1 <= limit else None


def find_descriptor(cpu: Segmentation, selector: int) -> Descriptor | None:
    """Read the descriptor a selector names; None for a null selector or one outside its table.

    Raises:
        Fault: #PF, when the table is not mapped.
    """
    linear = None if is_null(selector) else descriptor_address(cpu, selector)
    if linear is None:
        return None
    raw = cpu.read_linear(linear, DESCRIPTOR_SIZE).to_bytes(DESCRIPTOR_SIZE, "little")
    return Descriptor(linear, raw, unpacked(selector, raw))


def require_descriptor(cpu: Segmentation, selector: int, vector: int = Vector.GP) -> Descriptor:
    """Read the descriptor a selector names.

    Raises:
        Fault: `vector` with the selector as error code: null, or outside its table. #PF.
    """
    found = find_descriptor(cpu, selector)
    if found is None:
        raise selector_fault(vector, selector)
    return found


def require_code_descriptor(cpu: Segmentation, selector: int) -> Descriptor:
    """Read the code segment descriptor that a control transfer names.

    Raises:
        Fault: #GP(0) for a null selector; #GP(selector) outside its table or not code; #PF.
    """
    if is_null(selector):
        raise general_protection()
    found = require_descriptor(cpu, selector)
    if not found.segment.is_code:
        raise selector_fault(Vector.GP, selector)
    return found


def at_cpl(segment: Segment, cpl: int) -> Segment:
    """The segment with the CPL in its selector's low two bits, as CS holds it."""
    if segment.selector & 3 == cpl:
        return segment
    return replace(segment, selector=segment.selector & 0xFFFC | cpl)


def mark_accessed(cpu: Segmentation, found: Descriptor) -> Segment:
    """Set the A bit of a code or data descriptor in memory, if it is clear.

    Returns:
        The segment with A set, ready for a segment register.

    Raises:
        Fault: #PF, when the table cannot be written.
    """
    segment = found.segment
    if not segment.access & ACCESSED:
        segment = replace(segment, access=segment.access | ACCESSED)
        cpu.write_linear(found.linear + ACCESS_BYTE & 0xFFFF_FFFF, 1, segment.access & 0xFF)
    return segment


def load_data_segment(cpu: Segmentation, index: int, selector: int) -> None:
    """Load ES, SS, DS, FS or GS with the checks of MOV and POP.

    Raises:
        Fault: #GP(selector), #NP(selector), #SS(selector), #GP(0) for a null SS, #PF; the register is unchanged.

    Source: Intel SDM Vol. 2B, MOV, protected mode exceptions.
    """
    if index == SS:
        if is_null(selector):
            raise general_protection()
        cpu.segs[SS] = stack_segment(cpu, selector, cpu.cpl, Vector.GP)
        return
    if is_null(selector):
        cpu.segs[index] = null_segment(selector)
        return
    asked = "data", selector, cpu.cpl
    known: Segment | None = cpu.concluded.of(cpu).get(asked)
    if known is not None:
        cpu.segs[index] = known
        return
    found = require_descriptor(cpu, selector)
    segment = found.segment
    if not segment.readable:
        raise selector_fault(Vector.GP, selector)
    if not segment.conforming and segment.dpl < max(cpu.cpl, selector & 3):
        raise selector_fault(Vector.GP, selector)
    if not segment.present:
        raise selector_fault(Vector.NP, selector)
    cpu.segs[index] = mark_accessed(cpu, found)
    cpu.concluded.keep(cpu, asked, cpu.segs[index], found.linear)


def stack_segment(cpu: Segmentation, selector: int, cpl: int, vector: int) -> Segment:
    """Check a selector for SS at a privilege level: RPL = DPL = CPL, writable data, present.

    Args:
        cpu: Whose tables to read.
        selector: Not null, or `vector` is raised for it.
        cpl: The privilege level the stack is for.
        vector: #GP for a load by the program, #TS for a stack taken from the TSS.

    Raises:
        Fault: `vector`(selector); #SS(selector) when not present; #PF.
    """
    asked = "stack", selector, cpl
    known: Segment | None = cpu.concluded.of(cpu).get(asked)
    if known is not None:
        return known
    found = require_descriptor(cpu, selector, vector)
    segment = found.segment
    if selector & 3 != cpl or not segment.writable or segment.dpl != cpl:
        raise selector_fault(vector, selector)
    if not segment.present:
        raise selector_fault(Vector.SS, selector)
    marked = mark_accessed(cpu, found)
    cpu.concluded.keep(cpu, asked, marked, found.linear)
    return marked


def load_ldtr(cpu: Segmentation, selector: int) -> None:
    """Load LDTR; a null selector leaves no LDT.

    Raises:
        Fault: #GP(selector) when it is not an LDT of the GDT, #NP(selector), #PF.
    """
    if is_null(selector):
        cpu.ldtr = null_segment(selector)
        return
    found = _system_descriptor(cpu, selector)
    if found.segment.type != LDT:
        raise selector_fault(Vector.GP, selector)
    if not found.segment.present:
        raise selector_fault(Vector.NP, selector)
    cpu.ldtr = found.segment


def load_tr(cpu: Segmentation, selector: int) -> None:
    """Load TR and mark the TSS busy in memory.

    Raises:
        Fault: #GP(selector) when it is not an available TSS of the GDT, #GP(0) for null, #NP(selector), #PF.
    """
    if is_null(selector):
        raise general_protection()
    found = _system_descriptor(cpu, selector)
    if found.segment.type not in (TSS_16, TSS_32):
        raise selector_fault(Vector.GP, selector)
    if not found.segment.present:
        raise selector_fault(Vector.NP, selector)
    busy = found.segment.access | TSS_BUSY_BIT
    cpu.write_linear(found.linear + ACCESS_BYTE & 0xFFFF_FFFF, 1, busy & 0xFF)
    cpu.tr = replace(found.segment, access=busy)


def _system_descriptor(cpu: Segmentation, selector: int) -> Descriptor:
    """A system descriptor of the GDT; LDT selectors are refused."""
    if selector & TABLE_INDICATOR:
        raise selector_fault(Vector.GP, selector)
    found = require_descriptor(cpu, selector)
    if not found.segment.is_system:
        raise selector_fault(Vector.GP, selector)
    return found


def null_outer_segments(cpu: Segmentation) -> None:
    """After a return to an outer ring, make data segment registers null that the ring may not use.

    Source: Intel SDM Vol. 3A, §5.8.6: ES, DS, FS, GS holding data or non-conforming code with DPL < CPL.
    """
    for index in (ES, DS, FS, GS):
        segment = cpu.segs[index]
        if segment.access & P_BIT and segment.dpl < cpu.cpl and not segment.conforming:
            cpu.segs[index] = null_segment()


def privilege_stack(cpu: Segmentation, ring: int) -> tuple[int, int]:
    """SS and ESP for an inner ring, from the current TSS.

    Raises:
        Fault: #TS(TR) when the TSS is too short or there is none; #PF.
    """
    tss = cpu.tr
    if not tss.present:
        raise selector_fault(Vector.TS, tss.selector)
    if tss.type in (TSS_32, TSS_32_BUSY):
        offset, size = tss_esp(ring), 4
    else:
        offset, size = tss_16_sp(ring), 2
    if offset + size + 1 > tss.limit:
        raise selector_fault(Vector.TS, tss.selector)
    both = cpu.words_at(tss.base + offset & 0xFFFF_FFFF, 2) if size == 4 else None
    if both is not None:
        return both[1] & 0xFFFF, both[0]
    pointer = cpu.read_linear(tss.base + offset & 0xFFFF_FFFF, size)
    selector = cpu.read_linear(tss.base + offset + size & 0xFFFF_FFFF, 2)
    return selector, pointer


def _inner_stack(cpu: Segmentation, ring: int) -> tuple[int, Segment]:
    """ESP and the checked stack segment for an inner ring; the TSS is read each time, the descriptor if it changed."""
    known = remembered_stack(cpu, ring)
    if known is not None:
        words, segment = known
        if words[1] & 0xFFFF == segment.selector:
            return words[0], segment
    selector, pointer = privilege_stack(cpu, ring)
    segment = stack_segment(cpu, selector, ring, Vector.TS)
    here = cpu.words_at(cpu.tr.base + tss_esp(ring) & 0xFFFF_FFFF, 2)
    linear = descriptor_address(cpu, selector)
    if here is not None and linear is not None and cpu.tr.type in (TSS_32, TSS_32_BUSY):
        cpu.concluded.keep(cpu, ("inner", ring), (here, segment), linear)
    return pointer, segment


def remembered_stack(cpu: Segmentation, ring: int) -> tuple[memoryview, Segment] | None:
    """ESP and SS of an inner ring as the TSS has them now, and the segment, good if that SS is still its selector."""
    known: tuple[memoryview, Segment] | None = cpu.concluded.of(cpu).get(("inner", ring))
    return known


def push_on_inner_stack(cpu: Segmentation, cpl: int, size: int, values: list[int]) -> None:
    """Switch to the stack the TSS has for an inner ring and push onto it: everything, or on a fault nothing.

    The caller changes CPL and CS right after.

    Args:
        cpu: The processor.
        cpl: The inner ring.
        size: 2 or 4 bytes each.
        values: The first one pushed first; the old SS and ESP are among them.

    Raises:
        Fault: #TS for a bad TSS or stack selector, #SS(selector) for a stack not present or too small, #PF.

    Source: Intel SDM Vol. 3A, §5.8.5 (stack switching), §6.12.1.
    """
    pointer, segment = _inner_stack(cpu, cpl)
    lowest = segment.base + pointer - size * len(values)
    if size == 4 and segment.holds_upwards(pointer - 4 * len(values), pointer) and cpu.store_run(lowest, values):
        cpu.segs[SS] = segment
        cpu.regs[ESP] = pointer - 4 * len(values)
        return
    mask = 0xFFFF_FFFF if segment.big else 0xFFFF
    offsets = [pointer - size * count & mask for count in range(1, len(values) + 1)]
    for offset in offsets:
        if not segment.contains(offset, size):
            raise selector_fault(Vector.SS, segment.selector)
    for offset in offsets:
        cpu.probe_linear(segment.base + offset & 0xFFFF_FFFF, size)
    for offset, value in zip(offsets, values, strict=True):
        cpu.write_linear(segment.base + offset & 0xFFFF_FFFF, size, value)
    cpu.segs[SS] = segment
    cpu.regs[ESP] = pointer & ~mask | offsets[-1]
