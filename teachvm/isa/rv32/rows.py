"""The instructions of RV32I, one row each; decoder, encoder, assembler, executor and views read these.

Source: RISC-V ISA manual Vol. I, ch. 24, table "RV32I Base Instruction Set".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Format(Enum):
    """Where the operands lie in the 32 bits, and how the instruction is written."""

    R = "rd, rs1, rs2"
    I = "rd, rs1, imm"  # noqa: E741 - the manual's letter
    SHIFT = "rd, rs1, shamt"
    LOAD = "rd, imm(rs1)"
    JALR = "rd, rs1, offset"
    S = "rs2, imm(rs1)"
    B = "rs1, rs2, target"
    U = "rd, upper"
    J = "rd, jump"
    FENCE = "fence"
    NONE = ""

    @property
    def operands(self) -> str:
        """How the operands are written."""
        return "" if self is Format.FENCE else self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction.

    Attributes:
        mnemonic: Lower case, as the manual writes it.
        format: Its format.
        match: The fixed bits.
        mask: Which bits are fixed.
        meaning: What it does, in the manual's words shortened.
    """

    mnemonic: str
    format: Format
    match: int
    mask: int
    meaning: str


LOAD: Final = 0x03
MISC_MEM: Final = 0x0F
OP_IMM: Final = 0x13
AUIPC: Final = 0x17
STORE: Final = 0x23
OP: Final = 0x33
LUI: Final = 0x37
BRANCH: Final = 0x63
JALR: Final = 0x67
JAL: Final = 0x6F
SYSTEM: Final = 0x73

_OPCODE_MASK: Final = 0x7F
_FUNCT3_MASK: Final = 0x707F
_FUNCT7_MASK: Final = 0xFE00_707F


def _upper(mnemonic: str, format_: Format, opcode: int, meaning: str) -> Row:
    return Row(mnemonic, format_, opcode, _OPCODE_MASK, meaning)


def _row(mnemonic: str, format_: Format, opcode: int, funct3: int, meaning: str, funct7: int | None = None) -> Row:
    if funct7 is None:
        return Row(mnemonic, format_, opcode | funct3 << 12, _FUNCT3_MASK, meaning)
    return Row(mnemonic, format_, opcode | funct3 << 12 | funct7 << 25, _FUNCT7_MASK, meaning)


_ALTERNATE: Final = 0x20
"""funct7 of SUB, SRA and SRAI."""

ROWS: Final[tuple[Row, ...]] = (
    _upper("lui", Format.U, LUI, "rd = upper immediate"),
    _upper("auipc", Format.U, AUIPC, "rd = pc + upper immediate"),
    _upper("jal", Format.J, JAL, "rd = pc + 4; jump to pc + offset"),
    _row("jalr", Format.JALR, JALR, 0, "rd = pc + 4; jump to (rs1 + offset) with bit 0 clear"),
    _row("beq", Format.B, BRANCH, 0, "branch if equal"),
    _row("bne", Format.B, BRANCH, 1, "branch if not equal"),
    _row("blt", Format.B, BRANCH, 4, "branch if less, signed"),
    _row("bge", Format.B, BRANCH, 5, "branch if greater or equal, signed"),
    _row("bltu", Format.B, BRANCH, 6, "branch if less, unsigned"),
    _row("bgeu", Format.B, BRANCH, 7, "branch if greater or equal, unsigned"),
    _row("lb", Format.LOAD, LOAD, 0, "load a byte, sign-extended"),
    _row("lh", Format.LOAD, LOAD, 1, "load a half word, sign-extended"),
    _row("lw", Format.LOAD, LOAD, 2, "load a word"),
    _row("lbu", Format.LOAD, LOAD, 4, "load a byte, zero-extended"),
    _row("lhu", Format.LOAD, LOAD, 5, "load a half word, zero-extended"),
    _row("sb", Format.S, STORE, 0, "store a byte"),
    _row("sh", Format.S, STORE, 1, "store a half word"),
    _row("sw", Format.S, STORE, 2, "store a word"),
    _row("addi", Format.I, OP_IMM, 0, "rd = rs1 + immediate"),
    _row("slti", Format.I, OP_IMM, 2, "rd = rs1 < immediate, signed"),
    _row("sltiu", Format.I, OP_IMM, 3, "rd = rs1 < immediate, unsigned"),
    _row("xori", Format.I, OP_IMM, 4, "rd = rs1 xor immediate"),
    _row("ori", Format.I, OP_IMM, 6, "rd = rs1 or immediate"),
    _row("andi", Format.I, OP_IMM, 7, "rd = rs1 and immediate"),
    _row("slli", Format.SHIFT, OP_IMM, 1, "rd = rs1 << shamt", 0),
    _row("srli", Format.SHIFT, OP_IMM, 5, "rd = rs1 >> shamt, zeros from the left", 0),
    _row("srai", Format.SHIFT, OP_IMM, 5, "rd = rs1 >> shamt, the sign from the left", _ALTERNATE),
    _row("add", Format.R, OP, 0, "rd = rs1 + rs2", 0),
    _row("sub", Format.R, OP, 0, "rd = rs1 - rs2", _ALTERNATE),
    _row("sll", Format.R, OP, 1, "rd = rs1 << rs2", 0),
    _row("slt", Format.R, OP, 2, "rd = rs1 < rs2, signed", 0),
    _row("sltu", Format.R, OP, 3, "rd = rs1 < rs2, unsigned", 0),
    _row("xor", Format.R, OP, 4, "rd = rs1 xor rs2", 0),
    _row("srl", Format.R, OP, 5, "rd = rs1 >> rs2, zeros from the left", 0),
    _row("sra", Format.R, OP, 5, "rd = rs1 >> rs2, the sign from the left", _ALTERNATE),
    _row("or", Format.R, OP, 6, "rd = rs1 or rs2", 0),
    _row("and", Format.R, OP, 7, "rd = rs1 and rs2", 0),
    _row("fence", Format.FENCE, MISC_MEM, 0, "order memory accesses; nothing to do with one processor"),
    Row("ecall", Format.NONE, SYSTEM, 0xFFFF_FFFF, "call the environment"),
    Row("ebreak", Format.NONE, SYSTEM | 1 << 20, 0xFFFF_FFFF, "call the debugger"),
)

REGISTER_NAMES: Final = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{n}" for n in range(8)),
    *(f"s{n}" for n in range(2, 12)),
    *(f"t{n}" for n in range(3, 7)),
)
"""Names of x0 to x31 by the calling convention. Source: RISC-V ISA manual Vol. I, ch. 25."""
