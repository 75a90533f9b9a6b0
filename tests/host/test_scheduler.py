"""Round robin: each in turn, nobody forgotten, and no quantum without a competitor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.host.scheduler import RoundRobin


def queue(*names: str, quantum: int = 100) -> RoundRobin:
    scheduler = RoundRobin(quantum)
    for name in names:
        scheduler.ready(name)
    return scheduler


def test_tenants_take_turns_of_one_quantum() -> None:
    scheduler = queue("a", "b", "c")
    order = [scheduler.pick(now) for now in (0, 50, 100, 150, 200, 300, 400)]
    assert order == ["a", "a", "b", "b", "c", "a", "b"]


def test_a_tenant_alone_has_no_slice_end() -> None:
    scheduler = queue("a")
    assert scheduler.pick(0) == "a"
    assert scheduler.slice_end is None
    assert scheduler.pick(10_000) == "a"
    scheduler.ready("b")
    assert scheduler.slice_end == 100
    assert scheduler.pick(10_001) == "b"
    assert scheduler.waiting == ("a",)


def test_a_blocked_tenant_is_passed_over_and_comes_back_at_the_end() -> None:
    scheduler = queue("a", "b", "c")
    assert scheduler.pick(0) == "a"
    scheduler.block("a")
    scheduler.block("b")
    assert scheduler.pick(1) == "c"
    scheduler.ready("a")
    scheduler.ready("a")
    assert scheduler.waiting == ("a",)
    scheduler.block("c")
    assert scheduler.pick(2) == "a"
    scheduler.block("a")
    assert scheduler.pick(3) is None


def test_the_change_of_tenants_is_not_on_the_new_one_s_account() -> None:
    scheduler = queue("a", "b")
    scheduler.pick(0)
    scheduler.start_slice(40)
    assert scheduler.slice_end == 140


def test_a_quantum_is_positive() -> None:
    with pytest.raises(ValueError, match="at least one cycle"):
        RoundRobin(0)


@given(
    st.lists(st.tuples(st.sampled_from(("ready", "block")), st.sampled_from("abcd"), st.integers(0, 300)), max_size=60)
)
def test_a_runnable_tenant_is_never_lost(steps: list[tuple[str, str, int]]) -> None:
    scheduler, runnable, now = queue(), set[str](), 0
    for verb, name, later in steps:
        now += later
        if verb == "ready":
            scheduler.ready(name)
            runnable.add(name)
        else:
            scheduler.block(name)
            runnable.discard(name)
        picked = scheduler.pick(now)
        assert (picked is None) == (not runnable)
        assert {picked, *scheduler.waiting} - {None} == runnable
        assert len(scheduler.waiting) == len(set(scheduler.waiting))
