"""What our Pentium-class integer processor leaves out: `LEFT_OUT` is the whole list, with what happens instead.

Everything not in the rows is an undefined opcode. `ABSENT` names the opcodes that mean something on some x86, so that a
missing row is a decision a test can tell from an oversight; `FEATURES` names what is not one opcode.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Instead(Enum):
    """What happens where software asks for something left out."""

    UNDEFINED = "#UD"
    NO_DEVICE = "#UD; #NM with CR0.EM or CR0.TS set"
    PROTECTION = "#GP(0)"
    STOP = "the processor stops, and says why"
    NOTHING = "nothing: it never happens here"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something left out that is not a matter of an opcode."""

    what: str
    why: str
    instead: Instead


@dataclass(frozen=True, slots=True)
class Absent:
    """A group of opcodes without rows.

    Shape: opcodes are 0x00..0xFF for the one-byte map and 0x0F00..0x0FFF for the two-byte map. With
    `digits`, only those values of ModRM's reg field are meant; with `register_only`, only mod = 3.
    """

    what: str
    why: str
    opcodes: frozenset[int]
    digits: frozenset[int] = frozenset(range(8))
    register_only: bool = False
    instead: Instead = Instead.UNDEFINED

    @property
    def slots(self) -> frozenset[int]:
        """The ModRM slots meant, numbered as in `OpcodeMap`: reg field, plus 8 for mod = 3."""
        registers = frozenset(digit + 8 for digit in self.digits)
        return registers if self.register_only else self.digits | registers


def _two_byte(*opcodes: int) -> frozenset[int]:
    return frozenset(0x0F00 | opcode for opcode in opcodes)


ESCAPES: Final = frozenset(range(0xD8, 0xE0))
"""Opcodes that hand an instruction on to the FPU."""

