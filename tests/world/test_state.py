"""State is declared once and completely: whatever a world holds is state, derived from it, or wiring."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import pytest

from teachvm.trace.events import Event, EventLog
from teachvm.trace.recorder import Recorder
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.world import World
from tests.world.kernels import BARE, TRANSLATE, TRAP, Sample, kernel, world

Setup = tuple[Technique, int]
SETUPS: list[Setup] = [(BARE, 1), (TRAP, 1), (TRAP, 2), (TRANSLATE, 1), (TRANSLATE, 2)]


@cache
def grown(setup: Setup) -> World:
    """A world that has run for a while, so that every container holds something; only looked at."""
    found = world(kernel([("program", 3), ("unmap", 1), ("say", 2), ("wait", 1)], 60, 30), *setup)
    Timeline(found).run(1_500)
    return found


def attributes(thing: object) -> set[str]:
    """Names of everything an object holds, in its dictionary and in slots."""
    slots = (name for kind in type(thing).__mro__ for name in _slots(kind))
    return {*getattr(thing, "__dict__", {}), *(name for name in slots if hasattr(thing, name))} - {"__dict__"}


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


@pytest.mark.parametrize("setup", SETUPS)
def test_every_attribute_of_everything_registered_is_declared_once(setup: Setup) -> None:
    for path, thing in grown(setup).registry.items():
        assert not set(thing.STATE) & set(thing.DERIVED), path
        assert len(set(thing.STATE)) == len(thing.STATE), path
        undeclared = attributes(thing) - {*thing.STATE, *thing.DERIVED}
        assert not undeclared, f"{path} ({type(thing).__name__}) holds {undeclared} and declares them nowhere"
        missing = {*thing.STATE, *thing.DERIVED} - attributes(thing)
        missing = {name for name in missing if not hasattr(type(thing), name)}
        assert not missing, f"{path} ({type(thing).__name__}) declares {missing} and does not have them"


def immutable(value: Any) -> bool:
    match value:
        case None | bool() | int() | str() | bytes() | Enum():
            return True
        case tuple() | frozenset():
            return all(map(immutable, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            frozen = type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]  # every dataclass has it
            return bool(frozen) and all(immutable(getattr(value, field.name)) for field in fields(value))
        case _:
            return False


@pytest.mark.parametrize("setup", SETUPS)
def test_every_value_of_state_is_of_an_allowed_kind(setup: Setup) -> None:
    for path, thing in grown(setup).registry.items():
        for name in thing.STATE:
            value = getattr(thing, name)
            match value:
                case dict():
                    assert all(immutable(key) and immutable(item) for key, item in value.items()), f"{path}.{name}"
                case list() | set() | deque():
                    assert all(map(immutable, value)), f"{path}.{name}"
                case bytearray():
                    pass
                case _:
                    assert immutable(value), f"{path}.{name} is {value!r}"


def reachable(root: object) -> Iterator[object]:
    """Every object of this project that can be reached from another."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | str | bytes | int | Enum | EventLog | Event):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            todo += list(thing)
        elif type(thing).__module__.startswith("teachvm."):
            yield thing
            todo += [getattr(thing, name) for name in attributes(thing)]
        elif hasattr(thing, "__self__"):
            todo.append(thing.__self__)  # a bound method, such as a device's line


@pytest.mark.parametrize("setup", SETUPS)
def test_everything_with_state_that_a_world_holds_is_registered(setup: Setup) -> None:
    subject = grown(setup)
    registered = {id(thing) for _, thing in subject.registry.items()}
    assert len(registered) == len(dict(subject.registry.items())), "something is registered under two paths"
    for thing in reachable(subject):
        if getattr(type(thing), "STATE", ()):
            assert id(thing) in registered, f"a {type(thing).__name__} is not registered"


@pytest.mark.parametrize("setup", SETUPS)
def test_what_is_not_registered_does_not_change_while_the_world_runs(setup: Setup) -> None:
    """It would be state nobody restores."""
    subject = world(kernel([("program", 3), ("unmap", 1), ("say", 2), ("wait", 1)], 60, 30), *setup)
    registered = {id(thing) for _, thing in subject.registry.items()}
    others = [
        thing
        for thing in reachable(subject)
        if id(thing) not in registered and not is_dataclass(thing) and type(thing).__name__ not in CACHES
    ]
    before = [_plain(thing) for thing in others]
    Timeline(subject).run(1_500)
    for thing, was in zip(others, before, strict=True):
        assert _plain(thing) == was, f"a {type(thing).__name__} changed"


CACHES = {"Conclusions", "EmulationRecorder", "Memory", "Recovery", "Tiers"}
"""Memory's contents are state by page; compiled code and what it was made from can be dropped; the way back from
translated code is made from the cache's fragments. The
recorder keeps in mind, until the unit is over, which handler was entered."""


def _plain(thing: object) -> dict[str, Any]:
    kinds = int | str | bytes | bool | tuple | None | bytearray | list | dict | set
    values = {name: getattr(thing, name) for name in attributes(thing)}
    return {name: repr(value) for name, value in values.items() if isinstance(value, kinds)}


def test_the_recorder_is_the_same_for_everything_in_a_world() -> None:
    subject = grown((TRAP, 2))
    recorders = {id(thing) for thing in reachable(subject) if type(thing) is Recorder}
    assert recorders == {id(subject.recorder)}


def test_two_worlds_of_one_specification_have_the_same_digest_after_the_same_steps() -> None:
    sample = Sample(guest="tinyos")
    one, other = (Timeline(world(sample, TRAP, 2)) for _ in range(2))
    for units in (0, 1, 50, 3_000):
        one.run(units)
        other.run(units)
        assert one.digest() == other.digest()


def test_worlds_that_differ_in_one_thing_have_different_digests() -> None:
    sample = Sample(guest="tinyos")
    digests = {Timeline(world(sample, technique, vms)).digest() for technique, vms in SETUPS}
    assert len(digests) == len(SETUPS)
