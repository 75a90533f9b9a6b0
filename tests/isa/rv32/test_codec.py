"""RV32I both ways, against capstone, which nobody here wrote."""

from __future__ import annotations

from random import Random

import capstone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa.rv32.codec import IllegalInstructionError, ImmediateError, decode, encode
from teachvm.isa.rv32.rows import REGISTER_NAMES, ROWS, Format, Row

REGISTER = st.integers(0, 31)
IMMEDIATES = {
    Format.I: st.integers(-2048, 2047),
    Format.LOAD: st.integers(-2048, 2047),
    Format.JALR: st.integers(-2048, 2047),
    Format.S: st.integers(-2048, 2047),
    Format.SHIFT: st.integers(0, 31),
    Format.B: st.integers(-2048, 2047).map(lambda n: 2 * n),
    Format.J: st.integers(-(1 << 19), (1 << 19) - 1).map(lambda n: 2 * n),
    Format.U: st.integers(0, (1 << 20) - 1).map(lambda n: n << 12),
}
ORACLE = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32)


def read(word: int) -> tuple[str, str] | None:
    for _, _, mnemonic, operands in ORACLE.disasm_lite(word.to_bytes(4, "little"), 0, 1):
        return mnemonic, operands
    return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)
@given(data=st.data())
def test_what_is_encoded_is_decoded_again(row: Row, data: st.DataObject) -> None:
    form = row.format
    rd, rs1, rs2 = data.draw(REGISTER), data.draw(REGISTER), data.draw(REGISTER)
    if form in (Format.S, Format.B, Format.FENCE, Format.NONE):
        rd = 0
    if form in (Format.U, Format.J, Format.FENCE, Format.NONE):
        rs1 = 0
    if form not in (Format.R, Format.S, Format.B):
        rs2 = 0
    imm = data.draw(IMMEDIATES.get(form, st.just(0)))
    insn = decode(encode(row, rd, rs1, rs2, imm))
    assert (insn.row, insn.rd, insn.rs1, insn.rs2, insn.imm) == (row, rd, rs1, rs2, imm)


def test_random_words_are_the_same_instruction_to_capstone_or_to_neither() -> None:
    random, agreed = Random(5), 0
    opcodes = sorted({row.match & 0x7F for row in ROWS})
    for _ in range(20_000):
        word = random.getrandbits(25) << 7 | random.choice(opcodes)
        try:
            insn = decode(word)
        except IllegalInstructionError:
            continue
        oracle = read(word)
        if insn.row.format is Format.FENCE:
            continue  # capstone knows fence.tso and hints that the base calls fence as well
        assert oracle is not None, f"{word:08x}"
        agreed += 1
        if insn.row.format in (Format.R, Format.LOAD, Format.S) and insn.row.mnemonic not in ("sub", "sltu", "slt"):
            assert oracle[0] == insn.row.mnemonic
            registers = {REGISTER_NAMES[insn.rs1]}
            assert registers <= set(oracle[1].replace("(", ", ").replace(")", "").split(", "))
    assert agreed > 8_000


def test_an_immediate_that_does_not_fit_is_refused() -> None:
    row = {row.mnemonic: row for row in ROWS}
    for mnemonic, value in (("addi", 2048), ("slli", 32), ("beq", 3), ("beq", 4096), ("jal", 1 << 20), ("lui", 5)):
        with pytest.raises(ImmediateError):
            encode(row[mnemonic], imm=value)


def test_no_two_rows_claim_the_same_bits() -> None:
    for row in ROWS:
        others = [other for other in ROWS if other is not row and row.match & other.mask == other.match]
        assert others == []
