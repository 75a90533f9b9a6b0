"""The 8259A programmable interrupt controller, and the cascaded pair of a PC/AT.

Source: Intel 8259A data sheet (order number 231468), sections "Interrupt Sequence", "Programming the 8259A",
"Priority", "Edge and Level Triggered Modes", "The Cascade Mode".
"""

from __future__ import annotations

from typing import ClassVar

ICW1_SELECT = 0x10
ICW1_ICW4_NEEDED = 0x01
ICW1_SINGLE = 0x02
ICW1_LEVEL = 0x08
ICW4_AUTO_EOI = 0x02
ICW4_SPECIAL_FULLY_NESTED = 0x10
OCW2_EOI = 0x20
OCW2_SPECIFIC = 0x40
OCW2_ROTATE = 0x80
OCW3_SELECT = 0x08
OCW3_POLL = 0x04
OCW3_READ_COMMAND = 0x02
OCW3_READ_ISR = 0x01
OCW3_SET_SPECIAL_MASK_COMMAND = 0x40
OCW3_SPECIAL_MASK = 0x20
CASCADE_IRQ = 2
SPURIOUS_LEVEL = 7


class I8259:
    """One 8259A: eight request lines, one INT output.

    Deviation: always in 8086 mode (the MCS-80 call sequence is not modelled), and the buffered mode bits are ignored,
    since both concern bus signals software cannot see.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "irr",
        "isr",
        "imr",
        "lines",
        "vector_base",
        "next_icw",
        "icw4_needed",
        "single",
        "level_triggered",
        "auto_eoi",
        "rotate_on_auto_eoi",
        "special_fully_nested",
        "special_mask",
        "read_isr",
        "poll",
        "lowest",
        "int_out",
    )
    DERIVED: ClassVar[tuple[str, ...]] = ("slaves",)

    def __init__(self, slaves: int = 0) -> None:
        """Power up uninitialized, with every line masked.

        Args:
            slaves: Bit mask of the lines that carry another 8259A's INT output.
        """
        self.slaves = slaves
        self.irr = 0
        self.isr = 0
        self.imr = 0xFF
        self.lines = 0
        self.vector_base = 0
        self.next_icw = 0
        """Number of the initialization word the chip waits for, 0 when it is in operation."""
        self.icw4_needed = False
        self.single = False
        self.level_triggered = False
        self.auto_eoi = False
        self.rotate_on_auto_eoi = False
        self.special_fully_nested = False
        self.special_mask = False
        self.read_isr = False
        self.poll = False
        self.lowest = 7
        """The line of lowest priority; the line after it has the highest."""
        self.int_out = False

    def set_line(self, line: int, level: bool) -> None:
        """Drive one request line.

        A rising edge (or, when level triggered, the level) is a request. A request whose line falls before it is
        acknowledged is withdrawn; if the CPU was already told, it gets the spurious level 7.
        """
        bit = 1 << line
        if bool(self.lines & bit) == level:
            return
        self.lines ^= bit
        if level:
            self.irr |= bit
        else:
            self.irr &= ~bit
        self._resolve()

    def acknowledge(self) -> int:
        """Answer an INTA cycle with the line number, 7 when the request has gone (a spurious interrupt)."""
        line = self._winner()
        if line is None:
            return SPURIOUS_LEVEL
        bit = 1 << line
        if not self.level_triggered:
            self.irr &= ~bit
        if not self.auto_eoi:
            self.isr |= bit
        elif self.rotate_on_auto_eoi:
            self.lowest = line
        self._resolve()
        return line

    def read(self, a0: int) -> int:
        """Read IMR (A0 = 1), or IRR, ISR or the poll word (A0 = 0)."""
        if self.poll:
            self.poll = False
            return 0x80 | self.acknowledge() if self._winner() is not None else 0
        if a0:
            return self.imr
        return self.isr if self.read_isr else self.irr

    def write(self, a0: int, value: int) -> None:
        """Take an initialization word (ICW) or an operation word (OCW)."""
        if a0:
            self._write_data(value)
        elif value & ICW1_SELECT:
            self._initialize(value)
        elif value & OCW3_SELECT:
            self._operation_word_3(value)
        else:
            self._operation_word_2(value)
        self._resolve()

    def _initialize(self, icw1: int) -> None:
        self.level_triggered = bool(icw1 & ICW1_LEVEL)
        self.single = bool(icw1 & ICW1_SINGLE)
        self.icw4_needed = bool(icw1 & ICW1_ICW4_NEEDED)
        # The edge sense circuit is reset: a line that is already high must fall and rise again to count.
        self.irr = self.lines if self.level_triggered else 0
        self.isr = 0
        self.imr = 0
        self.lowest = 7
        self.special_mask = False
        self.read_isr = False
        self.poll = False
        self.auto_eoi = False
        self.rotate_on_auto_eoi = False
        self.special_fully_nested = False
        self.next_icw = 2

    def _write_data(self, value: int) -> None:
        match self.next_icw:
            case 2:
                self.vector_base = value & 0xF8
                self.next_icw = self._icw_after(2)
            case 3:
                # ICW3 tells the wiring, which is known here: `slaves` on the master, the identity on a slave.
                self.next_icw = self._icw_after(3)
            case 4:
                self.auto_eoi = bool(value & ICW4_AUTO_EOI)
                self.special_fully_nested = bool(value & ICW4_SPECIAL_FULLY_NESTED)
                self.next_icw = 0
            case _:
                self.imr = value

    def _icw_after(self, number: int) -> int:
        if number == 2 and not self.single:
            return 3
        return 4 if self.icw4_needed else 0

    def _operation_word_2(self, value: int) -> None:
        rotate = bool(value & OCW2_ROTATE)
        line: int | None = value & 7
        if not value & OCW2_EOI:
            if value & OCW2_SPECIFIC:
                if rotate:
                    self.lowest = value & 7
            else:
                self.rotate_on_auto_eoi = rotate
            return
        if not value & OCW2_SPECIFIC:
            line = self._first(self._in_service())
        if line is None:
            return
        self.isr &= ~(1 << line)
        if rotate:
            self.lowest = line

    def _operation_word_3(self, value: int) -> None:
        if value & OCW3_SET_SPECIAL_MASK_COMMAND:
            self.special_mask = bool(value & OCW3_SPECIAL_MASK)
        if value & OCW3_POLL:
            self.poll = True
        elif value & OCW3_READ_COMMAND:
            self.read_isr = bool(value & OCW3_READ_ISR)

    def _in_service(self) -> int:
        """Levels in service that count: in special mask mode a masked one inhibits nobody and plain EOI skips it."""
        return self.isr & ~self.imr if self.special_mask else self.isr

    def _first(self, lines: int) -> int | None:
        """The line of highest priority among a set, or None."""
        for step in range(1, 9):
            line = (self.lowest + step) & 7
            if lines >> line & 1:
                return line
        return None

    def _winner(self) -> int | None:
        """The request that may interrupt now: unmasked and of higher priority than everything in service."""
        line = self._first(self.irr & ~self.imr)
        if line is None or self.next_icw:
            return None
        in_service = self._in_service()
        if self.special_fully_nested:
            in_service &= ~self.slaves
        current = self._first(in_service)
        if current is None:
            return line
        higher = (line - self.lowest - 1) & 7 < (current - self.lowest - 1) & 7
        return line if higher else None

    def _resolve(self) -> None:
        self.int_out = self._winner() is not None


class I8259Pair:
    """The PC/AT's two 8259As: IRQ 0-7 on the master, IRQ 8-15 on the slave behind the master's line 2.

    This is the interrupt source a CPU looks at: `pending`, and `acknowledge()` for the INTA cycles.
    """

    def __init__(self) -> None:
        self.master = I8259(slaves=1 << CASCADE_IRQ)
        self.slave = I8259()

    @property
    def pending(self) -> bool:
        """The master's INT output, which is the CPU's INTR pin."""
        return self.master.int_out

    def set_line(self, irq: int, level: bool) -> None:
        """Drive IRQ 0-15 (IRQ 2 is the cascade and belongs to nobody else)."""
        if irq < 8:
            self.master.set_line(irq, level)
        else:
            self.slave.set_line(irq - 8, level)
            self._cascade()

    def acknowledge(self) -> int:
        """Run both INTA cycles.

        Returns:
            The vector put on the data bus; the seventh of a chip when the request has gone meanwhile (spurious).
        """
        line = self.master.acknowledge()
        # A spurious answer is level 7, so line 2 always means that the slave has to speak.
        if line != CASCADE_IRQ:
            return self.master.vector_base + line
        vector = self.slave.vector_base + self.slave.acknowledge()
        # INT drops during INTA, so that a further request of the slave is an edge again.
        self.master.set_line(CASCADE_IRQ, False)
        self._cascade()
        return vector

    def read_port(self, port: int) -> int:
        """Read 0x20 or 0x21 of the master, 0xA0 or 0xA1 of the slave."""
        value = self._chip(port).read(port & 1)
        self._cascade()
        return value

    def write_port(self, port: int, value: int) -> None:
        """Write 0x20 or 0x21 of the master, 0xA0 or 0xA1 of the slave."""
        self._chip(port).write(port & 1, value)
        self._cascade()

    def _chip(self, port: int) -> I8259:
        return self.slave if port & 0x80 else self.master

    def _cascade(self) -> None:
        self.master.set_line(CASCADE_IRQ, self.slave.int_out)
