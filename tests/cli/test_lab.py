import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.guest.kernels import elf

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("cut.elf", elf()[:40], 2, "its header is cut off"),
        ("arm.elf", elf(machine=40), 2, "another processor"),
        ("empty", b"", 2, "there is nothing to run"),
        ("boot.img", bytes(510) + b"\x55\xaa", 2, "real mode"),
        ("bad.asm", b"mov eax,\n", 2, "bad.asm:1"),
    ],
)
def test_what_is_no_guest_is_said_before_any_window_opens(
    teachvm: Command, tmp_path: Path, name: str, content: bytes, code: int, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for command in ("lab", "run"):
        done = teachvm(command, str(tmp_path / name))
        assert (done.code, done.out) == (code, "")
        assert said in done.err
        assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="names and links as only Unix has them")
def test_what_could_not_be_read_to_an_end_is_said_to_be_no_file(
    teachvm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for name, target in (("loop", "loop"), ("endless", "/dev/zero"), ("gone", "nowhere")):
        Path(name).symlink_to(target)
    Path("two\nlines.asm").write_text("hlt\n", encoding="utf-8")
    for command in ("lab", "run"):
        for name in ("pipe", "loop", "endless", "gone"):
            done = teachvm(command, name)
            assert (done.code, done.err) == (4, f"teachvm: {name} is no plain file that could be read as a guest\n")
        assert teachvm(command, "two\nlines.asm").err.startswith(r"teachvm: 'two\nlines.asm': a guest's file needs")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tinios",), "did you mean 'tinyos'"),
        (("missing.elf",), "there is no such file"),
        (("tinyos", "--technique", "magic"), "there is no technique 'magic'"),
        (("tinyos", "--load", "far"), "no address in memory"),
        (("tinyos", "--memory", "1000"), "--memory"),
        (("tinyos", "--memory", "256", "--vms", "4"), "memory"),
    ],
)
def test_a_wrong_word_is_one_line(teachvm: Command, words: tuple[str, ...], said: str) -> None:
    done = teachvm("lab", *words)
    assert done.code in (2, 4)
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_laboratory_becomes_a_picture(teachvm: Command, tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(elf())
    png = tmp_path / "lab.png"
    done = teachvm("render", str(tmp_path / "kernel"), "--technique", "bare-metal", "--memory", "32", "-o", str(png))
    assert (done.code, done.out, done.err) == (0, "", "")
    assert png.stat().st_size > 10_000
