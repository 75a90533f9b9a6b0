"""The 16550A serial port, which is the console of every machine here.

Source: National Semiconductor PC16550D data sheet, sections "Registers", "Interrupt Identification Register" and "FIFO
Interrupt Mode Operation"; the PC's wiring of OUT2 to the interrupt line: IBM PC/AT technical reference, serial adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

FIFO_BYTES = 16
TRIGGER_BYTES = (1, 4, 8, 14)
TEXT_LIMIT = 64 * 1024
"""Bytes of transmitted text kept; `written` goes on counting."""

IER_RECEIVED = 0x01
IER_TRANSMIT_EMPTY = 0x02
IER_MODEM_STATUS = 0x08
IIR_NONE = 0x01
IIR_MODEM_STATUS = 0x00
IIR_TRANSMIT_EMPTY = 0x02
IIR_RECEIVED = 0x04
IIR_TIMEOUT = 0x0C
IIR_FIFOS = 0xC0
FCR_ENABLE = 0x01
FCR_CLEAR_RECEIVER = 0x02
LCR_DLAB = 0x80
MCR_OUT2 = 0x08
MCR_LOOP = 0x10
LSR_DATA_READY = 0x01
LSR_TRANSMITTER_EMPTY = 0x60
MSR_CTS_DSR_DCD = 0xB0
MSR_RING = 0x40


class Uart16550:
    """A serial port at the end of an infinitely fast line.

    Deviation: a character takes no time, so THR is empty again at once and the receiver's time-out is immediate; what
    arrives while the FIFO is full waits on the line; there are no parity, framing or overrun errors and no breaks.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "divisor",
        "ier",
        "lcr",
        "mcr",
        "scratch",
        "fifos",
        "trigger",
        "arriving",
        "received",
        "transmit_empty",
        "modem_delta",
        "text",
        "written",
    )
    DERIVED: ClassVar[tuple[str, ...]] = ("irq", "transmitted")

    def __init__(self, irq: Callable[[bool], None], transmitted: Callable[[int], None]) -> None:
        """Wire the port.

        Args:
            irq: Told the level of the interrupt line.
            transmitted: Told each byte that leaves.
        """
        self.irq = irq
        self.transmitted = transmitted
        self.divisor = 0
        self.ier = 0
        self.lcr = 0
        self.mcr = 0
        self.scratch = 0
        self.fifos = False
        self.trigger = 1
        self.arriving = b""
        """Bytes on the line the receiver had no room for yet."""
        self.received = b""
        """Contents of the receiver: its FIFO, or the one byte of RBR."""
        self.transmit_empty = False
        """The "transmitter holding register empty" interrupt is due."""
        self.modem_delta = 0
        self.text = b""
        """The last bytes transmitted, at most TEXT_LIMIT."""
        self.written = 0
        """How many bytes were ever transmitted."""

    def receive(self, data: bytes) -> None:
        """Let bytes arrive from the other end of the line."""
        self.arriving += data
        self._fill()

    def read_port(self, port: int) -> int:
        """Read one of the eight registers."""
        if self.lcr & LCR_DLAB and port & 7 < 2:
            return self.divisor >> 8 * (port & 7) & 0xFF
        match port & 7:
            case 0:
                return self._read_rbr()
            case 1:
                return self.ier
            case 2:
                return self._read_iir()
            case 3:
                return self.lcr
            case 4:
                return self.mcr
            case 5:
                return LSR_TRANSMITTER_EMPTY | (LSR_DATA_READY if self.received else 0)
            case 6:
                status = self._modem_lines() | self.modem_delta
                self.modem_delta = 0
                self._update()
                return status
            case _:
                return self.scratch

    def write_port(self, port: int, value: int) -> None:
        """Write one of the eight registers; LSR and MSR ignore it."""
        register = port & 7
        if self.lcr & LCR_DLAB and register < 2:
            shift = 8 * register
            self.divisor = self.divisor & ~(0xFF << shift) | value << shift
            return
        match register:
            case 0:
                self._transmit(value)
            case 1:
                if value & ~self.ier & IER_TRANSMIT_EMPTY:
                    self.transmit_empty = True
                self.ier = value & 0x0F
            case 2:
                self._write_fcr(value)
            case 3:
                self.lcr = value
            case 4:
                self._write_mcr(value & 0x1F)
            case 7:
                self.scratch = value
            case _:
                pass
        self._update()

    def _read_rbr(self) -> int:
        if not self.received:
            return 0
        value = self.received[0]
        self.received = self.received[1:]
        # The line drops between two characters, so that an edge-triggered 8259A sees each of them.
        self._update()
        self._fill()
        return value

    def _read_iir(self) -> int:
        cause = self._cause()
        if cause == IIR_TRANSMIT_EMPTY:
            self.transmit_empty = False
            self._update()
        return cause | (IIR_FIFOS if self.fifos else 0)

    def show(self, byte: int) -> None:
        """Put a byte onto the terminal at the other end of the line."""
        self.text = (self.text + bytes((byte,)))[-TEXT_LIMIT:]
        self.written += 1
        self.transmitted(byte)

    def _transmit(self, value: int) -> None:
        self.transmit_empty = False
        self._update()
        if self.mcr & MCR_LOOP:
            self.receive(bytes((value,)))
        else:
            self.show(value)
        self.transmit_empty = True

    def _write_fcr(self, value: int) -> None:
        enable = bool(value & FCR_ENABLE)
        if enable != self.fifos or (enable and value & FCR_CLEAR_RECEIVER):
            self.received = b""
        self.fifos = enable
        if enable:
            self.trigger = TRIGGER_BYTES[value >> 6]
        self._fill()

    def _write_mcr(self, value: int) -> None:
        before = self._modem_lines()
        self.mcr = value
        now = self._modem_lines()
        changed = (before ^ now) & ~MSR_RING | before & ~now & MSR_RING
        self.modem_delta |= changed >> 4

    def _modem_lines(self) -> int:
        """CTS, DSR, RI and DCD as MSR bits 4-7: a terminal that is always ready, or in loop mode our own outputs."""
        if not self.mcr & MCR_LOOP:
            return MSR_CTS_DSR_DCD
        dtr, rts, outs = self.mcr & 1, self.mcr >> 1 & 1, self.mcr >> 2 & 3
        return rts << 4 | dtr << 5 | outs << 6

    def _fill(self) -> None:
        room = (FIFO_BYTES if self.fifos else 1) - len(self.received)
        if room > 0 and self.arriving:
            self.received += self.arriving[:room]
            self.arriving = self.arriving[room:]
        self._update()

    def _cause(self) -> int:
        """The interrupt of highest priority that is enabled and due, as IIR bits 0-3."""
        if self.ier & IER_RECEIVED and self.received:
            full = not self.fifos or len(self.received) >= self.trigger
            return IIR_RECEIVED if full else IIR_TIMEOUT
        if self.ier & IER_TRANSMIT_EMPTY and self.transmit_empty:
            return IIR_TRANSMIT_EMPTY
        if self.ier & IER_MODEM_STATUS and self.modem_delta:
            return IIR_MODEM_STATUS
        return IIR_NONE

    def _update(self) -> None:
        # A PC lets the interrupt through only while OUT2 is on, and loop mode forces OUT2 off.
        wired = self.mcr & (MCR_OUT2 | MCR_LOOP) == MCR_OUT2
        self.irq(wired and self._cause() != IIR_NONE)
