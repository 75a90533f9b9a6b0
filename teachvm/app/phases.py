"""A trap step by step, in sentences: what is done, what is now, and what is certain to come."""

from __future__ import annotations

from typing import Any, Final

from teachvm.app.past import Episode, past_end
from teachvm.app.phrases import changes_span, entry_text, place, value, words
from teachvm.app.presentation import PhaseBlock, PhaseStep
from teachvm.app.scene import Scene
from teachvm.app.sentences import say
from teachvm.app.wording import Instant, Progress, Role, Span, Text
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import IF, iopl
from teachvm.isa.operands import CS, SS
from teachvm.isa.row import InstructionClass
from teachvm.machine.events import (
    ExceptionRaised,
    HandlerEntered,
    InterruptAccepted,
    InterruptReturned,
    PortAccessed,
    SoftwareInterrupted,
    WalkReferenced,
)
from teachvm.trace.events import Event
from teachvm.vmm.entries import EntryKind, EntryReason
from teachvm.vmm.events import (
    FaultClassified,
    FaultReflected,
    HypercallMade,
    InstructionDecoded,
    InstructionEmulated,
    InterruptInjected,
    ShadowFilled,
    VmmEntered,
)
from teachvm.vmm.faults import FaultKind
from teachvm.vmm.prices import BY_INSTRUCTION
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vmx.events import NestedFilled

TIMER_LINE: Final = 0
PAGE_FAULTS: Final = frozenset(kind.reason for kind in FaultKind)

Group = tuple[list[tuple[int, Event]], Text]
"""Events that make one step, with their numbers, and its sentence."""


def phase_block(scene: Scene, episode: Episode, klass: InstructionClass | None) -> PhaseBlock:
    """The phases of one trap.

    Args:
        scene: The moment.
        episode: The trap.
        klass: Class of the instruction it happened at, if that is known.
    """
    end = past_end(scene.snapshot)
    standing = end - 1 if scene.snapshot.at.phase else None
    steps: list[PhaseStep] = []
    reached = episode.first - 1
    last_done: Event | None = None
    for events, text in _groups(scene, episode, klass):
        first, last = events[0][0], events[-1][0]
        progress: Progress = "done"
        if standing is not None and reached < standing <= last and first < end:
            progress = "now"
        elif first >= end:
            progress = "ahead"
        if progress != "ahead":
            last_done = next(event for number, event in reversed(events) if number < end)
        reached = last
        steps.append(PhaseStep(text, progress, Instant(events[-1][1].at)))
    nothing_known = all(step.progress != "ahead" for step in steps)
    if last_done is not None and standing is not None and not episode.over and nothing_known:
        steps += [PhaseStep(text, "ahead") for text in _certain(scene, episode, last_done)]
    return PhaseBlock(tuple(steps), _role(scene, episode))


def _role(scene: Scene, episode: Episode) -> Role:
    if scene.virtualized and (episode.entered is not None or scene.technique is not Technique.HARDWARE_ASSIST):
        return "vmm"
    return "trap" if isinstance(episode.cause, ExceptionRaised) else "hardware"


# ---- what is recorded ------------------------------------------------------------------------------------------


def _groups(scene: Scene, episode: Episode, klass: InstructionClass | None) -> list[Group]:
    hardware = scene.snapshot.world.host.machine.cpu.name
    groups: list[Group] = []
    waiting: list[tuple[int, Event]] = []
    for number, event in episode.events:
        if waiting and type(event) is not type(waiting[0][1]) and isinstance(waiting[0][1], WalkReferenced):
            groups.append((waiting, _walk_text(waiting)))
            waiting = []
        if isinstance(event, WalkReferenced | PortAccessed):
            waiting.append((number, event))
        elif isinstance(event, VmmEntered) and groups:
            # The exception and the entry it leads to are one step: the hardware's.
            groups[-1][0].append((number, event))
        elif waiting and isinstance(event, InstructionEmulated):
            groups.append(([*waiting, (number, event)], _port_text(waiting, event)))
            waiting = []
        else:
            groups.append(([(number, event)], _sentence(scene, episode, event, hardware, klass)))
    if waiting and isinstance(waiting[0][1], WalkReferenced):
        groups.append((waiting, _walk_text(waiting)))
    return groups


