"""What tinyos does for, and to, its programs: system calls, memory on demand, and the end of those that misbehave."""

from pathlib import Path

import pytest

from tests.guest.bare import MIB, BareMetal

PRELUDE = """
        bits 32
        org 0x08048000
start:
"""
REPORT = """
; the low byte of EAX becomes the exit status
        movzx   ebx, al
        mov     eax, 1
        int     0x80
"""
LAST_LINES = 1
"""Behind the line a program ends with stands only the number of ticks."""


def ran(source: str, folder: Path, arg: int = 0, memory_bytes: int = 2 * MIB) -> list[str]:
    """Lines of the console between the banner and the ticks, for one program."""
    (folder / "mine.asm").write_text(PRELUDE + source)
    bare = BareMetal(programs=[("mine.asm", arg)], folder=folder, memory_bytes=memory_bytes)
    lines = bare.run(400_000).splitlines()
    assert lines[0].startswith("tinyos")
    assert lines[-1] == "ticks: 3"
    return lines[1:-LAST_LINES]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("xor edx, edx\n xor ecx, ecx\n div ecx", "divide error, error 0, eip 08048004"),
        ("int3", "breakpoint, error 0, eip 08048001"),
        ("pushfd\n or dword [esp], 0x100\n popfd\n nop", "debug exception, error 0, eip 0804800a"),
        ("mov al, 127\n add al, 1\n into", "overflow, error 0, eip 08048005"),
        ("ud2", "invalid opcode, error 0, eip 08048000"),
        ("cli", "general protection, error 0, eip 08048000"),
        ("hlt", "general protection, error 0, eip 08048000"),
        ("mov eax, cr3", "general protection, error 0, eip 08048000"),
        ("in al, 0x60", "general protection, error 0, eip 08048000"),
        ("mov al, 0\n out 0x80, al", "general protection, error 0, eip 08048002"),
        ("int 0x20", "general protection, error 258, eip 08048000"),
        ("int 0x90", "general protection, error 1154, eip 08048000"),
        ("mov eax, 0x10\n mov ds, eax", "general protection, error 16, eip 08048005"),
        ("mov eax, [0]", "page fault, error 4, eip 08048000, address 00000000"),
        ("mov [0x00010000], eax", "page fault, error 7, eip 08048000, address 00010000"),
        ("jmp 0x00010000", "page fault, error 5, eip 00010000, address 00010000"),
        ("mov eax, [0xbfff0000 - 4]", "page fault, error 4, eip 08048000, address bffefffc"),
        ("mov eax, [0xc0000000]", "page fault, error 4, eip 08048000, address c0000000"),
        ("mov esp, 0x1000\n push eax", "page fault, error 6, eip 08048005, address 00000ffc"),
    ],
)
def test_program_that_misbehaves_is_ended_with_its_reason(source: str, line: str, tmp_path: Path) -> None:
    assert ran(source, tmp_path) == [f"pid 1 (mine) killed: {line}"]


def test_program_cannot_turn_interrupts_off(tmp_path: Path) -> None:
    source = "pushfd\n and dword [esp], ~0x200\n popfd\n pushfd\n pop eax\n shr eax, 9\n and eax, 1\n"
    assert ran(source + REPORT, tmp_path) == ["pid 1 (mine) exited: 1"]


def test_stack_grows_as_it_is_used_down_to_its_limit(tmp_path: Path) -> None:
    source = "mov ecx, 16 * 1024\n.next: push ecx\n dec ecx\n jnz .next\n mov eax, 5\n"
    assert ran(source + REPORT, tmp_path) == ["pid 1 (mine) exited: 5"]
    over = source.replace("16 * 1024", "16 * 1024 + 1")
    assert ran(over + REPORT, tmp_path) == [
        "pid 1 (mine) killed: page fault, error 6, eip 08048005, address bffefffc",
    ]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("mov eax, 20\n int 0x80", 1),  # getpid
        ("mov eax, 158\n int 0x80", 0),  # sched_yield
        ("mov eax, 2\n int 0x80\n neg eax", 38),  # fork: ENOSYS
        ("mov eax, 999\n int 0x80\n neg eax", 38),
        ("mov eax, 4\n mov ebx, 3\n int 0x80\n neg eax", 9),  # write to no descriptor: EBADF
        ("mov eax, 3\n mov ebx, 1\n int 0x80\n neg eax", 9),
        ("mov eax, 4\n mov ebx, 1\n mov ecx, 0x10000\n mov edx, 1\n int 0x80\n neg eax", 14),  # kernel memory: EFAULT
        ("mov eax, 4\n mov ebx, 1\n mov ecx, -4\n mov edx, 8\n int 0x80\n neg eax", 14),
        ("mov eax, 4\n mov ebx, 1\n mov ecx, start\n mov edx, 0x100000\n int 0x80\n neg eax", 14),
        ("mov eax, 4\n mov ebx, 1\n mov ecx, start\n mov edx, 0\n int 0x80", 0),
        ("mov eax, 122\n mov ebx, 0\n int 0x80\n neg eax", 14),
        ("mov eax, 122\n lea ebx, [esp - 4096]\n int 0x80\n mov al, [esp - 4096 + 65 * 4]", ord("i")),
    ],
)
def test_system_call_answers_as_linux_does(call: str, status: int, tmp_path: Path) -> None:
    assert ran(call + REPORT, tmp_path) == [f"pid 1 (mine) exited: {status}"]


