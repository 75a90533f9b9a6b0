"""The power management control register, as far as it switches a PC off.

Source: ACPI Specification 1.0b, §4.7.3.2.1 (PM1 Control Registers: SLP_TYP, SLP_EN); QEMU puts it at 0x604
on its i440FX board, and takes SLP_TYP 0 for off.
Deviation: the other registers of the block, and its interrupt, are not there.
"""

from __future__ import annotations

from typing import ClassVar

SLP_EN = 0x20
"""In the high byte; the three bits below it are SLP_TYP."""


class AcpiPower:
    """Ports 0x604 and 0x605; `off`, that the guest switched the machine off."""

    STATE: ClassVar[tuple[str, ...]] = ("control", "off")
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.control = 0
        self.off = False

    @property
    def ended(self) -> str:
        """How the run was ended, in a few words; empty while it goes on."""
        return "switched itself off" if self.off else ""

    def read_port(self, port: int) -> int:
        """Read the register back; SLP_EN always reads as zero."""
        return self.control >> 8 * (port & 1) & 0xFF

    def write_port(self, port: int, value: int) -> None:
        """Store a byte; SLP_EN in the high one switches off."""
        shift = 8 * (port & 1)
        if port & 1 and value & SLP_EN:
            self.off = True
            value &= ~SLP_EN
        self.control = self.control & ~(0xFF << shift) | value << shift
