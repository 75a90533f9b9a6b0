"""Operands bound to a processor's registers and memory: what the meanings of instructions load from and store to.

A bound operand knows where it is, not whose: `load(cpu)` and `store(cpu, value)` take the processor. Values are
unsigned and `width` bits wide.

Source: Intel SDM Vol. 1, §3.7 (operand addressing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from teachvm.isa.operands import CS, ESP, SS, Creg, Dreg, Far, Imm, Mem, Operand, Reg, Rel, Sreg
from teachvm.machine.exceptions import invalid_opcode
from teachvm.machine.registers import MASK32
from teachvm.machine.selectors import load_data_segment

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

AddressOf = Callable[["Cpu"], int]
"""Computes the offset of a memory operand from the registers as they are."""


class Bound:
    """An operand of a bound instruction.

    Attributes:
        width: Bits.
        mask: All ones in that width.
    """

    __slots__ = ("mask", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.mask = (1 << width) - 1

    def load(self, cpu: Cpu) -> int:
        """The operand's value.

        Raises:
            Fault: As the access asks for.
        """
        raise NotImplementedError

    def load_for_store(self, cpu: Cpu) -> int:
        """The value of an operand that is stored to next: a page fault reports a write.

        Raises:
            Fault: As the store would.
        """
        return self.load(cpu)

    def store(self, cpu: Cpu, value: int) -> None:
        """Replace the operand's value.

        Raises:
            Fault: As the access asks for; nothing is stored then.
        """
        raise NotImplementedError


# ---- registers -----------------------------------------------------------------------------------


class Register32(Bound):
    """EAX to EDI."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(32)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """All 32 bits."""
        return cpu.regs[self.index]

    def store(self, cpu: Cpu, value: int) -> None:
        """All 32 bits."""
        cpu.regs[self.index] = value

    load_for_store = load


class Register16(Bound):
    """AX to DI; a store leaves the upper half alone."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(16)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """Bits 15:0."""
        return cpu.regs[self.index] & 0xFFFF

    def store(self, cpu: Cpu, value: int) -> None:
        """Bits 15:0."""
        cpu.regs[self.index] = cpu.regs[self.index] & 0xFFFF_0000 | value

    load_for_store = load


class RegisterLow(Bound):
    """AL, CL, DL, BL."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(8)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """Bits 7:0."""
        return cpu.regs[self.index] & 0xFF

    def store(self, cpu: Cpu, value: int) -> None:
        """Bits 7:0."""
        cpu.regs[self.index] = cpu.regs[self.index] & 0xFFFF_FF00 | value

    load_for_store = load


class RegisterHigh(Bound):
    """AH, CH, DH, BH."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(8)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """Bits 15:8."""
        return cpu.regs[self.index] >> 8 & 0xFF

    def store(self, cpu: Cpu, value: int) -> None:
        """Bits 15:8."""
        cpu.regs[self.index] = cpu.regs[self.index] & 0xFFFF_00FF | value << 8

    load_for_store = load


class SegmentRegister(Bound):
    """The selector of a segment register; storing loads the descriptor behind it, with all checks."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(16)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """The visible part."""
        return cpu.segs[self.index].selector

    def store(self, cpu: Cpu, value: int) -> None:
        """Load the segment; a load of SS holds interrupts off for one instruction.

        Raises:
            Fault: #GP, #NP, #SS with the selector; #UD for CS; #PF.
        """
        if self.index == CS:
            raise invalid_opcode()
        load_data_segment(cpu, self.index, value & 0xFFFF)
        if self.index == SS:
            cpu.shadow = True


class ControlRegister(Bound):
    """CR0, CR2, CR3 or CR4."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(32)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """The value software reads."""
        match self.index:
            case 0:
                return cpu.cr0
            case 2:
                return cpu.cr2
            case 3:
                return cpu.cr3
            case _:
                return cpu.cr4

    def store(self, cpu: Cpu, value: int) -> None:
        """Load the register, with its checks and its effect on the TLB.

        Raises:
            Fault: #GP(0).
            CpuStopped: CR0.PE cleared.
        """
        match self.index:
            case 0:
                cpu.write_cr0(value)
            case 2:
                cpu.cr2 = value
            case 3:
                cpu.write_cr3(value)
            case _:
                cpu.write_cr4(value)


class DebugRegister(Bound):
    """DR0 to DR7."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        super().__init__(32)
        self.index = index

    def load(self, cpu: Cpu) -> int:
        """The value software reads.

        Raises:
            Fault: #UD for DR4 and DR5 with CR4.DE; #DB with DR7.GD.
        """
        return cpu.dr[cpu.debug_register(self.index)]

    def store(self, cpu: Cpu, value: int) -> None:
        """Load the register; fixed bits stay as they are.

        Raises:
            Fault: As `load`.
        """
        cpu.write_debug_register(cpu.debug_register(self.index), value)


# ---- memory --------------------------------------------------------------------------------------


class Memory(Bound):
    """A memory operand of any width.

    Attributes:
        segment: Index of the segment register.
        address: Computes the offset.
        size: Bytes.
        wrap: Mask of the address size.
    """

    __slots__ = ("address", "segment", "size", "wrap")

    def __init__(self, mem: Mem, address: AddressOf) -> None:
        super().__init__(mem.width)
        self.segment = mem.segment
        self.address = address
        self.size = mem.width // 8
        self.wrap = MASK32 if mem.adsize == 32 else 0xFFFF

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


# ---- constants -----------------------------------------------------------------------------------


class Constant(Bound):
    """An immediate; `value` holds it."""

    __slots__ = ("value",)

    def __init__(self, value: int, width: int) -> None:
        super().__init__(width)
        self.value = value

    def load(self, cpu: Cpu) -> int:
        """The constant."""
        return self.value


class Target(Constant):
    """A relative branch target; `value` is the signed distance from the next instruction."""

    __slots__ = ()


class FarPointer(Constant):
    """A far target inside the instruction: the offset in the low bits, the selector above them, as memory holds it."""

    __slots__ = ()


# ---- binding -------------------------------------------------------------------------------------


def bind_operand(operand: Operand, opsize: int, *, popped: bool = False) -> Bound:
    """Bind one decoded operand.

    Args:
        operand: As decoded.
        opsize: Operand size of the instruction, 16 or 32.
        popped: It is the destination of a POP.
    """
    match operand:
        case Reg(index, width):
            return _bind_register(index, width)
        case Mem():
            return _bind_memory(operand, popped=popped)
        case Imm(value, width):
            return Constant(value, width)
        case Rel(displacement):
            return Target(displacement, opsize)
        case Far(selector, offset):
            return FarPointer(selector << opsize | offset, opsize + 16)
        case Sreg(index):
            return SegmentRegister(index)
        case Creg(index):
            return ControlRegister(index)
        case Dreg(index):
            return DebugRegister(index)


def _bind_register(index: int, width: int) -> Bound:
    if width == 32:
        return Register32(index)
    if width == 16:
        return Register16(index)
    return RegisterHigh(index - 4) if index >= 4 else RegisterLow(index)


def _bind_memory(mem: Mem, *, popped: bool) -> Bound:
    if mem.adsize == 16:
        return Memory(mem, _address_16(mem.base, mem.index, mem.disp))
    if popped and mem.base == ESP:
        return Memory(mem, _popped(mem))
    address = _address_32(mem.base, mem.index, mem.scale, mem.disp)
    if mem.width == 32:
        if mem.base is not None and mem.index is None:
            return BaseMemory32(mem, mem.base, address)
        return Memory32(mem, address)
    if mem.width == 8:
        return Memory8(mem, address)
    return Memory(mem, address)
