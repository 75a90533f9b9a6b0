"""Translation beyond the measured table: order, phases, page-crossing accesses, control registers."""

import pytest

from teachvm.isa.control import CR0_NW, CR0_PE, CR0_PG, CR0_WP, CR4_PSE
from teachvm.isa.paging import A, D
from teachvm.machine.events import PageWalked, TlbFlushed, WalkReferenced
from teachvm.machine.exceptions import CpuStopped, Fault, StopReason
from teachvm.machine.mmu import Access
from teachvm.trace.events import Event
from teachvm.trace.recorder import PhaseReached
from tests.machine.pc import DATA, DIRECTORY, TABLE, Pc


@pytest.fixture
def pc() -> Pc:
    pc = Pc()
    pc.identity_paging()
    return pc


def walks(pc: Pc) -> list[tuple[str, int]]:
    return [(event.level, event.entry_address) for event in pc.recorder.log.of(WalkReferenced)]


def test_a_walk_references_directory_then_table_and_then_the_tlb_serves(pc: Pc) -> None:
    pc.cpu.read_linear(DATA, 4)
    assert walks(pc) == [("pde", DIRECTORY), ("pte", TABLE + 4 * (DATA >> 12))]
    pc.cpu.read_linear(DATA + 8, 4)
    assert len(walks(pc)) == 2
    walked = list(pc.recorder.log.of(PageWalked))
    assert len(walked) == 1
    assert (walked[0].linear, walked[0].access, walked[0].user, walked[0].frame, walked[0].error) == (
        DATA, "read", False, DATA, None,
    )  # fmt: skip
    assert [step[0] for step in walked[0].steps] == ["pde", "pte"]


def test_a_walk_that_fails_tells_its_error_and_is_not_remembered(pc: Pc) -> None:
    pc.set_page(DATA, 0)
    for _ in range(2):
        with pytest.raises(Fault, match="#PF"):
            pc.cpu.read_linear(DATA + 5, 1, True)
    walked = list(pc.recorder.log.of(PageWalked))
    assert [(event.frame, event.error) for event in walked] == [(None, 4), (None, 4)]
    assert pc.cpu.tlb is not None
    assert pc.cpu.tlb.resident() == ()


@pytest.mark.parametrize(("phase", "accessed"), [(1, (False, False)), (2, (True, False))])
def test_stopping_inside_a_walk_shows_what_the_walker_has_done_so_far(
    pc: Pc, phase: int, accessed: tuple[bool, bool]
) -> None:
    pc.memory.write32(DIRECTORY, TABLE | 7)

    def there(event: Event) -> bool:
        return event.at.phase == phase

    pc.recorder.stop_when = there
    with pytest.raises(PhaseReached):
        pc.cpu.read_linear(DATA, 4)
    assert (bool(pc.memory.read32(DIRECTORY) & A), bool(pc.page(DATA) & A)) == accessed


def test_a_first_write_through_a_clean_entry_walks_again(pc: Pc) -> None:
    pc.cpu.read_linear(DATA, 4)
    pc.cpu.write_linear(DATA, 4, 1)
    assert len(walks(pc)) == 4
    assert pc.page(DATA) & (A | D) == A | D
    pc.cpu.write_linear(DATA, 4, 2)
    assert len(walks(pc)) == 4


def test_a_stale_dirty_entry_writes_without_setting_d_again(pc: Pc) -> None:
    pc.cpu.write_linear(DATA, 4, 1)
    pc.memory.write32(TABLE + 4 * (DATA >> 12), DATA | 7)
    pc.cpu.write_linear(DATA, 4, 2)
    assert not pc.page(DATA) & D


def test_a_fault_on_a_write_through_a_clean_entry_drops_it(pc: Pc) -> None:
    pc.cpu.read_linear(DATA, 4)
    pc.memory.write32(TABLE + 4 * (DATA >> 12), 0)
    assert pc.cpu.read_linear(DATA, 4) == 0, "still served"
    with pytest.raises(Fault):
        pc.cpu.write_linear(DATA, 4, 1)
    with pytest.raises(Fault):
        pc.cpu.read_linear(DATA, 4)


def test_user_and_supervisor_share_an_entry_but_not_its_rights(pc: Pc) -> None:
    pc.set_page(DATA, DATA | 3)
    pc.cpu.read_linear(DATA, 4)
    with pytest.raises(Fault) as caught:
        pc.cpu.read_linear(DATA, 4, True)
    assert caught.value.error == 5
    pc.cpu.cpl = 3
    with pytest.raises(Fault):
        pc.cpu.read32(3, DATA)
    pc.cpu.cpl = 1
    assert pc.cpu.read32(3, DATA) == 0


