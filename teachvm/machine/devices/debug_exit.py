"""The debug exit: a port with which a test kernel ends its run and says how it went.

Source: QEMU, device `isa-debug-exit` at its usual place 0xF4: a write of V ends the emulator with status 2 V + 1.
Deviation: a kernel that writes 0 counts as one that ended well, whatever the emulator's status would be.
"""

from __future__ import annotations

from typing import ClassVar


class DebugExit:
    """Ports 0xF4 to 0xF7; `code` is what was written, None while nothing was."""

    STATE: ClassVar[tuple[str, ...]] = ("code",)
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.code: int | None = None

    @property
    def ended(self) -> str:
        """How the run was ended, in a few words; empty while it goes on."""
        return "" if self.code is None else f"ended its run with {self.code:#x} at port 0xf4"

    def read_port(self, port: int) -> int:
        """Nothing is there to be read."""
        del port
        return 0

    def write_port(self, port: int, value: int) -> None:
        """End the run; a write to 0xF4 counts, the bytes of a wider one above it only add to the code."""
        shift = 8 * (port & 3)
        self.code = (self.code or 0) | value << shift
