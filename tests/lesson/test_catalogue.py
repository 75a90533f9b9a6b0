"""A lesson is found by its number, its id, its folder or its file; what fits two is an error that names both."""

from pathlib import Path

import pytest

from teachvm import resources
from teachvm.lesson.catalogue import UnknownLessonError, find, shipped

THERE_ARE = ", ".join(f"{entry.number} {entry.id}" for entry in shipped())


@pytest.mark.parametrize("word", ["3", "03", "trap-and-emulate", "03-trap-and-emulate"])
def test_a_shipped_lesson_has_several_names(word: str) -> None:
    assert find(word) == resources.lessons() / "03-trap-and-emulate"


def _lesson(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "lesson.md").write_text("---\n---\n", encoding="utf-8")
    return path


def test_a_folder_or_a_file_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    mine = _lesson(tmp_path, "mine")
    assert find(str(mine)) == mine
    assert find(str(mine / "lesson.md")) == mine / "lesson.md"


def test_the_shipped_folder_given_as_a_path_is_one_lesson_and_not_two() -> None:
    path = resources.lessons() / "03-trap-and-emulate"
    assert find(str(path)) == path


def test_what_fits_two_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "shelf"
    first, second = _lesson(shelf, "01-alpha"), _lesson(shelf, "01-beta")
    with pytest.raises(UnknownLessonError) as caught:
        find("1", shelf)
    assert str(caught.value) == f"'1' can be {first.as_posix()} or {second.as_posix()}; give the path"
    _lesson(tmp_path, "alpha")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownLessonError, match=r"'alpha' can be .*/01-alpha or alpha; give the path"):
        find("alpha", shelf)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trap-and-emulat", "there is no lesson 'trap-and-emulat'; did you mean 'trap-and-emulate'?"),
        ("99", f"there is no lesson '99'; there are {THERE_ARE}"),
        ("\0", f"there is no lesson '·'; there are {THERE_ARE}"),
    ],
)
def test_what_is_not_there_names_what_is(word: str, message: str) -> None:
    with pytest.raises(UnknownLessonError) as caught:
        find(word)
    assert str(caught.value) == message


def test_a_folder_without_a_lesson_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownLessonError, match=r"the folder '.*' holds no lesson\.md, so it is no lesson"):
        find(str(tmp_path))


def test_other_folders_are_no_lessons(tmp_path: Path) -> None:
    (tmp_path / "02-empty").mkdir()
    _lesson(tmp_path, "not-numbered")
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    entry = _lesson(tmp_path, "10-ten")
    assert [(e.number, e.id, e.path) for e in shipped(tmp_path)] == [(10, "ten", entry)]
    assert shipped(tmp_path / "none") == ()
