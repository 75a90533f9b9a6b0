"""Descriptors, gates, selectors and the TSS: packed, unpacked, and read as the manual reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa import descriptors as d
from teachvm.isa.descriptors import Gate, Segment, Selector, TableRegister

selectors = st.integers(0, 0xFFFF)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    access = draw(st.integers(0, 0xFFFF)) & d.ATTRIBUTES
    field = draw(st.integers(0, 0xFFFFF))
    limit = field << 12 | 0xFFF if access & d.G_BIT else field
    return Segment(draw(selectors), draw(st.integers(0, 0xFFFFFFFF)), limit, access)


@given(segments())
def test_a_segment_survives_packing(segment: Segment) -> None:
    assert Segment.unpack(segment.selector, segment.pack()) == segment


@given(st.binary(min_size=8, max_size=8))
def test_any_eight_bytes_survive_unpacking(raw: bytes) -> None:
    assert Segment.unpack(0, raw).pack() == raw


@given(st.binary(min_size=8, max_size=8))
def test_a_gate_survives_unpacking_but_for_reserved_bits(raw: bytes) -> None:
    gate = Gate.unpack(raw)
    if gate is not None:
        assert Gate.unpack(gate.pack()) == gate


@given(selectors)
def test_a_selector_is_its_three_parts(value: int) -> None:
    assert Selector.of(value).value == value


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFF))
def test_a_table_register_survives_packing(base: int, limit: int) -> None:
    register = TableRegister(base, limit)
    assert len(register.pack()) == 6
    assert TableRegister.unpack(register.pack()) == register


def test_the_flat_descriptors_are_the_ones_every_kernel_writes() -> None:
    code, data = d.flat_code(0x08), d.flat_data(0x10)
    assert code.pack().hex() == "ffff0000009bcf00"
    assert data.pack().hex() == "ffff00000093cf00"
    assert d.flat_code(0x1B, dpl=3).pack().hex() == "ffff000000fbcf00"
    assert code.is_code
    assert code.readable
    assert not code.writable
    assert data.writable
    assert data.limit == 0xFFFFFFFF


def test_base_and_limit_are_gathered_from_their_pieces() -> None:
    segment = Segment.unpack(0x23, bytes.fromhex("4523bc9a78f24112"))
    assert segment.base == 0x12789ABC
    assert segment.limit == 0x12345
    assert segment.dpl == 3
    assert segment.rpl == 3
    assert segment.big
    assert not segment.granular


@pytest.mark.parametrize(
    ("offset", "size", "inside"),
    [(0, 1, True), (0xFFF, 1, True), (0xFFD, 4, False), (0xFFC, 4, True), (0x1000, 1, False), (0xFFFFFFFF, 4, False)],
)
def test_a_limit_is_the_last_valid_byte(offset: int, size: int, inside: bool) -> None:
    assert Segment(8, 0, 0xFFF, d.access_word(type_=d.WRITABLE, granular=False)).contains(offset, size) is inside


@pytest.mark.parametrize(
    ("offset", "size", "inside"),
    [(0xFFF, 1, False), (0x1000, 1, True), (0xFFFFFFFC, 4, True), (0xFFFFFFFD, 4, False)],
)
def test_an_expand_down_segment_is_valid_above_its_limit(offset: int, size: int, inside: bool) -> None:
    access = d.access_word(type_=d.WRITABLE | d.EXPAND_DOWN, granular=False)
    segment = Segment(8, 0, 0xFFF, access)
    assert segment.expand_down
    assert segment.contains(offset, size) is inside
    assert (offset in segment.valid_range) is (segment.contains(offset, 1))


def test_a_small_expand_down_segment_ends_at_64_kib() -> None:
    access = d.access_word(type_=d.WRITABLE | d.EXPAND_DOWN, granular=False, big=False)
    assert not Segment(8, 0, 0xFFF, access).contains(0x10000, 1)


def test_a_null_selector_ignores_its_rpl() -> None:
    assert [d.is_null(value) for value in (0, 1, 2, 3, 4, 8)] == [True, True, True, True, False, False]
    assert not d.null_segment().present


def test_conforming_is_a_property_of_code_only() -> None:
    assert Segment(8, 0, 0, d.access_word(type_=d.CODE | d.EXPAND_DOWN)).conforming
    assert not Segment(8, 0, 0, d.access_word(type_=d.EXPAND_DOWN)).conforming
    assert not Segment(8, 0, 0, d.access_word(type_=d.CODE)).readable


def test_a_system_descriptor_is_neither_code_nor_data() -> None:
    tss = Segment(0x28, 0x1000, 0x67, d.access_word(type_=d.TSS_32, s=False, big=False, granular=False))
    assert tss.is_system
    assert not tss.is_code
    assert not tss.is_data
    assert d.SYSTEM_TYPE_NAMES[tss.type] == "TSS"
    assert tss.pack().hex() == "6700001000890000"


def test_an_interrupt_gate_has_the_bytes_of_every_idt() -> None:
    gate = Gate(0x08, 0x12345678, d.INTERRUPT_GATE_32, dpl=3)
    assert gate.pack().hex() == "7856080000ee3412"
    assert gate.is_32
    assert gate.clears_if
    assert not Gate(0x08, 0, d.TRAP_GATE_32, 0).clears_if


def test_a_16_bit_gate_has_a_16_bit_offset() -> None:
    gate = Gate.unpack(bytes.fromhex("785608000086ffff"))
    assert gate is not None
    assert gate.offset == 0x5678
    assert not gate.is_32


@pytest.mark.parametrize("raw", ["ffff0000009bcf00", "6700001000890000", "0000000000008000"])
def test_what_is_no_gate_unpacks_to_none(raw: str) -> None:
    assert Gate.unpack(bytes.fromhex(raw)) is None


def test_the_tss_keeps_a_stack_for_each_inner_ring() -> None:
    assert [d.tss_esp(ring) for ring in range(3)] == [0x04, 0x0C, 0x14]
    assert [d.tss_ss(ring) for ring in range(3)] == [0x08, 0x10, 0x18]
    assert d.tss_16_sp(0) == 2
    assert d.TSS_IO_MAP == d.TSS_SIZE - 2
