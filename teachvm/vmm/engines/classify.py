"""Naming an entry: which instruction brought the hardware into the VMM, and why.

Only names and costs depend on it. What then happens to the guest is decided by the software CPU, which executes the
same instruction with the guest's own tables and privilege: it completes, or it faults as it would on bare metal.
"""

from __future__ import annotations

from typing import Final

from teachvm.isa import paging
from teachvm.isa.control import CR4_TSD
from teachvm.isa.decode import MAX_LENGTH, DecodeError, Insn
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import iopl
from teachvm.isa.operands import CS, DS, EDI, ES, ESI, SS, Creg, Dreg, Mem, Sreg
from teachvm.isa.row import InstructionClass
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Fault
from teachvm.machine.operation import decoded
from teachvm.vmm.addresses import Gva
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.walk import look, paging_mode

BY_MNEMONIC: Final = {
    "CLI": EntryReason.CLI,
    "STI": EntryReason.STI,
    "HLT": EntryReason.HLT,
    "LGDT": EntryReason.LGDT,
    "LIDT": EntryReason.LIDT,
    "LLDT": EntryReason.LLDT,
    "LTR": EntryReason.LTR,
    "LMSW": EntryReason.LMSW,
    "CLTS": EntryReason.CLTS,
    "INVLPG": EntryReason.INVLPG,
    "INVD": EntryReason.CACHE,
    "WBINVD": EntryReason.CACHE,
    "RDMSR": EntryReason.MSR,
    "WRMSR": EntryReason.MSR,
    "RDTSC": EntryReason.RDTSC,
    "IN": EntryReason.IN_OUT,
    "OUT": EntryReason.IN_OUT,
    "INSB": EntryReason.IN_OUT,
    "INSD": EntryReason.IN_OUT,
    "OUTSB": EntryReason.IN_OUT,
    "OUTSD": EntryReason.IN_OUT,
    "IRETD": EntryReason.IRET,
    "JMPF": EntryReason.FAR_TRANSFER,
    "CALLF": EntryReason.FAR_TRANSFER,
    "RETF": EntryReason.FAR_TRANSFER,
    "INT": EntryReason.INT_N,
    "INT3": EntryReason.INT_N,
    "INTO": EntryReason.INT_N,
    "LES": EntryReason.SEGMENT_LOAD,
    "LDS": EntryReason.SEGMENT_LOAD,
    "LSS": EntryReason.SEGMENT_LOAD,
    "LFS": EntryReason.SEGMENT_LOAD,
    "LGS": EntryReason.SEGMENT_LOAD,
}
"""Instructions that trap because of what they are."""

PROTECTION_VECTORS: Final = (Vector.GP, Vector.NP, Vector.SS, Vector.TS)
"""Exceptions deprivileging can cause; all others the guest caused itself."""

_STACK_PUSHERS: Final = frozenset(("PUSH", "PUSHFD", "CALL", "PUSHAD", "ENTER"))
_STACK_POPPERS: Final = frozenset(("POP", "POPFD", "RET", "POPAD", "LEAVE"))


def instruction_at(cpu: Cpu, memory: GuestMemory) -> tuple[Insn | None, bytes]:
    """The instruction at the guest's CS:EIP, read through the guest's tables without touching them.

    Returns:
        The instruction and its bytes; None and what could be read, if that is no whole instruction.
    """
    code = cpu.segs[CS]
    mode = paging_mode(cpu.cr0, cpu.cr3, cpu.cr4)
    content = b""
    while len(content) < MAX_LENGTH and cpu.eip + len(content) <= code.limit:
        linear = Gva(code.base + cpu.eip + len(content) & 0xFFFF_FFFF)
        walk = look(memory.read, mode, linear)
        if walk.error(write=False, user=cpu.cpl == 3, wp=mode.wp) is not None:
            break
        room = min(
            MAX_LENGTH - len(content), paging.PAGE_SIZE - (linear & 0xFFF), code.limit + 1 - cpu.eip - len(content)
        )
        content += memory.read_bytes(walk.gpa, room)
    try:
        insn = decoded(content, 32 if code.big else 16).insn
    except DecodeError:
        return None, content
    return insn, content[: insn.length]


