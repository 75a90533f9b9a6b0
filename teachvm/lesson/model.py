"""A loaded lesson: frozen values that a window, a terminal and a grader read alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from teachvm.lesson.anchors import Anchor
from teachvm.lesson.expressions import Expression
from teachvm.lesson.markdown import Prose
from teachvm.lesson.milestones import Stop
from teachvm.lesson.problems import Place, Problem
from teachvm.lesson.schema import FrontMatter, Visibility
from teachvm.trace.grain import Grain
from teachvm.world.spec import WorldSpec

NO_PROSE = Prose("", "")


@dataclass(frozen=True, slots=True)
class Template:
    """Text with values of the machine in it; `pieces` alternate between text and expression."""

    source: str
    pieces: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose between two blocks."""

    prose: Prose
    place: Place


@dataclass(frozen=True, slots=True)
class Hint:
    """Help that stays folded; a `solution` is folded deeper."""

    title: str
    prose: Prose
    place: Place
    solution: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The machine runs to an anchor."""

    id: str
    until: Anchor
    limit: int
    stop: Stop
    highlight: tuple[Expression, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Show:
    """From here on the stage shows these cards; empty `cards` keeps those that are there.

    `code` is a label; `memory` and `walk` give linear addresses.
    """

    cards: tuple[str, ...]
    highlight: tuple[Expression, ...]
    vm: str
    code: str
    memory: Expression | None
    walk: Expression | None
    place: Place


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose."""

    text: str
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Vary:
    """A name of a question with the values students get one of."""

    name: str
    choices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; `predict` puts it before the movement it follows. `type` is choice, number or text."""

    id: str
    prompt: Template
    type: str
    options: tuple[Option, ...]
    answer: Expression | None
    explain: Template | None
    predict: bool
    vary: tuple[Vary, ...]
    points: int
    visibility: Visibility
    place: Place


@dataclass(frozen=True, slots=True)
class Check:
    """Facts that hold here."""

    id: str
    title: str
    expect: tuple[Expression, ...]
    explain: Template | None
    points: int
    visibility: Visibility
    place: Place


@dataclass(frozen=True, slots=True)
class Do:
    """Something the student does, done when the anchor is reached; `grain` is the step offered for it."""

    id: str
    task: Prose
    until: Anchor
    stop: Stop
    limit: int
    grain: Grain
    points: int
    place: Place


Movement = Run | Do
Part = Passage | Hint | Run | Show | Ask | Check | Do


@dataclass(frozen=True, slots=True)
class Beat:
    """One `## ` section; `parts` in the order of the file. `index` counts from 0."""

    index: int
    title: str
    parts: tuple[Part, ...]
    notes: Prose
    place: Place

    @property
    def prose(self) -> Prose:
        """What the student reads, without the blocks between."""
        passages = [part.prose for part in self.parts if isinstance(part, Passage)]
        return Prose("\n\n".join(p.markdown for p in passages), "".join(p.html for p in passages))

    @property
    def movements(self) -> tuple[Movement, ...]:
        """Where the machine runs, in order."""
        return tuple(part for part in self.parts if isinstance(part, (Run, Do)))

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The beat's questions, in order."""
        return tuple(part for part in self.parts if isinstance(part, Ask))

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Folded help, in order."""
        return tuple(part for part in self.parts if isinstance(part, Hint))


@dataclass(frozen=True, slots=True)
class Instructor:
    """What the author expects, from `instructor.yaml`; `hidden` pairs each check with the beat it follows (from 0)."""

    answers: tuple[tuple[str, int | str], ...] = ()
    hidden: tuple[tuple[int, Check], ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson that was read whole and found good; `number` is its place in the course, 0 if it has none."""

    folder: Path
    file: str
    number: int
    front: FrontMatter
    spec: WorldSpec
    intro: Prose
    objectives: Prose
    keypoints: Prose
    notes: Prose
    beats: tuple[Beat, ...]
    instructor: Instructor
    warnings: tuple[Problem, ...]

    @property
    def id(self) -> str:
        """The lesson's name, unique in a course."""
        return self.front.id

    @property
    def title(self) -> str:
        """The lesson's name for people."""
        return self.front.title

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards a beat shows when it names none."""
        return self.front.show

    @property
    def points(self) -> int:
        """All points that can be had."""
        parts = [part for beat in self.beats for part in beat.parts]
        visible = sum(part.points for part in parts if isinstance(part, (Ask, Check, Do)))
        return visible + sum(check.points for _, check in self.instructor.hidden)
