"""The VMM's own 4 MB at the top of every guest's linear address space: tables, stack and entry stubs in host frames.

The guest never sees it: its segments end below, and the pages are supervisor pages, but for those that translated
programs run from. The hardware needs it in whatever
address space it runs, because an exception reads IDT, GDT and TSS and pushes its frame before anything else happens.

Source: Agesen et al., OSR 44(4) 2010, §3.3 (the VMM occupies the top 4 MB, guarded by truncated segments).
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final

from teachvm.host.frames import Owner, OwnerKind
from teachvm.host.host import Host
from teachvm.isa import paging
from teachvm.isa.descriptors import (
    DESCRIPTOR_SIZE,
    INTERRUPT_GATE_32,
    TRAP_GATE_32,
    TSS_32_BUSY,
    TSS_IO_MAP,
    TSS_LIMIT_MINIMUM,
    TSS_SIZE,
    Gate,
    Segment,
    TableRegister,
    access_word,
    flat_code,
    flat_data,
    tss_esp,
    tss_ss,
)
from teachvm.isa.exceptions import VECTORS
from teachvm.vmm.addresses import Hfn

VMM_BASE: Final = 0xFFC0_0000
"""First linear address of the region; the guest's segments end below it."""
GDT_BASE: Final = VMM_BASE
IDT_BASE: Final = VMM_BASE + 0x1000
TSS_BASE: Final = VMM_BASE + 0x2000
STACK_BASE: Final = VMM_BASE + 0x3000
STACK_TOP: Final = STACK_BASE + paging.PAGE_SIZE
ENTRY_BASE: Final = VMM_BASE + 0x4000
DIRECTORY_INDEX: Final = VMM_BASE >> 22

GDT_SLOTS: Final = paging.PAGE_SIZE // DESCRIPTOR_SIZE
GUEST_SLOTS: Final = GDT_SLOTS - 3
"""Slots of the real GDT that shadow the guest's; the VMM's own three descriptors stand behind them."""
VMM_CS: Final = GUEST_SLOTS * DESCRIPTOR_SIZE
VMM_SS: Final = VMM_CS + DESCRIPTOR_SIZE
VMM_TR: Final = VMM_SS + DESCRIPTOR_SIZE

CACHE_SLOT: Final = GUEST_SLOTS - 1
"""Under binary translation the guest has one slot less: this one is the code segment of the translation cache."""
CACHE_CS: Final = CACHE_SLOT * DESCRIPTOR_SIZE
CALLOUT_VECTOR: Final = 0xF0
"""What code in the translation cache calls the VMM with; its gate is open to ring 1 only there."""

GDTR: Final = TableRegister(GDT_BASE, paging.PAGE_SIZE - 1)
IDTR: Final = TableRegister(IDT_BASE, 256 * DESCRIPTOR_SIZE - 1)
TR: Final = Segment(
    VMM_TR, TSS_BASE, TSS_LIMIT_MINIMUM, access_word(type_=TSS_32_BUSY, s=False, big=False, granular=False)
)

STUB_BYTES: Final = 8
FRAME_BYTES: Final = 20
"""An exception frame that changes stacks: EIP, CS, EFLAGS, ESP, SS; an error code lies below it."""
FRAME_BASE: Final = STACK_TOP - FRAME_BYTES

_DROP_ERROR_CODE: Final = bytes.fromhex("83c404")  # add esp, 4
_IRETD: Final = bytes.fromhex("cf")
_INT3: Final = b"\xcc"
_PURPOSES: Final = ("page table", "GDT", "IDT", "TSS", "stack", "entry stubs")
REGION_FRAMES: Final = len(_PURPOSES)
_PRESENT: Final = paging.P | paging.RW | paging.A | paging.D


def unpack_frame(frame: bytes) -> tuple[int, int, int, int, int]:
    """EIP, CS, EFLAGS, ESP and SS of a frame that changed stacks."""
    eip, cs, eflags, esp, ss = struct.unpack("<5I", frame)
    return eip, cs & 0xFFFF, eflags, esp, ss & 0xFFFF


def stub(vector: int) -> int:
    """Linear address of the entry stub of a vector; the body of the VMM, which is modelled, stands before it."""
    return ENTRY_BASE + vector * STUB_BYTES


def stub_code(vector: int) -> bytes:
    """Eight bytes of an entry stub: drop the error code if there is one, then return to the guest."""
    code = (_DROP_ERROR_CODE if _has_error_code(vector) else b"") + _IRETD
    return code.ljust(STUB_BYTES, _INT3)


RESUME: Final = stub(0x20)
"""Linear address of the IRETD with which the VMM goes to the guest: a stub without an error code."""


