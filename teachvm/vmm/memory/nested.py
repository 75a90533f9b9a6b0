"""Nested page tables: the VMM's own map from guest-physical to host-physical, which the hardware walks itself.

One tree per VM, filled when the hardware misses an entry. It holds no more than the host's frame table says already, so
it may be thrown away at any moment.

Source: Bhargava et al., ASPLOS 2008; Agesen et al., OSR 44(4) 2010, §6.2.
"""

from __future__ import annotations

from teachvm.host.frames import Owner, OwnerKind
from teachvm.isa import paging
from teachvm.isa.paging import ENTRIES, ENTRY_SIZE, PAGE_SHIFT, PAGE_SIZE, RW, US, P
from teachvm.vmm.addresses import Gfn, Gpa, Hfn
from teachvm.vmm.memory.guest import GuestMemory


class NestedTables:
    """The nested directory and tables of one VM, in host frames of their own.

    All they say is in those frames: nothing here is state.

    Attributes:
        root: Host-physical address of the directory.
    """

    def __init__(self, memory: GuestMemory, vm: str) -> None:
        """Take frames for a tree that can map all of a VM's memory; it is empty.

        Raises:
            OutOfFramesError: The host has too few free frames.
        """
        self._memory = memory
        self._ram = memory.host.machine.memory
        self._owner = Owner(OwnerKind.VMM, vm, "nested")
        tables = -(-memory.frame_count // ENTRIES)
        frames = memory.host.frames.allocate(self._owner, 1 + tables)
        self.root = frames[0] << PAGE_SHIFT
        self._tables = [Hfn(frame) for frame in frames[1:]]

    def fill(self, gpa: Gpa) -> int:
        """Write the entry of a guest-physical page that is RAM.

        Returns:
            The entry.
        """
        high, low, _ = paging.split(gpa)
        table = self._tables[high]
        self._ram.write(self.root + high * ENTRY_SIZE, 4, table << PAGE_SHIFT | P | RW | US)
        entry = self._memory.hfn(Gfn(gpa >> PAGE_SHIFT)) << PAGE_SHIFT | P | RW | US
        self._ram.write((table << PAGE_SHIFT) + low * ENTRY_SIZE, 4, entry)
        return entry

    def entry(self, gpa: Gpa) -> int | None:
        """The present entry of a guest-physical page, or None."""
        high, low, _ = paging.split(gpa)
        if not self._ram.read(self.root + high * ENTRY_SIZE, 4) & P:
            return None
        entry = self._ram.read((self._tables[high] << PAGE_SHIFT) + low * ENTRY_SIZE, 4)
        return entry if entry & P else None

    def drop(self) -> None:
        """Empty the whole tree; whoever does so drops the translations made from it too."""
        for address in (self.root, *(table << PAGE_SHIFT for table in self._tables)):
            self._ram.write_bytes(address, bytes(PAGE_SIZE))
