"""The code of one image as rows: labels, instructions and data where the assembler put them, bytes from memory.

Rows begin where the address map says that an instruction or a datum begins, never in the middle of one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from teachvm.app.notation import count, hexbytes
from teachvm.app.presentation import CodeLabel, CodeLine
from teachvm.app.wording import Badge, Place, Span, Text, Tip
from teachvm.guest.symbols import Space
from teachvm.isa.assembler.assembly import Piece
from teachvm.isa.decode import Insn
from teachvm.isa.disassembler import Line, line, lines
from teachvm.isa.row import InstructionClass
from teachvm.isa.text import SymbolAt, TokenKind, absolute, target
from teachvm.vmm.engines.classify import instruction_reason

Rows = tuple[CodeLabel | CodeLine, ...]

ROWS: Final = 64
"""Statements in one listing."""
GROUP: Final = 10
"""Functions shorter than this are listed together with the next, so that the listing stays put while they run."""
KEEP: Final = 36
"""A listing begins at its group's label, unless that lies more statements before than this."""
PAGE: Final = 20
"""By how many statements a listing of a long function moves on."""
LEAD: Final = 6
DATA_SHOWN: Final = 8
DATA_ROWS: Final = 6
"""Rows of eight bytes for data of many statements; the rest is a count."""
TEXT_SHOWN: Final = 26
CACHED: Final = 32
FAR: Final = 1_024
"""Bytes before an address from which decoding may begin, where nobody knows how the image was made."""
MOST_FOUND: Final = 480
"""Bytes read from there on: room for half a listing."""
EMPTY: Final = 16
"""Zero bytes that are rather empty memory than instructions."""

SILENT: Final = "sensitive · never traps"
_BADGES: Final = {
    InstructionClass.PRIVILEGED: ("privileged", "trap", "lock"),
    InstructionClass.IOPL_SENSITIVE: ("needs IOPL · #GP(0)", "trap", "lock"),
}


def badge_of(insn: Insn) -> Badge | None:
    """The badge of an instruction's class; None for innocuous ones."""
    row = insn.row
    if row.klass is InstructionClass.INNOCUOUS:
        return None
    tip = Tip(row.klass.label, row.reason or row.klass.explanation, row.source)
    if row.klass is InstructionClass.SENSITIVE_UNPRIVILEGED:
        if instruction_reason(insn) is None:
            return Badge(SILENT, "vmm", "silent", tip)
        return Badge("sensitive", "vmm", "ring", tip)
    text, role, icon = _BADGES[row.klass]
    return Badge(text, "trap" if role == "trap" else "vmm", icon, tip)


def instruction(address: int, code: bytes, symbols: SymbolAt | None = None, bits: int = 32) -> CodeLine:
    """One row for the instruction at the start of `code`; bytes that are none become `db`."""
    return _code_line(line(code, address, symbols, bits))


def _code_line(one: Line) -> CodeLine:
    insn = one.insn
    tip = None
    badge = None
    if insn is not None:
        badge = badge_of(insn)
        row = insn.row
        tip = Tip(row.syntax, row.reason or row.klass.explanation, row.source)
    return CodeLine(one.address, hexbytes(one.code), one.text.mnemonic, _operands(one), badge, tip=tip)


def _operands(one: Line) -> Text:
    place = None
    if one.insn is not None:
        place = target(one.insn, one.address)
        place = absolute(one.insn) if place is None else place
    link = None if place is None else Place("linear", place)
    spans: list[Span] = []
    for kind, text in one.text.tokens:
        if kind is TokenKind.MNEMONIC or (not spans and text == " "):
            continue
        symbol = kind is TokenKind.SYMBOL or (kind is TokenKind.NUMBER and place is not None and text == f"{place:#x}")
        spans.append(Span(text, code=True, link=link if symbol else None))
    return _joined(spans)


