"""State declared once: capture, restore, digest and difference all derive from one registry.

A class names its state in `STATE` and everything else it holds (wiring, caches) in `DERIVED`. Values of state are
immutable (int, str, bytes, bool, None, Enum, tuple, frozen dataclass) or one list, dict, set, deque or bytearray of
such values, which is captured by value and restored in place, so that references to the container stay good.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import is_
from typing import Any, ClassVar, Protocol

Value = Any
Capture = tuple[tuple[Value, ...], ...]
"""One tuple per registered thing, in order of registration; one value per name in its `STATE`."""

LARGE = 64
"""Items, or bytes, from which on a value is worth sharing between captures."""
ITEM_BYTES = 64
"""What an item of a captured container takes, about."""


class Stateful(Protocol):
    """A thing whose state takes part in checkpoints, digests and saves."""

    STATE: ClassVar[tuple[str, ...]]
    DERIVED: ClassVar[tuple[str, ...]]


class Registry:
    """All state of one world, by path; the only list of it there is."""

    def __init__(self) -> None:
        self._things: dict[str, Stateful] = {}

    def add(self, path: str, thing: Stateful) -> None:
        """Register a thing under a dotted path such as `host.cpu0`.

        Raises:
            ValueError: The path is taken.
        """
        if path in self._things:
            raise ValueError(f"{path} is registered twice")
        self._things[path] = thing

    def items(self) -> Iterator[tuple[str, Stateful]]:
        """Registered things with their paths, in order of registration."""
        yield from self._things.items()

    def capture(self, previous: Capture | None = None) -> Capture:
        """The value of all state, detached from the things: nothing done later changes it.

        Args:
            previous: A capture taken before; large values that are the same as there are shared with it.
        """
        capture = tuple(
            tuple([_freeze(getattr(thing, name)) for name in thing.STATE]) for thing in self._things.values()
        )
        if previous is None:
            return capture
        return tuple(
            tuple([old if _is_same(new, old) else new for new, old in zip(now, then, strict=True)])
            for now, then in zip(capture, previous, strict=True)
        )

    def restore(self, capture: Capture) -> None:
        """Give everything the state it had when `capture` was taken; containers keep their identity."""
        for thing, values in zip(self._things.values(), capture, strict=True):
            for name, value in zip(thing.STATE, values, strict=True):
                _thaw_into(thing, name, value)
        for thing in self._things.values():
            restored = getattr(thing, "restored", None)
            if restored is not None:
                restored()

    def differences(self, before: Capture, after: Capture) -> Iterator[tuple[str, Value, Value]]:
        """Paths of state that differ between two captures, with both values."""
        for (path, thing), old, new in zip(self._things.items(), before, after, strict=True):
            for name, was, now in zip(thing.STATE, old, new, strict=True):
                if was != now:
                    yield f"{path}.{name}", was, now

    def digest_into(self, sink: hashlib.blake2b) -> None:
        """Feed all state to a hash, in a form equal in every process and Python version."""
        for path, thing in self._things.items():
            for name in thing.STATE:
                sink.update(f"{path}.{name}=".encode())
                sink.update(encode(_freeze(getattr(thing, name))))


def _freeze(value: Value) -> Value:
    kind = type(value)
    if kind is int or kind is tuple:
        return value
    if kind is list or kind is deque:
        return tuple(value)
    if kind is dict:
        return tuple(value.items())
    if kind is set:
        return frozenset(value)
    if kind is bytearray:
        return bytes(value)
    return value


def _thaw_into(thing: Stateful, name: str, value: Value) -> None:
    current = getattr(thing, name)
    match current:
        case list():
            current[:] = value
        case bytearray():
            current[:] = value
        case dict() | set() | deque():
            current.clear()
            if isinstance(current, deque):
                current.extend(value)
            else:
                current.update(value)
        case _:
            setattr(thing, name, value)


def _is_same(value: Value, other: Value) -> bool:
    """Whether two values are large and interchangeable. Items are the same by identity: 1 and True are only equal."""
    if type(value) is bytes:
        return len(value) >= LARGE and value == other
    if type(value) is not tuple or len(value) < LARGE or type(other) is not tuple or len(other) != len(value):
        return False
    return all(map(is_, value, other))


def new_bytes(capture: Capture, previous: Capture | None) -> int:
    """Roughly how many bytes a capture's large values take, but for those shared with another capture."""
    values = [value for values in capture for value in values]
    others = [None] * len(values) if previous is None else [value for values in previous for value in values]
    return sum(
        len(value) * (1 if type(value) is bytes else ITEM_BYTES)
        for value, other in zip(values, others, strict=True)
        if value is not other and type(value) in (bytes, tuple) and len(value) >= LARGE
    )


def encode(value: Value) -> bytes:
    """Canonical bytes of a state value: equal values give equal bytes in every process.

    Raises:
        TypeError: The value is not of a kind allowed in state.
    """
    match value:
        case None:
            return b"N;"
        case bool():
            return b"T;" if value else b"F;"
        case Enum():
            return f"E{type(value).__name__}.{value.name};".encode()
        case int():
            return b"i%d;" % value
        case str():
            return _sized(b"s", value.encode())
        case bytes():
            return _sized(b"b", value)
        case tuple():
            return _sized(b"t", b"".join(encode(item) for item in value))
        case frozenset():
            return _sized(b"f", b"".join(sorted(encode(item) for item in value)))
        case _ if is_dataclass(value) and not isinstance(value, type):
            body = b"".join(encode(getattr(value, field.name)) for field in fields(value))
            return _sized(b"d" + type(value).__name__.encode(), body)
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be state")


def _sized(tag: bytes, body: bytes) -> bytes:
    return tag + b"%d:" % len(body) + body
