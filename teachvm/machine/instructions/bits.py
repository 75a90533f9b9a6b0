"""Shifts, rotates, bit tests and bit scans.

Source: Intel SDM Vol. 2A/2B, the page of each instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa import alu, shifts
from teachvm.isa.decode import Insn
from teachvm.isa.flags import CF, OF, STATUS
from teachvm.isa.operands import Mem, Reg
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.instructions.meanings import meaning

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

COUNT_MASK = 31
"""Shift counts are taken modulo 32; a count of zero changes no flag."""


@meaning("SHL")
def shl(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """DEST := DEST * 2 ** count."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.shl(value, count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, STATUS)


@meaning("SHR")
def shr(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """DEST := DEST / 2 ** count, unsigned."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.shr(value, count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, STATUS)


@meaning("SAR")
def sar(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """DEST := DEST / 2 ** count, signed, rounded down."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.sar(value, count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, STATUS)


@meaning("ROL")
def rol(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """Rotate DEST left."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.rol(value, count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, CF | OF)


@meaning("ROR")
def ror(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """Rotate DEST right."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.ror(value, count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, CF | OF)


@meaning("RCL")
def rcl(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """Rotate CF:DEST left."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.rcl(value, count, cpu.eflags & CF, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, CF | OF)


@meaning("RCR")
def rcr(cpu: Cpu, dst: Bound, amount: Bound) -> None:
    """Rotate CF:DEST right."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.rcr(value, count, cpu.eflags & CF, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, CF | OF)


@meaning("SHLD")
def shld(cpu: Cpu, dst: Bound, filler: Bound, amount: Bound) -> None:
    """Shift DEST left, filling from the top of the register."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.shld(value, filler.load(cpu), count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, STATUS)


@meaning("SHRD")
def shrd(cpu: Cpu, dst: Bound, filler: Bound, amount: Bound) -> None:
    """Shift DEST right, filling from the bottom of the register."""
    count = amount.load(cpu) & COUNT_MASK
    value = dst.load_for_store(cpu)
    if count:
        result, flags = shifts.shrd(value, filler.load(cpu), count, dst.width)
        dst.store(cpu, result)
        cpu.set_flags(flags, STATUS)


# ---- bit tests -----------------------------------------------------------------------------------
#
# With a register as bit number and memory as operand, memory is a string of bits: the number reaches 2 Gi bits to
# either side. In all other forms it is taken modulo the operand's width.


def _bit_string(insn: Insn) -> bool:
    return isinstance(insn.operands[0], Mem) and isinstance(insn.operands[1], Reg)


def _single_unit(insn: Insn) -> bool:
    return not _bit_string(insn)


def _unit(cpu: Cpu, dst: Memory, number: int) -> int:
    """Offset of the word or doubleword that holds a bit of a bit string."""
    distance = (alu.signed(number, dst.width) // dst.width) * dst.size
    return dst.address(cpu) + distance & dst.wrap


@meaning("BT", which=_single_unit)
def bt(cpu: Cpu, dst: Bound, number: Bound) -> None:
    """CF := bit of DEST."""
    cpu.set_flags(shifts.bt(dst.load(cpu), number.load(cpu) % dst.width), CF)


@meaning("BTS", which=_single_unit)
def bts(cpu: Cpu, dst: Bound, number: Bound) -> None:
    """CF := bit of DEST; set it."""
    result, flags = shifts.bts(dst.load_for_store(cpu), number.load(cpu) % dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, CF)


@meaning("BTR", which=_single_unit)
def btr(cpu: Cpu, dst: Bound, number: Bound) -> None:
    """CF := bit of DEST; clear it."""
    result, flags = shifts.btr(dst.load_for_store(cpu), number.load(cpu) % dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, CF)


@meaning("BTC", which=_single_unit)
def btc(cpu: Cpu, dst: Bound, number: Bound) -> None:
    """CF := bit of DEST; invert it."""
    result, flags = shifts.btc(dst.load_for_store(cpu), number.load(cpu) % dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, CF)


@meaning("BT", which=_bit_string)
def bt_string(cpu: Cpu, dst: Memory, number: Bound) -> None:
    """CF := bit of the string."""
    bit = number.load(cpu)
    value = cpu.read(dst.segment, _unit(cpu, dst, bit), dst.size)
    cpu.set_flags(shifts.bt(value, bit % dst.width), CF)


@meaning("BTS", which=_bit_string)
def bts_string(cpu: Cpu, dst: Memory, number: Bound) -> None:
    """CF := bit of the string; set it."""
    bit = number.load(cpu)
    offset = _unit(cpu, dst, bit)
    result, flags = shifts.bts(cpu.read_for_write(dst.segment, offset, dst.size), bit % dst.width)
    cpu.write(dst.segment, offset, dst.size, result)
    cpu.set_flags(flags, CF)


@meaning("BTR", which=_bit_string)
def btr_string(cpu: Cpu, dst: Memory, number: Bound) -> None:
    """CF := bit of the string; clear it."""
    bit = number.load(cpu)
    offset = _unit(cpu, dst, bit)
    result, flags = shifts.btr(cpu.read_for_write(dst.segment, offset, dst.size), bit % dst.width)
    cpu.write(dst.segment, offset, dst.size, result)
    cpu.set_flags(flags, CF)


@meaning("BTC", which=_bit_string)
def btc_string(cpu: Cpu, dst: Memory, number: Bound) -> None:
    """CF := bit of the string; invert it."""
    bit = number.load(cpu)
    offset = _unit(cpu, dst, bit)
    result, flags = shifts.btc(cpu.read_for_write(dst.segment, offset, dst.size), bit % dst.width)
    cpu.write(dst.segment, offset, dst.size, result)
    cpu.set_flags(flags, CF)


# ---- bit scans -----------------------------------------------------------------------------------


@meaning("BSF")
def bsf(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := number of the lowest set bit; of zero, ZF := 1 and DEST stays."""
    found, flags = shifts.bsf(src.load(cpu))
    if found is not None:
        dst.store(cpu, found)
    cpu.set_flags(flags, STATUS)


@meaning("BSR")
def bsr(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := number of the highest set bit; of zero, ZF := 1 and DEST stays."""
    found, flags = shifts.bsr(src.load(cpu))
    if found is not None:
        dst.store(cpu, found)
    cpu.set_flags(flags, STATUS)
