"""One row of the opcode map: how an instruction is encoded, written, classed and trapped.

A row is what a reader can check against the manual. Everything else here (decoder, encoder, execution,
badges, the translator's copy-or-replace choice, tests) reads rows and nothing else.

`encoding` is the SDM's notation, one token after another:

    0F A4          opcode bytes, hex
    B8+r           the low three opcode bits name a register
    /r  /0 .. /7   a ModRM byte follows; /n fixes its reg field
    ib iw iz       an immediate: 1 byte, 2 bytes, or 2/4 by operand size
    cb cz          a branch displacement: 1 byte, or 2/4 by operand size
    ap             a far pointer: offset by operand size, then a 2-byte selector
    mo             a memory offset of address size

`syntax` is the mnemonic and its operands in the letters of the SDM's opcode map (Vol. 2D, Appendix A):

    E  register or memory by ModRM      G  register by ModRM's reg field     Z  register in the opcode
    M  memory by ModRM, never mod = 3   R  register by rm, whatever mod says D  debug register by reg
    I  immediate     J  relative target     A  far target     O  memory without ModRM
    X  DS:ESI   Y  ES:EDI   B  DS:EBX   (implied by string instructions and XLATB; X and B can be overridden)
    b w d q = 1 2 4 8 bytes; v = operand size; z = operand size, as an immediate; p = far pointer;
    s = six-byte pseudo-descriptor; a = a pair of bounds; a bare M touches no memory

`Rv/Mw` is a full register or 16 bits of memory. `Ibs` is a byte immediate sign-extended to the operand size.
Other operand words (AL, CL, eAX, DX, CS, CR3, 1, 3) are fixed; eAX is AX or EAX by operand size.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from teachvm.isa.flags import STATUS, UNDEFINED_BY_COUNT


class InstructionClass(Enum):
    """How an instruction stands towards privilege; the four badges of the guest-code view.

    Source: Popek & Goldberg 1974 (privileged, sensitive, innocuous); Robin & Irvine 2000 for IA-32.
    """

    INNOCUOUS = ("innocuous", "", "Means the same at every privilege level: safe to run directly.")
    PRIVILEGED = ("privileged", "priv", "Raises #GP(0) unless CPL is 0, so a VMM always sees it.")
    IOPL_SENSITIVE = (
        "IOPL-sensitive",
        "iopl",
        "Raises #GP(0) when CPL is greater than IOPL (I/O: unless the TSS bitmap allows the port).",
    )
    SENSITIVE_UNPRIVILEGED = (
        "sensitive but not privileged",
        "sensitive",
        "Touches privileged state without trapping as a privileged instruction: the VMM need not be told.",
    )

    def __init__(self, label: str, badge: str, explanation: str) -> None:
        """Keep the words people read beside the member."""
        self.label = label
        self.badge = badge
        self.explanation = explanation


@dataclass(frozen=True, slots=True)
class FlagEffects:
    """Which EFLAGS bits an instruction reads, sets by rule, or leaves undefined.

    Shape: masks. `written` includes every flag that may change, the undefined ones too. `undefined`
    is a mask, or the name of a rule in `flags.UNDEFINED_BY_COUNT` when it depends on a shift count.
    """

    written: int = 0
    undefined: int | str = 0
    tested: int = 0

    def undefined_mask(self, count: int = 1, width: int = 32) -> int:
        """Undefined flags for a given shift `count` (masked to five bits) and operand width in bits."""
        if isinstance(self.undefined, str):
            return UNDEFINED_BY_COUNT[self.undefined](count, width)
        return self.undefined


NO_FLAGS: Final = FlagEffects()
ARITHMETIC: Final = FlagEffects(written=STATUS)

WORD_NAMES: Final = {
    "PUSHFD": "PUSHFW",
    "POPFD": "POPFW",
    "PUSHAD": "PUSHAW",
    "POPAD": "POPAW",
    "IRETD": "IRETW",
    "MOVSD": "MOVSW",
    "CMPSD": "CMPSW",
    "STOSD": "STOSW",
    "LODSD": "LODSW",
    "SCASD": "SCASW",
    "INSD": "INSW",
    "OUTSD": "OUTSW",
    "CWDE": "CBW",
    "CDQ": "CWD",
}
"""Mnemonic of a row -> its name with a 16-bit operand size. Rows carry the 32-bit names."""

SHORT_ADDRESS_NAMES: Final = {"JECXZ": "JCXZ"}
"""The same for a 16-bit address size."""


@dataclass(frozen=True)
class Row:
    """One instruction form of the opcode map.

    `reason` is the sentence behind the class (empty for plain innocuous rows) and `source` the
    book it rests on. `intercept` is KVM's name of the VT-x exit reason the instruction can cause, or
    None. `lockable` allows LOCK with a memory destination. `terminator` ends a translation unit: control goes, or may
    go, somewhere other than the next instruction. `alias` marks a form assemblers do not produce.
    """

    encoding: str
    syntax: str
    klass: InstructionClass = InstructionClass.INNOCUOUS
    flags: FlagEffects = NO_FLAGS
    intercept: str | None = None
    lockable: bool = False
    terminator: bool = False
    reason: str = ""
    source: str = ""
    alias: bool = False

    @cached_property
    def mnemonic(self) -> str:
        """SDM mnemonic, upper case, with the 32-bit name where sizes have names."""
        return self.syntax.partition(" ")[0]

    @cached_property
    def operand_codes(self) -> tuple[str, ...]:
        """Operands in the opcode map's letters: `("Ev", "Gv")`."""
        operands = self.syntax.partition(" ")[2]
        return tuple(operands.split(",")) if operands else ()

    def name(self, opsize: int = 32, adsize: int = 32) -> str:
        """Mnemonic for an operand and address size: PUSHFD is PUSHFW with 16-bit operands."""
        if adsize == 16 and self.mnemonic in SHORT_ADDRESS_NAMES:
            return SHORT_ADDRESS_NAMES[self.mnemonic]
        if opsize == 16:
            return WORD_NAMES.get(self.mnemonic, self.mnemonic)
        return self.mnemonic
