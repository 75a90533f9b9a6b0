"""Logical to linear: segment checks on every access, the stack, and reads and writes by segment and offset.

Source: Intel SDM Vol. 3A, §5.3 (limit checking), §5.4 (type checking), §6.15 (#GP, #SS, #AC).
"""

from __future__ import annotations

from typing import ClassVar, Final

from teachvm.isa.control import CR0_AM
from teachvm.isa.descriptors import CODE, DB_BIT, EXPAND_DOWN, P_BIT, S_BIT, WRITABLE
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import AC
from teachvm.isa.operands import EBP, ESP, SS
from teachvm.machine.exceptions import Fault
from teachvm.machine.memory import PhysicalMemory
from teachvm.machine.mmu import Mmu
from teachvm.machine.registers import MASK32, Ports
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder

# By the low access byte: 1 where every offset up to the limit may be read, or written. Everything else (null,
# not a segment, wrong type, expand-down) goes through `check_segment`.
_READABLE: Final = bytes(
    access & (P_BIT | S_BIT) == P_BIT | S_BIT and bool(access & WRITABLE if access & CODE else not access & EXPAND_DOWN)
    for access in range(256)
)
_WRITABLE: Final = bytes(
    access & (P_BIT | S_BIT | CODE | WRITABLE | EXPAND_DOWN) == P_BIT | S_BIT | WRITABLE for access in range(256)
)
_NO_WORDS: Final = memoryview(b"").cast("I")


