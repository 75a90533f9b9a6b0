import io
from collections.abc import Callable
from typing import Any

import pytest

from teachvm import screen

Command = Callable[..., Any]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lines somebody types; after the last one there is nobody."""

    def type_lines(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    type_lines("")
    return type_lines


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("no_screen", "typed")
def test_where_there_is_no_screen_the_lesson_is_played_in_the_terminal_to_its_end(teachvm: Command) -> None:
    done = teachvm("3")
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert "there is no screen here" in done.err
    assert done.out.startswith("Lesson 3: Trap and emulate\n")
    assert "[Guest code]" in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("Points: ")


@pytest.mark.usefixtures("no_screen", "typed")
def test_without_a_lesson_the_library_is_listed_and_the_first_lesson_is_the_default(teachvm: Command) -> None:
    done = teachvm("--terminal")
    assert (done.code, done.err) == (0, "")
    assert "Trap and emulate" in done.out.split("Which lesson")[0]
    assert "Lesson 1: " in done.out


def test_an_answer_is_judged(teachvm: Command, typed: Callable[[str], None]) -> None:
    typed("2\n")
    assert "Right." in teachvm("3", "--terminal").out


def test_a_lesson_can_be_chosen_and_left(teachvm: Command, typed: Callable[[str], None]) -> None:
    typed("6\n" + "q\n" * 40)
    done = teachvm("--terminal")
    assert done.code == 0
    assert "Lesson 6: " in done.out
    assert "\n2/" not in done.out


def test_a_word_that_is_no_lesson_is_one_line(teachvm: Command) -> None:
    done = teachvm("trap-and-emulat")
    assert (done.code, done.out) == (4, "")
    assert done.err == "teachvm: there is no lesson 'trap-and-emulat'; did you mean 'trap-and-emulate'?\n"


def test_a_misspelt_command_is_recognised_before_its_arguments(teachvm: Command) -> None:
    assert teachvm("rendr", "3").err == "teachvm: there is no lesson 'rendr'; did you mean the command 'render'?\n"


def test_two_lessons_are_one_too_many(teachvm: Command) -> None:
    done = teachvm("3", "6")
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert "'6'" in done.err


@pytest.mark.usefixtures("no_screen")
def test_no_lesson_need_be_chosen(teachvm: Command, typed: Callable[[str], None]) -> None:
    typed("q\n")
    done = teachvm("--terminal")
    assert (done.code, done.err) == (0, "")
    assert "Lesson 2: " not in done.out


def test_a_misspelt_command_is_recognised(teachvm: Command) -> None:
    assert teachvm("rendr").err == "teachvm: there is no lesson 'rendr'; did you mean the command 'render'?\n"


def test_missing_libraries_are_named_before_a_window_would_fail(
    teachvm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise screen.ScreenError("Qt lacks libGL.so.1; install it with: sudo apt-get install libgl1")

    monkeypatch.setattr(screen, "why_no_window", missing)
    done = teachvm("3")
    assert (done.code, done.out) == (4, "")
    assert done.err == "teachvm: Qt lacks libGL.so.1; install it with: sudo apt-get install libgl1\n"
