"""Checks of every access: null, type, limit, expand-down, alignment, 16-bit stacks."""

import pytest

from teachvm.isa.control import CR0_AM
from teachvm.isa.descriptors import null_segment
from teachvm.isa.flags import AC
from teachvm.isa.operands import CS, DS, ES, ESP, SS
from teachvm.machine.exceptions import Fault
from tests.machine.pc import DATA, FREE_SELECTOR, Pc, descriptor

READ_ONLY, EXECUTE_ONLY, DATA_ACCESS, DOWN = 0x91, 0x99, 0x93, 0x97


@pytest.fixture
def pc() -> Pc:
    return Pc()


def use(pc: Pc, index: int, access: int, limit: int = 0xFFF, base: int = DATA, flags: int = 4) -> None:
    pc.describe(FREE_SELECTOR, descriptor(base, limit, access, flags))
    pc.cpu.segs[index] = pc.segment(FREE_SELECTOR)


def read_faults(pc: Pc, index: int, offset: int, size: int) -> str | None:
    """The fault, which has to be the same whatever way the access is made."""
    found = set()
    by_width = {1: pc.cpu.read8, 4: pc.cpu.read32}
    attempts = [lambda: pc.cpu.read(index, offset, size)]
    if size in by_width:
        attempts.append(lambda: by_width[size](index, offset))
    for attempt in attempts:
        try:
            attempt()
            found.add(None)
        except Fault as fault:
            found.add(str(fault))
    assert len(found) == 1
    return found.pop()


def write_faults(pc: Pc, index: int, offset: int, size: int) -> str | None:
    found = set()
    by_width = {1: pc.cpu.write8, 4: pc.cpu.write32}
    attempts = [
        lambda: pc.cpu.write(index, offset, size, 0),
        lambda: pc.cpu.probe(index, offset, size),
        lambda: pc.cpu.read_for_write(index, offset, size),
    ]
    if size in by_width:
        attempts.append(lambda: by_width[size](index, offset, 0))
    for attempt in attempts:
        try:
            attempt()
            found.add(None)
        except Fault as fault:
            found.add(str(fault))
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_the_last_byte_inside_the_limit_is_the_last_one_allowed(pc: Pc, size: int) -> None:
    use(pc, DS, DATA_ACCESS, 0xFFF)
    assert read_faults(pc, DS, 0x1000 - size, size) is None
    assert read_faults(pc, DS, 0x1001 - size, size) == "#GP(0x0000)"
    assert write_faults(pc, DS, 0x1001 - size, size) == "#GP(0x0000)"
    assert write_faults(pc, DS, 0x1000 - size, size) is None


def test_outside_the_stack_segment_it_is_a_stack_fault(pc: Pc) -> None:
    use(pc, SS, DATA_ACCESS, 0xFFF)
    assert read_faults(pc, SS, 0x1000, 4) == "#SS(0x0000)"
    assert write_faults(pc, SS, 0xFFD, 4) == "#SS(0x0000)"


def test_the_base_is_added_and_the_sum_wraps(pc: Pc) -> None:
    pc.memory.write32(DATA, 0x1234_5678)
    use(pc, DS, DATA_ACCESS, 0xFFFFF, 0xFFFF_F000, 0xC)
    assert pc.cpu.read32(DS, DATA + 0x1000) == 0x1234_5678


def test_an_access_over_the_last_offset_faults(pc: Pc) -> None:
    assert read_faults(pc, DS, 0xFFFF_FFFE, 4) == "#GP(0x0000)"
    assert read_faults(pc, DS, 0xFFFF_FFFC, 4) is None


def test_an_expand_down_segment_is_valid_above_its_limit(pc: Pc) -> None:
    use(pc, DS, DOWN, 0xFFF, 0)
    assert read_faults(pc, DS, 0x0FFF, 1) == "#GP(0x0000)"
    assert read_faults(pc, DS, 0x1000, 4) is None
    assert write_faults(pc, DS, 0x1000, 4) is None
    use(pc, DS, DOWN, 0xFFF, 0, flags=0)
    assert read_faults(pc, DS, 0xFFFC, 4) is None
    assert read_faults(pc, DS, 0xFFFD, 4) == "#GP(0x0000)"


@pytest.mark.parametrize(
    ("access", "readable", "writable"),
    [(READ_ONLY, True, False), (EXECUTE_ONLY, False, False), (0x9B, True, False), (DATA_ACCESS, True, True)],
)
def test_the_type_decides_about_reading_and_writing(pc: Pc, access: int, readable: bool, writable: bool) -> None:
    use(pc, ES, access)
    assert (read_faults(pc, ES, 0, 4) is None) == readable
    assert (write_faults(pc, ES, 0, 4) is None) == writable
    assert (write_faults(pc, ES, 0, 1) is None) == writable


def test_a_null_register_allows_nothing(pc: Pc) -> None:
    pc.cpu.segs[ES] = null_segment()
    assert read_faults(pc, ES, 0, 1) == "#GP(0x0000)"
    assert write_faults(pc, ES, 0, 4) == "#GP(0x0000)"


def test_code_cannot_be_written_through_cs(pc: Pc) -> None:
    assert write_faults(pc, CS, DATA, 4) == "#GP(0x0000)"
    assert read_faults(pc, CS, DATA, 4) is None


def test_alignment_is_checked_only_in_ring_3_with_am_and_ac(pc: Pc) -> None:
    pc.cpu.cr0 |= CR0_AM
    pc.enter_ring(3, 2 | AC)
    assert read_faults(pc, DS, DATA + 1, 4) == "#AC(0x0000)"
    assert write_faults(pc, DS, DATA + 1, 2) == "#AC(0x0000)"
    assert read_faults(pc, DS, DATA + 1, 1) is None
    pc.cpu.eflags = 2
    assert read_faults(pc, DS, DATA + 1, 4) is None
    pc.enter_ring(1, 2 | AC)
    assert read_faults(pc, DS, DATA + 1, 4) is None


def test_a_sixteen_bit_stack_wraps_at_64_kib_and_keeps_the_upper_half_of_esp(pc: Pc) -> None:
    use(pc, SS, DATA_ACCESS, 0xFFFF, DATA, flags=0)
    pc.cpu.regs[ESP] = 0x1234_0002
    pc.cpu.push(2, 0xAAAA)
    pc.cpu.push(2, 0xBBBB)
    assert pc.cpu.regs[ESP] == 0x1234_FFFE
    assert (pc.memory.read16(DATA), pc.memory.read16(DATA + 0xFFFE)) == (0xAAAA, 0xBBBB)
    assert (pc.cpu.top(2), pc.cpu.top(2, 2)) == (0xBBBB, 0xAAAA)
    pc.cpu.drop(4)
    assert pc.cpu.regs[ESP] == 0x1234_0002


def test_pushing_several_values_is_all_or_nothing(pc: Pc) -> None:
    use(pc, SS, 0x97, 0xFF7, DATA)
    pc.cpu.regs[ESP] = 0x1000
    pc.memory.write_bytes(DATA + 0xFF0, b"unchanged bytes!")
    with pytest.raises(Fault, match=r"#SS\(0x0000\)"):
        pc.cpu.push_all(4, [1, 2, 3])
    assert pc.cpu.regs[ESP] == 0x1000
    assert pc.memory.read_bytes(DATA + 0xFF0, 16) == b"unchanged bytes!"
    pc.cpu.push_all(4, [1, 2])
    assert (pc.cpu.top(4), pc.cpu.top(4, 4)) == (2, 1)
