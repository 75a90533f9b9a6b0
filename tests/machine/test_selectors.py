"""Loads of segment registers, LDTR and TR: which check comes with which vector and error code."""

import pytest

from teachvm.isa.descriptors import ACCESSED, TSS_32_BUSY
from teachvm.isa.operands import DS, ES, FS, SS
from tests.machine.pc import (
    DONE,
    FREE_SELECTOR,
    GDT,
    KERNEL_DATA,
    LDT_SELECTOR,
    RING1_DATA,
    SPARE_TSS,
    TABLE,
    USER_DATA,
    Pc,
    descriptor,
)

DATA_ACCESS, CODE_ACCESS = 0x92, 0x9A
GP, NP, STACK_FAULT = 13, 11, 12


@pytest.fixture
def pc() -> Pc:
    return Pc()


def load(pc: Pc, register: str, selector: int, ring: int = 0) -> tuple[int, int | None]:
    caught = pc.run(f"mov ecx, {selector}\nmov {register}, cx\nint 0x30", ring)
    return caught.vector, caught.error


@pytest.mark.parametrize(
    ("access", "selector", "ring", "outcome"),
    [
        pytest.param(DATA_ACCESS, 0x60, 0, (DONE, None), id="data of ring 0"),
        pytest.param(DATA_ACCESS, 0x63, 0, (GP, 0x60), id="RPL 3 asks for less than DPL 0"),
        pytest.param(DATA_ACCESS, 0x60, 3, (GP, 0x60), id="ring 3 may not use DPL 0"),
        pytest.param(DATA_ACCESS | 0x60, 0x63, 3, (DONE, None), id="data of ring 3"),
        pytest.param(DATA_ACCESS | 0x60, 0x60, 1, (DONE, None), id="an inner ring may use outer data"),
        pytest.param(DATA_ACCESS & ~0x80, 0x60, 0, (NP, 0x60), id="not present"),
        pytest.param(CODE_ACCESS, 0x60, 0, (DONE, None), id="readable code"),
        pytest.param(0x98, 0x60, 0, (GP, 0x60), id="execute-only code"),
        pytest.param(0x9E, 0x63, 3, (DONE, None), id="conforming code from anywhere"),
        pytest.param(0x82, 0x60, 0, (GP, 0x60), id="an LDT is no data"),
        pytest.param(DATA_ACCESS, 0x100, 0, (GP, 0x100), id="outside the GDT"),
        pytest.param(DATA_ACCESS, 0x64, 0, (GP, 0x64), id="outside the LDT"),
    ],
)
def test_loading_a_data_segment_register(
    pc: Pc, access: int, selector: int, ring: int, outcome: tuple[int, int | None]
) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, access, 0xC))
    assert load(pc, "ds", selector, ring) == outcome


@pytest.mark.parametrize(
    ("access", "selector", "ring", "outcome"),
    [
        pytest.param(DATA_ACCESS, 0x60, 0, (DONE, None), id="writable data of this ring"),
        pytest.param(DATA_ACCESS, 0, 0, (GP, 0), id="null"),
        pytest.param(DATA_ACCESS, 0x61, 0, (GP, 0x60), id="RPL differs from CPL"),
        pytest.param(DATA_ACCESS | 0x60, 0x60, 0, (GP, 0x60), id="DPL differs from CPL"),
        pytest.param(0x90, 0x60, 0, (GP, 0x60), id="read-only"),
        pytest.param(CODE_ACCESS, 0x60, 0, (GP, 0x60), id="code"),
        pytest.param(DATA_ACCESS & ~0x80, 0x60, 0, (STACK_FAULT, 0x60), id="not present"),
        pytest.param(DATA_ACCESS | 0x20, 0x61, 1, (DONE, None), id="ring 1"),
    ],
)
def test_loading_the_stack_segment_register(
    pc: Pc, access: int, selector: int, ring: int, outcome: tuple[int, int | None]
) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, access, 0xC))
    assert load(pc, "ss", selector, ring) == outcome


def test_a_null_selector_loads_and_only_its_use_faults(pc: Pc) -> None:
    caught = pc.run("mov ecx, 3\nmov es, cx\nmov eax, [es:0]")
    assert (caught.vector, caught.error) == (GP, 0)
    assert pc.cpu.segs[ES].selector == 3


def test_a_refused_load_leaves_the_register_alone(pc: Pc) -> None:
    before = pc.cpu.segs[DS]
    load(pc, "ds", 0x100)
    assert pc.cpu.segs[DS] == before


def test_a_load_sets_the_accessed_bit_in_the_table(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, DATA_ACCESS, 0xC))
    load(pc, "fs", FREE_SELECTOR)
    assert pc.memory.read8(GDT + FREE_SELECTOR + 5) == DATA_ACCESS | ACCESSED
    assert pc.cpu.segs[FS].accessed


def test_tables_are_read_with_supervisor_rights_even_from_ring_3(pc: Pc) -> None:
    pc.identity_paging()
    pc.memory.write32(TABLE + 4 * (GDT >> 12), GDT | 3)
    pc.cpu.flush_tlb("cr3")
    assert load(pc, "ds", USER_DATA, 3) == (DONE, None)


