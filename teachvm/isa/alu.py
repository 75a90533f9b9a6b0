"""Arithmetic and logic as pure functions: operands in, result and flags out.

Shape: operands and results are unsigned, `width` is 8, 16 or 32 bits. Every function that writes
flags returns them as a mask of the STATUS flags it leaves set; a caller replaces exactly the flags its row
says are written.

Design notes: where the manual leaves a flag undefined, one value is chosen, so that the machine is
deterministic: logic and multiplication clear AF; MUL and IMUL set SF, ZF, PF from the low half. Tests mask
these flags.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 1, §3.4.3.1 (status flags).
"""

from typing import Final

from teachvm.isa.flags import AF, CF, OF, PF, SF, ZF

_PARITY: Final = bytes(0 if byte.bit_count() & 1 else PF for byte in range(256))


class DivideError(ArithmeticError):
    """The quotient does not exist or does not fit: the processor raises #DE."""


def szp(result: int, width: int) -> int:
    """SF, ZF and PF of a result; PF looks at the low byte only."""
    return _PARITY[result & 0xFF] | (0 if result else ZF) | (SF if result >> width - 1 else 0)


def add(a: int, b: int, width: int) -> tuple[int, int]:
    """ADD: a + b."""
    total = a + b
    result = total & (1 << width) - 1
    flags = szp(result, width) | (a ^ b ^ result) & AF | (CF if total >> width else 0)
    return result, flags | (OF if (a ^ result) & (b ^ result) & 1 << width - 1 else 0)


def adc(a: int, b: int, carry: int, width: int) -> tuple[int, int]:
    """ADC: a + b + carry."""
    total = a + b + carry
    result = total & (1 << width) - 1
    flags = szp(result, width) | (a ^ b ^ result) & AF | (CF if total >> width else 0)
    return result, flags | (OF if (a ^ result) & (b ^ result) & 1 << width - 1 else 0)


def sub(a: int, b: int, width: int) -> tuple[int, int]:
    """SUB and CMP: a - b."""
    result = a - b & (1 << width) - 1
    flags = szp(result, width) | (a ^ b ^ result) & AF | (CF if a < b else 0)
    return result, flags | (OF if (a ^ b) & (a ^ result) & 1 << width - 1 else 0)


def sbb(a: int, b: int, borrow: int, width: int) -> tuple[int, int]:
    """SBB: a - b - borrow; CF is the borrow out."""
    result = a - b - borrow & (1 << width) - 1
    flags = szp(result, width) | (a ^ b ^ result) & AF | (CF if a < b + borrow else 0)
    return result, flags | (OF if (a ^ b) & (a ^ result) & 1 << width - 1 else 0)


def and_(a: int, b: int, width: int) -> tuple[int, int]:
    """AND and TEST; CF and OF clear."""
    return a & b, szp(a & b, width)


def or_(a: int, b: int, width: int) -> tuple[int, int]:
    """OR; CF and OF clear."""
    return a | b, szp(a | b, width)


def xor(a: int, b: int, width: int) -> tuple[int, int]:
    """XOR; CF and OF clear."""
    return a ^ b, szp(a ^ b, width)


def inc(a: int, width: int) -> tuple[int, int]:
    """INC: a + 1. CF is not among the flags it writes and is clear in the mask."""
    result = a + 1 & (1 << width) - 1
    flags = szp(result, width) | (a ^ 1 ^ result) & AF
    return result, flags | (OF if ~a & result & 1 << width - 1 else 0)


def dec(a: int, width: int) -> tuple[int, int]:
    """DEC: a - 1. CF is not among the flags it writes and is clear in the mask."""
    result = a - 1 & (1 << width) - 1
    flags = szp(result, width) | (a ^ 1 ^ result) & AF
    return result, flags | (OF if a & ~result & 1 << width - 1 else 0)


def neg(a: int, width: int) -> tuple[int, int]:
    """NEG: 0 - a; CF tells whether a was not zero."""
    return sbb(0, a, 0, width)


def not_(a: int, width: int) -> int:
    """NOT: every bit inverted, no flags."""
    return a ^ (1 << width) - 1


def signed(value: int, width: int) -> int:
    """Read an unsigned `width`-bit pattern as two's complement."""
    return value - (1 << width) if value >> width - 1 else value


def sign_extend(value: int, width: int, to: int) -> int:
    """Widen by copying the sign bit: MOVSX, CBW, CWDE."""
    return signed(value, width) & (1 << to) - 1


def sign_fill(value: int, width: int) -> int:
    """All ones if the value is negative, else zero: what CWD and CDQ put in the upper half."""
    return (1 << width) - 1 if value >> width - 1 else 0


