"""Control and debug register bits of a Pentium-class processor.

Source: Intel SDM Vol. 3A, §2.5 control registers; Vol. 3B, debug registers.
"""

from enum import IntEnum
from typing import Final

CR0_PE: Final = 1 << 0
CR0_MP: Final = 1 << 1
CR0_EM: Final = 1 << 2
CR0_TS: Final = 1 << 3
CR0_ET: Final = 1 << 4
CR0_NE: Final = 1 << 5
CR0_WP: Final = 1 << 16
CR0_AM: Final = 1 << 18
CR0_NW: Final = 1 << 29
CR0_CD: Final = 1 << 30
CR0_PG: Final = 1 << 31
CR0_KNOWN: Final = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG
MSW_WRITABLE: Final = CR0_PE | CR0_MP | CR0_EM | CR0_TS
"""What LMSW can change; it can set PE but never clear it."""

CR3_PWT: Final = 1 << 3
CR3_PCD: Final = 1 << 4

CR4_TSD: Final = 1 << 2
CR4_DE: Final = 1 << 3
CR4_PSE: Final = 1 << 4
CR4_MCE: Final = 1 << 6
CR4_KNOWN: Final = CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE

DR6_FIXED: Final = 0xFFFF_0FF0
DR6_B: Final = 0xF
"""B0 to B3: the breakpoints whose condition was met."""
DR6_BS: Final = 1 << 14
DR6_BD: Final = 1 << 13
DR7_FIXED: Final = 0x0000_0400
DR7_GD: Final = 1 << 13
DR7_ENABLED: Final = 0xFF
"""L0, G0 to L3, G3: a breakpoint with either is enabled."""


class BreakOn(IntEnum):
    """What a breakpoint waits for: R/W0 to R/W3 of DR7."""

    EXECUTION = 0
    WRITE = 1
    PORT = 2
    """With CR4.DE; undefined without."""
    ACCESS = 3
    """A read or a write, not an instruction fetch."""


def breakpoint_kind(dr7: int, number: int) -> BreakOn:
    """What breakpoint 0..3 waits for."""
    return BreakOn(dr7 >> 16 + 4 * number & 3)


def breakpoint_size(dr7: int, number: int) -> int:
    """Bytes of breakpoint 0..3 by its LEN field."""
    return (1, 2, 8, 4)[dr7 >> 18 + 4 * number & 3]


CR0_NAMES: Final = {
    "PE": CR0_PE,
    "MP": CR0_MP,
    "EM": CR0_EM,
    "TS": CR0_TS,
    "ET": CR0_ET,
    "NE": CR0_NE,
    "WP": CR0_WP,
    "AM": CR0_AM,
    "NW": CR0_NW,
    "CD": CR0_CD,
    "PG": CR0_PG,
}
"""CR0 bits by name, lowest first, for views."""
CR4_NAMES: Final = {
    "TSD": CR4_TSD,
    "DE": CR4_DE,
    "PSE": CR4_PSE,
    "MCE": CR4_MCE,
}
"""CR4 bits by name, lowest first, for views."""
