"""The cards a stage can show; a card's stem names its presenter, its view and their tests alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of picture: the id lessons use, the title people read, what it answers, actions in its header."""

    id: str
    title: str
    question: str
    actions: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """File name of the presenter and of the view, without suffix."""
        return self.id.replace("-", "_")


CARDS: tuple[Card, ...] = (
    Card("who-is-running", "Who is running", "Who has the CPU: guest program, guest kernel, VMM or hardware?"),
    Card("guest-code", "Guest code", "Which instruction is next, and what would happen to it in this ring?"),
    Card("vcpu-and-cpu", "VCPU and CPU", "What does the guest believe, and what does the hardware hold?"),
    Card("registers", "Registers and flags", "What do the registers hold, and what did the last step change?"),
    Card("memory", "Memory and stack", "Which bytes lie at an address, and what is on the stack?"),
    Card("segments", "Segments and descriptors", "What do the segment registers hold, hidden parts too, and whose?"),
    Card("guest-walk", "Guest walk", "How does a linear address become a physical one, reference by reference?"),
    Card("nested-walk", "Nested walk", "Which memory references does one access in a VM take when tables are nested?"),
    Card("control-structure", "Control structure", "What does the processor know of the guest, and why did it leave?"),
    Card(
        "shadow-tables",
        "Shadow tables",
        "Which entries does the hardware walk in place of the guest’s, and where do they differ?",
        ("drop-derived",),
    ),
    Card("tlb", "TLB", "Which translations does the CPU remember, stale ones included?", ("flush-tlb",)),
    Card(
        "translated-code",
        "Translated code",
        "What became of the kernel’s code before it ran: copied, replaced, or chained?",
        ("drop-derived",),
    ),
    Card("block-graph", "Block graph", "Which units are translated, and which lead to which?", ("drop-derived",)),
    Card("cache-map", "Cache map", "How full is the translation cache, and with what?", ("drop-derived",)),
    Card("console", "Console", "What has each guest written to its serial port?"),
    Card("vmm-entries", "VMM entries", "Why was the VMM entered, how often, and at what cost?"),
    Card("gallery", "Gallery of sensitive instructions", "Which instructions need a VMM and do not tell it?"),
    Card(
        "techniques",
        "Techniques side by side",
        "What does each technique make of the same guest, at what cost, and where does one go wrong?",
        ("measure",),
    ),
    Card("event-log", "Event log", "What happened, in order?"),
    Card("timeline", "Timeline", "Who ran when, and where were the traps?"),
)

CARD_BY_ID: dict[str, Card] = {card.id: card for card in CARDS}
