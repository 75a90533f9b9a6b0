"""A beat as a student goes through it, by the book and not by the book."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from teachvm.app.control import Direction
from teachvm.app.flow import Waiting
from teachvm.app.lesson_session import LessonSession
from teachvm.app.presentation import CardView
from teachvm.app.rail import AskView, CheckView, Said, TaskView
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START, Moment
from teachvm.vmm.events import VmmEntered
from teachvm.vmm.techniques import Technique
from tests.app.lessons import FOR_EVER, KERNEL, opened, ready, settled

BODY = """
## One

We go to the first cli.

```{run}
until: "at('first')"
```

```{ask}
id: q-ecx
prompt: What will ECX hold?
type: number
answer: "alpha.vcpu.ecx"
points: 2
```

We are there now.

```{ask}
id: q-eax
prompt: And EAX, which is {alpha.vcpu.eax}?
type: choice
predict: false
options:
  - {text: "0", when: "alpha.vcpu.eax == 0"}
  - {text: "1", when: "alpha.vcpu.eax == 1"}
explain: It is {alpha.vcpu.eax}.
points: 1
```

```{check}
id: c-eax
expect: ["alpha.vcpu.eax == 0", "alpha.vcpu.eip == label('first')"]
points: 1
```

## Two

```{show}
cards: [console, registers]
```

```{do}
id: d-second
task: Step through the second cli.
until: "trap('cli', nth=2)"
grain: instruction
points: 1
```

```{check}
id: c-second
expect: ["alpha.vcpu.eax == 1", "count('trap', reason='cli') == 2"]
points: 1
```

## Three

```{run}
until: "at('print')"
```

```{check}
id: c-print
expect: ["alpha.vcpu.eax == 3"]
points: 1
```

## Four

```{run}
until: "stopped"
```

```{check}
id: c-end
expect: ["'x' in alpha.console"]
points: 1
```
"""


@pytest.fixture
def session(tmp_path: Path) -> LessonSession:
    return ready(tmp_path, BODY)


def at(session: LessonSession, label: str) -> bool:
    """Whether the guest stands at a label, between two instructions."""
    guest = next(iter(session.control.world.guests.values()))
    return session.position.phase == 0 and session.control._next_instruction() == guest.symbols.address_of(label)


def action(session: LessonSession) -> tuple[str, str, bool]:
    shown = session.rail().action
    assert shown is not None
    return shown.text, shown.command, shown.enabled


def press(session: LessonSession) -> None:
    """Press the rail's one button, whatever it says, and wait."""
    text, command, enabled = action(session)
    assert enabled, f"{text} cannot be pressed"
    match command:
        case "act":
            session.act()
        case "next-beat":
            session.next_beat()
        case "step":
            session.step(Grain.VISIBLE)
        case "step-instruction":
            session.step(Grain.INSTRUCTION)
        case "next-trap":
            session.step(Grain.TRAP)
        case _:
            raise AssertionError(f"the button says {command}")
    settled(session)


def first_beat_done(session: LessonSession) -> LessonSession:
    session.answer("q-ecx", "0")
    press(session)
    press(session)
    session.answer("q-eax", "0")
    press(session)
    return session


# ---- by the book --------------------------------------------------------------------------------------------------


def test_a_prediction_is_put_before_its_run_and_judged_after_it(session: LessonSession) -> None:
    assert session.position == START, "nothing runs before the prediction"
    ask = session.rail().ask
    assert ask is not None
    assert (ask.id, ask.kicker, ask.verdict, ask.locked) == ("q-ecx", "Predict", "open", False)
    assert action(session) == ("Keep this prediction", "act", False)
    session.act()
    assert session.flow.waiting is Waiting.ANSWER, "without an answer the button does nothing"
    session.answer("q-ecx", "seven")
    assert action(session) == ("Keep this prediction", "act", False)
    session.answer("q-ecx", "7")
    press(session)
    assert session.position == START
    assert action(session) == ("Run and see", "act", True)
    session.answer("q-ecx", "0")
    assert session.run.answers["q-ecx"] == "7", "what was kept is kept"
    press(session)
    assert at(session, "first")
    verdict = session.run.verdicts["q-ecx"]
    assert (verdict.right, verdict.solution) == (False, "0")
    shown = [part for part in session.rail().parts if isinstance(part, AskView)]
    assert (shown[0].verdict, shown[0].right, shown[0].locked) == ("wrong", "0", True)
    assert shown[1].kicker == "Question"
    assert shown[1].prompt == "And EAX, which is 0?"


