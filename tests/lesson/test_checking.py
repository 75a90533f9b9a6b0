"""`lesson check` finds what a reader cannot: anchors that are not reached, answers and facts that are not true."""

from pathlib import Path

import pytest

from teachvm.lesson.checking import check
from tests.lesson.worlds import HEAD, write_lesson

CHOICE = '```{ask}\nid: q\nprompt: "?"\ntype: choice\noptions:\n'


def _headlines(folder: Path) -> list[str]:
    report = check(folder)
    return [problem.headline.removeprefix(f"{folder.as_posix()}/") for problem in report.problems]


def test_a_true_lesson_passes_with_all_points_and_the_machines_answers(tmp_path: Path) -> None:
    body = """## One
Text.

```{run}
until: "at('memory_init')"
```

```{ask}
id: q-ring
prompt: Which ring?
type: number
answer: "cpu.cpl"
points: 2
```

```{ask}
id: q-choice
prompt: On or off?
type: choice
options:
  - {text: "on", when: "cpu.flags.IF == 1"}
  - {text: "off", when: "cpu.flags.IF == 0"}
```

```{ask}
id: q-word
prompt: How?
type: text
answer: "alpha.technique"
```
"""
    report = check(write_lesson(tmp_path, body))
    assert report.passed
    assert report.answers == {"q-ring": "1", "q-choice": "on", "q-word": "trap-and-emulate"}
    assert report.points == 4
    assert report.lesson is not None
    assert report.instructions == 19


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (
            "```{run}\nuntil: \"trap('sti', vm='alpha')\"\nlimit: 500\n```\n",
            "lesson.md:13:1: trap('sti', vm='alpha') was not reached within 500 instructions",
        ),
        (
            "```{run}\nuntil: \"console('no such text')\"\n```\n",
            "lesson.md:13:1: console('no such text') was not reached: alpha halted with interrupts off after",
        ),
        (
            "```{run}\nuntil: \"walk(last('fault').linear)\"\n```\n",
            "lesson.md:13:1: walk(last('fault').linear) has no meaning here: an argument has no value now",
        ),
        (
            '```{check}\nid: c\nexpect: ["cpu.cpl == 3"]\n```\n',
            "lesson.md:13:1: check 'c': cpu.cpl == 3 does not hold: cpu.cpl is 0",
        ),
        (
            CHOICE + '  - {text: a, when: "stopped"}\n  - {text: b, when: "cycles > 1"}\n```\n',
            "lesson.md:13:1: question 'q': no option is right here",
        ),
        (
            CHOICE + '  - {text: a, when: "true"}\n  - {text: b, when: "not stopped"}\n```\n',
            "lesson.md:13:1: question 'q': more than one option is right here: 'a', 'b'",
        ),
        (
            '```{ask}\nid: q\nprompt: "?"\ntype: number\nanswer: "last(\'fault\').error"\n```\n',
            "lesson.md:13:1: 'last('fault').error' has no value now",
        ),
    ],
)
def test_what_does_not_come_true_is_said_at_its_block(tmp_path: Path, block: str, problem: str) -> None:
    (found,) = _headlines(write_lesson(tmp_path, f"## One\nText.\n\n{block}"))
    assert found.startswith(problem)


def test_the_instructors_file_is_held_against_the_machine(tmp_path: Path) -> None:
    body = '## One\nText.\n\n```{ask}\nid: q\nprompt: "?"\ntype: number\nanswer: "cpu.cpl"\n```\n'
    (tmp_path / "instructor.yaml").write_text(
        'format: 1\nlesson: small\nanswers: {q: 3}\nchecks:\n  - {id: h, beat: 1, expect: ["stopped"]}\n',
        encoding="utf-8",
    )
    assert _headlines(write_lesson(tmp_path, body)) == [
        "lesson.md:13:1: question 'q': the author expects '3', but the machine says '0'",
        "instructor.yaml:5:5: check 'h': stopped does not hold: stopped is false",
    ]


def test_points_and_instructions_are_what_grading_says(tmp_path: Path) -> None:
    head = HEAD.replace("---\n\n", "grading: {points: 7, max_instructions: 10}\n---\n\n")
    folder = write_lesson(tmp_path, '## One\nText.\n\n```{run}\nuntil: "after(11)"\n```\n', head)
    assert _headlines(folder) == [
        "lesson.md:1:1: playing the lesson takes 11 instructions, but grading allows 10",
        "lesson.md:1:1: grading says 7 points, but the lesson has 0",
    ]


def test_a_lesson_that_cannot_be_read_is_not_played(tmp_path: Path) -> None:
    report = check(write_lesson(tmp_path, "No beat here.\n"))
    assert report.lesson is None
    assert not report.passed


def test_a_guest_that_crashes_or_floods_is_a_message_and_no_more(tmp_path: Path) -> None:
    guests = {
        "crash.asm": "org 0x10000\nstart: ud2\n",
        "loop.asm": "org 0x10000\nstart: jmp start\n",
        "flood.asm": "org 0x10000\nstart: mov edx, 0x3f8\nagain: mov al, 'x'\nout dx, al\njmp again\n",
    }
    expected = {
        "crash.asm": "stopped and false was not reached: host: triple fault",
        "loop.asm": "stopped and false was not reached within 20 000 instructions",
        "flood.asm": "stopped and false was not reached within 20 000 instructions",
    }
    for name, source in guests.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
        head = HEAD.replace("guest: tinyos, programs: [hello]", f"guest: {name}, technique: bare-metal")
        body = '## One\nText.\n\n```{run}\nuntil: "stopped and false"\nlimit: 20000\n```\n'
        (found,) = _headlines(write_lesson(tmp_path, body, head))
        assert expected[name] in found


def test_the_example_of_the_lesson_format_comes_true_as_it_is_written() -> None:
    report = check(Path(__file__).parent / "data" / "good" / "example")
    assert [str(problem) for problem in report.problems] == []
    assert report.answers == {"q-if": "1: only the VCPU's copy changed"}
    assert report.points == 3
