"""Shifts, rotates, bit tests and bit scans as pure functions: operands in, result and flags out.

Shape: operands and results are unsigned, `width` is 8, 16 or 32 bits, `count` is already masked to
five bits. A count of zero changes nothing: callers must then leave all flags alone, and the functions
refuse it. Flags are a mask of those left set among the ones the row writes.

Design notes: undefined flags have one chosen value. OF for counts above one is computed as for the last
single step; AF is clear; CF of SHL and SHR by the width or more is the last bit moved out, zero beyond. SHLD and SHRD
of 16 bits by more than 16 continue with the bits of the destination, as Pentium-class processors do.

Source: Intel SDM Vol. 2A/2B, instruction pages.
"""

from teachvm.isa.alu import signed, szp
from teachvm.isa.flags import CF, OF, ZF


def shl(a: int, count: int, width: int) -> tuple[int, int]:
    """SHL (SAL): multiply by 2 ** count; CF is the last bit moved out at the top."""
    wide = a << count
    result = wide & (1 << width) - 1
    carry = wide >> width & 1
    return result, szp(result, width) | (CF if carry else 0) | (OF if carry != result >> width - 1 else 0)


def shr(a: int, count: int, width: int) -> tuple[int, int]:
    """SHR: unsigned divide by 2 ** count; CF is the last bit moved out at the bottom, OF the sign before it."""
    before = a >> count - 1
    result = before >> 1
    return result, szp(result, width) | (CF if before & 1 else 0) | (OF if before >> width - 1 else 0)


def sar(a: int, count: int, width: int) -> tuple[int, int]:
    """SAR: signed divide by 2 ** count, rounding down; OF clear."""
    before = signed(a, width) >> count - 1
    result = before >> 1 & (1 << width) - 1
    return result, szp(result, width) | (CF if before & 1 else 0)


def rol(a: int, count: int, width: int) -> tuple[int, int]:
    """ROL: CF is the bit that came round to the bottom; writes CF and OF only."""
    by = count % width
    result = (a << by | a >> width - by) & (1 << width) - 1
    carry = result & 1
    return result, (CF if carry else 0) | (OF if carry != result >> width - 1 else 0)


def ror(a: int, count: int, width: int) -> tuple[int, int]:
    """ROR: CF is the bit that came round to the top; writes CF and OF only."""
    by = count % width
    result = (a >> by | a << width - by) & (1 << width) - 1
    top = result >> width - 1
    return result, (CF if top else 0) | (OF if top != result >> width - 2 & 1 else 0)


def rcl(a: int, count: int, carry: int, width: int) -> tuple[int, int]:
    """RCL: rotate left through `carry` (0 or 1), width + 1 bits in all; writes CF and OF only."""
    by = count % (width + 1)
    ring = carry << width | a
    ring = (ring << by | ring >> width + 1 - by) & (2 << width) - 1
    result, out = ring & (1 << width) - 1, ring >> width
    return result, (CF if out else 0) | (OF if out != result >> width - 1 else 0)


def rcr(a: int, count: int, carry: int, width: int) -> tuple[int, int]:
    """RCR: rotate right through `carry` (0 or 1), width + 1 bits in all; writes CF and OF only."""
    by = count % (width + 1)
    ring = carry << width | a
    ring = (ring >> by | ring << width + 1 - by) & (2 << width) - 1
    result, out = ring & (1 << width) - 1, ring >> width
    return result, (CF if out else 0) | (OF if result >> width - 1 != result >> width - 2 & 1 else 0)


def shld(a: int, filler: int, count: int, width: int) -> tuple[int, int]:
    """SHLD: shift `a` left, filling from the top of `filler`; OF tells whether the sign changed."""
    ring = a << 2 * width | filler << width | a
    moved = ring << count
    result = moved >> 2 * width & (1 << width) - 1
    carry = moved >> 3 * width & 1
    return result, szp(result, width) | (CF if carry else 0) | (OF if (a ^ result) >> width - 1 else 0)


def shrd(a: int, filler: int, count: int, width: int) -> tuple[int, int]:
    """SHRD: shift `a` right, filling from the bottom of `filler`; OF tells whether the sign changed."""
    ring = a << 2 * width | filler << width | a
    before = ring >> count - 1
    result = before >> 1 & (1 << width) - 1
    return result, szp(result, width) | (CF if before & 1 else 0) | (OF if (a ^ result) >> width - 1 else 0)


def bt(a: int, bit: int) -> int:
    """BT: CF is the bit's value; OF, SF, AF, PF are undefined and left alone, as ZF is by rule."""
    return CF if a >> bit & 1 else 0


def bts(a: int, bit: int) -> tuple[int, int]:
    """BTS: set the bit, CF its old value."""
    return a | 1 << bit, bt(a, bit)


def btr(a: int, bit: int) -> tuple[int, int]:
    """BTR: clear the bit, CF its old value."""
    return a & ~(1 << bit), bt(a, bit)


def btc(a: int, bit: int) -> tuple[int, int]:
    """BTC: invert the bit, CF its old value."""
    return a ^ 1 << bit, bt(a, bit)


def bsf(a: int) -> tuple[int | None, int]:
    """BSF: number of the lowest set bit, or None for zero, when ZF is set and the destination stays.

    Deviation: the other status flags are undefined, and cleared. A zero source leaves the destination
    undefined in the manual and unchanged on every processor known.
    """
    return ((a & -a).bit_length() - 1, 0) if a else (None, ZF)


def bsr(a: int) -> tuple[int | None, int]:
    """BSR: number of the highest set bit, or None for zero; flags and zero as `bsf`."""
    return (a.bit_length() - 1, 0) if a else (None, ZF)