class VmmRegion:
    """The frames of one VM's region, filled once; only the GDT's guest slots and the stack change afterwards.

    Attributes:
        table: Frame of the page table that maps the region, entered in every shadow directory.
        gdt: Frame of the real GDT.
        idt: Frame of the real IDT.
        tss: Frame of the real TSS.
        stack: Frame of the ring-0 stack.
        open: Some pages are not for supervisors only.
    """

    STATE: ClassVar[tuple[str, ...]] = ()
    DERIVED: ClassVar[tuple[str, ...]] = ("host", "table", "gdt", "idt", "tss", "stack", "open")

    def __init__(self, host: Host, vm: str) -> None:
        self.host = host
        self.open = False
        frames = [Hfn(host.frames.allocate(Owner(OwnerKind.VMM, vm, purpose))[0]) for purpose in _PURPOSES]
        self.table, self.gdt, self.idt, self.tss, self.stack, stubs = frames
        memory = host.machine.memory
        for index, hfn in enumerate(frames[1:]):
            memory.write((self.table << 12) + 4 * index, 4, hfn << 12 | _PRESENT)
        gdt = flat_code(VMM_CS).pack() + flat_data(VMM_SS).pack() + TR.pack()
        memory.write_bytes((self.gdt << 12) + VMM_CS, gdt)
        gates = (Gate(VMM_CS, stub(vector), INTERRUPT_GATE_32, 0).pack() for vector in range(256))
        memory.write_bytes(self.idt << 12, b"".join(gates))
        memory.write_bytes(self.tss << 12, _task_state())
        memory.write_bytes(stubs << 12, b"".join(stub_code(vector) for vector in range(256)))

    def extend(self, owner: Owner, base: int, count: int, *, user: bool = False) -> list[Hfn]:
        """Map frames more into the region, for a technique that needs them.

        Args:
            owner: Whose they become in the frame table.
            base: Linear address of the first.
            count: How many.
            user: Ring 3 reaches them too, if its segments do; the guest's do not.

        Raises:
            OutOfFramesError: The host has too few.
        """
        frames = [Hfn(hfn) for hfn in self.host.frames.allocate(owner, count)]
        memory, first = self.host.machine.memory, base - VMM_BASE >> paging.PAGE_SHIFT
        for index, hfn in enumerate(frames):
            memory.write_bytes(hfn << 12, bytes(paging.PAGE_SIZE))
            memory.write((self.table << 12) + 4 * (first + index), 4, hfn << 12 | _PRESENT | (paging.US if user else 0))
        self.open |= user
        return frames

    @property
    def directory_entry(self) -> int:
        """What every shadow directory holds at `DIRECTORY_INDEX`: the region, for supervisors, or as its pages say."""
        return self.table << 12 | paging.P | paging.RW | paging.A | (paging.US if self.open else 0)

    def write_frame(self, eip: int, cs: int, eflags: int, esp: int, ss: int) -> None:
        """Put on the VMM's stack what IRETD pops to go to the guest."""
        frame = struct.pack("<5I", eip, cs, eflags, esp, ss)
        self.host.machine.memory.write_bytes(self.frame_address, frame)

    def read_frame(self) -> tuple[int, int, int, int, int]:
        """What the hardware pushed when it left the guest: EIP, CS, EFLAGS, ESP, SS."""
        return unpack_frame(self.frame())

    def frame(self) -> bytes:
        """The frame as it lies in memory."""
        return self.host.machine.memory.read_bytes(self.frame_address, FRAME_BYTES)

    @property
    def frame_address(self) -> int:
        """Host-physical address of the frame at the top of the VMM's stack."""
        return (self.stack << 12) + paging.PAGE_SIZE - FRAME_BYTES

    def write_slot(self, index: int, descriptor: bytes) -> None:
        """Replace one of the guest's slots in the real GDT."""
        self.host.machine.memory.write_bytes((self.gdt << 12) + index * DESCRIPTOR_SIZE, descriptor)

    def slot(self, index: int) -> bytes:
        """One descriptor of the real GDT."""
        return self.host.machine.memory.read_bytes((self.gdt << 12) + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)

    def open_gate(self, vector: int, ring: int) -> None:
        """Let software of a ring, and of inner ones, enter the VMM with INT n."""
        self._write_gate(vector, Gate(VMM_CS, stub(vector), INTERRUPT_GATE_32, ring))

    def pass_gate(self, vector: int, selector: int, offset: int, ring: int) -> None:
        """Let INT n of a ring go straight to the guest's kernel, past the VMM.

        A trap gate: IF stays set, since a guest may never keep the host's interrupts off.
        """
        self._write_gate(vector, Gate(selector, offset, TRAP_GATE_32, ring))

    def _write_gate(self, vector: int, gate: Gate) -> None:
        self.host.machine.memory.write_bytes((self.idt << 12) + vector * DESCRIPTOR_SIZE, gate.pack())

    def set_kernel_stack(self, ring: int, selector: int, pointer: int) -> None:
        """Name the stack on which the hardware enters the guest's kernel through a gate passed on."""
        memory, tss = self.host.machine.memory, self.tss << 12
        memory.write(tss + tss_esp(ring), 4, pointer)
        memory.write(tss + tss_ss(ring), 4, selector)


def _has_error_code(vector: int) -> bool:
    info = VECTORS.get(vector)
    return info is not None and info.has_error_code


def _task_state() -> bytes:
    """A TSS that only serves to find the VMM's stack; its I/O bitmap lies beyond the limit, so every port faults."""
    state = bytearray(TSS_SIZE)
    struct.pack_into("<I", state, tss_esp(0), STACK_TOP)
    struct.pack_into("<I", state, tss_ss(0), VMM_SS)
    struct.pack_into("<H", state, TSS_IO_MAP, TSS_SIZE)
    return bytes(state)
