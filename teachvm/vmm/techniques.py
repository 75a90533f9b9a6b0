"""The technique is a value: how a guest's privileged instructions and page tables are dealt with.

The order is the order of the keys Alt+1 … Alt+6, and of every list that shows them.
Source: the names are those of Popek and Goldberg, Adams and Agesen, and Bugnion, Nieh and Tsafrir, "Hardware and
Software Support for Virtualization".
"""

from __future__ import annotations

from enum import Enum
from typing import Final


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
    def number(self) -> int:
        """The digit of its key: Alt+1 … Alt+6."""
        return list(Technique).index(self) + 1

    @property
    def available(self) -> bool:
        """Whether this version can run a guest this way."""
        return self in _BUILT

    @property
    def pagings(self) -> tuple[Paging, ...]:
        """Who may translate guest-physical addresses under this technique; the first is what it does unasked."""
        if self is Technique.HARDWARE_ASSIST:
            return (Paging.SHADOW, Paging.NESTED)
        return () if self in (Technique.BARE_METAL, Technique.EMULATION) else (Paging.SHADOW,)

    @property
    def unavailable_because(self) -> str | None:
        """The sentence a disabled button shows; None where the technique is available."""
        return None if self.available else f"{self.label} is not in this version yet."


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


_BUILT: Final = frozenset(
    (
        Technique.BARE_METAL,
        Technique.TRAP_AND_EMULATE,
        Technique.BINARY_TRANSLATION,
        Technique.HARDWARE_ASSIST,
        Technique.PARAVIRTUAL,
        Technique.EMULATION,
    )
)
"""The techniques this version can run a guest by."""

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
