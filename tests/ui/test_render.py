from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtGui import QImage

from teachvm.ui.render import RenderError, Shot, render


def test_a_beat_is_a_png_at_any_scale_and_theme(qapp: object, tmp_path: Path) -> None:
    render(Shot("3", 1, size=(1366, 768)), tmp_path / "dark.png")
    render(Shot("3", 1, theme="light", size=(800, 600), scale=2.0), tmp_path / "light.png")
    dark, light = QImage(str(tmp_path / "dark.png")), QImage(str(tmp_path / "light.png"))
    assert (dark.width(), dark.height()) == (1366, 768)
    assert (light.width(), light.height()) == (1600, 1200)
    assert dark.pixelColor(683, 12).lightness() < 60
    assert light.pixelColor(800, 24).lightness() > 200


def test_the_same_beat_is_the_same_picture(qapp: object, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        render(Shot("3", 2, size=(900, 600)), tmp_path / name)
    assert QImage(str(tmp_path / "one.png")) == QImage(str(tmp_path / "two.png"))


def test_one_card_is_drawn_as_svg_shapes(qapp: object, tmp_path: Path) -> None:
    render(Shot("3", 1, "guest-code", size=(700, 500)), tmp_path / "card.svg")
    root = ElementTree.parse(tmp_path / "card.svg").getroot()
    assert root.get("viewBox") == "0 0 700 500"
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}path")) > 50
    assert not root.findall(f".//{space}image")


@pytest.mark.parametrize(
    ("shot", "file", "says"),
    [
        (Shot("33"), "a.png", "no lesson"),
        (Shot("3", 99), "a.png", "beats 1 to"),
        (Shot("3", card="nope"), "a.png", "no card"),
        (Shot("3", size=(0, 10)), "a.png", "empty or too large"),
        (Shot("3", scale=400.0), "a.png", "empty or too large"),
        (Shot("3"), "no/such/folder/a.png", "no folder"),
        (Shot("3"), "a.txt", "suffix"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(qapp: object, tmp_path: Path, shot: Shot, file: str, says: str) -> None:
    with pytest.raises(RenderError, match=says) as caught:
        render(shot, tmp_path / file)
    assert "\n" not in str(caught.value)
