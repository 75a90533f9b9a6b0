"""Guests in formats nobody here invented: told apart by content, run, or refused with one clear line."""

import codecs
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from teachvm.app.headless import Stopped, Wishes, alone, run
from teachvm.guest import foreign, multiboot
from teachvm.guest.foreign import Format, format_of
from teachvm.guest.image import Boot, GuestError
from teachvm.guest.library import build
from teachvm.vmm.techniques import Technique
from tests.guest.kernels import IN_ELF, KLUDGE, PLAIN, elf, flat, kludge

MIB = 1 << 20
BUILT = tuple(each for each in Technique if each is not Technique.PARAVIRTUAL)
"""What can run a guest that was built for a machine."""


def test_formats_are_told_apart_by_content_not_by_name() -> None:
    assert format_of(elf()) is Format.ELF
    assert format_of(kludge()) is Format.MULTIBOOT
    assert format_of(flat()) is Format.FLAT
    assert format_of(KLUDGE.encode()) is Format.SOURCE
    assert format_of("; äöü\nnop\n".encode()) is Format.SOURCE
    assert format_of(b"\xef\xbb\xbforg 0x10000\r\nhlt\r\n") is Format.SOURCE


@pytest.mark.parametrize("technique", BUILT, ids=lambda each: each.value)
@pytest.mark.parametrize("make", [kludge, elf], ids=["address fields", "elf"])
def test_a_multiboot_kernel_finds_its_magic_speaks_and_ends_its_run(
    make: Callable[[], bytes], technique: Technique, tmp_path: Path
) -> None:
    (tmp_path / "kernel").write_bytes(make())
    report = run(alone("kernel", tmp_path, Wishes(technique)), tmp_path)
    assert list(report.console.values()) == ["hello from multiboot\n"]
    assert report.stopped is Stopped.ENDED_WELL
    assert "port 0xf4" in report.why


@pytest.mark.parametrize("technique", BUILT, ids=lambda each: each.value)
def test_a_flat_binary_runs_where_it_is_put_and_switches_itself_off(technique: Technique, tmp_path: Path) -> None:
    (tmp_path / "flat.bin").write_bytes(flat())
    report = run(alone("flat.bin", tmp_path, Wishes(technique, load_at=0x101000)), tmp_path)
    assert (list(report.console.values()), report.stopped) == (["p"], Stopped.ENDED_WELL)
    assert report.why.endswith("switched itself off")


