"""Multiboot: the header a kernel carries, and what its loader leaves in memory and registers for it.

Source: Multiboot Specification 0.6.96, §3.1 (OS image format), §3.2 (machine state), §3.3 (boot information format).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from teachvm.guest.image import GuestError

MAGIC: Final = 0x1BADB002
LOADER_MAGIC: Final = 0x2BADB002
"""What EAX holds at the first instruction."""
SEARCHED_BYTES: Final = 8192
"""The header lies within so many bytes of the file's beginning, on a boundary of four."""
WANTS_VIDEO: Final = 1 << 2
UNKNOWN_DEMANDS: Final = 0xFFF8
HAS_ADDRESSES: Final = 1 << 16

INFO_MEMORY: Final = 1 << 0
INFO_COMMAND_LINE: Final = 1 << 2
INFO_MAP: Final = 1 << 6
INFO_LOADER: Final = 1 << 9
INFO_BYTES: Final = 116
LOW_MEMORY_END: Final = 0xA_0000
HIGH_MEMORY: Final = 0x10_0000
AVAILABLE: Final = 1
LOADER_NAME: Final = b"teachvm\0"


@dataclass(frozen=True, slots=True)
class Header:
    """A multiboot header.

    Attributes:
        offset: Where in the file it was found.
        flags: What the kernel demands, and which fields follow.
        addresses: `header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr`, or None: the file is an ELF.
    """

    offset: int
    flags: int
    addresses: tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Load:
    """What the address fields say is loaded.

    Attributes:
        phys: Where.
        content: Bytes of the file.
        size: Bytes in memory; what the file does not hold is zero.
        entry: Physical address of the first instruction.
    """

    phys: int
    content: bytes
    size: int
    entry: int


def find(content: bytes) -> Header | None:
    """The header of a kernel, None if the file has none."""
    for at in range(0, min(len(content), SEARCHED_BYTES) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<3I", content, at)
        if magic == MAGIC and not magic + flags + checksum & 0xFFFF_FFFF:
            addresses = None
            if flags & HAS_ADDRESSES and at + 32 <= len(content):
                addresses = struct.unpack_from("<5I", content, at + 12)
            return Header(at, flags, addresses)
    return None


def check(name: str, header: Header) -> None:
    """Refuse a kernel that demands what this loader does not have.

    Raises:
        GuestError: It does.
    """
    if header.flags & WANTS_VIDEO:
        raise GuestError(f"{name} demands a video mode of its multiboot loader; there is no graphics card")
    if header.flags & UNKNOWN_DEMANDS:
        raise GuestError(f"{name} demands multiboot features nobody knows (flags {header.flags & 0xFFFF:#06x})")


def load_by_addresses(name: str, content: bytes, header: Header) -> Load:
    """What the address fields of a header say (the "a.out kludge").

    Raises:
        GuestError: They contradict each other or the file.
    """
    if header.addresses is None:
        raise GuestError(
            f"{name} has a multiboot header without addresses and is no ELF file: nobody knows what to load"
        )
    header_at, phys, end, bss_end, entry = header.addresses
    start = header.offset - (header_at - phys)
    if header_at < phys or start < 0:
        raise GuestError(f"{name}: its multiboot header says it begins before the file does")
    size = len(content) - start if not end else end - phys
    if size <= 0:
        raise GuestError(f"{name}: its multiboot header says it ends at {end:#x}, before it begins ({phys:#x})")
    if start + size > len(content):
        raise GuestError(f"{name}: its multiboot header wants {size} bytes loaded, the file has fewer")
    whole = max(size, bss_end - phys) if bss_end else size
    if phys + whole > 1 << 32:
        raise GuestError(f"{name}: its multiboot header reaches beyond 4 GiB")
    return Load(phys, content[start : start + size], whole, entry)


def boot_info(at: int, name: str, memory_bytes: int) -> bytes:
    """The boot information, with what it points to behind it.

    Args:
        at: The physical address it is put at.
        name: The kernel's, its command line.
        memory_bytes: Size of memory.
    """
    line = name.encode("ascii", errors="replace")[:64] + b"\0"
    entries = ((0, LOW_MEMORY_END), (HIGH_MEMORY, memory_bytes - HIGH_MEMORY))
    memory_map = b"".join(struct.pack("<IQQI", 20, base, length, AVAILABLE) for base, length in entries if length > 0)
    map_at = at + INFO_BYTES
    line_at = map_at + len(memory_map)
    info = bytearray(INFO_BYTES)
    flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MAP | INFO_LOADER
    lower, upper = LOW_MEMORY_END >> 10, max(0, memory_bytes - HIGH_MEMORY) >> 10
    struct.pack_into("<3I", info, 0, flags, lower, upper)
    struct.pack_into("<I", info, 16, line_at)
    struct.pack_into("<2I", info, 44, len(memory_map), map_at)
    struct.pack_into("<I", info, 64, line_at + len(line))
    return bytes(info) + memory_map + line + LOADER_NAME
