"""Guests in formats of the world outside, told apart by what they hold: ELF, multiboot, flat binary, source."""

from __future__ import annotations

import codecs
import struct
from enum import Enum
from typing import Final

from teachvm.guest import elf, multiboot
from teachvm.guest.image import IO_HOLE, LOADER_END, Boot, GuestError, Image
from teachvm.guest.symbols import Space, SpaceKind, Symbols
from teachvm.isa.assembler.assembly import Assembly

MOST_BYTES: Final = 64 << 20
"""Size of a guest's file at most."""
MOST_MEMORY_BYTES: Final = 256 << 20
DEFAULT_LOAD: Final = 0x1_0000
"""Where a flat binary goes when nobody says where: the assembler's usual `org` here."""
SAMPLE_BYTES: Final = 4096
BOOT_SECTOR: Final = 512
BOOT_SIGNATURE: Final = b"\x55\xaa"
UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How text in UTF-16 begins; as code, an undefined opcode."""
DOS_HEADER_BYTES: Final = 64
PE_OFFSET: Final = 0x3C
"""Where a Windows program says where its own header is. Source: Microsoft PE format, "MS-DOS stub"."""
MACH_O: Final = tuple(bytes.fromhex(magic) for magic in ("cefaedfe", "cffaedfe", "feedface", "feedfacf"))


class Format(Enum):
    """What a guest's file is."""

    SOURCE = "assembly source"
    ELF = "ELF"
    MULTIBOOT = "multiboot"
    FLAT = "flat binary"


def format_of(content: bytes) -> Format:
    """What the bytes of a file are; its name does not count."""
    if content.startswith(elf.MAGIC):
        return Format.ELF
    if multiboot.find(content) is not None:
        return Format.MULTIBOOT
    return Format.SOURCE if _is_text(content[:SAMPLE_BYTES]) else Format.FLAT


def _is_text(sample: bytes) -> bool:
    """Whether bytes are text: printable, no control characters but blanks."""
    sample = sample.removeprefix(codecs.BOM_UTF8)
    text = sample.decode("utf-8", errors="ignore")
    lost = len(sample) - len(text.encode())
    return lost < 4 and all(character.isprintable() or character in "\t\r\n\f" for character in text)


def image(name: str, content: bytes, load_at: int = 0) -> Image:
    """A guest from the bytes of its file; a source is somebody else's work.

    Args:
        name: What people call it.
        content: The file.
        load_at: Where a flat binary goes; 0 is `DEFAULT_LOAD`. The other formats say it themselves.

    Raises:
        GuestError: It cannot run here; the message is one clear line.
    """
    if not content:
        raise GuestError(f"{name} is empty: there is nothing to run")
    _refuse_other_systems(name, content)
    kind = format_of(content)
    header = multiboot.find(content)
    if header is not None:
        multiboot.check(name, header)
    if load_at and kind is not Format.FLAT:
        raise GuestError(
            f"{name} is {kind.value} and says itself where it is loaded; only a flat binary is put elsewhere"
        )
    if header is not None and header.addresses is not None:
        load = multiboot.load_by_addresses(name, content, header)
        return _one(name, load.phys, load.content, load.size, load.entry, Boot.MULTIBOOT)
    if kind is Format.ELF:
        return _elf(name, content, Boot.INFO if header is None else Boot.MULTIBOOT)
    if kind is Format.MULTIBOOT:
        assert header is not None
        multiboot.load_by_addresses(name, content, header)
    if len(content) >= BOOT_SECTOR and content[BOOT_SECTOR - 2 : BOOT_SECTOR] == BOOT_SIGNATURE:
        raise GuestError(f"{name} is a boot sector, which starts in real mode; only protected mode is there")
    return _one(name, load_at or DEFAULT_LOAD, content, len(content), load_at or DEFAULT_LOAD, Boot.INFO)