def _joined(spans: list[Span]) -> Text:
    """Neighbouring spans that look the same as one."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].link is None and span.link is None:
            joined[-1] = Span(joined[-1].text + span.text, code=True)
        else:
            joined.append(span)
    return tuple(joined)


def forward(address: int, code: bytes, symbols: SymbolAt | None, most: int = 24) -> Rows:
    """Instructions from an address on that no address map covers."""
    rows: list[CodeLabel | CodeLine] = []
    for one in lines(code, address, symbols):
        if len(rows) == most:
            break
        rows.append(_code_line(one))
    return tuple(rows)


class Listing:
    """The statements of one image. Rows are kept for as long as the bytes stay the same."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._pieces = space.assembly.pieces
        self._groups = self._find_groups()
        self._rows: OrderedDict[tuple[int, int, bytes], Rows] = OrderedDict()

    def index(self, linear: int) -> int | None:
        """The statement that begins at an address; None where none does."""
        at = bisect_left(self._pieces, linear, key=_address)
        return at if at < len(self._pieces) and self._pieces[at].address == linear else None

    def before(self, linear: int) -> int | None:
        """Address of the instruction that ends where another one begins; None where none does."""
        at = self.index(linear)
        if not at:
            return None
        piece = self._pieces[at - 1]
        ends = piece.agreement is not None and piece.address + len(piece.data) == linear
        return piece.address if ends else None

    def around(self, linear: int) -> tuple[int, int]:
        """First and behind the last statement of the listing that holds an address."""
        at = max(0, bisect_right(self._pieces, linear, key=_address) - 1)
        first = self._groups[bisect_right(self._groups, at) - 1]
        behind = at - first
        if behind > KEEP:
            first = max(first, at - behind % PAGE - LEAD)
        return first, min(len(self._pieces), first + ROWS)

    def _find_groups(self) -> list[int]:
        """Where listings begin: at labels that are not local, at least `GROUP` statements apart."""
        groups = [0]
        for index, piece in enumerate(self._pieces):
            label = self.space.label_at(piece.address)
            if label is not None and "." not in label and index - groups[-1] >= GROUP:
                groups.append(index)
        return groups

    def extent(self, first: int, last: int) -> tuple[int, int]:
        """Linear address of the first byte of some statements, and how many bytes they have."""
        start, end = self._pieces[first], self._pieces[last - 1]
        return start.address, end.address + len(end.data) - start.address

    def rows(self, first: int, last: int, content: bytes) -> Rows:
        """Labels and statements; `content` are the bytes in memory from the first one on."""
        key = first, last, content
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = tuple(self._make(first, last, content))
            if len(self._rows) > CACHED:
                self._rows.popitem(last=False)
        return rows

    def found(self, linear: int, entry: int, read: Callable[[int, int], bytes]) -> Rows:
        """Rows around an address of an image without an address map, as they are found in memory.

        They begin at a label before the address, where the guest starts, or where the image begins, if decoding from
        there on comes by the address at all; else there.

        Args:
            linear: The address, perhaps right behind the image.
            entry: Where the guest starts.
            read: Memory at a linear address, as much of so many bytes as is mapped.
        """
        for first in (*self.space.labels_before(linear), entry, self.space.linear):
            if not 0 <= linear - first <= FAR:
                continue
            code = read(first, linear - first + MOST_FOUND)
            key = first, linear - first, code
            rows = self._rows.get(key)
            if rows is None:
                rows = self._rows[key] = self._swept(first, linear, code)
                if len(self._rows) > CACHED:
                    self._rows.popitem(last=False)
            if rows:
                return rows
        return forward(linear, read(linear, MOST_FOUND), self.space.name_at)

    def _swept(self, first: int, linear: int, code: bytes) -> Rows:
        """The instructions decoded from an address on, and labels; none if one lies across `linear`."""
        found: list[Line] = []
        behind = 0
        for one in lines(code, first, self.space.name_at):
            if one.address > linear and not behind:
                return ()
            if one.address == linear:
                behind = len(found) + 1
            found.append(one)
            if behind and len(found) - behind == ROWS // 2:
                break
        before = behind - 1
        start = 0 if before <= KEEP else before - before % PAGE - LEAD
        rows: list[CodeLabel | CodeLine] = []
        skip = 0
        for one in found[max(start, 0) :]:
            if one.address < skip:
                continue
            label = self.space.label_at(one.address)
            if label is not None:
                rows.append(CodeLabel(label))
            zeros = self._zeros(code, one.address, first, linear)
            if zeros >= EMPTY:
                rows.append(_data_line(one.address, bytes(zeros)))
                skip = one.address + zeros
            else:
                rows.append(_code_line(one))
        return tuple(rows)

    def _zeros(self, code: bytes, address: int, first: int, linear: int) -> int:
        """How many bytes from an address on are zero, up to one that has a name, or a row of its own."""
        if address == linear:
            return 0
        start, stop = address - first, linear - first if address < linear else len(code)
        run = code[start:stop]
        size = len(run) - len(run.lstrip(b"\0"))
        return next((at for at in range(1, size) if self.space.label_at(address + at) is not None), size)

    def _make(self, first: int, last: int, content: bytes) -> list[CodeLabel | CodeLine]:
        rows: list[CodeLabel | CodeLine] = []
        origin = self._pieces[first].address
        data: list[tuple[int, bytes]] = []
        for piece in self._pieces[first:last]:
            label = self.space.label_at(piece.address)
            at = piece.address - origin
            code = content[at : at + len(piece.data)] or piece.data
            if data and (label is not None or piece.agreement is not None):
                rows += _data(data)
                data = []
            if label is not None:
                rows.append(CodeLabel(label))
            if piece.agreement is None:
                data.append((piece.address, code))
            else:
                rows += [_code_line(one) for one in lines(code, piece.address, self.space.name_at)]
        return [*rows, *_data(data)] if data else rows


