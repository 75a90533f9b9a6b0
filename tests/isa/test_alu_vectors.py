"""The ALU against results recorded on a 386, when they stand beside the project.

The recording is not part of the project and only read from ../shared. A line is: opcode, mnemonic, size, then
EAX, EDX and flags before and after. Immediates and shift counts are not in it; the ones used were found by trying
which constant explains every line of an opcode, and CF was set before every shift. Flags the recording masks
(more than the manual does, for some) are zero in it.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from teachvm.isa import alu, shifts
from teachvm.isa.alu import DivideError
from teachvm.isa.flags import AF, CF, OF, STATUS, UNDEFINED_BY_COUNT

VECTORS = Path("../shared/facts/vectors/alu-386.txt.gz")
LINE = re.compile(
    r"(?P<op>\w+) (?:(?P<name>[A-Z]+) )?(?:(?P<size>[BWD]) )?EAX=(?P<eax>\w+)(?: EDX=(?P<edx>\w+))? PS=(?P<ps>\w+)"
    r"(?P<de> #DE)? EAX=(?P<eax2>\w+)(?: EDX=(?P<edx2>\w+))? PS=(?P<ps2>\w+)"
)
WIDTHS = {"B": 8, "W": 16, "D": 32}


@dataclass(frozen=True)
class Vector:
    op: str
    name: str
    width: int
    eax: int
    edx: int
    flags: int
    divide_error: bool
    eax_after: int
    edx_after: int
    flags_after: int

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1

    def low(self, value: int) -> int:
        return value & self.mask

    def merged(self, register: int, value: int) -> int:
        return register & ~self.mask | value


def vectors() -> Iterator[Vector]:
    with gzip.open(VECTORS, "rt") as lines:
        for line in lines:
            match = LINE.match(line)
            assert match, line
            value = {key: int(match[key] or "0", 16) for key in ("eax", "edx", "ps", "eax2", "edx2", "ps2")}
            width = WIDTHS.get(match["size"] or "W", 16)
            yield Vector(
                match["op"],
                match["name"] or match["op"].upper(),
                width,
                value["eax"],
                value["edx"],
                value["ps"],
                bool(match["de"]),
                value["eax2"],
                value["edx2"],
                value["ps2"],
            )


BINARY: dict[str, Callable[[int, int, int, int], tuple[int, int]]] = {
    "ADD": lambda a, b, _, width: alu.add(a, b, width),
    "ADC": alu.adc,
    "SBB": alu.sbb,
    "SUB": lambda a, b, _, width: alu.sub(a, b, width),
    "CMP": lambda a, b, _, width: (a, alu.sub(a, b, width)[1]),
    "AND": lambda a, b, _, width: alu.and_(a, b, width),
    "TEST": lambda a, b, _, width: (a, alu.and_(a, b, width)[1]),
    "OR": lambda a, b, _, width: alu.or_(a, b, width),
    "XOR": lambda a, b, _, width: alu.xor(a, b, width),
}
UNARY: dict[str, Callable[[int, int], tuple[int, int]]] = {"INC": alu.inc, "DEC": alu.dec, "NEG": alu.neg}
DECIMAL = {"DAA": alu.daa, "DAS": alu.das, "AAA": alu.aaa, "AAS": alu.aas}
SHIFTS = {"SAL": shifts.shl, "SHR": shifts.shr, "SAR": shifts.sar, "ROL": shifts.rol, "ROR": shifts.ror}
ROTATES_CARRY = {"RCL": shifts.rcl, "RCR": shifts.rcr}
DOUBLE = {"SHLD": shifts.shld, "SHRD": shifts.shrd}
LOGICAL = {"AND", "OR", "XOR", "CMP", "TEST"}


def constant(vector: Vector) -> int | None:
    """The immediate of an opcode that has one."""
    if vector.op in ("80", "81", "83", "F6", "F7", "A8", "A9") or int(vector.op, 16) & 0xC6 == 4:
        if vector.name in LOGICAL:
            value = 0xFFFFFFAA if vector.op == "83" else 0xAAAAAAAA
        elif vector.op == "83" or vector.width == 8:
            value = 0xFFFFFFFF
        elif vector.name in ("SUB", "SBB"):
            value = 1 << vector.width - 1
        else:
            value = (1 << vector.width - 1) + 2
        return vector.low(value)
    return None


def check_binary(vector: Vector) -> bool:
    immediate = constant(vector)
    in_edx = vector.op in ("80", "81", "F6", "F7")
    first = vector.edx if in_edx else vector.eax
    second = vector.low(vector.edx) if immediate is None else immediate
    result, flags = BINARY[vector.name](vector.low(first), second, vector.flags & CF, vector.width)
    undefined = AF if vector.name in LOGICAL else 0
    after = vector.edx_after if in_edx else vector.eax_after
    return after == vector.merged(first, result) and (flags ^ vector.flags_after) & STATUS & ~undefined == 0


def check_unary(vector: Vector) -> bool:
    if vector.name == "NOT":
        return vector.eax_after == vector.merged(vector.eax, alu.not_(vector.low(vector.eax), vector.width))
    result, flags = UNARY[vector.name](vector.low(vector.eax), vector.width)
    written = STATUS if vector.name == "NEG" else STATUS & ~CF
    return vector.eax_after == vector.merged(vector.eax, result) and (flags ^ vector.flags_after) & written == 0


def count_of(vector: Vector) -> int:
    if vector.op in ("D0", "D1"):
        return 1
    if vector.op in ("C0", "C1"):
        return 7
    if vector.op in ("0FA4", "0FAC"):
        return vector.width // 2
    return vector.edx & 31


def check_shift(vector: Vector) -> bool:
    count, a, width = count_of(vector), vector.low(vector.eax), vector.width
    if count == 0:
        return vector.eax_after == vector.eax
    if vector.name in DOUBLE:
        result, flags = DOUBLE[vector.name](a, vector.low(vector.edx), count, width)
        defined = STATUS & ~UNDEFINED_BY_COUNT["double_shift"](count, width)
    elif vector.name in ROTATES_CARRY:
        result, flags = ROTATES_CARRY[vector.name](a, count, 1, width)
        defined = (CF | OF) & ~UNDEFINED_BY_COUNT["rotate"](count, width)
    else:
        result, flags = SHIFTS[vector.name](a, count, width)
        rotates = vector.name in ("ROL", "ROR")
        rule = UNDEFINED_BY_COUNT["rotate" if rotates else "shift"]
        defined = (CF | OF if rotates else STATUS) & ~rule(count, width)
    if vector.op not in ("D0", "D1"):
        defined &= ~OF  # the recording masks OF wherever a count is written
    if vector.name in DOUBLE and count > width:
        return True
    return vector.eax_after == vector.merged(vector.eax, result) and (flags ^ vector.flags_after) & defined == 0


def check_multiply(vector: Vector) -> bool:
    a, b, width = vector.low(vector.eax), vector.low(vector.edx), vector.width
    if vector.op in ("F6", "F7"):
        low, high, flags = (alu.mul if vector.name == "MUL" else alu.imul)(a, b, width)
        if width == 8:
            result = vector.eax_after == vector.eax & ~0xFFFF | high << 8 | low
        else:
            after = (vector.merged(vector.eax, low), vector.merged(vector.edx, high))
            result = after == (vector.eax_after, vector.edx_after)
        return result and (flags ^ vector.flags_after) & (CF | OF) == 0
    pairs = {
        "0FAF": ((a, b),),
        "6B": ((b, 0x77), (b, vector.low(-0x77))),
        "69": ((a, 0x777 if width == 16 else 0x777777),),
    }[vector.op]
    for first, second in pairs:
        low, _, flags = alu.imul(first, second, width)
        if vector.eax_after == vector.merged(vector.eax, low) and (flags ^ vector.flags_after) & (CF | OF) == 0:
            return True
    return False


def check_divide(vector: Vector) -> bool:
    """The recording divides by EDX, then by EAX, and does not say which a line is: one of them must fit."""
    function = alu.div if vector.name == "DIV" else alu.idiv
    low, width = vector.low(vector.eax), vector.width
    high = vector.eax >> 8 & 0xFF if width == 8 else vector.low(vector.edx)
    for divisor in (vector.low(vector.edx), low):
        try:
            quotient, remainder = function(low, high, divisor, width)
        except DivideError:
            if vector.divide_error:
                return True
            continue
        if width == 8:
            after = (vector.eax & ~0xFFFF | remainder << 8 | quotient, vector.edx)
        else:
            after = (vector.merged(vector.eax, quotient), vector.merged(vector.edx, remainder))
        if not vector.divide_error and after == (vector.eax_after, vector.edx_after):
            return True
    return False


def check_decimal(vector: Vector) -> bool:
    al, ax = vector.eax & 0xFF, vector.eax & 0xFFFF
    if vector.name in ("DAA", "DAS"):
        result, flags = DECIMAL[vector.name](al, vector.flags)
        return vector.eax_after == vector.eax & ~0xFF | result and (flags ^ vector.flags_after) & STATUS & ~OF == 0
    if vector.name in ("AAA", "AAS"):
        result, flags = DECIMAL[vector.name](ax, vector.flags)
        return vector.eax_after == vector.eax & ~0xFFFF | result and (flags ^ vector.flags_after) & (AF | CF) == 0
    result, flags = alu.aam(al, 10) if vector.name == "AAM" else alu.aad(ax, 10)
    return (
        vector.eax_after == vector.eax & ~0xFFFF | result
        and (flags ^ vector.flags_after) & STATUS & ~(OF | AF | CF) == 0
    )


def check_extension(vector: Vector) -> bool:
    eax = vector.eax
    if vector.name == "CBW":
        return vector.eax_after == eax & ~0xFFFF | alu.sign_extend(eax & 0xFF, 8, 16)
    if vector.name == "CWDE":
        return vector.eax_after == alu.sign_extend(eax & 0xFFFF, 16, 32)
    return vector.edx_after == vector.merged(vector.edx, alu.sign_fill(vector.low(eax), vector.width))


def checker(vector: Vector) -> Callable[[Vector], bool]:
    name = vector.name
    if name in BINARY:
        return check_binary
    if name in UNARY or name == "NOT":
        return check_unary
    if name in SHIFTS or name in ROTATES_CARRY or name in DOUBLE:
        return check_shift
    if name in ("MUL", "IMUL"):
        return check_multiply
    if name in ("DIV", "IDIV"):
        return check_divide
    return check_extension if name in ("CBW", "CWDE", "CWD", "CDQ") else check_decimal


pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the recorded ALU results are not at ../shared")


def test_every_recorded_result_is_reproduced() -> None:
    lines = list(vectors())
    assert len(lines) == 44_926
    assert [vector for vector in lines if not checker(vector)(vector)] == []
