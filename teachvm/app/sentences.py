"""What happened, in words: one sentence for each kind of event, for logs, listings and announcements alike.

A sentence names its subject first (the CPU, the VMM, the guest) and states facts of the event only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from teachvm.app.assisted import ASSISTED
from teachvm.app.notation import count, hex32, hexbytes, plural
from teachvm.app.phrases import (
    changes_span,
    entry_bits,
    entry_text,
    error_meaning,
    number,
    physical,
    place,
    strong,
    value,
    vector_span,
    words,
)
from teachvm.app.wording import Place, Role, Span, Text, Tip
from teachvm.isa.exceptions import Vector
from teachvm.machine import events as machine
from teachvm.trace.events import Event
from teachvm.vmm import events as vmm
from teachvm.vmm.entries import EntryKind
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.hypercalls import Hypercall
from teachvm.vmm.region import VMM_BASE
from teachvm.vmm.techniques import ShadowPolicy
from teachvm.world.events import WorldEnded
from teachvm.world.inputs import ASKED


@dataclass(frozen=True, slots=True)
class Sentence:
    """Who did what; `text` without a full stop."""

    role: Role
    who: str
    text: Text


def say(event: Event, hardware: str) -> Sentence:
    """The sentence of an event.

    Args:
        event: The fact.
        hardware: Name of the physical CPU; any other CPU in an event is a VMM's software CPU.
    """
    role, who, text = SENTENCES[type(event)](event)
    if role == "hardware" and getattr(event, "cpu", hardware) != hardware:
        role, who = "vmm", "VMM"
    return Sentence(role, who, text)


def plainly(event: Event, hardware: str) -> str:
    """The sentence as characters, with its subject."""
    said = say(event, hardware)
    return f"{said.who} {''.join(span.text for span in said.text)}"


# ---- the machine ------------------------------------------------------------------------------------------------

Said = tuple[Role, str, Text]


def _console_wrote(event: machine.ConsoleWrote) -> Said:
    shown = {10: "a new line", 13: "a carriage return"}.get(event.byte)
    shown = shown or (f"‘{chr(event.byte)}’" if 32 <= event.byte < 127 else f"byte {event.byte:#04x}")
    return "hardware", "Console", (words(f"of {event.source} shows "), value(shown))


def _device_refused(event: machine.DeviceRefused) -> Said:
    return "hardware", "Device", (words(f"of {event.source} refuses: {event.text}"),)


def _exception_raised(event: machine.ExceptionRaised) -> Said:
    text = [words("raises "), vector_span(event.vector, event.error), words(" at "), place(event.eip)]
    if event.cr2 is not None and event.error is not None:
        text += [words(" for "), place(event.cr2), words(f": {error_meaning(event.error)}")]
    else:
        text.append(words(f", CPL {event.cpl}"))
    return "hardware", "CPU", tuple(text)


def _interrupt_accepted(event: machine.InterruptAccepted) -> Said:
    text = (words("accepts "), vector_span(event.vector, None), words(" before "), place(event.eip))
    return "hardware", "CPU", (*text, words(f", CPL {event.cpl}"))


def _handler_entered(event: machine.HandlerEntered) -> Said:
    rings = f", ring {event.from_cpl} → {event.to_cpl}" if event.from_cpl != event.to_cpl else f", ring {event.to_cpl}"
    text = (words(f"pushes its frame and goes through gate {number(event.vector)} to "), place(event.eip))
    return "hardware", "CPU", (*text, words(rings))


def _interrupt_returned(event: machine.InterruptReturned) -> Said:
    text = (words("takes the frame back from the stack ("), value("iret"), words(") and goes on at "), place(event.eip))
    return "hardware", "CPU", (*text, words(f", ring {event.from_cpl} → {event.to_cpl}"))


def _walk_referenced(event: machine.WalkReferenced) -> Said:
    text = (
        words(f"walks for {hex32(event.linear)}: reads the {event.level.upper()} at "),
        value(hex32(event.entry_address)),
    )
    shown = entry_text(event.entry, leaf=event.level == "pte")
    return "hardware", "CPU", (*text, words(": "), value(shown))


def _page_walked(event: machine.PageWalked) -> Said:
    why = {"read": "a read", "write": "a write", "fetch": "a fetch"}[event.access]
    who = " of the VMM's own" if event.linear >= VMM_BASE else ""
    text = [
        words(f"walks the tables for {why}{who} at "),
        place(event.linear),
        words(f": {plural(len(event.steps), 'reference')}, "),
    ]
    if event.frame is None:
        text += [words("no translation, "), vector_span(int(Vector.PF), event.error)]
    else:
        text += [words("frame "), value(hex32(event.frame))]
    return "hardware", "CPU", tuple(text)


def _tlb_flushed(event: machine.TlbFlushed) -> Said:
    if event.linear is not None:
        dropped = "its entry" if event.entries else "nothing was there"
        return "hardware", "TLB", (words("drops the page of "), place(event.linear), words(f" (invlpg): {dropped}"))
    entries = "1 entry" if event.entries == 1 else f"{count(event.entries)} entries"
    why = "somebody asked for it" if event.cause == ASKED else f"{event.cause.upper()} was loaded"
    return "hardware", "TLB", (words(f"is flushed, because {why}: {entries} gone"),)


def _port_accessed(event: machine.PortAccessed) -> Said:
    verb, preposition = ("reads", "from") if event.direction == "in" else ("writes", "to")
    shown, port = value(f"{event.value:#0{2 + 2 * event.size}x}"), value(f"{event.port:#x}")
    return "hardware", "CPU", (words(f"{verb} "), shown, words(f" {preposition} port "), port)


def _software_interrupted(event: machine.SoftwareInterrupted) -> Said:
    text = (words("executes "), Span(f"int {event.vector:#x}", strong=True, code=True), words(" at "), place(event.eip))
    return "hardware", "CPU", (*text, words(f", CPL {event.cpl}"))


def _cpu_halted(event: machine.CpuHalted) -> Said:
    until = "until an interrupt" if event.interrupts_enabled else "with IF = 0: nothing can wake it"
    return "hardware", "CPU", (words("halts "), words(until))


# ---- the VMM ----------------------------------------------------------------------------------------------------


def _vmm_entered(event: vmm.VmmEntered) -> Said:
    tip = Tip(event.reason.label, event.reason.explanation, event.reason.source)
    why = Span(event.reason.label, "vmm", strong=True, tip=tip)
    where = (words(" at "), place(event.eip, event.vm), words(f" in {event.vm}"))
    if event.kind is EntryKind.CALLOUT:
        return "vmm", "VMM", (words("is called from translated code for "), why, *where)
    return "vmm", "VMM", (words("is entered for "), why, words(": "), vector_span(event.vector, event.error), *where)


def _instruction_decoded(event: vmm.InstructionDecoded) -> Said:
    many = "byte" if len(event.bytes) == 1 else "bytes"
    text = (words(f"reads the {many} "), value(hexbytes(event.bytes)), words(" through the guest’s tables: "))
    return "vmm", "VMM", (*text, Span(event.text, strong=True, code=True))


def _instruction_emulated(event: vmm.InstructionEmulated) -> Said:
    return "vmm", "VMM", (words("emulates it: "), changes_span(event.changes))


_NEVER: Final = ", and the guest never sees the fault"
_CLASSIFIED: Final = {
    FaultKind.TRUE: ("a ", "true fault", "the guest’s own tables forbid ", ", and the guest gets its #PF"),
    FaultKind.HIDDEN: ("a ", "hidden fault", "the guest’s tables allow ", _NEVER),
    FaultKind.DIRTY: ("a ", "hidden fault", "the first write to the page of ", _NEVER),
    FaultKind.TRACE: ("a ", "trace fault", "the guest writes to its own table at ", _NEVER),
    FaultKind.MMIO: ("", "device memory", "no RAM lies behind ", _NEVER),
    FaultKind.NESTED: ("a ", "nested fault", "the nested tables lack a page behind ", _NEVER),
}
"""What the walk found, called so, because of an address, and what comes of it."""


def _fault_classified(event: vmm.FaultClassified) -> Said:
    reason = event.kind.reason
    article, name, because, so = _CLASSIFIED[event.kind]
    span = Span(name, "vmm", strong=True, tip=Tip(reason.label, reason.explanation, reason.source))
    where = place(event.linear, event.vm)
    return "vmm", "VMM", (words(f"finds {article}"), span, words(f": {because}"), where, words(so))


def _shadow_filled(event: vmm.ShadowFilled) -> Said:
    return "vmm", "VMM", (
        words("fills the shadow entry: gVA "), place(event.linear, event.vm),
        words(" → gPA "), physical(event.gpa, vm=event.vm),
        words(" → hPA "), physical(event.hpa, "host-physical"),
        words(f", {entry_bits(event.entry)}"),
    )  # fmt: skip


_DROPPED: Final = {
    "write": "the guest wrote to a page table",
    "invlpg": "the guest executed invlpg",
    "protect": "a page became a page table and is write-protected now",
    "forget": "the guest said that it is no page table any more",
    "evict": "their frame was needed",
    "drop": "somebody asked for it",
    "sync": "the guest wrote to its table and flushes its TLB now",
}


def _shadow_dropped(event: vmm.ShadowDropped) -> Said:
    entries = "1 shadow entry" if event.entries == 1 else f"{count(event.entries)} shadow entries"
    return "vmm", "VMM", (words(f"drops {entries} of {event.vm}: {_DROPPED.get(event.cause, event.cause)}"),)


def _shadow_policy_switched(event: vmm.ShadowPolicySwitched) -> Said:
    policy = ShadowPolicy(event.policy)
    tip = Tip(policy.label, policy.explanation, policy.source)
    how = Span(policy.label.lower(), strong=True, tip=tip)
    return "vmm", "VMM", (words(f"keeps the shadow tables of {event.vm} in step another way from now on: "), how)


def _fault_reflected(event: vmm.FaultReflected) -> Said:
    text = (words("delivers "), vector_span(event.vector, event.error), words(" through the guest’s own table: "))
    return "vmm", "VMM", (*text, words("its handler at "), place(event.eip, event.vm))


def _interrupt_injected(event: vmm.InterruptInjected) -> Said:
    text = (
        words("injects "),
        vector_span(event.vector, None),
        words(f" into {event.vm} through the guest’s own table: "),
    )
    return "vmm", "VMM", (*text, words("its handler at "), place(event.eip, event.vm))


def _guest_resumed(event: vmm.GuestResumed) -> Said:
    tip = Tip("Resume", f"The VMM executes iret. To the VCPU that is ring {event.cpl}.")
    where = Span(hex32(event.eip), code=True, tip=tip, link=Place("linear", event.eip, event.vm))
    return "vmm", "VMM", (words("resumes the guest at "), where)


def _instruction_interpreted(event: vmm.InstructionInterpreted) -> Said:
    tip = Tip(event.reason.label, event.reason.explanation, event.reason.source)
    why = Span(event.reason.label, "vmm", tip=tip)
    text = (words("interprets the instruction at "), place(event.eip, event.vm), words(" ("), why, words("): "))
    return "vmm", "VMM", (*text, changes_span(event.changes))


def _hypercall_made(event: vmm.HypercallMade) -> Said:
    call = _CALLS_BY_WORD.get(event.name)
    if call is None:
        return "vmm", "VMM", (words("knows no hypercall "), strong(event.name), words(", and says so"))
    tip = Tip(f"Hypercall {int(call)}: {call.word}", call.explanation, call.source)
    text: Text = (words("serves the hypercall "), Span(call.word, "vmm", strong=True, tip=tip))
    given = ", ".join(f"{name} {hex32(given)}" for name, given in event.arguments)
    if given:
        text = (*text, words(f" ({given})"))
    if event.result is not None:
        text = (*text, words(": " if event.result < 0 else " → "), value(str(event.result)))
    return "vmm", "VMM", text


_CALLS_BY_WORD: Final = {call.word: call for call in Hypercall}


def _vcpu_switched(event: vmm.VcpuSwitched) -> Said:
    leaving = f"takes {event.before} off the processor and " if event.before else ""
    return "vmm", "VMM", (words(f"{leaving}puts "), strong(event.after), words(" on it: registers, tables, CR3"))


def _vcpu_blocked(event: vmm.VcpuBlocked) -> Said:
    until = "for ever" if event.wake_at is None else f"until cycle {count(event.wake_at)}"
    return "vmm", "VMM", (words(f"blocks the VCPU of {event.vm} {until}: the guest has nothing to do"),)


def _derived_dropped(event: vmm.DerivedDropped) -> Said:
    return (
        "vmm",
        "VMM",
        (words(f"throws away all it can compute again for {event.vm}: {plural(event.frames, 'frame')}"),),
    )


def _unit_translated(event: vmm.UnitTranslated) -> Said:
    text = (words(f"translates {plural(event.instructions, 'instruction')} at "), place(event.eip, event.vm))
    return "vmm", "VMM", (*text, words(" into the cache at "), value(hex32(event.fragment)))


def _unit_chained(event: vmm.UnitChained) -> Said:
    where = words("puts the fragment right behind: no jump is needed to ")
    if not event.elided:
        where = words(f"writes a jump at {hex32(event.site)} in the cache: it leads straight to ")
    return "vmm", "VMM", (where, place(event.eip, event.vm))


def _target_remembered(event: vmm.TargetRemembered) -> Said:
    table = "the return-target cache" if event.returns else "the table of computed targets"
    return "vmm", "VMM", (words(f"enters in {table}: "), place(event.eip, event.vm))


def _unit_adapted(event: vmm.UnitAdapted) -> Said:
    how = "a call now, because it kept faulting" if event.simulated else "copied again, because it faults no more"
    return "vmm", "VMM", (words("translates the instruction at "), place(event.eip, event.vm), words(f" anew: {how}"))


_INVALIDATED: Final = {"write": "the guest wrote to its code", "remap": "its page is mapped elsewhere now"}


def _unit_invalidated(event: vmm.UnitInvalidated) -> Said:
    why = _INVALIDATED.get(event.cause, event.cause)
    return "vmm", "VMM", (words("gives up the translation of "), place(event.eip, event.vm), words(f": {why}"))


_FLUSHED: Final = {
    "full": "it was full",
    "segment": "the guest runs in another code segment",
    "drop": "somebody asked for it",
}


def _cache_flushed(event: vmm.CacheFlushed) -> Said:
    why = _FLUSHED.get(event.cause, event.cause)
    fragments = plural(event.fragments, "fragment")
    return "vmm", "VMM", (words(f"empties the translation cache of {event.vm}, {fragments}: {why}"),)


def _world_ended(event: WorldEnded) -> Said:
    return ("trap" if event.failed else "hardware"), "End", (words(event.text),)


SENTENCES: Final[dict[type[Event], Callable[[Any], Said]]] = {
    machine.ConsoleWrote: _console_wrote,
    machine.DeviceRefused: _device_refused,
    machine.ExceptionRaised: _exception_raised,
    machine.InterruptAccepted: _interrupt_accepted,
    machine.HandlerEntered: _handler_entered,
    machine.InterruptReturned: _interrupt_returned,
    machine.WalkReferenced: _walk_referenced,
    machine.PageWalked: _page_walked,
    machine.TlbFlushed: _tlb_flushed,
    machine.PortAccessed: _port_accessed,
    machine.SoftwareInterrupted: _software_interrupted,
    machine.CpuHalted: _cpu_halted,
    vmm.VmmEntered: _vmm_entered,
    vmm.InstructionDecoded: _instruction_decoded,
    vmm.InstructionEmulated: _instruction_emulated,
    vmm.FaultClassified: _fault_classified,
    vmm.ShadowFilled: _shadow_filled,
    vmm.ShadowDropped: _shadow_dropped,
    vmm.ShadowPolicySwitched: _shadow_policy_switched,
    vmm.FaultReflected: _fault_reflected,
    vmm.InterruptInjected: _interrupt_injected,
    vmm.GuestResumed: _guest_resumed,
    vmm.InstructionInterpreted: _instruction_interpreted,
    vmm.HypercallMade: _hypercall_made,
    vmm.VcpuSwitched: _vcpu_switched,
    vmm.VcpuBlocked: _vcpu_blocked,
    vmm.DerivedDropped: _derived_dropped,
    vmm.UnitTranslated: _unit_translated,
    vmm.UnitChained: _unit_chained,
    vmm.TargetRemembered: _target_remembered,
    vmm.UnitAdapted: _unit_adapted,
    vmm.UnitInvalidated: _unit_invalidated,
    vmm.CacheFlushed: _cache_flushed,
    WorldEnded: _world_ended,
    **ASSISTED,
}
"""Every kind of event, and its sentence."""
