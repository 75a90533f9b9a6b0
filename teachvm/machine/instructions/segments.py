"""Segment registers and descriptors: far pointers, questions about access rights, LDTR and TR.

Source: Intel SDM Vol. 2A/2B, the page of each instruction; Vol. 3A, §5.10 (pointer validation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa.descriptors import (
    CALL_GATE_16,
    CALL_GATE_32,
    LDT,
    TASK_GATE,
    TSS_16,
    TSS_16_BUSY,
    TSS_32,
    TSS_32_BUSY,
)
from teachvm.isa.flags import ZF
from teachvm.isa.operands import DS, ES, FS, GS, SS
from teachvm.machine.bound import Bound
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.selectors import Descriptor, find_descriptor, load_data_segment, load_ldtr, load_tr

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

WITH_LIMIT = frozenset((TSS_16, LDT, TSS_16_BUSY, TSS_32, TSS_32_BUSY))
"""System descriptors LSL tells the limit of."""
WITH_RIGHTS = WITH_LIMIT | {CALL_GATE_16, TASK_GATE, CALL_GATE_32}
"""System descriptors LAR tells the rights of."""
RIGHTS_MASK = 0x00F0_FF00
"""What LAR shows of a descriptor's upper half: access byte and the flags above the limit."""


def _load_far(cpu: Cpu, index: int, dst: Bound, src: Bound) -> None:
    """Load a segment register and a general register from a far pointer in memory."""
    pointer = src.load(cpu)
    load_data_segment(cpu, index, pointer >> dst.width)
    dst.store(cpu, pointer & dst.mask)


@meaning("LES")
def les(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """ES:DEST := far pointer."""
    _load_far(cpu, ES, dst, src)


@meaning("LDS")
def lds(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DS:DEST := far pointer."""
    _load_far(cpu, DS, dst, src)


@meaning("LSS")
def lss(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """SS:DEST := far pointer, in one instruction, so no interrupt shadow is needed."""
    _load_far(cpu, SS, dst, src)


@meaning("LFS")
def lfs(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """FS:DEST := far pointer."""
    _load_far(cpu, FS, dst, src)


@meaning("LGS")
def lgs(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """GS:DEST := far pointer."""
    _load_far(cpu, GS, dst, src)


@meaning("ARPL")
def arpl(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """Raise the RPL of DEST to that of SRC; ZF tells whether it was lower."""
    selector, rpl = dst.load_for_store(cpu), src.load(cpu) & 3
    if selector & 3 < rpl:
        dst.store(cpu, selector & 0xFFFC | rpl)
        cpu.set_flags(ZF, ZF)
    else:
        cpu.set_flags(0, ZF)


# ---- questions: an answer in ZF, never a fault for the selector ----------------------------------


def _visible(cpu: Cpu, selector: int, system_types: frozenset[int]) -> Descriptor | None:
    """The descriptor, if the program may see it at its CPL and the selector's RPL."""
    found = find_descriptor(cpu, selector)
    if found is None:
        return None
    segment = found.segment
    if segment.is_system and segment.type not in system_types:
        return None
    if not segment.conforming and segment.dpl < max(cpu.cpl, selector & 3):
        return None
    return found


@meaning("LAR")
def lar(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := access rights of the descriptor, ZF := 1; ZF := 0 if it may not be seen."""
    found = _visible(cpu, src.load(cpu) & 0xFFFF, WITH_RIGHTS)
    if found is not None:
        dst.store(cpu, int.from_bytes(found.raw[4:], "little") & RIGHTS_MASK & dst.mask)
    cpu.set_flags(0 if found is None else ZF, ZF)


@meaning("LSL")
def lsl(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := limit of the segment in bytes, ZF := 1; ZF := 0 if it may not be seen."""
    found = _visible(cpu, src.load(cpu) & 0xFFFF, WITH_LIMIT)
    if found is not None:
        dst.store(cpu, found.segment.limit & dst.mask)
    cpu.set_flags(0 if found is None else ZF, ZF)


@meaning("VERR")
def verr(cpu: Cpu, src: Bound) -> None:
    """ZF := whether the segment could be read."""
    found = _visible(cpu, src.load(cpu), frozenset())
    cpu.set_flags(ZF if found is not None and found.segment.readable else 0, ZF)


@meaning("VERW")
def verw(cpu: Cpu, src: Bound) -> None:
    """ZF := whether the segment could be written."""
    found = _visible(cpu, src.load(cpu), frozenset())
    cpu.set_flags(ZF if found is not None and found.segment.writable else 0, ZF)


# ---- LDTR and TR ---------------------------------------------------------------------------------


@meaning("SLDT")
def sldt(cpu: Cpu, dst: Bound) -> None:
    """DEST := the selector in LDTR, at any privilege level."""
    dst.store(cpu, cpu.ldtr.selector)


@meaning("STR")
def str_(cpu: Cpu, dst: Bound) -> None:
    """DEST := the selector in TR, at any privilege level."""
    dst.store(cpu, cpu.tr.selector)


@meaning("LLDT")
def lldt(cpu: Cpu, src: Bound) -> None:
    """Load LDTR."""
    load_ldtr(cpu, src.load(cpu))


@meaning("LTR")
def ltr(cpu: Cpu, src: Bound) -> None:
    """Load TR and make the TSS busy."""
    load_tr(cpu, src.load(cpu))