def bswap(value: int, width: int) -> int:
    """BSWAP reverses the bytes of 32 bits.

    Deviation: with a 16-bit operand the result is undefined; zero, as Pentium-class processors give.
    """
    return int.from_bytes(value.to_bytes(4, "little"), "big") if width == 32 else 0


# --- Multiply and divide ---------------------------------------------------------------------------------------


def mul(a: int, b: int, width: int) -> tuple[int, int, int]:
    """MUL: the double-width unsigned product as (low, high, flags); CF = OF = high half not zero."""
    product = a * b
    low, high = product & (1 << width) - 1, product >> width
    return low, high, szp(low, width) | (CF | OF if high else 0)


def imul(a: int, b: int, width: int) -> tuple[int, int, int]:
    """IMUL: the signed product as (low, high, flags); CF = OF = it does not fit in the low half."""
    product = signed(a, width) * signed(b, width)
    mask = (1 << width) - 1
    low, high = product & mask, product >> width & mask
    return low, high, szp(low, width) | (CF | OF if signed(low, width) != product else 0)


def div(low: int, high: int, divisor: int, width: int) -> tuple[int, int]:
    """DIV: (quotient, remainder) of high:low; flags undefined, and left alone.

    Raises:
        DivideError: Divisor zero, or the quotient needs more than `width` bits.
    """
    if divisor == 0 or high >= divisor:
        raise DivideError
    return divmod(high << width | low, divisor)


def idiv(low: int, high: int, divisor: int, width: int) -> tuple[int, int]:
    """IDIV: signed (quotient, remainder), rounded towards zero; flags undefined, and left alone.

    Raises:
        DivideError: Divisor zero, or the quotient does not fit in `width` bits.
    """
    dividend = signed(high << width | low, 2 * width)
    by = signed(divisor, width)
    if by == 0:
        raise DivideError
    quotient = abs(dividend) // abs(by)
    if (dividend < 0) != (by < 0):
        quotient = -quotient
    if not -(1 << width - 1) <= quotient < 1 << width - 1:
        raise DivideError
    mask = (1 << width) - 1
    return quotient & mask, dividend - quotient * by & mask


# --- Decimal adjustment ----------------------------------------------------------------------------------------


def daa(al: int, flags: int) -> tuple[int, int]:
    """DAA: make AL packed decimal after an addition. Deviation: OF, undefined, is cleared."""
    result, carry = al, flags & CF
    adjust = flags & AF or al & 0xF > 9
    if adjust:
        result += 6
    if carry or al > 0x99:
        result += 0x60
        carry = CF
    result &= 0xFF
    return result, szp(result, 8) | carry | (AF if adjust else 0)


def das(al: int, flags: int) -> tuple[int, int]:
    """DAS: make AL packed decimal after a subtraction. Deviation: OF, undefined, is cleared."""
    result, carry = al, flags & CF
    adjust = flags & AF or al & 0xF > 9
    if adjust:
        carry = carry or (CF if al < 6 else 0)
        result -= 6
    if flags & CF or al > 0x99:
        result -= 0x60
        carry = CF
    result &= 0xFF
    return result, szp(result, 8) | carry | (AF if adjust else 0)


def aaa(ax: int, flags: int) -> tuple[int, int]:
    """AAA: make AL one unpacked digit after an addition, carrying into AH; takes and gives AX.

    Deviation: OF, SF, ZF, PF, undefined, are cleared.
    """
    if not (flags & AF or ax & 0xF > 9):
        return ax & 0xFF0F, 0
    return ax + 0x106 & 0xFF0F, AF | CF


def aas(ax: int, flags: int) -> tuple[int, int]:
    """AAS: make AL one unpacked digit after a subtraction, borrowing from AH; takes and gives AX.

    Deviation: OF, SF, ZF, PF, undefined, are cleared.
    """
    if not (flags & AF or ax & 0xF > 9):
        return ax & 0xFF0F, 0
    return ax - 0x106 & 0xFF0F, AF | CF


def aam(al: int, base: int) -> tuple[int, int]:
    """AAM: split AL into AH = AL / base and AL = AL mod base; gives AX.

    Raises:
        DivideError: Base zero.
    """
    if base == 0:
        raise DivideError
    high, low = divmod(al, base)
    return high << 8 | low, szp(low, 8)


def aad(ax: int, base: int) -> tuple[int, int]:
    """AAD: join AH and AL into AL = AH * base + AL, AH = 0; gives AX."""
    result = (ax >> 8) * base + ax & 0xFF
    return result, szp(result, 8)
