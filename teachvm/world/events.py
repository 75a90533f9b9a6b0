"""Facts about a whole world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from teachvm.trace.events import Event


@dataclass(frozen=True, slots=True)
class WorldEnded(Event):
    """Nothing can run any more. A phase, so that the end is a moment of its own.

    Attributes:
        text: Why, in one sentence.
        failed: Whether the end was a failure of a guest.
    """

    PHASE: ClassVar[bool] = True
    text: str
    failed: bool
