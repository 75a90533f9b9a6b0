"""Arithmetic and logic: add to compare, multiply, divide, decimal adjustment, exchange and compare.

Source: Intel SDM Vol. 2A/2B, the page of each instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa import alu
from teachvm.isa.decode import Insn
from teachvm.isa.flags import CF, STATUS, ZF
from teachvm.isa.operands import EAX, EBX, ECX, EDX, Mem, Reg
from teachvm.machine.bound import Bound, Constant, Register16, Register32, RegisterHigh, RegisterLow
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.registers import MASK32

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

AL: Final = RegisterLow(EAX)
AH: Final = RegisterHigh(EAX)
AX: Final = Register16(EAX)
ACCUMULATOR: Final[dict[int, Bound]] = {8: AL, 16: AX, 32: Register32(EAX)}
"""By width: the low half of a product or dividend, and the quotient."""
EXTENSION: Final[dict[int, Bound]] = {8: AH, 16: Register16(EDX), 32: Register32(EDX)}
"""By width: the high half of a product or dividend, and the remainder."""


@meaning("ADD")
def add(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST + SRC."""
    result, flags = alu.add(dst.load_for_store(cpu), src.load(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("ADC")
def adc(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST + SRC + CF."""
    result, flags = alu.adc(dst.load_for_store(cpu), src.load(cpu), cpu.eflags & CF, dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("SUB")
def sub(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST - SRC."""
    result, flags = alu.sub(dst.load_for_store(cpu), src.load(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("SBB")
def sbb(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST - SRC - CF."""
    result, flags = alu.sbb(dst.load_for_store(cpu), src.load(cpu), cpu.eflags & CF, dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("CMP")
def cmp(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """Flags of DEST - SRC."""
    _, flags = alu.sub(dst.load(cpu), src.load(cpu), dst.width)
    cpu.set_flags(flags, STATUS)


@meaning("AND")
def and_(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST AND SRC."""
    result, flags = alu.and_(dst.load_for_store(cpu), src.load(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("OR")
def or_(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST OR SRC."""
    result, flags = alu.or_(dst.load_for_store(cpu), src.load(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("XOR")
def xor(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := DEST XOR SRC."""
    result, flags = alu.xor(dst.load_for_store(cpu), src.load(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("TEST")
def test(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """Flags of DEST AND SRC."""
    _, flags = alu.and_(dst.load(cpu), src.load(cpu), dst.width)
    cpu.set_flags(flags, STATUS)


@meaning("INC")
def inc(cpu: Cpu, dst: Bound) -> None:
    """DEST := DEST + 1; CF is left alone."""
    result, flags = alu.inc(dst.load_for_store(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS & ~CF)


@meaning("DEC")
def dec(cpu: Cpu, dst: Bound) -> None:
    """DEST := DEST - 1; CF is left alone."""
    result, flags = alu.dec(dst.load_for_store(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS & ~CF)


@meaning("NEG")
def neg(cpu: Cpu, dst: Bound) -> None:
    """DEST := 0 - DEST."""
    result, flags = alu.neg(dst.load_for_store(cpu), dst.width)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("NOT")
def not_(cpu: Cpu, dst: Bound) -> None:
    """DEST := NOT DEST; no flags."""
    dst.store(cpu, alu.not_(dst.load_for_store(cpu), dst.width))


# ---- multiply and divide -------------------------------------------------------------------------


@meaning("MUL")
def mul(cpu: Cpu, src: Bound) -> None:
    """EDX:EAX := EAX * SRC, unsigned; AX := AL * SRC for bytes."""
    accumulator, extension = ACCUMULATOR[src.width], EXTENSION[src.width]
    low, high, flags = alu.mul(accumulator.load(cpu), src.load(cpu), src.width)
    accumulator.store(cpu, low)
    extension.store(cpu, high)
    cpu.set_flags(flags, STATUS)


@meaning("IMUL", which=lambda insn: len(insn.operands) == 1)
def imul_wide(cpu: Cpu, src: Bound) -> None:
    """EDX:EAX := EAX * SRC, signed; AX := AL * SRC for bytes."""
    accumulator, extension = ACCUMULATOR[src.width], EXTENSION[src.width]
    low, high, flags = alu.imul(accumulator.load(cpu), src.load(cpu), src.width)
    accumulator.store(cpu, low)
    extension.store(cpu, high)
    cpu.set_flags(flags, STATUS)


@meaning("IMUL", which=lambda insn: len(insn.operands) == 2)
def imul_into(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := low half of DEST * SRC."""
    low, _, flags = alu.imul(dst.load(cpu), src.load(cpu), dst.width)
    dst.store(cpu, low)
    cpu.set_flags(flags, STATUS)


@meaning("IMUL", which=lambda insn: len(insn.operands) == 3)
def imul_by_constant(cpu: Cpu, dst: Bound, src: Bound, factor: Constant) -> None:
    """DEST := low half of SRC * constant."""
    low, _, flags = alu.imul(src.load(cpu), factor.value, dst.width)
    dst.store(cpu, low)
    cpu.set_flags(flags, STATUS)


@meaning("DIV")
def div(cpu: Cpu, src: Bound) -> None:
    """EAX, EDX := quotient and remainder of EDX:EAX / SRC, unsigned; AL, AH := AX / SRC for bytes."""
    accumulator, extension = ACCUMULATOR[src.width], EXTENSION[src.width]
    quotient, remainder = alu.div(accumulator.load(cpu), extension.load(cpu), src.load(cpu), src.width)
    accumulator.store(cpu, quotient)
    extension.store(cpu, remainder)


@meaning("IDIV")
def idiv(cpu: Cpu, src: Bound) -> None:
    """EAX, EDX := quotient and remainder of EDX:EAX / SRC, signed; AL, AH := AX / SRC for bytes."""
    accumulator, extension = ACCUMULATOR[src.width], EXTENSION[src.width]
    quotient, remainder = alu.idiv(accumulator.load(cpu), extension.load(cpu), src.load(cpu), src.width)
    accumulator.store(cpu, quotient)
    extension.store(cpu, remainder)


@meaning("CWDE", shaped=True)
def cwde(cpu: Cpu, insn: Insn) -> None:
    """EAX := sign extension of AX; CBW: AX := sign extension of AL."""
    half = insn.opsize // 2
    value = ACCUMULATOR[half].load(cpu)
    ACCUMULATOR[insn.opsize].store(cpu, alu.sign_extend(value, half, insn.opsize))


@meaning("CDQ", shaped=True)
def cdq(cpu: Cpu, insn: Insn) -> None:
    """EDX := sign of EAX; CWD: DX := sign of AX."""
    value = ACCUMULATOR[insn.opsize].load(cpu)
    EXTENSION[insn.opsize].store(cpu, alu.sign_fill(value, insn.opsize))


# ---- decimal adjustment --------------------------------------------------------------------------


@meaning("DAA")
def daa(cpu: Cpu) -> None:
    """Decimal adjust AL after addition."""
    result, flags = alu.daa(AL.load(cpu), cpu.eflags)
    AL.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("DAS")
def das(cpu: Cpu) -> None:
    """Decimal adjust AL after subtraction."""
    result, flags = alu.das(AL.load(cpu), cpu.eflags)
    AL.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("AAA")
def aaa(cpu: Cpu) -> None:
    """ASCII adjust AX after addition."""
    result, flags = alu.aaa(AX.load(cpu), cpu.eflags)
    AX.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("AAS")
def aas(cpu: Cpu) -> None:
    """ASCII adjust AX after subtraction."""
    result, flags = alu.aas(AX.load(cpu), cpu.eflags)
    AX.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("AAM")
def aam(cpu: Cpu, base: Constant) -> None:
    """AH, AL := AL divided by the base and the rest."""
    result, flags = alu.aam(AL.load(cpu), base.value)
    AX.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("AAD")
def aad(cpu: Cpu, base: Constant) -> None:
    """AL := AH * base + AL; AH := 0."""
    result, flags = alu.aad(AX.load(cpu), base.value)
    AX.store(cpu, result)
    cpu.set_flags(flags, STATUS)


# ---- exchange and compare ------------------------------------------------------------------------


@meaning("XADD", which=lambda insn: isinstance(insn.operands[0], Reg))
def xadd(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """SRC := DEST; DEST := DEST + SRC as it was; DEST wins when they are the same."""
    before = dst.load(cpu)
    result, flags = alu.add(before, src.load(cpu), dst.width)
    src.store(cpu, before)
    dst.store(cpu, result)
    cpu.set_flags(flags, STATUS)


@meaning("XADD", which=lambda insn: isinstance(insn.operands[0], Mem))
def xadd_memory(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """As above; memory is stored first, since SRC may be part of its address."""
    before = dst.load_for_store(cpu)
    result, flags = alu.add(before, src.load(cpu), dst.width)
    dst.store(cpu, result)
    src.store(cpu, before)
    cpu.set_flags(flags, STATUS)


@meaning("CMPXCHG")
def cmpxchg(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """If the accumulator equals DEST: DEST := SRC, else accumulator := DEST; DEST is written either way."""
    accumulator = ACCUMULATOR[dst.width]
    before = dst.load_for_store(cpu)
    _, flags = alu.sub(accumulator.load(cpu), before, dst.width)
    if flags & ZF:
        dst.store(cpu, src.load(cpu))
    else:
        dst.store(cpu, before)
        accumulator.store(cpu, before)
    cpu.set_flags(flags, STATUS)


@meaning("CMPXCHG8B")
def cmpxchg8b(cpu: Cpu, dst: Bound) -> None:
    """If EDX:EAX equals DEST: DEST := ECX:EBX, ZF := 1, else EDX:EAX := DEST, ZF := 0; DEST is written either way."""
    before = dst.load_for_store(cpu)
    if cpu.regs[EDX] << 32 | cpu.regs[EAX] == before:
        dst.store(cpu, cpu.regs[ECX] << 32 | cpu.regs[EBX])
        cpu.set_flags(ZF, ZF)
    else:
        dst.store(cpu, before)
        cpu.regs[EAX] = before & MASK32
        cpu.regs[EDX] = before >> 32
        cpu.set_flags(0, ZF)
