"""What a processor concluded from descriptors: results of checks that come out the same as long as nothing changes.

A real processor reads gates and descriptors anew on every transfer; here they are checked once, and the bytes they were
read from are marked as decoded code is. So whoever writes one of them, by whatever way, drops every conclusion.

Source: the idea is the descriptor cache of Intel SDM Vol. 3A, §3.4.3, for whole transfers. Nobody can tell: one is kept
only when its checks left nothing to do (A bit set, translations resident), and dropped with any translation.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

from teachvm.isa.descriptors import DESCRIPTOR_SIZE
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from teachvm.machine.registers import Registers

_NOTHING: Final[Mapping[Hashable, Any]] = {}
MOST: Final = 1 << 10
"""Conclusions kept."""


class Conclusions:
    """Results by what was asked, such as (vector, CPL); good for the descriptor tables the processor has now."""

    __slots__ = ("_found", "_tables", "_written")

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}
        self._tables: tuple[object, ...] = (None, None, None, None)
        self._written = -1

    def clear(self) -> None:
        """A translation went away, or state was set from outside."""
        self._found.clear()

    def of(self, cpu: Registers) -> Mapping[Hashable, Any]:
        """What was concluded and is still true; what is not among it has to be checked anew."""
        idtr, gdtr, ldtr, tr = self._tables
        ram = cpu.ram
        if ram is None or idtr is not cpu.idtr or gdtr is not cpu.gdtr or ldtr is not cpu.ldtr or tr is not cpu.tr:
            return _NOTHING
        return self._found if self._written == ram.rewritten else _NOTHING

    def keep(self, cpu: Registers, asked: Hashable, result: Any, *descriptors: int) -> None:
        """Keep a result.

        Args:
            cpu: The processor.
            asked: What it answers.
            result: Immutable.
            descriptors: Linear addresses of the descriptors it comes from.
        """
        ram = cpu.ram
        if ram is None or cpu.tlb is None:
            return
        places = []
        for linear in descriptors:
            frame = cpu.tlb.reads[0].get(linear >> PAGE_SHIFT)
            offset = linear & PAGE_SIZE - 1
            if frame is None or offset + DESCRIPTOR_SIZE > PAGE_SIZE:
                return
            places.append(frame | offset)
        tables = (cpu.idtr, cpu.gdtr, cpu.ldtr, cpu.tr)
        same = all(a is b for a, b in zip(tables, self._tables, strict=True))
        if not same or self._written != ram.rewritten or len(self._found) >= MOST:
            self._found.clear()
            self._tables, self._written = tables, ram.rewritten
        for place in places:
            ram.remember_descriptor(place)
        self._found[asked] = result
