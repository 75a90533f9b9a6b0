"""Facts the VMM records: past tense, stamped by the recorder; those marked a phase are single visible steps."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import ClassVar

from teachvm.trace.events import Event
from teachvm.vmm.entries import EntryKind, EntryReason
from teachvm.vmm.faults import FaultKind

Change = tuple[str, int, int]
"""Name of a register, flag or field of the VCPU, its value before, its value after."""


@dataclass(frozen=True, slots=True)
class VmmEntered(Event):
    """The hardware left the guest: the VMM runs at its own stack, in ring 0. A phase.

    Attributes:
        vm: Whose guest was left.
        reason: Why.
        vector: Exception or interrupt vector the hardware delivered.
        error: Error code it pushed, or None.
        eip: Guest instruction that was to be executed.
        cpl: Virtual privilege level of the guest.
        kind: How: by a trap, or by a call from translated code.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    reason: EntryReason
    vector: int
    error: int | None
    eip: int
    cpl: int
    kind: EntryKind = EntryKind.TRAP


@dataclass(frozen=True, slots=True)
class InstructionDecoded(Event):
    """The VMM read the instruction at the guest's EIP through the guest's own tables. A phase.

    Attributes:
        vm: Whose.
        eip: Where it stands.
        bytes: Its bytes.
        text: What it says.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    bytes: builtins.bytes
    text: str


@dataclass(frozen=True, slots=True)
class InstructionEmulated(Event):
    """The VCPU's software CPU completed one instruction. A phase.

    Attributes:
        vm: Whose.
        eip: Where the instruction stands.
        changes: What it changed of the virtual state, but for EIP moving on to the next instruction.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class FaultClassified(Event):
    """The VMM walked the guest's tables and knows whose page fault it is. A phase.

    Attributes:
        vm: Whose.
        kind: What the walk found.
        linear: The faulting gVA.
        gpa: Guest-physical address behind it; None when the guest's tables give none.
        guest_saw: Whether the guest is told.
        write: The access was a store.
        user: It was made at virtual CPL 3.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    kind: FaultKind
    linear: int
    gpa: int | None
    guest_saw: bool
    write: bool
    user: bool


@dataclass(frozen=True, slots=True)
class ShadowFilled(Event):
    """A shadow entry was written: the hardware can now translate the page by itself. A phase.

    Attributes:
        vm: Whose.
        linear: gVA of the access.
        gpa: Guest-physical address of the page.
        hpa: Host-physical address of the page.
        entry: The shadow entry.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    linear: int
    gpa: int
    hpa: int
    entry: int


@dataclass(frozen=True, slots=True)
class ShadowDropped(Event):
    """Shadow entries were thrown away; they come back by hidden faults.

    Attributes:
        vm: Whose.
        entries: How many leaf entries.
        cause: `write` to a guest table, `invlpg`, `protect` for a new trace, `flood`, `forget`, `evict`, or `drop`.
    """

    vm: str
    entries: int
    cause: str


@dataclass(frozen=True, slots=True)
class ShadowPolicySwitched(Event):
    """The shadow tables of a guest that runs are kept in step another way from now on; what there was is gone.

    Attributes:
        vm: Whose.
        policy: `noncaching`, `caching` or `unsync`.
    """

    vm: str
    policy: str


@dataclass(frozen=True, slots=True)
class FaultReflected(Event):
    """The VMM delivered an exception through the guest's own IDT. A phase.

    Attributes:
        vm: Whose.
        vector: Exception vector.
        error: Error code the guest gets, or None.
        cr2: What the guest's CR2 now holds, for a page fault.
        eip: The guest's handler.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    vector: int
    error: int | None
    cr2: int | None
    eip: int


@dataclass(frozen=True, slots=True)
class InterruptInjected(Event):
    """The VMM delivered a virtual interrupt through the guest's own IDT. A phase.

    Attributes:
        vm: Whose.
        vector: What the virtual interrupt controller answered.
        eip: The guest's handler.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    vector: int
    eip: int


