"""What is known about translated code: one record for each fragment, enough to draw it and to find back from it.

Words: a *unit* is a stretch of guest code (at most 12 instructions, or up to one that ends it), a *fragment* what one
unit became in the translation cache, an *exit* the place where a fragment hands on to the next unit. All addresses of
the cache are linear addresses in the VMM's region; guest addresses are EIPs.

Source: Adams & Agesen, ASPLOS 2006, §3 (translation unit, compiled code fragment, continuation, chaining).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Origin(Enum):
    """How an instruction in the translation cache came about; the value is its name everywhere."""

    __hash__ = object.__hash__  # a member is itself and nothing else; Enum's own hash is computed in Python

    COPIED = "copied"
    """The guest's own bytes: IDENT."""
    REPLACED = "replaced"
    """A sequence that does in the cache what the guest's instruction would do."""
    CALLOUT = "callout"
    """The VMM does the instruction's work."""
    SIMULATED = "simulated"
    """A callout for an innocuous instruction that kept faulting."""
    CONTINUATION = "continuation"
    """Calls the translator: what comes next is not translated, or not known to be."""
    CHAINED = "chained"
    """A jump straight to another fragment, where a continuation was, or a branch that may lead to one."""
    LOOKUP = "lookup"
    """Finds the fragment of a return address or a computed target while the code runs."""

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Origin.COPIED: "The guest's own instruction, unchanged: it means the same one ring down.",
    Origin.REPLACED: "Does on the VCPU's fields, or through FS, what the guest's instruction does on a real processor.",
    Origin.CALLOUT: "Calls the VMM, which executes the guest's instruction on the VCPU.",
    Origin.SIMULATED: "Calls the VMM straight away, because this instruction faulted again and again.",
    Origin.CONTINUATION: "Calls the translator, once: it translates what comes next and puts a jump here.",
    Origin.CHAINED: "Jumps from fragment to fragment inside the cache, without the VMM.",
    Origin.LOOKUP: "Looks the target up by its low byte, because only the running guest knows it.",
}


class FlagsIn(Enum):
    """Where the guest's status flags are, inside a replaced sequence."""

    EFLAGS = "eflags"
    AX = "ax"
    """AH as LAHF leaves it, and OF in AL as SETO leaves it, or with 0x7F added to that."""


@dataclass(frozen=True, slots=True)
class Recover:
    """How to get the guest's registers back at one instruction of the cache, which is about to be executed.

    The state it describes lies at a guest instruction boundary: before the instruction a sequence stands for, or, once
    that has taken effect, after it.

    Attributes:
        eip: Guest EIP there; None: it is in EAX.
        restore: Registers kept in fields of the VCPU: (register number, offset of the field).
        esp: What to add to ESP.
        flags: Where the status flags are.
        keep: IF and IOPL are in CL, as they will be stored.
        shadow: The guest's instruction before was STI: interrupts wait for one more.
        lent: FS stands for another register; its own selector is in a field of the VCPU.
        begun: An instruction of what stands for the guest's has been executed, though nothing shows yet.
    """

    eip: int | None
    restore: tuple[tuple[int, int], ...] = ()
    esp: int = 0
    flags: FlagsIn = FlagsIn.EFLAGS
    keep: bool = False
    shadow: bool = False
    lent: bool = False
    begun: bool = False

    @property
    def clean(self) -> bool:
        """Whether the guest's registers are all in the hardware: a place to stop at."""
        whole = not self.restore and not self.esp and self.flags is FlagsIn.EFLAGS and not (self.lent or self.begun)
        return whole and self.eip is not None


@dataclass(frozen=True, slots=True)
class CacheInsn:
    """One instruction in the translation cache.

    Attributes:
        address: Where it stands.
        bytes: What stands there now; disassemble them to show it.
        guest: Index of the guest instruction it belongs to in `Fragment.guest`; -1 for none.
        origin: How it came about.
        completes: Guest instructions that are complete when this one is: 0, 1, or 2 with an elided jump.
        recover: The guest's state before it.
    """

    address: int
    bytes: bytes
    guest: int
    origin: Origin
    completes: int
    recover: Recover

    @property
    def end(self) -> int:
        """Address behind it."""
        return self.address + len(self.bytes)