def test_what_comes_after_a_question_is_told_after_it(session: LessonSession) -> None:
    def said() -> str:
        return " ".join(part.markdown for part in session.rail().parts if isinstance(part, Said))

    assert "We go to the first cli." in said()
    assert "We are there now." not in said()
    session.answer("q-ecx", "0")
    press(session)
    press(session)
    assert "We are there now." in said()
    assert not any(isinstance(part, CheckView) for part in session.rail().parts)
    session.answer("q-eax", "0")
    press(session)
    assert [part.passed for part in session.rail().parts if isinstance(part, CheckView)] == [True]


def test_a_whole_lesson_by_its_one_button_earns_all_points(session: LessonSession) -> None:
    seen = []
    while session.flow.waiting is not Waiting.END or not session.flow.last:
        part = session.flow.part
        if session.flow.waiting is Waiting.ANSWER:
            session.answer(part.id, "0")  # type: ignore[union-attr]  # it waits for an Ask
        seen.append(action(session)[0])
        press(session)
        assert len(seen) < 100
    assert seen[:4] == ["Keep this prediction", "Run and see", "Check the answer", "Next"]
    assert set(seen[4:]) == {"Step one instruction", "Next"}
    assert session.run.points == session.lesson.points
    assert action(session) == ("Back to all lessons", "home", True)
    assert session.header().beats == ("done", "done", "done", "now")


def test_the_button_says_that_a_run_goes_on_and_esc_gives_it_back(tmp_path: Path) -> None:
    session = opened(tmp_path, "## One\n\n```{run}\nuntil: \"at('end')\"\n```\n")
    assert session.running
    assert action(session) == ("Running …", "act", False)
    session.act()
    session.stop()
    assert not session.running
    assert session.position == START
    assert action(session) == ("Run and see", "act", True)
    session.act()
    assert session.running
    settled(session)
    assert at(session, "end")
    assert session.flow.waiting is Waiting.END


def test_a_run_to_an_anchor_is_done_in_slices(tmp_path: Path) -> None:
    session = opened(tmp_path, '## One\n\n```{run}\nuntil: "after(200000)"\n```\n', FOR_EVER)
    assert session.work(lambda: False)
    middle = session.position
    assert START < middle < Moment(200_000)
    session.stop()
    assert action(session)[0] == "Run and see"
    press(session)
    assert session.position == Moment(200_000)


# ---- wandering off ------------------------------------------------------------------------------------------------


def test_a_run_begins_where_the_beat_stands_however_far_the_student_went(session: LessonSession) -> None:
    for _ in range(60):
        session.step(Grain.INSTRUCTION)
    session.answer("q-ecx", "0")
    press(session)
    for _ in range(10):
        session.step(Grain.VISIBLE)
    press(session)
    assert at(session, "first")
    assert session.run.verdicts["q-ecx"].right


@pytest.mark.parametrize("wander", ["forward", "back", "end", "seek", "run back"])
def test_a_question_is_judged_where_it_was_put_not_where_the_student_went(session: LessonSession, wander: str) -> None:
    session.answer("q-ecx", "0")
    press(session)
    press(session)
    asked_at = session.position
    match wander:
        case "forward":
            for _ in range(7):
                session.step(Grain.INSTRUCTION)
        case "back":
            session.back(Grain.INSTRUCTION)
        case "end":
            session.start()
        case "seek":
            session.seek(Moment(3))
        case _:
            session.start(Direction.BACKWARD)
    settled(session)
    assert session.position != asked_at
    session.answer("q-eax", "0")
    press(session)
    assert session.run.verdicts["q-eax"].right
    assert session.run.outcomes["c-eax"].passed
    assert session.position == asked_at


# ---- tasks --------------------------------------------------------------------------------------------------------


