"""A small protected-mode PC for tests: flat segments for rings 0, 1 and 3, an IDT, a TSS, and nothing running."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

from teachvm.isa.assembler import assemble
from teachvm.isa.control import CR0_PE, CR0_PG
from teachvm.isa.descriptors import INTERRUPT_GATE_32, Gate, Segment, TableRegister
from teachvm.isa.exceptions import VECTORS
from teachvm.isa.operands import CS, DS, ES, ESP, FS, GS, SS
from teachvm.machine.cpu import Cpu
from teachvm.machine.memory import Memory
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder

RAM_BYTES = 4 << 20
GDT, IDT, TSS, LDT, STUBS = 0x1000, 0x2000, 0x3000, 0x3800, 0x4000
STUB_BYTES = 16
USER_STACK, KERNEL_STACK, STACK = 0x9000, 0xA000, 0xB000
CODE, DATA = 0x1_0000, 0x1_8000
DIRECTORY, TABLE = 0x2_0000, 0x2_1000

KERNEL_CODE, KERNEL_DATA, RING1_CODE, RING1_DATA, USER_CODE, USER_DATA = 0x08, 0x10, 0x19, 0x21, 0x2B, 0x33
TSS_SELECTOR, LDT_SELECTOR, RING0_DATA, RING3_DATA, SPARE_TSS = 0x38, 0x40, 0x48, 0x50, 0x58
FREE_SELECTOR = 0x60
CODE_OF = {0: KERNEL_CODE, 1: RING1_CODE, 3: USER_CODE}
DATA_OF = {0: KERNEL_DATA, 1: RING1_DATA, 3: USER_DATA}
DONE = 0x30
"""Vector a test program ends with."""


def descriptor(base: int, limit: int, access: int, flags: int) -> bytes:
    """Eight bytes from the limit field, the access byte and the four flag bits above the limit."""
    return struct.pack(
        "<HHBBBB", limit & 0xFFFF, base & 0xFFFF, base >> 16 & 0xFF, access, flags << 4 | limit >> 16, base >> 24
    )


@cache
def assembled(source: str, origin: int = CODE) -> bytes:
    """Machine code of a test program."""
    return assemble(f"bits 32\norg {origin}\nstart:\n{source}\n", second_opinion=False).data


@dataclass(frozen=True)
class Caught:
    """A frame a handler found on its stack."""

    vector: int
    error: int | None
    eip: int
    cs: int
    eflags: int
    esp: int | None
    ss: int | None


class Ports:
    """An I/O bus that remembers what was written."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.log: list[tuple[str, int, int, int]] = []

    def in_(self, port: int, size: int) -> int:
        value = self.values.get(port, (1 << 8 * size) - 1)
        self.log.append(("in", port, size, value))
        return value

    def out(self, port: int, size: int, value: int) -> None:
        self.log.append(("out", port, size, value))


