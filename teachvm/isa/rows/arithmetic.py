"""Arithmetic and logic: the regular quarter of the one-byte map, multiply, divide, BCD, exchange-and-compare.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 2D, Tables A-2, A-3 and A-6.
"""

from typing import Final

from teachvm.isa.flags import AF, CF, OF, PF, SF, STATUS, ZF
from teachvm.isa.row import ARITHMETIC, FlagEffects, Row

_WITH_CARRY: Final = FlagEffects(written=STATUS, tested=CF)
_LOGIC: Final = FlagEffects(written=STATUS, undefined=AF)
_KEEPS_CARRY: Final = FlagEffects(written=STATUS & ~CF)
_MULTIPLY: Final = FlagEffects(written=STATUS, undefined=SF | ZF | AF | PF)
_DIVIDE: Final = FlagEffects(written=STATUS, undefined=STATUS)
_DECIMAL: Final = FlagEffects(written=STATUS, undefined=OF, tested=AF | CF)
_ASCII: Final = FlagEffects(written=STATUS, undefined=OF | SF | ZF | PF, tested=AF)
_ASCII_DIVIDE: Final = FlagEffects(written=STATUS, undefined=OF | AF | CF)

# Rows 00..3F of the opcode map: eight operations in six forms each.
_OPERATIONS: Final = (
    ("ADD", ARITHMETIC),
    ("OR", _LOGIC),
    ("ADC", _WITH_CARRY),
    ("SBB", _WITH_CARRY),
    ("AND", _LOGIC),
    ("SUB", ARITHMETIC),
    ("XOR", _LOGIC),
    ("CMP", ARITHMETIC),
)
_FORMS: Final = (
    ("/r", "Eb,Gb"),
    ("/r", "Ev,Gv"),
    ("/r", "Gb,Eb"),
    ("/r", "Gv,Ev"),
    ("ib", "AL,Ib"),
    ("iz", "eAX,Iz"),
)
# Group 1: the same eight by ModRM's reg field. 82 decodes like 80; assemblers use 80.
_GROUP_1: Final = (
    ("80", "ib", "Eb,Ib", False),
    ("81", "iz", "Ev,Iz", False),
    ("82", "ib", "Eb,Ib", True),
    ("83", "ib", "Ev,Ibs", False),
)


def _regular() -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{8 * number + column:02X} {tail}",
            f"{name} {operands}",
            flags=flags,
            lockable=name != "CMP" and operands.startswith("E"),
        )
        for number, (name, flags) in enumerate(_OPERATIONS)
        for column, (tail, operands) in enumerate(_FORMS)
    )


def _group_1() -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{opcode} /{digit} {tail}",
            f"{name} {operands}",
            flags=flags,
            lockable=name != "CMP",
            alias=alias,
        )
        for opcode, tail, operands, alias in _GROUP_1
        for digit, (name, flags) in enumerate(_OPERATIONS)
    )


ROWS: Final[tuple[Row, ...]] = (
    *_regular(),
    *_group_1(),
    Row("27", "DAA", flags=_DECIMAL),
    Row("2F", "DAS", flags=_DECIMAL),
    Row("37", "AAA", flags=_ASCII),
    Row("3F", "AAS", flags=_ASCII),
    Row("D4 ib", "AAM Ib", flags=_ASCII_DIVIDE),
    Row("D5 ib", "AAD Ib", flags=_ASCII_DIVIDE),
    Row("40+r", "INC Zv", flags=_KEEPS_CARRY),
    Row("48+r", "DEC Zv", flags=_KEEPS_CARRY),
    Row("FE /0", "INC Eb", flags=_KEEPS_CARRY, lockable=True),
    Row("FF /0", "INC Ev", flags=_KEEPS_CARRY, lockable=True),
    Row("FE /1", "DEC Eb", flags=_KEEPS_CARRY, lockable=True),
    Row("FF /1", "DEC Ev", flags=_KEEPS_CARRY, lockable=True),
    Row("84 /r", "TEST Eb,Gb", flags=_LOGIC),
    Row("85 /r", "TEST Ev,Gv", flags=_LOGIC),
    Row("A8 ib", "TEST AL,Ib", flags=_LOGIC),
    Row("A9 iz", "TEST eAX,Iz", flags=_LOGIC),
    Row("F6 /0 ib", "TEST Eb,Ib", flags=_LOGIC),
    Row("F7 /0 iz", "TEST Ev,Iz", flags=_LOGIC),
    # Undocumented twins of /0; every Intel processor executes them as TEST.
    Row("F6 /1 ib", "TEST Eb,Ib", flags=_LOGIC, alias=True),
    Row("F7 /1 iz", "TEST Ev,Iz", flags=_LOGIC, alias=True),
    Row("F6 /2", "NOT Eb", lockable=True),
    Row("F7 /2", "NOT Ev", lockable=True),
    Row("F6 /3", "NEG Eb", flags=ARITHMETIC, lockable=True),
    Row("F7 /3", "NEG Ev", flags=ARITHMETIC, lockable=True),
    Row("F6 /4", "MUL Eb", flags=_MULTIPLY),
    Row("F7 /4", "MUL Ev", flags=_MULTIPLY),
    Row("F6 /5", "IMUL Eb", flags=_MULTIPLY),
    Row("F7 /5", "IMUL Ev", flags=_MULTIPLY),
    Row("F6 /6", "DIV Eb", flags=_DIVIDE),
    Row("F7 /6", "DIV Ev", flags=_DIVIDE),
    Row("F6 /7", "IDIV Eb", flags=_DIVIDE),
    Row("F7 /7", "IDIV Ev", flags=_DIVIDE),
    Row("0F AF /r", "IMUL Gv,Ev", flags=_MULTIPLY),
    Row("69 /r iz", "IMUL Gv,Ev,Iz", flags=_MULTIPLY),
    Row("6B /r ib", "IMUL Gv,Ev,Ibs", flags=_MULTIPLY),
    Row("98", "CWDE"),
    Row("99", "CDQ"),
    Row("0F B0 /r", "CMPXCHG Eb,Gb", flags=ARITHMETIC, lockable=True),
    Row("0F B1 /r", "CMPXCHG Ev,Gv", flags=ARITHMETIC, lockable=True),
    Row("0F C0 /r", "XADD Eb,Gb", flags=ARITHMETIC, lockable=True),
    Row("0F C1 /r", "XADD Ev,Gv", flags=ARITHMETIC, lockable=True),
    Row("0F C7 /1", "CMPXCHG8B Mq", flags=FlagEffects(written=ZF), lockable=True),
)
