"""The RISC-V computer's memory map and devices.

Source: QEMU, hw/riscv/virt (documented memory map of the machine `virt`); of it: RAM, the 16550A, the finisher.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from teachvm.machine.bus import MemoryMappedDevice
from teachvm.machine.devices.finisher import Finisher
from teachvm.machine.devices.uart16550 import Uart16550
from teachvm.machine.events import ConsoleWrote
from teachvm.machine.rv32.cpu import NoAnswerError
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry, Stateful

RAM_BASE: Final = 0x8000_0000
CONSOLE: Final = range(0x1000_0000, 0x1000_0008)
FINISHER: Final = range(0x10_0000, 0x10_0004)


class Ram(Protocol):
    """Memory from 0 on."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes."""

    def write(self, phys: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes."""


class SerialRegisters:
    """A 16550A whose eight registers lie in memory, one byte each."""

    def __init__(self, uart: Uart16550) -> None:
        self._uart = uart

    def read_memory(self, offset: int, size: int) -> int:
        """Read a register; wider accesses read the ones behind it too."""
        return sum(self._uart.read_port(offset + at) << 8 * at for at in range(min(size, len(CONSOLE) - offset)))

    def write_memory(self, offset: int, size: int, value: int) -> None:
        """Write a register; wider accesses write the ones behind it too."""
        for at in range(min(size, len(CONSOLE) - offset)):
            self._uart.write_port(offset + at, value >> 8 * at & 0xFF)


class Rv32Board:
    """The address space: RAM from `RAM_BASE` on, and two devices below.

    Attributes:
        console: The serial port.
        finisher: What ends a run.
    """

    def __init__(self, name: str, ram: Ram, recorder: Recorder) -> None:
        self.name = name
        self.console = Uart16550(
            irq=_unconnected, transmitted=lambda byte: recorder.emit(ConsoleWrote, source=name, byte=byte)
        )
        self.finisher = Finisher()
        self._ram = ram
        self._devices: tuple[tuple[range, MemoryMappedDevice], ...] = (
            (CONSOLE, SerialRegisters(self.console)),
            (FINISHER, self.finisher),
        )

    def read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes.

        Raises:
            NoAnswerError: Neither RAM nor a device is there.
        """
        offset = address - RAM_BASE
        if 0 <= offset <= self._ram.size - size:
            return self._ram.read(offset, size)
        device, offset = self._device(address)
        return device.read_memory(offset, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes.

        Raises:
            NoAnswerError: Neither RAM nor a device is there.
        """
        offset = address - RAM_BASE
        if 0 <= offset <= self._ram.size - size:
            self._ram.write(offset, size, value)
            return
        device, offset = self._device(address)
        device.write_memory(offset, size, value)

    def _device(self, address: int) -> tuple[MemoryMappedDevice, int]:
        for addresses, device in self._devices:
            if address in addresses:
                return device, address - addresses.start
        raise NoAnswerError(f"nobody answers at {address:#010x}")

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """Everything on the board that has state, with its name."""
        yield "console", self.console
        yield "finisher", self.finisher

    def register(self, registry: Registry, prefix: str) -> None:
        """Enter the board's state in a world's registry, under `prefix.`."""
        for path, thing in self.state():
            registry.add(f"{prefix}.{path}", thing)


def _unconnected(level: bool) -> None:
    """The interrupt line leads nowhere: the base instruction set has no interrupts."""
