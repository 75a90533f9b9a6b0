"""A lesson in the terminal: everything is said in order, and bad answers only ask again."""

from pathlib import Path

from teachvm.lesson.loader import load
from teachvm.lesson.model import Lesson
from teachvm.lesson.progress import LessonRun, Stage
from teachvm.lesson.terminal import WIDTH, play_in_terminal
from tests.lesson.worlds import write_lesson

BODY = """:::{objectives}
- See a ring.
:::

:::{keypoints}
- Rings matter.
:::

Welcome.

## The ring
The kernel starts, and this sentence is so long that it has to be folded at the width of a page, since nobody reads far.

```{run}
until: "at('memory_init')"
```

```{ask}
id: q-ring
prompt: Which ring does the **hardware** hold?
type: choice
options:
  - {text: ring 0, when: "cpu.cpl == 0"}
  - {text: ring 1, when: "cpu.cpl == 1"}
explain: It holds {cpu.cpl}.
```

```{check}
id: c-ring
title: It is ring 3
expect: ["cpu.cpl == 3"]
```

```{check}
id: c-hidden
expect: ["cpu.cpl == 3"]
visibility: hidden
```

:::{hint} A hint
Look left.
:::

## The end

```{do}
id: d-end
task: Run to the end.
until: "trap('hlt', nth=9)"
limit: 100
```

```{ask}
id: q-number
prompt: How many?
type: number
answer: "1 + 1"
```
"""


class _Person:
    """Types these lines, then closes the input."""

    def __init__(self, *lines: str) -> None:
        self.screen: list[str] = []
        self._lines = list(lines)

    def read(self, prompt: str) -> str | None:
        line = self._lines.pop(0) if self._lines else None
        self.screen.append(f"{prompt}{line}")
        return line

    def play(self, lesson: Lesson) -> str:
        def cards(run: LessonRun, stage: Stage) -> str:
            return f"<{' '.join(stage.cards)} at {run.moment()}>"

        play_in_terminal(
            LessonRun.start(lesson),
            read=self.read,
            write=self.screen.append,
            words=lambda text: text.replace("**", "").replace("- ", "• "),
            cards=cards,
        )
        return "\n".join(self.screen)


def test_a_lesson_is_played_to_somebody_who_types(tmp_path: Path) -> None:
    lesson = load(write_lesson(tmp_path, BODY))
    said = _Person("9", "two", "2", "y", "", "many", "2", "").play(lesson)
    expected = [
        "A small lesson",
        "You will be able to",
        "• See a ring.",
        "Welcome.",
        "1/2  The ring",
        "Predict: Which ring does the hardware hold?",
        "  1) ring 0",
        "Your answer (Enter: skip): 9",
        "One of the numbers 1 to 2, please.",
        "Your answer (Enter: skip): 2",
        "[moment 19 · 19 instructions · until at('memory_init')]",
        "<who-is-running guest-code vcpu-and-cpu at 19>",
        "Right.",
        "It holds 1.",
        "[--] It is ring 3",
        "     expected cpu.cpl == 3; cpu.cpl is 1",
        "A hint: read it? [y/N] y",
        "Look left.",
        "Enter: next beat, q: stop ",
        "2/2  The end",
        "Predict: How many?",
        "A number, please: 42, 0x2a or 2ah.",
        "Task: Run to the end. (done for you here)",
        "! trap('hlt', nth=9) was not reached within 100 instructions",
        "Right.",
        "Remember",
        "• Rings matter.",
        "Points: 2 of 2",
    ]
    at = 0
    for line in expected:
        found = said.find(line, at)
        assert found >= 0, f"{line!r} is missing after {said[max(0, at - 80) : at]!r}"
        at = found
    assert all(len(line) <= WIDTH for line in said.split("\n") if not line.startswith(("Your", "[")))
    assert "c-hidden" not in said


def test_a_wrong_answer_is_told_what_was_right(tmp_path: Path) -> None:
    said = _Person("1", "n", "q").play(load(write_lesson(tmp_path, BODY)))
    assert "Not quite. It is: ring 1" in said
    assert "Look left." not in said
    assert "2/2" not in said
    assert "Points" not in said


def test_a_closed_input_stops_after_the_beat_and_asks_nothing_more(tmp_path: Path) -> None:
    person = _Person()
    said = person.play(load(write_lesson(tmp_path, BODY)))
    assert said.count("Your answer") == 1
    assert "[--] It is ring 3" in said
    assert "2/2" not in said
