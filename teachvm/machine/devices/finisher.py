"""The finisher: a word in memory with which a guest ends its run and says how it went.

Source: SiFive's test device, as QEMU's machine `virt` has it at 0x100000: 0x5555 passes, 0x3333 fails with a code in
the upper half.
"""

from __future__ import annotations

from typing import ClassVar, Final

PASS: Final = 0x5555
FAIL: Final = 0x3333


class Finisher:
    """One word; `code` is the last value written that ends a run, None while there was none."""

    STATE: ClassVar[tuple[str, ...]] = ("code",)
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.code: int | None = None

    @property
    def ended(self) -> str:
        """How the run was ended, in a few words; empty while it goes on."""
        return "" if self.code is None else f"ended its run with {self.code:#x} at the finisher"

    @property
    def failed(self) -> bool:
        """Whether the guest said that it failed."""
        return self.code is not None and self.code & 0xFFFF != PASS

    def read_memory(self, offset: int, size: int) -> int:
        """Nothing is there to be read."""
        del offset, size
        return 0

    def write_memory(self, offset: int, size: int, value: int) -> None:
        """End the run, if the value says so."""
        del size
        if not offset and value & 0xFFFF in (PASS, FAIL):
            self.code = value
