"""A program as a file: a static ELF executable for the i386, as Linux has them.

The header takes the first page of the file, so that each page of the program is one page of the file and a kernel can
map it where it lies. Pages with instructions are read-only; the pages behind the last one are writable. A program that
fits into one page has one segment with all rights, since code and data share it.

Source: Tool Interface Standard, Executable and Linking Format 1.2, book I ch. 1 and 2, book III.
"""

from __future__ import annotations

import struct
from typing import Final

from teachvm.isa.assembler.assembly import Assembly

PAGE: Final = 4096
FIRST_BYTE: Final = PAGE
"""Where the program's first byte stands in the file."""

_HEADER: Final = "<16sHHIIIIIHHHHHH"
_SEGMENT: Final = "<8I"
_IDENT: Final = b"\x7fELF\x01\x01\x01"
_EXECUTABLE, _I386, _CURRENT, _LOAD = 2, 3, 1, 1
_EXECUTE, _WRITE, _READ = 1, 2, 4


def pack(assembly: Assembly, entry: int) -> bytes:
    """The file of an assembled program.

    Args:
        assembly: Assembled at its linear address, a multiple of a page.
        entry: Linear address of the first instruction.
    """
    code = _code_bytes(assembly)
    whole = len(assembly.data)
    if whole <= PAGE:
        segments = [(0, whole, _READ | _WRITE | _EXECUTE)]
    else:
        segments = [(0, code, _READ | _EXECUTE), (code, whole - code, _READ | _WRITE)]
    segments = [segment for segment in segments if segment[1]]
    header = struct.pack(
        _HEADER, _IDENT, _EXECUTABLE, _I386, _CURRENT, entry, struct.calcsize(_HEADER), 0, 0,
        struct.calcsize(_HEADER), struct.calcsize(_SEGMENT), len(segments), 0, 0, 0,
    )  # fmt: skip
    for start, size, rights in segments:
        linear = assembly.origin + start
        header += struct.pack(_SEGMENT, _LOAD, FIRST_BYTE + start, linear, linear, size, size, rights, PAGE)
    return header.ljust(FIRST_BYTE, b"\0") + assembly.data


def _code_bytes(assembly: Assembly) -> int:
    """How much of the program, from its start, are pages up to the last one with an instruction."""
    ends = [piece.address + len(piece.data) for piece in assembly.pieces if piece.agreement is not None]
    size = max(ends, default=assembly.origin) - assembly.origin
    return min(-(-size // PAGE) * PAGE, len(assembly.data))
