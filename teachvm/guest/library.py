"""The guests and programs that are shipped, and how an image is built from assembly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from teachvm import resources
from teachvm.guest import foreign
from teachvm.guest.foreign import Format
from teachvm.guest.image import GuestError, Image, link
from teachvm.isa.assembler import assemble
from teachvm.isa.assembler.assembly import Assembly
from teachvm.isa.assembler.errors import did_you_mean
from teachvm.isa.assembler.limits import OUTPUT_BYTES
from teachvm.isa.assembler.resolver import FolderResolver, ResolveError

SOURCE_SUFFIX: Final = ".asm"
CACHED_ASSEMBLIES: Final = 64
Folder = Path
"""Where guests and programs of somebody's own lie."""


@dataclass(frozen=True, slots=True)
class ProgramManifest:
    """A shipped program.

    Attributes:
        name: What lessons and commands call it.
        description: One sentence.
        argument: What the number it is given means.
        system: The system it is for; all versions of it can start it.
    """

    name: str
    description: str
    argument: str
    system: str = "tinyos"


@dataclass(frozen=True, slots=True)
class GuestManifest:
    """A shipped guest.

    Attributes:
        name: What lessons and commands call it.
        title: What people call it.
        description: One or two sentences.
        source: Path of its main source under `assets/guests`.
        syscall_vector: The vector its programs enter the kernel with, None if it has no system calls.
        programs: What it starts when nobody says otherwise: (program, argument).
        memory_bytes: A comfortable size of memory.
        files: Its programs are ELF files, and all shipped ones lie in its image for others to start.
        paravirtual: Path of the main source of the build that makes hypercalls; None if there is none.
    """

    name: str
    title: str
    description: str
    source: str
    syscall_vector: int | None
    programs: tuple[tuple[str, int], ...]
    memory_bytes: int
    files: bool = False
    paravirtual: str | None = None

    @property
    def system(self) -> str:
        """Which system it is a version of."""
        return self.source.partition("/")[0]


GUESTS: Final = {
    manifest.name: manifest
    for manifest in (
        GuestManifest(
            name="tinyos",
            title="tinyos 1",
            description="A small Unix-like kernel: ring-3 processes with page tables of their own, demand paging, a "
            "pre-emptive round robin, Linux's system calls through int 0x80, and a serial console.",
            source="tinyos/kernel.asm",
            syscall_vector=0x80,
            programs=(("ticker", 0), ("ticker", 0)),
            memory_bytes=2 << 20,
            paravirtual="tinyos/paravirtual.asm",
        ),
        GuestManifest(
            name="tinyos2",
            title="tinyos 2",
            description="The next version of tinyos: programs are ELF files, and can make others with fork, execve and "
            "wait4; memory is copied when it is written.",
            source="tinyos/version2.asm",
            syscall_vector=0x80,
            programs=(("forker", 0),),
            memory_bytes=2 << 20,
            files=True,
            paravirtual="tinyos/paravirtual2.asm",
        ),
        GuestManifest(
            name="rv32",
            title="rv32 demo",
            description="Greets and counts primes on a RISC-V computer: no instruction of it can run on the host's "
            "processor, so it runs under emulation only.",
            source="rv32/demo.asm",
            syscall_vector=None,
            programs=(),
            memory_bytes=1 << 20,
        ),
        GuestManifest(
            name="coop",
            title="coop",
            description="A different system: one address space without paging, all in ring 0, tasks that keep the "
            "CPU until they give it away, and a prompt. Its programs are scripts, text as it would be typed there.",
            source="coop/kernel.asm",
            syscall_vector=None,
            programs=(("tour", 0),),
            memory_bytes=1 << 20,
        ),
    )
}

