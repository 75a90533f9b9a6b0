"""A source on disk becomes a file of bytes, or one clear line."""

import os

import pytest

from teachvm.isa.assembler import AsmError
from teachvm.isa.assembler.files import SourceFileError, assemble_file, summary
from teachvm.isa.assembler.limits import SOURCE_BYTES


@pytest.fixture
def source(tmp_path):
    (tmp_path / "part.inc").write_text("part: hlt\n")
    path = tmp_path / "guest.asm"
    path.write_text('bits 32\norg 0x1000\n%include "part.inc"\nstart: jmp part\n')
    return path


def test_a_file_is_assembled_with_what_it_includes(source):
    made = assemble_file(source)
    assert made.data == b"\xf4\xeb\xfd"
    assert summary(made) == f"{source}: 3 bytes, 0x1000 to 0x1003, 2 names"


def test_the_bytes_are_written_where_they_are_wanted(source, tmp_path):
    assemble_file(source, tmp_path / "guest.bin")
    assert (tmp_path / "guest.bin").read_bytes() == b"\xf4\xeb\xfd"


def test_a_source_with_mistakes_writes_nothing(source, tmp_path):
    source.write_text(" mvo eax, 1\n")
    with pytest.raises(AsmError) as caught:
        assemble_file(source, tmp_path / "guest.bin")
    assert str(caught.value) == f"{source}:1:2: unknown instruction 'mvo', did you mean 'mov'?"
    assert not (tmp_path / "guest.bin").exists()


def test_a_file_that_cannot_be_a_source_is_told_in_one_line(source, tmp_path):
    os.mkfifo(tmp_path / "pipe.asm")
    (tmp_path / "latin.asm").write_bytes(b"; caf\xe9\n")
    (tmp_path / "large.asm").write_bytes(b";" * (SOURCE_BYTES + 1))
    for name, message in {
        "missing.asm": "there is no file {}",
        "pipe.asm": "{} is not a file",
        "latin.asm": "{} is not text in UTF-8",
        "large.asm": "{} is larger than 1048576 bytes",
    }.items():
        with pytest.raises(SourceFileError) as caught:
            assemble_file(tmp_path / name)
        assert str(caught.value) == message.format(tmp_path / name)


def test_an_output_that_cannot_be_written_is_told_in_one_line(source, tmp_path):
    with pytest.raises(SourceFileError, match=r"cannot write .*: No such file or directory"):
        assemble_file(source, tmp_path / "nowhere" / "guest.bin")
