"""Program files, held against the reader of other people's files."""

import pytest

from teachvm.guest import elf, executable
from teachvm.guest.image import GuestError
from teachvm.guest.library import PROGRAMS, build
from teachvm.isa.assembler import assemble

BASE = 0x08048000


@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if program.system == "tinyos"])
def test_a_program_file_holds_the_program_where_it_was_linked(name: str) -> None:
    image = build("tinyos2", [(name, 0)])
    assembly = image.symbols.space(name).assembly
    read = elf.read(name, image.segments[1][1])
    memory = {segment.linear: segment.content for segment in read.segments}
    assert read.entry == BASE
    assert b"".join(memory[linear] for linear in sorted(memory)) == assembly.data
    assert all(linear % 4096 == 0 for linear in memory)


def test_code_cannot_be_written_and_data_can() -> None:
    source = "org 0x08048000\nstart: nop\nalign 4096, db 0\ndd 1\n"
    content = executable.pack(assemble(source, "two.asm"), BASE)
    flags = [int.from_bytes(content[52 + 32 * index + 24 :][:4], "little") for index in range(2)]
    assert flags == [4 | 1, 4 | 2]


def test_a_program_of_one_page_has_one_segment_with_all_rights() -> None:
    content = executable.pack(assemble("org 0x08048000\nstart: nop\ndd 1\n", "one.asm"), BASE)
    assert int.from_bytes(content[44:46], "little") == 1
    assert int.from_bytes(content[52 + 24 : 52 + 28], "little") == 7
    assert [segment.size for segment in elf.read("one", content).segments] == [5]


def test_a_file_that_is_cut_off_is_no_program() -> None:
    content = executable.pack(assemble("org 0x08048000\nstart: nop\n", "one.asm"), BASE)
    with pytest.raises(GuestError):
        elf.read("one", content[:40])
