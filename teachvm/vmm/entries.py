"""Why the VMM was entered, in one table, and the account of how often and at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Self

_SDM_PRIVILEGED: Final = "Intel SDM Vol. 3A, §5.9 privileged instructions"
_SDM_IOPL: Final = "Intel SDM Vol. 1, I/O protection; Vol. 2, CLI and STI"
_SHADOW: Final = "Adams & Agesen, ASPLOS 2006, §2.4; Agesen et al., OSR 44(4) 2010, §3.2"
_ROBIN_IRVINE: Final = "Robin & Irvine, USENIX Security 2000"


class EntryKind(Enum):
    """How the guest was left; the value is the milestone's word in lessons.

    Source: the words are those of Adams & Agesen, ASPLOS 2006: a deprivileged guest traps, translated code calls out,
    a guest in non-root mode exits.
    """

    TRAP = "trap"
    CALLOUT = "callout"
    EXIT = "exit"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return {
            EntryKind.TRAP: "An exception or interrupt of the processor stopped the guest.",
            EntryKind.CALLOUT: "Translated code called the VMM, because it was written to do so.",
            EntryKind.EXIT: "The processor left its mode for guests, because the control structure asks for it.",
        }[self]


class EntryReason(Enum):
    """One reason to leave the guest and enter the VMM; the value is its name everywhere.

    Each member: name, label for people, key of the cost table, explanation, source.
    """

    label: str
    cost: str
    explanation: str
    source: str
    __hash__ = object.__hash__  # a member is itself and nothing else; Enum's own hash is computed in Python

    CLI = ("cli", "cli", "trap", "The guest kernel turns its interrupts off: only the VCPU's IF changes.", _SDM_IOPL)
    STI = ("sti", "sti", "trap", "The guest kernel turns its interrupts on: only the VCPU's IF changes.", _SDM_IOPL)
    HLT = (
        "hlt",
        "hlt",
        "trap",
        "The guest has nothing to do; the VMM blocks the VCPU and may give the processor to another VM.",
        _SDM_PRIVILEGED,
    )
    MOV_CR = (
        "mov-cr",
        "mov to/from CR",
        "trap",
        "The guest reads or writes its CR0, CR2, CR3 or CR4, of which the VCPU has the guest's own values.",
        _SDM_PRIVILEGED,
    )
    MOV_DR = (
        "mov-dr",
        "mov to/from DR",
        "trap",
        "The guest reads or writes its debug registers, which exist only in the VCPU.",
        _SDM_PRIVILEGED,
    )
    LGDT = (
        "lgdt",
        "lgdt",
        "trap",
        "The guest names its descriptor table; the VMM copies it, deprivileged, into the shadow GDT.",
        _SDM_PRIVILEGED,
    )
    LIDT = (
        "lidt",
        "lidt",
        "trap",
        "The guest names its interrupt table; the hardware keeps using the VMM's.",
        _SDM_PRIVILEGED,
    )
    LLDT = ("lldt", "lldt", "trap", "The guest loads its LDTR; the hardware keeps none.", _SDM_PRIVILEGED)
    LTR = (
        "ltr",
        "ltr",
        "trap",
        "The guest loads its task register; the hardware keeps using the VMM's TSS.",
        _SDM_PRIVILEGED,
    )
    LMSW = ("lmsw", "lmsw", "trap", "The guest writes the low bits of its CR0.", _SDM_PRIVILEGED)
    CLTS = ("clts", "clts", "trap", "The guest clears TS in its CR0.", _SDM_PRIVILEGED)
    INVLPG = (
        "invlpg",
        "invlpg",
        "trap",
        "The guest drops one page from its TLB; the VMM drops the shadow entry and the real TLB's.",
        _SDM_PRIVILEGED,
    )
    CACHE = (
        "cache",
        "invd or wbinvd",
        "trap",
        "The guest empties its caches; there are none to empty.",
        _SDM_PRIVILEGED,
    )
    MSR = ("msr", "rdmsr or wrmsr", "trap", "The guest uses a model-specific register.", _SDM_PRIVILEGED)
    RDTSC = (
        "rdtsc",
        "rdtsc",
        "trap",
        "The guest asks what time it is; the VMM set CR4.TSD so that it can answer with the guest's own time.",
        "Intel SDM Vol. 2B, RDTSC",
    )
    IN_OUT = (
        "in-out",
        "port input or output",
        "device",
        "The guest talks to a device; the VMM's model of that device answers. A repeated string needs one entry only.",
        _SDM_IOPL,
    )
    IRET = (
        "iret",
        "iret",
        "trap",
        "The guest kernel returns from an interrupt; the VMM made sure this faults, because it changes CPL and IF.",
        f"{_ROBIN_IRVINE}; Bugnion et al., TOCS 30(4) 2012",
    )
    FAR_TRANSFER = (
        "far-transfer",
        "far call, jump or return",
        "trap",
        "The guest changes CS in a way the shadow GDT does not allow directly.",
        _ROBIN_IRVINE,
    )
    INT_N = (
        "int-n",
        "int n",
        "trap",
        "The guest raises a software interrupt; it must go through the guest's table, not the VMM's.",
        _ROBIN_IRVINE,
    )
    SEGMENT_LOAD = (
        "segment-load",
        "segment load",
        "trap",
        "The guest loads a selector the shadow GDT does not hold as the guest means it.",
        _ROBIN_IRVINE,
    )
    SEGMENT_LIMIT = (
        "segment-limit",
        "beyond the segment",
        "trap",
        "The guest touches the top 4 MB, where the VMM lives: segments end below it, so the VMM makes the access.",
        "Agesen et al., OSR 44(4) 2010, §3.3",
    )
    PAGE_FAULT_TRUE = (
        "page-fault-true",
        "true page fault",
        "true-fault",
        "The guest's own tables forbid the access: the guest gets its page fault.",
        _SHADOW,
    )
    PAGE_FAULT_HIDDEN = (
        "page-fault-hidden",
        "hidden page fault",
        "hidden-fault",
        "The guest's tables allow the access, only the shadow entry was missing: filled, and the guest never knows.",
        _SHADOW,
    )
    PAGE_FAULT_DIRTY = (
        "page-fault-dirty",
        "dirty-bit fault",
        "hidden-fault",
        "First write to a page: the shadow entry was read-only so that the VMM can set D in the guest's entry.",
        _SHADOW,
    )
    PAGE_FAULT_TRACE = (
        "page-fault-trace",
        "trace fault",
        "trace-fault",
        "The guest writes to one of its own page or descriptor tables: the store is emulated, the shadow corrected.",
        _SHADOW,
    )
    PAGE_FAULT_MMIO = (
        "page-fault-mmio",
        "device-memory fault",
        "device",
        "No RAM lies behind this guest-physical address: the access goes to a device, or to nobody.",
        _SHADOW,
    )
    HYPERCALL = (
        "hypercall",
        "hypercall",
        "hypercall",
        "The guest's kernel knows of the VMM and asks it for something, as a program asks a kernel.",
        "Barham et al., SOSP 2003, §3.2",
    )
    NESTED_VIOLATION = (
        "nested-violation",
        "nested-table violation",
        "hidden-fault",
        "The nested tables lack a guest-physical page the hardware needs: filled, and the guest never knows.",
        "Intel SDM Vol. 3C, §28.2.3 (EPT violations); Bhargava et al., ASPLOS 2008",
    )
    CPUID = (
        "cpuid",
        "cpuid",
        "trap",
        "The guest asks what processor this is; in non-root mode that always exits, so that the VMM answers.",
        "Intel SDM Vol. 3C, §25.1.2 (instructions that cause VM exits unconditionally)",
    )
    EXTERNAL_INTERRUPT = (
        "external-interrupt",
        "physical interrupt",
        "interrupt",
        "The host's timer stopped the guest: a time slice is over, or a virtual device is due.",
        "Intel SDM Vol. 3A, ch. 6",
    )
    EXCEPTION_REFLECTED = (
        "exception-reflected",
        "guest's own exception",
        "reflect",
        "The guest would have got this exception on bare metal too: the VMM delivers it through the guest's IDT.",
        "Adams & Agesen, ASPLOS 2006, §2.2",
    )
    INTERRUPT_WINDOW = (
        "interrupt-window",
        "interrupt window",
        "interpret",
        "An interrupt waits until the guest can take it: the VMM interprets one instruction, or the CPU exits then.",
        "Intel SDM Vol. 2B, STI; Vol. 3C, §25.2",
    )
    NOT_HOLDABLE = (
        "not-holdable",
        "not holdable",
        "interpret",
        "The VCPU's segments or mode have no deprivileged equivalent: the VMM interprets until they have one again.",
        "Bugnion et al., TOCS 30(4) 2012: nonreversible segments",
    )

    INTERRUPT_DUE = (
        "interrupt-due",
        "interrupt due soon",
        "interpret",
        "A virtual device is due within a few instructions: the VMM interprets them, so that the interrupt is on time.",
        "as replay of a recorded interrupt: stop early, then step; O'Callahan et al., USENIX ATC 2017 (rr)",
    )
    UNREADABLE = (
        "unreadable",
        "code cannot be read",
        "interpret",
        "The next instruction is in no page of RAM the guest may fetch from, so there is nothing to translate.",
        "Adams & Agesen, ASPLOS 2006, §3.1: on demand",
    )
    SENSITIVE = (
        "sensitive",
        "sensitive instruction",
        "callout",
        "An instruction that would silently show or change the real machine: its translation calls the VMM.",
        _ROBIN_IRVINE,
    )
    NOT_COPIED = (
        "not-copied",
        "cannot be copied",
        "callout",
        "Innocuous, but not in the cache: it lies across a page edge, stores a selector through GS, or is none at all.",
        "Adams & Agesen, ASPLOS 2006, §3.2",
    )
    SIMULATE = (
        "simulate",
        "adapted: simulate",
        "simulate",
        "An instruction that faulted again and again was translated anew, as a call: cheaper than its trap.",
        "Adams & Agesen, ASPLOS 2006, §3.3",
    )
    TRANSLATE = (
        "translate",
        "not translated yet",
        "callout",
        "A continuation: the VMM translates the unit that comes next, and chains it.",
        "Adams & Agesen, ASPLOS 2006, §3.2",
    )
    LOOKUP = (
        "target-lookup",
        "target looked up",
        "callout",
        "A return, or a jump to a computed target, that is not in the cache's tables: the VMM finds its fragment.",
        "Agesen et al., OSR 44(4) 2010, §3.1 (return-target cache)",
    )

    def __new__(cls, name: str, label: str, cost: str, explanation: str, source: str) -> Self:
        """Keep the columns beside the member; the name is its value."""
        member = object.__new__(cls)
        member._value_ = name
        member.label = label
        member.cost = cost
        member.explanation = explanation
        member.source = source
        return member


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What one reason amounted to; cycles are host cycles from the entry to the resume.

    Attributes:
        reason: Why the VMM was entered.
        count: How often.
        cycles: Sum over all entries.
        shortest: Cycles of the cheapest.
        longest: Cycles of the dearest.
    """

    reason: EntryReason
    count: int
    cycles: int
    shortest: int
    longest: int

    @property
    def average(self) -> float:
        """Cycles of one entry on average."""
        return self.cycles / self.count


