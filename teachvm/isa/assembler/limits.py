"""How much one source may ask for, so that no text can hang the assembler or eat the machine's memory.

Every loop in this package spends steps from one `Budget`; a step is a token, a line or a statement looked
at, never a moment of wall time, so a source is refused on every machine or on none.
"""

from typing import Final

ERRORS: Final = 20
"""Problems collected before the assembler gives up on a source."""
SOURCE_BYTES: Final = 1 << 20
"""One source file, in characters."""
LINE_CHARACTERS: Final = 2000
LINE_TOKENS: Final = 4096
"""Tokens of one line after its macros are expanded."""
NAME_CHARACTERS: Final = 128
LINES: Final = 100_000
"""Lines read, repeated and expanded, all files together."""
INCLUDE_DEPTH: Final = 16
MACRO_DEPTH: Final = 32
MACRO_PARAMETERS: Final = 64
REPETITIONS: Final = 65_536
"""Rounds of one %rep, and of one `times` whose bytes differ from round to round."""
OUTPUT_BYTES: Final = 16 << 20
EXPRESSION_DEPTH: Final = 64
NUMBER_CHARACTERS: Final = 80
NEAR_NAMES: Final = 2000
"""Known names a misspelt one is compared with."""
LAYOUT_ROUNDS: Final = 32
"""Rounds in which a layout comes to rest, or never does."""
STEPS: Final = 1_000_000
CHARACTERS_PER_STEP: Final = 64
"""Characters read that count as one step."""
ENCODING_STEPS: Final = 10
"""Steps an instruction costs whose operands have names, each round of the layout."""


class ExhaustedError(Exception):
    """The source asked for more work than one source may."""


class Budget:
    """Steps left for one assembly."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take `steps` off.

        Raises:
            ExhaustedError: Fewer were left.
        """
        self.left -= steps
        if self.left < 0:
            raise ExhaustedError
