"""What is left out happens as the one list of it says."""

from __future__ import annotations

import pytest

from teachvm.isa.control import CR0_EM, CR0_TS, CR4_KNOWN
from teachvm.isa.rows.absent import ABSENT, ESCAPES, FEATURES, LEFT_OUT, Absent, Instead
from teachvm.machine.exceptions import Fault, StopReason
from tests.machine.pc import CODE, DONE, Pc

UD, NM = 6, 7


def raised(pc: Pc, code: bytes) -> int | None:
    """The exception of an instruction in ring 0, or None."""
    pc.enter_ring(0)
    seen: list[int] = []
    pc.cpu.deliver = lambda cpu, interruption: seen.append(interruption.vector)
    pc.memory.write_bytes(CODE, code)
    pc.cpu.eip = CODE
    pc.cpu.step()
    return seen[0] if seen else None


@pytest.mark.parametrize("group", ABSENT, ids=lambda group: group.what)
def test_an_absent_opcode_is_undefined(group: Absent) -> None:
    pc = Pc()
    for opcode in sorted(group.opcodes):
        for slot in sorted(group.slots):
            modrm = (0xC0 if slot > 7 else 0x40) | (slot & 7) << 3
            head = bytes((opcode,)) if opcode < 0x100 else opcode.to_bytes(2, "big")
            assert raised(pc, head + bytes((modrm,)) + bytes(8)) == UD, f"{opcode:#x} slot {slot}"


@pytest.mark.parametrize("bit", [CR0_EM, CR0_TS])
def test_an_instruction_for_the_fpu_is_no_device_while_a_guest_emulates_or_switches_one(bit: int) -> None:
    pc = Pc()
    pc.cpu.cr0 |= bit
    assert {raised(pc, bytes((opcode, 0xC0))) for opcode in ESCAPES} == {NM}
    assert raised(pc, b"\xf0\xd8\x00") == UD
    assert raised(pc, b"\x0f\xff\xc0") == UD


def test_only_what_goes_to_the_fpu_is_listed_so() -> None:
    assert {group.opcodes for group in ABSENT if group.instead is Instead.NO_DEVICE} == {ESCAPES}


def test_the_processor_stops_for_what_is_listed_and_for_a_triple_fault_only() -> None:
    listed = {f"{feature.what} is not modelled" for feature in FEATURES if feature.instead is Instead.STOP}
    assert listed | {StopReason.TRIPLE_FAULT.value} == {reason.value for reason in StopReason}


@pytest.mark.parametrize("bit", range(32))
def test_a_bit_of_cr4_is_accepted_if_cpuid_offers_it_and_else_refused(bit: int) -> None:
    pc = Pc()
    feature = {2: 4, 3: 2, 4: 3, 6: 7}.get(bit)
    assert (feature is not None) is bool(CR4_KNOWN >> bit & 1)
    if feature is None:
        with pytest.raises(Fault):
            pc.cpu.write_cr4(1 << bit)
    else:
        pc.cpu.write_cr4(1 << bit)
        assert pc.run("mov eax, 1\ncpuid\nint 0x30").vector == DONE
        assert pc.cpu.regs[2] >> feature & 1


def test_every_entry_says_what_why_and_what_happens_instead_once() -> None:
    names = [entry.what for entry in LEFT_OUT]
    assert len(names) == len(set(names))
    assert all(entry.why and entry.instead.value for entry in LEFT_OUT)
