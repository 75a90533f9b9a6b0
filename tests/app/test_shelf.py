from pathlib import Path

from teachvm.app.progress import ProgressStore
from teachvm.app.shelf import entries
from teachvm.lesson.catalogue import shipped
from teachvm.lesson.loader import load


def test_every_shipped_lesson_is_on_the_shelf_as_it_really_is(tmp_path: Path) -> None:
    shelf = {entry.id: entry for entry in entries(ProgressStore(tmp_path / "progress.json"))}
    assert len(shelf) == len(shipped())
    first = shipped()[0]
    lesson = load(first.path)
    entry = shelf[lesson.id]
    assert (entry.title, entry.beats, entry.problem) == (lesson.title, len(lesson.beats), "")
    assert entry.minutes == lesson.front.teaching + lesson.front.exercises


def test_progress_is_shown_and_never_more_than_there_is(tmp_path: Path) -> None:
    progress = ProgressStore(tmp_path / "progress.json")
    name = shipped()[0].id
    progress.keep(name, {"reached": 99})
    entry = next(entry for entry in entries(progress) if entry.id == name)
    assert entry.reached == entry.beats > 0


def test_a_broken_lesson_is_on_the_shelf_with_its_place_and_a_mended_one_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "01-broken"
    folder.mkdir()
    file = folder / "lesson.md"
    file.write_text("---\nformat: 1\nid: broken\ntitel: x\n---\n", encoding="utf-8")
    progress = ProgressStore(tmp_path / "progress.json")
    (entry,) = entries(progress, tmp_path)
    assert "lesson.md:4:1" in entry.problem
    assert "\n" not in entry.problem
    text = (
        "---\nformat: 1\nid: broken\ntitle: Whole\nsummary: s\nvms: [{name: a, guest: tinyos}]\n---\n## One\n\n## Two\n"
    )
    file.write_text(text, encoding="utf-8")
    (entry,) = entries(progress, tmp_path)
    assert (entry.title, entry.beats, entry.problem) == ("Whole", 2, "")
