"""What a source became: bytes, names, and which line every byte came from."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from teachvm.isa.assembler.lexer import SourceLine
from teachvm.isa.keystone import Agreement


class Span(NamedTuple):
    """Bytes at `address` for `length`, and the line of a file they count for; code and data alike."""

    address: int
    length: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of one statement.

    Shape: `agreement` is keystone's opinion of an instruction, None for data. `repeated` counts the rounds of
    `times`; `data` holds all of them.
    """

    address: int
    data: bytes
    source: SourceLine
    agreement: Agreement | None = None
    repeated: int = 1


@dataclass(frozen=True, slots=True)
class Assembly:
    """A source assembled.

    Shape: `data` starts at address `origin`. `symbols` holds every label and `equ` by full name (`main.loop`),
    `labels` those that are addresses of bytes. `map` is ordered by address. `pieces` are in address order,
    `lines` in reading order.
    """

    name: str
    origin: int
    data: bytes
    symbols: Mapping[str, int]
    labels: frozenset[str]
    map: tuple[Span, ...]
    pieces: tuple[Piece, ...]
    lines: tuple[SourceLine, ...]

    def span_at(self, address: int) -> Span | None:
        """The span that holds `address`, or None outside the program."""
        position = bisect_right(self.map, address, key=lambda span: span.address) - 1
        if position < 0:
            return None
        span = self.map[position]
        return span if address < span.address + span.length else None

    def is_code(self, address: int) -> bool:
        """Whether an instruction was assembled over `address`; False for data and padding."""
        position = bisect_right(self.pieces, address, key=lambda piece: piece.address) - 1
        if position < 0:
            return False
        piece = self.pieces[position]
        return piece.agreement is not None and address < piece.address + len(piece.data)
