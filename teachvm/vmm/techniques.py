"""The technique is a value: how a guest's privileged instructions and page tables are dealt with.

The order is the order of the keys Alt+1 … Alt+6, and of every list that shows them.
Source: the names are those of Popek and Goldberg, Adams and Agesen, and Bugnion, Nieh and Tsafrir, "Hardware and
Software Support for Virtualization".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """How one speaks of a guest under one technique.

    Attributes:
        entry: What takes the processor from the guest to the VMM; empty where the guest never has it.
        entries: The same, counted; the common word where it happens in several ways.
        kernel_ring: The ring the processor executes kernel code of the guest in; None where it executes none.
        kernel: Where the guest's kernel runs, and where it believes to.
        kernel_explanation: The same in a sentence.
        program: Where the guest's programs run.
        program_explanation: The same in a sentence.
        waiting: What a VMM that does not run is waiting for.
        source: Where to read about it.
    """

    entry: str
    entries: str
    kernel_ring: int | None
    kernel: str
    kernel_explanation: str
    program: str
    program_explanation: str
    waiting: str
    source: str

    @property
    def one(self) -> str:
        """One of `entries`; where there are none, what else interrupts a guest: a trap of its own."""
        return {"": "trap", "Entries": "entry"}.get(self.entries, self.entries.lower().removesuffix("s"))


class Technique(Enum):
    """How a guest runs on the simulated CPU."""

    BARE_METAL = "bare-metal"
    TRAP_AND_EMULATE = "trap-and-emulate"
    BINARY_TRANSLATION = "binary-translation"
    HARDWARE_ASSIST = "hardware-assist"
    PARAVIRTUAL = "paravirtual"
    EMULATION = "emulation"

    @property
    def label(self) -> str:
        """The name in prose."""
        return _TEXT[self][0]

    @property
    def short_label(self) -> str:
        """The name on a button."""
        return _TEXT[self][1]

    @property
    def explanation(self) -> str:
        """One sentence: what happens to the guest kernel under this technique."""
        return _TEXT[self][2]

    @property
    def words(self) -> Words:
        """How one speaks of a guest under this technique."""
        return _WORDS[self]

    @property
    def direct(self) -> bool:
        """Whether programs of the guest run on the processor itself."""
        return self is not Technique.EMULATION

    @property
    def as_built(self) -> bool:
        """Whether it runs a guest as that was built for a PC; otherwise its kernel was changed."""
        return self is not Technique.PARAVIRTUAL

    @property
    def sentence(self) -> str:
        """Where a guest runs, within a sentence: `on bare metal`, `under emulation`."""
        return f"{'on' if self is Technique.BARE_METAL else 'under'} {self.label.lower()}"

    @property
    def number(self) -> int:
        """The digit of its keys: Alt+1 … Alt+6, and with Shift."""
        return list(Technique).index(self) + 1

    @property
    def pagings(self) -> tuple[Paging, ...]:
        """Who may translate guest-physical addresses under this technique; the first is what it does unasked."""
        if self is Technique.HARDWARE_ASSIST:
            return (Paging.SHADOW, Paging.NESTED)
        return () if self in (Technique.BARE_METAL, Technique.EMULATION) else (Paging.SHADOW,)


class Paging(Enum):
    """Who translates a guest-physical address to a host-physical one."""

    SHADOW = "shadow"
    NESTED = "nested"

    @property
    def label(self) -> str:
        """The name in prose."""
        return {Paging.SHADOW: "Shadow page tables", Paging.NESTED: "Nested page tables"}[self]

    @property
    def short_label(self) -> str:
        """The name on a button."""
        return {Paging.SHADOW: "Shadow", Paging.NESTED: "Nested"}[self]

    @property
    def explanation(self) -> str:
        """One sentence: who walks what on a TLB miss."""
        return {
            Paging.SHADOW: "The VMM keeps tables from gVA to hPA in step with the guest’s, and the CPU walks those.",
            Paging.NESTED: "The CPU walks the guest’s tables, and the VMM’s for each guest-physical address it meets.",
        }[self]


class ShadowPolicy(Enum):
    """How shadow tables are kept in step with the guest's own."""

    NONCACHING = "noncaching"
    CACHING = "caching"
    UNSYNC = "unsync"

    @property
    def label(self) -> str:
        """The name in prose, and on a button."""
        return self.value.capitalize()

    @property
    def source(self) -> str:
        """Where to read about it."""
        if self is ShadowPolicy.UNSYNC:
            return "Linux, virt/kvm/x86/mmu.rst: unsync pages"
        return "Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2"

    @property
    def explanation(self) -> str:
        """One sentence: what is traced, and what a flush of the guest's costs."""
        return {
            ShadowPolicy.NONCACHING: "Just a large TLB: nothing is traced, and a load of CR3 throws everything away.",
            ShadowPolicy.CACHING: "Kept across loads of CR3: every store to a guest table is trapped and corrected.",
            ShadowPolicy.UNSYNC: "As caching, but leaf tables may be written freely and are compared at a flush.",
        }[self]


