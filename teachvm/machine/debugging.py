"""Breakpoints of the processor: what DR0 to DR7 ask for, and bytes watched from outside without the guest's knowledge.

Both rest on pages: a page with watched bytes is in no map of fast translations, so every access to it goes the long
way, where it is looked at; accesses to other pages cost what they always cost.

Source: Intel SDM Vol. 3B, §17.2 (debug registers), §17.3.1 (debug exceptions); Vol. 3A, Table 6-2 (priorities).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from teachvm.isa.control import (
    CR4_DE,
    DR6_BD,
    DR6_FIXED,
    DR7_ENABLED,
    DR7_FIXED,
    DR7_GD,
    BreakOn,
    breakpoint_kind,
    breakpoint_size,
)
from teachvm.isa.exceptions import Vector
from teachvm.machine.exceptions import Fault, invalid_opcode
from teachvm.machine.memory import PhysicalMemory
from teachvm.machine.registers import MASK32, Ports
from teachvm.machine.segmentation import Segmentation
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu


@dataclass(frozen=True, slots=True)
class Watched:
    """Bytes at linear addresses whose accesses somebody outside the machine wants to hear of.

    Attributes:
        linear: First byte.
        size: Bytes.
        reads: Reads count.
        writes: Writes count.
    """

    linear: int
    size: int
    reads: bool = False
    writes: bool = True


Touched = Callable[["Cpu", int, int, bool], None]
"""Hears of an access to watched bytes when it is done: the CPU, with `eip` at the instruction; the access's linear
address and size; whether it was a write. It changes nothing in the machine, and need not be called once only."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A stretch of linear addresses or ports, and the DR6 bits an access to it sets; 0 for one watched from outside."""

    start: int
    size: int
    reads: bool
    writes: bool
    bits: int

    def meets(self, start: int, size: int) -> bool:
        """Whether any byte of an access is inside; addresses go round at 4 GiB."""
        return start - self.start & MASK32 < self.size or self.start - start & MASK32 < size

    def pages(self) -> Iterable[int]:
        return (page & 0xF_FFFF for page in range(self.start >> 12, (self.start + self.size - 1 >> 12) + 1))


class Debugging(Segmentation):
    """The debug registers, and the door for watching memory: `watch`.

    Data and I/O breakpoints are traps: B0 to B3 of DR6 are set and `trap_pending` with them, and #DB comes at the next
    instruction boundary. Accesses the processor makes by itself, to descriptor tables, the TSS and the stack of a
    handler, count as the program's do; the page walker's do not.

    Attributes:
        break_at: By linear address of an instruction, the DR6 bits of the breakpoints on it; while there are any,
            nothing is executed compiled.

    Deviation: B0 to B3 stay set when the instruction faults after the access and no #DB comes. A length of 10b means
    eight bytes, as on later processors; on a Pentium it is undefined.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (
        *Segmentation.DERIVED,
        "_spots",
        "_port_spots",
        "break_at",
        "_outside",
        "_touched",
    )

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        super().__init__(name, memory, ports, recorder, tlb)
        self._spots: tuple[_Spot, ...] = ()
        self._port_spots: tuple[_Spot, ...] = ()
        self.break_at: dict[int, int] = {}
        self._outside: tuple[_Spot, ...] = ()
        self._touched: Touched | None = None

    # ---- watching from outside -----------------------------------------------------------------

    def watch(self, spots: Iterable[Watched], touched: Touched) -> None:
        """Call `touched` at every access to some bytes from now on; no spots end it.

        Nothing the guest can see changes, nor anything a digest or a checkpoint holds; re-execution calls it again. To
        stop before an access, stop after its instruction and go one back.

        Args:
            spots: All of them: earlier ones are forgotten.
            touched: Called when an access is done; it may belong to an instruction that faults later.
        """
        self._outside = tuple(_Spot(spot.linear, spot.size, spot.reads, spot.writes, 0) for spot in spots)
        self._touched = touched
        self.arm()

    @property
    def watched_from_outside(self) -> bool:
        """Somebody waits for accesses, and wants to be asked after the instruction that makes one."""
        return bool(self._outside)

    # ---- what the debug registers ask for ------------------------------------------------------

    def arm(self) -> None:
        """DR0 to DR7, CR4.DE or what is watched from outside may have changed: work out what to look at."""
        data, ports = list(self._outside), []
        break_at: dict[int, int] = {}
        dr7 = self.dr[7]
        for number in range(4) if dr7 & DR7_ENABLED else ():
            if not dr7 >> 2 * number & 3:
                continue
            size = breakpoint_size(dr7, number)
            start = self.dr[number] & ~(size - 1) & MASK32
            kind = breakpoint_kind(dr7, number)
            spot = _Spot(start, size, kind is not BreakOn.WRITE, True, 1 << number)
            if kind is BreakOn.EXECUTION:
                break_at[self.dr[number]] = break_at.get(self.dr[number], 0) | spot.bits
            elif kind is not BreakOn.PORT:
                data.append(spot)
            elif self.cr4 & CR4_DE:
                ports.append(spot)
        self._port_spots = tuple(ports)
        if tuple(data) != self._spots or break_at != self.break_at:
            self._spots, self.break_at = tuple(data), break_at
            self._watched = frozenset(page for spot in data for page in spot.pages())
            if self.tlb is not None:
                self.tlb.forget()

    def accessed(self, linear: int, size: int, write: bool) -> None:
        """An access to a page with watched bytes is done."""
        for spot in self._spots:
            if (spot.writes if write else spot.reads) and spot.meets(linear, size):
                if spot.bits:
                    self._hit(spot.bits)
                elif self._touched is not None:
                    self._touched(self, linear, size, write)  # type: ignore[arg-type]  # every one of these is a Cpu

    def accessed_port(self, port: int, size: int) -> None:
        """A port is about to be accessed, which is allowed."""
        for spot in self._port_spots:
            if spot.meets(port, size):
                self._hit(spot.bits)

    def _hit(self, bits: int) -> None:
        self.dr[6] |= bits
        self.trap_pending = True

    def write_cr4(self, value: int) -> None:
        """Load CR4; DE says what an I/O breakpoint means.

        Raises:
            Fault: #GP(0) for a reserved bit.
        """
        super().write_cr4(value)
        self.arm()

    # ---- MOV to and from debug registers -------------------------------------------------------

    def debug_register(self, index: int) -> int:
        """The debug register an instruction names: DR4 and DR5 mean DR6 and DR7.

        Raises:
            Fault: #UD for them when CR4.DE is set; #DB when DR7.GD guards the registers.
        """
        if index in (4, 5):
            if self.cr4 & CR4_DE:
                raise invalid_opcode()
            index += 2
        if self.dr[7] & DR7_GD:
            self.dr[7] &= ~DR7_GD
            self.dr[6] |= DR6_BD
            raise Fault(Vector.DB)
        return index

    def write_debug_register(self, index: int, value: int) -> None:
        """Load a debug register; fixed bits of DR6 and DR7 stay as they are."""
        if index == 6:
            value = value & ~0xFFFF_1FF0 | DR6_FIXED
        elif index == 7:
            value = value & 0xFFFF_2FFF | DR7_FIXED
        self.dr[index] = value
        self.arm()