class Pc:
    """The machine and how a test drives it."""

    def __init__(self, *, tlb: bool = True) -> None:
        self.memory = Memory(RAM_BYTES)
        self.recorder = Recorder()
        self.ports = Ports()
        self.cpu = Cpu("cpu0", self.memory, self.ports, self.recorder, Tlb() if tlb else None)
        self._tables()
        self.enter_ring(0)

    def _tables(self) -> None:
        flat = [(0x9B, 0), (0x93, 0), (0xBB, 1), (0xB3, 1), (0xFB, 3), (0xF3, 3)]
        for index, (access, _) in enumerate(flat, start=1):
            self.describe(8 * index, descriptor(0, 0xFFFFF, access, 0xC))
        self.describe(TSS_SELECTOR, descriptor(TSS, 103, 0x8B, 0))
        self.describe(LDT_SELECTOR, descriptor(LDT, 15, 0x82, 0))
        self.describe(RING0_DATA, descriptor(0, 0x12345, 0x93, 4))
        self.describe(RING3_DATA, descriptor(0, 0x23456, 0xF3, 4))
        self.describe(SPARE_TSS, descriptor(TSS, 103, 0x89, 0))
        for vector in range(32):
            self.gate(vector)
        self.gate(DONE, dpl=3)
        self.memory.write_bytes(STUBS, b"\xf4" * (STUB_BYTES * 256))
        self.memory.write_bytes(TSS, struct.pack("<III", 0, KERNEL_STACK, KERNEL_DATA))
        self.memory.write_bytes(TSS + 100, struct.pack("<HH", 0, 104))
        cpu = self.cpu
        cpu.cr0 |= CR0_PE
        cpu.gdtr, cpu.idtr = TableRegister(GDT, 0xFF), TableRegister(IDT, 0x7FF)
        cpu.tr = self.segment(TSS_SELECTOR)
        cpu.ldtr = self.segment(LDT_SELECTOR)

    # ---- tables --------------------------------------------------------------------------------

    def describe(self, selector: int, raw: bytes) -> None:
        """Put a descriptor into the GDT, or the LDT."""
        self.memory.write_bytes((LDT if selector & 4 else GDT) + (selector & 0xFFF8), raw)

    def gate(
        self,
        vector: int,
        *,
        dpl: int = 0,
        type_: int = INTERRUPT_GATE_32,
        selector: int = KERNEL_CODE,
        present: bool = True,
    ) -> None:
        """Put a gate into the IDT that leads to the vector's stub."""
        gate = Gate(selector, STUBS + STUB_BYTES * vector, type_, dpl, present)
        self.memory.write_bytes(IDT + 8 * vector, gate.pack())

    def segment(self, selector: int) -> Segment:
        """What the tables say a selector means."""
        raw = self.memory.read_bytes((LDT if selector & 4 else GDT) + (selector & 0xFFF8), 8)
        return Segment.unpack(selector, raw)

    # ---- paging --------------------------------------------------------------------------------

    def identity_paging(self) -> None:
        """Map the first 4 MiB onto themselves through one table, user and writable, and turn paging on."""
        self.memory.write32(DIRECTORY, TABLE | 7)
        for page in range(1024):
            self.memory.write32(TABLE + 4 * page, page << 12 | 7)
        self.cpu.write_cr3(DIRECTORY)
        self.cpu.write_cr0(self.cpu.cr0 | CR0_PG)

    def set_page(self, linear: int, entry: int) -> None:
        """Change a table entry and forget the old one."""
        self.memory.write32(TABLE + 4 * (linear >> 12), entry)
        self.cpu.invalidate_page(linear)

    def page(self, linear: int) -> int:
        """The table entry of a page."""
        return self.memory.read32(TABLE + 4 * (linear >> 12))

    # ---- running -------------------------------------------------------------------------------

    def enter_ring(self, ring: int, eflags: int = 2) -> None:
        """Be in a ring with flat segments and its stack, registers zero."""
        cpu = self.cpu
        cpu.regs[:] = [0] * 8
        cpu.regs[ESP] = STACK if ring == 0 else USER_STACK
        data = self.segment(DATA_OF[ring])
        for index in (ES, SS, DS, FS, GS):
            cpu.segs[index] = data
        cpu.segs[CS] = self.segment(CODE_OF[ring])
        cpu.cpl = ring
        cpu.eflags = eflags
        cpu.halted = cpu.shadow = cpu.trap_pending = False

    def load(self, source: str, address: int = CODE) -> int:
        """Assemble a program to an address and point EIP at it; returns its length."""
        code = assembled(source, address)
        self.memory.write_bytes(address, code)
        self.cpu.eip = address
        return len(code)

    def step(self, count: int = 1) -> int:
        """Execute some steps and return the cycles of the last one."""
        cycles = 0
        for _ in range(count):
            cycles = self.cpu.step()
            if cycles:
                self.recorder.clock.retire(cycles)
        return cycles

    def until_handler(self, limit: int = 64) -> Caught:
        """Execute until some handler is entered, and read its frame."""
        for _ in range(limit):
            if STUBS <= self.cpu.eip < STUBS + STUB_BYTES * 256:
                return self.frame((self.cpu.eip - STUBS) // STUB_BYTES)
            self.step()
        raise AssertionError(f"no handler entered, eip {self.cpu.eip:#x}")

    def frame(self, vector: int) -> Caught:
        """The frame on the stack of a 32-bit handler."""
        info = VECTORS.get(vector)
        has_error = info is not None and info.has_error_code
        start = 4 if has_error else 0
        top = self.cpu.top
        error = top(4) if has_error else None
        eip, cs, eflags = top(4, start), top(4, start + 4), top(4, start + 8)
        outer = cs & 3 != self.cpu.cpl
        esp = top(4, start + 12) if outer else None
        ss = top(4, start + 16) if outer else None
        return Caught(vector, error, eip, cs, eflags, esp, ss)

    def run(self, source: str, ring: int = 0, eflags: int = 2) -> Caught:
        """Run a program in a ring until a handler is entered."""
        self.enter_ring(ring, eflags)
        self.load(source)
        return self.until_handler()
