"""The host's own one-shot timer: counter 0 of the physical 8254, in mode 0, as through the physical ports.

Source: Intel 8254 data sheet, mode 0 (interrupt on terminal count); Intel 8259A data sheet, initialization sequence.
"""

from __future__ import annotations

from typing import ClassVar, Final

from teachvm.machine.computer import TIMER_IRQ, Board
from teachvm.machine.devices.i8254 import ticks_at
from teachvm.trace.clock import Clock

TIMER_VECTOR: Final = 0x20
MAX_COUNT: Final = 0x1_0000

_MASTER_COMMAND, _MASTER_DATA = 0x20, 0x21
_SLAVE_COMMAND, _SLAVE_DATA = 0xA0, 0xA1
_ICW1: Final = 0x11
_EOI: Final = 0x20
_MODE_0_LOW_HIGH: Final = 0x30
_LOAD_TICKS: Final = 1
"""A count written between two clock pulses is loaded at the next one."""


class HostTimer:
    """Interrupts the processor once, at a chosen time in host cycles.

    State: `armed`, the time the counter was set for (the interrupt comes at the first clock pulse at or after it).
    """

    STATE: ClassVar[tuple[str, ...]] = ("armed",)
    DERIVED: ClassVar[tuple[str, ...]] = ("board", "clock")

    def __init__(self, board: Board, clock: Clock) -> None:
        """Initialize both interrupt controllers, with only the timer's line open."""
        self.board = board
        self.clock = clock
        self.armed: int | None = None
        for command, data, base, wiring in (
            (_MASTER_COMMAND, _MASTER_DATA, TIMER_VECTOR, 4),
            (_SLAVE_COMMAND, _SLAVE_DATA, TIMER_VECTOR + 8, 2),
        ):
            board.ports.out(command, 1, _ICW1)
            board.ports.out(data, 1, base)
            board.ports.out(data, 1, wiring)
            board.ports.out(data, 1, 1)
            board.ports.out(data, 1, 0xFF)
        board.ports.out(_MASTER_DATA, 1, 0xFF & ~(1 << TIMER_IRQ))
        self.disarm()

    def arm(self, at: int) -> int:
        """Set the counter so that the interrupt comes at `at` or as soon after it as the 8254's clock allows.

        A time beyond the counter's reach gives an earlier interrupt; the owner arms again then.

        Returns:
            When it will come, in host cycles.
        """
        now = self.clock.cycles
        loaded = ticks_at(now) + _LOAD_TICKS
        wanted = ticks_at(at - 1) + 1
        count = min(max(wanted - loaded, 1), MAX_COUNT)
        self.board.timer.program(0, _MODE_0_LOW_HIGH, count & 0xFF, count >> 8 & 0xFF)
        self.armed = at
        due = self.board.next_due()
        assert due is not None
        return due

    def disarm(self) -> None:
        """Set the mode and write no count: the counter waits, its output low, and a pending request is withdrawn."""
        self.board.timer.program(0, _MODE_0_LOW_HIGH)
        self.armed = None

    def end_of_interrupt(self) -> None:
        """Tell the interrupt controller that the timer's interrupt was served."""
        self.board.ports.out(_MASTER_COMMAND, 1, _EOI)
        self.armed = None
