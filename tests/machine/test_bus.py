import pytest

from teachvm.machine.bus import PhysicalBus, PortBus
from teachvm.machine.memory import Memory


class Latch:
    """Remembers bytes by port."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}

    def read_port(self, port: int) -> int:
        return self.values.get(port, 0)

    def write_port(self, port: int, value: int) -> None:
        self.values[port] = value


class Framebuffer:
    def __init__(self) -> None:
        self.accesses: list[tuple[object, ...]] = []

    def read_memory(self, offset: int, size: int) -> int:
        self.accesses.append((offset, size))
        return 0x42

    def write_memory(self, offset: int, size: int, value: int) -> None:
        self.accesses.append((offset, size, value))


def test_unmapped_ports_read_as_all_ones() -> None:
    bus = PortBus()
    bus.out(0x300, 4, 0x1234)
    assert [bus.in_(0x300, size) for size in (1, 2, 4)] == [0xFF, 0xFFFF, 0xFFFF_FFFF]


def test_wide_port_access_is_split_into_bytes_at_consecutive_ports() -> None:
    bus, latch = PortBus(), Latch()
    bus.map(range(0x10, 0x13), latch)
    bus.out(0x10, 4, 0x44332211)
    assert latch.values == {0x10: 0x11, 0x11: 0x22, 0x12: 0x33}
    assert bus.in_(0x10, 4) == 0xFF332211
    assert bus.in_(0x12, 2) == 0xFF33


def test_port_space_wraps_around() -> None:
    bus, latch = PortBus(), Latch()
    bus.map([0xFFFF, 0], latch)
    bus.out(0xFFFF, 2, 0xBBAA)
    assert latch.values == {0xFFFF: 0xAA, 0: 0xBB}


def test_port_cannot_have_two_devices() -> None:
    bus = PortBus()
    bus.map([0x60], Latch())
    with pytest.raises(ValueError, match="0x60 is mapped twice"):
        bus.map(range(0x50, 0x70), Latch())


def test_memory_and_devices_share_the_physical_address_space() -> None:
    bus, device = PhysicalBus(Memory(0x1000)), Framebuffer()
    bus.map(range(0xB8000, 0xC0000), device)
    bus.write(0x10, 4, 0x11223344)
    assert [bus.read(0x10, size) for size in (1, 2, 4)] == [0x44, 0x3344, 0x11223344]
    bus.write(0xB8002, 2, 0x0741)
    assert bus.read(0xB8004, 4) == 0x42
    assert device.accesses == [(2, 2, 0x0741), (4, 4)]


def test_nothing_answers_beyond_memory() -> None:
    bus = PhysicalBus(Memory(0x1000))
    bus.write(0x2000, 4, 1)
    assert bus.read(0x2000, 4) == 0xFFFF_FFFF
    bus.write(0xFFE, 4, 0x44332211)
    assert bus.read(0xFFE, 4) == 0xFFFF2211


def test_physical_ranges_must_not_overlap() -> None:
    bus = PhysicalBus(Memory(0x1000))
    bus.map(range(0x1000, 0x2000), Framebuffer())
    with pytest.raises(ValueError, match="mapped twice"):
        bus.map(range(0x1800, 0x1900), Framebuffer())
    with pytest.raises(ValueError, match="is RAM"):
        bus.map(range(0x80, 0x200), Framebuffer())
