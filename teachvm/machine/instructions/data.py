"""Moving data: MOV and its relatives, the stack, and the flag bits a program owns.

Source: Intel SDM Vol. 2A/2B, the page of each instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa import alu
from teachvm.isa.conditions import CONDITIONS
from teachvm.isa.decode import Insn
from teachvm.isa.flags import AC, AF, CF, DF, ID, IF, IOPL_MASK, NT, PF, RF, SF, STATUS, TF, VIF, VIP, VM, ZF, iopl
from teachvm.isa.operands import EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, SS, Mem, Reg, Sreg
from teachvm.machine.bound import Bound, Constant
from teachvm.machine.bound_memory import Memory
from teachvm.machine.condition import ConditionCode
from teachvm.machine.instructions.arithmetic import AH, AL
from teachvm.machine.instructions.meanings import meaning

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

PUSHED_FLAGS = ~(RF | VM)
"""RF and VM read as zero in what PUSHF stores."""
LOW_FLAGS = SF | ZF | AF | PF | CF
"""What SAHF loads."""
LEVEL_MASK = 31
"""ENTER's nesting level is taken modulo 32."""


@meaning("MOV")
def mov(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := SRC; segment, control and debug registers check what they are given."""
    dst.store(cpu, src.load(cpu))


@meaning("MOVZX")
def movzx(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := SRC, zero-extended."""
    dst.store(cpu, src.load(cpu))


@meaning("MOVSX")
def movsx(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := SRC, sign-extended."""
    dst.store(cpu, alu.sign_extend(src.load(cpu), src.width, dst.width))


@meaning("LEA")
def lea(cpu: Cpu, dst: Bound, src: Memory) -> None:
    """DEST := the offset of SRC; memory is not touched."""
    dst.store(cpu, src.address(cpu) & dst.mask)


@meaning("XCHG")
def xchg(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """Swap DEST and SRC."""
    before = dst.load_for_store(cpu)
    dst.store(cpu, src.load(cpu))
    src.store(cpu, before)


@meaning("NOP", which=lambda insn: not insn.operands)
def nop(cpu: Cpu) -> None:
    """Nothing."""


@meaning("NOP", which=lambda insn: bool(insn.operands))
def nop_with_operand(cpu: Cpu, ignored: Bound) -> None:
    """Nothing; the operand is not touched."""


@meaning("BSWAP")
def bswap(cpu: Cpu, dst: Bound) -> None:
    """Reverse the bytes of DEST."""
    dst.store(cpu, alu.bswap(dst.load(cpu), dst.width))


@meaning("XLATB")
def xlatb(cpu: Cpu, table: Memory) -> None:
    """AL := byte AL of the table at EBX."""
    AL.store(cpu, cpu.read8(table.segment, table.address(cpu) + AL.load(cpu) & table.wrap))


@meaning(*(f"CMOV{condition.suffix}" for condition in CONDITIONS))
def cmov(cpu: Cpu, condition: ConditionCode, dst: Bound, src: Bound) -> None:
    """If the condition holds: DEST := SRC; SRC is read in any case."""
    value = src.load(cpu)
    if condition.table[cpu.eflags & 0xFFF]:
        dst.store(cpu, value)


@meaning(*(f"SET{condition.suffix}" for condition in CONDITIONS))
def setcc(cpu: Cpu, condition: ConditionCode, dst: Bound) -> None:
    """DEST := 1 if the condition holds, else 0."""
    dst.store(cpu, condition.table[cpu.eflags & 0xFFF])


# ---- the stack -----------------------------------------------------------------------------------


@meaning("PUSH", which=lambda insn: not isinstance(insn.operands[0], Sreg))
def push(cpu: Cpu, src: Bound) -> None:
    """Store SRC below the stack top; PUSH ESP stores ESP as it was."""
    cpu.push(src.width >> 3, src.load(cpu))


@meaning("PUSH", which=lambda insn: isinstance(insn.operands[0], Sreg), shaped=True)
def push_segment(cpu: Cpu, insn: Insn, src: Bound) -> None:
    """Push a selector, zero-extended to the operand size."""
    cpu.push(insn.opsize >> 3, src.load(cpu))


@meaning("POP", which=lambda insn: isinstance(insn.operands[0], Reg))
def pop(cpu: Cpu, dst: Bound) -> None:
    """Load a register from the stack top; POP ESP gets the value, not the moved pointer."""
    value = cpu.top(dst.width >> 3)
    cpu.drop(dst.width >> 3)
    dst.store(cpu, value)


@meaning("POP", which=lambda insn: isinstance(insn.operands[0], Mem))
def pop_memory(cpu: Cpu, dst: Bound) -> None:
    """Move the stack top to memory; an address based on ESP uses ESP as the pop leaves it."""
    dst.store(cpu, cpu.top(dst.width >> 3))
    cpu.drop(dst.width >> 3)


@meaning("POP", which=lambda insn: isinstance(insn.operands[0], Sreg), shaped=True)
def pop_segment(cpu: Cpu, insn: Insn, dst: Bound) -> None:
    """Load a segment register from the stack top."""
    esp = cpu.moved_esp(insn.opsize >> 3)
    dst.store(cpu, cpu.top(insn.opsize >> 3) & 0xFFFF)
    cpu.regs[ESP] = esp


@meaning("PUSHAD", shaped=True)
def pushad(cpu: Cpu, insn: Insn) -> None:
    """Push EAX ECX EDX EBX ESP EBP ESI EDI, with ESP as it was; all of them or none."""
    mask = (1 << insn.opsize) - 1
    cpu.push_all(insn.opsize >> 3, [value & mask for value in cpu.regs])


@meaning("POPAD", shaped=True)
def popad(cpu: Cpu, insn: Insn) -> None:
    """Pop EDI ESI EBP (one skipped) EBX EDX ECX EAX; all of them or none."""
    size = insn.opsize >> 3
    kept = 0 if size == 4 else 0xFFFF_0000
    places = ((EDI, 0), (ESI, 1), (EBP, 2), (EBX, 4), (EDX, 5), (ECX, 6), (EAX, 7))
    values = [cpu.top(size, size * place) for _, place in places]
    for (register, _), value in zip(places, values, strict=True):
        cpu.regs[register] = cpu.regs[register] & kept | value
    cpu.drop(8 * size)


@meaning("ENTER", shaped=True)
def enter(cpu: Cpu, insn: Insn, room: Constant, level: Constant) -> None:
    """Make a stack frame: push EBP, copy `level` - 1 frame pointers and push the new one, reserve room.

    Every read and store that can fault is tried first, also a store at the final stack top.
    """
    size = insn.opsize >> 3
    mask = (1 << insn.opsize) - 1
    depth = level.value & LEVEL_MASK
    links = [cpu.frame_offset(-size * number) for number in range(1, depth)]
    pushes = 1 + len(links) + (1 if depth else 0)
    for number in range(1, pushes + 1):
        cpu.probe(SS, cpu.stack_offset(-size * number), size)
    for link in links:
        cpu.read(SS, link, size)
    cpu.probe(SS, cpu.stack_offset(-size * pushes - room.value), size)
    cpu.push(size, cpu.regs[EBP] & mask)
    frame = cpu.regs[ESP]
    for link in links:
        cpu.push(size, cpu.read(SS, link, size))
    if depth:
        cpu.push(size, frame & mask)
    cpu.regs[EBP] = frame if size == 4 else cpu.regs[EBP] & 0xFFFF_0000 | frame & 0xFFFF
    cpu.drop(-room.value)


@meaning("LEAVE", shaped=True)
def leave(cpu: Cpu, insn: Insn) -> None:
    """ESP := EBP, then pop EBP."""
    size = insn.opsize >> 3
    value = cpu.read(SS, cpu.frame_offset(0), size)
    cpu.regs[ESP] = cpu.esp_at_frame()
    cpu.drop(size)
    cpu.regs[EBP] = value if size == 4 else cpu.regs[EBP] & 0xFFFF_0000 | value


# ---- flags ---------------------------------------------------------------------------------------


@meaning("PUSHFD", shaped=True)
def pushfd(cpu: Cpu, insn: Insn) -> None:
    """Push EFLAGS, real IF and IOPL included, at any privilege level."""
    cpu.push(insn.opsize >> 3, cpu.eflags & PUSHED_FLAGS & (1 << insn.opsize) - 1)


@meaning("POPFD", shaped=True)
def popfd(cpu: Cpu, insn: Insn) -> None:
    """Pop EFLAGS. IOPL changes only at CPL 0 and IF only with CPL <= IOPL; otherwise they stay, without a fault."""
    size = insn.opsize >> 3
    image = cpu.top(size)
    changed = STATUS | TF | DF | NT | AC | ID | RF | VIF | VIP
    if cpu.cpl <= iopl(cpu.eflags):
        changed |= IF
    if cpu.cpl == 0:
        changed |= IOPL_MASK
    cpu.drop(size)
    cpu.set_flags(image & ~(RF | VIF | VIP), changed & (1 << insn.opsize) - 1)


@meaning("SAHF")
def sahf(cpu: Cpu) -> None:
    """SF, ZF, AF, PF, CF := AH."""
    cpu.set_flags(AH.load(cpu), LOW_FLAGS)


@meaning("LAHF")
def lahf(cpu: Cpu) -> None:
    """AH := low byte of EFLAGS."""
    AH.store(cpu, cpu.eflags & 0xFF)


@meaning("CMC")
def cmc(cpu: Cpu) -> None:
    """CF := NOT CF."""
    cpu.set_flags(~cpu.eflags, CF)


@meaning("CLC")
def clc(cpu: Cpu) -> None:
    """CF := 0."""
    cpu.set_flags(0, CF)


@meaning("STC")
def stc(cpu: Cpu) -> None:
    """CF := 1."""
    cpu.set_flags(CF, CF)


@meaning("CLD")
def cld(cpu: Cpu) -> None:
    """DF := 0: string instructions go up."""
    cpu.set_flags(0, DF)


@meaning("STD")
def std(cpu: Cpu) -> None:
    """DF := 1: string instructions go down."""
    cpu.set_flags(DF, DF)


@meaning("SALC")
def salc(cpu: Cpu) -> None:
    """AL := 0xFF if CF, else 0."""
    AL.store(cpu, 0xFF if cpu.eflags & CF else 0)
