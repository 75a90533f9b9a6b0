"""Programs that fault, change their own page tables and code, and run in either ring do the same in compiled code."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.assembler import assemble
from teachvm.isa.descriptors import flat_code, flat_data
from teachvm.isa.flags import TF
from teachvm.isa.operands import CS, ESP
from teachvm.machine.computer import Machine
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Interruption
from tests.machine.tiers.test_tiers import DATA, DIRECTORY, ENTRY, machine, state

FS = 4
ABSENT, READ_ONLY, CLEAN = 0xA000, 0xB000, 0xC000
ENTRY_OF = {page: DIRECTORY + 0x1000 + (page >> 10) for page in (ABSENT, READ_ONLY, CLEAN)}
REGISTERS = ("eax", "edx", "ebx", "ebp", "esi")
HEAD = f"start: mov edi, {DATA} \n mov ecx, 70 \n mov [{DATA - 8}], ecx \n again: mov edi, {DATA + 64} \n"
TAIL = f"recover: dec dword [{DATA - 8}] \n jnz near again \n hlt"


def _wild(rng: random.Random, number: int) -> str:
    a, b = rng.choice(REGISTERS), rng.choice(REGISTERS)
    offset = rng.randrange(-60, 60)
    page = rng.choice((ABSENT, READ_ONLY, CLEAN))
    place = rng.choice((f"[edi+{offset}]", f"[edi+{offset & ~3}]", f"[fs:edi+{offset}]", f"[{page + (offset & 0xFC)}]"))
    word = rng.choice(("ax", "dx", "bx", "si"))
    size = rng.choice("bwd")
    loop = rng.choice(("loop", "loope", "loopne", "jecxz"))
    after = " \n " + rng.choice((f"invlpg [{page}]", "mov eax, cr3", "mov eax, cr3 \n mov cr3, eax", "nop"))
    return rng.choice(
        (
            f"add {place}, {a}",
            f"mov {a}, {place}",
            f"xor word {place}, {rng.getrandbits(15)}",
            f"add {word}, {place}",
            f"inc byte {place}",
            f"shl dword {place}, {rng.randrange(32)}",
            f"rcr byte {place}, cl",
            f"mov dx, 3 \n div {word}",
            f"xor edx, edx \n div dword {place}",
            f"cdq \n idiv {a}",
            f"aam {rng.randrange(3)}",
            rng.choice(("daa", "das", "aaa", "aas", "aad 10", "salc", "xlatb")),
            f"push edi \n push esi \n mov esi, {DATA} \n movs{size} \n pop esi \n pop edi",
            f"stos{size} \n lods{size} \n and esi, 0xffff",
            f"push ecx \n mov ecx, {rng.randrange(9)} \n rep stos{size} \n pop ecx",
            f"push ecx \n mov ecx, {rng.randrange(9)} \n repe scas{size} \n pop ecx",
            rng.choice(("cld", "std", "lahf", "sahf", "clc", "cmc")),
            f"enter {rng.randrange(16)}, {rng.randrange(3)} \n push eax \n leave",
            f"mov ecx, {rng.randrange(5)} \n {loop} .l{number} \n inc {a} \n .l{number}:",
            f"push dword {place} \n pop dword [edi+{offset}]",
            f"push {a} \n call .f{number} \n jmp .r{number} \n .f{number}: ret 4 \n .r{number}:",
            f"call .f{number} \n .f{number}: pop {a} \n add {a}, .t{number} - .f{number} \n jmp {a} \n .t{number}:",
            f"xadd {place}, {a}",
            f"cmpxchg {place}, {a}",
            f"xchg {place}, {a}",
            f"bts dword {place}, {rng.randrange(40)}",
            f"mov {a}, {rng.randrange(400)} \n btc [edi], {a}",
            f"bsf {a}, {b} \n bsr {b}, {place}",
            f"pusha \n mov [esp+4], {a} \n popa",
            "pushf \n popf",
            f"mov eax, [{ENTRY_OF[page]}] \n xor eax, {rng.choice((1, 2, 0x40))} \n mov [{ENTRY_OF[page]}], eax{after}",
            f"mov byte [.c{number}+1], cl \n .c{number}: mov al, 0",
            f"mov [.d{number}], {a} \n jmp .e{number} \n .d{number}: dd 0 \n .e{number}:",
            "pushfd \n or dword [esp], 0x100 \n popfd",
            f"sub esp, {rng.choice((2, 4, 8))} \n mov [esp], al",
            rng.choice(("cli", "sti", "nop", "in al, 0x40", "rdtsc", "cpuid", "clts", "ud2", "int3")),
            f"cmp {a}, {b} \n cmova {a}, {place}",
            f"lea {a}, [esp+{offset}] \n mov {word}, sp",
            f"mov {rng.choice(('al', 'ah', 'cl', 'bh'))}, {place}",
            f"movzx {a}, byte {place} \n movsx {b}, word {place}",
        )
    )


def program(seed: int, length: int) -> str:
    rng = random.Random(seed)
    setup = [f"mov {register}, {rng.getrandbits(32)}" for register in REGISTERS]
    return "\n".join([HEAD, *setup, *(_wild(rng, number) for number in range(length)), TAIL])


def wild(seed: int, length: int) -> Machine:
    """The machine of a seed: in ring 0 or 3, with pages that are not present, read-only, or not written yet."""
    source = program(seed, length)
    made = machine(source, data=random.Random(seed).randbytes(256))
    recover = assemble(f"bits 32\norg {ENTRY}\n{source}", "x.asm", None).symbols["recover"]
    for page, bits in ((ABSENT, 6), (READ_ONLY, 5), (CLEAN, 7)):
        made.memory.write32(ENTRY_OF[page], page | bits)
    cpu = made.cpu
    if seed & 1:
        cpu.cpl = 3
        cpu.segs[:] = [flat_data(0x13, dpl=3)] * 6
        cpu.segs[CS] = flat_code(0xB, dpl=3)
    cpu.segs[FS] = replace(cpu.segs[FS], base=0x100, limit=0xFFFF)

    def deliver(cpu: Cpu, interruption: Interruption) -> None:
        cpu.regs[0] ^= interruption.vector + (interruption.error or 0) * 256
        cpu.eip, cpu.regs[ESP] = recover, 0x7000
        cpu.eflags &= ~TF

    cpu.deliver = deliver
    cpu.restored()
    return made


def run(made: Machine, limit: int, *, fast: bool) -> int:
    """Execute units, or deliveries, up to a number of instructions."""
    cpu, done, turns = made.cpu, 0, 0
    while done < limit and not cpu.halted and turns < 3 * limit:
        turns += 1
        done += (cpu.burst(limit - done) if fast else 0) or bool(cpu.step())
    return done


def both_ways(seed: int, length: int, stops: list[int]) -> None:
    plain, fast = wild(seed, length), wild(seed, length)
    for stop in stops:
        assert run(plain, stop, fast=False) == run(fast, stop, fast=True)
        assert state(plain) == state(fast)
        assert plain.cpu.cr2 == fast.cpu.cr2


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 25), st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_wild_programs_end_in_the_same_state_wherever_they_are_stopped(
    seed: int, length: int, stops: list[int]
) -> None:
    both_ways(seed, length, [*stops, 2_000])


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3_000))
def test_many_wild_programs_end_in_the_same_state(seed: int) -> None:
    rng = random.Random(seed)
    both_ways(seed, rng.randrange(1, 30), [rng.randrange(1, 2_000) for _ in range(4)])
