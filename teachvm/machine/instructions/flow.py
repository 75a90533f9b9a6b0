"""Control transfer: jumps, calls, returns, loops, software interrupts.

Source: Intel SDM Vol. 2A/2B, the page of each instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa.alu import signed
from teachvm.isa.conditions import CONDITIONS
from teachvm.isa.decode import Insn
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import OF, ZF
from teachvm.isa.operands import ECX, Rel
from teachvm.machine.bound import Bound, Constant, Target
from teachvm.machine.bound_memory import Memory
from teachvm.machine.condition import ConditionCode
from teachvm.machine.exceptions import Fault, invalid_opcode
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.transfers import far_call, far_jump, far_return, interrupt_return

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu


def _relative(insn: Insn) -> bool:
    return isinstance(insn.operands[0], Rel)


def _absolute(insn: Insn) -> bool:
    return not _relative(insn)


@meaning(*(f"J{condition.suffix}" for condition in CONDITIONS))
def jump_if(cpu: Cpu, condition: ConditionCode, target: Target) -> None:
    """If the condition holds, go to EIP + distance."""
    if condition.table[cpu.eflags & 0xFFF]:
        cpu.jump(cpu.next_eip + target.value & target.mask)


@meaning("JMP", which=_relative)
def jmp(cpu: Cpu, target: Target) -> None:
    """Go to EIP + distance."""
    cpu.jump(cpu.next_eip + target.value & target.mask)


@meaning("JMP", which=_absolute)
def jmp_absolute(cpu: Cpu, target: Bound) -> None:
    """Go to the offset in a register or memory."""
    cpu.jump(target.load(cpu))


@meaning("CALL", which=_relative)
def call(cpu: Cpu, target: Target) -> None:
    """Push EIP, go to EIP + distance."""
    here = cpu.next_eip
    cpu.jump(here + target.value & target.mask)
    cpu.push(target.width >> 3, here & target.mask)


@meaning("CALL", which=_absolute)
def call_absolute(cpu: Cpu, target: Bound) -> None:
    """Push EIP, go to the offset in a register or memory."""
    here = cpu.next_eip
    cpu.jump(target.load(cpu))
    cpu.push(target.width >> 3, here & target.mask)


@meaning("RET", which=lambda insn: not insn.operands, shaped=True)
def ret(cpu: Cpu, insn: Insn) -> None:
    """Pop EIP."""
    cpu.jump(cpu.top(insn.opsize >> 3))
    cpu.drop(insn.opsize >> 3)


@meaning("RET", which=lambda insn: bool(insn.operands), shaped=True)
def ret_and_release(cpu: Cpu, insn: Insn, released: Constant) -> None:
    """Pop EIP, then release bytes of parameters."""
    cpu.jump(cpu.top(insn.opsize >> 3))
    cpu.drop((insn.opsize >> 3) + released.value)


# ---- loops ---------------------------------------------------------------------------------------


def _counted(cpu: Cpu, insn: Insn) -> int:
    """ECX, or CX with 16-bit addresses, less one."""
    return cpu.regs[ECX] - 1 & (1 << insn.adsize) - 1


def _set_counter(cpu: Cpu, insn: Insn, count: int) -> None:
    cpu.regs[ECX] = count if insn.adsize == 32 else cpu.regs[ECX] & 0xFFFF_0000 | count


@meaning("LOOP", shaped=True)
def loop(cpu: Cpu, insn: Insn, target: Target) -> None:
    """Decrement the counter; go to the target while it is not zero."""
    count = _counted(cpu, insn)
    if count:
        cpu.jump(cpu.next_eip + target.value & target.mask)
    _set_counter(cpu, insn, count)


@meaning("LOOPE", shaped=True)
def loope(cpu: Cpu, insn: Insn, target: Target) -> None:
    """As LOOP, and only while ZF = 1."""
    count = _counted(cpu, insn)
    if count and cpu.eflags & ZF:
        cpu.jump(cpu.next_eip + target.value & target.mask)
    _set_counter(cpu, insn, count)


@meaning("LOOPNE", shaped=True)
def loopne(cpu: Cpu, insn: Insn, target: Target) -> None:
    """As LOOP, and only while ZF = 0."""
    count = _counted(cpu, insn)
    if count and not cpu.eflags & ZF:
        cpu.jump(cpu.next_eip + target.value & target.mask)
    _set_counter(cpu, insn, count)


@meaning("JECXZ", shaped=True)
def jecxz(cpu: Cpu, insn: Insn, target: Target) -> None:
    """Go to the target if the counter is zero."""
    if not cpu.regs[ECX] & (1 << insn.adsize) - 1:
        cpu.jump(cpu.next_eip + target.value & target.mask)


# ---- far transfers -------------------------------------------------------------------------------


@meaning("JMPF", shaped=True)
def jmpf(cpu: Cpu, insn: Insn, pointer: Bound) -> None:
    """Go to another segment, or through a call gate."""
    target = pointer.load(cpu)
    far_jump(cpu, target >> insn.opsize, target & (1 << insn.opsize) - 1)


@meaning("CALLF", shaped=True)
def callf(cpu: Cpu, insn: Insn, pointer: Bound) -> None:
    """Call another segment, or through a call gate, perhaps into an inner ring."""
    target = pointer.load(cpu)
    far_call(cpu, target >> insn.opsize, target & (1 << insn.opsize) - 1, insn.opsize >> 3)


@meaning("RETF", which=lambda insn: not insn.operands, shaped=True)
def retf(cpu: Cpu, insn: Insn) -> None:
    """Return to another segment, perhaps in an outer ring."""
    far_return(cpu, insn.opsize >> 3, 0)


@meaning("RETF", which=lambda insn: bool(insn.operands), shaped=True)
def retf_and_release(cpu: Cpu, insn: Insn, released: Constant) -> None:
    """Return to another segment and release bytes of parameters."""
    far_return(cpu, insn.opsize >> 3, released.value)


@meaning("IRETD", shaped=True)
def iretd(cpu: Cpu, insn: Insn) -> None:
    """Return from an interrupt, in the same ring or to an outer one."""
    interrupt_return(cpu, insn.opsize >> 3)


# ---- software interrupts -------------------------------------------------------------------------


@meaning("INT")
def int_(cpu: Cpu, vector: Constant) -> None:
    """Go through IDT gate `vector`; #GP(8 * vector + 2) if its DPL is below CPL."""
    cpu.software_interrupt(vector.value)


@meaning("INT3")
def int3(cpu: Cpu) -> None:
    """The one-byte breakpoint: INT 3."""
    cpu.software_interrupt(Vector.BP)


@meaning("INTO")
def into(cpu: Cpu) -> None:
    """INT 4 if OF."""
    if cpu.eflags & OF:
        cpu.software_interrupt(Vector.OF)


@meaning("INT1")
def int1(cpu: Cpu) -> None:
    """#DB."""
    cpu.debug_trap()


@meaning("BOUND", shaped=True)
def bound(cpu: Cpu, insn: Insn, index: Bound, limits: Memory) -> None:
    """#BR if a signed index lies outside the pair of bounds in memory."""
    width = insn.opsize
    pair = limits.load(cpu)
    value = signed(index.load(cpu), width)
    lower, upper = signed(pair & (1 << width) - 1, width), signed(pair >> width, width)
    if not lower <= value <= upper:
        raise Fault(Vector.BR)


@meaning("UD2")
def ud2(cpu: Cpu) -> None:
    """#UD by design."""
    raise invalid_opcode()
