"""What a unit is translated for: kept apart in one cache, each with its own tables of targets.

A return address says nothing of the code segment or the privilege it will be used in, so the tables hold what leads to
fragments of the present mode only; those of the others are put aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from teachvm.isa.descriptors import Segment
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS
from teachvm.machine.cpu import Cpu
from teachvm.vmm.deprivilege import changeable
from teachvm.vmm.engines.translate.fields import Fields

MOST_MODES: Final = 8
"""Kept apart; one more, and the cache is emptied."""


class CodeMode(NamedTuple):
    """What decides, beside its bytes, what a unit becomes.

    Attributes:
        code: The guest's CS.
        cpl: Its privilege level.
        may_change_if: CLI, STI and POPFD change IF there.
    """

    code: Segment
    cpl: int
    may_change_if: bool

    @classmethod
    def of(cls, cpu: Cpu) -> CodeMode:
        """As a VCPU is now."""
        return cls(cpu.segs[CS], cpu.cpl, bool(changeable(cpu.cpl, cpu.eflags) & IF))


class Modes:
    """The modes there is translated code for, and the one the guest is in.

    State: `known`; `present`, the number of one of them; `parked`, the tables of targets of the others, by number.
    """

    STATE: ClassVar[tuple[str, ...]] = ("known", "present", "parked")
    DERIVED: ClassVar[tuple[str, ...]] = ("_fields", "_misses")

    def __init__(self, fields: Fields, misses: Mapping[int, int]) -> None:
        """Begin without any.

        Args:
            fields: Where the tables are.
            misses: What a lookup comes to that fails, by table.
        """
        self._fields = fields
        self._misses = misses
        self.known: list[CodeMode] = []
        self.present = 0
        self.parked: dict[int, bytes] = {}

    @property
    def mode(self) -> CodeMode:
        """The present one."""
        return self.known[self.present]

    def knows(self, mode: CodeMode) -> bool:
        """Whether there is room for a mode, or it is known."""
        return mode in self.known or len(self.known) < MOST_MODES

    def use(self, mode: CodeMode) -> None:
        """Change to a mode that `knows` says yes to: from now on only what was made for it can be come to."""
        if self.known and mode == self.mode:
            return
        if self.known:
            self.parked[self.present] = self._fields.targets()
        if mode not in self.known:
            self.known.append(mode)
        self.present = self.known.index(mode)
        parked = self.parked.pop(self.present, None)
        if parked is None:
            self.clear_targets()
        else:
            self._fields.set_targets(parked)

    def clear(self) -> None:
        """Forget all: nothing is translated any more, in the present mode either."""
        self.known[:] = self.known[self.present : self.present + 1]
        self.present = 0
        self.parked.clear()
        self.clear_targets()

    def clear_targets(self) -> None:
        """Let every lookup in the present mode fail."""
        for table, miss in self._misses.items():
            self._fields.clear_targets(table, miss)
