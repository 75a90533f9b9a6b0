"""How machine values and counts are written for people: lower-case grouped hexadecimal, thin spaces in numbers."""

from __future__ import annotations

THIN = "\u202f"
"""Thin space that no line breaks at, between groups of three digits and before a unit."""


def hex32(value: int) -> str:
    """Write a 32-bit value as two groups of four digits: `0010 0247`."""
    digits = f"{value & 0xFFFF_FFFF:08x}"
    return f"{digits[:4]} {digits[4:]}"


def hexbytes(data: bytes, limit: int | None = None) -> str:
    """Write bytes as pairs; with a `limit`, the rest is an ellipsis."""
    if limit is not None and len(data) > limit:
        return data[:limit].hex(" ") + " …"
    return data.hex(" ")


def count(number: int) -> str:
    """Write a whole number with a thin space between groups of three digits: `2 318`."""
    return f"{number:,}".replace(",", THIN)


def percent(fraction: float) -> str:
    """Write a fraction as a whole percentage; what is there but rounds to nothing is `< 1 %`."""
    if 0 < fraction < 0.01:
        return f"<{THIN}1{THIN}%"
    return f"{fraction * 100:.0f}{THIN}%"


def plural(number: int, noun: str) -> str:
    """Write a count with its noun: `1 trap`, `14 traps`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def radixes(value: int, bits: int = 32) -> tuple[tuple[str, str], ...]:
    """Say one value in every radix people ask for: (name, text) pairs."""
    value &= (1 << bits) - 1
    binary = f"{value:0{bits}b}"
    signed = value - (1 << bits) if value >> (bits - 1) else value
    return (
        ("hexadecimal", f"0x{value:0{bits // 4}x}"),
        ("decimal", str(value)),
        ("signed", str(signed)),
        ("binary", " ".join(binary[at : at + 4] for at in range(0, bits, 4))),
    )
