"""System control port B: the speaker's and counter 2's gates, and what software can read back of them.

Source: IBM PC/AT technical reference, system board, I/O port 0x61.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from teachvm.machine.devices.i8254 import I8254

GATE_2 = 0x01
SPEAKER = 0x02
REFRESH_TOGGLE = 0x10
OUT_2 = 0x20
REFRESH_CYCLES = 151
"""Cycles of 10 MHz between two memory refreshes: about 15.1 microseconds."""


class SystemPort61:
    """Port 0x61; the parity and channel check bits always read as no error."""

    STATE: ClassVar[tuple[str, ...]] = ("control",)
    DERIVED: ClassVar[tuple[str, ...]] = ("timer", "clock")

    def __init__(self, timer: I8254, clock: Callable[[], int]) -> None:
        self.timer = timer
        self.clock = clock
        self.control = 0

    def read_port(self, port: int) -> int:
        """Read the gates back, with counter 2's output and the memory refresh toggle."""
        del port
        toggle = REFRESH_TOGGLE if self.clock() // REFRESH_CYCLES & 1 else 0
        return self.control | toggle | (OUT_2 if self.timer.out_2 else 0)

    def write_port(self, port: int, value: int) -> None:
        """Set counter 2's gate and the speaker's."""
        del port
        self.control = value & (GATE_2 | SPEAKER)
        self.timer.set_gate_2(bool(value & GATE_2))