@dataclass(frozen=True, slots=True)
class Translation:
    """How a VM's addresses are translated.

    Attributes:
        paging: Who does it.
        shadow: How shadow tables are kept in step, where they are used.
        walk_cache: The walker remembers where guest-physical pages lie, where tables are nested.
    """

    paging: Paging = Paging.SHADOW
    shadow: ShadowPolicy = ShadowPolicy.CACHING
    walk_cache: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One position of the switch that says who translates; `name` is its id."""

    name: str
    paging: Paging
    walk_cache: bool
    short_label: str
    label: str
    explanation: str


CHOICES: Final = (
    *(Choice(each.value, each, False, each.short_label, each.label, each.explanation) for each in Paging),
    Choice(
        "nested-cached",
        Paging.NESTED,
        True,
        "+ cache",
        "Nested page tables with a walk cache",
        "The walker remembers where guest-physical pages lie, and spares the nested references for those it knows.",
    ),
)
"""Who can translate under hardware assist, in the order of the switch."""


_TEXT: Final[dict[Technique, tuple[str, str, str]]] = {
    Technique.BARE_METAL: (
        "Bare metal",
        "Bare",
        "The guest kernel owns the machine: it runs in ring 0 and no monitor is below it.",
    ),
    Technique.TRAP_AND_EMULATE: (
        "Trap and emulate",
        "Trap",
        "The guest kernel runs in ring 1; its privileged instructions fault and the VMM does their work on the VCPU.",
    ),
    Technique.BINARY_TRANSLATION: (
        "Binary translation",
        "Translate",
        "The VMM runs a rewritten copy of the kernel's code, with calls to itself in place of sensitive instructions.",
    ),
    Technique.HARDWARE_ASSIST: (
        "Hardware assist",
        "VT-x",
        "The CPU has a mode for guests: their kernel runs in ring 0 of it, and chosen events exit to the VMM.",
    ),
    Technique.PARAVIRTUAL: (
        "Paravirtualization",
        "Para",
        "The guest kernel is changed: it knows of the VMM and calls it instead of touching the hardware.",
    ),
    Technique.EMULATION: (
        "Emulation",
        "Emulate",
        "Every instruction of the guest is interpreted by software; none runs on the CPU itself.",
    ),
}

_DIRECTLY: Final = "A process of the guest. It runs in ring 3 with or without a VMM, so its code runs directly."

_WORDS: Final[dict[Technique, Words]] = {
    Technique.BARE_METAL: Words(
        "trap",
        "Traps",
        0,
        "ring 0",
        "The guest's operating system. Nothing is below it: it owns the machine.",
        "ring 3",
        "A process of the guest. It runs in ring 3.",
        "",
        "Intel SDM Vol. 3A, §5.5",
    ),
    Technique.TRAP_AND_EMULATE: Words(
        "trap",
        "Traps",
        1,
        "thinks ring 0 · really ring 1",
        "The guest's operating system. It believes to be in ring 0; the VMM started it one ring up.",
        "ring 3",
        _DIRECTLY,
        "waits for a trap",
        "Adams & Agesen, ASPLOS 2006, §2.1",
    ),
    Technique.BINARY_TRANSLATION: Words(
        "trap or callout",
        "Entries",
        1,
        "thinks ring 0 · translated, ring 1",
        "The guest's operating system. It believes to be in ring 0; what runs, in ring 1, is a rewritten copy of it.",
        "ring 3",
        "A process of the guest. It runs in ring 3 as it stands; if it may turn interrupts off, as a copy.",
        "waits for a trap or callout",
        "Adams & Agesen, ASPLOS 2006, §3",
    ),
    Technique.HARDWARE_ASSIST: Words(
        "exit",
        "Exits",
        0,
        "ring 0 · in non-root mode",
        "The guest's operating system. It is in ring 0, of a mode the CPU has for guests; what the VMM chose exits.",
        "ring 3",
        "A process of the guest. Its code runs directly, in ring 3 of the mode for guests.",
        "waits for an exit",
        "Intel SDM Vol. 3C, ch. 25",
    ),
    Technique.PARAVIRTUAL: Words(
        "trap or hypercall",
        "Entries",
        1,
        "ring 1, and knows it",
        "The guest's operating system, changed for this VMM: for what only ring 0 may do, it makes hypercalls.",
        "ring 3",
        _DIRECTLY,
        "waits for a hypercall or trap",
        "Barham et al., SOSP 2003, §3",
    ),
    Technique.EMULATION: Words(
        "",
        "",
        None,
        "ring 0, of an emulated CPU",
        "The guest's operating system. Its ring is a variable of the interpreter; none of its code runs on the CPU.",
        "ring 3, emulated",
        "A process of the guest. Its code is data for the interpreter; none of it runs on the CPU.",
        "waits",
        "Popek & Goldberg, CACM 17(7) 1974, p. 413",
    ),
}
"""How cards, sentences and charts call things, by technique."""
