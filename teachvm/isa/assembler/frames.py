"""What the preprocessor reads lines from, and what it keeps of a block until its end."""

from collections.abc import Callable
from dataclasses import dataclass, field

from teachvm.isa.assembler.lexer import SourceLine, Token
from teachvm.isa.assembler.macros import Tokens


@dataclass(frozen=True, slots=True)
class Line:
    """A line after preprocessing.

    Shape: `origin` is the line of a file it counts for, the outermost use of a macro; `trail` names the
    macros and files it came through, innermost first.
    """

    tokens: Tokens
    origin: SourceLine
    trail: tuple[str, ...]


@dataclass(slots=True)
class Condition:
    """An open %if: whether its lines count now, whether a branch already did, whether %else was seen."""

    opener: Token
    taking: bool
    decided: bool
    closing: bool = False


@dataclass(slots=True)
class Frame:
    """Something lines are read from: a file, one use of a macro, or a repeated block."""

    kind: str
    rows: list[str] | list[Tokens]
    name: str = ""
    trail: tuple[str, ...] = ()
    origin: SourceLine | None = None
    arguments: list[Tokens] = field(default_factory=list)
    given: int = 0
    unique: int = 0
    rounds: int = 1
    index: int = 0
    conditions: list[Condition] = field(default_factory=list)

    @property
    def skipping(self) -> bool:
        """Whether lines are passed over, inside a branch not taken."""
        return bool(self.conditions) and not self.conditions[-1].taking


@dataclass(slots=True)
class Capture:
    """A %macro or %rep whose lines are being kept for later."""

    opener: Token
    closers: tuple[str, ...]
    finish: Callable[[tuple[Tokens, ...]], None]
    nested: int = 0
    body: list[Tokens] = field(default_factory=list)
