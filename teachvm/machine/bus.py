"""The two address spaces of the bus: I/O ports and physical memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from teachvm.machine.memory import ALL_ONES, Memory


class PortDevice(Protocol):
    """An 8-bit device on the I/O bus."""

    def read_port(self, port: int) -> int:
        """Answer one byte."""

    def write_port(self, port: int, value: int) -> None:
        """Take one byte."""


class PortBus:
    """The 64 Ki I/O ports; nobody answers at most of them, and an empty bus reads as all ones.

    Source: IBM PC/AT technical reference, I/O channel: an access wider than the device is split into bytes at
    consecutive ports, lowest first.
    """

    def __init__(self) -> None:
        self._devices: dict[int, PortDevice] = {}

    def map(self, ports: Iterable[int], device: PortDevice) -> None:
        """Let a device answer at some ports.

        Raises:
            ValueError: Another device answers there.
        """
        for port in ports:
            if port in self._devices:
                raise ValueError(f"port {port:#x} is mapped twice")
            self._devices[port] = device

    def in_(self, port: int, size: int) -> int:
        """Read 1, 2 or 4 bytes starting at a port."""
        value = 0
        for index in range(size):
            number = port + index & 0xFFFF
            device = self._devices.get(number)
            value |= (0xFF if device is None else device.read_port(number)) << 8 * index
        return value

    def out(self, port: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes starting at a port."""
        for index in range(size):
            number = port + index & 0xFFFF
            device = self._devices.get(number)
            if device is not None:
                device.write_port(number, value >> 8 * index & 0xFF)


class MemoryMappedDevice(Protocol):
    """A device whose registers lie in the physical address space."""

    def read_memory(self, offset: int, size: int) -> int:
        """Answer 1, 2 or 4 bytes at an offset into the device's range."""

    def write_memory(self, offset: int, size: int, value: int) -> None:
        """Take 1, 2 or 4 bytes at an offset into the device's range."""


class PhysicalBus:
    """The physical address space: RAM from 0, devices in ranges beyond it, all ones where nothing answers.

    Attributes:
        ram: The memory, which a CPU may also reach directly.
    """

    def __init__(self, ram: Memory) -> None:
        self.ram = ram
        self._ranges: list[tuple[range, MemoryMappedDevice]] = []

    def map(self, addresses: range, device: MemoryMappedDevice) -> None:
        """Let a device answer in a range of physical addresses.

        Raises:
            ValueError: The range overlaps RAM or another device's.
        """
        if addresses.start < self.ram.size:
            raise ValueError(f"{addresses.start:#x} is RAM")
        for taken, _ in self._ranges:
            if addresses.start < taken.stop and taken.start < addresses.stop:
                raise ValueError(f"{addresses.start:#x} is mapped twice")
        self._ranges.append((addresses, device))

    def device_at(self, phys: int) -> tuple[MemoryMappedDevice, int] | None:
        """The device that answers at an address, with the offset into its range."""
        for addresses, device in self._ranges:
            if phys in addresses:
                return device, phys - addresses.start
        return None

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes; an access belongs to whoever owns its first byte."""
        if phys < self.ram.size:
            return self.ram.read(phys, size)
        found = self.device_at(phys)
        if found is None:
            return ALL_ONES[size]
        device, offset = found
        return device.read_memory(offset, size)

    def write(self, phys: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes; what nobody takes is lost."""
        if phys < self.ram.size:
            self.ram.write(phys, size, value)
            return
        found = self.device_at(phys)
        if found is not None:
            device, offset = found
            device.write_memory(offset, size, value)
