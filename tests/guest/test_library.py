from pathlib import Path

import pytest

from teachvm import resources
from teachvm.guest.image import GuestError
from teachvm.guest.library import GUESTS, PROGRAMS, build
from teachvm.isa.assembler.errors import AsmError

SOURCES = resources.assets() / "guests"


def test_every_shipped_program_is_in_the_table() -> None:
    assert {path.stem for path in (SOURCES / "programs").glob("*.asm")} == set(PROGRAMS)


def test_every_shipped_guest_is_in_the_table() -> None:
    folders = {path.parent.name for path in (*SOURCES.glob("*/kernel.asm"), *SOURCES.glob("*/demo.asm"))}
    assert folders == {manifest.source.partition("/")[0] for manifest in GUESTS.values()}
    assert all((SOURCES / manifest.source).is_file() for manifest in GUESTS.values())


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_program_is_linked_where_tinyos_expects_it_and_starts_with_its_first_byte(program: str) -> None:
    guest = PROGRAMS[program].system
    image = build(guest, [(program, 0)])
    assert image.programs[0].entry == image.symbols.programs[0].linear == 0x08048000


def test_guest_without_programs_starts_its_own_set() -> None:
    assert [program.name for program in build("tinyos").programs] == ["ticker", "ticker"]


def test_syscall_vector_of_the_manifest_is_the_kernels() -> None:
    kernel = build("tinyos").symbols.kernel.assembly
    assert GUESTS["tinyos"].syscall_vector == kernel.symbols["VECTOR_SYSTEM_CALL"]


def test_what_the_cpu_itself_reads_lies_on_pages_of_its_own() -> None:
    kernel = build("tinyos").symbols.kernel
    symbols = kernel.assembly.symbols
    tables = [symbols[name] for name in ("gdt", "idt", "tss", "process_table", "kernel_stack")]
    assert all(address % 4096 == 0 for address in tables)
    assert len(set(tables)) == len(tables)
    code = [address for address in range(kernel.linear, kernel.linear + kernel.size) if kernel.is_code(address)]
    assert max(code) < symbols["kernel_text_end"] <= min(tables)


def test_same_source_is_assembled_once() -> None:
    assert build("tinyos").symbols.kernel.assembly is build("tinyos").symbols.kernel.assembly


def test_unknown_names_say_what_was_meant() -> None:
    with pytest.raises(GuestError, match="no guest 'tinyso', did you mean 'tinyos'"):
        build("tinyso")
    with pytest.raises(
        GuestError, match="no program 'editor', there are copier, forker, hello, pages, shell, sieve, spinner, ticker"
    ):
        build("tinyos", [("editor", 0)])


def test_own_guest_and_own_program_come_from_the_folder_given(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text('org 0x10000\n%include "more.inc"\n')
    (tmp_path / "more.inc").write_text("nop\nhlt\n")
    (tmp_path / "tool.asm").write_text("org 0x08048000\nstart: jmp start\n")
    image = build("mine.asm", [("tool.asm", 3), ("hello", 0)], tmp_path)
    assert (image.name, image.segments[0]) == ("mine", (0x10000, b"\x90\xf4"))
    assert [program.name for program in image.programs] == ["tool", "hello"]


def test_changed_source_is_assembled_again(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text('org 0x10000\n%include "more.inc"\n')
    for content, expected in (("nop\n", b"\x90"), ("hlt\n", b"\xf4")):
        (tmp_path / "more.inc").write_text(content)
        assert build("mine.asm", (), tmp_path).segments[0][1] == expected


def test_mistake_in_a_source_is_located(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text("org 0x10000\n        mvo eax, 1\n")
    with pytest.raises(AsmError) as caught:
        build("mine.asm", (), tmp_path)
    assert (caught.value.file, caught.value.line, caught.value.column) == ("mine.asm", 2, 9)


def test_files_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.asm").write_text("nop\n")
    for name in ("../secret.asm", str(tmp_path / "secret.asm"), "missing.asm"):
        with pytest.raises(GuestError):
            build(name, (), inner)
    with pytest.raises(GuestError, match="no folder"):
        build("mine.asm")
