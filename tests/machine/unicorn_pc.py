"""The same small flat PC twice: ours, and Unicorn's."""

from __future__ import annotations

import random
from dataclasses import dataclass

import unicorn
from unicorn import x86_const as x86

from teachvm.isa.control import CR0_PE
from teachvm.isa.descriptors import flat_code, flat_data
from teachvm.isa.operands import CS
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Interruption
from teachvm.machine.memory import Memory
from teachvm.machine.tlb import Tlb
from tests.machine.samples import CODE, DATA, DATA_BYTES, RAM_BYTES, Sample

REGISTERS = (
    x86.UC_X86_REG_EAX, x86.UC_X86_REG_ECX, x86.UC_X86_REG_EDX, x86.UC_X86_REG_EBX,
    x86.UC_X86_REG_ESP, x86.UC_X86_REG_EBP, x86.UC_X86_REG_ESI, x86.UC_X86_REG_EDI,
)  # fmt: skip
COMPARED_FLAGS = 0xCD5
INITIAL = random.Random(386).randbytes(DATA_BYTES)
PADDING = b"\x90" * 16


@dataclass
class Outcome:
    """State after one instruction."""

    vector: int | None
    regs: list[int]
    eflags: int
    eip: int
    data: bytes


class NoPorts:
    """An I/O bus without devices."""

    def in_(self, port: int, size: int) -> int:
        return (1 << 8 * size) - 1

    def out(self, port: int, size: int, value: int) -> None:
        pass


class Ours:
    """Our processor in flat ring 3, without paging; an exception is noted, not delivered."""

    def __init__(self) -> None:
        self.memory = Memory(RAM_BYTES)
        self.cpu = Cpu("cpu0", self.memory, NoPorts(), None, Tlb())
        self.cpu.deliver = self._note
        self.cpu.cr0 |= CR0_PE
        self.cpu.segs[:] = [flat_data(0x33, 3)] * 6
        self.cpu.segs[CS] = flat_code(0x2B, 3)
        self.cpu.cpl = 3
        self.vector: int | None = None

    def _note(self, cpu: Cpu, interruption: Interruption) -> None:
        self.vector = interruption.vector

    def run(self, sample: Sample) -> Outcome:
        cpu = self.cpu
        self.memory.write_bytes(CODE, sample.code + PADDING)
        self.memory.write_bytes(DATA, INITIAL)
        cpu.regs[:] = sample.regs
        cpu.eflags, cpu.eip, self.vector = sample.eflags, CODE, None
        cpu.step()
        data = self.memory.read_bytes(DATA, DATA_BYTES)
        return Outcome(self.vector, list(cpu.regs), cpu.eflags, cpu.eip, data)


class Theirs:
    """Unicorn with the same memory."""

    def __init__(self) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        self.uc.mem_map(0, RAM_BYTES)
        self.vector: int | None = None
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._note)
        self.fresh = self.uc.context_save()

    def _note(self, uc: unicorn.Uc, vector: int, _: object) -> None:
        self.vector = vector
        uc.emu_stop()

    def run(self, sample: Sample, expected_eip: int) -> Outcome | None:
        """State after the instruction; None if it touched memory that is not there."""
        uc = self.uc
        # Without this Unicorn says nothing more after its first exception.
        uc.context_restore(self.fresh)
        uc.ctl_remove_cache(CODE, CODE + 64)
        uc.mem_write(CODE, sample.code + PADDING)
        uc.mem_write(DATA, INITIAL)
        for register, content in zip(REGISTERS, sample.regs, strict=True):
            uc.reg_write(register, content)
        uc.reg_write(x86.UC_X86_REG_EFLAGS, sample.eflags)
        self.vector = None
        straight = expected_eip == CODE + len(sample.code) and not sample.insn.row.terminator
        try:
            if straight:
                uc.emu_start(CODE, expected_eip)
            else:
                uc.emu_start(CODE, 0xFFFF_FFFF, count=1)
        except unicorn.UcError as error:
            if error.errno != unicorn.UC_ERR_INSN_INVALID:
                return None
            self.vector = 6
        regs = [uc.reg_read(register) for register in REGISTERS]
        eip = uc.reg_read(x86.UC_X86_REG_EIP)
        return Outcome(self.vector, regs, uc.reg_read(x86.UC_X86_REG_EFLAGS), eip, bytes(uc.mem_read(DATA, DATA_BYTES)))