PROGRAMS: Final = {
    manifest.name: manifest
    for manifest in (
        ProgramManifest(
            "copier",
            "Copies a block of memory back and forth and checks every copy.",
            "pages in the block, 0 for 4",
        ),
        ProgramManifest(
            "forker",
            "Makes children that write to memory they shared with it, and waits for them; the last becomes hello.",
            "number of children, 0 for 2",
        ),
        ProgramManifest("hello", "Says hello, with the name of the system and its process number.", "not used"),
        ProgramManifest(
            "pages",
            "Touches memory one page at a time, so that each kind of page walk can be watched.",
            "0 ends normally, 1 reads through a null pointer, 2 reads kernel memory, 3 writes beyond its heap",
        ),
        ProgramManifest(
            "shell",
            "Asks for the name of a program, runs it, and asks again; `exit`, or the end of input, ends it.",
            "not used",
        ),
        ProgramManifest("sieve", "Counts primes by Eratosthenes' method, in memory from brk.", "limit, 0 for 1000"),
        ProgramManifest("spinner", "Computes and makes no system call.", "rounds of two instructions, 0 for ever"),
        ProgramManifest(
            "ticker",
            "Computes for longer than a timer tick, says so, and again.",
            "low byte its letter (0: by process number), next byte how many times it speaks (0: 4)",
        ),
        ProgramManifest(
            "toucher",
            "Reads one word of each page of its working set, again and again.",
            "low half pages (0: 8), high half rounds (0: 4)",
        ),
        ProgramManifest(
            "tour",
            "Shows what coop can do, and halts it.",
            "0 halts coop where the script ends, anything else goes on at the console",
            system="coop",
        ),
        ProgramManifest(
            "writer",
            "Writes one word of each page of its working set, again and again, each time another value.",
            "low half pages (0: 8), high half rounds (0: 4)",
        ),
    )
}


def build(
    guest: str,
    programs: Iterable[tuple[str, int]] = (),
    folder: Folder | None = None,
    load_at: int = 0,
    *,
    paravirtual: bool = False,
) -> Image:
    """Assemble a guest with its programs and lay it out in physical memory.

    Args:
        guest: A shipped guest's name, or a file in `folder`: a source (`mine.asm`), an ELF executable, a multiboot
            kernel or a flat binary, told apart by what it holds.
        programs: (name, argument) in order of starting; a name is a shipped program's, or a source file in `folder`.
            Empty means the guest's own default set; a guest that is no source has none.
        folder: Where source files of one's own lie, with what they include; nothing outside it is read.
        load_at: Where a flat binary is put; 0 leaves it to the loader.
        paravirtual: Take the build of a shipped guest that makes hypercalls, if there is one.

    Raises:
        GuestError: There is no such guest or program, or it cannot be laid out.
        AsmError: A source has a mistake; the error knows file, line and column.
    """
    if folder is not None and guest not in GUESTS:
        content = _content(guest, folder)
        if foreign.format_of(content) is not Format.SOURCE:
            if programs:
                raise GuestError(f"{guest} is no source: it cannot be given programs to start")
            return foreign.image(guest, content, load_at)
        if load_at:
            raise GuestError(f"{guest} is assembly source and says itself where it is loaded: use org")
    if guest.endswith(SOURCE_SUFFIX) or (folder is not None and guest not in GUESTS):
        kernel, chosen, files = _own(guest, folder), tuple(programs), False
    else:
        manifest = GUESTS.get(guest)
        if manifest is None:
            raise GuestError(_unknown("guest", guest, GUESTS))
        kernel, chosen, files = (
            _shipped((paravirtual and manifest.paravirtual) or manifest.source),
            tuple(programs) or manifest.programs,
            manifest.files,
        )
    for name, _ in chosen:
        if guest in GUESTS and name in PROGRAMS and name not in _programs_of(guest):
            known = ", ".join(_programs_of(guest))
            raise GuestError(f"{name} is a program for {PROGRAMS[name].system}; {guest} has {known}")
    parts = tuple((_program_name(name), _program(name, folder), arg) for name, arg in chosen)
    carried = tuple((name, _program(name, folder)) for name in _programs_of(guest)) if files else ()
    return link(_program_name(guest), kernel, parts, carried=carried, files=files)


