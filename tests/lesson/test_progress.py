"""A student's way through a lesson: predictions before the run, verdicts after it, tasks, points, and what is kept."""

import json
from pathlib import Path

import pytest

from teachvm.lesson.journey import Arrival
from teachvm.lesson.judging import Given, Outcome, Verdict
from teachvm.lesson.loader import load
from teachvm.lesson.markdown import Prose
from teachvm.lesson.model import Ask, Beat, Check, Do, Hint, Movement, Show
from teachvm.lesson.player import Silence, play
from teachvm.lesson.progress import LessonRun
from teachvm.lesson.steps import StepKind, movement_after, steps
from teachvm.vmm.events import VmmEntered
from tests.lesson.worlds import write_lesson

BODY = """## First
Before.

```{show}
cards: [memory]
memory: "label('ticks')"
walk: "none"
code: sched_lock
```

```{run}
until: "at('memory_init')"
highlight: [vcpu.cpl]
```

```{ask}
id: q-ring
prompt: "The guest says {alpha.vcpu.cpl}. The hardware says?"
type: number
answer: "cpu.cpl"
explain: "It was {cpu.cpl}."
points: 2
```

Between.

```{ask}
id: q-now
prompt: Is paging on now?
type: choice
predict: false
options:
  - {text: "yes", when: "alpha.vcpu.paging"}
  - {text: "no", when: "not alpha.vcpu.paging"}
```

```{check}
id: c-ring
expect: ["cpu.cpl == 1"]
explain: "CPL {cpu.cpl}"
points: 3
```

## Second
After.

:::{hint} Where?
There.
:::

```{do}
id: d-step
task: Step to the first character.
until: "trap('in-out', vm='alpha')"
points: 4
```

```{show}
cards: [console]
```
"""


@pytest.fixture
def run(tmp_path: Path) -> LessonRun:
    """A lesson at its beginning."""
    return LessonRun.start(load(write_lesson(tmp_path, BODY)))


class _Listener(Silence):
    """Writes down what happens, and answers what it is told to."""

    def __init__(self, **answers: Given) -> None:
        self.heard: list[str] = []
        self._answers = answers

    def beat(self, run: LessonRun, beat: Beat) -> None:
        self.heard.append(f"beat {beat.title}")

    def say(self, prose: Prose) -> None:
        self.heard.append(prose.markdown)

    def hint(self, hint: Hint) -> None:
        self.heard.append(f"hint {hint.title} {hint.prose.markdown}")

    def show(self, run: LessonRun, show: Show) -> None:
        self.heard.append(f"show {','.join(run.stage().cards)}")

    def ask(self, run: LessonRun, ask: Ask) -> Given | None:
        self.heard.append(f"ask {run.prompt(ask)}")
        return self._answers.get(ask.id.replace("-", "_"))

    def moved(self, run: LessonRun, movement: Movement, arrival: Arrival) -> None:
        self.heard.append(f"moved {arrival.reached}")

    def judged(self, run: LessonRun, ask: Ask, verdict: Verdict | None) -> None:
        self.heard.append(f"judged {verdict}" if verdict is None else f"judged {verdict.right} {verdict.explanation}")

    def checked(self, run: LessonRun, check: Check, outcome: Outcome) -> None:
        self.heard.append(f"checked {outcome.passed} {run.explanation(check)}")


def test_a_prediction_comes_before_the_run_and_its_verdict_after(run: LessonRun) -> None:
    listener = _Listener(q_ring="1")
    play(run, listener)
    assert listener.heard == [
        "beat First",
        "Before.",
        "show memory",
        "ask The guest says 0. The hardware says?",
        "moved True",
        "judged True It was 1.",
        "Between.",
        "ask Is paging on now?",
        "judged None",
        "checked True CPL 1",
        "beat Second",
        "After.",
        "hint Where? There.",
        "moved True",
        "show console",
    ]
    assert run.points == 2 + 3 + 4
    assert run.lesson.points == 10


def test_the_steps_of_a_beat_say_what_a_question_predicts(run: LessonRun) -> None:
    beat = run.lesson.beats[0]
    kinds = [step.kind for step in steps(beat)]
    assert kinds == [
        StepKind.SAY, StepKind.SHOW, StepKind.ASK, StepKind.MOVE, StepKind.JUDGE,
        StepKind.SAY, StepKind.ASK, StepKind.JUDGE, StepKind.CHECK,
    ]  # fmt: skip
    first, second = beat.asks
    assert movement_after(beat, first) is beat.movements[0]
    assert movement_after(beat, second) is None


def test_several_predictions_of_one_run_are_asked_in_order(tmp_path: Path) -> None:
    asks = "".join(
        f'```{{ask}}\nid: q-{n}\nprompt: "{n}?"\ntype: number\nanswer: "{n}"\n```\n\n' for n in ("1", "2", "3")
    )
    lesson = load(write_lesson(tmp_path, f'## One\nText.\n\n```{{run}}\nuntil: "after(3)"\n```\n\n{asks}'))
    order = [(step.kind.value, getattr(step.part, "id", "")) for step in steps(lesson.beats[0])]
    assert order[1:] == [
        ("ask", "q-1"),
        ("ask", "q-2"),
        ("ask", "q-3"),
        ("move", ""),
        ("judge", "q-1"),
        ("judge", "q-2"),
        ("judge", "q-3"),
    ]


