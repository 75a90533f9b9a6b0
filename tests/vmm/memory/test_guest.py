"""Guest-physical memory: RAM on the host's frames, devices beyond, and stores to traced pages reported."""

from __future__ import annotations

import pytest

from teachvm.host.frames import OutOfFramesError
from teachvm.vmm.addresses import Gfn, Gpa
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.vm import Vm
from tests.vmm.room import MIB, Room


class Switch:
    """A device with one register, which counts its accesses."""

    def __init__(self) -> None:
        self.value = 0
        self.log: list[tuple[str, int, int]] = []

    def read_memory(self, offset: int, size: int) -> int:
        self.log.append(("read", offset, size))
        return self.value

    def write_memory(self, offset: int, size: int, value: int) -> None:
        self.log.append(("write", offset, size))
        self.value = value


def test_no_guest_physical_address_is_the_host_physical_one() -> None:
    memory = Room("hlt").vm.memory
    assert len(memory.pmap) == memory.frame_count == 256
    assert all(gfn != hfn for gfn, hfn in enumerate(memory.pmap))
    assert memory.hpa(Gpa(0x1234)) == memory.pmap[1] << 12 | 0x234
    assert memory.hpa(Gpa(MIB)) is None


def test_an_access_across_two_pages_reaches_both_frames() -> None:
    memory = Room("hlt").vm.memory
    memory.write(0x2_0FFE, 4, 0x44332211)
    assert memory.read(0x2_0FFE, 4) == 0x44332211
    assert memory.read_bytes(0x2_0FFE, 4) == bytes.fromhex("11223344")
    assert memory._memory.read((memory.pmap[0x21] << 12), 2) == 0x4433


def test_beyond_ram_nobody_answers() -> None:
    memory = Room("hlt").vm.memory
    memory.write(MIB, 4, 0)
    assert memory.read(MIB, 4) == 0xFFFF_FFFF
    assert memory.read_bytes(MIB - 2, 4)[2:] == b"\xff\xff"
    memory.write_bytes(MIB - 2, b"abcd")
    assert memory.read_bytes(MIB - 2, 2) == b"ab"


def test_a_guest_reads_and_writes_device_memory_through_the_vmm() -> None:
    room = Room("mov eax, [0x200010] \n mov byte [0x200011], 7 \n inc dword [0x200014]", paging=False)
    device = Switch()
    room.vm.memory.map(range(0x20_0000, 0x20_1000), device)
    device.value = 5
    room.units(3)
    assert device.log == [("read", 0x10, 4), ("write", 0x11, 1), ("read", 0x14, 4), ("write", 0x14, 4)]
    assert room.vm.vcpu.state().regs[0] == 5
    assert device.value == 8


def test_a_device_may_not_lie_over_ram() -> None:
    with pytest.raises(ValueError, match="0xff000 is RAM"):
        Room("hlt").vm.memory.map(range(0xF_F000, 0x10_1000), Switch())


def test_stores_to_a_traced_page_are_reported_until_each_trace_is_undone() -> None:
    memory = Room("hlt").vm.memory
    seen: list[tuple[int, int]] = []
    memory.wrote = lambda gpa, size: seen.append((gpa, size))
    assert memory.trace(Gfn(0x20))
    assert not memory.trace(Gfn(0x20))
    memory.write(0x2_0FFE, 4, 1)
    memory.write_bytes(0x1_FFF0, bytes(32))
    memory.untrace(Gfn(0x20))
    memory.write(0x2_0000, 1, 1)
    memory.untrace(Gfn(0x20))
    memory.write(0x2_0000, 1, 1)
    assert seen == [(0x2_0FFE, 1), (0x2_0FFF, 1), (0x2_0000, 16), (0x2_0000, 1)]


def test_a_vm_needs_whole_pages_and_enough_frames() -> None:
    room = Room("hlt")
    with pytest.raises(ValueError, match="not a positive multiple of 4096"):
        GuestMemory(room.host, "beta", 4095)
    with pytest.raises(OutOfFramesError, match="vm:gamma asks for 4096 frames"):
        Vm(room.host, "gamma", 16 * MIB)
