"""Who owns each frame of a host's memory: the one truth, from which every other map derives."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

FRAME_BYTES: Final = 4096
_RECORD: Final = struct.Struct("<II")
_NO_NUMBER: Final = 0xFFFF_FFFF


class OwnerKind(Enum):
    """What sort of thing a frame belongs to."""

    FREE = "free"
    HOST = "host"
    VM = "vm"
    VMM = "vmm"


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner of frames.

    Attributes:
        kind: The sort of owner.
        name: Whose: a VM's or a host's name; empty for free frames.
        purpose: What a VMM frame holds; empty for the others.
    """

    kind: OwnerKind
    name: str = ""
    purpose: str = ""

    def __str__(self) -> str:
        """Short form: `free`, `vm:alpha`, `vmm:alpha:GDT`."""
        return ":".join(part for part in (self.kind.value, self.name, self.purpose) if part)


FREE: Final = Owner(OwnerKind.FREE)


class OutOfFramesError(Exception):
    """A host has fewer free frames than were asked for."""


class FrameTable:
    """One record per host frame: its owner and, for memory of a guest, the guest frame number it stands for.

    The records are immutable bytes that are replaced on a change. Owners change rarely and checkpoints are taken often,
    so all checkpoints between two changes share one copy.
    """

    STATE: ClassVar[tuple[str, ...]] = ("owners", "records")
    DERIVED: ClassVar[tuple[str, ...]] = ("count", "_free")

    def __init__(self, count: int) -> None:
        """Start with every frame free.

        Args:
            count: Frames of 4 096 bytes the host has.
        """
        self.count = count
        self.owners: tuple[Owner, ...] = (FREE,)
        self.records = _RECORD.pack(0, _NO_NUMBER) * count
        self._free = list(range(count))

    def restored(self) -> None:
        """Find the free frames again."""
        self._free = [hfn for hfn, (owner, _) in enumerate(_RECORD.iter_unpack(self.records)) if not owner]

    @property
    def free_count(self) -> int:
        """Frames that belong to nobody."""
        return len(self._free)

    def allocate(self, owner: Owner, count: int = 1, *, start: int = 0, first_number: int | None = None) -> list[int]:
        """Give free frames to an owner, the lowest at or above `start` first.

        Args:
            owner: Who gets them.
            count: How many.
            start: Lowest frame number that may be taken.
            first_number: Guest frame number of the first; the others follow it. None for frames without one.

        Raises:
            OutOfFramesError: Fewer than `count` are free there; nothing was taken.
        """
        if start:
            chosen = sorted(hfn for hfn in self._free if hfn >= start)[:count]
        else:
            chosen = heapq.nsmallest(count, self._free) if count > 1 else self._free[:1]
        if len(chosen) < count:
            raise OutOfFramesError(f"{owner} asks for {count} frames from {start:#x} on; {len(chosen)} are free")
        self._record(chosen, owner, first_number)
        if count == 1 and not start:
            heapq.heappop(self._free)
        else:
            taken = set(chosen)
            self._free = [hfn for hfn in self._free if hfn not in taken]
            heapq.heapify(self._free)
        return chosen

    def release(self, hfn: int) -> None:
        """Make an owned frame free.

        Raises:
            ValueError: It is free already.
        """
        if self.owner(hfn) is FREE:
            raise ValueError(f"frame {hfn:#x} is free already")
        self._record([hfn], FREE, None)
        heapq.heappush(self._free, hfn)

    def owner(self, hfn: int) -> Owner:
        """Who owns a frame."""
        index: int = _RECORD.unpack_from(self.records, hfn * _RECORD.size)[0]
        return self.owners[index]

    def number(self, hfn: int) -> int | None:
        """The guest frame number a frame stands for, or None."""
        number: int = _RECORD.unpack_from(self.records, hfn * _RECORD.size)[1]
        return None if number == _NO_NUMBER else number

    def describe(self, hfn: int) -> str:
        """Owner and number in short: `free`, `vm:alpha:17`, `vmm:alpha:GDT`."""
        number = self.number(hfn)
        return str(self.owner(hfn)) if number is None else f"{self.owner(hfn)}:{number}"

    def owned_by(self, owner: Owner) -> Iterator[tuple[int, int | None]]:
        """Frames of one owner, ascending, each with its guest frame number."""
        wanted = self.owners.index(owner) if owner in self.owners else -1
        for hfn, (index, number) in enumerate(_RECORD.iter_unpack(self.records)):
            if index == wanted:
                yield hfn, None if number == _NO_NUMBER else number

    def counts(self) -> dict[Owner, int]:
        """Frames per owner, in the order owners first appeared."""
        tally = dict.fromkeys(self.owners, 0)
        for index, _ in _RECORD.iter_unpack(self.records):
            tally[self.owners[index]] += 1
        return tally

    def _record(self, hfns: list[int], owner: Owner, first_number: int | None) -> None:
        if owner not in self.owners:
            self.owners = (*self.owners, owner)
        index = self.owners.index(owner)
        records = bytearray(self.records)
        for offset, hfn in enumerate(hfns):
            number = _NO_NUMBER if first_number is None else first_number + offset
            _RECORD.pack_into(records, hfn * _RECORD.size, index, number)
        self.records = bytes(records)