@dataclass(frozen=True, slots=True)
class GuestInsn:
    """One guest instruction of a unit.

    Attributes:
        eip: Where it stands.
        bytes: As read when the unit was translated.
        origin: What became of it; of several instructions in the cache, that of the one that does its work.
        elided: Nothing stands for it in the cache: its target follows it there.
    """

    eip: int
    bytes: bytes
    origin: Origin
    elided: bool = False


class ExitState(Enum):
    """What an exit is at present."""

    CONTINUATION = "continuation"
    """It calls the translator."""
    CHAINED = "chained"
    """It jumps to the fragment of its target."""
    ELIDED = "elided"
    """The fragment of its target follows: nothing is needed."""


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out of a fragment whose target is known.

    Attributes:
        target: Guest EIP it leads to.
        taken: The branch's own target; False: what follows the unit.
        site: Address of the instruction that is changed when it is chained.
        stub: Address of its continuation: at `site`, or far away for a conditional branch.
        state: What it is at present.
        to: Fragment it leads to; None for a continuation.
    """

    target: int
    taken: bool
    site: int
    stub: int
    state: ExitState = ExitState.CONTINUATION
    to: int | None = None


class FragmentState(Enum):
    """Whether a fragment is in use."""

    VALID = "valid"
    INVALIDATED = "invalidated"
    """The guest code it was made from changed; its head calls the translator."""
    FORWARDED = "forwarded"
    """Another translation of the same unit replaced it; its head jumps there."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One unit, translated.

    Attributes:
        number: How many units were translated before it, ever.
        start: Address of its head in the cache; its key.
        end: Address behind its last byte.
        guest: The unit's instructions, in order.
        linear: gVA of the unit's first byte; the unit lies in one page.
        gpa: Guest-physical address of it.
        mode: What it was made for, as a number of the cache's.
        size: Bytes of guest code it was made from.
        code: Its instructions in the cache, in order of addresses.
        stubs: Continuations that belong to it and stand elsewhere.
        exits: Its ways out, the branch's target first.
        state: Whether it is in use.
        forward: The fragment its head jumps to, if `FORWARDED`.
    """

    number: int
    start: int
    end: int
    guest: tuple[GuestInsn, ...]
    linear: int
    gpa: int
    mode: int
    size: int
    code: tuple[CacheInsn, ...]
    stubs: tuple[CacheInsn, ...] = ()
    exits: tuple[Exit, ...] = ()
    state: FragmentState = FragmentState.VALID
    forward: int | None = None

    @property
    def eip(self) -> int:
        """Guest EIP of the unit."""
        return self.guest[0].eip

    @property
    def valid(self) -> bool:
        """Whether it may be executed."""
        return self.state is FragmentState.VALID

    def entry(self, eip: int) -> int | None:
        """Where in the cache a guest instruction of the unit begins; None if it is none of them, or was elided."""
        for insn in self.code:
            guest = self.guest[insn.guest]
            if guest.eip == eip and insn.recover.eip == eip and insn.recover.clean:
                return insn.address
        return None

    def retired(self, head: bytes) -> Fragment:
        """What is left of it when it may not be executed any more: a head that calls the translator.

        Args:
            head: The bytes of such a call, as long as a jump.
        """
        call = CacheInsn(self.start, head, 0, Origin.CONTINUATION, 0, Recover(self.eip))
        leaving = Exit(self.eip, False, self.start, self.start)
        gone = replace(self, code=(call,), stubs=(), exits=(leaving,))
        return replace(gone, state=FragmentState.INVALIDATED, forward=None)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a lookup lands: confirms that the target is the one meant, and goes on to its fragment.

    Attributes:
        target: Guest EIP it stands for.
        start: Its address.
        fragment: Where it goes on.
        code: Its instructions.
    """

    target: int
    start: int
    fragment: int
    code: tuple[CacheInsn, ...]


class CallKind(Enum):
    """What translated code calls the VMM for."""

    INSTRUCTION = "instruction"
    SIMULATE = "simulate"
    TRANSLATE = "translate"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class Call:
    """A call from the cache that the VMM has not answered yet.

    Attributes:
        kind: What for.
        fragment: The fragment it came from; None from the common lookup, or once that is gone.
        stub: Address of the calling instruction.
    """

    kind: CallKind
    fragment: int | None
    stub: int
