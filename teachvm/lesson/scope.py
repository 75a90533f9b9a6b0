"""What an expression may read: values and records of values, never an object of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

Scalar = int | str | bool | None


class Absent:
    """Something that does not exist at this moment, such as the page-table entry behind an absent directory entry.

    It is false, equals `none` only, and everything calculated with it is absent too.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class Record:
    """Named fields of one kind; a field is read when it is asked for, and cannot be set."""

    __slots__ = ("_readers", "kind")

    def __init__(self, kind: str, readers: Mapping[str, Callable[[], Value]]) -> None:
        self.kind = kind
        self._readers = readers

    def field(self, name: str) -> Value:
        """The value of a field, None where it has none now."""
        return self._readers[name]()


Value = Scalar | Record


class Scope(Protocol):
    """A world at the moment it is at, as expressions see it; reading it changes nothing."""

    def name(self, name: str) -> Value:
        """The value of a name of `names.NAMES`, or of a VM's name."""

    def call(self, function: str, positional: Sequence[Scalar], named: Mapping[str, Scalar]) -> Value:
        """The value of a function of `names.FUNCTIONS`; the arguments fit its parameters."""
