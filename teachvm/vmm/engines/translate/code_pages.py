"""The guest pages that translated code was read from: watched for stores to them, and for another mapping.

Source: Agesen et al., OSR 44(4) 2010, §4 (traces keep translated code coherent).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from teachvm.isa.paging import PAGE_SHIFT
from teachvm.machine.mmu import Access
from teachvm.vmm.addresses import Gfn, Gva
from teachvm.vmm.memory.walk import GuestWalk, PagingMode, look

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm


@dataclass(frozen=True, slots=True)
class CodePage:
    """One page of guest code, and what its address was translated by.

    Attributes:
        gfn: The guest frame its code lies in.
        directory: Frame of the page directory; None with paging off.
        table: Frame of the page table; None for a 4 MB page or with paging off.
        user: Code of a program's was read from it, so it has to be a program's page.
    """

    gfn: Gfn
    directory: Gfn | None
    table: Gfn | None
    user: bool

    @property
    def frames(self) -> tuple[Gfn, ...]:
        """The guest frames stores to which matter."""
        return tuple(each for each in (self.gfn, self.directory, self.table) if each is not None)


class CodePages:
    """Every page a valid fragment was read from.

    State: `pages` by linear page number; `mode`, the control registers their mapping was last checked under; `stale`,
    that it has to be checked again.
    """

    STATE: ClassVar[tuple[str, ...]] = ("pages", "mode", "stale")
    DERIVED: ClassVar[tuple[str, ...]] = ("_memory", "_shadow", "_vm")

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._memory = vm.memory
        self._shadow = vm.shadow
        self.pages: dict[int, CodePage] = {}
        self.mode: PagingMode | None = None
        self.stale = False

    def add(self, linear: Gva, *, user: bool) -> None:
        """Watch the page of a unit that is being translated; the guest's entries get A, as if it were fetched from."""
        page = linear >> PAGE_SHIFT
        self._vm.vcpu.cpu.translate(linear, Access.FETCH, user)
        found = self.pages.get(page)
        if found is None:
            self._set(page, self._walk(page), user=user)
        elif user and not found.user:
            self.pages[page] = replace(found, user=True)

    def _walk(self, page: int) -> GuestWalk:
        return look(self._memory.read, self._vm.vcpu.mode, Gva(page << PAGE_SHIFT))

    def _set(self, page: int, walk: GuestWalk, *, user: bool) -> None:
        found = CodePage(Gfn(walk.gpa >> PAGE_SHIFT), walk.directory, walk.table, user)
        for gfn in found.frames:
            if self._memory.is_ram(gfn):
                self._shadow.protect(gfn)
        self.pages[page] = found

    def _drop(self, page: int) -> None:
        for gfn in self.pages.pop(page).frames:
            if self._memory.is_ram(gfn):
                self._memory.untrace(gfn)

    def clear(self) -> None:
        """Watch nothing."""
        for page in list(self.pages):
            self._drop(page)

    def keep_only(self, frames: set[int]) -> None:
        """Watch no page without translated code any more."""
        for page in [page for page, found in self.pages.items() if found.gfn not in frames]:
            self._drop(page)

    def guest_wrote(self, gfn: int) -> bool:
        """A store hit a frame; true if code lies there. Tables are checked before translated code runs again."""
        code = False
        for page in self.pages.values():
            code |= page.gfn == gfn
            self.stale |= gfn in (page.directory, page.table)
        return code

    def moved(self) -> list[int]:
        """Pages that lie elsewhere than when their code was read, or cannot be fetched from; they are not watched more.

        Looked for only if something happened since that may have moved one.
        """
        mode = self._vm.vcpu.mode
        if mode == self.mode and not self.stale:
            return []
        self.mode, self.stale = mode, False
        gone = []
        for page, found in list(self.pages.items()):
            walk = self._walk(page)
            there = CodePage(Gfn(walk.gpa >> PAGE_SHIFT), walk.directory, walk.table, found.user)
            # An entry without A has to get it when the guest executes there next, so that is not to go unnoticed.
            good = walk.accessed and walk.error(write=False, user=found.user, wp=mode.wp) is None
            if good and there == found:
                continue
            self._drop(page)
            if good and there.gfn == found.gfn:
                self._set(page, walk, user=found.user)
            else:
                gone.append(page)
        return gone
