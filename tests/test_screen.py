import sys

import pytest

from teachvm import screen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Qt brings its own libraries elsewhere")

MISSING = {"libno-such-thing.so.1": "libno-such-thing1"}


@pytest.fixture(autouse=True)
def an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)


def managers(monkeypatch: pytest.MonkeyPatch, *present: str) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in present else None)


def test_nothing_is_said_where_nothing_is_missing() -> None:
    screen.ensure_libraries({"libc.so.6": "libc6"})


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt-get install -y --no-install-recommends libno-such-thing1"),
        ("dnf", "sudo dnf install 'libno-such-thing.so.1()(64bit)'"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, manager: str, command: str
) -> None:
    managers(monkeypatch, manager)
    with pytest.raises(screen.ScreenError) as error:
        screen.ensure_libraries(screen.PAINTING, MISSING)
    assert str(error.value) == f"Qt lacks the system libraries libno-such-thing.so.1; install them with: {command}"


def test_an_unknown_package_manager_is_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    managers(monkeypatch)
    with pytest.raises(screen.ScreenError, match=r"with: your package manager$"):
        screen.ensure_libraries(MISSING)


def test_no_display_is_the_reason_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    reason = screen.why_no_window()
    assert reason is not None
    assert "no screen" in reason


def test_a_display_nobody_serves_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "PAINTING", {})
    monkeypatch.setattr(screen, "X11", {})
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", "127.0.0.1:4999")
    if screen._missing({"libxcb.so.1": "libxcb1"}):
        pytest.skip("libxcb is not installed: a window could not open here anyway")
    assert screen.why_no_window() == "the display '127.0.0.1:4999' does not answer"


def test_a_window_can_open_where_the_user_chose_an_offscreen_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert screen.why_no_window() is None


def test_a_display_whose_libraries_are_missing_is_passed_over_for_one_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    managers(monkeypatch, "apt-get")
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    monkeypatch.setattr(screen, "X11", MISSING)
    monkeypatch.setattr(screen, "WAYLAND", {})
    monkeypatch.setattr(screen, "_wayland_answers", lambda: True)
    assert screen.why_no_window() is None
    monkeypatch.setattr(screen, "_wayland_answers", lambda: False)
    with pytest.raises(screen.ScreenError, match="libno-such-thing1"):
        screen.why_no_window()
