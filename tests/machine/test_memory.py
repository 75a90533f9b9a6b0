import pytest

from teachvm.machine.memory import CODE, CodePage, Memory
from teachvm.machine.operation import decoded


def test_memory_starts_as_zeroes_and_is_little_endian() -> None:
    memory = Memory(0x2000)
    assert memory.read32(0x1FFC) == 0
    memory.write32(0x10, 0x1234_5678)
    assert memory.read_bytes(0x10, 4) == b"\x78\x56\x34\x12"
    assert (memory.read8(0x11), memory.read16(0x12), memory.read16(0x11)) == (0x56, 0x1234, 0x3456)
    memory.write16(0x13, 0xABCD)
    memory.write8(0x12, 0xEF)
    assert memory.read32(0x11) == 0xABCD_EF56 & 0xFFFF_FFFF


def test_beyond_the_end_reads_are_ones_and_writes_are_lost() -> None:
    memory = Memory(0x1000)
    assert (memory.read8(0x1000), memory.read16(0x1000), memory.read32(0x5000)) == (0xFF, 0xFFFF, 0xFFFF_FFFF)
    memory.write32(0xFFE, 0x4433_2211)
    assert memory.read_bytes(0xFFC, 8) == b"\0\0\x11\x22\xff\xff\xff\xff"
    memory.write8(0x1000, 1)
    memory.write32(0x9000, 1)
    assert memory.dirty_pages() == [0]


@pytest.mark.parametrize("size", [0, -4096, 4095, 4097])
def test_a_size_that_is_no_positive_number_of_pages_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4096"):
        Memory(size)


def test_a_page_is_dirty_once_until_cleaned_and_then_again() -> None:
    memory = Memory(0x4000)
    memory.write8(0x2001, 1)
    memory.write32(0x2004, 1)
    memory.write_bytes(0x0FFF, b"ab")
    assert memory.dirty_pages() == [2, 0, 1]
    memory.clean()
    assert memory.dirty_pages() == []
    memory.write16(0x2002, 7)
    assert memory.dirty_pages() == [2]


def test_set_page_replaces_contents_without_making_the_page_dirty() -> None:
    memory = Memory(0x2000)
    memory.set_page(1, b"\x5a" * 4096)
    assert memory.page(1) == b"\x5a" * 4096
    assert memory.dirty_pages() == []


def with_code(memory: Memory) -> CodePage:
    """An instruction of three bytes at 0x1010, one of two right behind it, and a descriptor at 0x1020."""
    page = memory.code_page(1)
    for offset, code in ((0x10, b"\x83\xc0\x01"), (0x13, b"\x89\xc1")):
        page.ops[True][offset] = page.ops[False][offset] = decoded(code, 32)
        memory.remember_code(0x1000 + offset, len(code))
    memory.remember_descriptor(0x1020)
    return page


def test_data_beside_code_leaves_decoded_instructions_alone() -> None:
    memory = Memory(0x2000)
    page = with_code(memory)
    memory.write8(0x100F, 1)
    memory.write32(0x1018, 1)
    assert page.ops[True].keys() == {0x10, 0x13}
    assert memory.guard[1] & CODE
    assert (memory.forgotten, memory.rewritten) == (0, 0)


@pytest.mark.parametrize(
    ("address", "content", "left", "rewritten"),
    [
        (0x1012, b"x", {0x13}, 0),
        (0x1014, b"x", {0x10}, 0),
        (0x100D, b"long", {0x13}, 0),
        (0x1012, b"xy", set(), 0),
        (0x1027, b"x", {0x10, 0x13}, 1),
        (0x1000, bytes(0x28), set(), 1),
        (0xFFF, bytes(0x80), set(), 1),
    ],
)
def test_a_write_over_code_forgets_what_has_one_of_its_bytes(
    address: int, content: bytes, left: set[int], rewritten: int
) -> None:
    memory = Memory(0x2000)
    page = with_code(memory)
    page.regions[0x1010, 0] = "what was compiled"
    memory.write_bytes(address, content)
    assert page.ops[True].keys() == page.ops[False].keys() == left
    assert not page.regions
    assert (memory.forgotten, memory.rewritten) == (1, rewritten)
    assert memory.code_page(1) is page, "fetch windows hold the dictionaries"
    memory.write_bytes(address, content)
    assert memory.forgotten == 1, "the same bytes hold nothing any more"


def test_a_page_is_written_freely_once_none_of_its_bytes_is_decoded() -> None:
    memory = Memory(0x2000)
    with_code(memory)
    memory.write_bytes(0x1010, bytes(5))
    assert memory.guard[1] & CODE
    memory.write_bytes(0x1020, bytes(8))
    assert not memory.guard[1] & CODE


def test_a_restored_page_forgets_its_decoded_instructions() -> None:
    memory = Memory(0x2000)
    memory.code_page(1).ops[True][0] = "an instruction"
    memory.remember_code(0x1000, 1)
    memory.set_page(1, bytes(4096))
    assert not memory.code_page(1).ops[True]
