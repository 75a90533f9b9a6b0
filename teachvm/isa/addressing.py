"""ModRM and SIB: the bytes that stand for a memory operand.

Source: Intel SDM Vol. 2A, Tables 2-1 (16-bit), 2-2 and 2-3 (32-bit addressing forms).
"""

from typing import Final

from teachvm.isa.operands import DS, EBP, EBX, EDI, ESI, ESP, SS, Mem

# The eight 16-bit forms by ModRM's rm field; with mod = 0, rm 6 is a bare 16-bit displacement.
FORMS_16: Final[tuple[tuple[int, int | None], ...]] = (
    (EBX, ESI),
    (EBX, EDI),
    (EBP, ESI),
    (EBP, EDI),
    (ESI, None),
    (EDI, None),
    (EBP, None),
    (EBX, None),
)
_SIB_FOLLOWS: Final = ESP
_NO_INDEX: Final = ESP
_NO_BASE: Final = EBP


class AddressError(ValueError):
    """No ModRM form computes such an address."""


def default_segment(base: int | None) -> int:
    """Segment used without a prefix: SS when the base is ESP or EBP (BP), else DS."""
    return SS if base in (ESP, EBP) else DS


def normal(mem: Mem) -> Mem:
    """The same address in the form the bytes can hold: an index alone is a base, ESP is never an index.

    Raises:
        AddressError: ESP scaled, or a scale other than 1, 2, 4, 8.
    """
    if mem.scale not in (1, 2, 4, 8):
        raise AddressError(f"a scale must be 1, 2, 4 or 8, not {mem.scale}")
    base, index = mem.base, mem.index
    if mem.scale == 1 and index is not None and (base is None or index == ESP):
        base, index = index, base
    if index == ESP:
        raise AddressError("esp cannot be an index")
    return Mem(mem.segment, base, index, mem.scale, mem.disp, mem.width, mem.adsize)


def _displacement(value: int, bits: int) -> int:
    """Bring a displacement into signed `bits`-bit range.

    Raises:
        AddressError: It fits neither as signed nor as unsigned.
    """
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise AddressError(f"displacement {value:#x} does not fit in {bits} bits")
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _mod(disp: int, *, needs_disp: bool, wide: bool) -> int:
    if wide:
        return 2
    if disp == 0 and not needs_disp:
        return 0
    return 1 if -128 <= disp <= 127 else 2


def _bytes_16(mem: Mem, reg: int, *, wide: bool) -> bytes:
    disp = _displacement(mem.disp, 16)
    if mem.base is None:
        return bytes((reg << 3 | 6,)) + disp.to_bytes(2, "little", signed=True)
    wanted = {mem.base, mem.index}
    rm = next((number for number, form in enumerate(FORMS_16) if set(form) == wanted), None)
    if rm is None:
        raise AddressError("a 16-bit address is bx or bp, plus si or di, plus a displacement")
    if mem.scale != 1:
        raise AddressError("a 16-bit address has no scale")
    mod = _mod(disp, needs_disp=rm == 6, wide=wide)
    return bytes((mod << 6 | reg << 3 | rm,)) + disp.to_bytes((0, 1, 2)[mod], "little", signed=True)


def _bytes_32(mem: Mem, reg: int, *, wide: bool) -> bytes:
    disp = _displacement(mem.disp, 32)
    scale = mem.scale.bit_length() - 1
    if mem.base is None:
        far = disp.to_bytes(4, "little", signed=True)
        if mem.index is None:
            return bytes((reg << 3 | EBP,)) + far
        return bytes((reg << 3 | _SIB_FOLLOWS, scale << 6 | mem.index << 3 | _NO_BASE)) + far
    mod = _mod(disp, needs_disp=mem.base == EBP, wide=wide)
    if mem.index is None and mem.base != ESP:
        head = bytes((mod << 6 | reg << 3 | mem.base,))
    else:
        index = _NO_INDEX if mem.index is None else mem.index
        head = bytes((mod << 6 | reg << 3 | _SIB_FOLLOWS, scale << 6 | index << 3 | mem.base))
    return head + disp.to_bytes((0, 1, 4)[mod], "little", signed=True)


def memory_bytes(mem: Mem, reg: int, *, wide: bool = False) -> bytes:
    """ModRM, SIB and displacement for a memory operand in `normal` form; `reg` is ModRM's reg field.

    With `wide`, a displacement beside a register always has its full size.

    Raises:
        AddressError: No form computes such an address.
    """
    return _bytes_32(mem, reg, wide=wide) if mem.adsize == 32 else _bytes_16(mem, reg, wide=wide)
