"""tinyos 2 on the bare machine: processes that make others, ELF files, and memory copied when it is written."""

import struct
from pathlib import Path

import pytest

from teachvm.guest.library import PROGRAMS, build
from teachvm.guest.processes import ProcessState, processes
from tests.guest.bare import MIB, BareMetal
from tests.guest.test_tinyos_programs import PRELUDE, REPORT

FORK = "mov eax, 2\n int 0x80\n test eax, eax\n"
WAIT = "mov eax, 114\n mov ebx, -1\n mov ecx, status\n xor edx, edx\n xor esi, esi\n int 0x80\n"
DATA = "\n align 4096, db 0\nstatus: dd 0\nvalue: dd 0\n"


def ran(source: str, folder: Path, memory_bytes: int = 2 * MIB) -> list[str]:
    """Lines of the console between the banner and the ticks, for one program that keeps its data in `DATA`."""
    (folder / "mine.asm").write_text(PRELUDE + source + REPORT + DATA)
    bare = BareMetal("tinyos2", [("mine.asm", 0)], folder=folder, memory_bytes=memory_bytes)
    first, *lines, last = bare.run(800_000).splitlines()
    assert first.startswith("tinyos 2: ")
    assert last == "ticks: 3"
    assert everything_given_back(bare)
    return lines


def everything_given_back(bare: BareMetal) -> bool:
    """Whether of all frames the kernel ever took only those of its own tables are still in use."""
    symbols, memory = bare.image.symbols.kernel.assembly.symbols, bare.machine.memory
    first, fresh, free = (memory.read32(symbols[name]) for name in ("first_frame", "next_frame", "free_frames"))
    returned = set()
    while free:
        assert free not in returned, "the list of free frames has no loop"
        returned.add(free)
        free = memory.read32(free)
    directory = memory.read32(symbols["kernel_directory"])
    used = set(range(first, fresh, 4096)) - set(range(0xA_0000, 0x10_0000, 4096)) - returned
    return used == {directory, directory + 4096}


def test_it_says_which_version_it_is() -> None:
    for guest, version in (("tinyos", "1"), ("tinyos2", "2")):
        kernel = build(guest).symbols.kernel.assembly
        at = kernel.symbols["uname_fields"] - kernel.origin
        assert kernel.data[at:].split(b"\0")[:4] == [
            b"tinyos",
            b"tinyos",
            f"{version}.0".encode(),
            b"#" + version.encode(),
        ]


def test_fork_is_not_known_to_version_1() -> None:
    text = BareMetal("tinyos", [("forker", 0), ("shell", 0)])
    text.typed(b"hello\nexit\n")
    lines = text.run().splitlines()
    assert "forker: this system has no fork" in lines
    assert "shell: this system has no fork" in "".join(lines)


def test_forker_sees_its_own_memory_whatever_its_children_write() -> None:
    bare = BareMetal("tinyos2", [("forker", 3)])
    assert bare.run().splitlines()[1:-1] == [
        "child: the value is 101",
        "parent: a child ended with 101, the value is still 1",
        "child: the value is 102",
        "parent: a child ended with 102, the value is still 2",
        "hello from tinyos, process 4",
        "parent: a child ended with 0, the value is still 3",
        "pid 1 (forker) exited: 0",
    ]
    assert everything_given_back(bare)


@pytest.mark.parametrize(
    ("program", "arg", "line"),
    [
        ("toucher", 0x2000C, "toucher: pages 12, sum 0"),
        ("writer", 0x20003, "writer: pages 3, sum 15"),
        ("copier", 2, "copier: pages 2, copied 4"),
    ],
)
@pytest.mark.parametrize("guest", ["tinyos", "tinyos2"])
def test_program_that_uses_memory_does_what_it_says(guest: str, program: str, arg: int, line: str) -> None:
    assert BareMetal(guest, [(program, arg)]).run().splitlines()[1:-1] == [line, f"pid 1 ({program}) exited: 0"]


def test_shell_runs_programs_by_name_from_the_image() -> None:
    bare = BareMetal("tinyos2", [("shell", 0)])
    bare.typed(b"hello\nnothing\n/bin/sieve\n\nshell\nexit\nexit\n")
    assert bare.run(800_000).splitlines()[1:-1] == [
        "$ hello from tinyos, process 2",
        "$ nothing: there is no such program",
        "shell: it ended with 127",
        "$ primes below 1000: 168",
        "$ $ $ $ pid 1 (shell) exited: 0",
    ]
    assert everything_given_back(bare)


