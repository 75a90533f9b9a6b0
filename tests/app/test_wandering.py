"""A student who looks around between two presses of the button learns the same as one who does not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from teachvm.app.control import Direction
from teachvm.app.flow import Waiting
from teachvm.app.lesson_session import LessonSession
from teachvm.lesson.catalogue import find, shipped
from teachvm.lesson.loader import load
from teachvm.lesson.model import Ask
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START, Moment
from tests.app.lessons import settled

MOST_PRESSES = 200
SOAK = pytest.mark.soak
WAYS = [
    pytest.param(entry.id, seed, marks=() if seed == 0 and entry.id == "two-level-paging" else SOAK)
    for entry in shipped()
    for seed in range(8)
]
"""Every lesson many times as a soak; the shortest once always."""


def look_around(session: LessonSession, chance: random.Random) -> None:
    """Move a few times in any way that a student may, wait for some of it, stop some of it."""
    for _ in range(chance.randrange(4)):
        frontier = session.control.timeline.frontier.n
        match chance.randrange(8):
            case 0:
                session.step(chance.choice((Grain.VISIBLE, Grain.INSTRUCTION, Grain.TRAP)))
            case 1:
                session.back(chance.choice((Grain.VISIBLE, Grain.INSTRUCTION, Grain.TRAP)))
            case 2:
                session.seek(Moment(chance.randrange(frontier + 1), chance.randrange(3)))
            case 3:
                session.seek(START)
            case 4:
                session.start(Direction.BACKWARD)
            case 5:
                session.start()
                for _ in range(chance.randrange(3)):
                    session.work(lambda: False)
                session.stop()
            case 6:
                session.start()
            case _:
                if session.flow.waiting in (Waiting.RUN, Waiting.TASK):
                    session.act()
                session.stop()
        settled(session)


def learnt(lesson: str, seed: int | None) -> dict[str, Any]:
    """What a lesson comes to: where its beats end, what was right and why, what was found; None does not wander."""
    session = settled(LessonSession(load(find(lesson))))
    chance, flow, ends = random.Random(seed), session.flow, {}
    for _ in range(MOST_PRESSES):
        if seed is not None:
            look_around(session, chance)
        if flow.waiting is Waiting.ANSWER and isinstance(flow.part, Ask):
            session.answer(flow.part.id, "0" if flow.part.type == "choice" else "2")
        assert flow.waiting is not Waiting.NOTHING
        if flow.waiting is Waiting.END:
            ends[session.run.beat] = flow.moment
            if flow.last:
                break
        session.act()
        settled(session)
    run = session.run
    return {"ends": ends, "verdicts": run.verdicts, "outcomes": run.outcomes, "done": run.done, "points": run.points}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("lesson", "seed"), WAYS)
def test_who_looks_around_learns_the_same(lesson: str, seed: int) -> None:
    plain = learnt(lesson, None)
    assert len(plain["ends"]) == len(load(find(lesson)).beats)
    assert learnt(lesson, seed) == plain