def _sentence(scene: Scene, episode: Episode, event: Event, hardware: str, klass: InstructionClass | None) -> Text:
    said = say(event, hardware)
    if event is episode.cause:
        why = _why(scene, episode, klass)
        subject = "the CPU " if why else "The CPU "
        text = said.text[:-1] if why and isinstance(event, ExceptionRaised) else said.text  # its end repeats the ring
        return (words(why + subject), *text)
    if isinstance(event, InstructionEmulated) and not event.changes and _is_store(episode):
        return (words("VMM emulates it: the store is made in the guest’s memory"),)
    subject = "The CPU " if said.who == "CPU" else f"{said.who} "
    return (words(subject), *said.text)


def _is_store(episode: Episode) -> bool:
    return episode.entered is not None and episode.entered.reason is EntryReason.PAGE_FAULT_TRACE


def _walk_text(walk: list[tuple[int, Event]]) -> Text:
    """The VMM's walk through the guest's tables as one step."""
    parts: list[Span] = []
    linear = 0
    for _, event in walk:
        assert isinstance(event, WalkReferenced)
        linear = event.linear
        shown = entry_text(event.entry, leaf=event.level == "pte")
        parts += [words(f"{', ' if parts else ''}{event.level.upper()} "), value(shown)]
    return (words("VMM walks the guest’s tables for "), place(linear), words(": "), *parts)


def _port_text(accesses: list[tuple[int, Event]], event: InstructionEmulated) -> Text:
    """An emulated IN or OUT: what went between the VCPU and the model of a device."""
    access = accesses[0][1]
    assert isinstance(access, PortAccessed)
    data = f"{access.value:#0{2 + 2 * access.size}x}"
    text: Text = (words("VMM emulates it: its device model "),)
    if access.direction == "in":
        text += (words("answers "), value(data), words(" at port "), value(f"{access.port:#x}"))
    else:
        text += (words("takes "), value(data), words(" at port "), value(f"{access.port:#x}"))
    return (*text, words(", "), changes_span(event.changes)) if event.changes else text


def _why(scene: Scene, episode: Episode, klass: InstructionClass | None) -> str:
    """Why the processor did what it did, up to the colon."""
    cause, entered = episode.cause, episode.entered
    if isinstance(cause, InterruptAccepted):
        return _device(scene, cause)
    if not isinstance(cause, ExceptionRaised) or cause.vector == Vector.PF:
        return ""
    reason = None if entered is None else entered.reason
    level = iopl(scene.hardware.eflags)
    if reason is EntryReason.RDTSC:
        return f"CR4.TSD = 1 and CPL {cause.cpl} is not 0: "
    if reason is EntryReason.INT_N:
        return f"That gate of the VMM’s IDT is closed to ring {cause.cpl}: "
    if reason is EntryReason.IRET:
        return "The VMM marked the user code segment not present: " if cause.vector == Vector.NP else (
            f"The frame’s CS names ring 0, and the CPU is in ring {cause.cpl}: "
        )  # fmt: skip
    if klass is InstructionClass.PRIVILEGED and cause.error == 0:
        return f"It is privileged, and CPL {cause.cpl} is not 0: "
    if klass is InstructionClass.IOPL_SENSITIVE and cause.error == 0:
        ports = "" if reason in (EntryReason.CLI, EntryReason.STI) else ", and the TSS allows no port"
        return f"CPL {cause.cpl} > IOPL {level}{ports}: " if cause.cpl > level else ""
    if cause.vector == Vector.GP and cause.error:
        return f"Ring {cause.cpl} may not use selector {cause.error & ~3:04x}: " if not cause.error & 2 else ""
    return ""


def _device(scene: Scene, cause: InterruptAccepted) -> str:
    """Which device interrupts, by the interrupt controller's own vector base."""
    chip = scene.snapshot.state(f"{scene.host}.pic.master")
    if cause.vector - chip.vector_base == TIMER_LINE:
        return "The host’s timer is due: " if scene.virtualized else "The timer is due and IF = 1: "
    return "A device asks and IF = 1: "


