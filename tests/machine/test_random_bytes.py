"""Random bytes as code, in every ring: no Python error escapes and the processor's state stays well formed."""

from __future__ import annotations

import random

import pytest

from teachvm.isa.flags import KNOWN, RESERVED_ONE, VM
from teachvm.isa.operands import CS, ESP
from teachvm.machine.exceptions import CpuStopped
from tests.machine.pc import CODE, FREE_SELECTOR, RAM_BYTES, STUB_BYTES, STUBS, TABLE, Pc, descriptor

STEPS = 40


def program(rng: random.Random) -> tuple[Pc, int]:
    """A machine with random code, registers, paging and segments, and the ring it starts in."""
    pc = Pc(tlb=rng.random() < 0.7)
    pc.memory.write_bytes(CODE, rng.randbytes(0x1000))
    if rng.random() < 0.6:
        pc.identity_paging()
        for _ in range(rng.choice((0, 0, 64))):
            page = rng.randrange(1024)
            pc.memory.write32(TABLE + 4 * page, rng.getrandbits(32) & rng.getrandbits(32))
    ring = rng.choice((0, 1, 3))
    pc.enter_ring(ring, 2 | rng.getrandbits(22) & rng.getrandbits(22) & KNOWN & ~VM)
    for register in range(8):
        if register != ESP:
            pc.cpu.regs[register] = rng.choice((rng.getrandbits(32), rng.getrandbits(16), CODE + rng.getrandbits(12)))
    if rng.random() < 0.15:
        pc.describe(FREE_SELECTOR, descriptor(0, 0x1FFFF, 0x9B | ring << 5, 0))
        pc.cpu.segs[CS] = pc.segment(FREE_SELECTOR | ring)
    pc.cpu.eip = CODE + rng.randrange(0x1000)
    budget = rng.randrange(1, 2000)
    pc.cpu.budget = lambda: budget
    return pc, ring


def well_formed(pc: Pc) -> bool:
    cpu = pc.cpu
    words = (*cpu.regs, cpu.eip, cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, *cpu.dr)
    return (
        all(0 <= word < 1 << 32 for word in words)
        and cpu.eflags & ~(KNOWN | RESERVED_ONE) == 0
        and cpu.eflags & RESERVED_ONE != 0
        and cpu.cpl == cpu.segs[CS].selector & 3
        and all(0 <= segment.selector < 1 << 16 for segment in cpu.segs)
    )


def run(seed: int) -> None:
    rng = random.Random(seed)
    pc, ring = program(rng)
    for _ in range(STEPS):
        if STUBS <= pc.cpu.eip < STUBS + 256 * STUB_BYTES:
            pc.enter_ring(ring)
            pc.cpu.eip = CODE + rng.randrange(0x1000)
        try:
            pc.step()
        except CpuStopped:
            return
        assert well_formed(pc), seed
    assert pc.memory.size == RAM_BYTES


def test_random_code_never_breaks_the_simulator() -> None:
    for seed in range(250):
        run(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_random_code_never_breaks_the_simulator_in_a_long_run() -> None:
    for seed in range(1000, 21_000):
        run(seed)
