"""Descriptors, selectors and flags one ring down: no byte of the VMM's region is ever within reach."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa.descriptors import Segment, flat_code, flat_data, null_segment
from teachvm.isa.flags import IF, IOPL_MASK
from teachvm.vmm.deprivilege import (
    data_register,
    deprivileged,
    empty_segment,
    hardware_flags,
    hardware_selector,
    shadow_descriptor,
    virtual_flags,
    virtual_selector,
)
from teachvm.vmm.region import VMM_BASE

raw_descriptors = st.binary(min_size=8, max_size=8)


def reaches_the_region(segment: Segment) -> bool:
    offsets = segment.valid_range
    if not offsets:
        return False
    first, last = segment.base + offsets[0], segment.base + offsets[-1]
    # Linear addresses wrap at 4 GiB; the region is the end of each turn.
    return any(first <= turn + 0xFFFF_FFFF and last >= turn + VMM_BASE for turn in (0, 1 << 32))


@given(raw_descriptors)
def test_no_present_shadow_descriptor_reaches_the_vmm_or_has_its_privilege(raw: bytes) -> None:
    for in_kernel in (True, False):
        held = Segment.unpack(0, shadow_descriptor(raw, in_kernel=in_kernel))
        if held.present:
            assert not held.is_system
            assert held.dpl > 0
            assert held.accessed
            assert not reaches_the_region(held)


@given(raw_descriptors)
def test_what_can_be_read_through_a_shadow_descriptor_could_be_read_through_the_guest_s(raw: bytes) -> None:
    virtual, held = Segment.unpack(0, raw), Segment.unpack(0, shadow_descriptor(raw, in_kernel=False))
    if held.present:
        assert held.base == virtual.base
        assert held.limit <= virtual.limit or held.expand_down
        assert held.type == virtual.type


@given(raw_descriptors, st.sampled_from((0, 3)))
def test_a_data_register_never_reaches_the_vmm(raw: bytes, cpl: int) -> None:
    virtual = Segment.unpack(0x20, raw)
    assert not reaches_the_region(data_register(virtual, cpl))


def test_a_flat_segment_ends_below_the_region() -> None:
    held = deprivileged(flat_data(0x10))
    assert held is not None
    assert (held.base, held.limit, held.dpl) == (0, VMM_BASE - 1, 1)
    assert deprivileged(flat_data(0x23, 3)) == Segment(0x23, 0, VMM_BASE - 1, flat_data(0x23, 3).access)


def test_a_segment_that_begins_in_the_region_is_none() -> None:
    assert deprivileged(Segment(8, VMM_BASE, 0xFFF, flat_data(8).access)) is None
    assert data_register(Segment(8, VMM_BASE, 0xFFF, flat_data(8).access), 0) == empty_segment(8, 1)


def test_an_expand_down_segment_cannot_be_cut_at_the_top() -> None:
    access = flat_data(8).access | 4
    assert deprivileged(Segment(8, 0, 0x1FFF, access)) is None
    assert deprivileged(Segment(8, 0x2000, 0xFFFF_FFFF, access)) is not None


def test_an_empty_segment_has_no_valid_offset() -> None:
    assert not empty_segment(0x10, 1).contains(0, 1)
    assert not empty_segment(0x10, 1).contains(0xFFFF_FFFF, 1)


def test_user_code_is_hidden_while_the_kernel_runs() -> None:
    user = flat_code(0x1B, 3).pack()
    assert not Segment.unpack(0, shadow_descriptor(user, in_kernel=True)).present
    assert Segment.unpack(0, shadow_descriptor(user, in_kernel=False)).present
    kernel = flat_code(0x08).pack()
    assert Segment.unpack(0, shadow_descriptor(kernel, in_kernel=True)).present


def test_null_stays_null() -> None:
    assert data_register(null_segment(), 0) == null_segment()
    assert shadow_descriptor(bytes(8), in_kernel=True) == bytes(8)


@given(st.integers(0, 0x3F_FFFF), st.integers(0, 0x3F_FFFF))
def test_flags_go_into_the_hardware_and_come_back_as_the_guest_means_them(virtual: int, changed: int) -> None:
    hardware = hardware_flags(virtual)
    assert hardware & IF
    assert not hardware & IOPL_MASK
    assert virtual_flags(hardware, virtual) == virtual
    assert virtual_flags(hardware_flags(changed), virtual) & (IF | IOPL_MASK) == virtual & (IF | IOPL_MASK)


def test_the_low_bits_of_cs_and_ss_are_the_real_ring() -> None:
    assert hardware_selector(0x08, 0) == 0x09
    assert hardware_selector(0x1B, 3) == 0x1B
    assert virtual_selector(0x09) == 0x08
    assert virtual_selector(0x1B) == 0x1B
