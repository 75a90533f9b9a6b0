"""Segment descriptors, gates, selectors and the 32-bit TSS: layouts, packed and unpacked.

Source: Intel SDM Vol. 3A, §3.4 (selectors, segment registers, descriptors), §5.8 (gates), §6.11 (IDT
descriptors), §7.2 (TSS).
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

DESCRIPTOR_SIZE: Final = 8
MOST_SEGMENTS: Final = 1 << 10
"""Segments kept of what was computed from their bytes, or from each other."""

# The attribute word is descriptor bits 40..55 with the four limit bits cleared, as VMX stores it:
#
#   15  14  13  12  11..8   7   6..5   4   3..0
#    G  D/B  L  AVL   0     P   DPL    S   type
TYPE_MASK: Final = 0xF
S_BIT: Final = 1 << 4
DPL_SHIFT: Final = 5
DPL_MASK: Final = 3 << DPL_SHIFT
P_BIT: Final = 1 << 7
AVL_BIT: Final = 1 << 12
L_BIT: Final = 1 << 13
DB_BIT: Final = 1 << 14
G_BIT: Final = 1 << 15
ATTRIBUTES: Final = 0xF0FF

# Type bits of code and data segments (S = 1).
ACCESSED: Final = 1 << 0
WRITABLE: Final = 1 << 1
"""In a data segment; in a code segment the same bit means readable."""
EXPAND_DOWN: Final = 1 << 2
"""In a data segment; in a code segment the same bit means conforming."""
CODE: Final = 1 << 3

# Type field of system segments and gates (S = 0).
TSS_16: Final = 0x1
LDT: Final = 0x2
TSS_16_BUSY: Final = 0x3
CALL_GATE_16: Final = 0x4
TASK_GATE: Final = 0x5
INTERRUPT_GATE_16: Final = 0x6
TRAP_GATE_16: Final = 0x7
TSS_32: Final = 0x9
TSS_32_BUSY: Final = 0xB
CALL_GATE_32: Final = 0xC
INTERRUPT_GATE_32: Final = 0xE
TRAP_GATE_32: Final = 0xF
TSS_BUSY_BIT: Final = 0x2

GATE_TYPES: Final = frozenset(
    (CALL_GATE_16, TASK_GATE, INTERRUPT_GATE_16, TRAP_GATE_16, CALL_GATE_32, INTERRUPT_GATE_32, TRAP_GATE_32)
)
SYSTEM_TYPE_NAMES: Final = {
    TSS_16: "16-bit TSS",
    LDT: "LDT",
    TSS_16_BUSY: "16-bit TSS (busy)",
    CALL_GATE_16: "16-bit call gate",
    TASK_GATE: "task gate",
    INTERRUPT_GATE_16: "16-bit interrupt gate",
    TRAP_GATE_16: "16-bit trap gate",
    TSS_32: "TSS",
    TSS_32_BUSY: "TSS (busy)",
    CALL_GATE_32: "call gate",
    INTERRUPT_GATE_32: "interrupt gate",
    TRAP_GATE_32: "trap gate",
}


@dataclass(frozen=True, slots=True)
class Selector:
    """The three parts of a 16-bit selector."""

    index: int
    ti: int
    rpl: int

    @classmethod
    def of(cls, value: int) -> Self:
        """Split bits 15:3 index, bit 2 table indicator, bits 1:0 requested privilege level."""
        return cls(value >> 3 & 0x1FFF, value >> 2 & 1, value & 3)

    @property
    def value(self) -> int:
        """The 16-bit selector again."""
        return self.index << 3 | self.ti << 2 | self.rpl


def is_null(selector: int) -> bool:
    """Whether a selector is a null selector: GDT entry 0 with any RPL."""
    return selector & 0xFFFC == 0


def access_word(
    *, type_: int, dpl: int = 0, s: bool = True, present: bool = True, big: bool = True, granular: bool = True
) -> int:
    """Build an attribute word; AVL and L are clear."""
    return (
        type_ & TYPE_MASK
        | (S_BIT if s else 0)
        | dpl << DPL_SHIFT
        | (P_BIT if present else 0)
        | (DB_BIT if big else 0)
        | (G_BIT if granular else 0)
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment register: the visible selector and the hidden descriptor the processor keeps with it.

    Shape: `limit` is the last valid offset in bytes, after granularity. `access` is the 16-bit attribute
    word. A null or unusable register has the present bit clear.
    """

    selector: int
    base: int
    limit: int
    access: int

    @property
    def type(self) -> int:
        """Four-bit type field."""
        return self.access & TYPE_MASK

    @property
    def is_system(self) -> bool:
        """LDT, TSS or gate (S = 0)."""
        return not self.access & S_BIT

    @property
    def dpl(self) -> int:
        """Descriptor privilege level, 0..3."""
        return self.access >> DPL_SHIFT & 3

    @property
    def rpl(self) -> int:
        """Requested privilege level of the selector; of CS and SS, the CPL."""
        return self.selector & 3

    @property
    def present(self) -> bool:
        """P bit."""
        return bool(self.access & P_BIT)

    @property
    def is_code(self) -> bool:
        """Executable segment."""
        return self.access & (S_BIT | CODE) == S_BIT | CODE

    @property
    def is_data(self) -> bool:
        """Data or stack segment."""
        return self.access & (S_BIT | CODE) == S_BIT

    @property
    def conforming(self) -> bool:
        """Code that runs at its caller's privilege level."""
        return self.is_code and bool(self.access & EXPAND_DOWN)

    @property
    def readable(self) -> bool:
        """Data can be read: every data segment, and code with the R bit."""
        return self.is_data or (self.is_code and bool(self.access & WRITABLE))

    @property
    def writable(self) -> bool:
        """Data can be written: data segments with the W bit."""
        return self.is_data and bool(self.access & WRITABLE)

    @property
    def expand_down(self) -> bool:
        """Data segment whose valid offsets lie above the limit."""
        return self.is_data and bool(self.access & EXPAND_DOWN)

    @property
    def big(self) -> bool:
        """D/B: 32-bit code by default, or a 32-bit stack pointer and a 4 GiB upper bound."""
        return bool(self.access & DB_BIT)

    @property
    def granular(self) -> bool:
        """G: the limit field counts 4 KiB units."""
        return bool(self.access & G_BIT)

    @property
    def accessed(self) -> bool:
        """A bit of a code or data segment."""
        return not self.is_system and bool(self.access & ACCESSED)

    def contains(self, offset: int, size: int) -> bool:
        """Whether `size` bytes at `offset` lie inside the limit, without wrapping past the top."""
        last = offset + size - 1
        if self.expand_down:
            return offset > self.limit and last <= (0xFFFF_FFFF if self.big else 0xFFFF)
        return last <= self.limit

    def holds_upwards(self, first: int, end: int) -> bool:
        """Whether `first` <= offset < `end` are valid offsets of a 32-bit segment that does not expand down."""
        return first >= 0 and end - 1 <= self.limit and self.access & (DB_BIT | CODE | EXPAND_DOWN) == DB_BIT

    @property
    def valid_range(self) -> range:
        """Offsets that pass the limit check."""
        if self.expand_down:
            return range(self.limit + 1, (0xFFFF_FFFF if self.big else 0xFFFF) + 1)
        return range(self.limit + 1)

    def pack(self) -> bytes:
        """The 8-byte descriptor. With G set, the limit's low twelve bits are ones and are not stored."""
        field = self.limit >> 12 if self.granular else self.limit
        low = self.base << 16 & 0xFFFF_0000 | field & 0xFFFF
        high = self.base & 0xFF00_0000 | (self.access & ATTRIBUTES) << 8 | field & 0xF_0000 | self.base >> 16 & 0xFF
        return struct.pack("<II", low, high)

    @classmethod
    def unpack(cls, selector: int, raw: bytes) -> Self:
        """Read the 8-byte descriptor `raw`, as loading `selector` into a segment register does."""
        low, high = struct.unpack("<II", raw)
        access = high >> 8 & ATTRIBUTES
        field = high & 0xF_0000 | low & 0xFFFF
        limit = field << 12 | 0xFFF if access & G_BIT else field
        return cls(selector, high & 0xFF00_0000 | high << 16 & 0xFF_0000 | low >> 16, limit, access)


