"""The processor's hooks: what they take away has not happened, and unused they are not there."""

from __future__ import annotations

import pytest

from teachvm.isa.assembler import assemble
from teachvm.isa.control import CR0_TS
from teachvm.isa.flags import TF
from teachvm.machine.exceptions import Fault, Intercepted, Interruption
from teachvm.machine.operation import Operation, decoded
from teachvm.machine.tiers.specialise import traits
from teachvm.machine.tlb import TlbEntry
from tests.machine.pc import CODE, DATA, Pc


def take(operation: Operation) -> bool:
    raise Intercepted(operation.insn.row.mnemonic)


def state(pc: Pc) -> tuple[object, ...]:
    cpu = pc.cpu
    return (
        *(tuple(value) if isinstance(value, list) else value for value in (getattr(cpu, name) for name in cpu.STATE)),
    )


@pytest.mark.parametrize("source", ["cpuid", "hlt", "mov cr3, eax", "in al, 0x40", "rdtsc", "lgdt [0x8000]", "str ax"])
@pytest.mark.parametrize("flags", [2, 2 | TF])
def test_an_instruction_that_is_taken_away_has_changed_nothing(source: str, flags: int) -> None:
    pc = Pc()
    pc.enter_ring(0, flags)
    pc.load(source)
    pc.cpu.intercept = take
    pc.cpu.shadow = True
    before = state(pc)
    with pytest.raises(Intercepted):
        pc.cpu.step()
    assert state(pc) == before


def test_a_privilege_fault_comes_before_an_intercept() -> None:
    pc = Pc()
    pc.cpu.intercept = take
    assert pc.run("hlt", ring=3).vector == 13


def test_an_instruction_without_an_intercept_asks_nobody() -> None:
    pc = Pc()
    pc.cpu.intercept = take
    pc.load("mov eax, 5 \n sti \n pushfd \n popfd \n cli")
    pc.step(5)
    assert pc.cpu.regs[0] == 5


@pytest.mark.parametrize("source", ["cpuid", "rdtsc"])
def test_compiled_code_holds_no_instruction_that_has_an_intercept(source: str) -> None:
    code = assemble(f"bits 32\norg 0\n{source}\n", second_opinion=False).data
    pc = Pc()
    assert traits(decoded(code, 32), 2, tuple(pc.cpu.segs)) is None


def test_software_reads_a_control_register_as_the_view_shows_it() -> None:
    pc = Pc()
    pc.cpu.control_view = lambda index, value: value | CR0_TS if index == 0 else value
    pc.load("mov eax, cr0 \n smsw bx \n mov ecx, cr4")
    pc.step(3)
    assert pc.cpu.regs[0] == pc.cpu.cr0 | CR0_TS
    assert pc.cpu.regs[3] & CR0_TS
    assert pc.cpu.regs[1] == pc.cpu.cr4


def test_a_fault_during_delivery_can_be_taken_away_before_it_becomes_something_else() -> None:
    pc = Pc()
    met: list[tuple[int, int]] = []

    def note(first: Interruption, second: Fault) -> None:
        met.append((first.vector, second.vector))
        raise Intercepted

    pc.gate(0, present=False)
    pc.cpu.delivery_fault = note
    pc.load("xor ecx, ecx \n div ecx")
    pc.step()
    with pytest.raises(Intercepted):
        pc.step()
    assert met == [(0, 11)]
    assert pc.cpu.delivering is not None
    assert pc.cpu.delivering.vector == 0
    assert pc.cpu.eip == CODE + 2


def test_with_a_second_level_every_access_is_walked_though_paging_is_off() -> None:
    pc = Pc()
    asked: list[int] = []

    def elsewhere(_cpu: object, linear: int, _access: object, _user: bool) -> TlbEntry:
        asked.append(linear >> 12)
        return TlbEntry(linear >> 12, linear & 0xFFFF_F000 if linear < DATA else DATA + 0x2000, 7, True, False)

    pc.cpu.walker, pc.cpu.second_level = elsewhere, True
    pc.memory.write_bytes(DATA + 0x2000, b"\x2a\0\0\0")
    pc.memory.write_bytes(0x7000, assemble(f"bits 32\norg 0x7000\nmov eax, [{DATA}]\n", second_opinion=False).data)
    pc.cpu.eip = 0x7000
    pc.step()
    assert pc.cpu.regs[0] == 0x2A
    assert asked == [7, DATA >> 12]
