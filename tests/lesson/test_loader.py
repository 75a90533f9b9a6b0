"""Lessons are read whole or refused with their place; `data/bad` holds one broken lesson for each kind of mistake."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.lesson.folder import LESSON_FILE
from teachvm.lesson.loader import load
from teachvm.lesson.model import Ask, Check, Lesson, Run
from teachvm.lesson.problems import LessonError, Problem

BAD = Path(__file__).parent / "data" / "bad"
GOOD = Path(__file__).parent / "data" / "good"


def _problems(folder: Path) -> str:
    with pytest.raises(LessonError) as caught:
        load(folder)
    assert "\n" not in caught.value.headline
    assert len(caught.value.headline) < 300
    return "\n".join(str(problem) for problem in caught.value.problems)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", sorted(path.name for path in BAD.iterdir()))
def test_a_broken_lesson_is_refused_with_place_line_and_advice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    assert _problems(Path(name)) + "\n" == (BAD / name / "expected.txt").read_text(encoding="utf-8")


def test_the_example_of_the_lesson_format_is_read_as_it_is_written() -> None:
    lesson = load(GOOD / "example")
    assert lesson.id == "trap-and-emulate"
    assert lesson.spec.host.vms[0].name == "alpha"
    assert lesson.objectives.markdown == "- Say why `cli` cannot simply execute in a guest kernel."
    (beat,) = lesson.beats
    assert beat.title == 'The guest says "no more interrupts"'
    assert "<strong>ring 0</strong>" in beat.prose.html
    assert beat.notes.markdown == "Let the room vote before you press Step."
    run, ask, check = (part for part in beat.parts if isinstance(part, Run | Ask | Check))
    assert isinstance(run, Run)
    assert (run.until.text, run.limit, run.stop) == ("trap('cli', vm='alpha')", 1_000_000, "after")
    assert [expression.text for expression in run.highlight] == ["vcpu.flags.IF"]
    assert isinstance(ask, Ask)
    assert [option.text[0] for option in ask.options] == ["0", "1"]
    assert ask.predict
    assert isinstance(check, Check)
    assert [expression.text for expression in check.expect] == ["alpha.vcpu.flags.IF == 0", "cpu.flags.IF == 1"]
    assert lesson.points == 3


def test_labels_of_a_paravirtual_guest_are_those_of_its_own_build(tmp_path: Path) -> None:
    text = (BAD / "guest-missing" / LESSON_FILE).read_text(encoding="utf-8")
    text = text.replace("guest: mine.asm", "guest: tinyos, technique: paravirtual")
    (tmp_path / LESSON_FILE).write_text(
        text.replace("trap('cli', vm='alpha')", "at('flush_updates')"), encoding="utf-8"
    )
    assert load(tmp_path).spec.host.vms[0].name == "alpha"


def test_odd_things_are_warnings_and_the_lesson_still_loads() -> None:
    lesson = load(GOOD / "warnings")
    assert [problem.headline.removeprefix(lesson.file) for problem in lesson.warnings] == [
        ":12:1: warning: unknown block 'chart' is passed over",
        ":16:1: warning: unknown block 'hnit' is passed over; did you mean 'hint'?",
        ":20:1: warning: unknown block 'hint' is passed over; this one is written with ::: lines",
        ":24:1: warning: words after {run} are not used: 'twice'",
        ":25:8: warning: put this expression in quotes",
    ]
    assert [type(part).__name__ for part in lesson.beats[0].parts] == ["Passage", "Run"]


def test_a_lesson_is_found_by_its_folder_or_by_its_file() -> None:
    assert load(GOOD / "example").id == load(GOOD / "example" / LESSON_FILE).id


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    assert _problems(tmp_path / "none") == f"{tmp_path.as_posix()}/none:1:1: there is no such folder"
    assert (
        _problems(tmp_path)
        == f"{tmp_path.as_posix()}/lesson.md:1:1: there is no file 'lesson.md' in the lesson's folder"
    )


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("---\nformat: 1\n---\n", encoding="utf-8")
    folder = tmp_path / "lesson"
    folder.mkdir()
    try:
        (folder / LESSON_FILE).symlink_to(secret)
    except OSError:
        pytest.skip("this system gives no right to make symbolic links")
    assert _problems(folder).endswith("lesson.md:1:1: 'lesson.md' leads out of the lesson's folder")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"---\n\xff\xfe\n", "lesson.md:2:1: this file is not UTF-8 text"),
        (b"---\n" + b"x" * (1 << 20), "lesson.md:1:1: 'lesson.md' is larger than 1048576 bytes"),
        (b"", "lesson.md:1:1: a lesson begins with a line --- and its front matter"),
        (b"---\n---\n", "lesson.md:2:1: key 'format' is missing"),
        (b"---\n[1, 2]\n---\n", "lesson.md:2:1: expected keys with values here: format, id, title,"),
        (b"---\nformat: 0\n---\n", "lesson.md:2:9: this lesson is in format 0; this version reads format 1"),
    ],
)
def test_a_file_that_is_no_lesson_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / LESSON_FILE).write_bytes(data)
    assert message in _problems(tmp_path)


def test_line_ends_of_other_systems_make_no_difference(tmp_path: Path) -> None:
    text = (GOOD / "example" / LESSON_FILE).read_text(encoding="utf-8")
    (tmp_path / LESSON_FILE).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert _shape(load(tmp_path)) == _shape(load(GOOD / "example"))


def _shape(lesson: Lesson) -> list[tuple[str, str, int]]:
    return [(beat.title, beat.prose.html, len(beat.parts)) for beat in lesson.beats]


_EXAMPLE = (GOOD / "example" / LESSON_FILE).read_text(encoding="utf-8")
_PIECES = [
    "---\n", "## x\n", "```{run}\n", "```{ask}\n", "```\n", ":::{hint}\n", ":::\n", 'until: "trap"\n', "id: a\n",
    "type: choice\n", "prompt: {\n", "- ", "  ", "> ", "{", "}", '"', "'", "\t", "*", "[a](b)", "<b>", "&x", "|",
    "\x00", "é", "\u2028",
]  # fmt: skip


def _spliced(parts: list[tuple[int, int, str]]) -> str:
    text = _EXAMPLE
    for start, length, new in parts:
        at = start % (len(text) + 1)
        text = text[:at] + new + text[at + length :]
    return text


_EDITS = st.lists(
    st.tuples(st.integers(0, 2_000), st.integers(0, 30), st.sampled_from(_PIECES) | st.text(max_size=6)),
    min_size=1,
    max_size=4,
).map(_spliced)


@given(_EDITS)
def test_any_damage_to_a_lesson_gives_a_lesson_or_a_lesson_error(text: str) -> None:
    _load_or_refuse(text)


@pytest.mark.soak
@given(_EDITS | st.lists(st.sampled_from(_PIECES)).map("".join))
def test_much_damage_to_a_lesson_gives_a_lesson_or_a_lesson_error(text: str) -> None:
    _load_or_refuse(text)


def _load_or_refuse(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / LESSON_FILE).write_bytes(text.encode())
        lesson, problems = _loaded(Path(folder))
    for problem in problems:
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert problem.message
    assert problems or (lesson is not None and lesson.beats)


def _loaded(folder: Path) -> tuple[Lesson | None, tuple[Problem, ...]]:
    try:
        return load(folder), ()
    except LessonError as error:
        return None, error.problems
