import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def size_of(png: Path) -> tuple[int, int]:
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_a_window_becomes_a_png_of_the_asked_size_times_its_scale(teachvm: Command, tmp_path: Path) -> None:
    png = tmp_path / "beat.png"
    options = ("--beat", "2", "--theme", "light", "--size", "1366x768", "--scale", "2")
    done = teachvm("render", "3", *options, "-o", str(png))
    assert (done.code, done.out, done.err) == (0, "", "")
    assert size_of(png) == (2732, 1536)


def test_one_card_becomes_an_svg(teachvm: Command, tmp_path: Path) -> None:
    svg = tmp_path / "walk.svg"
    done = teachvm("render", "6", "--card", "guest-walk", "--size", "1200x600", "-o", str(svg))
    assert (done.code, done.err) == (0, "")
    assert ET.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-lesson"], "there is no lesson"),
        (["3", "--beat", "99"], "beats 1 to"),
        (["3", "--card", "gest-code"], "guest-code"),
        (["3", "--theme", "blue"], "dark"),
        (["3", "--size", "huge"], "1600x1000"),
        (["3", "--scale", "0"], "--scale"),
    ],
)
def test_what_cannot_be_painted_is_one_line(teachvm: Command, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = teachvm("render", *arguments, "-o", str(tmp_path / "x.png"))
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert said in done.err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("output", ["no/such/folder/x.png", "x.unknown"])
def test_a_picture_that_cannot_be_written_is_one_line(teachvm: Command, tmp_path: Path, output: str) -> None:
    done = teachvm("render", "3", "-o", str(tmp_path / output))
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
