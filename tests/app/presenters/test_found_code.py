"""Code of guests nobody assembled here: what is found in memory, with what comes before the guest's place."""

from pathlib import Path

from teachvm.app.laboratory import Laboratory
from teachvm.app.presentation import CodeLabel, CodeLine, CodeView, plain
from teachvm.isa.assembler import assemble
from teachvm.trace.grain import Grain
from tests.guest.kernels import BODY, IN_ELF, elf, kludge

FLAT = "b061e6e9b80a000000bb0300000083c0014b75faf4"


def rows(lab: Laboratory) -> tuple[str, ...]:
    """Labels, and instructions with the bar before the present one."""
    view = lab.card("guest-code").body[0]
    assert isinstance(view, CodeView)
    return tuple(
        f"{row.name}:"
        if isinstance(row, CodeLabel)
        else f"{'> ' * row.current}{row.mnemonic} {plain(row.operands)}".strip()
        for row in view.rows
        if isinstance(row, CodeLabel | CodeLine)
    )


def finished(lab: Laboratory) -> Laboratory:
    lab.start()
    while lab.work(lambda: True):
        pass
    return lab


def test_a_flat_binary_is_listed_from_its_beginning_and_empty_memory_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "flat.bin").write_bytes(bytes.fromhex(FLAT))
    lab = Laboratory("flat.bin", tmp_path)
    assert rows(lab)[:2] == ("> mov al, 0x61", "out 0xe9, al")
    assert rows(lab)[-1].startswith("db 0x00, ")
    assert len(rows(lab)) == 9
    at_start = rows(lab)
    lab.step(Grain.INSTRUCTION)
    assert rows(lab)[1] == "> out 0xe9, al"
    assert [row.removeprefix("> ") for row in rows(lab)[:8]] == [row.removeprefix("> ") for row in at_start[:8]]
    assert rows(finished(lab))[7:9] == ("hlt", "> add [eax], al")


def test_an_executable_has_its_labels_between_its_instructions(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(elf())
    lab = Laboratory("kernel", tmp_path)
    labels = [name for name in assemble(IN_ELF).labels if f"\n{name.rpartition('.')[2]}:" in BODY]
    assert rows(lab)[:2] == ("start:", "> cmp eax, 0x2badb002")
    assert {f"{name}:" for name in labels} <= set(rows(lab))
    assert "bad:" in rows(finished(lab))
    assert rows(lab).index("start:") < rows(lab).index("bad:") == rows(lab).index("> mov al, 3") - 1


def test_a_kernel_without_symbols_is_listed_from_where_it_starts_not_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "multi.bin").write_bytes(kludge())
    lab = finished(Laboratory("multi.bin", tmp_path))
    assert rows(lab)[0] == "cmp eax, 0x2badb002"
    assert "> mov al, 3" in rows(lab)


def test_a_jump_into_the_middle_of_an_instruction_is_listed_from_there(tmp_path: Path) -> None:
    (tmp_path / "jump.bin").write_bytes(bytes.fromhex("eb01b8f490"))  # over the first byte of a mov
    lab = Laboratory("jump.bin", tmp_path)
    lab.step(Grain.INSTRUCTION)
    assert "> hlt" in rows(lab)
    assert not any(row.startswith("mov") for row in rows(lab))
