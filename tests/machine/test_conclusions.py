"""What was concluded from descriptors is forgotten as soon as anything it followed from is another."""

from __future__ import annotations

import pytest

from teachvm.isa.descriptors import TableRegister
from teachvm.machine.events import PageWalked
from tests.machine.pc import (
    CODE,
    DONE,
    GDT,
    IDT,
    KERNEL_CODE,
    KERNEL_DATA,
    KERNEL_STACK,
    STUB_BYTES,
    STUBS,
    TSS,
    USER_CODE,
    USER_DATA,
    Pc,
    descriptor,
)

ACCESS = 5
OTHER = STUBS + STUB_BYTES * 0x40


@pytest.fixture
def pc() -> Pc:
    """A machine with paging on that has entered a handler from ring 3 and come back, twice."""
    made = Pc()
    made.identity_paging()
    for _ in range(2):
        entered(made)
    return made


def entered(pc: Pc, *, back: bool = True) -> tuple[int, int, int]:
    """Where INT from ring 3 leads: EIP, ESP and CS; IRET leads back."""
    pc.enter_ring(3)
    pc.load(f"int {DONE}")
    pc.step()
    place = pc.cpu.eip, pc.cpu.regs[4], pc.cpu.segs[1].selector
    if back:
        pc.memory.write_bytes(pc.cpu.eip, b"\xcf")
        pc.step()
        assert pc.cpu.cpl == 3
        assert pc.cpu.eip == CODE + 2
    return place


def test_the_same_transfer_leads_to_the_same_place(pc: Pc) -> None:
    assert entered(pc) == (STUBS + STUB_BYTES * DONE, KERNEL_STACK - 20, KERNEL_CODE)


def test_a_gate_written_anew_leads_elsewhere(pc: Pc) -> None:
    pc.memory.write_bytes(IDT + 8 * DONE, (OTHER & 0xFFFF).to_bytes(2, "little"))
    assert entered(pc)[0] == OTHER


def test_a_gate_that_is_closed_to_ring_3_is_closed_at_once(pc: Pc) -> None:
    pc.gate(DONE, dpl=0)
    assert entered(pc, back=False)[0] == STUBS + STUB_BYTES * 13


def test_another_idt_counts_at_once(pc: Pc) -> None:
    pc.memory.write_bytes(0x3_0000, pc.memory.read_bytes(IDT, 0x800))
    pc.memory.write_bytes(0x3_0000 + 8 * DONE, (OTHER & 0xFFFF).to_bytes(2, "little"))
    pc.cpu.idtr = TableRegister(0x3_0000, 0x7FF)
    assert entered(pc)[0] == OTHER


def test_another_stack_in_the_tss_counts_at_once(pc: Pc) -> None:
    pc.memory.write32(TSS + 4, KERNEL_STACK - 0x100)
    assert entered(pc)[1] == KERNEL_STACK - 0x100 - 20


@pytest.mark.parametrize("selector", [KERNEL_CODE, KERNEL_DATA, USER_CODE & ~3, USER_DATA & ~3])
def test_an_accessed_bit_that_is_cleared_is_set_again(pc: Pc, selector: int) -> None:
    where = GDT + selector + ACCESS
    pc.memory.write8(where, pc.memory.read8(where) & ~1)
    entered(pc)
    assert pc.memory.read8(where) & 1


def test_a_code_segment_that_is_taken_away_is_missed(pc: Pc) -> None:
    pc.describe(KERNEL_CODE, descriptor(0, 0xFFFFF, 0x1B, 0xC))
    pc.gate(11, selector=KERNEL_CODE)
    with pytest.raises(Exception, match="triple fault"):
        entered(pc)


def test_a_page_of_tables_whose_translation_is_dropped_is_walked_again(pc: Pc) -> None:
    pc.recorder.log.truncate(pc.recorder.clock.now)
    walked: list[int] = []
    pc.recorder.log.subscribe(PageWalked, lambda event: walked.append(event.linear & ~0xFFF))
    entered(pc)
    assert not {GDT, IDT} & set(walked)
    for page in (GDT, IDT):
        pc.cpu.invalidate_page(page)
    entered(pc)
    assert {GDT, IDT} <= set(walked)