@pytest.mark.parametrize("missing", [0, 1])
def test_an_access_across_two_pages_faults_at_the_first_byte_it_cannot_have(pc: Pc, missing: int) -> None:
    pc.memory.write_bytes(DATA + 0xFFC, b"unchanged")
    pc.set_page(DATA + 0x1000 * missing, 0)
    where = DATA + 0xFFE
    for attempt in (
        lambda: pc.cpu.read_linear(where, 4),
        lambda: pc.cpu.write_linear(where, 4, 0xFFFF_FFFF),
        lambda: pc.cpu.read_for_write(3, where, 4),
        lambda: pc.cpu.probe_linear(where, 8),
    ):
        with pytest.raises(Fault) as caught:
            attempt()
        assert caught.value.cr2 == (DATA + 0x1000 if missing else where)
    assert pc.memory.read_bytes(DATA + 0xFFC, 9) == b"unchanged"


def test_an_access_across_two_pages_uses_both_frames(pc: Pc) -> None:
    pc.set_page(DATA + 0x1000, 0x30_0000 | 7)
    pc.cpu.write_linear(DATA + 0xFFF, 4, 0x4433_2211)
    assert (pc.memory.read8(DATA + 0xFFF), pc.memory.read_bytes(0x30_0000, 3)) == (0x11, b"\x22\x33\x44")
    assert pc.cpu.read_linear(DATA + 0xFFF, 4) == 0x4433_2211


def test_the_last_linear_address_wraps_to_the_first(pc: Pc) -> None:
    pc.memory.write32(DIRECTORY + 4 * 1023, TABLE | 7)
    pc.memory.write32(TABLE + 4 * 1023, 0x30_0000 | 7)
    pc.cpu.write_linear(0xFFFF_FFFF, 2, 0xBBAA)
    assert (pc.memory.read8(0x30_0FFF), pc.memory.read8(0)) == (0xAA, 0xBB)


def test_loading_cr3_flushes_and_says_so(pc: Pc) -> None:
    pc.cpu.read_linear(DATA, 4)
    pc.cpu.write_cr3(DIRECTORY)
    flushed = list(pc.recorder.log.of(TlbFlushed))[-1]
    assert (flushed.cause, flushed.entries) == ("cr3", 1)
    pc.cpu.read_linear(DATA, 4)
    assert len(walks(pc)) == 4


def test_changing_write_protect_keeps_the_tlb_but_changes_what_it_allows(pc: Pc) -> None:
    pc.set_page(DATA, DATA | 5)
    pc.cpu.write32(3, DATA, 1)
    pc.cpu.write_cr0(pc.cpu.cr0 | CR0_WP)
    assert pc.cpu.tlb is not None
    assert pc.cpu.tlb.resident()
    with pytest.raises(Fault) as caught:
        pc.cpu.write32(3, DATA, 2)
    assert caught.value.error == 3


def test_turning_page_size_extension_on_flushes(pc: Pc) -> None:
    pc.cpu.read_linear(DATA, 4)
    pc.cpu.write_cr4(CR4_PSE)
    assert pc.cpu.tlb is not None
    assert pc.cpu.tlb.resident() == ()


@pytest.mark.parametrize("value", [CR0_PG, CR0_PE | CR0_NW], ids=["PG without PE", "NW without CD"])
def test_an_impossible_cr0_is_refused(value: int) -> None:
    pc = Pc()
    with pytest.raises(Fault, match=r"#GP\(0x0000\)"):
        pc.cpu.write_cr0(value)
    assert pc.cpu.cr0 & CR0_PE


def test_a_reserved_bit_of_cr4_is_refused(pc: Pc) -> None:
    with pytest.raises(Fault, match="#GP"):
        pc.cpu.write_cr4(1 << 5)
    assert pc.cpu.cr4 == 0


def test_leaving_protected_mode_ends_the_cpu_and_says_why(pc: Pc) -> None:
    with pytest.raises(CpuStopped, match="real-address mode"):
        pc.cpu.write_cr0(pc.cpu.cr0 & ~(CR0_PE | CR0_PG))
    assert pc.cpu.stopped is StopReason.REAL_MODE


def test_residence_follows_the_tlb_and_not_what_was_looked_up_fast(pc: Pc) -> None:
    assert not pc.cpu.resident(DATA, Access.READ, False)
    pc.cpu.read32(3, DATA)
    assert pc.cpu.resident(DATA, Access.READ, False)
    assert not pc.cpu.resident(DATA, Access.WRITE, False), "D is not set"
    pc.cpu.restored()
    assert pc.cpu.resident(DATA, Access.READ, False)