def exception_reason(cpu: Cpu, vector: int, insn: Insn | None) -> EntryReason:
    """Why an exception other than a page fault brought the guest into the VMM."""
    if vector not in PROTECTION_VECTORS or insn is None:
        return EntryReason.EXCEPTION_REFLECTED
    reason = instruction_reason(insn)
    if reason is not None:
        return reason if _permitted(cpu, insn) else EntryReason.EXCEPTION_REFLECTED
    return EntryReason.SEGMENT_LIMIT if _inside(cpu, insn) else EntryReason.EXCEPTION_REFLECTED


def instruction_reason(insn: Insn) -> EntryReason | None:
    """The reason an instruction traps for by its nature, or None if it is an ordinary one."""
    reason = BY_MNEMONIC.get(insn.row.mnemonic)
    if reason is not None:
        return reason
    if insn.row.mnemonic == "MOV":
        if any(isinstance(operand, Creg) for operand in insn.operands):
            return EntryReason.MOV_CR
        if any(isinstance(operand, Dreg) for operand in insn.operands):
            return EntryReason.MOV_DR
    if insn.row.mnemonic in ("MOV", "POP") and isinstance(insn.operands[0], Sreg):
        return EntryReason.SEGMENT_LOAD
    return None


def _permitted(cpu: Cpu, insn: Insn) -> bool:
    """Whether the guest's own privilege allows the instruction, as far as its class alone decides that."""
    match insn.row.klass:
        case InstructionClass.PRIVILEGED:
            return cpu.cpl == 0
        case InstructionClass.IOPL_SENSITIVE if insn.row.mnemonic in ("CLI", "STI"):
            return cpu.cpl <= iopl(cpu.eflags)
        case InstructionClass.INNOCUOUS if insn.row.mnemonic == "RDTSC":
            return cpu.cpl == 0 or not cpu.cr4 & CR4_TSD
        case _:
            return True


def _inside(cpu: Cpu, insn: Insn) -> bool:
    """Whether every byte the instruction touches lies inside the guest's own segments."""
    try:
        for segment, offset, size, write in touched(cpu, insn):
            cpu.check_segment(segment, offset, size, write)
    except Fault:
        return False
    return cpu.eip + insn.length - 1 <= cpu.segs[CS].limit


def touched(cpu: Cpu, insn: Insn) -> list[tuple[int, int, int, bool]]:
    """Segment register, offset, size and direction of what an instruction accesses, as far as it is an easy case."""
    size = insn.opsize // 8
    touched = []
    for position, operand in enumerate(insn.operands):
        if isinstance(operand, Mem) and operand.width:
            write = position == 0 and insn.row.mnemonic not in ("CMP", "TEST", "PUSH", "CALL", "JMP", "BOUND")
            touched.append((operand.segment, _offset(cpu, operand), operand.width // 8, write))
    codes = {code[0] for code in insn.row.operand_codes}
    width = 1 if insn.row.mnemonic.endswith("B") else size
    if "X" in codes:
        touched.append((DS, cpu.regs[ESI], width, False))
    if "Y" in codes:
        touched.append((ES, cpu.regs[EDI], width, True))
    if insn.row.mnemonic in _STACK_PUSHERS:
        touched.append((SS, cpu.stack_offset(-size), size, True))
    elif insn.row.mnemonic in _STACK_POPPERS:
        touched.append((SS, cpu.stack_offset(), size, False))
    return touched


def _offset(cpu: Cpu, operand: Mem) -> int:
    offset = operand.disp
    if operand.base is not None:
        offset += cpu.regs[operand.base]
    if operand.index is not None:
        offset += cpu.regs[operand.index] * operand.scale
    return offset & (1 << operand.adsize) - 1