def at_the_task(session: LessonSession) -> LessonSession:
    first_beat_done(session)
    press(session)
    assert session.flow.waiting is Waiting.TASK
    assert session.stage == ("console", "registers")
    return session


def done_well(session: LessonSession) -> bool:
    shown = [part.done for part in session.rail().parts if isinstance(part, TaskView)]
    return shown == [True] and session.run.outcomes["c-second"].passed and "d-second" in session.run.done


WAYS = ("button", "visible", "instruction", "trap", "run", "run to a breakpoint", "click", "over and back")


@pytest.mark.parametrize("way", WAYS)
def test_a_task_is_done_by_moving_in_any_way_and_checked_where_it_was_done(session: LessonSession, way: str) -> None:
    at_the_task(session)
    began = session.flow.moment
    match way:
        case "button":
            while session.flow.waiting is Waiting.TASK:
                press(session)
        case "visible" | "instruction":
            while session.flow.waiting is Waiting.TASK:
                session.step(Grain(way))
        case "trap":
            for _ in range(3):
                session.step(Grain.TRAP)
        case "run":
            session.start()
        case "run to a breakpoint":
            session.toggle_breakpoint(next(iter(session.control.world.guests.values())).symbols.address_of("end"))
            session.start()
        case "click":
            session.seek(Moment(began.n + 20))
        case _:
            session.control.timeline.seek(Moment(10**6))  # as a student who ran through it before
            session.seek(began)
            assert session.flow.waiting is Waiting.TASK
            session.seek(Moment(began.n + 1))
            assert session.flow.waiting is Waiting.TASK
            session.seek(Moment(10**6))
    settled(session)
    assert done_well(session)
    assert session.flow.waiting is Waiting.END
    assert at(session, "second") is False
    guest = session.control.world.guests["alpha"]
    entries = session.control.world.recorder.log.of(VmmEntered, began, session.position)
    assert [event.reason.value for event in entries].count("cli") == 2
    assert session.flow.moment == session.position
    assert session.position.phase == 0
    assert guest.symbols.address_of("second") + 1 == session.control._next_instruction()


def test_a_task_with_a_label_is_done_when_a_run_comes_by(tmp_path: Path) -> None:
    body = """
## One

```{do}
id: d-print
task: Go to print.
until: "at('print')"
```

```{check}
id: c-print
expect: ["alpha.vcpu.eip == label('print')"]
points: 1
```
"""
    session = ready(tmp_path, body)
    session.start()
    settled(session)
    assert at(session, "print")
    assert session.run.outcomes["c-print"].passed


def test_a_task_at_a_phase_ends_at_that_phase_even_after_a_longer_step(tmp_path: Path) -> None:
    body = """
## One

```{do}
id: d-in
task: Step into the VMM.
until: "trap('cli')"
stop: at
```

```{check}
id: c-in
expect: ["running == 'vmm'", "count('trap', reason='cli') == 1"]
points: 1
```
"""
    for grain in (Grain.VISIBLE, Grain.INSTRUCTION, Grain.TRAP):
        session = ready(tmp_path, body)
        while session.flow.waiting is Waiting.TASK:
            settled(session).step(grain)
        assert session.position.phase
        assert session.run.outcomes["c-in"].passed


def test_a_task_the_world_ended_without_can_still_be_done(session: LessonSession) -> None:
    at_the_task(session)
    # Past the anchor in one go, in a world in which it never came: there is no step forward any more.
    session.flow.moved = lambda: False  # type: ignore[method-assign]  # as if nothing on the way had been the anchor
    session.seek(Moment(10**6))
    del session.flow.moved
    assert session.flow.stranded
    assert action(session) == ("Go back and run there", "act", True)
    press(session)
    assert done_well(session)


# ---- beats --------------------------------------------------------------------------------------------------------


def test_next_goes_on_where_the_beat_ended(session: LessonSession) -> None:
    first_beat_done(session)
    here = session.position
    session.step(Grain.INSTRUCTION)
    assert action(session) == ("Next", "next-beat", True)
    press(session)
    assert session.run.beat == 1
    assert session.position == here