ABSENT: Final[tuple[Absent, ...]] = (
    Absent(
        "x87 floating point",
        "the machine has no FPU; with CR0.EM set a guest can emulate one",
        ESCAPES,
        instead=Instead.NO_DEVICE,
    ),
    Absent("WAIT", "there is no FPU to wait for", frozenset((0x9B,))),
    Absent(
        "MMX, SSE and later vector instructions, 3DNow!",
        "no vector registers: younger than, or beside, the processor we model",
        _two_byte(
            *range(0x0E, 0x18),
            *range(0x28, 0x30),
            *range(0x50, 0x80),
            0xB8,
            0xC2,
            *range(0xC3, 0xC7),
            *range(0xD0, 0xFF),
        ),
    ),
    Absent("prefetch and hint NOPs other than 0F 1F /0", "P6 and later", _two_byte(0x0D, *range(0x18, 0x1F))),
    Absent("0F 1F /1 .. /7", "reserved forms of the multi-byte NOP", _two_byte(0x1F), frozenset(range(1, 8))),
    Absent("three-byte opcode maps", "SSSE3 and later", _two_byte(0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F)),
    Absent("SYSCALL, LOADALL, SYSRET", "AMD, or 80286 and early 386 only", _two_byte(0x05, 0x07)),
    Absent("SYSENTER, SYSEXIT", "Pentium II and later", _two_byte(0x34, 0x35)),
    Absent("GETSEC and the rest of 0F 36, 0F 37", "SMX, or unassigned", _two_byte(0x36, 0x37)),
    Absent("RDPMC", "Pentium MMX and later; there are no performance counters to read", _two_byte(0x33)),
    Absent("MOV to and from test registers", "386 and 486 only", _two_byte(0x24, 0x25, 0x26, 0x27)),
    Absent("RSM", "#UD outside system-management mode in any ring, and the machine has no such mode", _two_byte(0xAA)),
    Absent("FXSAVE group, fences", "Pentium II and later", _two_byte(0xAE)),
    Absent("UD0, UD1", "undefined by design, like UD2 but with a ModRM byte", _two_byte(0xB9, 0xFF)),
    Absent("unassigned", "no meaning on 32-bit processors", _two_byte(0x04, 0x0A, 0x0C, 0xA6, 0xA7)),
    Absent("0F 00 /6, /7", "JMPE and unassigned", _two_byte(0x00), frozenset((6, 7))),
    Absent("0F 01 /5", "RSTORSSP, PKU and others", _two_byte(0x01), frozenset((5,))),
    Absent(
        "register forms of the table loads and INVLPG",
        "VMX, SVM, SMAP and others; the table instructions need memory",
        _two_byte(0x01),
        frozenset((0, 1, 2, 3, 7)),
        register_only=True,
    ),
    Absent(
        "register forms of BOUND, LES, LDS",
        "prefixes of AVX and AVX-512; a Pentium sees a far pointer or bounds in a register",
        frozenset((0x62, 0xC4, 0xC5)),
        register_only=True,
    ),
    Absent("LEA of a register", "a register has no address", frozenset((0x8D,)), register_only=True),
    Absent(
        "LSS, LFS, LGS of a register", "a far pointer is in memory", _two_byte(0xB2, 0xB4, 0xB5), register_only=True
    ),
    Absent("CMPXCHG8B of a register", "RDSEED and others", _two_byte(0xC7), frozenset((1,)), register_only=True),
    Absent(
        "far CALL and JMP through a register",
        "a far pointer is in memory",
        frozenset((0xFF,)),
        frozenset((3, 5)),
        register_only=True,
    ),
    Absent("0F BA /0 .. /3", "unassigned", _two_byte(0xBA), frozenset(range(4))),
    Absent("0F C7 other than /1", "VMX, RDRAND and others", _two_byte(0xC7), frozenset((0, 2, 3, 4, 5, 6, 7))),
    Absent(
        "CR1, CR5, CR6, CR7",
        "no such control registers",
        _two_byte(0x20, 0x22),
        frozenset((1, 5, 6, 7)),
    ),
    Absent("MOV from segment registers 6 and 7", "no such registers", frozenset((0x8C,)), frozenset((6, 7))),
    Absent("MOV to CS", "CS changes only by control transfer", frozenset((0x8E,)), frozenset((1, 6, 7))),
    Absent("8F /1 .. /7", "XOP on AMD, else unassigned", frozenset((0x8F,)), frozenset(range(1, 8))),
    Absent("C6, C7 /1 .. /7", "XABORT, XBEGIN, else unassigned", frozenset((0xC6, 0xC7)), frozenset(range(1, 8))),
    Absent("FE /2 .. /7", "unassigned", frozenset((0xFE,)), frozenset(range(2, 8))),
    Absent("FF /7", "unassigned", frozenset((0xFF,)), frozenset((7,))),
)

FEATURES: Final[tuple[Feature, ...]] = (
    Feature("real-address mode", "guests begin in protected mode; clearing CR0.PE would lead back", Instead.STOP),
    Feature("virtual-8086 mode", "an IRET at CPL 0 with VM set in the image would enter it", Instead.STOP),
    Feature("hardware task switching", "a task gate, or a far transfer to a TSS, would make one", Instead.STOP),
    Feature("CR4.VME and CR4.PVI", "virtual interrupts; CPUID does not offer them", Instead.PROTECTION),
    Feature("CR4.PAE, CR4.PGE, CR4.PCE and later bits", "Pentium Pro and later", Instead.PROTECTION),
    Feature(
        "model-specific registers but for the time stamp and the machine-check pair",
        "nothing of ours would answer them",
        Instead.PROTECTION,
    ),
    Feature("machine checks, NMI and system management", "no part of the machine raises them", Instead.NOTHING),
    Feature("caches", "INVD, WBINVD, CR0.CD and CR0.NW are accepted and change nothing", Instead.NOTHING),
)
"""Modes, register bits and events left out."""

LEFT_OUT: Final[tuple[Absent | Feature, ...]] = (*ABSENT, *FEATURES)
"""Everything left out, with what happens instead."""