@lru_cache(maxsize=MOST_SEGMENTS)
def unpacked(selector: int, raw: bytes) -> Segment:
    """As `Segment.unpack`; the same bytes are the same object, so that who compares segment registers is done soon."""
    return Segment.unpack(selector, raw)


def null_segment(selector: int = 0) -> Segment:
    """What a data segment register holds after a null selector: nothing present."""
    return Segment(selector, 0, 0, 0)


def flat_code(selector: int, dpl: int = 0) -> Segment:
    """A readable 32-bit code segment over all 4 GiB, as protected-mode systems use it."""
    return Segment(selector, 0, 0xFFFF_FFFF, access_word(type_=CODE | WRITABLE | ACCESSED, dpl=dpl))


def flat_data(selector: int, dpl: int = 0) -> Segment:
    """A writable data segment over all 4 GiB."""
    return Segment(selector, 0, 0xFFFF_FFFF, access_word(type_=WRITABLE | ACCESSED, dpl=dpl))


@dataclass(frozen=True, slots=True)
class TableRegister:
    """GDTR or IDTR: linear base, and limit as the last valid byte offset (16 bits)."""

    base: int
    limit: int

    def pack(self) -> bytes:
        """The six-byte pseudo-descriptor LGDT reads and SGDT writes: limit, then base."""
        return struct.pack("<HI", self.limit, self.base)

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """Read a six-byte pseudo-descriptor."""
        limit, base = struct.unpack("<HI", raw)
        return cls(base, limit)