def test_pages_are_shared_until_one_of_the_two_writes(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text(
        PRELUDE + "inc dword [value]\n" + FORK + f"jz child\n {WAIT} mov eax, [value]\n"
        "jmp done\nchild: inc dword [value]\n written: mov eax, [value]\ndone:\n" + REPORT + DATA
    )
    bare = BareMetal("tinyos2", [("mine.asm", 0)], folder=tmp_path)
    space = bare.image.symbols.space("mine")
    child, written = (space.assembly.symbols[name] for name in ("child", "written"))
    bare_at(bare, child)
    mother, offspring = processes(bare.image.symbols, bare.machine.memory.read_bytes)
    assert offspring.state is ProcessState.RUNNABLE
    assert entry(bare, mother.directory, 0x08049) == entry(bare, offspring.directory, 0x08049)
    assert entry(bare, mother.directory, 0x08049) & 0x202 == 0x200, "read-only, to be copied"
    bare_at(bare, written)
    mine, other = (entry(bare, each.directory, 0x08049) for each in (offspring, mother))
    assert mine & 0x202 == 2
    assert other & 0x202 == 0x200
    assert mine >> 12 != other >> 12
    assert entry(bare, mother.directory, 0x08048) == entry(bare, offspring.directory, 0x08048), "code is never copied"
    assert "pid 1 (mine) exited: 1" in bare.run()


def bare_at(bare: BareMetal, eip: int) -> None:
    while not (bare.cpu.cpl == 3 and bare.cpu.eip == eip):
        assert bare.turn()


def entry(bare: BareMetal, directory: int, page: int) -> int:
    """The entry of a page, without A and D."""
    table = bare.machine.memory.read32(directory + (page >> 10) * 4) & ~0xFFF
    return bare.machine.memory.read32(table + (page & 1023) * 4) & ~0x60


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (f"{FORK} jz .child\n {WAIT} mov eax, [status]\n shr eax, 8\n jmp .end\n.child: mov eax, 9\n.end:\n", 9),
        (f"{FORK} jz .child\n {WAIT} mov eax, [status]\n and eax, 127\n jmp .end\n.child: hlt\n.end:\n", 11),
        (f"{WAIT} neg eax\n", 10),  # ECHILD
        ("mov eax, 7\n mov ebx, 5\n xor ecx, ecx\n xor edx, edx\n int 0x80\n neg eax\n", 10),
        ((f"{FORK} jz .child\n mov eax, 114\n mov ebx, -1\n xor ecx, ecx\n mov edx, 1\n int 0x80\n"
         " jmp .end\n.child: mov eax, 158\n int 0x80\n.end:\n"), 0),  # WNOHANG
        ((f"{FORK} jz .child\n mov eax, 114\n mov ebx, -1\n mov ecx, start\n xor edx, edx\n int 0x80\n"
         " neg eax\n.child:\n"), 14),  # a status that cannot be written
        (f"{FORK} jz .child\n {WAIT} movzx eax, byte [status + 1]\n jmp .end\n.child: mov eax, 64\n int 0x80\n.end:\n",
         1),  # getppid
        ("mov eax, 11\n mov ebx, .name\n int 0x80\n neg eax\n jmp .end\n.name: db 'nobody', 0\n.end:\n", 2),  # ENOENT
        ("mov eax, 11\n mov ebx, 0x10000\n int 0x80\n neg eax\n", 14),
        ((f"mov edi, 20\n.more: {FORK} js .full\n jz .child\n dec edi\n jnz .more\n.child: jmp .child2\n"
         ".full: neg eax\n jmp .end\n.child2: mov ecx, 4000\n.spin: dec ecx\n jnz .spin\n mov eax, 0\n.end:\n"), 11),
    ],
)  # fmt: skip
def test_process_call_answers_as_linux_does(source: str, status: int, tmp_path: Path) -> None:
    assert f"pid 1 (mine) exited: {status}" in ran(source, tmp_path)


