"""Bound operands that are registers or constants: what the meanings of instructions load from and store to.

A bound operand knows where it is, not whose: `load(cpu)` and `store(cpu, value)` take the processor. Values are
unsigned and `width` bits wide. Memory operands are in `bound_memory`.

Source: Intel SDM Vol. 1, §3.7 (operand addressing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.isa.operands import CS, SS
from teachvm.machine.exceptions import invalid_opcode
from teachvm.machine.selectors import load_data_segment

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu


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
        return cpu.read_control(self.index)

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
