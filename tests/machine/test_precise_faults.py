"""Instructions that touch memory more than once: a fault anywhere leaves nothing half done, and they restart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from teachvm.isa.paging import A
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Interruption
from tests.machine.pc import CODE, DATA, KERNEL_DATA, Pc

EDGE = 0x1A000
"""Linear boundary between a page that is there and one that is not."""


@dataclass(frozen=True)
class State:
    """Everything a faulting instruction must leave alone."""

    regs: tuple[int, ...]
    eip: int
    eflags: int
    segs: tuple[object, ...]
    memory: bytes


def state(pc: Pc) -> State:
    cpu = pc.cpu
    memory = pc.memory.read_bytes(EDGE - 0x1000, 0x2000) + pc.memory.read_bytes(DATA, 0x100)
    return State(tuple(cpu.regs), cpu.eip, cpu.eflags, tuple(cpu.segs), memory)


CASES = {
    # name: (page that is missing, first registers, program)
    "pusha over the lower edge": (-1, {"esp": EDGE + 12}, "pusha"),
    "pushaw over the lower edge": (-1, {"esp": EDGE + 6}, "pushaw"),
    "popa over the upper edge": (0, {"esp": EDGE - 12}, "popa"),
    "enter with copied frame pointers": (-1, {"esp": EDGE + 8, "ebp": DATA + 0x80}, "enter 16, 3"),
    "enter whose frame pointers cannot be read": (0, {"esp": EDGE - 64, "ebp": EDGE + 4}, "enter 0, 2"),
    "enter whose reserved room ends outside": (-1, {"esp": EDGE + 64, "ebp": DATA}, "enter 80, 0"),
    "leave": (0, {"ebp": EDGE, "esp": EDGE - 64}, "leave"),
    "push m": (-1, {"esp": EDGE, "ebx": DATA}, "push dword [ebx]"),
    "pop m to a missing page": (0, {"esp": EDGE - 64, "ebx": EDGE}, "pop dword [ebx]"),
    "pop m with the address of the moved stack pointer": (0, {"esp": EDGE - 4}, "pop dword [esp]"),
    "call": (-1, {"esp": EDGE}, "call $ + 16"),
    "call m": (-1, {"esp": EDGE, "ebx": DATA}, "call [ebx]"),
    "ret": (0, {"esp": EDGE}, "ret"),
    "far call": (-1, {"esp": EDGE + 4}, "call 8:0x10000"),
    "far return": (0, {"esp": EDGE - 4}, "retf"),
    "iret": (0, {"esp": EDGE - 8}, "iretd"),
    "pushfd": (-1, {"esp": EDGE}, "pushfd"),
    "popfd": (0, {"esp": EDGE}, "popfd"),
    "add m over the edge": (0, {"ebx": EDGE - 2, "eax": 0xFFFF_FFFF}, "add [ebx], eax"),
    "adc m over the edge": (0, {"ebx": EDGE - 1}, "adc dword [ebx], 1"),
    "inc m": (0, {"ebx": EDGE}, "inc dword [ebx]"),
    "neg m": (0, {"ebx": EDGE - 3}, "neg dword [ebx]"),
    "shl m": (0, {"ebx": EDGE - 1, "ecx": 3}, "shl dword [ebx], cl"),
    "shld m": (0, {"ebx": EDGE - 1, "ecx": 3}, "shld [ebx], eax, cl"),
    "xchg m": (0, {"ebx": EDGE - 2, "eax": 5}, "xchg [ebx], eax"),
    "xadd m": (0, {"ebx": EDGE - 2, "eax": 5}, "xadd [ebx], eax"),
    "cmpxchg m": (0, {"ebx": EDGE - 2, "eax": 5}, "cmpxchg [ebx], ecx"),
    "cmpxchg8b": (0, {"ebx": EDGE - 4, "eax": 5}, "cmpxchg8b [ebx]"),
    "bts in a bit string": (0, {"ebx": EDGE - 64, "eax": 8 * 64}, "bts [ebx], eax"),
    "setcc m": (0, {"ebx": EDGE}, "sete [ebx]"),
    "mov m": (0, {"ebx": EDGE - 3}, "mov dword [ebx], 0x12345678"),
    "movs to a missing page": (0, {"esi": DATA, "edi": EDGE}, "movsd"),
    "movs from a missing page": (0, {"esi": EDGE, "edi": DATA}, "movsd"),
    "rep movs whose first element faults": (0, {"esi": DATA, "edi": EDGE, "ecx": 4}, "rep movsd"),
    "stos": (0, {"edi": EDGE - 2}, "stosd"),
    "cmps": (0, {"esi": DATA, "edi": EDGE}, "cmpsd"),
    "ins": (0, {"edi": EDGE, "edx": 0x60}, "insb"),
    "les": (0, {"ebx": EDGE - 4}, "les eax, [ebx]"),
    "mul m": (0, {"ebx": EDGE - 1, "eax": 7, "edx": 9}, "mul dword [ebx]"),
    "div m": (0, {"ebx": EDGE - 1, "eax": 7}, "div dword [ebx]"),
    "bound": (0, {"ebx": EDGE - 4}, "bound eax, [ebx]"),
    "sgdt": (0, {"ebx": EDGE - 4}, "sgdt [ebx]"),
    "lgdt": (0, {"ebx": EDGE - 4}, "lgdt [ebx]"),
}
NAMES = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")


@pytest.mark.parametrize("name", CASES)
def test_a_page_fault_leaves_nothing_half_done_and_the_instruction_restarts(name: str) -> None:
    missing, registers, source = CASES[name]
    pc = Pc()
    pc.identity_paging()
    pc.memory.write_bytes(EDGE - 0x1000, bytes(range(256)) * 32)
    pc.memory.write_bytes(DATA, b"\x07\0\0\0" * 64)
    page = EDGE + 0x1000 * missing
    entry = pc.page(page)
    pc.set_page(page, 0)
    pc.load(source)
    for register, value in registers.items():
        pc.cpu.regs[NAMES.index(register)] = value
    taken: list[Interruption] = []
    pc.cpu.deliver = lambda cpu, interruption: taken.append(interruption)
    pc.cpu.eflags = 2 | 0x8D5
    before = state(pc)
    gdtr, port_log = pc.cpu.gdtr, list(pc.ports.log)
    assert pc.step() == 0
    assert taken[0].vector == 14
    assert page <= (pc.cpu.cr2 or 0) < page + 0x1000
    assert state(pc) == before
    assert (pc.cpu.gdtr, pc.ports.log) == (gdtr, port_log)
    pc.set_page(page, entry)
    assert entry & A == 0
    taken.clear()
    if name not in ("iret", "far return", "les", "bound"):
        assert pc.step() >= 1
        assert not taken


@pytest.mark.parametrize(
    "source", ["add [ebx], eax", "inc dword [ebx]", "xchg [ebx], eax", "cmpxchg [ebx], ecx", "bts [ebx], eax",
               "cmpxchg8b [ebx]", "not byte [ebx]", "shr word [ebx], 1"],
)  # fmt: skip
def test_an_instruction_that_reads_and_then_writes_faults_as_a_write(source: str) -> None:
    pc = Pc()
    pc.identity_paging()
    pc.set_page(EDGE, EDGE | 5)
    pc.enter_ring(3)
    pc.load(source)
    pc.cpu.regs[3] = EDGE
    caught = pc.until_handler()
    assert (caught.vector, caught.error) == (14, 7)


def test_a_comparison_reads_only() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.set_page(EDGE, EDGE | 5)
    pc.enter_ring(3)
    pc.load("cmp [ebx], eax\ntest [ebx], eax\nbt [ebx], eax\nint 0x30")
    pc.cpu.regs[3] = EDGE
    assert pc.until_handler().vector == 0x30


def test_a_divide_error_changes_neither_registers_nor_flags() -> None:
    pc = Pc()
    taken: list[int] = []

    def note(cpu: Cpu, interruption: Interruption) -> None:
        taken.append(interruption.vector)

    pc.cpu.deliver = note
    for source in ("div ecx", "idiv ecx", "aam 0", "div cl"):
        pc.load(source)
        pc.cpu.regs[0], pc.cpu.eflags = 0x1234, 2 | 0x8D5
        assert pc.step() == 0
        assert (pc.cpu.regs[0], pc.cpu.eflags, pc.cpu.eip) == (0x1234, 2 | 0x8D5, CODE)
    assert taken == [0, 0, 0, 0]


def test_pop_to_a_segment_register_that_is_refused_leaves_the_stack_pointer() -> None:
    pc = Pc()
    pc.load("push dword 0x100\npop ds")
    pc.step()
    esp = pc.cpu.regs[4]
    pc.cpu.deliver = lambda cpu, interruption: None
    assert pc.step() == 0
    assert pc.cpu.regs[4] == esp
    assert pc.cpu.segs[3].selector == KERNEL_DATA
