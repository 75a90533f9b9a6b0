"""The control structure in its host frame: what VMREAD and VMWRITE reach, and what entry and exit load and save.

Source: Intel SDM Vol. 3C, ch. 24; the guest-state and host-state areas in §24.4 and §24.5.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from teachvm.isa.descriptors import Segment, TableRegister
from teachvm.isa.flags import IF
from teachvm.isa.operands import ESP, SS
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.machine.cpu import Cpu
from teachvm.machine.memory import Memory
from teachvm.vmm.addresses import Hfn
from teachvm.vmm.vmx.fields import (
    ACTIVE,
    BLOCKED_BY_MOV_SS,
    BLOCKED_BY_STI,
    GUEST_FIELDS,
    HALTED,
    OFFSETS,
    PENDING_STEP,
    UNUSABLE,
    Field,
)

REVISION: Final = 1
_AREA: Final = struct.Struct(f"<{len(GUEST_FIELDS)}Q")
_AREA_START: Final = OFFSETS[GUEST_FIELDS[0]]
_SEGMENTS: Final = 8
"""ES CS SS DS FS GS LDTR TR."""


class ControlStructure:
    """One control structure. Its contents are memory: checkpoints and digest have them from there.

    Attributes:
        address: Host-physical, of the frame.
    """

    def __init__(self, memory: Memory, hfn: Hfn) -> None:
        self._memory = memory
        self.address = hfn << PAGE_SHIFT
        memory.write(self.address, 4, REVISION)

    def read(self, field: Field) -> int:
        """VMREAD."""
        at = self.address + OFFSETS[field]
        low = self._memory.read(at, 4)
        return low | self._memory.read(at + 4, 4) << 32 if field.size == 8 else low

    def write(self, field: Field, value: int) -> bool:
        """VMWRITE, or the processor's own store; true if it changed something."""
        if self.read(field) == value:
            return False
        self._memory.write_bytes(self.address + OFFSETS[field], value.to_bytes(8, "little"))
        return True

    def guest(self) -> Sequence[int]:
        """The guest-state area, in the order of its fields."""
        return _AREA.unpack(self._memory.read_bytes(self.address + _AREA_START, _AREA.size))

    def set_guest(self, values: Sequence[int]) -> int:
        """Store the guest-state area; returns how many fields changed."""
        before = self.guest()
        changed = sum(map(int.__ne__, before, values))
        if changed:
            self._memory.write_bytes(self.address + _AREA_START, _AREA.pack(*values))
        return changed


def guest_area(cpu: Cpu, cr0: int, cr3: int, cr4: int) -> list[int]:
    """What the guest-state area says for the state of a processor, with control registers given apart."""
    segments = (*cpu.segs, cpu.ldtr, cpu.tr)
    return [
        cr0,
        cr3,
        cr4,
        cpu.dr[7],
        cpu.regs[ESP],
        cpu.eip,
        cpu.eflags,
        *[segment.selector for segment in segments],
        *[segment.base for segment in segments],
        *[segment.limit for segment in segments],
        *[segment.access if segment.present else segment.access | UNUSABLE for segment in segments],
        cpu.gdtr.base,
        cpu.gdtr.limit,
        cpu.idtr.base,
        cpu.idtr.limit,
        (BLOCKED_BY_STI if cpu.eflags & IF else BLOCKED_BY_MOV_SS) if cpu.shadow else 0,
        HALTED if cpu.halted else ACTIVE,
        PENDING_STEP if cpu.trap_pending else 0,
    ]


def load_guest(cpu: Cpu, values: Sequence[int]) -> None:
    """Give a processor the state of a guest-state area; no translation is dropped.

    The privilege level is that of SS (SDM §26.3.1.5).
    """
    cr0, cr3, cr4, dr7, esp, eip, eflags, *rest = values
    columns = [rest[start : start + _SEGMENTS] for start in range(0, 4 * _SEGMENTS, _SEGMENTS)]
    gdt_base, gdt_limit, idt_base, idt_limit, blocked, activity, pending = rest[4 * _SEGMENTS :]
    *segs, ldtr, tr = map(_segment, *columns)
    cpu.cr0, cpu.cr3, cpu.cr4 = cr0, cr3, cr4
    cpu.dr[7] = dr7
    cpu.regs[ESP], cpu.eip, cpu.eflags = esp, eip, eflags
    cpu.segs[:] = segs
    cpu.ldtr, cpu.tr = ldtr, tr
    cpu.cpl = segs[SS].dpl
    cpu.gdtr, cpu.idtr = TableRegister(gdt_base, gdt_limit), TableRegister(idt_base, idt_limit)
    cpu.shadow = bool(blocked)
    cpu.halted = activity == HALTED
    cpu.trap_pending = bool(pending & PENDING_STEP)


@lru_cache(maxsize=1024)
def _segment(selector: int, base: int, limit: int, access: int) -> Segment:
    """The same object for the same segment: compiled code knows segments by identity."""
    return Segment(selector, base, limit, access & ~UNUSABLE)
