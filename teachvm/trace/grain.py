"""How far one step goes; every grain exists forwards and backwards."""

from __future__ import annotations

from enum import Enum


class Grain(Enum):
    """A step's size, from the finest to the coarsest."""

    VISIBLE = "visible"
    PROCESSOR = "processor"
    INSTRUCTION = "instruction"
    TRAP = "trap"
    BEAT = "beat"

    @property
    def label(self) -> str:
        """What the step goes to, as the end of "to the next …"."""
        return _LABELS[self]


_LABELS: dict[Grain, str] = {
    Grain.VISIBLE: "visible thing: VMM phase, walk reference or instruction",
    Grain.PROCESSOR: "instruction of the processor: under binary translation, one in the cache",
    Grain.INSTRUCTION: "guest instruction, with its trap",
    Grain.TRAP: "trap or exit",
    Grain.BEAT: "beat of the lesson",
}
