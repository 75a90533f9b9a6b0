"""System instructions: table registers, CR0 shortcuts, TLB, caches, MSRs, time stamp, identity, ports, IF, HLT.

The rows' class, not these functions, refuses privileged instructions outside ring 0.

Source: Intel SDM Vol. 2A/2B, the page of each instruction; Vol. 4 (Pentium MSRs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.control import CR0_PE, CR0_TS, CR4_TSD, MSW_WRITABLE
from teachvm.isa.decode import Insn
from teachvm.isa.descriptors import TableRegister
from teachvm.isa.flags import IF
from teachvm.isa.operands import EAX, EBX, ECX, EDX
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.events import CpuHalted, PortAccessed
from teachvm.machine.exceptions import general_protection
from teachvm.machine.instructions.meanings import meaning
from teachvm.machine.registers import MASK32

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

MASK64: Final = (1 << 64) - 1
BASE_24: Final = 0x00FF_FFFF
"""With a 16-bit operand size, LGDT and LIDT take 24 bits of base; SGDT and SIDT store zero above them."""

CPUID_VENDOR: Final = (0x756E_6547, 0x4965_6E69, 0x6C65_746E)
"""EBX, EDX, ECX of leaf 0: GenuineIntel."""
CPUID_HIGHEST: Final = 1
CPUID_SIGNATURE: Final = 0x0000_052C
"""Family 5, model 2, stepping 12: a Pentium."""
CPUID_FEATURES: Final = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 15
"""DE, PSE, TSC, MSR, MCE, CX8, CMOV. No FPU (bit 0), and nothing else that is not there."""

MSR_MACHINE_CHECK_ADDRESS: Final = 0x00
MSR_MACHINE_CHECK_TYPE: Final = 0x01
MSR_TSC: Final = 0x10
READABLE_MSRS: Final = frozenset((MSR_MACHINE_CHECK_ADDRESS, MSR_MACHINE_CHECK_TYPE, MSR_TSC))


# ---- descriptor table registers ------------------------------------------------------------------


def _stored(table: TableRegister, insn: Insn) -> int:
    base = table.base if insn.opsize == 32 else table.base & BASE_24
    return base << 16 | table.limit


def _loaded(image: int, insn: Insn) -> TableRegister:
    base = image >> 16
    return TableRegister(base if insn.opsize == 32 else base & BASE_24, image & 0xFFFF)


@meaning("SGDT", shaped=True)
def sgdt(cpu: Cpu, insn: Insn, dst: Bound) -> None:
    """Store GDTR, at any privilege level."""
    dst.store(cpu, _stored(cpu.gdtr, insn))


@meaning("SIDT", shaped=True)
def sidt(cpu: Cpu, insn: Insn, dst: Bound) -> None:
    """Store IDTR, at any privilege level."""
    dst.store(cpu, _stored(cpu.idtr, insn))


@meaning("LGDT", shaped=True)
def lgdt(cpu: Cpu, insn: Insn, src: Bound) -> None:
    """Load GDTR; segment registers keep their hidden parts."""
    cpu.gdtr = _loaded(src.load(cpu), insn)


@meaning("LIDT", shaped=True)
def lidt(cpu: Cpu, insn: Insn, src: Bound) -> None:
    """Load IDTR."""
    cpu.idtr = _loaded(src.load(cpu), insn)


# ---- CR0 shortcuts, TLB, caches ------------------------------------------------------------------


@meaning("SMSW")
def smsw(cpu: Cpu, dst: Bound) -> None:
    """Store the low half of CR0, at any privilege level; a 32-bit register gets all of it."""
    dst.store(cpu, cpu.read_control(0) & dst.mask)


@meaning("LMSW")
def lmsw(cpu: Cpu, src: Bound) -> None:
    """Load PE, MP, EM, TS; PE can be set but not cleared."""
    cpu.write_cr0(cpu.cr0 & ~MSW_WRITABLE | src.load(cpu) & MSW_WRITABLE | cpu.cr0 & CR0_PE)


@meaning("CLTS")
def clts(cpu: Cpu) -> None:
    """CR0.TS := 0."""
    cpu.cr0 &= ~CR0_TS


@meaning("INVLPG")
def invlpg(cpu: Cpu, page: Memory) -> None:
    """Drop the TLB entry of the page that holds an address; memory is not touched."""
    cpu.invalidate_page(cpu.segs[page.segment].base + page.address(cpu) & MASK32)


@meaning("INVD", "WBINVD")
def invd(cpu: Cpu) -> None:
    """Empty the caches, which this machine does not model."""


# ---- model-specific registers, time stamp, identity ----------------------------------------------


def _time_stamp(cpu: Cpu) -> int:
    return cpu.tsc() + cpu.tsc_offset & MASK64


@meaning("RDTSC")
def rdtsc(cpu: Cpu) -> None:
    """EDX:EAX := time stamp counter; with CR4.TSD only at CPL 0."""
    if cpu.cr4 & CR4_TSD and cpu.cpl:
        raise general_protection()
    stamp = _time_stamp(cpu)
    cpu.regs[EAX] = stamp & MASK32
    cpu.regs[EDX] = stamp >> 32


@meaning("RDMSR")
def rdmsr(cpu: Cpu) -> None:
    """EDX:EAX := model-specific register ECX; #GP(0) for one that does not exist."""
    register = cpu.regs[ECX]
    if register not in READABLE_MSRS:
        raise general_protection()
    value = _time_stamp(cpu) if register == MSR_TSC else 0
    cpu.regs[EAX] = value & MASK32
    cpu.regs[EDX] = value >> 32


