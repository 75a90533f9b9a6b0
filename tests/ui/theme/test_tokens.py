from itertools import product

import pytest

from teachvm.app.presentation import ROLES
from teachvm.ui.theme.tokens import AA, READABLE, TABLE, THEME_NAMES, THEMES, Theme, contrast, luminance, mix

SURFACES = ("card", "card2", "background")


@pytest.fixture(params=THEME_NAMES)
def theme(request: pytest.FixtureRequest) -> Theme:
    return THEMES[request.param]


def test_every_role_a_presenter_can_name_has_a_colour_in_every_theme() -> None:
    assert set(ROLES) <= set(TABLE)
    assert all(len(values) == len(THEME_NAMES) for values in TABLE.values())


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")
    assert mix("#ff0000", "#0000ff", 0.5) == "#800080"


@pytest.mark.parametrize(("role", "surface"), list(product(READABLE, SURFACES)))
def test_text_in_every_readable_role_meets_aa_on_every_surface(theme: Theme, role: str, surface: str) -> None:
    assert contrast(theme[role], theme[surface]) >= AA


@pytest.mark.parametrize("role", READABLE)
def test_text_meets_aa_on_its_own_tint(theme: Theme, role: str) -> None:
    assert contrast(theme[role], theme.tinted(role)) >= AA


@pytest.mark.parametrize("tint", ["trap", "now", "vmm", "kernel", "program", "hardware", "good"])
def test_plain_and_dim_text_meet_aa_on_every_tint(theme: Theme, tint: str) -> None:
    for surface in ("card", "card2"):
        assert contrast(theme["text"], theme.tinted(tint, surface)) >= AA
        assert contrast(theme["dim"], theme.tinted(tint, surface)) >= AA


def test_actors_keep_their_colour_on_the_current_line_and_in_a_phase_block(theme: Theme) -> None:
    for role, tint in (("now", "trap"), ("now", "vmm"), ("kernel", "vmm"), ("kernel", "kernel"), ("trap", "trap")):
        assert contrast(theme[role], theme.tinted(tint)) >= AA


def test_the_primary_button_is_readable(theme: Theme) -> None:
    assert contrast(theme["on-now"], theme["now"]) >= AA


def test_letters_in_the_timelines_bars_are_readable(theme: Theme) -> None:
    for role in ("program", "kernel", "vmm", "hardware"):
        assert contrast(theme["on-now"], mix(theme[role], theme["card"], 0.85)) >= 3.0, role


def test_lines_and_outlines_that_carry_meaning_stand_out(theme: Theme) -> None:
    for role in ("now", "trap", "good", "vmm", "kernel", "program", "hardware"):
        assert contrast(theme[role], theme["card"]) >= 3.0


def test_the_contrast_theme_is_stronger_everywhere() -> None:
    strong, dark = THEMES["contrast"], THEMES["dark"]
    for role in READABLE:
        assert contrast(strong[role], strong["card"]) >= 7.0
        assert luminance(strong[role]) >= luminance(dark[role])
