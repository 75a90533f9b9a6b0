"""The guest's own page tables, looked at without touching them.

The VMM first has to know whose fault it is. Looking sets no accessed bit and shows no phase; when the VMM then acts,
the VCPU's own page walker does the walk that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from teachvm.isa import paging
from teachvm.isa.control import CR0_PG, CR0_WP, CR4_PSE
from teachvm.vmm.addresses import Gfn, Gpa, Gva

MOST_MODES: Final = 1 << 10
ALL_RIGHTS = paging.P | paging.RW | paging.US | paging.A | paging.D


@dataclass(frozen=True, slots=True)
class GuestWalk:
    """The entries that translate one gVA.

    Attributes:
        pde: Directory entry; all rights with paging off.
        pte: Table entry; None for a 4 MB page, with paging off, or behind an absent directory entry.
        directory: Frame of the page directory; None with paging off.
        table: Frame of the page table; None where `pte` is.
        large: A 4 MB page.
        gpa: Guest-physical address of the byte, if the entries are present.
    """

    pde: int
    pte: int | None
    directory: Gfn | None
    table: Gfn | None
    large: bool
    gpa: Gpa

    def again(self, read: Callable[[int, int], int], linear: int) -> bool:
        """Whether the same entries, with every bit as it was, would be found for an address of the page now."""
        if self.directory is None:
            return True
        high, low, _ = paging.split(linear)
        if read((self.directory << paging.PAGE_SHIFT) + high * paging.ENTRY_SIZE, 4) != self.pde:
            return False
        return self.table is None or (read((self.table << paging.PAGE_SHIFT) + low * paging.ENTRY_SIZE, 4) == self.pte)

    @property
    def user(self) -> bool:
        """U/S of both levels."""
        return bool(self._both & paging.US)

    @property
    def writable(self) -> bool:
        """R/W of both levels."""
        return bool(self._both & paging.RW)

    @property
    def dirty(self) -> bool:
        """D of the entry that maps the page."""
        return bool((self.pde if self.pte is None else self.pte) & paging.D)

    @property
    def accessed(self) -> bool:
        """A of both levels."""
        return bool(self._both & paging.A)

    @property
    def _both(self) -> int:
        return self.pde if self.pte is None else self.pde & self.pte

    def error(self, *, write: bool, user: bool, wp: bool) -> int | None:
        """The page-fault error code an access earns, or None if it is allowed."""
        if self.directory is None:
            return None
        judged = self.pte if self.large or self.pte is not None else self.pde
        return paging.check_access(self.pde, judged, write=write, user=user, wp=wp)


@dataclass(frozen=True, slots=True)
class PagingMode:
    """The control registers that decide how a guest's addresses are translated.

    Attributes:
        cr0: For PG and WP.
        cr3: The page directory.
        cr4: For PSE.
    """

    cr0: int
    cr3: int
    cr4: int

    @property
    def enabled(self) -> bool:
        """CR0.PG."""
        return bool(self.cr0 & CR0_PG)

    @property
    def wp(self) -> bool:
        """CR0.WP."""
        return bool(self.cr0 & CR0_WP)

    @property
    def directory(self) -> Gfn | None:
        """Frame of the page directory; None with paging off."""
        return Gfn(self.cr3 >> paging.PAGE_SHIFT) if self.enabled else None


@lru_cache(maxsize=MOST_MODES)
def paging_mode(cr0: int, cr3: int, cr4: int) -> PagingMode:
    """The same control registers are the same object."""
    return PagingMode(cr0, cr3, cr4)


def look(read: Callable[[int, int], int], mode: PagingMode, linear: Gva) -> GuestWalk:
    """Find the entries for a gVA.

    Args:
        read: Guest-physical memory, by address and size.
        mode: The guest's control registers.
        linear: The gVA.
    """
    directory = mode.directory
    if directory is None:
        return GuestWalk(ALL_RIGHTS, None, None, None, False, Gpa(linear))
    high, low, offset = paging.split(linear)
    pde = read((directory << paging.PAGE_SHIFT) + high * paging.ENTRY_SIZE, 4)
    large = paging.is_large(pde, pse=bool(mode.cr4 & CR4_PSE))
    if large or not pde & paging.P:
        return GuestWalk(pde, None, directory, None, large, Gpa(paging.frame_address(pde, None, linear) | offset))
    table = Gfn(pde >> paging.PAGE_SHIFT)
    pte = read((table << paging.PAGE_SHIFT) + low * paging.ENTRY_SIZE, 4)
    return GuestWalk(pde, pte, directory, table, False, Gpa(paging.frame_address(pde, pte, linear) | offset))
