"""Segment registers and descriptors: loading and storing selectors, asking for rights, LDTR and TR.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 3A, §5.9 and §5.10; Robin & Irvine 2000.
"""

from typing import Final

from teachvm.isa.flags import ZF
from teachvm.isa.row import FlagEffects, InstructionClass, Row

_ROBIN_IRVINE: Final = "Robin & Irvine 2000"
_PRIVILEGED: Final = "Intel SDM Vol. 3A, §5.9"
_SENSITIVE: Final = InstructionClass.SENSITIVE_UNPRIVILEGED
_ZERO: Final = FlagEffects(written=ZF)

_SHOWS_CPL: Final = (
    "The low two bits of CS and SS are the CPL: a deprivileged kernel reads 1 where it expects 0 (ring aliasing)."
)
_LOAD_CHECKS_CPL: Final = (
    "The privilege check uses the real CPL: a DPL-0 selector raises #GP(selector) in a deprivileged kernel."
)
_STACK_CHECKS_CPL: Final = (
    "SS needs RPL = CPL = DPL: with RPL 0 every stack-segment reload by a deprivileged kernel raises #GP(selector)."
)


def _load(encoding: str, syntax: str, *, stack: bool = False, source: str = _ROBIN_IRVINE) -> Row:
    return Row(encoding, syntax, _SENSITIVE, reason=_STACK_CHECKS_CPL if stack else _LOAD_CHECKS_CPL, source=source)


def _shows_cpl(encoding: str, syntax: str) -> Row:
    return Row(encoding, syntax, _SENSITIVE, reason=_SHOWS_CPL, source=_ROBIN_IRVINE)


def _far_pointer(encoding: str, syntax: str, *, stack: bool = False) -> Row:
    return _load(encoding, syntax, stack=stack, source="as MOV to a segment register; Intel SDM Vol. 2A, LDS")


def _asks(encoding: str, syntax: str, subject: str, shown: str = "") -> Row:
    return Row(
        encoding,
        syntax,
        _SENSITIVE,
        flags=_ZERO,
        reason=f"Compares the real CPL with the descriptor's DPL: from ring 1 a DPL-0 segment {subject}: ZF = 0 and no "
        f"exception.{shown}",
        source=_ROBIN_IRVINE,
    )


ROWS: Final[tuple[Row, ...]] = (
    Row("8C /0", "MOV Rv/Mw,ES"),
    _shows_cpl("8C /1", "MOV Rv/Mw,CS"),
    _shows_cpl("8C /2", "MOV Rv/Mw,SS"),
    Row("8C /3", "MOV Rv/Mw,DS"),
    Row("8C /4", "MOV Rv/Mw,FS"),
    Row("8C /5", "MOV Rv/Mw,GS"),
    # 8E /1, a load of CS, is undefined: CS changes only by control transfer.
    _load("8E /0", "MOV ES,Ew"),
    _load("8E /2", "MOV SS,Ew", stack=True),
    _load("8E /3", "MOV DS,Ew"),
    _load("8E /4", "MOV FS,Ew"),
    _load("8E /5", "MOV GS,Ew"),
    Row("06", "PUSH ES"),
    _shows_cpl("0E", "PUSH CS"),
    _shows_cpl("16", "PUSH SS"),
    Row("1E", "PUSH DS"),
    Row("0F A0", "PUSH FS"),
    Row("0F A8", "PUSH GS"),
    _load("07", "POP ES"),
    _load("17", "POP SS", stack=True),
    _load("1F", "POP DS"),
    _load("0F A1", "POP FS"),
    _load("0F A9", "POP GS"),
    _far_pointer("C4 /r", "LES Gv,Mp"),
    _far_pointer("C5 /r", "LDS Gv,Mp"),
    _far_pointer("0F B2 /r", "LSS Gv,Mp", stack=True),
    _far_pointer("0F B4 /r", "LFS Gv,Mp"),
    _far_pointer("0F B5 /r", "LGS Gv,Mp"),
    Row("63 /r", "ARPL Ew,Gw", flags=_ZERO),
    _asks("0F 02 /r", "LAR Gv,Ew", "looks inaccessible", " A DPL that the VMM raised to 1 is read as 1."),
    _asks("0F 03 /r", "LSL Gv,Ew", "seems to have no limit to tell", " A limit that the VMM cut is read as cut."),
    _asks("0F 00 /4", "VERR Ew", "looks unreadable"),
    _asks("0F 00 /5", "VERW Ew", "looks unwritable"),
    Row(
        "0F 00 /0",
        "SLDT Rv/Mw",
        _SENSITIVE,
        intercept="LDTR_TR",
        reason="Stores the selector in the one real LDTR, which is the VMM's.",
        source=_ROBIN_IRVINE,
    ),
    Row(
        "0F 00 /1",
        "STR Rv/Mw",
        _SENSITIVE,
        intercept="LDTR_TR",
        reason="Stores the selector in the one real TR: the guest sees the VMM's task segment.",
        source=_ROBIN_IRVINE,
    ),
    Row(
        "0F 00 /2",
        "LLDT Ew",
        InstructionClass.PRIVILEGED,
        intercept="LDTR_TR",
        reason="Replaces the local descriptor table; #GP(0) outside ring 0.",
        source=_PRIVILEGED,
    ),
    Row(
        "0F 00 /3",
        "LTR Ew",
        InstructionClass.PRIVILEGED,
        intercept="LDTR_TR",
        reason="Replaces the task segment, and with it the ring-0 stack of every interrupt; #GP(0) outside ring 0.",
        source=_PRIVILEGED,
    ),
)
