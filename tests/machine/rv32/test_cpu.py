"""RV32I executed: against Unicorn, which nobody here wrote, and the edges it leaves open."""

from __future__ import annotations

from random import Random

import pytest
import unicorn
from unicorn import riscv_const as names

from teachvm.isa.assembler import assemble
from teachvm.isa.rv32.codec import encode
from teachvm.isa.rv32.rows import ROWS, Format, Row
from teachvm.machine.memory import Memory
from teachvm.machine.rv32.board import RAM_BASE, Rv32Board
from teachvm.machine.rv32.cpu import MEANINGS, Rv32Cpu, Rv32Stopped
from teachvm.trace.recorder import Recorder

SIZE = 1 << 16
DATA = RAM_BASE + 0x8000
SAMPLE = 4_000
ROW = {row.mnemonic: row for row in ROWS}
RUNNING = [row for row in ROWS if row.format is not Format.NONE]


class Pair:
    """The same memory and registers here and in Unicorn."""

    def __init__(self) -> None:
        self.memory = Memory(SIZE)
        self.board = Rv32Board("rv", self.memory, Recorder())
        self.cpu = Rv32Cpu(self.board)
        self.oracle = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        self.oracle.mem_map(RAM_BASE, SIZE)

    def run(self, word: int, regs: list[int], content: bytes, pc: int) -> None:
        code = word.to_bytes(4, "little")
        self.memory.write_bytes(DATA - RAM_BASE, content)
        self.memory.write_bytes(pc - RAM_BASE, code)
        self.oracle.mem_write(DATA, content)
        self.oracle.mem_write(pc, code)
        self.oracle.ctl_remove_cache(pc, pc + 4)
        self.cpu.regs[:] = regs
        self.cpu.pc = pc
        for number, value in enumerate(regs[1:], start=1):
            self.oracle.reg_write(names.UC_RISCV_REG_X0 + number, value)
        self.cpu.step()
        self.oracle.emu_start(pc, 0, count=1)

    def compare(self) -> None:
        oracle = [self.oracle.reg_read(names.UC_RISCV_REG_X0 + number) for number in range(32)]
        assert self.cpu.regs == oracle
        assert self.cpu.pc == self.oracle.reg_read(names.UC_RISCV_REG_PC)
        assert self.memory.read_bytes(DATA - RAM_BASE, 64) == bytes(self.oracle.mem_read(DATA, 64))


@pytest.mark.parametrize("row", RUNNING, ids=lambda row: row.mnemonic)
def test_an_instruction_does_what_it_does_in_unicorn(row: Row) -> None:
    random, pair = Random(f"{row}"), Pair()
    for _ in range(SAMPLE // len(RUNNING)):
        edges = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
        regs = [0, *(random.choice((random.getrandbits(32), random.choice(edges))) for _ in range(31))]
        rd, rs1, rs2 = (random.randrange(32) for _ in range(3))
        imm = random.randrange(-2048, 2048)
        match row.format:
            case Format.LOAD | Format.S:
                rs1 = random.randrange(1, 32)
                imm = random.randrange(-30, 31)
                regs[rs1] = DATA + 31 - imm + random.randrange(-20, 20)
            case Format.JALR:
                rs1 = random.randrange(1, 32)
                regs[rs1] = RAM_BASE + 4 * random.randrange(512, 2048) - imm
            case Format.B | Format.J:
                imm = 4 * random.randrange(-200, 200)
            case Format.U:
                imm = random.getrandbits(20) << 12
            case Format.SHIFT:
                imm = random.randrange(32)
            case Format.FENCE:
                rd = rs1 = rs2 = imm = 0
            case _:
                pass
        form = row.format
        word = encode(
            row,
            0 if form in (Format.S, Format.B) else rd,
            0 if form in (Format.U, Format.J) else rs1,
            rs2 if form in (Format.R, Format.S, Format.B) else 0,
            imm,
        )
        pair.run(word, regs, random.randbytes(64), RAM_BASE + 0x1000)
        pair.compare()


def test_every_row_has_a_meaning_and_every_meaning_a_row() -> None:
    assert set(MEANINGS) == set(ROW)


def machine(source: str) -> Rv32Cpu:
    memory = Memory(SIZE)
    memory.write_bytes(0, assemble(f"arch rv32\norg {RAM_BASE:#x}\n{source}\n").data)
    cpu = Rv32Cpu(Rv32Board("rv", memory, Recorder()))
    cpu.pc = RAM_BASE
    return cpu


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("dd 0", "illegal instruction at 0x80000000"),
        ("ecall", "ecall at 0x80000000, and no environment answers"),
        ("ebreak", "ebreak at 0x80000000, and no environment answers"),
        ("lw a0, 16(zero)", "access fault: nobody answers at 0x00000010"),
        ("sw a0, -4(zero)", "access fault: nobody answers at 0xfffffffc"),
        ("jalr zero, 2(zero)", "jump to the misaligned address 0x00000002"),
        ("jr zero", "access fault: nobody answers at 0x00000000"),
    ],
)
def test_what_would_trap_ends_the_run_and_says_why(source: str, why: str) -> None:
    cpu = machine(source)
    if source == "jr zero":
        cpu.step()
    with pytest.raises(Rv32Stopped, match=why):
        cpu.step()
    assert cpu.stopped == why
    with pytest.raises(Rv32Stopped):
        cpu.step()


def test_x0_stays_zero() -> None:
    cpu = machine("addi zero, zero, 5\nadd a0, zero, zero")
    cpu.step()
    cpu.step()
    assert cpu.regs[0] == cpu.regs[10] == 0
