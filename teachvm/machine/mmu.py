"""Linear to physical: two-level paging with access rights, accessed and dirty bits, and the TLB in front of it.

Source: Intel SDM Vol. 3A, §4.3 (32-bit paging), §4.6 to §4.8 (rights, page faults, A and D), §4.10 (TLB).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from teachvm.isa import paging
from teachvm.isa.control import (
    CR0_CD,
    CR0_ET,
    CR0_KNOWN,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR0_WP,
    CR3_PCD,
    CR3_PWT,
    CR4_KNOWN,
    CR4_PSE,
)
from teachvm.isa.exceptions import Vector
from teachvm.machine.events import PageWalked, TlbFlushed, WalkReferenced
from teachvm.machine.exceptions import Fault, StopReason, general_protection
from teachvm.machine.memory import PhysicalMemory
from teachvm.machine.registers import MASK32, Ports, Registers
from teachvm.machine.tlb import Tlb, TlbEntry
from teachvm.trace.recorder import Recorder

RIGHTS = paging.P | paging.RW | paging.US


class Access(Enum):
    """What a linear address is translated for."""

    READ = "read"
    WRITE = "write"
    FETCH = "fetch"


class Mmu(Registers):
    """The paging unit: translation, linear memory access, and the control registers that govern them.

    `walker` is how a linear address is translated on a TLB miss (or always, without a TLB); nested paging replaces it,
    and sets `second_level`: what paging leaves as a physical address is then translated too, also with CR0.PG clear.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (*Registers.DERIVED, "walker", "second_level", "_watched")

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        super().__init__(name, memory, ports, recorder, tlb)
        self.walker: Callable[[Mmu, int, Access, bool], TlbEntry] = walk_two_levels
        self.second_level = False
        # Linear page numbers no map may hold, since accesses to some of their bytes are looked at.
        self._watched: frozenset[int] = frozenset()

    # ---- translation ---------------------------------------------------------------------------

    def translate(self, linear: int, access: Access, user: bool) -> int:
        """Physical address of a linear address, through the TLB.

        Args:
            linear: 32 bits.
            access: Read, write or fetch.
            user: Made at CPL 3 by the program itself; the processor's own table accesses are supervisor accesses.

        Raises:
            Fault: #PF, when the page is not present or the access not allowed.

        Source: Intel SDM Vol. 3A, §4.10.
        """
        known = (self._writes if access is Access.WRITE else self._reads)[3 if user else 0].get(linear >> 12)
        if known is not None:
            return known | linear & 0xFFF
        paged = self.cr0 & CR0_PG or self.second_level
        frame = self._resolve(linear, access, user) if paged else linear & paging.FRAME
        ram = self._ram
        if ram is not None and self.tlb is not None and frame < ram.size and linear >> 12 not in self._watched:
            privilege = 3 if user else 0
            self._reads[privilege][linear >> 12] = frame
            if access is Access.WRITE:
                self._writes[privilege][linear >> 12] = frame
        return frame | linear & 0xFFF

    def _resolve(self, linear: int, access: Access, user: bool) -> int:
        tlb = self.tlb
        if tlb is None:
            return self.walker(self, linear, access, user).frame
        vpn = linear >> 12
        entry = tlb.find(vpn)
        if entry is not None:
            if self._allows(entry, access, user):
                return entry.frame
            # Too few rights, or a first write through a clean entry: the tables in memory decide, and a fault has
            # to leave no entry behind.
            tlb.drop(vpn)
        entry = self.walker(self, linear, access, user)
        tlb.insert(entry)
        return entry.frame

    def _allows(self, entry: TlbEntry, access: Access, user: bool) -> bool:
        """Whether a resident entry serves an access without another walk."""
        write = access is Access.WRITE
        if write and not entry.dirty:
            return False
        wp = self.cr0 & CR0_WP != 0
        return paging.check_access(entry.rights, entry.rights, write=write, user=user, wp=wp) is None

    def resident(self, linear: int, access: Access, user: bool) -> bool:
        """Whether an access needs no walk; always true without paging or without a TLB."""
        if self.tlb is None or not (self.cr0 & CR0_PG or self.second_level):
            return True
        entry = self.tlb.find(linear >> 12)
        return entry is not None and self._allows(entry, access, user)

    # ---- linear memory -------------------------------------------------------------------------

    def read_linear(self, linear: int, size: int, user: bool = False) -> int:
        """Read up to 8 bytes at a linear address, little-endian; they may lie across two pages.

        Raises:
            Fault: #PF.
        """
        first = self.translate(linear, Access.READ, user)
        room = 0x1000 - (linear & 0xFFF)
        if size <= room:
            value = self._read_physical(first, size)
        else:
            second = self.translate(linear + room & MASK32, Access.READ, user)
            low = self._read_physical(first, room)
            value = low | self._read_physical(second, size - room) << 8 * room
        if self._watched:
            self.accessed(linear, size, False)
        return value

    def write_linear(self, linear: int, size: int, value: int, user: bool = False) -> None:
        """Write up to 8 bytes at a linear address; both pages are checked before either is written.

        Raises:
            Fault: #PF.
        """
        first = self.translate(linear, Access.WRITE, user)
        room = 0x1000 - (linear & 0xFFF)
        if size <= room:
            self._write_physical(first, size, value)
        else:
            second = self.translate(linear + room & MASK32, Access.WRITE, user)
            self._write_physical(first, room, value & (1 << 8 * room) - 1)
            self._write_physical(second, size - room, value >> 8 * room)
        if self._watched:
            self.accessed(linear, size, True)

    def words_at(self, linear: int, count: int, privilege: int = 0) -> memoryview | None:
        """Doublewords one after another, if they lie aligned in one page whose translation is known; else None.

        Args:
            linear: Address of the first.
            count: How many.
            privilege: CPL the access is made at; the processor's own are made at 0.
        """
        frame = self._reads[privilege].get(linear >> 12)
        offset = linear & 0xFFF
        if frame is None or self._ram is None or offset & 3 or offset + 4 * count > 0x1000:
            return None
        at = (frame | offset) >> 2
        return self._ram.words[at : at + count]

    def store_run(self, linear: int, values: list[int], privilege: int = 0) -> bool:
        """Store doublewords, the last one at the lowest address, if that can be done at once; else nothing is stored.

        Args:
            linear: The lowest address.
            values: What to store.
            privilege: CPL the access is made at; the processor's own are made at 0.
        """
        frame = self._writes[privilege].get(linear >> 12)
        offset = linear & 0xFFF
        if frame is None or self._ram is None or offset & 3 or offset + 4 * len(values) > 0x1000:
            return False
        if self._ram.guard[frame >> 12]:
            return False
        words, at = self._ram.words, (frame | offset) >> 2
        for value in reversed(values):
            words[at] = value
            at += 1
        return True

    def probe_linear(self, linear: int, size: int, user: bool = False) -> None:
        """Make sure that a write would succeed.

        Raises:
            Fault: #PF.
        """
        self.translate(linear, Access.WRITE, user)
        if (linear & 0xFFF) + size > 0x1000:
            self.translate((linear | 0xFFF) + 1 & MASK32, Access.WRITE, user)

    def accessed(self, linear: int, size: int, write: bool) -> None:
        """An access is done while some bytes are watched."""

    def watches(self, linear: int) -> bool:
        """Whether accesses to some bytes of an address's page are looked at one by one."""
        return linear >> 12 in self._watched

    def _read_physical(self, phys: int, size: int) -> int:
        """Read 1 to 8 bytes inside one page, in naturally sized pieces."""
        if size in (1, 2, 4):
            return self.memory.read(phys, size)
        if size == 8:
            return self.memory.read(phys, 4) | self.memory.read(phys + 4, 4) << 32
        value = 0
        for index in range(size):
            value |= self.memory.read(phys + index, 1) << 8 * index
        return value

    def _write_physical(self, phys: int, size: int, value: int) -> None:
        if size in (1, 2, 4):
            self.memory.write(phys, size, value)
        elif size == 8:
            self.memory.write(phys, 4, value & MASK32)
            self.memory.write(phys + 4, 4, value >> 32)
        else:
            for index in range(size):
                self.memory.write(phys + index, 1, value >> 8 * index & 0xFF)

    # ---- control registers ---------------------------------------------------------------------

    def write_cr0(self, value: int) -> None:
        """Load CR0; a change of PG flushes the TLB.

        Raises:
            Fault: #GP(0) for PG without PE, or NW without CD.
            CpuStopped: PE cleared.

        Deviation: real-address mode is not modelled, so leaving protected mode stops the CPU.
        """
        value = value & CR0_KNOWN | CR0_ET
        if (value & CR0_PG and not value & CR0_PE) or (value & CR0_NW and not value & CR0_CD):
            raise general_protection()
        if self.cr0 & CR0_PE and not value & CR0_PE:
            raise self.stop(StopReason.REAL_MODE, f"CR0.PE was cleared at eip {self.eip:#010x}")
        changed = self.cr0 ^ value
        self.cr0 = value
        if changed & CR0_PG:
            self.flush_tlb("cr0")
        elif changed & CR0_WP and self.tlb is not None:
            self.tlb.forget()

    def write_cr3(self, value: int) -> None:
        """Load CR3, which flushes the TLB; the Pentium has no global pages."""
        self.cr3 = value & (paging.FRAME | CR3_PWT | CR3_PCD)
        self.flush_tlb("cr3")

    def write_cr4(self, value: int) -> None:
        """Load CR4; a change of PSE flushes the TLB.

        Raises:
            Fault: #GP(0) for a reserved bit.
        """
        if value & ~CR4_KNOWN:
            raise general_protection()
        changed = self.cr4 ^ value
        self.cr4 = value
        if changed & CR4_PSE:
            self.flush_tlb("cr4")

    def flush_tlb(self, cause: str) -> None:
        """Drop every cached translation."""
        if self.tlb is not None:
            gone = len(self.tlb.resident())
            self.tlb.flush()
            self.emit(TlbFlushed, cause=cause, linear=None, entries=gone)

    def invalidate_page(self, linear: int) -> None:
        """What INVLPG does."""
        if self.tlb is not None:
            before = len(self.tlb.resident())
            self.tlb.invalidate(linear)
            self.emit(TlbFlushed, cause="invlpg", linear=linear, entries=before - len(self.tlb.resident()))