@meaning("WRMSR")
def wrmsr(cpu: Cpu) -> None:
    """Model-specific register ECX := EDX:EAX; #GP(0) for one that does not exist or cannot be written.

    Source: Pentium processor family developer's manual, vol. 3, model-specific registers.
    """
    if cpu.regs[ECX] != MSR_TSC:
        raise general_protection()
    cpu.tsc_offset = (cpu.regs[EDX] << 32 | cpu.regs[EAX]) - cpu.tsc()


@meaning("CPUID")
def cpuid(cpu: Cpu) -> None:
    """EAX, EBX, ECX, EDX := facts about the processor, by leaf in EAX; never faults."""
    if cpu.regs[EAX] == 0:
        cpu.regs[EAX] = CPUID_HIGHEST
        cpu.regs[EBX], cpu.regs[EDX], cpu.regs[ECX] = CPUID_VENDOR
    else:
        # Leaves beyond the highest answer like the highest.
        cpu.regs[EAX] = CPUID_SIGNATURE
        cpu.regs[EBX] = cpu.regs[ECX] = 0
        cpu.regs[EDX] = CPUID_FEATURES


# ---- ports, IF, HLT ------------------------------------------------------------------------------


@meaning("IN")
def in_(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """DEST := port SRC."""
    port, size = src.load(cpu), dst.width >> 3
    cpu.require_port(port, size)
    value = cpu.ports.in_(port, size)
    dst.store(cpu, value)
    cpu.emit(PortAccessed, port=port, size=size, value=value, direction="in")


@meaning("OUT")
def out(cpu: Cpu, dst: Bound, src: Bound) -> None:
    """Port DEST := SRC."""
    port, size, value = dst.load(cpu), src.width >> 3, src.load(cpu)
    cpu.require_port(port, size)
    cpu.emit(PortAccessed, port=port, size=size, value=value, direction="out")
    cpu.ports.out(port, size, value)


@meaning("CLI")
def cli(cpu: Cpu) -> None:
    """IF := 0; #GP(0) if CPL > IOPL."""
    cpu.require_iopl()
    cpu.set_flags(0, IF)


@meaning("STI")
def sti(cpu: Cpu) -> None:
    """IF := 1, but interrupts wait for one more instruction; #GP(0) if CPL > IOPL."""
    cpu.require_iopl()
    cpu.shadow = not cpu.eflags & IF
    cpu.set_flags(IF, IF)


@meaning("HLT")
def hlt(cpu: Cpu) -> None:
    """Stop until an interrupt is accepted."""
    cpu.halted = True
    cpu.emit(CpuHalted, eip=cpu.next_eip, interrupts_enabled=cpu.eflags & IF != 0)
