"""The access-rights rule, entry by entry, and against measured page faults where they are present."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa import paging
from teachvm.isa.paging import PS, RW, US, A, D, P, check_access, frame_address, is_large, join, split

MEASURED = Path("../shared/facts/oracle/paging/out.txt")
ROW = re.compile(
    r"WP=(?P<wp>\d) PDE=(?P<pde>...) PTE=(?P<pte>...) r(?P<ring>\d) (?P<access>rd|wr) (?:ok|#14 err=(?P<error>\w+))"
)


@given(st.integers(0, 0xFFFFFFFF))
def test_an_address_splits_and_joins(linear: int) -> None:
    assert join(*split(linear)) == linear


def test_ten_ten_twelve() -> None:
    assert split(0x40000800) == (0x100, 0, 0x800)
    assert split(0xFFFFFFFF) == (1023, 1023, 4095)


@pytest.mark.parametrize(
    ("pde", "pte", "access", "expected"),
    [
        (P | US, 0, "user read", 4),
        (P | US, 0, "user write", 6),
        (0, P | US | RW, "user read", 4),
        (P | US, P, "user read", 5),
        (P | US | RW, P | US, "user write", 7),
        (P, P | US | RW, "user read", 5),
        (P | US | RW, P | US | RW, "user write", None),
        (P, 0, "kernel write", 2),
        (P | RW, P, "kernel write", None),
        (P, P, "kernel read", None),
    ],
)
def test_the_error_code_tells_what_was_tried(pde: int, pte: int, access: str, expected: int | None) -> None:
    who, what = access.split()
    assert check_access(pde, pte, write=what == "write", user=who == "user", wp=False) == expected


def test_write_protect_binds_the_kernel_too() -> None:
    assert check_access(P | RW, P, write=True, user=False, wp=True) == 3
    assert check_access(P, P | RW, write=True, user=False, wp=True) == 3
    assert check_access(P | RW, P, write=False, user=False, wp=True) is None


def test_the_right_is_the_and_of_both_levels_for_every_combination() -> None:
    bits = [0, P, P | RW, P | US, P | RW | US]
    for pde, pte, write, user, wp in product(bits, bits, *[(False, True)] * 3):
        both = pde & pte
        allowed = both & P and (not user or both & US) and (not write or both & RW or (not user and not wp))
        error = check_access(pde, pte, write=write, user=user, wp=wp)
        assert (error is None) == bool(allowed)
        if error is not None:
            assert error & 1 == both & P


def test_a_large_page_needs_pse_and_no_table() -> None:
    pde = 0x00C00000 | P | RW | US | PS
    assert is_large(pde, pse=True)
    assert not is_large(pde, pse=False)
    assert not is_large(pde & ~P, pse=True)
    assert check_access(pde, None, write=True, user=True, wp=True) is None
    assert frame_address(pde, None, 0x0041_2345) == 0x00C1_2000


def test_a_reserved_bit_in_a_large_page_is_reported_with_p() -> None:
    pde = 0x00C00000 | 1 << 21 | P | RW | US | PS
    assert check_access(pde, None, write=False, user=True, wp=False) == 0x0D
    assert check_access(pde & ~P, None, write=False, user=True, wp=False) == 0x04


def test_accessed_dirty_and_software_bits_change_no_right() -> None:
    noise = A | D | paging.AVAILABLE | paging.PWT | paging.PCD
    assert check_access(P | noise, P | noise, write=False, user=False, wp=True) is None
    assert frame_address(P | noise, 0x12345000 | P | noise, 0) == 0x12345000


def entry(letters: str) -> int:
    """`PWU` in the recording's letters: present, writable, user; lower case or a dash for no."""
    return (P if letters[0] == "P" else 0) | (RW if letters[1] == "W" else 0) | (US if letters[2] == "U" else 0)


@pytest.mark.skipif(not MEASURED.exists(), reason="the measured page faults are not at ../shared")
def test_every_measured_combination_obeys_the_rule() -> None:
    seen = 0
    for line in MEASURED.read_text().splitlines():
        match = ROW.match(line)
        if match is None:
            continue
        seen += 1
        error = check_access(
            entry(match["pde"]),
            entry(match["pte"]),
            write=match["access"] == "wr",
            user=match["ring"] == "3",
            wp=match["wp"] == "1",
        )
        assert error == (int(match["error"], 16) if match["error"] else None), line
    assert seen == 252
