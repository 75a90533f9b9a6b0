"""Random bytes as code, in every ring: no Python error escapes and the processor's state stays well formed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from teachvm.isa.flags import KNOWN, RESERVED_ONE, VM
from teachvm.isa.operands import CS, ESP
from teachvm.machine.exceptions import CpuStopped, StopReason
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


def settle(pc: Pc, ring: int, entries: list[int], rng: random.Random) -> None:
    """After a handler was entered: begin again at one of a few places, so that some code becomes hot."""
    pc.enter_ring(ring, 2 | rng.getrandbits(12) & 0xCD5)
    pc.cpu.regs[rng.randrange(4)] = CODE + rng.getrandbits(12)
    pc.cpu.eip = rng.choice(entries)


def drive(seed: int, limit: int, *, fast: bool) -> tuple[int, str, object]:
    """Execute random bytes until a number of instructions is completed or the processor stops.

    Returns:
        Instructions completed, the reason of the stop or "", and the state at the end.
    """
    rng = random.Random(seed)
    pc, ring = program(rng)
    cpu = pc.cpu
    cpu.recorder = None
    entries = [CODE + rng.randrange(0x1000) for _ in range(3)]
    choices = random.Random(seed + 1)
    done, stopped, refused = 0, "", 0
    while done < limit and refused < limit:
        if cpu.halted or STUBS <= cpu.eip < STUBS + 256 * STUB_BYTES:
            settle(pc, ring, entries, choices)
        try:
            count = (cpu.burst(limit - done) if fast else 0) or bool(pc.step())
            done, refused = done + count, refused + (not count)
        except CpuStopped as stop:
            stopped = f"{StopReason(stop.reason).value}: {stop.detail}"
            break
        if not done & 15:
            assert well_formed(pc), seed
    assert stopped.partition(": ")[2] or not stopped, seed
    assert len(pc.memory.bytes_) == RAM_BYTES
    assert pc.memory.read32(RAM_BYTES) == 0xFFFF_FFFF, seed
    pages = hash(bytes(pc.memory.bytes_))
    state = [getattr(cpu, name) for name in cpu.STATE], None if cpu.tlb is None else list(cpu.tlb.entries)
    return done, stopped, (repr(state), pages)


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


def test_random_code_ends_in_the_same_state_in_every_tier() -> None:
    for seed in range(2_000, 2_012):
        assert drive(seed, 1_500, fast=False) == drive(seed, 1_500, fast=True), seed


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(10))
def test_ten_million_instructions_of_random_code_break_nothing(part: int) -> None:
    done, seed, stops = 0, 100_000 * (part + 1), Counter[str]()
    while done < 1_000_000:
        fast = drive(seed, 20_000, fast=True)
        assert seed % 8 or drive(seed, 20_000, fast=False) == fast, seed
        done += fast[0]
        stops[fast[1].partition(":")[0]] += 1
        seed += 1
    assert StopReason.TRIPLE_FAULT.value in stops
    print(f"part {part}: {done} instructions in {seed % 100_000} machines; stops {dict(stops)}")  # noqa: T201
