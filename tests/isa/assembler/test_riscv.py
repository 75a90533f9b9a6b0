"""RISC-V sources: the manual's spellings; mistakes stand with all others, in samples/mistakes.txt."""

from __future__ import annotations

import re

import capstone
import pytest

from teachvm.isa.assembler import assemble

ORACLE = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32)


def numbers(text: str) -> str:
    """The same text with every number in decimal."""
    return re.sub(r"-?0x[0-9a-f]+", lambda match: str(int(match[0], 16)), text)


def code(source: str) -> bytes:
    return assemble(f"arch rv32\norg 0x80000000\n{source}\n").data


@pytest.mark.parametrize(
    "line",
    [
        *("add a0, a1, a2", "sub t0, t1, t2", "addi sp, sp, -16", "lw ra, 12(sp)", "sw s0, 8(sp)", "lbu t1, (a0)"),
        *("slli t2, t0, 1", "srai s3, s4, 31", "sltiu a0, a1, 9", "jalr ra, a0, 4", "nop", "mv a0, a1", "ret"),
        *("not t0, t1", "neg a0, a1", "seqz a0, a1", "snez a0, a1", "jr t0", "lui a0, 0x12345", "auipc a1, 1"),
    ],
)
def test_capstone_reads_what_was_written(line: str) -> None:
    (read,) = ORACLE.disasm_lite(code(line), 0x8000_0000)
    assert numbers(f"{read[2]} {read[3]}".strip()) == numbers(line.replace("(a0)", "0(a0)"))


@pytest.mark.parametrize("number", [1, -1, 2047, -2048, 2048, 0xFFFF_F800, 0x1234_5678, -5000])
def test_li_loads_any_number(number: int) -> None:
    value = 0
    for _, _, mnemonic, operands in ORACLE.disasm_lite(code(f"li a0, {number}"), 0):
        last = int(operands.split(", ")[-1], 0)
        value = last << 12 if mnemonic == "lui" else value + last
    assert value & 0xFFFF_FFFF == number & 0xFFFF_FFFF


def test_branches_go_to_labels_both_ways() -> None:
    read = list(ORACLE.disasm_lite(code("top: beqz a0, .end\nj top\n.end: bgt a0, a1, top"), 0x8000_0000))
    assert [(one[2], one[3].split(", ")[-1]) for one in read] == [("beqz", "8"), ("j", "-4"), ("blt", "-8")]


def test_words_of_the_other_processor_are_free_for_labels() -> None:
    assert code("loop: j loop\nmov: nop")