@dataclass(frozen=True, slots=True)
class Gate:
    """A call, interrupt, trap or task gate: a guarded way into `selector`:`offset`.

    Shape: `type` is the system type; `params` (0..31) counts stack words a call gate copies and is zero in
    the others.
    """

    selector: int
    offset: int
    type: int
    dpl: int
    present: bool = True
    params: int = 0

    @property
    def is_32(self) -> bool:
        """Pushes 32-bit words and takes a 32-bit offset."""
        return self.type in (CALL_GATE_32, INTERRUPT_GATE_32, TRAP_GATE_32)

    @property
    def clears_if(self) -> bool:
        """Interrupt gates clear IF; trap gates leave it."""
        return self.type in (INTERRUPT_GATE_16, INTERRUPT_GATE_32)

    def pack(self) -> bytes:
        """The 8-byte gate descriptor."""
        attributes = self.type | self.dpl << DPL_SHIFT | (P_BIT if self.present else 0)
        return struct.pack(
            "<HHBBH", self.offset & 0xFFFF, self.selector, self.params & 0x1F, attributes, self.offset >> 16
        )

    @classmethod
    def unpack(cls, raw: bytes) -> Self | None:
        """Read an 8-byte gate; None when the descriptor is a segment or no gate type.

        A 16-bit gate's upper offset half is reserved and reads as zero here.
        """
        low, selector, params, attributes, high = struct.unpack("<HHBBH", raw)
        type_ = attributes & TYPE_MASK
        if attributes & S_BIT or type_ not in GATE_TYPES:
            return None
        wide = type_ in (CALL_GATE_32, INTERRUPT_GATE_32, TRAP_GATE_32)
        offset = high << 16 | low if wide else low
        return cls(selector, offset, type_, attributes >> DPL_SHIFT & 3, bool(attributes & P_BIT), params & 0x1F)


TSS_SIZE: Final = 104
"""Bytes of the fixed part of a 32-bit TSS; a limit below 0x67 is invalid."""
TSS_LIMIT_MINIMUM: Final = TSS_SIZE - 1
TSS_BACK_LINK: Final = 0x00
TSS_CR3: Final = 0x1C
TSS_EIP: Final = 0x20
TSS_EFLAGS: Final = 0x24
TSS_EAX: Final = 0x28
"""EAX ECX EDX EBX ESP EBP ESI EDI follow, four bytes each."""
TSS_ES: Final = 0x48
"""ES CS SS DS FS GS follow, four bytes each, selector in the low half."""
TSS_LDT: Final = 0x60
TSS_T: Final = 0x64
TSS_IO_MAP: Final = 0x66
"""Two bytes: offset of the I/O permission bitmap from the TSS base."""
TSS_16_LIMIT_MINIMUM: Final = 0x2B


def tss_esp(ring: int) -> int:
    """Offset of ESP0, ESP1 or ESP2 in a 32-bit TSS."""
    return 4 + 8 * ring


def tss_ss(ring: int) -> int:
    """Offset of SS0, SS1 or SS2 in a 32-bit TSS."""
    return 8 + 8 * ring


def tss_16_sp(ring: int) -> int:
    """Offset of SP0, SP1 or SP2 in a 16-bit TSS; the SS word follows it."""
    return 2 + 4 * ring