class Ledger:
    """Entries of one VM by reason: count and cycles."""

    STATE: ClassVar[tuple[str, ...]] = ("counts", "cycles", "shortest", "longest")
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.counts: dict[EntryReason, int] = {}
        self.cycles: dict[EntryReason, int] = {}
        self.shortest: dict[EntryReason, int] = {}
        self.longest: dict[EntryReason, int] = {}

    def record(self, reason: EntryReason, cycles: int) -> None:
        """Enter one completed entry."""
        if reason in self.counts:
            self.counts[reason] += 1
            self.cycles[reason] += cycles
            self.shortest[reason] = min(self.shortest[reason], cycles)
            self.longest[reason] = max(self.longest[reason], cycles)
        else:
            self.counts[reason] = 1
            self.cycles[reason] = self.shortest[reason] = self.longest[reason] = cycles

    def rows(self) -> tuple[LedgerRow, ...]:
        """One row per reason that occurred, in the order of the table of reasons."""
        return tuple(
            LedgerRow(reason, self.counts[reason], self.cycles[reason], self.shortest[reason], self.longest[reason])
            for reason in EntryReason
            if reason in self.counts
        )

    @property
    def total_count(self) -> int:
        """All entries."""
        return sum(self.counts.values())

    @property
    def total_cycles(self) -> int:
        """Host cycles spent in all of them."""
        return sum(self.cycles.values())
