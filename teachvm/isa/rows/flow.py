"""Control transfer: near and far jumps, calls and returns, software interrupts, loops.

Far transfers carry the mnemonics of opcode tables that tell them apart: JMPF, CALLF, RETF.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 2D, Tables A-2, A-3 and A-6, group 5.
"""

from typing import Final

from teachvm.isa.conditions import CONDITIONS
from teachvm.isa.flags import IF, KNOWN, NT, OF, RF, TF, ZF
from teachvm.isa.row import FlagEffects, InstructionClass, Row

_ROBIN_IRVINE: Final = "Robin & Irvine 2000"
_ENTERS_HANDLER: Final = FlagEffects(written=IF | TF | NT | RF)

_CONDITIONAL: Final = tuple(
    row
    for condition in CONDITIONS
    for row in (
        Row(
            f"{0x70 + condition.code:02X} cb",
            f"J{condition.suffix} Jb",
            flags=FlagEffects(tested=condition.tested),
            terminator=True,
        ),
        Row(
            f"0F {0x80 + condition.code:02X} cz",
            f"J{condition.suffix} Jz",
            flags=FlagEffects(tested=condition.tested),
            terminator=True,
        ),
    )
)


def _near(encoding: str, syntax: str, tested: int = 0) -> Row:
    return Row(encoding, syntax, flags=FlagEffects(tested=tested), terminator=True)


def _far(encoding: str, syntax: str) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        reason="Checks CPL and RPL against descriptors and may change rings through a gate: from ring 1 the kernel's "
        "DPL-0 code segment raises #GP(selector), while a gate of DPL >= CPL is taken without any trap. The CS that a "
        "call pushes has the real CPL in it.",
        source=_ROBIN_IRVINE,
        terminator=True,
    )


def _far_return(encoding: str, syntax: str) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        reason="A return to an outer ring changes CPL and silently nulls data segments of a DPL below the new CPL.",
        source=_ROBIN_IRVINE,
        terminator=True,
    )


def _interrupt(encoding: str, syntax: str, flags: FlagEffects = _ENTERS_HANDLER) -> Row:
    return Row(
        encoding,
        syntax,
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        flags=flags,
        reason="Goes through the real IDT: with a gate of DPL < CPL it raises #GP(8n + 2), with DPL 3 it enters the "
        "real handler, not the guest's.",
        source=_ROBIN_IRVINE,
        terminator=True,
    )


ROWS: Final[tuple[Row, ...]] = (
    *_CONDITIONAL,
    _near("EB cb", "JMP Jb"),
    _near("E9 cz", "JMP Jz"),
    _near("FF /4", "JMP Ev"),
    _near("E8 cz", "CALL Jz"),
    _near("FF /2", "CALL Ev"),
    _near("C3", "RET"),
    _near("C2 iw", "RET Iw"),
    _near("E0 cb", "LOOPNE Jb", ZF),
    _near("E1 cb", "LOOPE Jb", ZF),
    _near("E2 cb", "LOOP Jb"),
    _near("E3 cb", "JECXZ Jb"),
    _far("EA ap", "JMPF Ap"),
    _far("FF /5", "JMPF Mp"),
    _far("9A ap", "CALLF Ap"),
    _far("FF /3", "CALLF Mp"),
    _far_return("CB", "RETF"),
    _far_return("CA iw", "RETF Iw"),
    _interrupt("CC", "INT3"),
    _interrupt("CD ib", "INT Ib"),
    _interrupt("CE", "INTO", FlagEffects(written=IF | TF | NT | RF, tested=OF)),
    # ICEBP: #DB as if by hardware, so no gate DPL check. Documented late, present since the 386.
    Row("F1", "INT1", flags=_ENTERS_HANDLER, terminator=True),
    Row(
        "CF",
        "IRETD",
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        flags=FlagEffects(written=KNOWN, tested=NT),
        reason="Within ring 1 the IF and IOPL of the popped EFLAGS are silently ignored, so an interrupt return cannot "
        "turn interrupts back on; to an outer ring it leaves without a trap.",
        source="the same hole as POPF; Intel SDM Vol. 2A, IRET",
        terminator=True,
    ),
    Row("62 /r", "BOUND Gv,Ma"),
    Row("0F 0B", "UD2", terminator=True),
)
