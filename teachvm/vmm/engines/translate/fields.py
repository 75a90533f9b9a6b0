"""The VCPU's fields that translated code reaches through GS: one page of the VMM's region, in a host frame.

While translated code runs, IF and IOPL of the guest live here; the rest is a copy the VMM writes before it enters the
cache, or room for a sequence to put registers aside. The two tables of targets lie here as well.

Source: Adams & Agesen, ASPLOS 2006, §3.2; Agesen et al., OSR 44(4) 2010, §3.1 (%gs reserved for the VMM).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final

from teachvm.host.frames import Owner, OwnerKind
from teachvm.isa.descriptors import ACCESSED, CODE, WRITABLE, Segment, access_word
from teachvm.isa.flags import IF, IOPL_MASK, TF
from teachvm.isa.operands import CS, GS, SS, Mem
from teachvm.machine.cpu import Cpu
from teachvm.vmm.addresses import Hfn
from teachvm.vmm.deprivilege import KEPT_APART, KERNEL_RING, USER_RING, changeable
from teachvm.vmm.region import CACHE_CS, VMM_BASE, VMM_SS

if TYPE_CHECKING:
    from teachvm.vmm.region import VmmRegion

FIELDS_BASE: Final = VMM_BASE + 0x8000
"""Linear address of the page."""
FLAGS: Final = 0x00
"""IF, IOPL and the other EFLAGS bits that are kept apart, at their own places."""
FLAGS_HIGH: Final = FLAGS + 1
"""The byte with IF and IOPL in it."""
PENDING: Final = 0x04
"""A byte: turning IF on has to be left to the VMM, because an interrupt waits or is near."""
SPILL_EAX: Final = 0x08
SPILL_ECX: Final = 0x0C
CONTROL: Final = {0: 0x10, 2: 0x14, 3: 0x18, 4: 0x1C}
"""Copies of CR0, CR2, CR3 and CR4, by number."""
SELECTOR: Final = {SS: 0x20, GS: 0x24}
"""Copies of the guest's selectors that the hardware does not hold, by segment register."""
TASK: Final = 0x28
LOCAL: Final = 0x2C
"""Copies of the selectors in TR and LDTR."""
LENT: Final = {GS: 0x30, CS: 0x34}
"""What FS is to be loaded with where it stands for GS or CS of the guest's, by segment register; see `lending`."""
SPILL_FS: Final = 0x38
"""FS's own selector meanwhile."""
SLOW: Final = 0x100
"""By EFLAGS bits 15:8 that POPFD is to load: not 0 where the VMM has to do it."""
KEPT: Final = 0x200
"""By the same: which of them are kept here, IF and IOPL."""
RETURNS: Final = 0x400
"""256 landings by the low byte of a return address."""
BRANCHES: Final = 0x800
"""256 landings by the low byte of any other computed target."""
TARGETS: Final = 256

CACHE_CODE: Final = {
    ring: Segment(CACHE_CS | ring, 0, 0xFFFF_FFFF, access_word(type_=CODE | ACCESSED, dpl=ring))
    for ring in (KERNEL_RING, USER_RING)
}
"""CS of translated code, by ring: reaches all of memory, and nothing can be read through it."""
FIELDS_DATA: Final = {
    ring: Segment(VMM_SS | ring, FIELDS_BASE, 0xFFF, access_word(type_=WRITABLE | ACCESSED, dpl=ring, granular=False))
    for ring in (KERNEL_RING, USER_RING)
}
"""GS of translated code: this page. The GDT has no such descriptor while a guest runs, so no guest can load it."""


def field(offset: int, width: int = 32, *, base: int | None = None, index: int | None = None, scale: int = 1) -> Mem:
    """A field as an operand of an instruction in the cache."""
    return Mem(GS, base, index, scale, offset, width)


class Fields:
    """The page of one VM."""

    def __init__(self, region: VmmRegion, vm: str) -> None:
        (self.hfn,) = region.extend(Owner(OwnerKind.VMM, vm, "VCPU fields"), FIELDS_BASE, 1, user=True)
        self._memory = region.host.machine.memory

    @property
    def address(self) -> int:
        """Host-physical address of the page."""
        return Hfn(self.hfn) << 12

    def read(self, offset: int) -> int:
        """A doubleword field."""
        return self._memory.read(self.address + offset, 4)

    def read_byte(self, offset: int) -> int:
        """A byte field."""
        return self._memory.read(self.address + offset, 1)

    def write(self, offset: int, value: int) -> None:
        """Set a doubleword field."""
        self._memory.write(self.address + offset, 4, value)

    def flags(self) -> int:
        """The guest's EFLAGS bits that are kept here."""
        return self.read(FLAGS)

    def set_target(self, table: int, eip: int, landing: int) -> None:
        """Enter a landing in one of the two tables."""
        self.write(table + 4 * (eip & TARGETS - 1), landing)

    def clear_targets(self, table: int, miss: int) -> None:
        """Let every lookup in a table fail."""
        self._memory.write_bytes(self.address + table, miss.to_bytes(4, "little") * TARGETS)

    def enter(self, cpu: Cpu, lent: Mapping[int, int], *, pending: bool) -> None:
        """Write what translated code may read of the VCPU.

        Args:
            cpu: The VCPU.
            lent: Selectors that stand for registers of the guest's, by segment register.
            pending: Turning IF on is the VMM's.
        """
        memory, here, segs = self._memory, self.address, cpu.segs
        memory.write_bytes(here + FLAGS, _HEAD.pack(cpu.eflags & KEPT_APART, pending))
        selectors = segs[SS].selector, segs[GS].selector, cpu.tr.selector, cpu.ldtr.selector, lent[GS], lent[CS]
        memory.write_bytes(here + CONTROL[0], _COPIES.pack(cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, *selectors))
        tables = _popped(changeable(cpu.cpl, cpu.eflags), cpu.eflags & (IF | IOPL_MASK), pending)
        if memory.read_bytes(here + SLOW, len(tables)) != tables:
            memory.write_bytes(here + SLOW, tables)

    def targets(self) -> bytes:
        """The two tables of targets, one behind the other."""
        return self._memory.read_bytes(self.address + RETURNS, 2 * 4 * TARGETS)

    def set_targets(self, content: bytes) -> None:
        """Replace both."""
        self._memory.write_bytes(self.address + RETURNS, content)


_HEAD: Final = Struct("<IB3x")
"""What lies at `FLAGS`, up to the registers put aside."""
_COPIES: Final = Struct("<10I")
"""What lies at `CONTROL[0]`: control registers, then selectors, up to the one put aside."""


@lru_cache(maxsize=64)
def _popped(may: int, kept: int, pending: bool) -> bytes:
    """What POPFD needs to know, by EFLAGS bits 15:8 that it is to load: `SLOW`, and `KEPT` behind it.

    Args:
        may: Which of IF and IOPL it may change.
        kept: Both as they are.
        pending: Turning IF on is the VMM's.
    """
    slow = (TF | (IF & may if pending else 0)) >> 8
    return bytes(bool(high & slow) for high in range(256)) + bytes(
        (high & may >> 8) | ((kept & ~may) >> 8) for high in range(256)
    )
