"""Page rights, error codes, A and D bits: 252 combinations as a bare-metal kernel measured them.

data/paging_pentium.txt was recorded by that kernel in QEMU 7.2 with `-cpu pentium`. Its last lines have cases of their
own below; the one where the table departs from the manual is named there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachvm.isa.control import CR0_PG, CR0_WP, CR4_PSE
from teachvm.isa.paging import PS, A, D
from tests.machine.pc import DONE, RAM_BYTES, Pc

ROWS = [
    line
    for line in (Path(__file__).parent / "data" / "paging_pentium.txt").read_text(encoding="ascii").splitlines()
    if line.startswith("WP=")
]
ROW = re.compile(
    r"WP=(?P<wp>\d) PDE=(?P<pde>...) PTE=(?P<pte>...) r(?P<ring>\d) (?P<access>rd|wr) "
    r"(?:ok|#14 err=(?P<error>\w+) cr2=(?P<cr2>\w+)) PDE.A=(?P<pde_a>\d) PTE.A=(?P<pte_a>\d) D=(?P<d>\d)"
)
BITS = {"P": 1, "W": 2, "U": 4, "-": 0, "r": 0, "s": 0}
READ = "mov eax, [0x40000000]\nint 0x30"
WRITE = "mov dword [0x40000800], 0x1234\nint 0x30"
TEST_DIRECTORY, TEST_TABLE, TEST_PAGE = 0x10_0000, 0x10_1000, 0x10_2000
SLOT = TEST_DIRECTORY + 4 * 256


def paged_pc(*, tlb: bool = True) -> Pc:
    """The first 4 MiB as one large page for everybody, and the page under test at 0x40000000."""
    pc = Pc(tlb=tlb)
    pc.memory.write32(TEST_DIRECTORY, 0x87)
    pc.cpu.write_cr4(CR4_PSE)
    pc.cpu.write_cr3(TEST_DIRECTORY)
    pc.cpu.write_cr0(pc.cpu.cr0 | CR0_PG)
    return pc


def rights(text: str) -> int:
    return sum(BITS[letter] for letter in text)


def map_page(pc: Pc, pde: int, pte: int) -> None:
    pc.memory.write32(SLOT, TEST_TABLE | pde)
    pc.memory.write32(TEST_TABLE, TEST_PAGE | pte)
    pc.cpu.write_cr3(TEST_DIRECTORY)


@pytest.mark.parametrize("tlb", [True, False], ids=["with a TLB", "walking always"])
def test_252_combinations_of_rights_ring_and_access_give_the_measured_result(tlb: bool) -> None:
    pc = paged_pc(tlb=tlb)
    checked = 0
    for row in ROWS:
        want = ROW.fullmatch(row)
        assert want is not None
        cr0 = pc.cpu.cr0 & ~CR0_WP | (CR0_WP if want["wp"] == "1" else 0)
        pc.cpu.write_cr0(cr0)
        map_page(pc, rights(want["pde"]), rights(want["pte"]))
        caught = pc.run(READ if want["access"] == "rd" else WRITE, int(want["ring"]))
        pde, pte = pc.memory.read32(SLOT), pc.memory.read32(TEST_TABLE)
        if want["error"] is None:
            assert caught.vector == DONE, row
        else:
            assert (caught.vector, caught.error, pc.cpu.cr2) == (14, int(want["error"], 16), int(want["cr2"], 16)), row
        got = (bool(pde & A), bool(pte & A), bool(pte & D))
        assert got == (want["pde_a"] == "1", want["pte_a"] == "1", want["d"] == "1"), row
        checked += 1
    assert checked == 252


def test_a_stale_translation_serves_reads_until_invlpg() -> None:
    pc = paged_pc()
    map_page(pc, 7, 7)
    assert pc.run(READ).vector == DONE
    pc.memory.write32(TEST_TABLE, 0)
    assert pc.run(READ).vector == DONE
    caught = pc.run("invlpg [0x40000000]\n" + READ)
    assert (caught.vector, caught.error) == (14, 0)


def test_a_page_made_writable_needs_no_flush_since_the_fault_walks_again() -> None:
    pc = paged_pc()
    map_page(pc, 7, 5)
    assert pc.run(READ, 3).vector == DONE
    pc.memory.write32(TEST_TABLE, TEST_PAGE | 7)
    assert pc.run(WRITE, 3).vector == DONE


def test_first_write_after_a_clean_read_sets_the_dirty_bit() -> None:
    pc = paged_pc()
    map_page(pc, 7, 7)
    pc.run(READ, 3)
    assert pc.memory.read32(TEST_TABLE) & (A | D) == 0x20
    pc.run(WRITE, 3)
    assert pc.memory.read32(TEST_TABLE) & (A | D) == 0x60


def test_a_write_through_a_large_page_marks_the_directory_entry() -> None:
    pc = paged_pc()
    pc.memory.write32(SLOT, 0x87)
    pc.cpu.write_cr3(TEST_DIRECTORY)
    before = pc.memory.read32(0x800)
    assert pc.run(WRITE, 3).vector == DONE
    assert pc.memory.read32(SLOT) & 0xFFF == 0xE7
    assert (before, pc.memory.read32(0x800)) == (0, 0x1234)


def test_a_reserved_bit_in_a_large_page_entry_reports_rsvd_together_with_p() -> None:
    # The recorded table says 0x0C here. The manual: RSVD is only ever set together with P.
    pc = paged_pc()
    pc.memory.write32(SLOT, 0x0020_0087)
    pc.cpu.write_cr3(TEST_DIRECTORY)
    caught = pc.run(READ, 3)
    assert (caught.vector, caught.error) == (14, 0x0D)


def test_without_cr4_pse_bit_7_of_a_directory_entry_is_ignored() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.memory.write32(0x2_0000 + 4 * 256, TEST_TABLE | 7 | PS)
    pc.memory.write32(TEST_TABLE, TEST_PAGE | 7)
    pc.memory.write32(TEST_PAGE, 0xC0FF_EE00)
    assert pc.run(READ, 3).vector == DONE
    assert pc.cpu.regs[0] == 0xC0FF_EE00


def test_memory_beyond_ram_reads_as_ones_through_a_mapping() -> None:
    pc = paged_pc()
    pc.memory.write32(SLOT, TEST_TABLE | 7)
    pc.memory.write32(TEST_TABLE, RAM_BYTES | 7)
    pc.cpu.write_cr3(TEST_DIRECTORY)
    assert pc.run(READ, 3).vector == DONE
    assert pc.cpu.regs[0] == 0xFFFF_FFFF
