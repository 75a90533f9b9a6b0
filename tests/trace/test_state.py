"""The registry: what is captured, restored, compared and hashed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from operator import is_
from typing import Any, ClassVar

import pytest

from teachvm.trace.state import Registry, encode, new_bytes


class Colour(Enum):
    """An enumeration used as a state value."""

    RED = 1


@dataclass(frozen=True, slots=True)
class Point:
    """A frozen value used as a state value."""

    x: int
    y: int


class Box:
    """A thing with one container of each kind."""

    STATE: ClassVar[tuple[str, ...]] = ("number", "items", "table", "names", "queue", "raw", "point", "colour")
    DERIVED: ClassVar[tuple[str, ...]] = ("restorations",)

    def __init__(self) -> None:
        self.number = 1
        self.items = [1, 2]
        self.table = {1: Point(1, 2)}
        self.names = {"b", "a"}
        self.queue = deque([3])
        self.raw = bytearray(b"xy")
        self.point = Point(0, 0)
        self.colour = Colour.RED
        self.restorations = 0

    def restored(self) -> None:
        self.restorations += 1


def test_restore_gives_back_values_and_keeps_the_identity_of_containers() -> None:
    box, registry = Box(), Registry()
    registry.add("box", box)
    held = (box.items, box.table, box.names, box.queue, box.raw)
    before = registry.capture()
    box.number, box.point = 9, Point(7, 7)
    box.items.append(5)
    box.table.clear()
    box.names.add("c")
    box.queue.popleft()
    box.raw[0] = 0
    assert {path for path, _, _ in registry.differences(before, registry.capture())} == {
        "box.number", "box.point", "box.items", "box.table", "box.names", "box.queue", "box.raw",
    }  # fmt: skip
    registry.restore(before)
    assert registry.capture() == before
    now = (box.items, box.table, box.names, box.queue, box.raw)
    assert all(map(is_, now, held))
    assert box.restorations == 1


def test_a_path_can_be_registered_once() -> None:
    registry = Registry()
    registry.add("box", Box())
    with pytest.raises(ValueError, match="box is registered twice"):
        registry.add("box", Box())


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, None), ("1", b"1"), ((1, (2,)), ((1, 2),)), (Point(1, 2), (1, 2)), (frozenset({1}), (1,))],
)
def test_different_values_have_different_canonical_bytes(one: Any, other: Any) -> None:
    assert encode(one) != encode(other)


def test_sets_encode_alike_in_any_order() -> None:
    assert encode(frozenset(["a", "b", "c"])) == encode(frozenset(["c", "b", "a"]))


def test_what_may_not_be_state_is_refused() -> None:
    with pytest.raises(TypeError, match="a object cannot be state"):
        encode(object())


def test_captures_share_large_values_that_did_not_change_and_no_others() -> None:
    box, registry = Box(), Registry()
    registry.add("box", box)
    box.raw[:] = bytes(range(200))
    box.items[:] = [1, 0] * 50
    first = registry.capture()
    second = registry.capture(first)
    assert second == first
    assert new_bytes(first, None) > 200
    assert new_bytes(second, first) == 0
    box.items[:] = [True, False] * 50  # equal to 1 and 0, and yet something else
    box.raw[7] = 0
    third = registry.capture(second)
    assert new_bytes(third, second) == new_bytes(first, None)
    assert third[0][1][0] is True
    registry.restore(second)
    assert registry.capture() == first
