"""FS, lent for one access: how translated code reaches what the guest addresses through GS or CS.

Both registers are the VMM's in the cache, so such an access is made through FS, which is loaded for it with a
descriptor that stands for the guest's GS or CS, and gets its own selector back right after. The descriptors lie in two
slots of the real GDT behind those that shadow the guest's. They are of the ring the cache runs in, so that no program
that runs directly can load one, and cut short as every segment of the guest's is.

SS is the guest's own, but a third slot stands for it where the real table has nothing it could be loaded from.

A load of FS with its own selector has to give what FS held. Where it would not, because the guest's descriptor has
changed since, or is not shadowed, the selector lent is one no load accepts: the VMM does the access then.

Source: Agesen et al., OSR 44(4) 2010, §3.1 (%gs reserved, the guest's uses of it re-expressed); Bugnion et al., TOCS
30(4) 2012 (cached descriptors beside shadow descriptors).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from teachvm.isa.decode import Insn, decode
from teachvm.isa.descriptors import ACCESSED, DESCRIPTOR_SIZE, DPL_MASK, DPL_SHIFT, EXPAND_DOWN, Segment, is_null
from teachvm.isa.encode import EncodeError, Request
from teachvm.isa.operands import CS, FS, GS, SS, Mem, Operand
from teachvm.machine.cpu import Cpu
from teachvm.machine.selectors import TABLE_INDICATOR
from teachvm.vmm.deprivilege import data_register, hardware_ring
from teachvm.vmm.descriptors import ABSENT
from teachvm.vmm.engines.translate.emitter import assembled
from teachvm.vmm.region import CACHE_CS, CACHE_SLOT

if TYPE_CHECKING:
    from teachvm.vmm.descriptors import ShadowGdt
    from teachvm.vmm.region import VmmRegion

LENT_SLOTS: Final = {GS: CACHE_SLOT - 1, CS: CACHE_SLOT - 2}
"""The slots of the real GDT that FS is loaded from, by the guest's segment register they stand for."""
STACK_SLOT: Final = CACHE_SLOT - 3
"""The slot SS is loaded from where it could not be loaded with its own selector."""
OWN_SLOTS: Final = 4
"""How many slots translated code has, that of its code segment included."""
REFUSED: Final = CACHE_CS
"""What FS is to be loaded with where it could not be given back: the cache's own code, which is for no data."""


def lend(region: VmmRegion, gdt: ShadowGdt, cpu: Cpu) -> dict[int, int]:
    """Let the two slots say what the guest's GS and CS hold.

    Returns:
        The selectors FS is to be loaded with, by the register they stand for.
    """
    own, cpl = cpu.segs[FS], cpu.cpl
    if not reloads(own, gdt.slot(own), cpl):
        return dict.fromkeys(LENT_SLOTS, REFUSED)
    selectors = {}
    for register, slot in LENT_SLOTS.items():
        descriptor = _descriptor(cpu.segs[register], cpl)
        if descriptor is None:
            selectors[register] = 0
            continue
        if region.slot(slot) != descriptor:
            region.write_slot(slot, descriptor)
        selectors[register] = slot * DESCRIPTOR_SIZE | hardware_ring(cpl)
    return selectors


def stack_selector(region: VmmRegion, gdt: ShadowGdt, cpu: Cpu) -> int:
    """What SS is to be loaded with: the guest's own selector, or that of a descriptor with what SS holds."""
    stack = cpu.segs[SS]
    if gdt.holds(stack):
        return stack.selector
    descriptor = _descriptor(stack, cpu.cpl)
    assert descriptor is not None
    if region.slot(STACK_SLOT) != descriptor:
        region.write_slot(STACK_SLOT, descriptor)
    return STACK_SLOT * DESCRIPTOR_SIZE


def take_away(region: VmmRegion) -> None:
    """Let the slots say nothing."""
    for slot in (*LENT_SLOTS.values(), STACK_SLOT):
        region.write_slot(slot, ABSENT)


@lru_cache(maxsize=256)
def _descriptor(virtual: Segment, cpl: int) -> bytes | None:
    """What stands for a segment of the guest's, for data; None for one nothing can be reached through."""
    held = data_register(virtual, cpl)
    if not held.present:
        return None
    access = held.access & ~DPL_MASK | hardware_ring(cpl) << DPL_SHIFT | ACCESSED
    # Conforming code could be loaded from any ring.
    return replace(held, access=access & ~EXPAND_DOWN if held.conforming else access).pack()


@lru_cache(maxsize=256)
def reloads(virtual: Segment, slot: bytes, cpl: int) -> bool:
    """Whether a data register of the guest's, loaded by the hardware with its own selector, holds the same.

    Args:
        virtual: What the VCPU has in it.
        slot: What the real GDT says in the slot the selector names; empty for none.
        cpl: The guest's.
    """
    selector, held = virtual.selector, data_register(virtual, cpl)
    if is_null(selector):
        return not held.present
    if selector & TABLE_INDICATOR or not slot:
        return False
    return held.present and Segment.unpack(selector, slot) == held and max(hardware_ring(cpl), selector & 3) <= held.dpl


# ---- instructions ------------------------------------------------------------------------------


def kept_from(operand: Operand) -> bool:
    """Whether a memory operand is reached through a segment register the cache keeps for itself."""
    return isinstance(operand, Mem) and operand.segment in LENT_SLOTS and operand.width != 0


def stands_for(insn: Insn) -> int | None:
    """The guest's segment register that FS has to stand for in an instruction; None where it need not."""
    return next((each.segment for each in insn.operands if isinstance(each, Mem) and kept_from(each)), None)


def through_fs(operand: Operand) -> Operand:
    """The same operand, reached through FS."""
    return replace(operand, segment=FS) if isinstance(operand, Mem) and kept_from(operand) else operand


def re_expressed(insn: Insn) -> bytes | None:
    """The instruction with its access made through FS; None if the rows have no bytes that mean just that."""
    operands = tuple(map(through_fs, insn.operands))
    request = Request(opsize=insn.opsize, adsize=insn.adsize, lock=insn.lock, rep=insn.rep)
    try:
        code = assembled(insn.mnemonic, operands, request)
    except EncodeError:
        return None
    found = decode(code)
    same = replace(insn, row=found.row, length=found.length, operands=operands, fields=found.fields)
    return code if found == same and found.row.mnemonic == insn.row.mnemonic else None
