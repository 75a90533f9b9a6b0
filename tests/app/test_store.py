import json
from pathlib import Path

import pytest

from teachvm.app import speed, store
from teachvm.app.progress import ProgressStore
from teachvm.app.settings import Settings, SettingsStore

DAMAGED = ("", "{", "[1]", "null", '{"version": "1"}', "\x00\x01", '{"version": 99}', "[" * 100_000)


def test_settings_are_kept_between_runs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.json"
    assert SettingsStore(path).change(theme="light", zoom=1.4, rail=False) == ""
    again = SettingsStore(path)
    assert again.now == Settings(theme="light", zoom=1.4, rail=False)
    assert again.problem == ""


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_kept_aside_and_named_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(text, encoding="utf-8")
    damaged = ProgressStore(path)
    assert damaged.of("03") is None
    assert damaged.problem
    assert "\n" not in damaged.problem
    assert (tmp_path / "progress.json.kept-1").read_text(encoding="utf-8") == text
    assert damaged.keep("03", {"beat": 2}) == ""
    assert ProgressStore(path).of("03") == {"beat": 2}


def test_every_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    for number in (1, 2, 3):
        path.write_bytes(b"\xff\xfe" * number)
        assert SettingsStore(path).problem
        assert (tmp_path / f"settings.json.kept-{number}").read_bytes() == b"\xff\xfe" * number


def test_wrong_values_fall_back_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    values = {"version": 1, "theme": "pink", "zoom": 40, "motion": "yes", "speed": True, "rail": False, "width": -5}
    path.write_text(json.dumps(values), encoding="utf-8")
    assert SettingsStore(path).now == Settings(zoom=3.0, rail=False, width=800)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    problem = SettingsStore(tmp_path / "file" / "settings.json").change(theme="light")
    assert "could not be saved" in problem
    assert "\n" not in problem


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress.json"
    progress = ProgressStore(path)
    progress.keep("02", {"beat": 1})
    before = path.read_bytes()

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    assert "no space left" in progress.keep("02", {"beat": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_progress_is_kept_by_lesson_and_wrong_counts_are_none(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = ProgressStore(path)
    progress.keep("03", {"beat": 1, "reached": 5, "answers": {"q-if": "1"}})
    progress.keep("06", {"reached": "many"})
    again = ProgressStore(path)
    assert again.of("03") == {"beat": 1, "reached": 5, "answers": {"q-if": "1"}}
    assert [again.reached(lesson) for lesson in ("03", "06", "99")] == [5, 0, 0]


def test_what_did_not_change_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = ProgressStore(path)
    progress.keep("03", {"beat": 1})
    path.unlink()
    assert progress.keep("03", {"beat": 1}) == ""
    assert not path.exists()


def test_the_speed_slider_is_logarithmic_and_ends_in_fast_and_max() -> None:
    assert speed.label(0) == "0.2/s"
    assert speed.label(speed.USUAL) == "1.0/s"
    assert speed.label(speed.STEPS) == "1000/s"
    assert [speed.label(at) for at in (speed.FAST, speed.MAX)] == ["Fast", "Max"]
    rates = [speed.steps_per_second(at) or 0 for at in range(speed.STEPS + 1)]
    assert rates == sorted(rates)
    assert speed.steps_per_second(speed.FAST) is None
    assert all(speed.position(rate) == at for at, rate in enumerate(rates))