def test_children_of_a_process_that_ended_are_nobodys(tmp_path: Path) -> None:
    source = f"{FORK} jnz .end\n mov ecx, 5000\n.spin: dec ecx\n jnz .spin\n mov eax, 64\n int 0x80\n.end:\n"
    assert ran(source, tmp_path)[-1] == "pid 2 (mine) exited: 0", "its parent is 0, and the kernel reports its end"


def test_kernel_writes_into_a_copy_too(tmp_path: Path) -> None:
    source = (
        f"{FORK} jz .child\n {WAIT} mov eax, [status + 8]\n jmp .end\n"
        ".child: mov eax, 122\n mov ebx, status + 8\n int 0x80\n.end:\n"
    )
    assert ran(source + "\n", tmp_path)[-1] == "pid 1 (mine) exited: 0"


def test_fork_without_memory_says_so_and_changes_nothing(tmp_path: Path) -> None:
    source = f"""
        mov     eax, 45
        mov     ebx, 0x080de000         ; nearly all there is
        int     0x80
        mov     edi, 0x0804b000
.touch: mov     [edi], eax
        add     edi, 0x1000
        cmp     edi, 0x080de000
        jb      .touch
        mov     edi, 40
.more:  {FORK}
        js      .none
        jz      .child
        dec     edi
        jnz     .more
.none:  neg     eax
        jmp     .end
.child: mov     ecx, 20000
.spin:  dec     ecx
        jnz     .spin
        mov     dword [0x0804b000], 1
        mov     eax, 0
.end:
"""
    assert "pid 1 (mine) exited: 12" in ran(source, tmp_path, memory_bytes=MIB + MIB // 4)


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        (0, b"\x7fELG"), (4, b"\x02"), (16, b"\x01"), (18, b"\x3e"), (28, b"\xff\xff\xff\x7f"), (44, b"\xff\x00"),
        (52 + 4, b"\xff\xff\x00\x00"), (52 + 8, b"\x00\x00\x00\xc0"), (52 + 8, b"\x00\x00\x01\x00"),
        (52 + 16, b"\xff\xff\xff\xff"), (52 + 20, b"\xff\xff\xff\xff"),
    ],
)  # fmt: skip
def test_damaged_program_is_refused_by_execve(offset: int, content: bytes) -> None:
    bare = BareMetal("tinyos2", [("shell", 0)])
    hello = next(program for program in bare.image.programs if program.name == "hello")
    bare.machine.memory.write_bytes(hello.phys + offset, content)
    bare.typed(b"hello\nexit\n")
    text = bare.run()
    assert "hello: there is no such program" in text
    assert everything_given_back(bare)


def test_segment_that_lies_askew_is_copied_and_what_the_file_lacks_is_zero() -> None:
    bare = BareMetal("tinyos2", [("shell", 0)])
    memory = bare.machine.memory
    hello = next(program for program in bare.image.programs if program.name == "hello")
    size = len(bare.image.symbols.space("hello").assembly.data)
    # The file moves up by one byte inside the image, and the data segment gets 5000 bytes it has no contents for.
    content = memory.read_bytes(hello.phys + 0x1000, size)
    memory.write_bytes(hello.phys + 0x1001, content)
    for header, first in ((hello.phys + 52, 0x1001), (hello.phys + 84, 0x2001)):
        memory.write32(header + 4, first)
    in_file = memory.read32(hello.phys + 84 + 16)
    memory.write32(hello.phys + 84 + 20, in_file + 5000)
    row = bare.image.programs.index(hello)
    memory.write_bytes(0x600 + 8 + 32 * row + 20, struct.pack("<I", hello.size + 1))
    bare.typed(b"hello\nexit\n")
    assert "hello from tinyos, process 2" in bare.run()
    assert everything_given_back(bare)


def test_image_carries_every_program_once_and_starts_only_what_was_asked_for() -> None:
    image = build("tinyos2", [("ticker", 0), ("ticker", 1)])
    assert [program.name for program in image.programs if program.entry] == ["ticker", "ticker"]
    assert sorted({program.name for program in image.programs}) == sorted(
        name for name, program in PROGRAMS.items() if program.system == "tinyos"
    )
    assert len(build("tinyos2", [("hello", 0)] * 16).programs) == 16
