"""The kinds of page faults a VMM tells apart.

Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2.
"""

from __future__ import annotations

from enum import Enum

from teachvm.vmm.entries import EntryReason


class FaultKind(Enum):
    """Whose page fault it is, and what the VMM does about it.

    Source: Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2.
    """

    TRUE = "true"
    HIDDEN = "hidden"
    DIRTY = "dirty"
    TRACE = "trace"
    MMIO = "mmio"
    NESTED = "nested"

    @property
    def reason(self) -> EntryReason:
        """The entry reason of a page fault of this kind."""
        return _REASONS[self]


_REASONS: dict[FaultKind, EntryReason] = {
    FaultKind.TRUE: EntryReason.PAGE_FAULT_TRUE,
    FaultKind.HIDDEN: EntryReason.PAGE_FAULT_HIDDEN,
    FaultKind.DIRTY: EntryReason.PAGE_FAULT_DIRTY,
    FaultKind.TRACE: EntryReason.PAGE_FAULT_TRACE,
    FaultKind.MMIO: EntryReason.PAGE_FAULT_MMIO,
    FaultKind.NESTED: EntryReason.NESTED_VIOLATION,
}
