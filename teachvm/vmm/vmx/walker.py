"""The two-dimensional page walk: every guest-physical address on the guest's walk is itself translated.

Guest levels n and nested levels m give (n+1)(m+1) - 1 memory references for one TLB miss: 8 for two and two.

Source: Bhargava et al., ASPLOS 2008; Adams & Agesen, ASPLOS 2006, §7.4; Intel SDM Vol. 3C, §28.2 (EPT violations).
Deviation: the nested tables have the two levels of 32-bit paging, as AMD's nested paging has on such a host; Intel's
have four always. Nested entries have no accessed and dirty bits, as Intel's had none before Haswell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

from teachvm.isa import paging
from teachvm.isa.control import CR0_PG, CR0_WP, CR4_PSE
from teachvm.isa.exceptions import Vector
from teachvm.machine.exceptions import Fault
from teachvm.machine.mmu import RIGHTS, Access, Mmu
from teachvm.machine.tlb import TlbEntry
from teachvm.vmm.vmx.events import NestedPageWalked, NestedReferenced, WalkReference
from teachvm.vmm.vmx.exits import (
    VIOLATION_ALLOWED_SHIFT,
    VIOLATION_FETCH,
    VIOLATION_FINAL,
    VIOLATION_LINEAR_VALID,
    VIOLATION_READ,
    VIOLATION_WRITE,
    ExitReason,
    VmExit,
)

CACHED: Final = 16
"""Guest-physical pages the walk cache remembers."""
_ATTEMPT: Final = {Access.READ: VIOLATION_READ, Access.WRITE: VIOLATION_WRITE, Access.FETCH: VIOLATION_FETCH}


def references(guest_levels: int, nested_levels: int) -> int:
    """Memory references of one TLB miss, at worst; a page of a higher level saves one of either kind.

    Source: Bhargava et al., ASPLOS 2008.
    """
    return (guest_levels + 1) * (nested_levels + 1) - 1


class _Asked(NamedTuple):
    """What a walk is for."""

    linear: int
    access: Access
    user: bool


class _Nested(NamedTuple):
    """What the nested tables say about a guest-physical page."""

    frame: int
    writable: bool


class TwoDimensionalWalker:
    """The page walker in non-root mode with nested tables.

    State: `cache_on`, whether guest-physical translations met on the way are remembered in `cached` (page of gPA to
    frame and right to write), oldest first; counts of `walks`, of memory `references` and of `cache_hits`.

    Attributes:
        root: Host-physical address of the nested directory.
    """

    STATE: ClassVar[tuple[str, ...]] = ("cache_on", "cached", "walks", "references", "cache_hits")
    DERIVED: ClassVar[tuple[str, ...]] = ("root", "_steps")

    def __init__(self, root: int) -> None:
        self.root = root
        self.cache_on = False
        self.cached: dict[int, tuple[int, bool]] = {}
        self.walks = 0
        self.references = 0
        self.cache_hits = 0
        self._steps: list[WalkReference] = []

    def forget(self) -> None:
        """The nested tables changed: nothing remembered from them holds."""
        self.cached.clear()

    def walk(self, cpu: Mmu, linear: int, access: Access, user: bool) -> TlbEntry:
        """Translate gVA to hPA: the guest's tables in one dimension, the nested ones in the other.

        Each entry read is a phase. The guest's accessed and dirty bits are set as on bare metal, through the nested
        tables' right to write.

        Raises:
            Fault: #PF, by the guest's own tables; CR2 = `linear`.
            VmExit: The nested tables do not allow a reference, or the result.
        """
        self._steps = []
        asked = _Asked(linear, access, user)
        if not cpu.cr0 & CR0_PG:
            found = self._translate(cpu, linear, linear & paging.FRAME, access, final=True)
            self._tell(cpu, asked, (), linear & paging.FRAME, found.frame, None)
            return TlbEntry(linear >> 12, found.frame, RIGHTS, found.writable, False)
        high, low, _ = paging.split(linear)
        write, wp = access is Access.WRITE, cpu.cr0 & CR0_WP != 0
        pde_at, pde, set_pde = self._guest_entry(cpu, linear, "pde", (cpu.cr3 & paging.FRAME) + 4 * high)
        large = paging.is_large(pde, pse=cpu.cr4 & CR4_PSE != 0)
        pte: int | None = None
        leaf, set_leaf = pde, set_pde
        steps: tuple[tuple[str, int, int], ...] = (("pde", pde_at, pde),)
        if pde & paging.P and not large:
            if not pde & paging.A:
                set_pde(pde | paging.A)
            pte_at, pte, set_leaf = self._guest_entry(cpu, linear, "pte", (pde & paging.FRAME) + 4 * low)
            leaf = pte
            steps += (("pte", pte_at, pte),)
        judged = pde if pte is None and not large else pte
        error = paging.check_access(pde, judged, write=write, user=user, wp=wp)
        if error is not None:
            self._tell(cpu, asked, steps, None, None, error)
            raise Fault(Vector.PF, error, linear)
        gpa = paging.frame_address(pde, pte, linear)
        found = self._translate(cpu, linear, gpa, access, final=True)
        touched = leaf | paging.A | (paging.D if write else 0)
        if touched != leaf:
            set_leaf(touched)
        self._tell(cpu, asked, steps, gpa, found.frame, None)
        rights = (pde if pte is None else pde & pte) & RIGHTS
        # A page the nested tables do not let the guest write is held as clean, so that a write walks again.
        return TlbEntry(linear >> 12, found.frame, rights, bool(touched & paging.D) and found.writable, large)

    def _guest_entry(self, cpu: Mmu, linear: int, level: str, gpa: int) -> tuple[int, int, Callable[[int], None]]:
        """Read one entry of the guest's tables; returns its gPA, its value, and how to change it."""
        found = self._translate(cpu, linear, gpa, Access.READ, final=False)
        hpa = found.frame | gpa & 0xFFF
        entry = cpu.memory.read(hpa, 4)
        self._reference(cpu, linear, level, gpa, hpa, entry, gpa)

        def store(value: int) -> None:
            if not found.writable:
                raise self._violation(linear, gpa, VIOLATION_READ | VIOLATION_WRITE, paging.P, final=False)
            cpu.memory.write(hpa, 4, value)

        return gpa, entry, store

    def _translate(self, cpu: Mmu, linear: int, gpa: int, access: Access, *, final: bool) -> _Nested:
        """Walk the nested tables for one guest-physical address, unless the walk cache knows its page."""
        page = gpa >> paging.PAGE_SHIFT
        if self.cache_on and page in self.cached:
            found = _Nested(*self.cached[page])
            if found.writable or access is not Access.WRITE:
                self.cache_hits += 1
                return found
        high, low, _ = paging.split(gpa)
        at = self.root + 4 * high
        entry = cpu.memory.read(at, 4)
        self._reference(cpu, linear, "nested-pde", at, at, entry, gpa)
        rights, frame = entry, paging.frame_address(entry, None, gpa)
        if entry & paging.P and not paging.is_large(entry, pse=True):
            at = (entry & paging.FRAME) + 4 * low
            leaf = cpu.memory.read(at, 4)
            self._reference(cpu, linear, "nested-pte", at, at, leaf, gpa)
            rights, frame = entry & leaf, leaf & paging.FRAME
        if not rights & paging.P or (access is Access.WRITE and not rights & paging.RW):
            raise self._violation(linear, gpa, _ATTEMPT[access], rights, final=final)
        found = _Nested(frame, bool(rights & paging.RW))
        if self.cache_on:
            if len(self.cached) >= CACHED:
                self.cached.pop(next(iter(self.cached)))
            self.cached[page] = found.frame, found.writable
        return found

    # ---- what is told --------------------------------------------------------------------------

    def _reference(
        self, cpu: Mmu, linear: int, level: str, address: int, host_address: int, entry: int, gpa: int
    ) -> None:
        """One memory reference: counted, remembered for the walk's end, and a phase."""
        self.references += 1
        index = len(self._steps)
        self._steps.append(WalkReference(level, address, host_address, entry, gpa))
        cpu.mark(
            NestedReferenced,
            linear=linear,
            level=level,
            entry_address=address,
            entry=entry,
            index=index,
            host_address=host_address,
            gpa=gpa,
        )

    def _tell(
        self,
        cpu: Mmu,
        asked: _Asked,
        steps: tuple[tuple[str, int, int], ...],
        frame: int | None,
        host_frame: int | None,
        error: int | None,
    ) -> None:
        self.walks += 1
        cpu.emit(
            NestedPageWalked,
            linear=asked.linear,
            access=asked.access.value,
            user=asked.user,
            steps=steps,
            frame=frame,
            error=error,
            host_frame=host_frame,
            references=tuple(self._steps),
        )

    @staticmethod
    def _violation(linear: int, gpa: int, attempt: int, rights: int, *, final: bool) -> VmExit:
        """An EPT violation with its qualification."""
        allowed = 0
        if rights & paging.P:
            allowed = VIOLATION_READ | VIOLATION_FETCH | (VIOLATION_WRITE if rights & paging.RW else 0)
        qualification = attempt | allowed << VIOLATION_ALLOWED_SHIFT | VIOLATION_LINEAR_VALID
        if final:
            qualification |= VIOLATION_FINAL
        return VmExit(ExitReason.EPT_VIOLATION, qualification, linear=linear, gpa=gpa)
