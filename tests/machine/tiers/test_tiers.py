"""Compiled code does what the closures do: registers, flags, memory and TLB, at every place it can stop."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.guest.loader import BOOT_GDT, BOOT_STACK, boot_gdt
from teachvm.isa import alu, shifts
from teachvm.isa.assembler import assemble
from teachvm.isa.conditions import CONDITIONS, holds
from teachvm.isa.control import CR0_PE, CR0_PG, CR0_WP
from teachvm.isa.descriptors import flat_code, flat_data
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import CS, ECX, ESP
from teachvm.machine.computer import Machine
from teachvm.machine.tiers import flags as tier_flags
from teachvm.machine.tiers.flags import FlagState, condition, function_name
from teachvm.machine.tiers.region import PURE
from teachvm.machine.tiers.values import Code, Known, Status
from teachvm.trace.recorder import Recorder

ENTRY = 0x1000
DATA = 0x8000
DIRECTORY = 0x10_0000
REGISTERS = ("eax", "edx", "ebx", "ebp", "esi")
ROUNDS = 90


def machine(source: str, *, data: bytes = b"") -> Machine:
    """A paged machine whose pages are all present, with a program at ENTRY."""
    made = Machine("m", 2 << 20, Recorder())
    made.memory.write_bytes(ENTRY, assemble(f"bits 32\norg {ENTRY}\n{source}", "x.asm", None).data)
    made.memory.write_bytes(BOOT_GDT, boot_gdt())
    made.memory.write_bytes(DATA, data)
    made.memory.write32(DIRECTORY, DIRECTORY + 0x1007)
    for index in range(512):
        made.memory.write32(DIRECTORY + 0x1000 + 4 * index, index << 12 | 7)
    cpu = made.cpu
    cpu.segs[:] = [flat_data(0x10)] * 6
    cpu.segs[CS] = flat_code(8)
    cpu.cr0, cpu.cr3 = CR0_PE | CR0_PG | CR0_WP, DIRECTORY
    cpu.eip, cpu.regs[ESP], cpu.eflags = ENTRY, BOOT_STACK, 2
    cpu.restored()
    return made


def run(made: Machine, limit: int, *, fast: bool) -> int:
    """Execute until HLT or a number of instructions; returns how many."""
    cpu, done = made.cpu, 0
    while done < limit and not cpu.halted:
        count = cpu.burst(limit - done) if fast else 0
        done += count or cpu.step()
    return done


def state(made: Machine) -> tuple[object, ...]:
    """Everything the two ways must agree on."""
    cpu = made.cpu
    assert cpu.tlb is not None
    pages = tuple(made.memory.page(pfn) for pfn in (*range(16), 256, 257))
    return (tuple(cpu.regs), cpu.eip, cpu.eflags, cpu.halted, tuple(cpu.tlb.entries), pages)


def both_ways(source: str, stops: list[int], data: bytes = b"") -> None:
    """Run a program in both tiers, comparing at each stop."""
    plain, fast = machine(source, data=data), machine(source, data=data)
    for stop in stops:
        assert run(plain, stop, fast=False) == run(fast, stop, fast=True)
        assert state(plain) == state(fast)


def _operand(rng: random.Random) -> str:
    match rng.randrange(5):
        case 0:
            return f"dword [edi+{4 * rng.randrange(16)}]"
        case 1:
            return f"dword [edi+{rng.randrange(60)}]"
        case _:
            return rng.choice(REGISTERS)


def _instruction(rng: random.Random, number: int) -> str:
    a, b = rng.choice(REGISTERS), rng.choice(REGISTERS)
    low = rng.choice(("al", "dl", "bl", "ah", "dh", "bh"))
    word = rng.choice(("ax", "dx", "bx", "si"))
    two = rng.choice(("add", "sub", "adc", "sbb", "and", "or", "xor", "cmp", "mov", "test"))
    one = rng.choice(("inc", "dec", "neg", "not"))
    shift = rng.choice(("shl", "shr", "sar", "rol", "ror", "rcl", "rcr"))
    suffix = rng.choice(CONDITIONS).suffix.lower()
    source = _operand(rng)
    return rng.choice(
        (
            f"{two} {a}, {source}",
            f"{two} {a}, {source}",
            f"{two} {source}, {b}" if two != "test" else f"test {a}, {b}",
            f"{two} {a}, {rng.choice((0, 1, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))}",
            f"{two} {low}, {rng.choice(('al', 'bl', 'dh'))}",
            f"{two} {word}, {rng.choice(('ax', 'si'))}",
            f"{one} {_operand(rng)}",
            f"{shift} {a}, {rng.randrange(1, 32)}",
            f"{shift} {a}, cl",
            f"shld {a}, {b}, {rng.randrange(32)}",
            f"imul {a}, {source}",
            f"mul {source}",
            f"lea {a}, [{b}+{rng.choice(REGISTERS)}*4+{rng.randrange(-9, 99)}]",
            f"movzx {a}, {low}",
            f"movsx {a}, word [edi+{rng.randrange(40)}]",
            f"set{suffix} {low}",
            f"cmov{suffix} {a}, {source}",
            f"xchg {a}, {source}",
            f"push {source}\npop {b}",
            f"bt {a}, {rng.randrange(32)}",
            "cdq",
            "cwde",
            rng.choice(("clc", "stc", "cmc")),
            "pushfd\npop ebx",
            f"bswap {a}",
            f"cmp {a}, {source}\nj{suffix} .l{number}\n{one} {b}\n.l{number}:",
            f"call .f{number}\njmp .r{number}\n.f{number}: {two} {a}, {b}\nret\n.r{number}:",
        )
    )


def _program(seed: int, length: int) -> str:
    rng = random.Random(seed)
    setup = [f"mov {register}, {rng.getrandbits(32)}" for register in REGISTERS]
    body = [_instruction(rng, number) for number in range(length)]
    head = ["start:", f"mov edi, {DATA}", f"mov ecx, {ROUNDS}", *setup, "again:"]
    return "\n".join([*head, *body, "dec ecx", "jnz near again", "hlt"])


@given(st.integers(0, 2**32), st.integers(1, 18), st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_random_programs_end_in_the_same_state_wherever_they_are_stopped(
    seed: int, length: int, stops: list[int]
) -> None:
    both_ways(_program(seed, length), [*stops, 5_000], random.Random(seed).randbytes(256))


@given(st.integers(0, 2**32), st.integers(1, 9), st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_a_loop_that_tallies_its_ways_says_how_often_each_instruction_was_executed(
    seed: int, length: int, limits: list[int]
) -> None:
    source, data = _program(seed, length), random.Random(seed).randbytes(256)
    plain, fast = machine(source, data=data), machine(source, data=data)
    for limit in limits:
        while not fast.cpu.halted:
            region = fast.cpu.tiers.tallied(make=True) if fast.cpu.tiers else None
            count = fast.cpu.tiers.run_tallied(region, limit) if fast.cpu.tiers and region else 0
            expected: dict[int, int] = {}
            for _ in range(count):
                expected[plain.cpu.eip] = expected.get(plain.cpu.eip, 0) + 1
                plain.cpu.step()
            found: dict[int, int] = {}
            for way, times in region.went() if region else ():
                for address in way:
                    found[address] = found.get(address, 0) + times
            assert found == expected
            assert state(fast) == state(plain)
            if count:
                break
            assert fast.cpu.step() == plain.cpu.step()


def test_only_what_leads_back_to_its_beginning_is_compiled_of_a_loop() -> None:
    made = machine("l: dec ecx \n jz done \n add eax, ecx \n jmp l \n done: bswap edx \n hlt")
    made.cpu.regs[ECX] = 5
    tiers = made.cpu.tiers
    assert tiers is not None
    made.cpu.step()
    made.cpu.eip = ENTRY
    region = tiers.tallied(make=True)
    assert region is not None
    assert tiers.tallied(make=False) is region
    assert tiers.run_tallied(region, 100) == 14
    assert {address for way, _ in region.went() for address in way} == {ENTRY + at for at in (0, 1, 3, 5)}
    assert tiers.tallied(make=True) is None


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3_000))
def test_many_random_programs_end_in_the_same_state(seed: int) -> None:
    rng = random.Random(seed)
    both_ways(_program(seed, rng.randrange(1, 40)), [rng.randrange(1, 3_000) for _ in range(4)], rng.randbytes(256))


def test_code_that_rewrites_itself_in_a_hot_loop_is_seen_at_once() -> None:
    both_ways("mov ecx, 300\nl: mov byte [p+1], cl\np: mov al, 0\nadd ebx, eax\ndec ecx\njnz l\nhlt", [137, 900, 5_000])


def test_data_beside_hot_code_is_stored_without_losing_the_code() -> None:
    source = "mov ecx, 5000\nl: mov edx, [n]\nadd edx, ecx\nmov [n], edx\ndec ecx\njnz l\nhlt\nn: dd 0"
    both_ways(source, [999, 30_000])
    made = machine(source)
    slow = 0
    while not made.cpu.halted:
        made.cpu.burst(1 << 20)
        slow += made.cpu.step()
    assert slow < 1_000


def test_a_page_fault_in_hot_code_finds_the_flags_and_registers_of_its_instruction() -> None:
    source = (
        "mov ecx, 600 \n mov esi, 0x8000 \n l: cmp eax, ecx \n add esi, 0x1000 \n mov eax, [esi] \n adc ebx, ecx \n"
        "dec ecx \n jnz l \n hlt"
    )
    plain, fast = machine(source), machine(source)
    for made, how in ((plain, False), (fast, True)):
        made.cpu.deliver = lambda cpu, interruption: setattr(cpu, "halted", True)
        run(made, 100_000, fast=how)
    assert fast.cpu.cr2 == plain.cpu.cr2 == 0x20_0000
    assert state(plain) == state(fast)


FLAGGED = [alu.add, alu.sub, alu.and_, alu.or_, alu.xor, alu.inc, alu.dec, alu.neg]


@given(st.sampled_from(FLAGGED), st.sampled_from([8, 16, 32]), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_every_condition_computed_by_algebra_equals_the_flags_own_answer(
    function: object, width: int, a: int, b: int
) -> None:
    a, b = a & (1 << width) - 1, b & (1 << width) - 1
    unary = function in (alu.inc, alu.dec, alu.neg)
    operands: tuple[Known | Code, ...] = (Code("a"), Known(width)) if unary else (Code("a"), Code("b"), Known(width))
    result, flags = function(a, width) if unary else function(a, b, width)  # type: ignore[operator]
    written = STATUS & ~1 if function in (alu.inc, alu.dec) else STATUS
    state = FlagState()
    state.write(written, Status(function, operands, 1, Code("r")))
    names = {**PURE, "a": a, "b": b, "r": result, "fl": 2}
    for each in CONDITIONS:
        assert bool(eval(condition(state, each.code), names)) == holds(each.code, 2 | flags)


def test_pure_functions_are_named_once_in_compiled_code() -> None:
    assert PURE[function_name(shifts.shl)] is shifts.shl
    assert len(PURE) == len({id(function) for function in PURE.values()})
    assert tier_flags.ENTRY == "fl"