@dataclass(frozen=True, slots=True)
class GuestResumed(Event):
    """The VMM executed IRET: the hardware runs the guest again. A phase.

    Attributes:
        vm: Whose.
        eip: Guest instruction that comes next.
        cpl: Virtual privilege level it runs at.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    cpl: int


@dataclass(frozen=True, slots=True)
class InstructionInterpreted(Event):
    """The VMM executed one guest instruction in software without resuming the guest first. A phase.

    Attributes:
        vm: Whose.
        reason: Why the hardware could not.
        eip: Where the instruction stands.
        changes: What it changed of the virtual state, but for EIP moving on to the next instruction.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    reason: EntryReason
    eip: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class HypercallMade(Event):
    """A guest that knows of the VMM asked it for something, and has its answer. A phase.

    Attributes:
        vm: Whose guest.
        name: Which call; the number itself if there is no such call.
        arguments: Name and value of each argument.
        result: What the guest finds in EAX, signed; None for a call that returns elsewhere, or not.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    name: str
    arguments: tuple[tuple[str, int], ...]
    result: int | None


@dataclass(frozen=True, slots=True)
class VcpuSwitched(Event):
    """Another VM got the processor: registers, segments, tables and CR3 were exchanged. A phase.

    Attributes:
        before: Who had it; None if nobody.
        after: Who has it now.
    """

    PHASE: ClassVar[bool] = True
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class VcpuBlocked(Event):
    """A guest halted: its VCPU waits and needs no processor.

    Attributes:
        vm: Whose.
        wake_at: Host cycles at which its next virtual device is due; None if nothing is.
    """

    vm: str
    wake_at: int | None


@dataclass(frozen=True, slots=True)
class DerivedDropped(Event):
    """Everything the VMM can compute again was thrown away.

    Attributes:
        vm: Whose.
        frames: Host frames that became free.
    """

    vm: str
    frames: int


@dataclass(frozen=True, slots=True)
class UnitTranslated(Event):
    """The VMM read a unit of guest code and wrote a fragment for it into the translation cache. A phase.

    Attributes:
        vm: Whose.
        eip: First guest instruction of the unit.
        gpa: Its guest-physical address.
        fragment: Address of the fragment in the cache; the key of its record.
        instructions: Guest instructions of the unit.
        size: Bytes of the fragment.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    gpa: int
    fragment: int
    instructions: int
    size: int


@dataclass(frozen=True, slots=True)
class UnitChained(Event):
    """A continuation gave way: from here the fragment goes on to its successor without the VMM. A phase.

    Attributes:
        vm: Whose.
        eip: Guest instruction it leads to.
        site: Where in the cache the continuation stood.
        fragment: The fragment it leads to.
        elided: No jump is needed, because the successor was placed here; otherwise a jump was written.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    site: int
    fragment: int
    elided: bool


@dataclass(frozen=True, slots=True)
class TargetRemembered(Event):
    """A return address, or a computed target, was entered in a table that translated code looks up. A phase.

    Attributes:
        vm: Whose.
        eip: The guest's target.
        landing: Where in the cache the lookup lands: the target is confirmed there.
        fragment: The fragment it goes on to.
        returns: In the return-target cache; otherwise in the table of indirect branches.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    landing: int
    fragment: int
    returns: bool


@dataclass(frozen=True, slots=True)
class UnitAdapted(Event):
    """A unit was translated anew, because one of its instructions kept faulting, or stopped doing so. A phase.

    Attributes:
        vm: Whose.
        eip: The instruction.
        before: The old fragment; its head now jumps to the new one.
        fragment: The new fragment.
        simulated: The instruction is a call now; otherwise it is copied again.
    """

    PHASE: ClassVar[bool] = True
    vm: str
    eip: int
    before: int
    fragment: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class UnitInvalidated(Event):
    """A fragment may not be executed any more; its head calls the translator.

    Attributes:
        vm: Whose.
        eip: First guest instruction of its unit.
        fragment: Its address.
        cause: `write` to its guest code, or `remap` of the page it was read from.
    """

    vm: str
    eip: int
    fragment: int
    cause: str


@dataclass(frozen=True, slots=True)
class CacheFlushed(Event):
    """The whole translation cache was thrown away; it fills again as the guest runs.

    Attributes:
        vm: Whose.
        fragments: How many fragments were lost.
        cause: `full`, `segment` for another code segment, or `drop`.
    """

    vm: str
    fragments: int
    cause: str
