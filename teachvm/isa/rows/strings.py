"""String instructions, including those that move whole blocks through a port.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 2D, Table A-2. X is DS:ESI and can be overridden,
Y is ES:EDI and cannot.
"""

from typing import Final

from teachvm.isa.flags import DF, STATUS
from teachvm.isa.row import FlagEffects, InstructionClass, Row

_DIRECTION: Final = FlagEffects(tested=DF)
_COMPARE: Final = FlagEffects(written=STATUS, tested=DF)
_PORT_REASON: Final = "Allowed if CPL <= IOPL; else the TSS I/O bitmap decides for each port, and #GP(0) if it says no."


def _port(encoding: str, syntax: str) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.IOPL_SENSITIVE,
        flags=_DIRECTION,
        intercept="IO_INSTRUCTION",
        reason=_PORT_REASON,
        source="Intel SDM Vol. 1, I/O protection",
    )


ROWS: Final[tuple[Row, ...]] = (
    Row("A4", "MOVSB Yb,Xb", flags=_DIRECTION),
    Row("A5", "MOVSD Yv,Xv", flags=_DIRECTION),
    Row("A6", "CMPSB Xb,Yb", flags=_COMPARE),
    Row("A7", "CMPSD Xv,Yv", flags=_COMPARE),
    Row("AA", "STOSB Yb,AL", flags=_DIRECTION),
    Row("AB", "STOSD Yv,eAX", flags=_DIRECTION),
    Row("AC", "LODSB AL,Xb", flags=_DIRECTION),
    Row("AD", "LODSD eAX,Xv", flags=_DIRECTION),
    Row("AE", "SCASB AL,Yb", flags=_COMPARE),
    Row("AF", "SCASD eAX,Yv", flags=_COMPARE),
    _port("6C", "INSB Yb,DX"),
    _port("6D", "INSD Yv,DX"),
    _port("6E", "OUTSB DX,Xb"),
    _port("6F", "OUTSD DX,Xv"),
)
