import pytest
from PySide6.QtGui import QFont, QImage, QPainter
from PySide6.QtWidgets import QApplication, QLabel

from teachvm.ui.theme import fonts, icons
from teachvm.ui.theme.look import HALL, ZOOMS, Look
from teachvm.ui.theme.sheet import style_sheet
from teachvm.ui.theme.tokens import THEME_NAMES, THEMES


def test_both_families_are_loaded_from_their_packages(look: Look) -> None:
    assert QFont(fonts.PROSE).exactMatch()
    assert QFont(fonts.CODE).exactMatch()


def test_bold_is_bold_and_code_is_fixed_pitch(look: Look) -> None:
    assert fonts.width("Guest program", fonts.NAME) > fonts.width("Guest program", fonts.BODY)
    assert fonts.width("iiii", fonts.MONO) == pytest.approx(fonts.width("WWWW", fonts.MONO))


def test_no_ligature_joins_what_a_student_must_read_apart(look: Look) -> None:
    for text in ("->", "!=", ":=", "0x40", "<=", "=="):
        for style in (fonts.MONO, fonts.SMALL):
            apart = sum(fonts.width(char, style) for char in text)
            assert fonts.width(text, style) == pytest.approx(apart, abs=0.6), text


def test_a_cut_text_fits_and_ends_in_an_ellipsis(look: Look) -> None:
    for room in (4.0, 20.0, 47.0, 80.0):
        cut = fonts.elided("thinks ring 0, really ring 1", fonts.SMALL, room)
        assert fonts.width(cut, fonts.SMALL) <= room
        assert cut.endswith("…") or not cut
    assert fonts.elided("fits", fonts.SMALL, 100) == "fits"


def test_missing_glyphs_are_found(look: Look) -> None:
    assert fonts.missing_glyphs("sched_lock ← → · … — “ ” ’ × −  ⇧", code=False) == ""
    assert fonts.missing_glyphs("⏮ run", code=False) == "⏮"
    assert fonts.missing_glyphs("0010 0242 ← 1", code=True) == ""


@pytest.mark.parametrize("name", THEME_NAMES)
def test_the_style_sheet_has_no_colour_but_the_tokens(name: str, look: Look) -> None:
    sheet = style_sheet(THEMES[name], 1.0)  # type: ignore[index]
    assert "$" not in sheet
    assert "font" not in sheet


@pytest.mark.parametrize("name", icons.names())
def test_every_icon_is_drawn_in_the_colour_it_is_given(name: str, look: Look) -> None:
    image = QImage(48, 48, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    icons.renderer(name, "#ff0000").render(painter)
    painter.end()
    seen = [image.pixelColor(x, y) for x in range(48) for y in range(48)]
    inked = [colour for colour in seen if colour.alpha() > 200]
    assert len(inked) > 8
    assert all(colour.red() > 200 and colour.green() < 50 for colour in inked)


def test_icon_files_say_nothing_but_shapes() -> None:
    for name in icons.names():
        source = icons._source(name)
        assert "currentColor" in source
        assert "#" not in source
        assert "<text" not in source


def test_zoom_goes_by_steps_and_changes_fonts_of_dressed_widgets(look: Look) -> None:
    label = QLabel("text")
    look.dress(label, fonts.BODY)
    look.zoom_by(+1)
    assert look.zoom == ZOOMS[ZOOMS.index(1.0) + 1]
    assert label.font().pixelSize() == fonts.pixels(14, look.zoom)
    look.set_zoom(99)
    look.zoom_by(+1)
    assert look.zoom == ZOOMS[-1]
    look.zoom_by(0)
    look.set_hall(True)
    assert look.zoom == HALL
    look.set_hall(False)
    assert label.font().pixelSize() == 14


def test_every_theme_is_a_palette_too(look: Look) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    for name in THEME_NAMES:
        look.set_theme(name)
        assert app.palette().window().color().name() == THEMES[name]["background"]
        assert app.palette().text().color().name() == THEMES[name]["text"]
    look.next_theme()
    assert look.theme.name == THEME_NAMES[0]
