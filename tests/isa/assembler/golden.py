"""Golden bytes, made by NASM once and checked in: the core cases run where there is no NASM.

`python -m tests.isa.assembler.golden` makes them anew, with NASM 2.16 or later.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "samples"
SAMPLES: Final = ("boot", "kernel", "numbers")
STATEMENTS: Final = FOLDER / "statements.golden"
SLOT: Final = 16
"""Bytes each statement is given, so that one wrong length moves no other."""
FILLER: Final = 0xCC
_ROW: Final = 32


def in_slots(statements: list[str]) -> str:
    """One source with every statement at a multiple of 16."""
    return "bits 32\norg 0x1000\n" + "".join(f"{one}\nalign {SLOT}, db {FILLER:#x}\n" for one in statements)


def slots(data: bytes) -> Iterator[bytes]:
    """The bytes of each statement of such a source, with their filler."""
    return (data[start : start + SLOT] for start in range(0, len(data), SLOT))


def read_statements() -> list[tuple[str, bytes]]:
    """The golden statements, in order."""
    rows = [row.split("  ", 1) for row in STATEMENTS.read_text().splitlines()]
    return [(statement, bytes.fromhex(code).ljust(SLOT, bytes((FILLER,)))) for code, statement in rows]


def read_sample(name: str) -> bytes:
    """The golden bytes of a sample: rows of zeros are left out of its file."""
    rows = (FOLDER / f"{name}.golden").read_text().splitlines()
    data = bytearray(int(rows[0]))
    for row in rows[1:]:
        offset, code = row.split("  ")
        start = int(offset, 16)
        chunk = bytes.fromhex(code)
        data[start : start + len(chunk)] = chunk
    return bytes(data)


def _write_sample(name: str, data: bytes) -> None:
    rows = [str(len(data))]
    for start in range(0, len(data), _ROW):
        chunk = data[start : start + _ROW]
        if any(chunk):
            rows.append(f"{start:06x}  {chunk.hex()}")
    (FOLDER / f"{name}.golden").write_text("\n".join(rows) + "\n")


def _make() -> None:
    from tests.isa.assembler import nasm, sources

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sample in SAMPLES:
            source = (FOLDER / f"{sample}.asm").read_text()
            _write_sample(sample, nasm.assembled(source, folder, FOLDER))
        chosen = sorted(set(sources.statements(700, 2025)))
        made = slots(nasm.assembled(in_slots(chosen), folder))
        rows = [
            f"{slot.rstrip(bytes((FILLER,))).hex() or slot[:1].hex()}  {one}"
            for one, slot in zip(chosen, made, strict=True)
        ]
        STATEMENTS.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    _make()