def test_a_table_that_is_not_mapped_gives_a_page_fault_of_the_processor_itself(pc: Pc) -> None:
    pc.identity_paging()
    pc.describe(LDT_SELECTOR, descriptor(0x30_0000, 15, 0x82, 0))
    pc.cpu.ldtr = pc.segment(LDT_SELECTOR)
    pc.set_page(0x30_0000, 0)
    caught = pc.run("mov ecx, 0x0f\nmov ds, cx", 3)
    assert (caught.vector, caught.error, pc.cpu.cr2) == (14, 0, 0x30_0008)


def test_a_local_descriptor_is_found_through_the_ldt(pc: Pc) -> None:
    pc.describe(0x04, descriptor(0x5000, 0xFF, DATA_ACCESS, 4))
    assert load(pc, "es", 0x04) == (DONE, None)
    assert (pc.cpu.segs[ES].base, pc.cpu.segs[ES].limit) == (0x5000, 0xFF)


def test_without_an_ldt_local_selectors_are_refused(pc: Pc) -> None:
    caught = pc.run("xor eax, eax\nlldt ax\nmov ecx, 4\nmov es, cx\nint 0x30")
    assert (caught.vector, caught.error) == (GP, 4)


@pytest.mark.parametrize(
    ("instruction", "selector", "outcome"),
    [
        ("lldt", KERNEL_DATA, (GP, KERNEL_DATA)),
        ("lldt", SPARE_TSS, (GP, SPARE_TSS)),
        ("lldt", 0x04, (GP, 0x04)),
        ("lldt", LDT_SELECTOR, (DONE, None)),
        ("ltr", 0, (GP, 0)),
        ("ltr", KERNEL_DATA, (GP, KERNEL_DATA)),
        ("ltr", LDT_SELECTOR, (GP, LDT_SELECTOR)),
        ("ltr", SPARE_TSS, (DONE, None)),
    ],
)
def test_loading_ldtr_and_tr(pc: Pc, instruction: str, selector: int, outcome: tuple[int, int | None]) -> None:
    caught = pc.run(f"mov ax, {selector}\n{instruction} ax\nint 0x30")
    assert (caught.vector, caught.error) == outcome


def test_loading_tr_makes_the_tss_busy_so_it_cannot_be_loaded_twice(pc: Pc) -> None:
    caught = pc.run(f"mov ax, {SPARE_TSS}\nltr ax\nltr ax\nint 0x30")
    assert (caught.vector, caught.error) == (GP, SPARE_TSS)
    assert pc.memory.read8(GDT + SPARE_TSS + 5) & 0xF == TSS_32_BUSY
    assert pc.cpu.tr.type == TSS_32_BUSY


def test_far_pointer_loads_set_segment_and_register_together_or_not_at_all(pc: Pc) -> None:
    source = "mov dword [0x18000], 0x12345678\nmov word [0x18004], {}\nlss edx, [0x18000]\nint 0x30"
    assert pc.run(source.format(KERNEL_DATA)).vector == DONE
    assert (pc.cpu.regs[2], pc.cpu.segs[SS].selector) == (0x1234_5678, KERNEL_DATA)
    caught = pc.run(source.format(RING1_DATA))
    assert (caught.vector, caught.error) == (GP, RING1_DATA & ~3)
    assert pc.cpu.regs[2] == 0


@pytest.mark.parametrize(
    ("access", "lar", "lsl", "verr", "verw"),
    [
        pytest.param(0x93, True, True, True, True, id="data"),
        pytest.param(0x91, True, True, True, False, id="read-only data"),
        pytest.param(0x99, True, True, False, False, id="execute-only code"),
        pytest.param(0x82, True, True, False, False, id="LDT"),
        pytest.param(0x8C, True, False, False, False, id="call gate"),
        pytest.param(0x8E, False, False, False, False, id="interrupt gate"),
        pytest.param(0x80, False, False, False, False, id="reserved type"),
        pytest.param(0x13, True, True, True, True, id="not present, which nobody asks about"),
    ],
)
def test_questions_answer_in_zf(pc: Pc, access: int, lar: bool, lsl: bool, verr: bool, verw: bool) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0x1234, 0xABCDE, access, 0xC))
    for name, wanted in (("lar ecx, ax", lar), ("lsl ecx, ax", lsl), ("verr ax", verr), ("verw ax", verw)):
        caught = pc.run(f"mov eax, {FREE_SELECTOR}\nmov ecx, 0x55\n{name}\nint 0x30")
        assert (caught.vector, bool(caught.eflags & 0x40)) == (DONE, wanted), name
        if name.startswith("la"):
            assert pc.cpu.regs[1] == (access << 8 | 0xC0_0000 if wanted else 0x55)
        if name.startswith("ls"):
            assert pc.cpu.regs[1] == (0xABCD_EFFF if wanted else 0x55)


def test_questions_about_null_or_missing_descriptors_answer_no(pc: Pc) -> None:
    for selector in (0, 3, 0x100, 0x1C):
        for name in ("lar ecx, ax", "lsl ecx, ax", "verr ax", "verw ax"):
            caught = pc.run(f"mov eax, {selector}\ncmp eax, eax\n{name}\nint 0x30")
            assert (caught.vector, caught.eflags & 0x40) == (DONE, 0)
