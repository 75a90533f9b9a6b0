"""The boot protocol: what memory and CPU hold when a guest's first instruction runs.

The same for the physical machine and for a virtual one: protected mode with flat segments, paging off, interrupts off,
much as Multiboot leaves a PC. EIP is the entry, EBX the address of the boot information, ESP the top of a stack below
the guest's own memory. Addresses are physical::

    0x500   boot GDT: null, 0x08 code, 0x10 data
    0x600   boot information: u32 memory_bytes, u32 program_count, then per program
            char name[16], u32 phys, u32 size, u32 entry (0: for others to start), u32 arg
    0x7000  initial ESP

A multiboot kernel finds EAX and its own information block at 0x600 instead, as its specification says.

Source: the idea is Multiboot 0.6.96, section 3.2 ("Machine state"). Deviation: our own information block.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from teachvm.guest import multiboot
from teachvm.guest.image import LOADER_END, NAME_BYTES, Boot, GuestError, Image
from teachvm.isa.control import CR0_ET, CR0_PE
from teachvm.isa.descriptors import TableRegister, flat_code, flat_data, null_segment
from teachvm.isa.flags import RESERVED_ONE
from teachvm.isa.operands import CS, EAX, EBX, ESP
from teachvm.machine.registers import Registers
from teachvm.machine.rv32.board import RAM_BASE

BOOT_GDT: Final = 0x500
BOOT_INFO: Final = 0x600
BOOT_STACK: Final = LOADER_END
BOOT_CODE: Final = 0x08
BOOT_DATA: Final = 0x10
MIN_MEMORY_BYTES: Final = 1 << 20

Write = Callable[[int, bytes], None]
"""Store bytes at a guest-physical address."""


def load(image: Image, memory_bytes: int, write: Write) -> None:
    """Put a guest, the boot GDT and the boot information into memory; a RISC-V guest is told nothing.

    Args:
        image: The guest.
        memory_bytes: Size of the memory the guest is told it has.
        write: Stores bytes at an offset into the guest's RAM, which begins at 0, or at `RAM_BASE` for RISC-V.

    Raises:
        GuestError: The guest does not fit.
    """
    if memory_bytes < MIN_MEMORY_BYTES:
        raise GuestError(
            f"{image.name} needs at least {MIN_MEMORY_BYTES >> 10} KiB of memory, not {memory_bytes >> 10}"
        )
    if image.memory_needed > memory_bytes:
        raise GuestError(f"{_whole(image)} ends at {image.end:#x}, beyond {memory_bytes >> 10} KiB")
    base = RAM_BASE if image.riscv else 0
    for address, content in image.segments:
        write(address - base, content)
    if image.riscv:
        return
    write(BOOT_GDT, boot_gdt())
    write(BOOT_INFO, boot_info(image, memory_bytes))


def _whole(image: Image) -> str:
    return f"{image.name} with its programs" if image.programs else image.name


def boot_gdt() -> bytes:
    """Null descriptor, flat ring-0 code, flat ring-0 data."""
    return null_segment().pack() + flat_code(BOOT_CODE).pack() + flat_data(BOOT_DATA).pack()


def boot_info(image: Image, memory_bytes: int) -> bytes:
    """The boot information block."""
    if image.boot is Boot.MULTIBOOT:
        return multiboot.boot_info(BOOT_INFO, image.name, memory_bytes)
    rows = [
        struct.pack(f"<{NAME_BYTES}s4I", program.name.encode(), program.phys, program.size, program.entry, program.arg)
        for program in image.programs
    ]
    return struct.pack("<2I", memory_bytes, len(rows)) + b"".join(rows)


def start(cpu: Registers, image: Image) -> None:
    """Give a CPU that was just reset the registers a guest starts with."""
    cpu.gdtr = TableRegister(BOOT_GDT, len(boot_gdt()) - 1)
    cpu.segs[:] = [flat_data(BOOT_DATA) for _ in cpu.segs]
    cpu.segs[CS] = flat_code(BOOT_CODE)
    cpu.cr0 = CR0_PE | CR0_ET
    cpu.cpl = 0
    cpu.eflags = RESERVED_ONE
    cpu.eip = image.entry
    cpu.regs[:] = [0] * len(cpu.regs)
    cpu.regs[ESP] = BOOT_STACK
    cpu.regs[EBX] = BOOT_INFO
    if image.boot is Boot.MULTIBOOT:
        cpu.regs[EAX] = multiboot.LOADER_MAGIC
