"""Moving data: MOV, PUSH, POP, XCHG, LEA, extensions, conditional moves, and the flag bits a program owns.

Source: Intel SDM Vol. 2A/2B, instruction pages; Vol. 2D, Tables A-2 and A-3.
"""

from typing import Final

from teachvm.isa.conditions import CONDITIONS
from teachvm.isa.flags import AF, CF, DF, IOPL_MASK, KNOWN, PF, SF, ZF
from teachvm.isa.row import FlagEffects, InstructionClass, Row

_ROBIN_IRVINE: Final = "Robin & Irvine 2000"
_LOW_FLAGS: Final = SF | ZF | AF | PF | CF

# 90 is NOP, not XCHG eAX,eAX: the seven other registers are written out.
_EXCHANGES: Final = tuple(
    Row(f"{0x90 + number:02X}", f"XCHG {register},eAX")
    for number, register in enumerate(("eCX", "eDX", "eBX", "eSP", "eBP", "eSI", "eDI"), start=1)
)
_CONDITIONAL: Final = tuple(
    row
    for condition in CONDITIONS
    for row in (
        Row(
            f"0F {0x40 + condition.code:02X} /r",
            f"CMOV{condition.suffix} Gv,Ev",
            flags=FlagEffects(tested=condition.tested),
        ),
        Row(
            f"0F {0x90 + condition.code:02X} /r",
            f"SET{condition.suffix} Eb",
            flags=FlagEffects(tested=condition.tested),
        ),
    )
)

ROWS: Final[tuple[Row, ...]] = (
    Row("88 /r", "MOV Eb,Gb"),
    Row("89 /r", "MOV Ev,Gv"),
    Row("8A /r", "MOV Gb,Eb"),
    Row("8B /r", "MOV Gv,Ev"),
    Row("A0 mo", "MOV AL,Ob"),
    Row("A1 mo", "MOV eAX,Ov"),
    Row("A2 mo", "MOV Ob,AL"),
    Row("A3 mo", "MOV Ov,eAX"),
    Row("B0+r ib", "MOV Zb,Ib"),
    Row("B8+r iz", "MOV Zv,Iz"),
    Row("C6 /0 ib", "MOV Eb,Ib"),
    Row("C7 /0 iz", "MOV Ev,Iz"),
    Row("0F B6 /r", "MOVZX Gv,Eb"),
    Row("0F B7 /r", "MOVZX Gv,Ew"),
    Row("0F BE /r", "MOVSX Gv,Eb"),
    Row("0F BF /r", "MOVSX Gv,Ew"),
    Row("8D /r", "LEA Gv,M"),
    Row("86 /r", "XCHG Eb,Gb", lockable=True),
    Row("87 /r", "XCHG Ev,Gv", lockable=True),
    Row("90", "NOP"),
    *_EXCHANGES,
    # The multi-byte NOP of the P6 family; compilers use it for padding.
    Row("0F 1F /0", "NOP Ev"),
    Row("0F C8+r", "BSWAP Zv"),
    Row("D7", "XLATB Bb"),
    *_CONDITIONAL,
    Row("50+r", "PUSH Zv"),
    Row("58+r", "POP Zv"),
    Row("68 iz", "PUSH Iz"),
    Row("6A ib", "PUSH Ibs"),
    Row("FF /6", "PUSH Ev"),
    Row("8F /0", "POP Ev"),
    Row("60", "PUSHAD"),
    Row("61", "POPAD"),
    Row("C8 iw ib", "ENTER Iw,Ib"),
    Row("C9", "LEAVE"),
    Row(
        "9C",
        "PUSHFD",
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        flags=FlagEffects(tested=KNOWN),
        reason="Stores the real IF and IOPL: after a virtual CLI the guest kernel still reads IF = 1.",
        source=_ROBIN_IRVINE,
    ),
    Row(
        "9D",
        "POPFD",
        InstructionClass.SENSITIVE_UNPRIVILEGED,
        flags=FlagEffects(written=KNOWN, tested=IOPL_MASK),
        reason="Outside ring 0 IOPL is left unchanged, and IF too when CPL is greater than IOPL: no trap, no effect, "
        "and the VMM never learns that the guest turned interrupts on or off.",
        source=_ROBIN_IRVINE,
    ),
    Row("9E", "SAHF", flags=FlagEffects(written=_LOW_FLAGS)),
    Row("9F", "LAHF", flags=FlagEffects(tested=_LOW_FLAGS)),
    Row("F5", "CMC", flags=FlagEffects(written=CF, tested=CF)),
    Row("F8", "CLC", flags=FlagEffects(written=CF)),
    Row("F9", "STC", flags=FlagEffects(written=CF)),
    Row("FC", "CLD", flags=FlagEffects(written=DF)),
    Row("FD", "STD", flags=FlagEffects(written=DF)),
    # SET AL from carry: undocumented, but on every Intel processor of 32 bits.
    Row("D6", "SALC", flags=FlagEffects(tested=CF)),
)
