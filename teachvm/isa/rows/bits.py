"""Shifts, rotates, bit tests and bit scans.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 2D, Table A-6, groups 2 and 8.
"""

from typing import Final

from teachvm.isa.flags import AF, CF, OF, PF, SF, STATUS, ZF
from teachvm.isa.row import FlagEffects, Row

_SHIFT: Final = FlagEffects(written=STATUS, undefined="shift")
_ROTATE: Final = FlagEffects(written=CF | OF, undefined="rotate")
_ROTATE_CARRY: Final = FlagEffects(written=CF | OF, undefined="rotate", tested=CF)
_DOUBLE: Final = FlagEffects(written=STATUS, undefined="double_shift")
_BIT_TEST: Final = FlagEffects(written=STATUS & ~ZF, undefined=OF | SF | AF | PF)
_BIT_SCAN: Final = FlagEffects(written=STATUS, undefined=STATUS & ~ZF)

# Group 2 by ModRM's reg field; /6 is an undocumented second SHL.
_GROUP_2: Final = (
    ("ROL", _ROTATE, False),
    ("ROR", _ROTATE, False),
    ("RCL", _ROTATE_CARRY, False),
    ("RCR", _ROTATE_CARRY, False),
    ("SHL", _SHIFT, False),
    ("SHR", _SHIFT, False),
    ("SHL", _SHIFT, True),
    ("SAR", _SHIFT, False),
)
_GROUP_2_FORMS: Final = (
    ("C0", " ib", "Eb,Ib"),
    ("C1", " ib", "Ev,Ib"),
    ("D0", "", "Eb,1"),
    ("D1", "", "Ev,1"),
    ("D2", "", "Eb,CL"),
    ("D3", "", "Ev,CL"),
)
_BIT_OPERATIONS: Final = (("BT", "A3", 4), ("BTS", "AB", 5), ("BTR", "B3", 6), ("BTC", "BB", 7))


def _group_2() -> tuple[Row, ...]:
    return tuple(
        Row(f"{opcode} /{digit}{tail}", f"{name} {operands}", flags=flags, alias=alias)
        for opcode, tail, operands in _GROUP_2_FORMS
        for digit, (name, flags, alias) in enumerate(_GROUP_2)
    )


def _bit_operations() -> tuple[Row, ...]:
    by_register = (
        Row(f"0F {opcode} /r", f"{name} Ev,Gv", flags=_BIT_TEST, lockable=name != "BT")
        for name, opcode, _ in _BIT_OPERATIONS
    )
    by_constant = (
        Row(f"0F BA /{digit} ib", f"{name} Ev,Ib", flags=_BIT_TEST, lockable=name != "BT")
        for name, _, digit in _BIT_OPERATIONS
    )
    return (*by_register, *by_constant)


ROWS: Final[tuple[Row, ...]] = (
    *_group_2(),
    *_bit_operations(),
    Row("0F A4 /r ib", "SHLD Ev,Gv,Ib", flags=_DOUBLE),
    Row("0F A5 /r", "SHLD Ev,Gv,CL", flags=_DOUBLE),
    Row("0F AC /r ib", "SHRD Ev,Gv,Ib", flags=_DOUBLE),
    Row("0F AD /r", "SHRD Ev,Gv,CL", flags=_DOUBLE),
    Row("0F BC /r", "BSF Gv,Ev", flags=_BIT_SCAN),
    Row("0F BD /r", "BSR Gv,Ev", flags=_BIT_SCAN),
)