# ---- what is certain -------------------------------------------------------------------------------------------


def _certain(scene: Scene, episode: Episode, last: Event) -> list[Text]:
    """Steps that must follow from the machine's state; nothing that only usually follows."""
    if not scene.virtualized:
        if isinstance(last, ExceptionRaised | InterruptAccepted | SoftwareInterrupted):
            return [(words("The CPU delivers it through the IDT"),)]
        return []
    if isinstance(last, ExceptionRaised | InterruptAccepted | HandlerEntered):
        if scene.technique is Technique.HARDWARE_ASSIST:
            return []  # into the guest's own handler, or out to the VMM: the control structure decides
        return [(words("The CPU enters the VMM, in ring 0, on the VMM’s stack"),)]
    if isinstance(last, VmmEntered):
        return _after_entry(last)
    if isinstance(last, InstructionDecoded):
        return [_EXECUTES]
    if isinstance(last, FaultClassified):
        return [_CERTAIN_FAULT[last.kind]]
    if isinstance(last, WalkReferenced) and episode.entered is not None and episode.entered.reason in PAGE_FAULTS:
        return [(words("VMM finds out whose fault it is"),)]
    if isinstance(last, _LAST_WORDS) and _goes_on(scene):
        return [(words("VMM lets the guest go on at "), place(scene.vcpu.eip))]
    return []


def _after_entry(entered: VmmEntered) -> list[Text]:
    if entered.reason in PAGE_FAULTS:
        return [(words("VMM finds out whose fault it is, by the guest’s own tables"),)]
    if entered.reason in BY_INSTRUCTION or entered.reason in _CALLED_FOR:
        if entered.kind is EntryKind.EXIT:
            return [_EXECUTES]  # the exit tells the instruction
        reads = (words("VMM reads the instruction at "), place(entered.eip), words(" through the guest’s tables"))
        return [reads, _EXECUTES]
    if entered.reason is EntryReason.HYPERCALL:
        return [(words("VMM looks the hypercall up in its table, and serves it"),)]
    return []


_CALLED_FOR: Final = (EntryReason.SENSITIVE, EntryReason.NOT_COPIED, EntryReason.SIMULATE)
"""Calls from translated code that are about an instruction."""
_LAST_WORDS: Final = (InstructionEmulated, HypercallMade, ShadowFilled, NestedFilled, FaultReflected, InterruptInjected)
"""What the VMM does last before it lets the guest go on."""
_EXECUTES: Final[Text] = (words("VMM executes it on the VCPU"),)
_CERTAIN_FAULT: Final[dict[FaultKind, Text]] = {
    FaultKind.TRUE: (words("VMM delivers the fault through the guest’s own table"),),
    FaultKind.HIDDEN: (words("VMM fills the shadow entry"),),
    FaultKind.DIRTY: (words("VMM fills the shadow entry, writable now"),),
    FaultKind.TRACE: (words("VMM reads the instruction and makes the store itself"),),
    FaultKind.MMIO: (words("VMM reads the instruction and asks its device model"),),
    FaultKind.NESTED: (words("VMM fills the nested entry"),),
}


def _goes_on(scene: Scene) -> bool:
    """Whether nothing can come between the VCPU's state now and its next instruction."""
    cpu: Any = scene.vcpu
    if cpu.halted or cpu.trap_pending or cpu.shadow or cpu.cpl not in (0, 3):
        return False
    if scene.technique is Technique.PARAVIRTUAL:
        return False  # an event may wait in the shared page
    if cpu.segs[CS].dpl != cpu.cpl or cpu.segs[SS].dpl != cpu.cpl:
        return False
    if not cpu.eflags & IF:
        return True
    chips = [scene.snapshot.state(f"{scene.vm}.pic.{name}") for name in ("master", "slave")]
    return not any(chip.irr & ~chip.imr for chip in chips)


def returned(episode: Episode) -> bool:
    """Whether an episode is nothing but an IRET on bare metal."""
    return len(episode.events) == 1 and isinstance(episode.events[0][1], InterruptReturned)