def _address(piece: Piece) -> int:
    return piece.address


_DATA: Final = Tip("Data", "The program's source put data here; the processor would execute it all the same.")


def _data(statements: list[tuple[int, bytes]]) -> list[CodeLine]:
    """One statement is one row; several, such as a table of descriptors, are rows of eight bytes."""
    address, content = statements[0]
    if len(statements) == 1:
        return [_data_line(address, content)]
    content = b"".join(code for _, code in statements)
    starts = range(0, min(len(content), DATA_ROWS * DATA_SHOWN), DATA_SHOWN)
    rows = [_data_line(address + at, content[at : at + DATA_SHOWN]) for at in starts]
    left = len(content) - len(rows) * DATA_SHOWN
    if left > 0:
        rest = f"and {count(left)} more bytes"
        rows.append(CodeLine(address + len(rows) * DATA_SHOWN, "…", "db", (Span(rest, "dim"),), tip=_DATA))
    return rows


def _data_line(address: int, content: bytes) -> CodeLine:
    size = len(content)
    if size > DATA_SHOWN and content == content[:1] * size:
        name, operand = "db", f"{content[0]:#04x}, {count(size)} times"
    elif all(32 <= byte < 127 or byte in (0, 9, 10, 13) for byte in content) and any(content):
        name, operand = "db", _characters(content)
    elif size % 4 == 0:
        name, operand = "dd", _numbers(content, 4)
    else:
        name, operand = "db", _numbers(content, 1)
    return CodeLine(address, hexbytes(content, DATA_SHOWN), name, (Span(operand, "dim", code=True),), tip=_DATA)


def _numbers(content: bytes, size: int) -> str:
    """The first numbers of a size, in hexadecimal."""
    shown = min(len(content), 2 * size if size > 1 else size * 4)
    numbers = (int.from_bytes(content[at : at + size], "little") for at in range(0, shown, size))
    said = ", ".join(f"{number:#0{2 + 2 * size}x}" for number in numbers)
    return said + (", …" if len(content) > shown else "")


def _characters(content: bytes) -> str:
    """Bytes as NASM would have them written: text in quotes, the rest as numbers."""
    parts: list[str] = []
    text = ""
    for byte in content:
        if 32 <= byte < 127 and byte != 34:
            text += chr(byte)
        else:
            parts += [f'"{text}"', str(byte)] if text else [str(byte)]
            text = ""
    parts += [f'"{text}"'] if text else []
    said = ", ".join(parts)
    return said if len(said) <= TEXT_SHOWN else said[: TEXT_SHOWN - 1] + "…"


_LISTINGS: OrderedDict[int, Listing] = OrderedDict()


def listing_of(space: Space) -> Listing:
    """The listing of an image; the same object for the same image."""
    listing = _LISTINGS.get(id(space))
    if listing is None or listing.space is not space:
        listing = _LISTINGS[id(space)] = Listing(space)
        if len(_LISTINGS) > CACHED:
            _LISTINGS.popitem(last=False)
    return listing
