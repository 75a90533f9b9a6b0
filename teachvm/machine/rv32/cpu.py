"""The processor of RV32I: fetch, decode, execute, one instruction at a time.

Source: RISC-V ISA manual Vol. I, ch. 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from teachvm.isa.rv32.codec import LENGTH, IllegalInstructionError, Insn, decode
from teachvm.machine.registers import MASK32

SIGN: Final = 1 << 31


class NoAnswerError(Exception):
    """Nobody answers at a physical address."""


class Rv32Memory(Protocol):
    """The physical address space as the processor sees it."""

    def read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes.

        Raises:
            NoAnswerError: Nobody answers.
        """

    def write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes.

        Raises:
            NoAnswerError: Nobody answers.
        """


class Rv32Stopped(Exception):  # noqa: N818 - an end, not a mistake
    """The processor cannot go on; the message says why."""


class Rv32Cpu:
    """32 registers and the program counter.

    State: `regs`, x0 to x31, unsigned; `pc`; `stopped`, why it executes nothing more, empty while it does.

    Deviation: there is one privilege level and no trap handler, as the base instruction set has none; what would trap
    ends the run. Misaligned loads and stores are done, as the manual allows.
    """

    STATE: ClassVar[tuple[str, ...]] = ("regs", "pc", "stopped")
    DERIVED: ClassVar[tuple[str, ...]] = ("memory",)

    def __init__(self, memory: Rv32Memory) -> None:
        self.memory = memory
        self.regs: list[int] = [0] * 32
        self.pc = 0
        self.stopped = ""

    def step(self) -> None:
        """Execute one instruction.

        Raises:
            Rv32Stopped: It cannot be done, now or since earlier; nothing has changed but `stopped`.
        """
        if self.stopped:
            raise Rv32Stopped(self.stopped)
        try:
            insn = self._fetch()
            self.pc = MEANINGS[insn.row.mnemonic](self, insn)
        except NoAnswerError as error:
            self._stop(f"access fault: {error}")
        except IllegalInstructionError:
            self._stop(f"illegal instruction at {self.pc:#010x}")

    def _fetch(self) -> Insn:
        if self.pc & 3:
            self._stop(f"instruction address misaligned: {self.pc:#010x}")
        return decode(self.memory.read(self.pc, LENGTH))

    def _stop(self, why: str) -> None:
        self.stopped = why
        raise Rv32Stopped(why)

    def set(self, register: int, value: int) -> None:
        """Write a register; x0 stays zero."""
        if register:
            self.regs[register] = value & MASK32

    def call_environment(self, name: str) -> None:
        """ECALL and EBREAK: there is nobody to call.

        Raises:
            Rv32Stopped: Always.
        """
        self._stop(f"{name} at {self.pc:#010x}, and no environment answers")


Meaning = Callable[[Rv32Cpu, Insn], int]
"""Does an instruction; returns where the next one is."""


def _signed(value: int) -> int:
    return value - (1 << 32) if value & SIGN else value


def _after(cpu: Rv32Cpu) -> int:
    return cpu.pc + LENGTH & MASK32


def _computes(compute: Callable[[int, int], int]) -> Meaning:
    """Rd from rs1 and the immediate, where the format has one, else rs2; both unsigned."""

    def register(cpu: Rv32Cpu, insn: Insn) -> int:
        cpu.set(insn.rd, compute(cpu.regs[insn.rs1], cpu.regs[insn.rs2]))
        return _after(cpu)

    return register


def _computes_immediate(compute: Callable[[int, int], int]) -> Meaning:
    def immediate(cpu: Rv32Cpu, insn: Insn) -> int:
        cpu.set(insn.rd, compute(cpu.regs[insn.rs1], insn.imm & MASK32))
        return _after(cpu)

    return immediate


def _branches(taken: Callable[[int, int], bool]) -> Meaning:
    def branch(cpu: Rv32Cpu, insn: Insn) -> int:
        return _jump(cpu, insn.imm) if taken(cpu.regs[insn.rs1], cpu.regs[insn.rs2]) else _after(cpu)

    return branch


def _loads(size: int, *, signed: bool) -> Meaning:
    sign = 1 << 8 * size - 1

    def load(cpu: Rv32Cpu, insn: Insn) -> int:
        value = cpu.memory.read(cpu.regs[insn.rs1] + insn.imm & MASK32, size)
        cpu.set(insn.rd, value - 2 * (value & sign) if signed else value)
        return _after(cpu)

    return load


def _stores(size: int) -> Meaning:
    def store(cpu: Rv32Cpu, insn: Insn) -> int:
        value = cpu.regs[insn.rs2] & (1 << 8 * size) - 1
        cpu.memory.write(cpu.regs[insn.rs1] + insn.imm & MASK32, size, value)
        return _after(cpu)

    return store


def _jump(cpu: Rv32Cpu, distance: int) -> int:
    """The target of a jump; the manual reports a misaligned one on the jump itself."""
    target = cpu.pc + distance & MASK32
    if target & 3:
        cpu.stopped = f"jump to the misaligned address {target:#010x}"
        raise Rv32Stopped(cpu.stopped)
    return target


def _lui(cpu: Rv32Cpu, insn: Insn) -> int:
    cpu.set(insn.rd, insn.imm)
    return _after(cpu)


def _auipc(cpu: Rv32Cpu, insn: Insn) -> int:
    cpu.set(insn.rd, cpu.pc + insn.imm)
    return _after(cpu)


def _jal(cpu: Rv32Cpu, insn: Insn) -> int:
    target = _jump(cpu, insn.imm)
    cpu.set(insn.rd, _after(cpu))
    return target


def _jalr(cpu: Rv32Cpu, insn: Insn) -> int:
    target = _jump(cpu, (cpu.regs[insn.rs1] + insn.imm & ~1) - cpu.pc)
    cpu.set(insn.rd, _after(cpu))
    return target


def _fence(cpu: Rv32Cpu, insn: Insn) -> int:
    del insn
    return _after(cpu)


def _environment(cpu: Rv32Cpu, insn: Insn) -> int:
    cpu.call_environment(insn.row.mnemonic)
    return cpu.pc


_COMPUTE: Final[dict[str, Callable[[int, int], int]]] = {
    "add": lambda a, b: a + b,
    "sll": lambda a, b: a << (b & 31),
    "slt": lambda a, b: _signed(a) < _signed(b),
    "sltu": lambda a, b: a < b,
    "xor": lambda a, b: a ^ b,
    "srl": lambda a, b: a >> (b & 31),
    "sra": lambda a, b: _signed(a) >> (b & 31),
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
}
"""What the instructions with a register and with an immediate compute alike."""

MEANINGS: Final[dict[str, Meaning]] = {
    **{name: _computes(compute) for name, compute in _COMPUTE.items()},
    **{_name: _computes_immediate(_COMPUTE[_base]) for _base, _name in {
        "add": "addi", "sll": "slli", "slt": "slti", "sltu": "sltiu", "xor": "xori", "srl": "srli", "sra": "srai",
        "or": "ori", "and": "andi",
    }.items()},
    "sub": _computes(lambda a, b: a - b),
    "beq": _branches(lambda a, b: a == b),
    "bne": _branches(lambda a, b: a != b),
    "blt": _branches(lambda a, b: _signed(a) < _signed(b)),
    "bge": _branches(lambda a, b: _signed(a) >= _signed(b)),
    "bltu": _branches(lambda a, b: a < b),
    "bgeu": _branches(lambda a, b: a >= b),
    "lb": _loads(1, signed=True),
    "lh": _loads(2, signed=True),
    "lw": _loads(4, signed=False),
    "lbu": _loads(1, signed=False),
    "lhu": _loads(2, signed=False),
    "sb": _stores(1),
    "sh": _stores(2),
    "sw": _stores(4),
    "lui": _lui,
    "auipc": _auipc,
    "jal": _jal,
    "jalr": _jalr,
    "fence": _fence,
    "ecall": _environment,
    "ebreak": _environment,
}  # fmt: skip
"""Mnemonic of a row -> what it does."""