def _programs_of(guest: str) -> list[str]:
    return [name for name, program in PROGRAMS.items() if program.system == GUESTS[guest].system]


def files_of(guest: str, programs: Iterable[tuple[str, int]], folder: Folder | None) -> dict[str, bytes]:
    """Every file of `folder` that `build` reads for a guest, by its name there; nothing of what is shipped.

    Raises:
        GuestError, AsmError: As `build`.
    """
    if folder is None:
        return {}
    found: dict[str, bytes] = {}
    for name in (guest, *(name for name, _ in programs)):
        if name in GUESTS or (name is not guest and not name.endswith(SOURCE_SUFFIX)):
            continue
        found[name] = _content(name, folder)
        if foreign.format_of(found[name]) is Format.SOURCE:
            found.update(_ASSEMBLIES.files(folder, name))
    return found


def _content(name: str, folder: Folder) -> bytes:
    try:
        return FolderResolver(folder).read(name, foreign.MOST_BYTES)
    except ResolveError as error:
        raise GuestError(str(error)) from error


def _program(name: str, folder: Folder | None) -> Assembly:
    if name.endswith(SOURCE_SUFFIX):
        return _own(name, folder)
    if name not in PROGRAMS:
        raise GuestError(_unknown("program", name, PROGRAMS))
    return _shipped(f"programs/{name}{SOURCE_SUFFIX}")


def _program_name(name: str) -> str:
    """A source file is called as its file, without the suffix."""
    return Path(name).stem if name.endswith(SOURCE_SUFFIX) else name


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    hint = did_you_mean(name, names) or f"there are {', '.join(names)}"
    return f"no {what} '{name}', {hint}"


def _shipped(source: str) -> Assembly:
    path = resources.assets() / "guests" / source
    return _ASSEMBLIES.assembly(path.parent, path.name)


def _own(name: str, folder: Folder | None) -> Assembly:
    if folder is None:
        raise GuestError(f"'{name}' is a file, and no folder was given to look in")
    return _ASSEMBLIES.assembly(folder, name)


class _Recording:
    """A resolver that remembers what was read through it."""

    def __init__(self, folder: Path) -> None:
        self._files = FolderResolver(folder)
        self.read_files: dict[str, bytes] = {}

    def read(self, name: str, limit: int = OUTPUT_BYTES) -> bytes:
        """Contents of a file of the folder."""
        content = self._files.read(name, limit)
        self.read_files[name] = content
        return content


class _Assemblies:
    """Assembled sources, each good for as long as no file it was made from changes."""

    def __init__(self) -> None:
        self._made: dict[tuple[Path, str], tuple[Assembly, dict[str, bytes]]] = {}

    def assembly(self, folder: Path, name: str) -> Assembly:
        """The assembled source `name` of a folder; what it includes lies in the same folder.

        Raises:
            GuestError: There is no such file, or it may not be read.
            AsmError: It has a mistake.
        """
        files = _Recording(folder)
        try:
            made = self._made.get((folder, name))
            if made is not None and all(files.read(part) == content for part, content in made[1].items()):
                return made[0]
            source = files.read(name).decode("utf-8-sig", errors="replace")
        except ResolveError as error:
            raise GuestError(str(error)) from error
        assembly = assemble(source, name, files)
        if len(self._made) >= CACHED_ASSEMBLIES:
            self._made.pop(next(iter(self._made)))
        self._made[folder, name] = assembly, files.read_files
        return assembly

    def files(self, folder: Path, name: str) -> dict[str, bytes]:
        """What an assembled source was made from, by name; raises as `assembly`."""
        self.assembly(folder, name)
        return self._made[folder, name][1]


_ASSEMBLIES: Final = _Assemblies()
