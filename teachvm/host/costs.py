"""What work costs in host cycles: one table, sourced and editable.

The figures are parameters of the model, not measurements of it. What they keep is the order and the rough ratios that
were measured on real machines: a trap costs hundreds of instructions, a fault the guest never hears of about as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True, slots=True)
class CostRow:
    """One line of the cost table.

    Attributes:
        key: Name by which code and world files refer to it.
        cycles: Default in host cycles.
        label: What is paid for, for people.
        source: Where the figure comes from.
    """

    key: str
    cycles: int
    label: str
    source: str


_ADAMS_AGESEN: Final = "Adams & Agesen, ASPLOS 2006, nanobenchmarks on a Pentium 4"
_CORE_2: Final = "Adams & Agesen, ASPLOS 2006, on a Core 2 of 2006"
_OURS: Final = "our choice; no measurement is claimed"

COSTS: Final[tuple[CostRow, ...]] = (
    CostRow(
        "trap",
        2000,
        "a trap, one emulated instruction and the way back",
        f"{_ADAMS_AGESEN}: rdtsc by trap-and-emulate 2030 cycles",
    ),
    CostRow(
        "reflect",
        2300,
        "an exception handed on to the guest's own handler",
        f"{_ADAMS_AGESEN}: divide by zero 3223 cycles against 889 native",
    ),
    CostRow(
        "true-fault",
        2800,
        "a page fault the guest's tables cause, handed on to the guest",
        f"{_ADAMS_AGESEN}: page fault 3927 cycles against 1093 native",
    ),
    CostRow(
        "hidden-fault",
        2000,
        "a page fault only the shadow tables cause: walk the guest's tables, fill the shadow entry",
        "Agesen et al., OSR 44(4) 2010: up to 1000 times a TLB fill, which is two references here",
    ),
    CostRow(
        "trace-fault",
        2400,
        "a store to a write-protected guest table: emulate it, drop the shadow entries",
        f"{_ADAMS_AGESEN}: page-table write 391 cycles once adapted, on top of a trap",
    ),
    CostRow(
        "callout",
        1250,
        "a call from translated code into the VMM, and the way back",
        f"{_ADAMS_AGESEN}: rdtsc by callout 1254 cycles",
    ),
    CostRow(
        "simulate",
        391,
        "an instruction that kept faulting, once it is translated as a call",
        f"{_ADAMS_AGESEN}: page-table write 391 cycles once adapted",
    ),
    CostRow(
        "translate",
        2300,
        "translating one guest instruction",
        "Adams & Agesen, ASPLOS 2006, §6.3: 2300 cycles an instruction",
    ),
    CostRow("device", 2000, "an access to a virtual device: trap, decode, device model", "as a trap"),
    CostRow(
        "interrupt", 2000, "a physical interrupt that stops the guest: acknowledge it, look who is due", "as a trap"
    ),
    CostRow(
        "hypercall",
        700,
        "a hypercall: the same change of rings as in a trap, but nothing to decode and nothing to guess",
        f"{_OURS}; less than a trap, since only the transition remains",
    ),
    CostRow("update", 100, "one page-table update of a batch: check the frame, write guest's and VMM's table", _OURS),
    CostRow("inject", 300, "building an interrupt frame on the guest's stack", _OURS),
    CostRow("switch", 1500, "taking one VCPU off the processor and putting another on", _OURS),
    CostRow("interpret", 50, "one guest instruction interpreted inside the VMM, without a trap of its own", _OURS),
    CostRow("vm-exit", 1186, "leaving non-root mode: save the guest's state, load the host's", _CORE_2),
    CostRow("vm-entry", 937, "entering non-root mode: check and load the guest's state, inject an event", _CORE_2),
    CostRow("vmread", 52, "reading one field of the control structure", _CORE_2),
    CostRow("vmwrite", 44, "writing one field of the control structure", _CORE_2),
    CostRow("handle", 600, "what the VMM does about an exit between reading and writing the structure", _OURS),
    CostRow(
        "handle-fault",
        1500,
        "the same for a page fault or a violation: walk tables, fill an entry",
        f"{_OURS}; {_ADAMS_AGESEN}: page fault 11242 cycles with the first hardware",
    ),
    CostRow(
        "handle-trace",
        2500,
        "the same for a store to a write-protected guest table",
        f"{_OURS}; {_ADAMS_AGESEN}: page-table write 12733 cycles with the first hardware",
    ),
    CostRow(
        "handle-device",
        3000,
        "the same for an access to a virtual device",
        f"{_OURS}; {_ADAMS_AGESEN}: in 15826 cycles with the first hardware",
    ),
    CostRow(
        "emulate",
        20,
        "one guest instruction under emulation: fetch, decode, look the page up, do it on variables",
        f"{_OURS}; real interpreters need some tens of instructions for one",
    ),
)


COST_BY_KEY: Final = {row.key: row for row in COSTS}

MOST_CYCLES: Final = 1_000_000_000
"""The dearest piece of work a world may have: 100 seconds of the host."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What hardware of one year makes of the costs of non-root mode; the rest of the table is the same.

    Attributes:
        year: When it was sold.
        label: What it is, for people.
        cycles: The lines it changes.
        source: Where the figures come from.
    """

    year: int
    label: str
    cycles: tuple[tuple[str, int], ...]
    source: str


PRESETS: Final[dict[str, Preset]] = {
    "pentium-4": Preset(
        2005,
        "Pentium 4 672, the first with VT-x",
        (("vm-exit", 1931), ("vm-entry", 2409), ("vmread", 178), ("vmwrite", 171)),
        _ADAMS_AGESEN,
    ),
    "core-2": Preset(
        2006,
        "Core 2",
        (("vm-exit", 1186), ("vm-entry", 937), ("vmread", 52), ("vmwrite", 44)),
        _CORE_2,
    ),
    "later": Preset(
        2013,
        "later processors: about a thousand cycles there and back",
        (("vm-exit", 550), ("vm-entry", 450), ("vmread", 20), ("vmwrite", 20)),
        "Agesen et al., OSR 44(4) 2010, for the order; how it is split is our choice",
    ),
}
"""By name; the table's own figures are those of `core-2`."""


class CostModel:
    """The cost table of one host, as edited."""

    STATE: ClassVar[tuple[str, ...]] = ("cycles",)
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self, edited: Iterable[tuple[str, int]] = ()) -> None:
        """Take the defaults, then the edits.

        Raises:
            KeyError: An edit names no row; the message lists the rows.
            ValueError: An edit is negative, or beyond `MOST_CYCLES`.
        """
        self.cycles: dict[str, int] = {row.key: row.cycles for row in COSTS}
        for key, cycles in edited:
            self.set(key, cycles)

    def of(self, key: str) -> int:
        """Cycles one piece of work costs."""
        return self.cycles[key]

    def set(self, key: str, cycles: int) -> None:
        """Change one line of the table.

        Raises:
            KeyError: No such row.
            ValueError: Negative cycles, or more than `MOST_CYCLES`.
        """
        if key not in self.cycles:
            raise KeyError(f"no cost is called '{key}'; there are {', '.join(self.cycles)}")
        if cycles < 0:
            raise ValueError(f"cost '{key}' cannot be negative")
        if cycles > MOST_CYCLES:
            raise ValueError(f"cost '{key}' cannot be more than {MOST_CYCLES}")
        self.cycles[key] = cycles
