"""The bytes of a translation cache: host frames, mapped one behind another into the VMM's region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from teachvm.host.frames import Owner, OwnerKind
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE
from teachvm.machine.operation import decoded
from teachvm.vmm.engines.translate.fields import FIELDS_BASE

if TYPE_CHECKING:
    from teachvm.vmm.engines.translate.records import CacheInsn
    from teachvm.vmm.region import VmmRegion

CACHE_BASE: Final = FIELDS_BASE + 0x8000
"""Linear address of the cache."""
CACHE_FRAMES: Final = 16
CACHE_END: Final = CACHE_BASE + CACHE_FRAMES * PAGE_SIZE


class Store:
    """Reads and writes the cache by its linear addresses."""

    def __init__(self, region: VmmRegion, vm: str) -> None:
        self._frames = region.extend(Owner(OwnerKind.VMM, vm, "translation cache"), CACHE_BASE, CACHE_FRAMES, user=True)
        self._memory = region.host.machine.memory

    def write(self, address: int, content: bytes) -> None:
        """Replace bytes."""
        while content:
            physical, room = self._place(address)
            self._memory.write_bytes(physical, content[:room])
            address, content = address + room, content[room:]

    def decode(self, code: Sequence[CacheInsn]) -> None:
        """Have instructions that stand one behind another decoded already when the processor comes to them."""
        memory = self._memory
        physical, room = self._place(code[0].address)
        memory.remember_code(physical, min(room, code[-1].end - code[0].address))
        for insn in code:
            at, left = self._place(insn.address)
            operation = decoded(insn.bytes, 32)
            if at >> PAGE_SHIFT == physical >> PAGE_SHIFT and operation.length <= left:
                memory.code_page(at >> PAGE_SHIFT).ops[True][at & PAGE_SIZE - 1] = operation

    def read(self, address: int, size: int) -> bytes:
        """Bytes as they stand in the cache now."""
        found = b""
        while len(found) < size:
            physical, room = self._place(address + len(found))
            found += self._memory.read_bytes(physical, min(room, size - len(found)))
        return found

    def _place(self, address: int) -> tuple[int, int]:
        """Host-physical address, and how many bytes are left in its frame."""
        number, offset = divmod(address - CACHE_BASE, PAGE_SIZE)
        return (self._frames[number] << 12) + offset, PAGE_SIZE - offset