def test_the_stage_follows_the_beats_show_blocks(run: LessonRun) -> None:
    stage = run.stage()
    assert stage.cards == ("memory",)
    assert stage.highlight == ("vcpu.cpl",)
    assert stage.memory == run.scope.address_of("ticks", None, None)
    assert (stage.walk, stage.code) == (None, "sched_lock")
    run.enter(1)
    assert run.stage().cards == run.lesson.cards, "what a task is followed by comes after it"
    first = next(part for part in run.lesson.beats[0].parts if isinstance(part, Show))
    assert run.stage(first).cards == ("memory",)


def test_a_task_is_done_in_whatever_way_the_student_gets_there(run: LessonRun) -> None:
    run.enter(1)
    (task,) = run.here.movements
    assert isinstance(task, Do)
    assert not run.task_done(task)
    run.begin(task)
    run.timeline.run(100)
    assert not run.task_done(task)
    run.timeline.run(4_000)
    assert run.task_done(task)
    run.timeline.seek(run.timeline.position._replace(n=0, phase=0))
    assert not run.task_done(task)
    assert run.points == 4  # what was earned stays earned


def test_a_task_done_before_is_there_to_be_done_again(run: LessonRun) -> None:
    run.enter(1)
    (task,) = run.here.movements
    assert isinstance(task, Do)
    run.done.add(task.id)
    run.begin(task)
    run.timeline.run(100)
    assert not run.task_done(task)


def test_a_trap_to_step_through_is_done_when_the_guest_runs_again_and_not_before(run: LessonRun) -> None:
    run.enter(1)
    (task,) = run.here.movements
    assert isinstance(task, Do)
    run.begin(task)
    run.timeline.run(4_000, stop_when=lambda event: isinstance(event, VmmEntered) and event.reason.value == "in-out")
    seen = []
    while run.timeline.position.phase:
        seen.append(run.task_done(task))
        run.timeline.step(lambda _event: True)
    assert len(seen) > 2
    assert not any(seen)
    assert run.task_done(task)


def test_an_answer_can_be_changed_until_it_is_judged_again(run: LessonRun) -> None:
    ask = run.here.asks[0]
    assert run.judge(ask) is None
    run.journey(run.here.movements[0]).advance()
    run.answer(ask, "0")
    verdict = run.judge(ask)
    assert verdict is not None
    assert (verdict.right, verdict.solution) == (False, "1")
    run.answer(ask, "1")
    verdict = run.judge(ask)
    assert verdict is not None
    assert verdict.right
    assert run.points == 2


def test_progress_survives_a_file(run: LessonRun, tmp_path: Path) -> None:
    play(run, _Listener(q_ring="1", q_now="0"))
    saved = json.loads(json.dumps(run.saved()))
    other = LessonRun(run.lesson, run.world, run.timeline)
    other.restore(saved)
    assert (other.beat, other.reached, other.answers, other.done) == (1, 2, {"q-ring": "1", "q-now": "0"}, {"d-step"})


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"version": 99},
        {"version": 1, "lesson": "other", "beat": 1},
        {"version": 1, "lesson": "small", "beat": "x", "reached": None, "answers": [1], "done": "d-step"},
        {"version": 1, "lesson": "small", "beat": 77, "reached": -5, "answers": {"gone": "1"}, "done": ["gone", 3]},
    ],
)
def test_progress_that_does_not_fit_is_left_out(run: LessonRun, saved: dict[str, object]) -> None:
    run.restore(saved)
    assert 0 <= run.beat < 2
    assert run.answers == {}
    assert run.done == set()


def test_two_students_may_get_different_questions_and_one_always_the_same(tmp_path: Path) -> None:
    body = """## One
Text.

```{ask}
id: q-split
prompt: "Which entry of the directory is for `{va}`?"
type: number
vary: {va: ["0x00400000", "0x08048000", "0xbffff000", "0x00c00000"]}
answer: "va >> 22"
predict: false
```
"""
    lesson = load(write_lesson(tmp_path, body))
    start = LessonRun.start(lesson)
    prompts = {}
    for student in ("ada", "grace", "kathleen", "jean"):
        run = LessonRun(lesson, start.world, start.timeline, student)
        prompts[student] = run.prompt(run.here.asks[0])
        run.answer(run.here.asks[0], str(int(prompts[student].split("`")[1], 16) >> 22))
        verdict = run.judge(run.here.asks[0])
        assert verdict is not None
        assert verdict.right
    assert len(set(prompts.values())) > 1
    again = LessonRun(lesson, start.world, start.timeline, "ada")
    assert again.prompt(again.here.asks[0]) == prompts["ada"]


def test_a_beat_that_shows_other_cards_later_begins_with_those_of_the_lesson(tmp_path: Path) -> None:
    body = (
        '## One\nText.\n\n```{run}\nuntil: "after(3)"\n```\n\n```{show}\ncards: [console]\n```\n\nMore.\n\n'
        '## Two\nText.\n\n```{show}\ncards: [registers]\n```\n\n```{run}\nuntil: "after(3)"\n```\n\n'
        "```{show}\ncards: [console]\n```\n\nMore.\n"
    )
    run = LessonRun.start(load(write_lesson(tmp_path, body)))
    assert run.stage().cards == run.lesson.cards != ("console",)
    run.enter(1)
    assert run.stage().cards == ("registers",)
