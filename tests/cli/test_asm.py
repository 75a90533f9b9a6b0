from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

GOOD = "org 0x7c00\nstart:\n    mov eax, 1\n.again:\n    jmp .again\n"
TYPO = "start:\n    mvo eax, 1\n    addd eax, ebx\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_file_is_measured(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(GOOD, encoding="utf-8")
    done = teachvm("asm", "guest.asm")
    assert (done.code, done.out, done.err) == (0, "guest.asm: 7 bytes at 0x00007c00, 2 labels\n", "")


def test_the_listing_shows_address_and_bytes_beside_the_line(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(GOOD, encoding="utf-8")
    done = teachvm("asm", "guest.asm", "--listing")
    (row,) = [line for line in done.out.splitlines() if "mov eax, 1" in line]
    assert "00007c00" in row
    assert "b8 01 00 00 00" in row


def test_the_bytes_are_written_where_one_says(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(GOOD, encoding="utf-8")
    assert teachvm("asm", "guest.asm", "-o", "guest.bin").code == 0
    assert (folder / "guest.bin").read_bytes() == bytes.fromhex("b801000000ebfe")


def test_every_mistake_is_one_line_with_its_place(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(TYPO, encoding="utf-8")
    done = teachvm("asm", "guest.asm", "-o", "guest.bin")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "guest.asm:2:5: unknown instruction 'mvo', did you mean 'mov'?",
        "guest.asm:3:5: unknown instruction 'addd', did you mean 'add'?",
    ]
    assert not (folder / "guest.bin").exists()


@pytest.mark.parametrize("name", ["missing.asm", ".", "binary.asm"])
def test_what_is_no_source_is_refused_in_one_line(teachvm: Command, folder: Path, name: str) -> None:
    (folder / "binary.asm").write_bytes(b"\xff\xfe\x00")
    done = teachvm("asm", name)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"teachvm: {name}: ")


def test_a_folder_is_not_said_to_be_missing(teachvm: Command, folder: Path) -> None:
    done = teachvm("asm", ".")
    assert done.err == "teachvm: .: it is no plain file that could be read as a source\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_named_with_the_file(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(GOOD, encoding="utf-8")
    done = teachvm("asm", "guest.asm", "-o", "/dev/full")
    assert (done.code, done.err) == (4, "teachvm: /dev/full: No space left on device\n")


def test_a_place_that_cannot_be_written_is_the_tools_error(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text(GOOD, encoding="utf-8")
    done = teachvm("asm", "guest.asm", "-o", "no/such/guest.bin")
    assert (done.code, done.err) == (4, "teachvm: no/such/guest.bin: No such file or directory\n")


def test_nothing_outside_the_folder_is_read(teachvm: Command, folder: Path) -> None:
    (folder / "guest.asm").write_text('%include "../../etc/passwd"\n', encoding="utf-8")
    done = teachvm("asm", "guest.asm")
    assert done.code == 2
    assert done.err.startswith("guest.asm:1:")
    assert "root:" not in done.err


def test_a_file_that_is_too_large_is_said_to_be(teachvm: Command, folder: Path) -> None:
    with (folder / "large.asm").open("wb") as file:
        file.truncate(17 << 20)
    done = teachvm("asm", "large.asm")
    assert (done.code, done.out) == (2, "")
    assert done.err == "teachvm: large.asm: 'large.asm' is larger than 16777216 bytes\n"
