"""The same program files on somebody else's kernel: Linux knows nothing of tinyos, and answers the same calls."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from teachvm.guest.library import PROGRAMS, build
from tests.guest.bare import BareMetal

TINYOS = tuple(name for name, program in PROGRAMS.items() if program.system == "tinyos")
ENDLESS = ("spinner",)
"""With 0, which is what Linux starts a program with in EAX, this one never ends."""
TYPED = b"hello\nnothing\nwriter\nexit\n"


@pytest.fixture(scope="module", name="files")
def program_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    image = build("tinyos2", [(name, 0) for name in TINYOS])
    for program, (_, content) in zip(image.programs, image.segments[1:], strict=True):
        (folder / program.name).write_bytes(content)
        (folder / program.name).chmod(0o755)
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "i686"):
        pytest.skip("programs for Linux on x86 run nowhere else")
    try:
        subprocess.run([folder / "hello"], check=False, capture_output=True, timeout=10)
    except OSError as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error}")
    return folder


def without_numbers(lines: list[str]) -> list[str]:
    return [re.sub(r"process \d+", "process N", line).replace("Linux", "tinyos") for line in lines]


@pytest.mark.parametrize("program", sorted(set(TINYOS) - {*ENDLESS, "shell", "ticker"}))
def test_program_file_says_on_linux_what_it_says_on_tinyos(program: str, files: Path) -> None:
    done = subprocess.run([f"./{program}"], check=False, capture_output=True, timeout=10, cwd=files)
    ours = BareMetal("tinyos2", [(program, 0)]).run().splitlines()[1:-2]
    assert done.returncode == 0
    assert without_numbers(done.stdout.decode().splitlines()) == without_numbers(ours)


def test_shell_works_on_linux_as_on_tinyos(files: Path) -> None:
    done = subprocess.run(["./shell"], check=False, input=TYPED, capture_output=True, timeout=10, cwd=files)
    bare = BareMetal("tinyos2", [("shell", 0)])
    bare.typed(TYPED)
    ours = bare.run().partition("\n")[2].partition("pid 1")[0]
    assert without_numbers(done.stdout.decode().split("\n")) == without_numbers(ours.split("\n"))
