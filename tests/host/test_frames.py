"""Who owns a frame: one record each, never two owners."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.host.frames import FREE, FrameTable, OutOfFramesError, Owner, OwnerKind

ALPHA = Owner(OwnerKind.VM, "alpha")
GDT = Owner(OwnerKind.VMM, "alpha", "GDT")


def test_the_lowest_free_frames_go_first() -> None:
    table = FrameTable(16)
    assert table.allocate(GDT) == [0]
    assert table.allocate(ALPHA, 3, first_number=0) == [1, 2, 3]
    table.release(2)
    assert table.allocate(GDT) == [2]
    assert table.allocate(GDT, 2, start=9) == [9, 10]


def test_a_frame_says_whose_it_is() -> None:
    table = FrameTable(8)
    table.allocate(GDT)
    table.allocate(ALPHA, 2, first_number=5)
    assert [table.describe(hfn) for hfn in range(4)] == ["vmm:alpha:GDT", "vm:alpha:5", "vm:alpha:6", "free"]
    assert table.owner(2) == ALPHA
    assert table.number(2) == 6
    assert table.number(0) is None
    assert list(table.owned_by(ALPHA)) == [(1, 5), (2, 6)]
    assert list(table.owned_by(Owner(OwnerKind.VM, "beta"))) == []
    assert table.counts() == {FREE: 5, GDT: 1, ALPHA: 2}


def test_asking_for_too_many_takes_none() -> None:
    table = FrameTable(4)
    with pytest.raises(OutOfFramesError, match=r"vm:alpha asks for 5 frames from 0x0 on; 4 are free"):
        table.allocate(ALPHA, 5)
    with pytest.raises(OutOfFramesError):
        table.allocate(ALPHA, 2, start=3)
    assert table.free_count == 4


def test_a_free_frame_cannot_be_freed() -> None:
    with pytest.raises(ValueError, match="free already"):
        FrameTable(4).release(1)


@given(st.lists(st.one_of(st.integers(1, 5), st.integers(-16, -1)), max_size=30))
def test_records_and_free_list_agree_after_any_sequence(steps: list[int]) -> None:
    table = FrameTable(16)
    for step in steps:
        if step > 0 and step <= table.free_count:
            table.allocate(ALPHA, step, first_number=0)
        elif step < 0 and table.owner(-step - 1) is not FREE:
            table.release(-step - 1)
    free = [hfn for hfn in range(16) if table.owner(hfn) == FREE]
    assert table.free_count == len(free)
    table.restored()
    assert table.free_count == len(free)
    if free:
        assert table.allocate(GDT) == free[:1]