class Segmentation(Mmu):
    """Memory access as instructions make it: by segment register and offset, at the current privilege level.

    Offsets are unsigned 32 bits. An access over the last offset 0xFFFF_FFFF faults instead of wrapping.

    Deviation: the manual leaves it to the processor whether such an access faults or wraps.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (*Mmu.DERIVED, "_bytes", "_words", "_guard")

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        super().__init__(name, memory, ports, recorder, tlb)
        ram = self._ram
        self._bytes = memoryview(bytearray()) if ram is None else ram.bytes_
        self._words = _NO_WORDS if ram is None else ram.words
        self._guard = bytearray() if ram is None else ram.guard

    # ---- checks --------------------------------------------------------------------------------

    def check_segment(self, index: int, offset: int, size: int, write: bool) -> int:
        """Linear address of an access through a segment register.

        Raises:
            Fault: #SS(0) for SS, else #GP(0): null or unusable register, wrong type, outside the limit; #AC(0).
        """
        segment = self.segs[index]
        allowed = segment.writable if write else segment.readable
        if not segment.present or not allowed or not segment.contains(offset, size):
            raise Fault(Vector.SS if index == SS else Vector.GP, 0)
        linear = segment.base + offset & MASK32
        if self.cpl == 3 and self.eflags & AC and self.cr0 & CR0_AM and linear & size - 1 and size in (2, 4, 8):
            raise Fault(Vector.AC, 0)
        return linear

    def probe(self, index: int, offset: int, size: int) -> None:
        """Make sure that a write would succeed, so that an instruction with several stores does all or nothing.

        Raises:
            Fault: As the write would.
        """
        self.probe_linear(self.check_segment(index, offset, size, True), size, self.cpl == 3)

    # ---- any size ------------------------------------------------------------------------------

    def read(self, index: int, offset: int, size: int) -> int:
        """Read 1 to 8 bytes, little-endian.

        Raises:
            Fault: #GP(0) or #SS(0), #AC(0), #PF.
        """
        linear = self.check_segment(index, offset, size, False)
        frame = self._reads[self.cpl].get(linear >> 12)
        if frame is not None and (linear & 0xFFF) + size <= 0x1000:
            phys = frame | linear & 0xFFF
            return int.from_bytes(self._bytes[phys : phys + size], "little")
        return self.read_linear(linear, size, self.cpl == 3)

    def write(self, index: int, offset: int, size: int, value: int) -> None:
        """Write 1 to 8 bytes, little-endian.

        Raises:
            Fault: #GP(0) or #SS(0), #AC(0), #PF; then nothing was written.
        """
        linear = self.check_segment(index, offset, size, True)
        frame = self._writes[self.cpl].get(linear >> 12)
        if frame is not None and self._ram is not None and (linear & 0xFFF) + size <= 0x1000:
            self._ram.write_bytes(frame | linear & 0xFFF, value.to_bytes(size, "little"))
            return
        self.write_linear(linear, size, value, self.cpl == 3)

    def read_for_write(self, index: int, offset: int, size: int) -> int:
        """Read what will be written next: checked as a write, so a page fault reports W/R = 1.

        Raises:
            Fault: As `write` would.
        """
        linear = self.check_segment(index, offset, size, True)
        user = self.cpl == 3
        self.probe_linear(linear, size, user)
        return self.read_linear(linear, size, user)

    # ---- by width, the fast way first ----------------------------------------------------------

    def read8(self, index: int, offset: int) -> int:
        """Read a byte; raises as `read`."""
        segment = self.segs[index]
        if offset <= segment.limit and _READABLE[segment.access & 0xFF]:
            linear = segment.base + offset & MASK32
            frame = self._reads[self.cpl].get(linear >> 12)
            if frame is not None:
                return self._bytes[frame | linear & 0xFFF]
        return self.read(index, offset, 1)

    def read32(self, index: int, offset: int) -> int:
        """Read a doubleword; raises as `read`."""
        segment = self.segs[index]
        if offset + 3 <= segment.limit and _READABLE[segment.access & 0xFF]:
            linear = segment.base + offset & MASK32
            if not linear & 3:
                frame = self._reads[self.cpl].get(linear >> 12)
                if frame is not None:
                    return self._words[(frame | linear & 0xFFF) >> 2]
        return self.read(index, offset, 4)

    def write8(self, index: int, offset: int, value: int) -> None:
        """Write a byte; raises as `write`."""
        segment = self.segs[index]
        if offset <= segment.limit and _WRITABLE[segment.access & 0xFF]:
            linear = segment.base + offset & MASK32
            frame = self._writes[self.cpl].get(linear >> 12)
            if frame is not None and not self._guard[frame >> 12]:
                self._bytes[frame | linear & 0xFFF] = value
                return
        self.write(index, offset, 1, value)

    def write32(self, index: int, offset: int, value: int) -> None:
        """Write a doubleword; raises as `write`."""
        segment = self.segs[index]
        if offset + 3 <= segment.limit and _WRITABLE[segment.access & 0xFF]:
            linear = segment.base + offset & MASK32
            if not linear & 3:
                frame = self._writes[self.cpl].get(linear >> 12)
                if frame is not None and not self._guard[frame >> 12]:
                    self._words[(frame | linear & 0xFFF) >> 2] = value
                    return
        self.write(index, offset, 4, value)

    def read_for_write32(self, index: int, offset: int) -> int:
        """Read a doubleword that will be written next; raises as `read_for_write`."""
        segment = self.segs[index]
        if offset + 3 <= segment.limit and _WRITABLE[segment.access & 0xFF]:
            linear = segment.base + offset & MASK32
            if not linear & 3:
                frame = self._writes[self.cpl].get(linear >> 12)
                if frame is not None:
                    return self._words[(frame | linear & 0xFFF) >> 2]
        return self.read_for_write(index, offset, 4)

    # ---- RAM, for runs of string instructions --------------------------------------------------

    def is_ram(self, phys: int) -> bool:
        """Whether the page of a physical address is RAM that the CPU reaches directly."""
        return self._ram is not None and phys < self._ram.size

    def read_ram(self, phys: int, count: int) -> bytes:
        """Copy of bytes that are RAM."""
        assert self._ram is not None
        return self._ram.read_bytes(phys, count)

    def write_ram(self, phys: int, content: bytes) -> None:
        """Store bytes that are RAM."""
        assert self._ram is not None
        self._ram.write_bytes(phys, content)

    # ---- the stack -----------------------------------------------------------------------------

    def moved_esp(self, distance: int) -> int:
        """What ESP becomes when the stack pointer moves; with a 16-bit stack segment only SP does."""
        esp = self.regs[ESP]
        if self.segs[SS].access & DB_BIT:
            return esp + distance & MASK32
        return esp & 0xFFFF_0000 | esp + distance & 0xFFFF

    def stack_offset(self, distance: int = 0) -> int:
        """Offset in SS of the stack top, `distance` bytes further up."""
        if self.segs[SS].access & DB_BIT:
            return self.regs[ESP] + distance & MASK32
        return self.regs[ESP] + distance & 0xFFFF

    def frame_offset(self, distance: int) -> int:
        """Offset in SS, `distance` bytes above where EBP points."""
        return self.regs[EBP] + distance & (MASK32 if self.segs[SS].access & DB_BIT else 0xFFFF)

    def esp_at_frame(self) -> int:
        """What ESP becomes when it is set to EBP; with a 16-bit stack segment only SP is."""
        if self.segs[SS].access & DB_BIT:
            return self.regs[EBP]
        return self.regs[ESP] & 0xFFFF_0000 | self.regs[EBP] & 0xFFFF

    def push(self, size: int, value: int) -> None:
        """Store below the stack top, then move the stack pointer.

        Raises:
            Fault: #SS(0), #PF; then ESP is unchanged.
        """
        if size == 4:
            self.write32(SS, self.stack_offset(-4), value)
        else:
            self.write(SS, self.stack_offset(-size), size, value)
        self.regs[ESP] = self.moved_esp(-size)

    def top(self, size: int, distance: int = 0) -> int:
        """Read from the stack, `distance` bytes above its top, without moving the pointer.

        Raises:
            Fault: #SS(0), #PF.
        """
        if size == 4:
            return self.read32(SS, self.stack_offset(distance))
        return self.read(SS, self.stack_offset(distance), size)

    def tops(self, size: int, count: int, distance: int = 0) -> list[int]:
        """Several values from the stack upwards, without moving the pointer; as `top` for one after another."""
        stack = self.segs[SS]
        first = self.regs[ESP] + distance
        if size == 4 and stack.holds_upwards(first, first + 4 * count) and stack.access & S_BIT and stack.present:
            found = self.words_at(stack.base + first & MASK32, count, self.cpl)
            if found is not None:
                return found.tolist()
        return [self.top(size, distance + size * index) for index in range(count)]

    def drop(self, size: int) -> None:
        """Move the stack pointer over `size` bytes."""
        self.regs[ESP] = self.moved_esp(size)

    def push_all(self, size: int, values: list[int]) -> None:
        """Push several values, the first one first: all of them or, on a fault, none.

        Raises:
            Fault: #SS(0), #PF.
        """
        for count in range(1, len(values) + 1):
            self.probe(SS, self.stack_offset(-size * count), size)
        for value in values:
            self.push(size, value)
