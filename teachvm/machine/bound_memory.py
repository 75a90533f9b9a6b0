"""Bound operands in memory, and how their offsets are computed.

Source: Intel SDM Vol. 1, §3.7.5 (specifying an offset).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from teachvm.isa.operands import ESP, Mem
from teachvm.machine.bound import Bound
from teachvm.machine.registers import MASK32

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

AddressOf = Callable[["Cpu"], int]
"""Computes the offset of a memory operand from the registers as they are."""


class Memory(Bound):
    """A memory operand of any width.

    Attributes:
        segment: Index of the segment register.
        address: Computes the offset.
        size: Bytes.
        wrap: Mask of the address size.
        mem: The operand as decoded.
        popped: The destination of a POP whose address is computed after ESP has moved.
    """

    __slots__ = ("address", "mem", "popped", "segment", "size", "wrap")

    def __init__(self, mem: Mem, address: AddressOf) -> None:
        super().__init__(mem.width)
        self.segment = mem.segment
        self.address = address
        self.size = mem.width // 8
        self.wrap = MASK32 if mem.adsize == 32 else 0xFFFF
        self.mem = mem
        self.popped = False

    def load(self, cpu: Cpu) -> int:
        """Read memory."""
        return cpu.read(self.segment, self.address(cpu), self.size)

    def load_for_store(self, cpu: Cpu) -> int:
        """Read memory, checked as a write."""
        return cpu.read_for_write(self.segment, self.address(cpu), self.size)

    def store(self, cpu: Cpu, value: int) -> None:
        """Write memory."""
        cpu.write(self.segment, self.address(cpu), self.size, value)


class Memory8(Memory):
    """A byte in memory."""

    __slots__ = ()

    def load(self, cpu: Cpu) -> int:
        """Read a byte."""
        return cpu.read8(self.segment, self.address(cpu))

    def store(self, cpu: Cpu, value: int) -> None:
        """Write a byte."""
        cpu.write8(self.segment, self.address(cpu), value)


class Memory32(Memory):
    """A doubleword in memory."""

    __slots__ = ()

    def load(self, cpu: Cpu) -> int:
        """Read a doubleword."""
        return cpu.read32(self.segment, self.address(cpu))

    def load_for_store(self, cpu: Cpu) -> int:
        """Read a doubleword, checked as a write."""
        return cpu.read_for_write32(self.segment, self.address(cpu))

    def store(self, cpu: Cpu, value: int) -> None:
        """Write a doubleword."""
        cpu.write32(self.segment, self.address(cpu), value)


class BaseMemory32(Memory32):
    """A doubleword at base + displacement: by far the most frequent memory operand, so it computes its own address."""

    __slots__ = ("base", "disp")

    def __init__(self, mem: Mem, base: int, address: AddressOf) -> None:
        super().__init__(mem, address)
        self.base = base
        self.disp = mem.disp

    def load(self, cpu: Cpu) -> int:
        """Read a doubleword."""
        return cpu.read32(self.segment, cpu.regs[self.base] + self.disp & MASK32)

    def load_for_store(self, cpu: Cpu) -> int:
        """Read a doubleword, checked as a write."""
        return cpu.read_for_write32(self.segment, cpu.regs[self.base] + self.disp & MASK32)

    def store(self, cpu: Cpu, value: int) -> None:
        """Write a doubleword."""
        cpu.write32(self.segment, cpu.regs[self.base] + self.disp & MASK32, value)


def _address_32(base: int | None, index: int | None, scale: int, disp: int) -> AddressOf:
    """Offset with 32-bit addressing."""
    if base is None and index is None:
        return lambda cpu: disp
    if index is None:
        assert base is not None
        register = base
        return lambda cpu: cpu.regs[register] + disp & MASK32
    column = index
    if base is None:
        return lambda cpu: cpu.regs[column] * scale + disp & MASK32
    row = base
    return lambda cpu: cpu.regs[row] + cpu.regs[column] * scale + disp & MASK32


def _address_16(base: int | None, index: int | None, disp: int) -> AddressOf:
    """Offset with 16-bit addressing: the low halves, modulo 64 Ki."""
    terms = tuple(register for register in (base, index) if register is not None)

    def address(cpu: Cpu) -> int:
        return sum([cpu.regs[term] for term in terms]) + disp & 0xFFFF

    return address


def _popped(mem: Mem) -> AddressOf:
    """Offset of a POP destination based on ESP: computed after the pop has moved ESP."""
    size = mem.width // 8
    index, scale, disp = mem.index, mem.scale, mem.disp

    def address(cpu: Cpu) -> int:
        scaled = 0 if index is None else cpu.regs[index] * scale
        return cpu.moved_esp(size) + scaled + disp & MASK32

    return address


def bind_memory(mem: Mem, *, popped: bool) -> Memory:
    """Bind a decoded memory operand.

    Args:
        mem: As decoded.
        popped: It is the destination of a POP, whose address is computed after ESP has moved.
    """
    if mem.adsize == 16:
        return Memory(mem, _address_16(mem.base, mem.index, mem.disp))
    if popped and mem.base == ESP:
        operand = Memory(mem, _popped(mem))
        operand.popped = True
        return operand
    address = _address_32(mem.base, mem.index, mem.scale, mem.disp)
    if mem.width == 32:
        if mem.base is not None and mem.index is None:
            return BaseMemory32(mem, mem.base, address)
        return Memory32(mem, address)
    if mem.width == 8:
        return Memory8(mem, address)
    return Memory(mem, address)
