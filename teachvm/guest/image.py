"""A guest ready to be put into a machine: bytes at physical addresses, an entry, and names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from teachvm.guest import executable
from teachvm.guest.symbols import Space, SpaceKind, Symbols
from teachvm.isa.assembler.assembly import Assembly
from teachvm.machine.rv32.board import RAM_BASE

PAGE = 4096
LOADER_END = 0x7000
"""Physical memory below belongs to the loader: boot GDT, boot information, and a stack that grows down from here."""
IO_HOLE = range(0xA_0000, 0x10_0000)
"""Video memory and ROMs of a PC: no RAM a guest may count on."""
MAX_PROGRAMS = 16
NAME_BYTES = 16
ENTRY_LABEL = "start"


class GuestError(ValueError):
    """A guest that cannot be built or loaded; the message is one clear line for people."""


class Boot(Enum):
    """What a guest finds at its first instruction beside flat protected mode."""

    INFO = "our boot information"
    MULTIBOOT = "multiboot"


@dataclass(frozen=True, slots=True)
class Program:
    """One program the guest kernel finds in memory.

    Attributes:
        name: What it is called in the boot information.
        phys: Where its image lies, page-aligned.
        size: Bytes.
        entry: Linear address of its first instruction; 0 for one that is only there for others to start.
        arg: The number it is given.
    """

    name: str
    phys: int
    size: int
    entry: int
    arg: int


@dataclass(frozen=True, slots=True)
class Image:
    """What the loader puts into memory.

    Attributes:
        name: The guest, `tinyos`.
        entry: Physical address of the first instruction.
        segments: (physical address, bytes), ascending and disjoint.
        programs: What the boot information lists.
        symbols: Names of all places.
        boot: What it is told about the machine, and how.
        extent: First physical address behind memory that is the guest's without being in its file; 0 if none is.
    """

    name: str
    entry: int
    segments: tuple[tuple[int, bytes], ...]
    programs: tuple[Program, ...]
    symbols: Symbols
    boot: Boot = Boot.INFO
    extent: int = 0

    @property
    def riscv(self) -> bool:
        """Its code is for a RISC-V processor."""
        return self.symbols.kernel.assembly.riscv

    @property
    def memory_needed(self) -> int:
        """Bytes of RAM up to the end of everything."""
        return self.end - (RAM_BASE if self.riscv else 0)

    @property
    def end(self) -> int:
        """First physical address behind everything."""
        address, content = self.segments[-1]
        return max(self.extent, address + len(content))


def _page_up(address: int) -> int:
    return -(-address // PAGE) * PAGE


def _entry_of(assembly: Assembly) -> int:
    """Address of the label `start`, else of the first byte."""
    return assembly.symbols[ENTRY_LABEL] if ENTRY_LABEL in assembly.labels else assembly.origin


def link(
    name: str,
    kernel: Assembly,
    programs: tuple[tuple[str, Assembly, int], ...],
    *,
    carried: tuple[tuple[str, Assembly], ...] = (),
    files: bool = False,
) -> Image:
    """Lay a kernel and its programs out in physical memory: the kernel where it says, the programs behind it.

    Args:
        name: The guest's name.
        kernel: Assembled at its physical address.
        programs: (name, assembled program, argument) in order of starting.
        carried: Programs that are not started, as far as there is room in the list.
        files: Programs are ELF files, from which the kernel loads them; else plain bytes, to run where they lie.

    Raises:
        GuestError: Something lies where nothing may lie, or there are too many programs.
    """
    if len(programs) > MAX_PROGRAMS:
        raise GuestError(f"{name} starts at most {MAX_PROGRAMS} programs, not {len(programs)}")
    _check_room(name, kernel.origin, len(kernel.data))
    if kernel.riscv and kernel.origin < RAM_BASE:
        raise GuestError(
            f"{name} begins at {kernel.origin:#x}; a RISC-V computer has RAM from {RAM_BASE:#x} on: use org"
        )
    if kernel.riscv and programs:
        raise GuestError(f"{name} is for a RISC-V processor and starts no programs")
    names = [program for program, _, _ in programs]
    rest = [each for each in carried if each[0] not in names][: MAX_PROGRAMS - len(programs)]
    entry_points = [_entry_of(assembly) for _, assembly, _ in programs] + [0] * len(rest)
    listed = (*programs, *((program, assembly, 0) for program, assembly in rest))
    segments = [(kernel.origin, kernel.data)]
    spaces = [Space.of("kernel", SpaceKind.KERNEL, name, 0, kernel.origin, kernel)]
    entries = []
    address = _page_up(kernel.origin + len(kernel.data))
    for number, (program, assembly, arg) in enumerate(listed, start=1):
        label = f"{program}#{number}" if names.count(program) > 1 or program == "kernel" else program
        content = executable.pack(assembly, _entry_of(assembly)) if files else assembly.data
        _check_room(label, address, len(content) if assembly.data else 0)
        if len(program.encode()) > NAME_BYTES:
            raise GuestError(f"program name '{program}' is longer than {NAME_BYTES} bytes")
        entries.append(Program(program, address, len(content), entry_points[number - 1], arg & 0xFFFF_FFFF))
        code = address + executable.FIRST_BYTE if files else address
        spaces.append(Space.of(label, SpaceKind.PROGRAM, program, number, code, assembly))
        segments.append((address, content))
        address = _page_up(address + len(content))
    return Image(name, _entry_of(kernel), tuple(segments), tuple(entries), Symbols(tuple(spaces)))


def _check_room(what: str, address: int, size: int) -> None:
    if not size:
        raise GuestError(f"{what} is empty: there is nothing to run")
    if address < LOADER_END:
        raise GuestError(f"{what} begins at {address:#x}; memory below {LOADER_END:#x} belongs to the loader: use org")
    if address < IO_HOLE.stop and address + size > IO_HOLE.start:
        raise GuestError(f"{what} reaches into {IO_HOLE.start:#x}, where a PC has video memory: make it smaller")
