"""ELF32 executables: what goes where in memory, the entry, and the names in the symbol table.

Source: Tool Interface Standard, Executable and Linking Format 1.2, book I, ch. 1 and 2, and book III (Intel).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from teachvm.guest.image import IO_HOLE, GuestError

MAGIC: Final = b"\x7fELF"
HEADER_BYTES: Final = 52
PROGRAM_BYTES: Final = 32
SECTION_BYTES: Final = 40
SYMBOL_BYTES: Final = 16
MOST_SEGMENTS: Final = 64
MOST_SECTIONS: Final = 4096
MOST_SYMBOLS: Final = 65_536
LONGEST_NAME: Final = 128
EXECUTABLE: Final = 2
I386: Final = 3
LOADED: Final = 1
INTERPRETER: Final = 3
READABLE: Final = 4
SYMBOL_TABLE: Final = 2
NAMELESS_KINDS: Final = (3, 4)
"""Symbol types that name no place: sections and files."""
ABSOLUTE: Final = 0xFFF1


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD: bytes of the file, followed by zeroes up to `size`.

    Attributes:
        linear: Where it was linked to run.
        phys: Where the loader puts it.
        content: What the file holds.
        size: Bytes in memory.
    """

    linear: int
    phys: int
    content: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Elf:
    """An executable, read.

    Attributes:
        entry: Linear address of the first instruction.
        segments: What is loaded, by ascending physical address.
        symbols: Linear address by name.
    """

    entry: int
    segments: tuple[Segment, ...]
    symbols: dict[str, int]

    def physical(self, linear: int) -> int | None:
        """Where a linear address of a loaded segment lies in physical memory; None outside all of them."""
        for segment in self.segments:
            if 0 <= linear - segment.linear < segment.size:
                return segment.phys + linear - segment.linear
        return None


def read(name: str, content: bytes) -> Elf:
    """Read a static executable for 32-bit x86.

    Raises:
        GuestError: It is another kind of ELF file, or damaged.
    """
    if len(content) < HEADER_BYTES:
        raise GuestError(f"{name} is no whole ELF file: its header is cut off")
    if content[4] != 1 or content[5] != 1:
        raise GuestError(
            f"{name} is a 64-bit or big-endian ELF file; link it for 32-bit x86 (gcc -m32, ld -m elf_i386)"
        )
    kind, machine, _, entry, programs, sections = struct.unpack_from("<HHIIII", content, 16)
    program_size, program_count, section_size, section_count = struct.unpack_from("<HHHH", content, 42)
    if machine != I386:
        raise GuestError(f"{name} is an ELF file for another processor (machine {machine}); it has to be i386 (3)")
    if kind != EXECUTABLE:
        raise GuestError(
            f"{name} is no ELF executable but type {kind}; link it statically, not as an object or library"
        )
    if not 0 < program_count <= MOST_SEGMENTS or program_size < PROGRAM_BYTES:
        raise GuestError(
            f"{name} has {program_count} program headers of {program_size} bytes; there is nothing to load"
        )
    segments = []
    for index in range(program_count):
        at = programs + index * program_size
        if at + PROGRAM_BYTES > len(content):
            raise GuestError(f"{name} is damaged: program header {index} lies beyond the end of the file")
        segment = _segment(name, content, index, at)
        if segment is not None:
            segments.append(segment)
    if not segments:
        raise GuestError(f"{name} has no segment to load")
    segments.sort(key=lambda one: one.phys)
    return Elf(entry, tuple(segments), _symbols(content, sections, section_size, section_count))


def _segment(name: str, content: bytes, index: int, at: int) -> Segment | None:
    kind, offset, linear, phys, in_file, in_memory, rights = struct.unpack_from("<7I", content, at)
    if kind == INTERPRETER:
        raise GuestError(f"{name} needs a dynamic linker, and no kernel is there to start one; link it with -static")
    if kind != LOADED or not in_memory:
        return None
    if offset + in_file > len(content):
        raise GuestError(f"{name} is damaged: segment {index} lies beyond the end of the file")
    if in_file > in_memory:
        raise GuestError(f"{name} is damaged: segment {index} has more bytes in the file than in memory")
    if linear + in_memory > 1 << 32 or phys + in_memory > 1 << 32:
        raise GuestError(f"{name} is damaged: segment {index} reaches beyond 4 GiB")
    if not offset and rights == READABLE and phys in IO_HOLE and phys + in_memory <= IO_HOLE.stop:
        return None  # the linker mapped the file's own headers below 1 MiB, where a PC has ROM: nobody reads them
    return Segment(linear, phys, content[offset : offset + in_file], in_memory)


def _symbols(content: bytes, sections: int, size: int, count: int) -> dict[str, int]:
    """Names from the symbol tables; a damaged table has none, since a guest runs without it."""
    found: dict[str, int] = {}
    if size < SECTION_BYTES or count > MOST_SECTIONS or sections + count * size > len(content):
        return found
    headers = [struct.unpack_from("<10I", content, sections + index * size) for index in range(count)]
    for _, kind, _, _, offset, length, link, _, _, each in headers:
        if kind != SYMBOL_TABLE or each != SYMBOL_BYTES or link >= count or offset + length > len(content):
            continue
        names_at, names_size = headers[link][4], headers[link][5]
        if names_at + names_size > len(content):
            continue
        names = content[names_at : names_at + names_size]
        for at in range(offset, offset + min(length, MOST_SYMBOLS * SYMBOL_BYTES) - SYMBOL_BYTES + 1, SYMBOL_BYTES):
            name_at, value, _, info, _, section = struct.unpack_from("<IIIBBH", content, at)
            name = _name(names, name_at)
            if name and section not in (0, ABSOLUTE) and info & 0xF not in NAMELESS_KINDS:
                found.setdefault(name, value)
    return found


def _name(names: bytes, at: int) -> str:
    """A name of a string table; empty if it is not one people could type."""
    end = names.find(b"\0", at, at + LONGEST_NAME + 1)
    if not 0 <= at < len(names) or end < 0:
        return ""
    name = names[at:end].decode("ascii", errors="replace")
    return name if name.isprintable() and name.isascii() else ""
