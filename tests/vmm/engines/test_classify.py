"""Which instruction brought the guest into the VMM, and whether it was allowed to."""

from __future__ import annotations

from teachvm.isa.decode import decode
from teachvm.isa.row import InstructionClass
from teachvm.isa.rows import ROWS
from teachvm.vmm.engines.classify import BY_MNEMONIC, exception_reason, instruction_at, instruction_reason
from teachvm.vmm.entries import EntryReason
from tests.vmm.room import Room


def reason(code: str) -> EntryReason | None:
    return instruction_reason(decode(bytes.fromhex(code)))


def test_every_privileged_and_iopl_sensitive_row_has_a_reason() -> None:
    special = {"MOV"}
    for row in ROWS:
        if row.klass in (InstructionClass.PRIVILEGED, InstructionClass.IOPL_SENSITIVE):
            assert row.mnemonic in BY_MNEMONIC or row.mnemonic in special, row


def test_every_mnemonic_of_the_table_is_a_row_s() -> None:
    assert set(BY_MNEMONIC) <= {row.mnemonic for row in ROWS}


def test_moves_are_told_apart_by_their_operands() -> None:
    assert reason("0f20c0") is EntryReason.MOV_CR
    assert reason("0f21f8") is EntryReason.MOV_DR
    assert reason("8ed0") is EntryReason.SEGMENT_LOAD
    assert reason("1f") is EntryReason.SEGMENT_LOAD
    assert reason("8cd0") is None
    assert reason("89c0") is None


def test_the_instruction_is_read_through_the_guest_s_tables() -> None:
    room = Room("nop")
    cpu, memory = room.vm.vcpu.cpu, room.vm.memory
    memory.write(0x3000 + 4 * 0x40, 4, 0x3_0025)
    memory.write_bytes(0x3_0FFD, b"\x0f\x01\x15")
    cpu.eip = 0x4_0FFD
    memory.write(0x3000 + 4 * 0x41, 4, 0x3_5025)
    memory.write_bytes(0x3_5000, b"\x78\x56\x34\x12")
    insn, code = instruction_at(cpu, memory)
    assert insn is not None
    assert insn.row.mnemonic == "LGDT"
    assert code == bytes.fromhex("0f011578563412")
    memory.write(0x3000 + 4 * 0x41, 4, 0)
    assert instruction_at(cpu, memory) == (None, b"\x0f\x01\x15")


def test_an_access_inside_the_guest_s_segment_is_the_vmm_s_doing() -> None:
    cpu = Room("nop").vm.vcpu.cpu
    inside, outside = decode(bytes.fromhex("a1000000ff")), decode(bytes.fromhex("a10000ff00"))
    assert exception_reason(cpu, 13, inside) is EntryReason.SEGMENT_LIMIT
    cpu.segs[3] = cpu.segs[3].__class__(0x10, 0, 0xFFFF, cpu.segs[3].access & 0x7FFF)
    assert exception_reason(cpu, 13, outside) is EntryReason.EXCEPTION_REFLECTED
    assert exception_reason(cpu, 0, inside) is EntryReason.EXCEPTION_REFLECTED
    assert exception_reason(cpu, 13, None) is EntryReason.EXCEPTION_REFLECTED


def test_pushes_and_string_moves_have_accesses_too() -> None:
    cpu = Room("nop").vm.vcpu.cpu
    cpu.regs[4] = 0xFFC0_1000
    assert exception_reason(cpu, 12, decode(b"\x50")) is EntryReason.SEGMENT_LIMIT
    assert exception_reason(cpu, 12, decode(b"\xc3")) is EntryReason.SEGMENT_LIMIT
    assert exception_reason(cpu, 13, decode(b"\xa5")) is EntryReason.SEGMENT_LIMIT


def test_a_program_s_cli_is_its_own_mistake_unless_its_iopl_allows_it() -> None:
    room = Room("cli", user=True)
    cpu, insn = room.vm.vcpu.cpu, decode(b"\xfa")
    assert exception_reason(cpu, 13, insn) is EntryReason.EXCEPTION_REFLECTED
    cpu.eflags |= 0x3000
    assert exception_reason(cpu, 13, insn) is EntryReason.CLI
    assert exception_reason(cpu, 13, decode(b"\xf4")) is EntryReason.EXCEPTION_REFLECTED
