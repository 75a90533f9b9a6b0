import struct

import pytest

from teachvm.guest.image import GuestError, link
from teachvm.guest.library import build
from teachvm.guest.loader import BOOT_GDT, BOOT_INFO, BOOT_STACK, load, start
from teachvm.isa.assembler import assemble
from teachvm.isa.operands import CS, EBX, ESP, SS
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder

MIB = 1 << 20


def loaded(memory_bytes: int = 2 * MIB) -> Machine:
    machine = Machine("host", memory_bytes, Recorder())
    image = build("tinyos", [("hello", 5), ("ticker", 0x0341)])
    load(image, memory_bytes, machine.memory.write_bytes)
    start(machine.cpu, image)
    return machine


def test_boot_information_lists_memory_and_programs() -> None:
    image = build("tinyos", [("hello", 5), ("ticker", 0x0341)])
    memory = loaded().memory
    assert struct.unpack("<2I", memory.read_bytes(BOOT_INFO, 8)) == (2 * MIB, 2)
    rows = [struct.unpack("<16s4I", memory.read_bytes(BOOT_INFO + 8 + 32 * index, 32)) for index in range(2)]
    assert [(name.rstrip(b"\0"), arg) for name, _, _, _, arg in rows] == [(b"hello", 5), (b"ticker", 0x0341)]
    for (_, phys, size, entry, _), (address, content) in zip(rows, image.segments[1:], strict=True):
        assert (phys, size, entry) == (address, len(content), 0x08048000)
        assert memory.read_bytes(phys, size) == content


def test_cpu_starts_in_flat_protected_mode_without_paging_or_interrupts() -> None:
    cpu = loaded().cpu
    assert (cpu.cr0, cpu.eflags, cpu.cpl) == (0x11, 2, 0)
    assert (cpu.eip, cpu.regs[ESP], cpu.regs[EBX]) == (0x10000, BOOT_STACK, BOOT_INFO)
    assert (cpu.gdtr.base, cpu.gdtr.limit) == (BOOT_GDT, 23)
    assert (cpu.segs[CS].selector, cpu.segs[SS].selector) == (0x08, 0x10)


def test_hidden_parts_of_the_segments_are_those_of_the_boot_gdt() -> None:
    machine = loaded()
    for segment in machine.cpu.segs:
        raw = machine.memory.read_bytes(BOOT_GDT + segment.selector, 8)
        assert type(segment).unpack(segment.selector, raw) == segment


def test_guest_that_does_not_fit_is_refused() -> None:
    high = link("high", assemble("org 0x200000\nnop\n", "high.asm"), ())
    with pytest.raises(GuestError, match="beyond 2048 KiB"):
        load(high, 2 * MIB, lambda address, content: None)
    with pytest.raises(GuestError, match="at least 1024 KiB"):
        load(build("tinyos"), MIB // 2, lambda address, content: None)
