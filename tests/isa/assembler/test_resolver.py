"""A source reads files of its own folder, and no others, whatever it calls them."""

import os
from pathlib import Path

import pytest

from teachvm.isa.assembler import AsmError, FolderResolver, ResolveError, assemble

LIMIT = 1 << 20


@pytest.fixture
def folder(tmp_path):
    """A lesson's folder, beside a secret."""
    (tmp_path / "secret.inc").write_text("secret equ 42\n")
    inside = tmp_path / "lesson"
    (inside / "parts").mkdir(parents=True)
    (inside / "part.inc").write_text("part: nop\n")
    (inside / "parts" / "deep.inc").write_text("deep: hlt\n")
    (inside / "data.bin").write_bytes(bytes(range(8)))
    return inside


def _refusal(folder: Path, name: str) -> str:
    with pytest.raises(ResolveError) as caught:
        FolderResolver(folder).read(name, LIMIT)
    return str(caught.value)


def test_files_of_the_folder_and_below_are_read(folder):
    resolver = FolderResolver(folder)
    assert resolver.read("part.inc", LIMIT) == b"part: nop\n"
    assert resolver.read("parts/deep.inc", LIMIT) == b"deep: hlt\n"
    assert assemble('%include "parts/deep.inc"\n%include "part.inc"', resolver=resolver).data == b"\xf4\x90"


def test_a_path_upwards_is_refused(folder):
    for name in ("../secret.inc", "parts/../../secret.inc", "../../etc/passwd", "..", "parts\\..\\..\\secret.inc"):
        assert _refusal(folder, name) == f"'{name}' leads out of the folder of this source"


def test_a_path_upwards_is_refused_even_where_it_comes_back(folder):
    assert "leads out of the folder" in _refusal(folder, "parts/../part.inc")


def test_an_absolute_path_is_refused(folder):
    for name in (
        "/etc/passwd",
        str(folder / "part.inc"),
        "C:\\windows\\win.ini",
        "c:part.inc",
        "\\\\host\\share",
        "//h/s",
    ):
        assert _refusal(folder, name) == f"'{name}' is an absolute path; only files beside this source can be read"


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_followed(folder):
    (folder / "out.inc").symlink_to("../secret.inc")
    (folder / "etc").symlink_to("/etc")
    (folder / "in.inc").symlink_to("part.inc")
    assert _refusal(folder, "out.inc") == "'out.inc' leads out of the folder of this source"
    assert _refusal(folder, "etc/passwd") == "'etc/passwd' leads out of the folder of this source"
    assert FolderResolver(folder).read("in.inc", LIMIT) == b"part: nop\n"


def test_a_folder_that_is_a_link_itself_is_one_folder(folder, tmp_path):
    (tmp_path / "alias").symlink_to(folder)
    assert FolderResolver(tmp_path / "alias").read("part.inc", LIMIT) == b"part: nop\n"


def test_a_link_to_itself_is_refused(folder):
    (folder / "loop.inc").symlink_to("loop.inc")
    assert _refusal(folder, "loop.inc") in (
        "'loop.inc' cannot be read",
        "there is no file 'loop.inc' beside this source",
    )


def test_only_plain_files_are_read(folder):
    os.mkfifo(folder / "pipe")
    for name in ("parts", "pipe", "missing.inc"):
        assert _refusal(folder, name) == f"there is no file '{name}' beside this source"


def test_a_large_file_is_refused(folder):
    (folder / "large.bin").write_bytes(bytes(100))
    with pytest.raises(ResolveError, match=r"'large\.bin' is larger than 99 bytes"):
        FolderResolver(folder).read("large.bin", 99)


def test_what_is_no_name_is_refused(folder):
    for name in ("", "  ", "a\0b", "a\nb", "a\tb"):
        assert _refusal(folder, name) == "this is not a file name"
    assert "cannot be read" in _refusal(folder, "x" * 5000)


def test_a_source_that_tries_to_escape_is_told_where(folder):
    for directive in ("%include", "incbin"):
        with pytest.raises(AsmError) as caught:
            assemble(f' nop\n{directive} "../../etc/passwd"', "lesson.asm", FolderResolver(folder))
        assert str(caught.value) == (
            f"lesson.asm:2:{len(directive) + 2}: '../../etc/passwd' leads out of the folder of this source"
        )


def test_incbin_takes_a_part_of_a_file(folder):
    resolver = FolderResolver(folder)
    assert assemble('incbin "data.bin"', resolver=resolver).data == bytes(range(8))
    assert assemble('incbin "data.bin", 3', resolver=resolver).data == bytes((3, 4, 5, 6, 7))
    assert assemble('incbin "data.bin", 3, 2', resolver=resolver).data == bytes((3, 4))
    assert assemble('times 2 incbin "data.bin", 7', resolver=resolver).data == bytes((7, 7))
