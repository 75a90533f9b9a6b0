"""Events as they are kept: noted when they happen, made when somebody reads them, since most are never looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

E = TypeVar("E")
Note = tuple[int, int, int, int, dict[str, Any]]
"""An event not made yet: the number of its class, `n` and phase of its moment, host cycles, and its fields.

All of them are plain values, so that Python's collector, which may run at any moment, need not look at old notes.
"""


class Kept(Generic[E]):
    """A list of events, of which some are only noted.

    Attributes:
        items: Events and notes; append here.
    """

    __slots__ = ("_kinds", "_make", "items")

    def __init__(
        self, make: Callable[[Note], E], kinds: Sequence[type[E]], items: list[E | Note] | None = None
    ) -> None:
        """Begin with some items, or none.

        Args:
            make: Makes an event from its note.
            kinds: The classes of events, by number.
            items: The first ones.
        """
        self._make = make
        self._kinds = kinds
        self.items: list[E | Note] = [] if items is None else items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[E]:
        return (self[index] for index in range(len(self.items)))

    @overload
    def __getitem__(self, index: int) -> E: ...

    @overload
    def __getitem__(self, index: slice) -> list[E]: ...

    def __getitem__(self, index: int | slice) -> E | list[E]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self.items))[index]]
        item = self.items[index]
        if isinstance(item, tuple):
            item = self.items[index] = self._make(item)
        return item

    def __delitem__(self, index: slice) -> None:
        del self.items[index]

    def part(self, stop: int) -> Kept[E]:
        """The first `stop` of them."""
        return Kept(self._make, self._kinds, self.items[:stop])

    def is_a(self, index: int, kind: type[Any] | tuple[type[Any], ...]) -> bool:
        """Whether an event is of a class, without making it."""
        item = self.items[index]
        if isinstance(item, tuple):
            return issubclass(self._kinds[item[0]], kind)
        return isinstance(item, kind)
