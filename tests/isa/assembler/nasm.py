"""NASM as an independent reader of the same sources, where it is installed."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from teachvm.isa.assembler import Assembly
from teachvm.isa.decode import DecodeError, decode
from teachvm.isa.keystone import same

PROGRAM: Final = shutil.which("nasm")
needed = pytest.mark.skipif(PROGRAM is None, reason="nasm is not installed")


def assembled(source: str, folder: Path, includes: Path | None = None) -> bytes:
    """NASM's bytes for a source; includes are looked for in `includes`."""
    text, output = folder / "source.asm", folder / "source.bin"
    text.write_text(source)
    search = ["-I", f"{includes}/"] if includes else []
    command = [PROGRAM or "nasm", "-w-all", "-f", "bin", *search, "-o", str(output), str(text)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ran.returncode, ran.stderr
    return output.read_bytes()


def differences(ours: Assembly, theirs: bytes) -> list[str]:
    """Statements whose bytes mean something else, or are more or fewer, in the two outputs."""
    found = [] if len(theirs) == len(ours.data) else [f"{len(ours.data)} bytes here, {len(theirs)} there"]
    for piece in ours.pieces:
        start = piece.address - ours.origin
        other = theirs[start : start + len(piece.data)]
        if other != piece.data and not (piece.agreement and means_the_same(piece.data, other)):
            found.append(f"{piece.source.text.strip()}: {piece.data.hex(' ')} here, {other.hex(' ')} there")
    return found


def means_the_same(ours: bytes, theirs: bytes) -> bool:
    """Whether two encodings are one instruction of the same length."""
    try:
        a, b = decode(ours), decode(theirs)
    except DecodeError:
        return False
    return a.length == b.length == len(ours) and same(a, b)
