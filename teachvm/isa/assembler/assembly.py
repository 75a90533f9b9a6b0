"""What a source became: bytes, names, and which line every byte came from."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from teachvm.isa.assembler.lexer import SourceLine
from teachvm.isa.keystone import Agreement

_ROW_BYTES: Final = 8
"""Bytes in one row of a listing."""
_ROWS: Final = 4
"""Rows of one statement; longer data is cut there."""


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
    `lines` in reading order, each the very object its pieces name as their source. `riscv` says that the code is for
    another processor than IA-32.
    """

    name: str
    origin: int
    data: bytes
    symbols: Mapping[str, int]
    labels: frozenset[str]
    map: tuple[Span, ...]
    pieces: tuple[Piece, ...]
    lines: tuple[SourceLine, ...]
    riscv: bool = False

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

    @property
    def listing(self) -> str:
        """Every line that was read, the addresses and bytes it became, and keystone's opinion of each instruction."""
        found: dict[int, list[Piece]] = {}
        for piece in self.pieces:
            found.setdefault(id(piece.source), []).append(piece)
        rows = [f"{'line':>5}  {'address':8}  {'bytes':{3 * _ROW_BYTES}}   source"]
        file = self.name
        for line in self.lines:
            if line.file != file:
                file = line.file
                rows.append(f"       --- {file}")
            rows += _rows(line, found.get(id(line), []))
        return "\n".join([*rows, *_legend(self.pieces), ""])


def _rows(line: SourceLine, pieces: list[Piece]) -> Iterator[str]:
    """A line of the listing, and more where its bytes need them."""
    head, text = f"{line.number:5}", f" {line.text}" if line.text else ""
    for piece in pieces:
        mark = piece.agreement.mark if piece.agreement else " "
        for address, shown in _chunks(piece):
            yield f"{head}  {address:8}  {shown:{3 * _ROW_BYTES}} {mark}{text}".rstrip()
            head, text, mark = " " * 5, "", " "
    if not pieces:
        yield f"{head}  {'':8}  {'':{3 * _ROW_BYTES}}  {text}".rstrip()


def _chunks(piece: Piece) -> Iterator[tuple[str, str]]:
    """Address and bytes for each row of a statement; repeated bytes are shown once."""
    data = piece.data[: len(piece.data) // piece.repeated]
    size = len(data)
    for start in range(0, min(size, _ROWS * _ROW_BYTES), _ROW_BYTES):
        yield f"{piece.address + start:08x}", data[start : start + _ROW_BYTES].hex(" ")
    if size > _ROWS * _ROW_BYTES:
        yield "", f"... {size - _ROWS * _ROW_BYTES} more"
    if piece.repeated > 1:
        yield "", f"... {piece.repeated} times"


def _legend(pieces: tuple[Piece, ...]) -> Iterator[str]:
    """What the marks mean, and how many instructions have each."""
    counts = Counter(piece.agreement for piece in pieces if piece.agreement is not None)
    for agreement, count in sorted(counts.items(), key=lambda entry: entry[0].name):
        yield f"{agreement.mark}  {count} instruction{'' if count == 1 else 's'}: {agreement.explanation}"