def test_skipping_ahead_runs_through_what_lies_between(session: LessonSession) -> None:
    session.go_to_beat(3)
    assert session.running
    settled(session)
    assert session.run.beat == 3
    assert session.flow.waiting is Waiting.END
    assert session.control.world.stopped is not None
    assert session.run.outcomes["c-end"].passed
    assert not session.run.done, "nobody did the task"
    assert session.notice is None
    session.previous_beat()
    settled(session)
    assert at(session, "print")
    session.previous_beat()
    assert session.flow.waiting is Waiting.TASK
    assert at(session, "first")
    session.previous_beat()
    assert session.position == START
    session.previous_beat()
    assert (session.run.beat, session.position) == (0, START)


def test_skipping_ahead_can_be_stopped_on_the_way(session: LessonSession) -> None:
    session.go_to_beat(3)
    for _ in range(2):
        session.flow.travel(lambda: True)
    assert session.running
    session.stop()
    assert not session.running
    assert session.run.beat in (1, 2)
    assert action(session)[2], "there is something to press"
    while not (session.flow.last and session.flow.waiting is Waiting.END):
        press(session)


def test_past_the_last_beat_there_is_nothing(session: LessonSession) -> None:
    session.go_to_beat(99)
    settled(session)
    assert session.run.beat == 3
    session.next_beat()
    settled(session)
    assert session.run.beat == 3
    session.go_to_beat(-5)
    assert session.run.beat == 0


def test_a_beat_gone_back_to_keeps_its_answers_and_can_be_gone_through_again(session: LessonSession) -> None:
    first_beat_done(session)
    press(session)
    session.previous_beat()
    settled(session)
    assert session.position == START
    assert action(session) == ("Run and see", "act", True), "what was answered is not asked again"
    press(session)
    assert session.flow.waiting is Waiting.END
    assert session.run.verdicts["q-ecx"].right
    assert session.run.outcomes["c-eax"].passed


def test_the_stage_follows_the_shows_of_a_beat(tmp_path: Path) -> None:
    body = """
## One

```{show}
cards: [registers]
```

```{run}
until: "at('first')"
```

```{ask}
id: q
prompt: Well?
type: text
predict: false
answer: "'yes'"
```

```{show}
cards: [console]
```
"""
    session = opened(tmp_path, body)
    assert session.stage == ("registers",)
    settled(session)
    assert session.stage == ("registers",)
    session.answer("q", "yes")
    session.act()
    assert session.stage == ("console",)


# ---- anchors that never come --------------------------------------------------------------------------------------


def test_under_a_technique_without_traps_every_beat_can_be_left(session: LessonSession) -> None:
    session.set_technique(Technique.BARE_METAL)
    settled(session)
    assert session.control.world.spec.host.vms[0].technique is Technique.BARE_METAL
    first_beat_done(session)
    press(session)
    assert session.flow.waiting is Waiting.TASK, "trap('cli') never happens here"
    for _ in range(60):
        if action(session)[0] != "Step one instruction":
            break
        press(session)
    assert action(session) == ("Go back and run there", "act", True)
    press(session)
    assert session.flow.waiting is Waiting.NOTHING
    assert session.notice is not None
    assert session.notice.failure
    assert "trap('cli', nth=2) was not reached" in session.notice.text
    assert at(session, "first"), "back where the run began"
    assert action(session) == ("Next", "next-beat", True)
    session.step(Grain.INSTRUCTION)
    press(session)
    assert session.run.beat == 2
    assert at(session, "print")


def test_skipping_past_an_anchor_that_never_comes_says_so_in_the_end(session: LessonSession) -> None:
    session.set_technique(Technique.BARE_METAL)
    settled(session)
    session.go_to_beat(2)
    settled(session)
    assert session.run.beat == 2
    assert at(session, "print")
    assert session.notice is not None
    assert session.notice.text.startswith("In beat 2, trap('cli', nth=2) was not reached")


