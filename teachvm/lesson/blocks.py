"""What may stand in a lesson's machine blocks, and the names of its prose blocks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StrictStr, WithJsonSchema, model_validator

from teachvm.lesson.schema import (
    CardIds,
    Closed,
    FrontMatter,
    Identifier,
    Line,
    Points,
    Prose,
    Visibility,
    wrong,
)
from teachvm.trace.grain import Grain

DEFAULT_LIMIT = 1_000_000
MAX_LIMIT = 50_000_000


def _expression(value: object) -> object:
    if not isinstance(value, str):
        raise wrong(f'an expression stands in quotes, for example "cpu.flags.IF == 1"; this is {value!r}')
    return value


Quoted = Annotated[StrictStr, BeforeValidator(_expression), Field(max_length=2_000)]
"""Text of an expression; it is checked when the machine's words are known."""

Limit = Annotated[StrictInt, Field(ge=1, le=MAX_LIMIT)]
Paths = Annotated[tuple[Quoted, ...], Field(max_length=16)]
Where = Literal["before", "at", "after"]


class Run(Closed):
    """Let the machine run to an anchor; `stop` says where in the unit it ends."""

    id: Identifier | None = None
    until: Quoted
    limit: Limit = DEFAULT_LIMIT
    stop: Where | None = None
    highlight: Paths = ()


class Show(Closed):
    """Which cards the beat shows, what they look at, and which values stand out."""

    id: Identifier | None = None
    cards: CardIds | None = None
    highlight: Paths = ()
    vm: StrictStr | None = None
    code: Line | None = None
    memory: Quoted | None = None
    walk: Quoted | None = None


class Option(Closed):
    """One answer to choose; it is right when its expression holds, and without one it never is."""

    text: Line
    when: Quoted | None = None


class Ask(Closed):
    """A question whose answer is computed from the machine.

    `predict`: it is put to the student before the block it follows moves the machine, and judged where it stands.
    `vary` gives names a list of expressions; each student gets one of them, chosen by the lesson's seed.
    """

    id: Identifier
    prompt: Prose
    type: Literal["choice", "number", "text"]
    options: Annotated[tuple[Option, ...], Field(max_length=8)] = ()
    answer: Quoted | None = None
    explain: Prose | None = None
    predict: StrictBool = True
    vary: dict[
        Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,15}$")],
        Annotated[tuple[Quoted, ...], Field(min_length=1, max_length=32)],
    ] = Field(default_factory=dict)
    points: Points = 1
    visibility: Visibility = "visible"

    @model_validator(mode="after")
    def _answerable(self) -> Ask:
        if self.type == "choice":
            if len(self.options) < 2:
                raise wrong("a choice needs at least two options")
            if self.answer is not None:
                raise wrong("a choice has no 'answer'; its options say when they are right")
            if all(option.when is None for option in self.options):
                raise wrong("no option can ever be right; give at least one a 'when'")
            if len({option.text for option in self.options}) < len(self.options):
                raise wrong("two options have the same text")
        elif self.answer is None:
            raise wrong(f"a question of type {self.type} needs an 'answer', an expression")
        elif self.options:
            raise wrong(f"options belong to a choice; this question is of type {self.type}")
        return self


class Check(Closed):
    """Facts that must hold at this place."""

    id: Identifier
    title: Line | None = None
    expect: Annotated[tuple[Quoted, ...], Field(min_length=1, max_length=16)]
    explain: Prose | None = None
    points: Points = 0
    visibility: Visibility = "visible"


def _grain(value: object) -> Grain:
    if value not in [grain.value for grain in Grain]:
        raise wrong(f"a grain is one of {', '.join(grain.value for grain in Grain)}")
    return Grain(value)


class Do(Closed):
    """Something the student does; done when the anchor is reached. `grain` is the step that is offered for it."""

    id: Identifier
    task: Prose
    until: Quoted
    stop: Where | None = None
    limit: Limit = DEFAULT_LIMIT
    grain: Annotated[Grain, BeforeValidator(_grain), WithJsonSchema({"enum": [grain.value for grain in Grain]})] = (
        Grain.VISIBLE
    )
    points: Points = 0


class HiddenCheck(Check):
    """A check of `instructor.yaml`; `beat` counts from 1 and says after which beat it is tested."""

    beat: Annotated[StrictInt, Field(ge=1, le=60)]
    visibility: Visibility = "hidden"


class InstructorFile(Closed):
    """`instructor.yaml` beside a lesson: what its author expects, kept out of the student's copy.

    `answers` gives the expected answer of a question by its id; the machine must agree.
    """

    format: StrictInt
    lesson: Identifier
    answers: dict[StrictStr, StrictInt | StrictStr] = Field(default_factory=dict)
    checks: Annotated[tuple[HiddenCheck, ...], Field(max_length=64)] = ()


MACHINE_BLOCKS: dict[str, type[Closed]] = {"run": Run, "show": Show, "ask": Ask, "check": Check, "do": Do}
PROSE_BLOCKS: dict[str, str] = {
    "hint": "help that stays folded until the student wants it",
    "solution": "the solution of the beat's task, folded",
    "instructor": "notes for whoever teaches, not shown to students",
    "objectives": "what the student can say or do after the lesson",
    "keypoints": "what to remember",
}


def json_schema() -> dict[str, Any]:
    """The published schema: the front matter, each block's YAML and the instructor's file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "teachvm lesson",
        "frontMatter": FrontMatter.model_json_schema(),
        "blocks": {name: model.model_json_schema() for name, model in MACHINE_BLOCKS.items()},
        "proseBlocks": PROSE_BLOCKS,
        "instructor": InstructorFile.model_json_schema(),
    }
