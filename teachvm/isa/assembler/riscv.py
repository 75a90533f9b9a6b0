"""RISC-V instructions of a source: operands, the assembler's own spellings, bytes by the rows.

Source: RISC-V ISA manual Vol. I, ch. 25 (assembler pseudoinstructions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.assembler.errors import did_you_mean, error_at
from teachvm.isa.assembler.expressions import Constant, Scope, Value, evaluate
from teachvm.isa.assembler.lexer import Kind, Token
from teachvm.isa.assembler.reader import Reader
from teachvm.isa.assembler.statements import BaseAddress, Indexed, Number, RiscvCode
from teachvm.isa.operands import Reg
from teachvm.isa.rv32.codec import LENGTH, ImmediateError, encode
from teachvm.isa.rv32.rows import REGISTER_NAMES, ROWS, Format, Row

if TYPE_CHECKING:
    from teachvm.isa.assembler.instructions import Growth

RISCV_REGISTERS: Final = {
    **{name: at for at, name in enumerate(REGISTER_NAMES)},
    **{f"x{n}": n for n in range(32)},
    "fp": 8,
}
"""Every word that is a register."""
BY_MNEMONIC: Final = {row.mnemonic: row for row in ROWS}

# The manual's pseudoinstructions: what stands for them, `$0` and `$1` being the operands as written.
_SPELLINGS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "nop": ("addi", ("zero", "zero", "0")),
    "mv": ("addi", ("$0", "$1", "0")),
    "not": ("xori", ("$0", "$1", "-1")),
    "neg": ("sub", ("$0", "zero", "$1")),
    "seqz": ("sltiu", ("$0", "$1", "1")),
    "snez": ("sltu", ("$0", "zero", "$1")),
    "beqz": ("beq", ("$0", "zero", "$1")),
    "bnez": ("bne", ("$0", "zero", "$1")),
    "blez": ("bge", ("zero", "$0", "$1")),
    "bgez": ("bge", ("$0", "zero", "$1")),
    "bltz": ("blt", ("$0", "zero", "$1")),
    "bgtz": ("blt", ("zero", "$0", "$1")),
    "bgt": ("blt", ("$1", "$0", "$2")),
    "ble": ("bge", ("$1", "$0", "$2")),
    "bgtu": ("bltu", ("$1", "$0", "$2")),
    "bleu": ("bgeu", ("$1", "$0", "$2")),
    "j": ("jal", ("zero", "$0")),
    "call": ("jal", ("ra", "$0")),
    "jr": ("jalr", ("zero", "$0", "0")),
    "ret": ("jalr", ("zero", "ra", "0")),
}
_WIDE: Final = ("li", "la")
"""A constant or an address into a register: LUI and ADDI, or ADDI alone where a small constant is written."""
RISCV_WORDS: Final = frozenset((*BY_MNEMONIC, *_SPELLINGS, *_WIDE))
"""Every word that is an instruction."""

_OPERAND_COUNT: Final[dict[Format, int]] = {form: form.operands.count(",") + bool(form.operands) for form in Format}
_SIGNED_12: Final = range(-2048, 2048)
_ZERO: Final = Value(0)
_NOWHERE: Final = Scope(lambda _: None, None, None)


def no_register(word: str) -> Reg | None:
    """Registers are no part of expressions here."""
    del word
    return None


def read_riscv(word: Token, reader: Reader) -> RiscvCode:
    """Read the operands of an instruction whose word was just taken.

    Raises:
        AsmError: There is no such instruction, or its operands are not well formed.
    """
    if word.word not in RISCV_WORDS:
        hint = did_you_mean(word.word, RISCV_WORDS)
        raise error_at(word, f"unknown RISC-V instruction '{word.text[:40]}'", hint)
    operands: list[Indexed | BaseAddress | Number] = []
    while reader.token is not None:
        if operands:
            reader.expect(",")
        operands.append(_operand(reader))
    return RiscvCode(word, tuple(operands))


def _operand(reader: Reader) -> Indexed | BaseAddress | Number:
    token = reader.token
    if token is None:
        raise reader.unexpected("an operand")
    if token.kind is Kind.NAME and token.word in RISCV_REGISTERS:
        reader.next()
        return Indexed(RISCV_REGISTERS[token.word], token)
    inner = reader.peek(1)
    based = reader.at("(") and inner is not None and inner.word in RISCV_REGISTERS
    offset = None if based else reader.expression()
    if not reader.take("("):
        assert offset is not None
        return Number(offset, token)
    base = reader.token
    if base is None or base.word not in RISCV_REGISTERS:
        raise reader.unexpected("a register")
    reader.next()
    reader.expect(")")
    return BaseAddress(offset, RISCV_REGISTERS[base.word], token)


class RiscvInstruction:
    """An instruction to be placed; `size` in bytes: one word, or two for a wide constant."""

    __slots__ = ("_code", "_operands", "_row", "is_branch", "size")

    def __init__(self, code: RiscvCode) -> None:
        """Settle what needs no addresses.

        Raises:
            AsmError: The instruction has not these operands.
        """
        self._code = code
        self._row: Row | None = None
        word = code.word.word
        if word in _WIDE:
            self._operands = code.operands
            self._check_wide()
            self.is_branch = False
            self.size = LENGTH if self._is_small() else 2 * LENGTH
            return
        self._row, self._operands = self._plain(word)
        self._check(self._row)
        self.is_branch = self._row.format in (Format.B, Format.J)
        self.size = LENGTH

    @property
    def token(self) -> Token:
        """The instruction's word, where errors about the whole point."""
        return self._code.word

    def settle(self, scope: Scope, address: int, growth: Growth) -> None:
        """Nothing to settle: an instruction's length depends on nothing."""

    # ---- operands ------------------------------------------------------------------------------

    def _plain(self, word: str) -> tuple[Row, tuple[Indexed | BaseAddress | Number, ...]]:
        """The row, and the operands as it wants them."""
        given = self._code.operands
        if word not in _SPELLINGS:
            if word == "jalr" and len(given) == 2 and isinstance(given[1], BaseAddress):
                base = given[1]
                offset = base.offset or Constant(_ZERO, base.token)
                return BY_MNEMONIC[word], (given[0], Indexed(base.base, base.token), Number(offset, base.token))
            return BY_MNEMONIC[word], given
        mnemonic, pattern = _SPELLINGS[word]
        wanted = len({part for part in pattern if part.startswith("$")})
        if len(given) != wanted:
            raise error_at(self.token, f"'{word}' has {wanted} operands, not {len(given)}")
        return BY_MNEMONIC[mnemonic], tuple(self._part(part, given) for part in pattern)

    def _part(self, part: str, given: tuple[Indexed | BaseAddress | Number, ...]) -> Indexed | BaseAddress | Number:
        if part.startswith("$"):
            return given[int(part[1:])]
        if part in RISCV_REGISTERS:
            return Indexed(RISCV_REGISTERS[part], self.token)
        return Number(Constant(_ZERO._replace(number=int(part)), self.token), self.token)

    def _check(self, row: Row) -> None:
        wanted = _OPERAND_COUNT[row.format]
        if len(self._operands) != wanted:
            form = f"{row.mnemonic} {row.format.operands}".strip()
            raise error_at(self.token, f"'{self.token.text}' has other operands", f"write {form}")
        for kind, operand in zip(_kinds(row.format), self._operands, strict=True):
            if not isinstance(operand, kind):
                form = f"{row.mnemonic} {row.format.operands}"
                raise error_at(operand.token, "this operand cannot stand here", f"write {form}")

    def _check_wide(self) -> None:
        kinds = [type(operand) for operand in self._operands]
        if kinds != [Indexed, Number]:
            raise error_at(self.token, f"'{self.token.text}' has other operands", f"write {self.token.text} rd, value")

    def _is_small(self) -> bool:
        value = self._operands[1]
        small = isinstance(value, Number) and isinstance(value.value, Constant)
        return small and self._code.word.word == "li" and self._number(value, _NOWHERE) in _SIGNED_12

    # ---- bytes ---------------------------------------------------------------------------------

    def encoded(self, scope: Scope, address: int) -> bytes:
        """The bytes, at an address.

        Raises:
            AsmError: A value does not fit.
        """
        if self._row is None:
            return self._wide(scope)
        registers = [operand.register for operand in self._operands if isinstance(operand, Indexed)]
        imm, where = 0, self.token
        for operand in self._operands:
            if not isinstance(operand, Indexed):
                imm, where = self._number(operand, scope), operand.token
            if isinstance(operand, BaseAddress):
                registers.append(operand.base)
        if self._row.format in (Format.B, Format.J):
            imm -= address
        elif self._row.format is Format.U:
            imm = imm << 12
        return self._word(self._row, registers, imm, where)

    def _word(self, row: Row, registers: list[int], imm: int, where: Token) -> bytes:
        names = {Format.S: ("rs2", "rs1"), Format.B: ("rs1", "rs2")}.get(row.format, ("rd", "rs1", "rs2"))
        try:
            word = encode(row, **dict(zip(names, registers, strict=False)), imm=imm)
        except ImmediateError as error:
            raise error_at(where, str(error)) from None
        return word.to_bytes(LENGTH, "little")

    def _wide(self, scope: Scope) -> bytes:
        """LUI and ADDI; the low half is signed, so the upper one makes up for it."""
        target, value = self._operands
        assert isinstance(target, Indexed)
        number = self._number(value, scope)
        if not -(1 << 31) <= number < 1 << 32:
            raise error_at(value.token, f"{number:#x} does not fit in 32 bits")
        if self.size == LENGTH:
            return self._word(BY_MNEMONIC["addi"], [target.register, 0], number, value.token)
        low = (number & 0xFFF ^ 0x800) - 0x800
        upper = number - low & 0xFFFF_F000
        return self._word(BY_MNEMONIC["lui"], [target.register], upper, value.token) + self._word(
            BY_MNEMONIC["addi"], [target.register, target.register], low, value.token
        )

    @staticmethod
    def _number(operand: Indexed | BaseAddress | Number, scope: Scope) -> int:
        expression = operand.value if isinstance(operand, Number) else None
        if isinstance(operand, BaseAddress):
            expression = operand.offset
        return 0 if expression is None else evaluate(expression, scope).number


def _kinds(form: Format) -> tuple[type[Indexed | BaseAddress | Number], ...]:
    """What each operand of a format has to be."""
    return tuple(
        BaseAddress if "(" in part else Indexed if part.strip().startswith("r") else Number
        for part in form.operands.split(", ")
        if part
    )
