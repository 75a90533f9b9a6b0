"""Looking at the guest's tables without touching them."""

from __future__ import annotations

import pytest

from teachvm.isa.control import CR0_PG, CR0_WP, CR4_PSE
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.walk import PagingMode, look

LARGE, PAGED = PagingMode(CR0_PG | CR0_WP, 0x2000, CR4_PSE), PagingMode(CR0_PG | CR0_WP, 0x2000, 0)


def tables(**entries: int) -> dict[int, int]:
    return {int(address[1:], 16): value for address, value in entries.items()}


def test_paging_off_is_the_identity_with_all_rights() -> None:
    walk = look(lambda address, size: pytest.fail("no table is read"), PagingMode(0, 0, 0), Gva(0x12345))
    assert walk.gpa == 0x12345
    assert walk.error(write=True, user=True, wp=True) is None
    assert walk.dirty
    assert walk.directory is None
    assert walk.table is None


def test_two_levels_are_combined() -> None:
    memory = tables(x2004=0x3067, x3008=0x9025)
    walk = look(lambda address, size: memory[address], PAGED, Gva(0x40_2ABC))
    assert (walk.gpa, walk.directory, walk.table) == (0x9ABC, 2, 3)
    assert (walk.user, walk.writable, walk.dirty, walk.accessed) == (True, False, False, True)
    assert walk.error(write=False, user=True, wp=True) is None
    assert walk.error(write=True, user=False, wp=True) == 3
    assert walk.error(write=True, user=False, wp=False) is None


def test_an_absent_directory_entry_has_no_table() -> None:
    walk = look(lambda address, size: {0x2004: 0x3066}[address], PAGED, Gva(0x40_2ABC))
    assert walk.table is None
    assert walk.error(write=False, user=True, wp=True) == 4


def test_a_large_page_needs_pse() -> None:
    memory = tables(x2004=0x0080_00E7, x80000B=0, x800008=0)
    walk = look(lambda address, size: memory[address], LARGE, Gva(0x40_2ABC))
    assert walk.large
    assert (walk.gpa, walk.table) == (0x80_2ABC, None)
    assert walk.error(write=True, user=True, wp=True) is None
    assert not look(lambda address, size: memory[address], PAGED, Gva(0x40_2ABC)).large


def test_a_reserved_bit_of_a_large_page_is_reported_with_p() -> None:
    walk = look(lambda address, size: 0x0020_00E7, LARGE, Gva(0x40_0000))
    assert walk.error(write=False, user=True, wp=True) == 0xD


@pytest.mark.parametrize(
    ("mode", "linear"), [(PAGED, 0x40_2ABC), (LARGE, 0x40_2ABC), (PagingMode(0, 0, 0), 0x12345)], ids=str
)
def test_a_walk_is_the_same_again_until_an_entry_of_it_has_another_bit(mode: PagingMode, linear: int) -> None:
    memory = tables(x2004=0x0000_30E7 if mode is LARGE else 0x3067, x3008=0x9025, x300C=0x1)
    walk = look(lambda address, size: memory[address], mode, Gva(linear))
    used = [address for address in (0x2004, 0x3008) if walk.directory is not None and (address < 0x3000 or walk.table)]
    assert walk.again(lambda address, size: memory[address], linear & ~0xFFF)
    for address in memory:
        for bit in (1, 1 << 5, 1 << 6, 1 << 30):
            memory[address] ^= bit
            assert walk.again(lambda at, size: memory[at], linear) is (address not in used)
            memory[address] ^= bit
