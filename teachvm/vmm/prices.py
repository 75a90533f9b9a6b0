"""What an entry for a reason is made of, in lines of the host's cost table, by technique.

Source: Adams & Agesen, ASPLOS 2006, §6: what a trap, a callout and an exit cost, and what handling an exit takes.
"""

from __future__ import annotations

from typing import Final

from teachvm.vmm.engines.classify import BY_MNEMONIC
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.techniques import Technique

READS: Final = 10
"""Fields the VMM reads at every exit: the exit's own information, EIP, EFLAGS, CS, CR0 and CR3.

Source: Adams & Agesen, ASPLOS 2006: handling a typical exit takes ten reads.
"""
_WORK: Final = {
    "device": "handle-device",
    "hidden-fault": "handle-fault",
    "true-fault": "handle-fault",
    "trace-fault": "handle-trace",
}
"""Row of the cost table for the VMM's own work at an exit, by that of the entry reason; else `handle`."""
BY_INSTRUCTION: Final = frozenset((*BY_MNEMONIC.values(), EntryReason.MOV_CR, EntryReason.MOV_DR))
"""Entries that are about an instruction of the guest's: translated code calls the VMM for it."""
INTERPRETED: Final = "interpret"
"""Row of what the VMM does without an entry."""


def parts(technique: Technique, reason: EntryReason) -> tuple[tuple[str, int], ...]:
    """Lines of the cost table an entry is charged when it begins, and how often each."""
    if technique is Technique.HARDWARE_ASSIST and exits(reason):
        return (("vm-exit", 1), ("vmread", READS), (_WORK.get(reason.cost, "handle"), 1))
    if technique is Technique.BINARY_TRANSLATION and reason in BY_INSTRUCTION:
        return (("callout", 1),)
    return ((reason.cost, 1),)


def exits(reason: EntryReason) -> bool:
    """Whether a reason is one the hardware leaves non-root mode for; an interrupt window is one there."""
    return reason.cost != INTERPRETED or reason is EntryReason.INTERRUPT_WINDOW


def is_entry(technique: Technique, reason: EntryReason) -> bool:
    """Whether the hardware came to the VMM for a reason, which then did not merely interpret on."""
    return exits(reason) if technique is Technique.HARDWARE_ASSIST else reason.cost != INTERPRETED
