"""32-bit two-level paging: entry layout, address split, and the access-rights rule as one pure function.

Source: Intel SDM Vol. 3A, §4.3 (32-bit paging), §4.6 (access rights), §4.7 (page-fault exceptions).
"""

from typing import Final

PAGE_SIZE: Final = 4096
PAGE_SHIFT: Final = 12
LARGE_PAGE_SIZE: Final = 1 << 22
ENTRIES: Final = 1024
ENTRY_SIZE: Final = 4

P: Final = 1 << 0
RW: Final = 1 << 1
US: Final = 1 << 2
PWT: Final = 1 << 3
PCD: Final = 1 << 4
A: Final = 1 << 5
D: Final = 1 << 6
"""Dirty: in a PTE, and in a PDE that maps a 4 MiB page."""
PS: Final = 1 << 7
"""In a PDE, with CR4.PSE: maps a 4 MiB page."""
G: Final = 1 << 8
AVAILABLE: Final = 7 << 9
FRAME: Final = 0xFFFF_F000
LARGE_FRAME: Final = 0xFFC0_0000
LARGE_RESERVED: Final = 0x003F_E000
"""Bits 21:13 of a 4 MiB PDE must be zero on a processor without PSE-36."""


ERROR_P: Final = 1 << 0
"""Protection violation; clear when a page was not present."""
ERROR_WR: Final = 1 << 1
"""The access was a write."""
ERROR_US: Final = 1 << 2
"""The access was made at CPL 3."""
ERROR_RSVD: Final = 1 << 3
"""A reserved bit was set in an entry."""
ERROR_BITS: Final = {"P": ERROR_P, "W/R": ERROR_WR, "U/S": ERROR_US, "RSVD": ERROR_RSVD}


def split(linear: int) -> tuple[int, int, int]:
    """Directory index, table index and byte offset: ten, ten and twelve bits of a linear address."""
    return linear >> 22 & 0x3FF, linear >> 12 & 0x3FF, linear & 0xFFF


def join(directory: int, table: int, offset: int = 0) -> int:
    """The linear address whose `split` is (directory, table, offset)."""
    return directory << 22 | table << 12 | offset


def is_large(pde: int, *, pse: bool) -> bool:
    """Whether a directory entry maps a 4 MiB page; bit 7 is ignored while CR4.PSE is clear."""
    return pse and pde & (P | PS) == P | PS


def frame_address(pde: int, pte: int | None, linear: int) -> int:
    """Physical address of the 4 KiB frame that holds `linear`; `pte` is None for a 4 MiB page."""
    if pte is None:
        return pde & LARGE_FRAME | linear & (LARGE_PAGE_SIZE - PAGE_SIZE)
    return pte & FRAME


def reserved_bits(pde: int, pte: int | None) -> bool:
    """Whether a present entry breaks a must-be-zero rule: only a 4 MiB PDE has reserved bits here."""
    return pte is None and pde & LARGE_RESERVED != 0


def page_fault_error(*, present: bool, write: bool, user: bool, reserved: bool = False) -> int:
    """The #PF error code for an access; RSVD is reported only together with P."""
    return (
        (ERROR_P if present or reserved else 0)
        | (ERROR_WR if write else 0)
        | (ERROR_US if user else 0)
        | (ERROR_RSVD if reserved else 0)
    )


def check_access(pde: int, pte: int | None, *, write: bool, user: bool, wp: bool) -> int | None:
    """Decide one access by the two entries that map it: None if allowed, else the #PF error code.

    The effective right is the AND of both levels. CPL 0, 1 and 2 are the same to the MMU (`user` is
    CPL = 3); they may write read-only pages while CR0.WP is clear.

    Args:
        pde: Directory entry, 32 bits.
        pte: Table entry, or None when the directory entry maps a 4 MiB page. Not looked at when the
            directory entry is not present.
        write: The access stores.
        user: The access is made at CPL 3.
        wp: CR0.WP.

    Source: Intel SDM Vol. 3A, §4.6.1 and §4.7.
    """
    both = pde if pte is None else pde & pte
    if not both & P:
        return page_fault_error(present=False, write=write, user=user)
    if reserved_bits(pde, pte):
        return page_fault_error(present=True, write=write, user=user, reserved=True)
    if user and not both & US:
        return page_fault_error(present=True, write=write, user=user)
    if write and not both & RW and (user or wp):
        return page_fault_error(present=True, write=write, user=user)
    return None