def _refuse_other_systems(name: str, content: bytes) -> None:
    """Files that would be taken for a flat binary, and are known to be none."""
    if content.startswith(UTF_16):
        raise GuestError(f"{name} is text in UTF-16: save it as UTF-8")
    other = "macOS (Mach-O)" if content.startswith(MACH_O) else ""
    if content.startswith(b"MZ") and len(content) >= DOS_HEADER_BYTES:
        (at,) = struct.unpack_from("<I", content, PE_OFFSET)
        other = "Windows (PE)" if content[at : at + 4] == b"PE\0\0" else ""
    if other:
        raise GuestError(f"{name} is a program for {other}; a guest is a static ELF32 file for i386 or a flat binary")


def _one(name: str, phys: int, content: bytes, size: int, entry: int, boot: Boot) -> Image:
    """An image of one piece, which lies where it runs."""
    _check_room(name, phys, size)
    if not phys <= entry < phys + size:
        raise GuestError(f"{name} starts at {entry:#x}, outside what is loaded ({phys:#x} to {phys + size:#x})")
    space = _space(name, phys, phys, content, size, {})
    return Image(name, entry, ((phys, content),), (), Symbols((space,)), boot, phys + size)


def _elf(name: str, content: bytes, boot: Boot) -> Image:
    found = elf.read(name, content)
    end = 0
    for segment in found.segments:
        _check_room(name, segment.phys, segment.size)
        if segment.phys < end:
            raise GuestError(f"{name} is damaged: two of its segments lie at {segment.phys:#x}")
        end = segment.phys + segment.size
    entry = found.physical(found.entry)
    if entry is None and any(0 <= found.entry - one.phys < one.size for one in found.segments):
        entry = found.entry
    if entry is None:
        raise GuestError(f"{name} starts at {found.entry:#x}, outside everything that is loaded")
    spaces = tuple(
        _space(name, one.linear, one.phys, content, size, found.symbols) for one, content, size in _runs(found.segments)
    )
    segments = tuple((one.phys, one.content) for one in found.segments if one.content)
    if not segments:
        raise GuestError(f"{name} is empty: nothing of it is in the file")
    return Image(name, entry, segments, (), Symbols(spaces), boot, end)


def _runs(segments: tuple[elf.Segment, ...]) -> list[tuple[elf.Segment, bytes, int]]:
    """Neighbouring segments linked at one distance from where they are loaded, as one: its first, bytes and size."""
    runs: list[tuple[elf.Segment, bytearray, int]] = []
    for one in segments:
        if runs:
            first, content, _ = runs[-1]
            gap = one.phys - first.phys - len(content)
            if first.linear - first.phys == one.linear - one.phys and gap <= 1 << 20:
                content += bytes(max(0, gap)) + one.content
                runs[-1] = first, content, one.phys + one.size - first.phys
                continue
        runs.append((one, bytearray(one.content), one.size))
    return [(first, bytes(content), size) for first, content, size in runs]


def _space(name: str, linear: int, phys: int, content: bytes, size: int, symbols: dict[str, int]) -> Space:
    """Names of one stretch of memory, with no statements: there is no source."""
    own = {label: value for label, value in symbols.items() if 0 <= value - linear < size}
    assembly = Assembly(name, linear, content, own, frozenset(own), (), (), ())
    return Space.of("kernel", SpaceKind.KERNEL, name, 0, phys, assembly, size)


def _check_room(name: str, phys: int, size: int) -> None:
    if phys < LOADER_END:
        raise GuestError(f"{name} is loaded at {phys:#x}; memory below {LOADER_END:#x} belongs to the loader")
    if phys < IO_HOLE.stop and phys + size > IO_HOLE.start:
        raise GuestError(f"{name} reaches into {IO_HOLE.start:#x}, where a PC has video memory: load it at 1 MiB")
    if phys + size > MOST_MEMORY_BYTES:
        raise GuestError(
            f"{name} ends at {phys + size:#x}; a guest has at most {MOST_MEMORY_BYTES >> 20} MiB of memory"
        )
