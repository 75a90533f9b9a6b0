"""Guest-physical memory: what the guest takes for RAM and devices, on frames of the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from teachvm.host.frames import Owner, OwnerKind
from teachvm.host.host import Host
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE
from teachvm.machine.bus import MemoryMappedDevice
from teachvm.machine.memory import ALL_ONES, Memory
from teachvm.vmm.addresses import Gfn, Gpa, Hfn, Hpa

WORD_SHIFT: Final = PAGE_SHIFT - 2
"""From a frame number to the number of its first doubleword."""


class GuestMemory:
    """The physical address space of one VM, as its software CPU and the VMM see it.

    Frames below `frame_count` are RAM, each on a host frame of its own; devices may answer beyond; nobody answers
    elsewhere, which reads as all ones. Stores to a traced page are reported, because something was derived from it.

    The map from guest to host frames is a cache of the host's frame table.
    """

    STATE: ClassVar[tuple[str, ...]] = ("traced",)
    DERIVED: ClassVar[tuple[str, ...]] = ("host", "owner", "frame_count", "pmap", "wrote", "_memory", "_ranges")

    def __init__(self, host: Host, vm: str, size: int, *, start: int = 0) -> None:
        """Take frames for all of a VM's RAM.

        Args:
            host: Whose frames.
            vm: The VM's name.
            size: Bytes of guest RAM.
            start: Lowest host frame to take.

        Raises:
            ValueError: The size is no positive multiple of 4096.
            OutOfFramesError: The host has too few free frames.
        """
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"guest memory of {size} bytes is not a positive multiple of {PAGE_SIZE}")
        self.host = host
        self.owner = Owner(OwnerKind.VM, vm)
        self.frame_count = size >> PAGE_SHIFT
        host.frames.allocate(self.owner, self.frame_count, start=start, first_number=0)
        self.pmap: list[Hfn] = []
        self.traced: dict[Gfn, int] = {}
        """Pages whose stores are reported, and how many things are derived from each."""
        self.wrote: Callable[[Gpa, int], None] = _nobody
        self._memory = host.machine.memory
        self._ranges: list[tuple[range, MemoryMappedDevice]] = []
        self.restored()

    def restored(self) -> None:
        """Read the map from the frame table again."""
        numbered = ((number, hfn) for hfn, number in self.host.frames.owned_by(self.owner) if number is not None)
        self.pmap[:] = [Hfn(hfn) for _, hfn in sorted(numbered)]

    @property
    def ram(self) -> Memory | None:
        """None: the software CPU has to ask for every access."""
        return None

    @property
    def size(self) -> int:
        """Bytes of guest RAM."""
        return self.frame_count << PAGE_SHIFT

    def is_ram(self, gfn: Gfn) -> bool:
        """Whether RAM lies behind a guest frame number."""
        return gfn < self.frame_count

    def hfn(self, gfn: Gfn) -> Hfn:
        """The host frame of a guest frame that is RAM."""
        return self.pmap[gfn]

    def hpa(self, gpa: Gpa) -> Hpa | None:
        """The host-physical address behind a guest-physical one; None where there is no RAM."""
        gfn = gpa >> PAGE_SHIFT
        if gfn >= self.frame_count:
            return None
        return Hpa(self.pmap[gfn] << PAGE_SHIFT | gpa & PAGE_SIZE - 1)

    def map(self, addresses: range, device: MemoryMappedDevice) -> None:
        """Let a virtual device answer in a range of guest-physical addresses beyond RAM.

        Raises:
            ValueError: The range overlaps RAM.
        """
        if addresses.start < self.size:
            raise ValueError(f"{addresses.start:#x} is RAM")
        self._ranges.append((addresses, device))

    # ---- as the software CPU's physical memory -------------------------------------------------

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes."""
        if size == 4 and not phys & 3 and phys >> PAGE_SHIFT < self.frame_count:
            return self._memory.words[self.pmap[phys >> PAGE_SHIFT] << WORD_SHIFT | (phys & PAGE_SIZE - 1) >> 2]
        if (phys & PAGE_SIZE - 1) + size > PAGE_SIZE:
            return sum(self.read(phys + index, 1) << 8 * index for index in range(size))
        hpa = self.hpa(Gpa(phys))
        if hpa is not None:
            return self._memory.read(hpa, size)
        for addresses, device in self._ranges:
            if phys in addresses:
                return device.read_memory(phys - addresses.start, size)
        return ALL_ONES[size]

    def write(self, phys: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes; what nobody takes is lost."""
        if (phys & PAGE_SIZE - 1) + size > PAGE_SIZE:
            for index in range(size):
                self.write(phys + index, 1, value >> 8 * index & 0xFF)
            return
        hpa = self.hpa(Gpa(phys))
        if hpa is not None:
            self._memory.write(hpa, size, value)
            if phys >> PAGE_SHIFT in self.traced:
                self.wrote(Gpa(phys), size)
            return
        for addresses, device in self._ranges:
            if phys in addresses:
                device.write_memory(phys - addresses.start, size, value)

    # ---- by block, for loaders and views -------------------------------------------------------

    def read_bytes(self, gpa: int, count: int) -> bytes:
        """Copy of a stretch of guest-physical memory; what is not RAM reads as 0xFF."""
        content = bytearray()
        while len(content) < count:
            here = Gpa(gpa + len(content))
            room = min(count - len(content), PAGE_SIZE - (here & PAGE_SIZE - 1))
            hpa = self.hpa(here)
            content += b"\xff" * room if hpa is None else self._memory.read_bytes(hpa, room)
        return bytes(content)

    def write_bytes(self, gpa: int, content: bytes) -> None:
        """Store a stretch of bytes, as a loader does; what is not RAM is lost."""
        done = 0
        while done < len(content):
            here = Gpa(gpa + done)
            room = min(len(content) - done, PAGE_SIZE - (here & PAGE_SIZE - 1))
            hpa = self.hpa(here)
            if hpa is not None:
                self._memory.write_bytes(hpa, content[done : done + room])
                if here >> PAGE_SHIFT in self.traced:
                    self.wrote(here, room)
            done += room

    # ---- traces --------------------------------------------------------------------------------

    def trace(self, gfn: Gfn) -> bool:
        """Report stores to a page from now on; true if they were not reported before."""
        count = self.traced.get(gfn, 0)
        self.traced[gfn] = count + 1
        return not count

    def untrace(self, gfn: Gfn) -> None:
        """Undo one `trace`."""
        count = self.traced[gfn] - 1
        if count:
            self.traced[gfn] = count
        else:
            del self.traced[gfn]


def _nobody(gpa: Gpa, size: int) -> None:
    """Nobody listens."""
