"""Every shipped lesson is read without a warning and comes true when it is played."""

from pathlib import Path

import pytest

from teachvm import resources
from teachvm.lesson.catalogue import Entry, shipped
from teachvm.lesson.checking import Report, check
from teachvm.lesson.loader import load
from teachvm.lesson.model import Ask, Check, Do, Lesson
from teachvm.lesson.player import Silence, play
from teachvm.lesson.progress import LessonRun
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build

ENTRIES = shipped()
REPORTS: dict[str, Report] = {}


def _report(entry: Entry) -> Report:
    """Playing takes a second; once is enough for all questions about it."""
    if entry.id not in REPORTS:
        REPORTS[entry.id] = check(entry.path)
    return REPORTS[entry.id]


def _lesson(entry: Entry) -> Lesson:
    lesson = _report(entry).lesson
    assert lesson is not None
    return lesson


every_lesson = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)


def test_the_lessons_of_this_version_are_there() -> None:
    assert [(entry.number, entry.id) for entry in ENTRIES] == [
        (1, "emulation-or-virtualization"),
        (2, "vcpu-and-vmm"),
        (3, "trap-and-emulate"),
        (4, "special-instructions"),
        (5, "binary-translation"),
        (6, "two-level-paging"),
        (7, "nested-paging"),
        (17, "hardware-assist"),
        (18, "paravirtual"),
    ]


@every_lesson
def test_a_shipped_lesson_comes_true_when_it_is_played(entry: Entry) -> None:
    report = _report(entry)
    assert [str(problem) for problem in report.problems] == []
    assert report.points == _lesson(entry).points == _lesson(entry).front.grading.points


@every_lesson
def test_a_shipped_lesson_says_what_it_is_for_and_what_to_remember(entry: Entry) -> None:
    lesson = _lesson(entry)
    assert lesson.id == entry.id
    assert lesson.objectives.markdown.count("- ") >= 3
    assert lesson.keypoints.markdown.count("- ") >= 3
    assert lesson.front.license == "MIT"
    assert lesson.notes.markdown


@every_lesson
def test_every_beat_has_prose_and_a_note_that_quotes_the_course_or_says_how_to_teach_it(entry: Entry) -> None:
    for beat in _lesson(entry).beats:
        assert beat.prose.markdown, beat.title
        assert beat.notes.markdown, beat.title
        assert beat.movements, beat.title
    notes = [_lesson(entry).notes.markdown, *(beat.notes.markdown for beat in _lesson(entry).beats)]
    assert sum("Course note:" in note for note in notes) >= 4


@every_lesson
def test_every_answer_is_pinned_for_the_instructor_unless_it_differs_by_student(entry: Entry) -> None:
    lesson = _lesson(entry)
    asks = [part for beat in lesson.beats for part in beat.parts if isinstance(part, Ask)]
    pinned = dict(lesson.instructor.answers)
    assert {ask.id for ask in asks if not ask.vary} == set(pinned)
    assert sum(ask.predict for ask in asks) >= 3


@every_lesson
def test_every_wrong_option_is_wrong_and_every_answer_can_be_given(entry: Entry) -> None:
    lesson = _lesson(entry)
    for beat in lesson.beats:
        for part in beat.parts:
            if isinstance(part, (Ask, Check, Do)):
                assert part.points <= 3, part.id
            if isinstance(part, Ask):
                assert part.explain is not None or part.type == "number", part.id


@every_lesson
def test_sentences_are_short_enough_to_read_in_a_foreign_language(entry: Entry) -> None:
    for beat in _lesson(entry).beats:
        text = beat.prose.markdown.replace("\n", " ").replace(":", ".").replace(";", ".")
        for sentence in text.split(". "):
            if "|" not in sentence:
                assert len(sentence.split()) <= 30, sentence


@every_lesson
def test_a_shipped_lesson_keeps_to_itself_what_only_instructors_see(entry: Entry) -> None:
    source = (entry.path / "lesson.md").read_text(encoding="utf-8")
    assert "visibility: hidden" not in source
    assert (entry.path / "instructor.yaml").is_file()
    assert load(entry.path).instructor.hidden


def test_playing_the_same_lesson_twice_ends_in_the_same_state() -> None:
    lesson = load(resources.lessons() / "03-trap-and-emulate")
    first, second = (play(LessonRun.start(lesson), Silence()) for _ in range(2))
    assert first.timeline.digest() == second.timeline.digest()
    assert first.world.stopped is not None
    assert first.world.console("alpha") == second.world.console("alpha")


def test_the_lock_goes_wrong_without_bare_metal_and_right_on_it() -> None:
    spec = load(resources.lessons() / "03-trap-and-emulate").spec
    for technique, ticks in ((Technique.TRAP_AND_EMULATE, "ticks: 0"), (Technique.BARE_METAL, "ticks: 3")):
        world = build(spec.with_technique(technique))
        Timeline(world).run(200_000)
        (name,) = world.guests
        assert ticks in world.console(name)


def test_a_student_without_the_instructors_file_can_play_too(tmp_path: Path) -> None:
    source = resources.lessons() / "06-two-level-paging"
    for name in ("lesson.md", "guest.asm"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    report = check(tmp_path)
    assert report.lesson is not None
    assert not report.lesson.instructor.answers
    assert [str(problem) for problem in report.problems] == []


@pytest.mark.parametrize(
    ("technique", "said"),
    [(Technique.BARE_METAL, (0, 1, 0, 0)), (Technique.TRAP_AND_EMULATE, (1, 0, 1, 1))],
)
def test_a_kernel_that_asks_the_processor_is_lied_to_by_no_vmm_but_one_ring_down(
    technique: Technique, said: tuple[int, ...]
) -> None:
    folder = resources.lessons() / "04-special-instructions"
    world = build(load(folder).spec.with_technique(technique), folder)
    Timeline(world).run(5_000)
    (name,) = world.guests
    assert tuple(int(line[-1]) for line in world.console(name).splitlines()) == said