def test_a_kernel_that_says_it_failed_has_failed(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(elf(IN_ELF.replace("0x1BADB002,", "0x1BADB003,")))
    report = run(alone("plain", tmp_path), tmp_path)
    assert report.stopped is Stopped.GUEST_FAILURE
    assert "0x3 at port 0xf4" in report.why


def test_names_of_an_elf_are_the_places_of_its_symbols(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(elf())
    image = build("k", folder=tmp_path)
    kernel = image.symbols.kernel
    assert image.boot is Boot.MULTIBOOT
    assert kernel.label_at(image.entry) == "start"
    assert image.symbols.address_of("text") > image.entry
    assert image.end - image.segments[0][0] > 0x3000


def test_an_elf_linked_high_starts_at_its_physical_entry_and_keeps_its_linear_names(tmp_path: Path) -> None:
    (tmp_path / "high").write_bytes(elf(linear=0xC010_0000))
    image = build("high", folder=tmp_path)
    assert image.entry == 0x10_000C
    assert image.symbols.address_of("start") == 0xC010_000C
    assert image.symbols.kernel.phys == 0x10_0000


def test_the_multiboot_information_tells_memory_and_where_it_is() -> None:
    info = multiboot.boot_info(0x600, "k", 16 * MIB)
    word = [int.from_bytes(info[at : at + 4], "little") for at in range(0, 116, 4)]
    assert (word[1], word[2]) == (640, 15 * 1024)
    assert info[word[4] - 0x600 :].startswith(b"k\0")
    assert word[11] == 48
    assert int.from_bytes(info[word[12] - 0x600 + 24 :][12:20], "little") == 15 * MIB


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (elf()[:40], "cut off"),
        (elf(machine=62), "another processor"),
        (elf(kind=1), "no ELF executable"),
        (b"\x7fELF\x02\x01" + elf()[6:], "64-bit"),
        (elf(IN_ELF.replace("0x100000", "0x9f000"), bss=0x2000), "video memory"),
        (elf(IN_ELF.replace("0x100000", "0x1000")), "belongs to the loader"),
        (elf(bss=0x1100_0000), "256 MiB"),
        (flat(KLUDGE.replace("0x00010003", "0x00010007")), "video mode"),
        (flat(KLUDGE.replace("0x00010003", "0x00010013")), "nobody knows"),
        (bytes(510) + b"\x55\xaa", "boot sector"),
        ("org 0x10000\nhlt\n".encode("utf-16"), "UTF-16: save it as UTF-8"),
        (b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + bytes(200), "for Windows"),
        (b"\xce\xfa\xed\xfe" + bytes(24), "for macOS"),
        (flat(KLUDGE.replace("image_end + 0x2000, start", "image_end, 0x50")), "outside what is loaded"),
        (flat(KLUDGE.replace("image_end, image_end", "2, image_end")), "ends at 0x2, before it begins"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(GuestError, match=said) as refused:
        foreign.image("guest", content)
    assert "\n" not in str(refused.value)


def test_a_byte_order_mark_of_an_editor_is_no_part_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_bytes(codecs.BOM_UTF8 + b"ten equ 10\r\n")
    (tmp_path / "marked.asm").write_bytes(
        codecs.BOM_UTF8 + b'org 0x10000\r\n%include "part.inc"\r\nmov al, ten\r\nhlt\r\n'
    )
    assert build("marked.asm", folder=tmp_path).segments == ((0x1_0000, b"\xb0\x0a\xf4"),)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(foreign.MOST_BYTES + 1)
    with pytest.raises(GuestError, match="larger than"):
        build("huge", folder=tmp_path)


def test_a_load_address_is_for_a_flat_binary_only() -> None:
    with pytest.raises(GuestError, match="says itself"):
        foreign.image("k", elf(), 0x20_0000)


def test_thousands_of_damaged_headers_end_in_an_image_or_in_one_line() -> None:
    dice = random.Random(7)
    refused: list[str] = []
    for base in (elf(), kludge(), flat(PLAIN)):
        for _ in range(1_500):
            hurt = bytearray(base)
            for _ in range(dice.randint(1, 6)):
                near = dice.random() < 0.7
                at = dice.randrange(min(96, len(hurt)) if near else len(hurt))
                hurt[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            content = bytes(hurt[: dice.randint(0, len(hurt))] if dice.random() < 0.2 else hurt)
            try:
                found = foreign.image("guest", content)
            except GuestError as error:
                refused.append(str(error))
                continue
            assert found.end <= foreign.MOST_MEMORY_BYTES
            assert all(address >= 0x7000 for address, _ in found.segments)
    assert len(refused) > 500
    assert not [text for text in refused if "\n" in text]


@pytest.mark.skipif(shutil.which("ld") is None or shutil.which("as") is None, reason="GNU binutils are not installed")
def test_an_elf_the_gnu_linker_made_runs_with_its_names(tmp_path: Path) -> None:
    (tmp_path / "k.s").write_text(
        ".globl _start\n.text\n_start: movb $103, %al\n outb %al, $0xe9\n movb $0, value\nend: outb %al, $0xf4\n"
        ".bss\nvalue: .space 4\n"
    )
    subprocess.run(["as", "--32", "-o", "k.o", "k.s"], cwd=tmp_path, check=True, capture_output=True)
    linked = ["ld", "-m", "elf_i386", "-Ttext", "0x100000", "-o", "k.elf", "k.o"]
    subprocess.run(linked, cwd=tmp_path, check=True, capture_output=True)
    image = build("k.elf", folder=tmp_path)
    assert image.symbols.kernel.label_at(image.entry) == "_start"
    report = run(alone("k.elf", tmp_path, Wishes(Technique.BARE_METAL)), tmp_path)
    assert list(report.console.values()) == ["g"]
