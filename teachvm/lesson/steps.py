"""The order in which a beat happens: what is said, asked, run and judged.

A question with `predict` that follows a movement (a `run` or a `do`) is put to the student before that movement, and
judged where it stands: after it. Everything else happens in the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from teachvm.lesson.model import Ask, Beat, Check, Do, Hint, Movement, Part, Passage, Run, Show


class StepKind(Enum):
    """What happens at a step."""

    SAY = "say"
    SHOW = "show"
    HINT = "hint"
    ASK = "ask"
    MOVE = "move"
    JUDGE = "judge"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing of a beat; `part` is of the class its kind wants."""

    kind: StepKind
    part: Part


def steps(beat: Beat) -> tuple[Step, ...]:
    """The beat in the order it happens."""
    order: list[Step] = []
    moved_at: int | None = None  # where in `order` the movement stands that questions from here on predict
    for part in beat.parts:
        match part:
            case Run() | Do():
                moved_at = len(order)
                order.append(Step(StepKind.MOVE, part))
            case Ask():
                before = moved_at if part.predict and moved_at is not None else len(order)
                order.insert(before, Step(StepKind.ASK, part))
                order.append(Step(StepKind.JUDGE, part))
                if moved_at is not None and before == moved_at:
                    moved_at += 1
            case Passage():
                order.append(Step(StepKind.SAY, part))
            case Show():
                order.append(Step(StepKind.SHOW, part))
            case Hint():
                order.append(Step(StepKind.HINT, part))
            case Check():
                order.append(Step(StepKind.CHECK, part))
    return tuple(order)


def movement_after(beat: Beat, ask: Ask) -> Movement | None:
    """The movement a question predicts, or None when it is judged as soon as it is answered."""
    found: Movement | None = None
    for part in beat.parts:
        if part is ask:
            return found if ask.predict else None
        if isinstance(part, (Run, Do)):
            found = part
    return None
