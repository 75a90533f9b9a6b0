"""What a source becomes: bytes with an origin, names, the line every byte came from, and a listing."""

from itertools import pairwise

import pytest

from teachvm.isa import keystone
from teachvm.isa.assembler import FolderResolver, Span, assemble
from teachvm.isa.keystone import Agreement
from tests.isa.assembler import golden, sources

SOURCE = """\
        bits 32
        org 0x1000
SIZE    equ 8
%macro  ZERO 1
        xor %1, %1
        push %1
%endmacro
start:
        mov eax, SIZE
        ZERO ebx
.loop:  dec eax
        jnz .loop
        times 3 stosb
text:   db "hello", 0
        align 16
        dd start.loop
"""


@pytest.fixture(scope="module")
def made():
    return assemble(SOURCE, "small.asm")


def test_bytes_begin_at_the_origin(made):
    assert made.origin == 0x1000
    assert made.data == bytes.fromhex("b808000000 31db 53 48 75fd aaaaaa 68656c6c6f00") + b"\x90" * 12 + bytes.fromhex(
        "08100000"
    )


def test_symbols_are_full_names_with_values_and_labels_are_those_with_an_address(made):
    assert dict(made.symbols) == {"SIZE": 8, "start": 0x1000, "start.loop": 0x1008, "text": 0x100E}
    assert made.labels == {"start", "start.loop", "text"}


def test_the_map_covers_every_byte_in_order(made):
    assert made.map[0] == Span(0x1000, 5, "small.asm", 9)
    assert all(a.address + a.length == b.address for a, b in pairwise(made.map))
    assert sum(span.length for span in made.map) == len(made.data)


def test_the_bytes_of_a_macro_count_for_the_line_that_uses_it(made):
    assert made.span_at(0x1005) == Span(0x1005, 2, "small.asm", 10)
    assert made.span_at(0x1007) == Span(0x1007, 1, "small.asm", 10)


def test_bytes_of_an_included_file_count_for_its_own_lines():
    made = assemble(
        (golden.FOLDER / "kernel.asm").read_text(), "kernel.asm", FolderResolver(golden.FOLDER), second_opinion=False
    )
    assert {span.file for span in made.map} == {"kernel.asm"}  # the file only defines macros
    assert {line.file for line in made.lines} == {"kernel.asm", "traps.inc"}


def test_a_byte_in_the_middle_of_a_statement_belongs_to_it(made):
    assert made.span_at(0x1003) == made.map[0]
    assert made.span_at(0xFFF) is None
    assert made.span_at(0x1000 + len(made.data)) is None


def test_code_and_data_are_told_apart(made):
    assert [made.is_code(address) for address in (0xFFF, 0x1000, 0x1004, 0x100D, 0x100E, 0x1014, 0x1020)] == [
        *(False, True, True, True),
        *(False, False, False),
    ]


def test_the_same_source_gives_the_same_assembly_again():
    source = sources.program(5)
    first, second = assemble(source), assemble(source)
    assert (first.data, dict(first.symbols), first.map) == (second.data, dict(second.symbols), second.map)


def test_an_empty_source_is_an_empty_program():
    for source in ("", "\n\n", "; nothing\n", "bits 32\n", "\ufeff"):
        made = assemble(source)
        assert (made.data, made.origin, made.map, made.pieces, dict(made.symbols)) == (b"", 0, (), (), {})


def test_lines_may_end_as_on_other_systems():
    assert assemble("a: nop\r\n jmp a\r\n").data == b"\x90\xeb\xfd"


@pytest.mark.skipif(not keystone.INSTALLED, reason="there is no keystone for this platform")
def test_the_listing_shows_addresses_bytes_source_and_agreement(made):
    assert made.listing == (
        " line  address   bytes                      source\n"
        "    1                                               bits 32\n"
        "    2                                               org 0x1000\n"
        "    3                                       SIZE    equ 8\n"
        "    4                                       %macro  ZERO 1\n"
        "    5                                               xor %1, %1\n"
        "    6                                               push %1\n"
        "    7                                       %endmacro\n"
        "    8                                       start:\n"
        "    9  00001000  b8 08 00 00 00           =         mov eax, SIZE\n"
        "   10  00001005  31 db                    =         ZERO ebx\n"
        "       00001007  53                       =\n"
        "   11  00001008  48                       = .loop:  dec eax\n"
        "   12  00001009  75 fd                    =         jnz .loop\n"
        "   13  0000100b  aa                       =         times 3 stosb\n"
        "                 ... 3 times\n"
        '   14  0000100e  68 65 6c 6c 6f 00          text:   db "hello", 0\n'
        "   15  00001014  90 90 90 90 90 90 90 90            align 16\n"
        "       0000101c  90 90 90 90\n"
        "   16  00001020  08 10 00 00                        dd start.loop\n"
        "=  6 instructions: keystone gives the same bytes\n"
    )


def test_a_listing_of_much_data_is_cut():
    rows = assemble("resb 4096\n").listing.split("\n")
    assert rows[1:6] == [
        "    1  00000000  00 00 00 00 00 00 00 00    resb 4096",
        "       00000008  00 00 00 00 00 00 00 00",
        "       00000010  00 00 00 00 00 00 00 00",
        "       00000018  00 00 00 00 00 00 00 00",
        "                 ... 4064 more",
    ]


def test_a_listing_names_the_file_each_line_is_from(tmp_path):
    (tmp_path / "part.inc").write_text(" hlt\n")
    rows = assemble('%include "part.inc"\n nop\n', "main.asm", FolderResolver(tmp_path)).listing.split("\n")
    assert [row.strip() for row in rows[2:5:2]] == ["--- part.inc", "--- main.asm"]
    assert [row[4:15] for row in rows[3:6:2]] == ["1  00000000", "2  00000001"]


def test_a_file_included_twice_is_listed_twice_with_its_own_bytes(tmp_path):
    (tmp_path / "part.inc").write_text(" dd $\n")
    listing = assemble('%include "part.inc"\n' * 2, resolver=FolderResolver(tmp_path)).listing
    assert "00000000  00 00 00 00" in listing
    assert "00000004  04 00 00 00" in listing


def test_without_a_second_opinion_nobody_is_asked():
    made = assemble("nop", second_opinion=False)
    assert made.pieces[0].agreement is Agreement.NOT_ASKED