def test_argument_arrives_in_eax(tmp_path: Path) -> None:
    assert ran(REPORT, tmp_path, arg=77) == ["pid 1 (mine) exited: 77"]


def test_heap_comes_by_page_and_is_zero_and_goes_when_it_shrinks(tmp_path: Path) -> None:
    source = """
        mov     eax, 45
        xor     ebx, ebx
        int     0x80
        mov     edi, eax                ; begin
        lea     ebx, [edi + 0x3000]
        mov     eax, 45
        int     0x80
        mov     edx, [edi + 0x2ffc]     ; zero
        mov     dword [edi], 1
        mov     dword [edi + 0x1000], 2
        lea     ebx, [edi + 0x1000]     ; keep one page
        mov     eax, 45
        int     0x80
        add     edx, [edi]
        lea     ebx, [edi + 0x2000]     ; and take one again
        mov     eax, 45
        int     0x80
        add     edx, [edi + 0x1000]     ; a fresh one: zero
        mov     eax, 45
        mov     ebx, 0x09000000         ; too far: nothing moves
        int     0x80
        sub     eax, edi
        sub     eax, 0x2000
        add     eax, edx
"""
    assert ran(source + REPORT, tmp_path) == ["pid 1 (mine) exited: 1"]
    gone = source.replace("add     edx, [edi]\n", "add     edx, [edi + 0x1000]\n")
    assert ran(gone + REPORT, tmp_path)[0].startswith("pid 1 (mine) killed: page fault, error 4")


def test_program_that_wants_more_memory_than_there_is_is_ended(tmp_path: Path) -> None:
    source = """
        mov     eax, 45
        mov     ebx, 0x08300000
        int     0x80
        mov     edi, 0x0804a000
.next:  mov     [edi], eax
        add     edi, 0x1000
        jmp     .next
"""
    lines = ran(source, tmp_path, memory_bytes=MIB)
    assert len(lines) == 1
    assert lines[0].startswith("pid 1 (mine) killed: page fault, error 6")


ECHO = """
.again: mov     eax, 3
        xor     ebx, ebx
        lea     ecx, [esp - 64]
        mov     edx, 8
        int     0x80
        mov     edx, eax
        mov     eax, 4
        mov     ebx, 1
        lea     ecx, [esp - 64]
        int     0x80
        cmp     byte [esp - 64], '.'
        jne     .again
        mov     eax, 7
"""


def test_read_waits_for_input_while_the_machine_idles(tmp_path: Path) -> None:
    (tmp_path / "echo.asm").write_text(PRELUDE + ECHO + REPORT)
    bare = BareMetal(programs=[("echo.asm", 0)], folder=tmp_path)
    for _ in range(20_000):
        bare.turn()
    assert bare.cpu.halted or bare.hops > 10, "nobody is runnable: the kernel halts between ticks"
    assert "exited" not in bare.console
    bare.board.console.receive(b"hello, world\n")
    for _ in range(5_000):
        bare.turn()
    assert bare.console.endswith("hello, world\n")
    bare.board.console.receive(b".")
    assert bare.run().endswith(".pid 1 (echo) exited: 7\nticks: 3\n")


def test_others_run_while_one_waits_for_input(tmp_path: Path) -> None:
    (tmp_path / "echo.asm").write_text(PRELUDE + ECHO + REPORT)
    bare = BareMetal(programs=[("echo.asm", 0), ("hello", 0)], folder=tmp_path)
    for _ in range(20_000):
        bare.turn()
    assert "hello from tinyos, process 2\npid 2 (hello) exited: 0\n" in bare.console
    bare.board.console.receive(b".")
    assert "pid 1 (echo) exited: 7" in bare.run()


def test_input_that_nobody_reads_is_kept_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "echo.asm").write_text(PRELUDE + "mov ecx, 3000\n.wait: dec ecx\n jnz .wait\n" + ECHO + REPORT)
    bare = BareMetal(programs=[("echo.asm", 0)], folder=tmp_path)
    while bare.cpu.cpl != 3:
        bare.turn()
    bare.board.console.receive(b"x" * 300)
    for _ in range(60_000):
        bare.turn()
    assert bare.console.count("x") == 256
    bare.board.console.receive(b".")
    assert bare.run().endswith("pid 1 (echo) exited: 7\nticks: 3\n")


@pytest.mark.parametrize(
    ("program", "arg", "lines"),
    [
        ("hello", 0, ["hello from tinyos, process 1", "pid 1 (hello) exited: 0"]),
        ("sieve", 0, ["primes below 1000: 168", "pid 1 (sieve) exited: 0"]),
        ("sieve", 100, ["primes below 100: 25", "pid 1 (sieve) exited: 0"]),
        ("spinner", 3000, ["spinner: done", "pid 1 (spinner) exited: 0"]),
        ("ticker", 0x0258, ["ticker X (pid 1): 1", "ticker X (pid 1): 2", "pid 1 (ticker) exited: 0"]),
        ("pages", 0, ["pages: touched all", "pid 1 (pages) exited: 0"]),
    ],
)
def test_shipped_program_does_what_it_says(program: str, arg: int, lines: list[str]) -> None:
    assert BareMetal(programs=[(program, arg)]).run().splitlines()[1:-1] == lines