def walk_two_levels(cpu: Mmu, linear: int, access: Access, user: bool) -> TlbEntry:
    """Walk page directory and page table in memory.

    Each entry read is a phase. PDE.A is set when the walker passes it; A and D of the entry that maps the page only
    when the access is allowed.

    Raises:
        Fault: #PF with CR2 = `linear`.

    Source: Intel SDM Vol. 3A, §4.3, §4.7, §4.8.
    Deviation: the manual permits A to be set earlier, and on a fault; this machine does it at fixed points.
    """
    directory_index, table_index, _ = paging.split(linear)
    write = access is Access.WRITE
    wp = cpu.cr0 & CR0_WP != 0
    pde_address = (cpu.cr3 & paging.FRAME) + directory_index * paging.ENTRY_SIZE
    pde = _reference(cpu, linear, "pde", pde_address, 0)
    steps = [("pde", pde_address, pde)]
    large = paging.is_large(pde, pse=cpu.cr4 & CR4_PSE != 0)
    pte: int | None = None
    leaf_address, leaf = pde_address, pde
    if pde & paging.P and not large:
        if not pde & paging.A:
            cpu.memory.write(pde_address, 4, pde | paging.A)
        pte_address = (pde & paging.FRAME) + table_index * paging.ENTRY_SIZE
        pte = _reference(cpu, linear, "pte", pte_address, 1)
        steps.append(("pte", pte_address, pte))
        leaf_address, leaf = pte_address, pte
    # A directory entry that is not present has no table: judged as if its table entry were its own.
    judged = pde if pte is None and not large else pte
    error = paging.check_access(pde, judged, write=write, user=user, wp=wp)
    frame = None if error is not None else paging.frame_address(pde, pte, linear)
    if frame is not None:
        touched = leaf | paging.A | (paging.D if write else 0)
        if touched != leaf:
            cpu.memory.write(leaf_address, 4, touched)
    cpu.emit(PageWalked, linear=linear, access=access.value, user=user, steps=tuple(steps), frame=frame, error=error)
    if frame is None:
        raise Fault(Vector.PF, error, linear)
    rights = (pde if pte is None else pde & pte) & RIGHTS
    dirty = write or leaf & paging.D != 0
    return TlbEntry(linear >> 12, frame, rights, dirty, large)


def _reference(cpu: Mmu, linear: int, level: str, address: int, index: int) -> int:
    """Read one entry: a visible phase."""
    entry = cpu.memory.read(address, 4)
    cpu.mark(WalkReferenced, linear=linear, level=level, entry_address=address, entry=entry, index=index)
    return entry
