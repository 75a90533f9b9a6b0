"""Another assembler reads the same text: NASM, from golden bytes everywhere and afresh where it is installed."""

from pathlib import Path

import pytest

from teachvm import resources
from teachvm.isa.assembler import AsmError, Assembly, FolderResolver, assemble
from tests.isa.assembler import golden, nasm, sources


def _statements_apart(statements: list[str], theirs: list[bytes]) -> list[str]:
    """Statements whose bytes mean something else than NASM's."""
    ours = assemble(golden.in_slots(statements), second_opinion=False)
    assert len(ours.data) == golden.SLOT * len(statements)
    return [
        f"{statement}: {mine.hex(' ')} here, {other.hex(' ')} there"
        for statement, mine, other in zip(statements, golden.slots(ours.data), theirs, strict=True)
        if mine != other and not _same_slot(ours, mine, other)
    ]


def _same_slot(ours: Assembly, mine: bytes, other: bytes) -> bool:
    length = next(len(piece.data) for piece in ours.pieces if piece.data == mine[: len(piece.data)] and piece.agreement)
    return mine[length:] == other[length:] and nasm.means_the_same(mine[:length], other[:length])


def _sample(name: str) -> Assembly:
    return assemble((golden.FOLDER / f"{name}.asm").read_text(), f"{name}.asm", FolderResolver(golden.FOLDER))


def test_golden_statements_have_the_golden_bytes():
    rows = golden.read_statements()
    assert len(rows) > 600
    assert not _statements_apart([statement for statement, _ in rows], [code for _, code in rows])


@pytest.mark.parametrize("name", golden.SAMPLES)
def test_a_sample_has_the_golden_bytes(name):
    assert _sample(name).data == golden.read_sample(name)


@nasm.needed
def test_golden_bytes_are_what_nasm_makes(tmp_path):
    rows = golden.read_statements()
    fresh = list(golden.slots(nasm.assembled(golden.in_slots([one for one, _ in rows]), tmp_path)))
    assert fresh == [code for _, code in rows]
    for name in golden.SAMPLES:
        source = (golden.FOLDER / f"{name}.asm").read_text()
        assert nasm.assembled(source, tmp_path, golden.FOLDER) == golden.read_sample(name)


def _check_statements(seed: int, count: int, folder: Path) -> None:
    statements = sources.statements(count, seed)
    theirs = list(golden.slots(nasm.assembled(golden.in_slots(statements), folder)))
    assert not _statements_apart(statements, theirs)


@nasm.needed
def test_random_statements_mean_the_same_to_nasm(tmp_path):
    _check_statements(1, 3000, tmp_path)


@nasm.needed
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_random_statements_mean_the_same_to_nasm(seed, tmp_path):
    _check_statements(seed, 6000, tmp_path)


@nasm.needed
def test_statements_of_16_bit_code_mean_the_same_to_nasm(tmp_path):
    statements = [f"bits 16\n{one}\nbits 32" for one in sources.statements(400, 16)]
    statements = [one for one in statements if _assembles(one)]
    assert len(statements) > 300  # the others have 32-bit addresses
    theirs = list(golden.slots(nasm.assembled(golden.in_slots(statements), tmp_path)))
    ours = assemble(golden.in_slots(statements), second_opinion=False)
    apart = [one for one, a, b in zip(statements, golden.slots(ours.data), theirs, strict=True) if a != b]
    # The accumulator's own form and the sign-extended byte are equally long; either will do.
    assert all(any(f" {register}, " in one for register in ("ax", "eax")) for one in apart), apart
    assert len(apart) < 10


def _assembles(statement: str) -> bool:
    try:
        return bool(assemble(statement, second_opinion=False).data)
    except AsmError:
        return False


def _check_program(seed: int, folder: Path) -> None:
    source = sources.program(seed)
    assert not nasm.differences(assemble(source, second_opinion=False), nasm.assembled(source, folder))


@nasm.needed
@pytest.mark.parametrize("seed", range(15))
def test_a_random_program_has_the_same_layout_in_nasm(seed, tmp_path):
    _check_program(seed, tmp_path)


@nasm.needed
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_random_programs_have_the_same_layout_in_nasm(seed, tmp_path):
    _check_program(seed, tmp_path)


GUESTS = sorted(
    path.relative_to(resources.assets())
    for path in (resources.assets() / "guests").rglob("*.asm")
    if "org " in path.read_text() and "arch rv32" not in path.read_text()
)
"""Sources that stand alone: what they include has no origin of its own."""


def test_there_are_guests_to_compare():
    assert Path("guests/tinyos/kernel.asm") in GUESTS


@nasm.needed
@pytest.mark.parametrize("guest", GUESTS, ids=str)
def test_a_shipped_guest_is_the_same_to_nasm(guest, tmp_path):
    path = resources.assets() / guest
    ours = assemble(path.read_text(), path.name, FolderResolver(path.parent))
    assert not nasm.differences(ours, nasm.assembled(path.read_text(), tmp_path, path.parent))
