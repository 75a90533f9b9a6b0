"""The same image on somebody else's PC: QEMU's devices, CPU and BIOS know nothing of ours."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from teachvm.guest.library import build
from teachvm.guest.loader import BOOT_GDT, BOOT_INFO, boot_gdt, boot_info
from teachvm.isa.assembler import assemble
from teachvm.isa.assembler.resolver import FolderResolver
from tests.guest.bare import MIB, BareMetal

QEMU = shutil.which("qemu-system-i386")
SHIM = Path(__file__).with_name("multiboot.asm")
PROGRAM_SETS = {
    "tickers": (("ticker", 0), ("ticker", 0)),
    "everything": (
        ("hello", 0), ("sieve", 500), ("pages", 0), ("pages", 1), ("pages", 2), ("pages", 3), ("spinner", 5000),
    ),
    "memory": (("toucher", 0), ("writer", 0x30010), ("copier", 0), ("hello", 0)),
    "children": (("forker", 4), ("ticker", 0x241), ("forker", 1)),
}  # fmt: skip


def run_in_qemu(guest: str, programs: tuple[tuple[str, int], ...], folder: Path) -> str:
    image = build(guest, programs)
    base = image.segments[0][0]
    content = bytearray(image.end - base)
    for address, part in image.segments:
        content[address - base : address - base + len(part)] = part
    folder.joinpath("guest.bin").write_bytes(content)
    folder.joinpath("boot_gdt.bin").write_bytes(boot_gdt())
    folder.joinpath("boot_info.bin").write_bytes(boot_info(image, 2 * MIB))
    folder.joinpath("layout.inc").write_text(
        f"GUEST_PHYS equ {base}\nGUEST_ENTRY equ {image.entry}\nBOOT_GDT equ {BOOT_GDT}\nBOOT_INFO equ {BOOT_INFO}\n"
    )
    kernel = folder / "kernel.bin"
    kernel.write_bytes(assemble(SHIM.read_text(), SHIM.name, FolderResolver(folder)).data)
    assert QEMU is not None
    # -icount makes an instruction last 128 ns of the virtual clock: near our 100 ns, and the same on any computer.
    command = [
        QEMU, "-kernel", str(kernel), "-m", "16", "-cpu", "pentium", "-display", "none", "-monitor", "none",
        "-serial", "stdio", "-no-reboot", "-net", "none", "-icount", "shift=7,sleep=off",
    ]  # fmt: skip
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as qemu:
        assert qemu.stdout is not None
        try:
            for line in qemu.stdout:
                lines.append(line.decode("ascii"))
                if line.startswith((b"ticks:", b"panic:", b"halted")):
                    break
        finally:
            # A machine that halts with interrupts off does not end QEMU.
            qemu.kill()
    return "".join(lines)


def split(text: str) -> tuple[list[str], int]:
    """Lines in an order of their own, since preemption decides theirs; and the number of ticks, which time decides."""
    *lines, last = text.splitlines()
    assert last.startswith("ticks: ")
    # Which number a child gets, preemption decides too.
    return sorted(re.sub(r"process \d+", "process N", line) for line in lines), int(last.removeprefix("ticks: "))


@pytest.mark.skipif(QEMU is None, reason="qemu-system-i386 is not installed")
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("guest", "name"),
    [
        ("tinyos", "tickers"),
        ("tinyos", "everything"),
        ("tinyos2", "everything"),
        ("tinyos2", "memory"),
        ("tinyos2", "children"),
    ],
)
def test_console_text_under_qemu_is_that_of_our_machine(guest: str, name: str, tmp_path: Path) -> None:
    theirs, their_ticks = split(run_in_qemu(guest, PROGRAM_SETS[name], tmp_path))
    ours, our_ticks = split(BareMetal(guest, PROGRAM_SETS[name]).run())
    assert theirs == ours
    assert our_ticks == 3
    assert their_ticks >= 1


@pytest.mark.skipif(QEMU is None, reason="qemu-system-i386 is not installed")
@pytest.mark.timeout(60)
def test_coop_under_qemu_says_what_it_says_on_our_machine(tmp_path: Path) -> None:
    assert run_in_qemu("coop", (("tour", 0),), tmp_path) == BareMetal("coop").run()
