"""What the lesson rail, the header and the library say: value types a window paints and a terminal prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AskKind = Literal["choice", "number", "text"]
Verdict = Literal["open", "right", "wrong"]


@dataclass(frozen=True, slots=True)
class Said:
    """A passage of the beat, as Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True)
class AskView:
    """A prediction or a question; the answer is hidden until one was given.

    `options` is empty unless `kind` is choice; `chosen` is the index (choice) or the text (number, text) given last.
    Once judged, `right` is what would have been right, in the same form, and `feedback` says why. `predict`: a guess is
    wanted before the machine shows it.
    """

    id: str
    prompt: str
    kind: AskKind = "choice"
    kicker: str = "Predict"
    options: tuple[str, ...] = ()
    chosen: str = ""
    verdict: Verdict = "open"
    right: str = ""
    feedback: str = ""
    locked: bool = False
    predict: bool = False


@dataclass(frozen=True, slots=True)
class TaskView:
    """Something to do by hand; `text` is Markdown."""

    id: str
    text: str
    done: bool = False


@dataclass(frozen=True, slots=True)
class CheckView:
    """What was found to be true, or not; `detail` says what was found instead."""

    id: str
    text: str
    passed: bool = True
    detail: str = ""


RailPart = Said | AskView | TaskView | CheckView
"""What a beat tells the student, in the order it happens; what was not reached yet is not told."""


@dataclass(frozen=True, slots=True)
class HintView:
    """Help that stays folded until the student wants it."""

    title: str
    prose: str


@dataclass(frozen=True, slots=True)
class PrimaryAction:
    """The one button of a beat. `command` is a key of the command table; `why` says why it is disabled."""

    text: str
    command: str
    enabled: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class RailView:
    """One beat as the student reads it, as far as they have come; prose is Markdown.

    Inline colour: a link to `role:vmm` (or any other role) colours its words, a link to `term:NAME` explains them.
    """

    heading: str
    kicker: str = ""
    parts: tuple[RailPart, ...] = ()
    hints: tuple[HintView, ...] = ()
    action: PrimaryAction | None = None
    notes: str = ""

    @property
    def ask(self) -> AskView | None:
        """The question asked last."""
        return next((part for part in reversed(self.parts) if isinstance(part, AskView)), None)

    @property
    def predicting(self) -> str:
        """Id of the prediction the beat waits for; empty when it waits for none."""
        ask = self.ask
        return ask.id if ask is not None and ask.predict and not ask.locked else ""


@dataclass(frozen=True, slots=True)
class TechniqueView:
    """One position of a switch; `name` is its label in full, `why` says what it is, or why it cannot be chosen here."""

    id: str
    label: str
    name: str
    available: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class HeaderView:
    """Where the student is: lesson, beats (done, now, ahead), technique; who translates, where that can be chosen.

    `place` says where the student is without a lesson.
    """

    number: str = ""
    title: str = ""
    beats: tuple[Literal["done", "now", "ahead"], ...] = ()
    techniques: tuple[TechniqueView, ...] = ()
    technique: str = ""
    place: str = ""
    pagings: tuple[TechniqueView, ...] = ()
    paging: str = ""


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A lesson as the library shows it; `reached` of `beats` were seen; `problem` says why it cannot be opened."""

    id: str
    number: str
    title: str
    summary: str
    minutes: int = 0
    beats: int = 0
    reached: int = 0
    concepts: tuple[str, ...] = ()
    problem: str = ""
