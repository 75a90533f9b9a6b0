"""The debug console: a port that takes text, one byte a write, so that a kernel can speak before it has a driver.

Source: Bochs user manual, bochsrc option `port_e9_hack`; QEMU, device `isa-debugcon`.
"""

from __future__ import annotations

from collections.abc import Callable

ANSWER = 0xE9
"""What a read answers, so that a kernel can tell that the port is there."""


class DebugConsole:
    """Port 0xE9: its text goes to the terminal the serial port has; it has no state."""

    def __init__(self, show: Callable[[int], None]) -> None:
        self._show = show

    def read_port(self, port: int) -> int:
        """Say that there is a debug console."""
        del port
        return ANSWER

    def write_port(self, port: int, value: int) -> None:
        """Show one byte."""
        del port
        self._show(value)
