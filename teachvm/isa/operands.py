"""What an instruction works on, as values: registers, memory references, constants, targets.

Pure data, bound to no machine. The CPU turns them into loads and stores; the encoder, the
disassembler's fallback and the translator read the same values.
"""

from dataclasses import dataclass
from typing import Final

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
"""Register numbers as ModRM encodes them."""
ES, CS, SS, DS, FS, GS = range(6)
"""Segment register numbers as ModRM encodes them."""

REGISTER_NAMES: Final = {
    8: ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"),
    16: ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di"),
    32: ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"),
}
SEGMENT_NAMES: Final = ("es", "cs", "ss", "ds", "fs", "gs")
SIZE_KEYWORDS: Final = {8: "byte", 16: "word", 32: "dword", 64: "qword"}


@dataclass(frozen=True, slots=True)
class Reg:
    """A general register of `width` 8, 16 or 32 bits; with width 8, index 4..7 is AH, CH, DH, BH."""

    index: int
    width: int

    @property
    def name(self) -> str:
        """Lower-case name: `eax`, `ax`, `al`, `ah`."""
        return REGISTER_NAMES[self.width][self.index]


@dataclass(frozen=True, slots=True)
class Sreg:
    """A segment register's selector, 16 bits; index in the order ES CS SS DS FS GS."""

    index: int

    @property
    def name(self) -> str:
        """Lower-case name: `ds`."""
        return SEGMENT_NAMES[self.index]


@dataclass(frozen=True, slots=True)
class Creg:
    """A control register: CR0, CR2, CR3 or CR4."""

    index: int

    @property
    def name(self) -> str:
        """Lower-case name: `cr3`."""
        return f"cr{self.index}"


@dataclass(frozen=True, slots=True)
class Dreg:
    """A debug register, DR0..DR7; 4 and 5 mean 6 and 7 unless CR4.DE forbids them."""

    index: int

    @property
    def name(self) -> str:
        """Lower-case name: `dr7`."""
        return f"dr{self.index}"


@dataclass(frozen=True, slots=True)
class Mem:
    """A memory reference: segment : base + index * scale + disp, computed modulo 2 ** adsize.

    Shape: `segment` is the one in effect, default or override. `disp` is signed when a base or index
    is present and an unsigned address otherwise. `width` in bits: 8, 16, 32, 64 (CMPXCHG8B, BOUND),
    48 (far pointers, pseudo-descriptors), or 0 where no memory is touched (LEA, INVLPG) or, handed to the
    encoder, where the source gave no size.
    """

    segment: int
    base: int | None
    index: int | None
    scale: int
    disp: int
    width: int
    adsize: int = 32


@dataclass(frozen=True, slots=True)
class Imm:
    """A constant inside the instruction: unsigned, already extended to `width` bits."""

    value: int
    width: int


@dataclass(frozen=True, slots=True)
class Rel:
    """A branch target as a signed distance from the end of the instruction, in bytes."""

    displacement: int


@dataclass(frozen=True, slots=True)
class Far:
    """A far target inside the instruction: selector and offset."""

    selector: int
    offset: int


Operand = Reg | Sreg | Creg | Dreg | Mem | Imm | Rel | Far