def test_a_limit_that_is_not_enough_is_said_and_the_beat_can_be_left(tmp_path: Path) -> None:
    body = '## One\n\n```{run}\nuntil: "after(500)"\nlimit: 100\n```\n\n## Two\n\nThat was it.\n'
    session = ready(tmp_path, body, FOR_EVER)
    assert session.notice is not None
    assert "after(500) was not reached within 100 instructions" in session.notice.text
    assert session.position == START
    press(session)
    assert session.run.beat == 1
    assert action(session) == ("Back to all lessons", "home", True)


def test_reset_takes_a_lost_beat_up_again(session: LessonSession) -> None:
    session.set_technique(Technique.BARE_METAL)
    settled(session)
    session.go_to_beat(1)
    settled(session)
    session.start()
    settled(session)
    assert session.flow.waiting is Waiting.NOTHING
    session.reset()
    assert session.flow.waiting is Waiting.TASK


# ---- changing the past --------------------------------------------------------------------------------------------


def test_after_a_fork_the_beginnings_of_later_beats_are_found_anew(tmp_path: Path) -> None:
    # The guest counts what is typed into ECX, and takes that many rounds more before the first cli.
    source = KERNEL.replace(
        "mov     ecx, 20", "mov dx, 0x3FD\n in al, dx\n and eax, 1\n shl eax, 6\n lea ecx, [eax + 20]"
    )
    session = ready(tmp_path, BODY, source)
    session.go_to_beat(2)
    settled(session)
    before = session.position
    session.seek(START)
    session.type_text("alpha", "!")
    assert session.position == START
    session.go_to_beat(2)
    settled(session)
    assert at(session, "print")
    assert session.position.n == before.n + 128
    assert session.run.outcomes["c-print"].passed


@pytest.mark.parametrize("technique", list(Technique))
def test_from_every_state_pressing_the_button_leads_to_the_end(tmp_path: Path, technique: Technique) -> None:
    """Nobody gets stuck: whatever was done before, the one button leads through the lesson."""
    moves = (
        lambda s: s.step(Grain.VISIBLE),
        lambda s: s.back(Grain.TRAP),
        lambda s: s.start(),
        lambda s: s.stop(),
        lambda s: s.seek(Moment(10**6)),
        lambda s: s.seek(START),
        lambda s: s.reset(),
        lambda s: s.next_beat(),
        lambda s: s.type_text(next(iter(s.control.world.guests)), "x"),
        lambda s: s.drop_derived(),
        lambda s: s.start(Direction.BACKWARD),
    )
    session = ready(tmp_path, BODY)
    session.set_technique(technique)
    for number, move in enumerate(moves * 3):
        move(session)
        if number % 3:
            settled(session)
        if session.flow.waiting is Waiting.ANSWER:
            session.answer(session.flow.part.id, "0")  # type: ignore[union-attr]  # it waits for an Ask
        if number % 2 and action(session)[2] and action(session)[1] != "home":
            press(session)
    settled(session)
    for _ in range(300):
        if session.flow.last and session.flow.waiting in (Waiting.END, Waiting.NOTHING):
            break
        if session.flow.waiting is Waiting.ANSWER:
            session.answer(session.flow.part.id, "0")  # type: ignore[union-attr]  # it waits for an Ask
        press(session)
    assert action(session) == ("Back to all lessons", "home", True)


LONG = KERNEL.replace("mov     ecx, 20", "mov     ecx, 20000").replace(
    "second: cli", "        mov ecx, 9000\nmore: dec ecx\n jnz more\nsecond: cli"
)


@pytest.mark.parametrize("move", [lambda s: s.act(), lambda s: s.start(), lambda s: s.next_beat()])
def test_what_a_movement_changed_is_the_same_however_often_it_was_looked_at_on_its_way(
    tmp_path: Path, move: Callable[[LessonSession], object]
) -> None:
    views = []
    for looks in (False, True):
        session = ready(tmp_path / str(looks), BODY, LONG)
        session.next_beat()
        settled(session)
        look_at(session)
        move(session)
        while session.work(lambda: False):
            if looks:
                look_at(session)
        views.append(look_at(session))
    assert views[0] == views[1]


def look_at(session: LessonSession) -> list[CardView]:
    return [session.card(card) for card in (*session.stage, "console", "registers", "vmm-entries")]
