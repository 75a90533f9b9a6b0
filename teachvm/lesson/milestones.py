"""The things a run can stop at, by the word a lesson or `--until` uses for each.

A *milestone* is something visible that happens at a moment. An anchor names one, or a label, a piece of console
output, a number of instructions, or a condition on the state. Labels and events survive changes of the code;
addresses and line numbers would not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teachvm.lesson.names import VM, Parameter
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.hypercalls import Hypercall

Stop = Literal["before", "at", "after"]
STOPS: tuple[Stop, ...] = ("before", "at", "after")
"""Where a run ends: before the unit in which it happened, at its very phase, or when that unit is complete."""

NTH = Parameter("nth", "int")


@dataclass(frozen=True, slots=True)
class Milestone:
    """An anchor's word; `countable` ones can also be asked for with `count` and `last`. `stop` is where a run ends."""

    word: str
    parameters: tuple[Parameter, ...]
    explanation: str
    stop: Stop = "at"
    countable: bool = True

    @property
    def signature(self) -> str:
        """As an author writes it: `trap(reason, vm=, nth=)`."""
        return f"{self.word}({', '.join(parameter.shown for parameter in self.parameters)})"


_REASON = Parameter("reason", "reason", keyword=False)
_LINEAR = Parameter("linear", "int", keyword=False)

MILESTONES: tuple[Milestone, ...] = (
    Milestone(
        "trap", (_REASON, VM, NTH), "the guest fell into the VMM by an exception or interrupt of the CPU", "after"
    ),
    Milestone("exit", (_REASON, VM, NTH), "the guest left hardware-assisted execution for the VMM", "after"),
    Milestone("callout", (_REASON, VM, NTH), "translated code called the VMM", "after"),
    Milestone(
        "fault",
        (Parameter("vector", "vector", keyword=False), Parameter("linear", "int"), VM, NTH),
        "the guest's own kernel got an exception",
    ),
    Milestone("hypercall", (_REASON, VM, NTH), "a guest that knows of the VMM asked it for something", "after"),
    Milestone("walk", (_LINEAR, NTH), "the hardware walked the page tables for a TLB miss"),
    Milestone("reference", (_LINEAR, NTH), "the hardware's page walker read one entry, of the guest's or the VMM's"),
    Milestone("translated", (_LINEAR, VM, NTH), "a piece of guest code was translated"),
    Milestone("chained", (_LINEAR, VM, NTH), "translated code was led straight on to the piece at this address"),
    Milestone("invalidated", (_LINEAR, VM, NTH), "a translated piece of guest code may not be executed any more"),
    Milestone("switch", (Parameter("vm", "vm", keyword=False), NTH), "another VCPU got the physical CPU"),
    Milestone("syscall", (Parameter("number", "int", keyword=False), VM, NTH), "a guest program made a system call"),
    Milestone(
        "console",
        (Parameter("pattern", "pattern", required=True, keyword=False, many=True), VM, NTH),
        "a VM wrote these texts to its console, in this order; `*` stands for any characters within a line",
        "after",
        countable=False,
    ),
    Milestone(
        "at",
        (
            Parameter("label", "label", required=True, keyword=False),
            VM,
            Parameter("process", "process"),
            NTH,
        ),
        "the next instruction of the guest is the one at this label",
        "before",
        countable=False,
    ),
    Milestone(
        "after",
        (Parameter("instructions", "int", required=True, keyword=False),),
        "so many instructions later",
        "before",
        countable=False,
    ),
)

MILESTONE: dict[str, Milestone] = {milestone.word: milestone for milestone in MILESTONES}
COUNTABLE: tuple[str, ...] = tuple(milestone.word for milestone in MILESTONES if milestone.countable)

_REASONS = frozenset({reason.value for reason in EntryReason} | {call.word for call in Hypercall})
REASONS: frozenset[str] = _REASONS | {reason.replace("-", "_") for reason in _REASONS}
"""What an argument `reason` may be: why the VMM was entered, or which hypercall; either way to write a hyphen."""
