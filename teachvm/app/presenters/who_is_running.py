"""Who is running: the guest's program, its kernel, the VMM or the hardware alone, and how the time was shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from teachvm.app.chronicle import chronicle_of
from teachvm.app.notation import count, hex32, percent
from teachvm.app.past import past_end
from teachvm.app.phrases import vector_name
from teachvm.app.presentation import Actor, ActorsView, CardView, Crossing, Share, Stat, StatsView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.sentences import plainly
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Role, Span, Text, Tip
from teachvm.guest.symbols import SpaceKind
from teachvm.isa.flags import IF
from teachvm.machine.events import (
    ExceptionRaised,
    HandlerEntered,
    InterruptAccepted,
    SoftwareInterrupted,
    WalkReferenced,
)
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.vmm.deprivilege import KERNEL_RING
from teachvm.vmm.events import (
    FaultClassified,
    FaultReflected,
    GuestResumed,
    HypercallMade,
    InstructionDecoded,
    InstructionEmulated,
    InstructionInterpreted,
    InterruptInjected,
    ShadowFilled,
    VcpuBlocked,
    VcpuSwitched,
    VmmEntered,
)
from teachvm.vmm.techniques import Technique
from teachvm.world.events import WorldEnded

PROGRAM, KERNEL, VMM = 0, 1, 2
ANNOUNCED: Final = 400
"""Most events looked at for an announcement; a longer run says only where it came to."""

_VMM_TIP: Final = Tip(
    "Virtual machine monitor",
    "It runs only when something traps, and then in ring 0 of the hardware.",
    "Popek & Goldberg, CACM 17(7) 1974",
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The actors from least to most privileged, the crossing that is happening, and counts."""
    scene = scene_of(now)
    actors = [_program(scene), _kernel(scene)]
    if scene.virtualized:
        actors.append(_vmm(scene))
    actors.append(_hardware(scene))
    body = (ActorsView(tuple(actors), _crossing(scene)), _stats(scene))
    name = scene.title if scene.virtualized else "bare metal"
    return CardView((Span(name, "dim"),), body, announce=_announce(now, before))


# ---- actors -----------------------------------------------------------------------------------------------------


def _dim(*parts: str | Span) -> Text:
    return tuple(part if isinstance(part, Span) else Span(part, "dim") for part in parts)


def _running(scene: Scene, actor: Role) -> bool:
    """Whether an actor has the CPU; a guest's actors only if it is this guest."""
    return scene.runner == actor and (actor not in ("program", "kernel") or scene.in_guest == scene.vm)


def _program(scene: Scene) -> Actor:
    name = _process(scene)
    detail = _dim("ring 3 · ", Span(name, "dim", code=True)) if name else _dim("ring 3")
    text = "A process of the guest. It runs in ring 3 with or without a VMM, so its code runs directly."
    return Actor("Guest program", "U", "program", detail, _running(scene, "program"), Tip("Guest program", text))


def _process(scene: Scene) -> str:
    """Name of the process whose page tables the guest uses; without a process table, of the image it executes."""
    process = scene.process
    if process is not None:
        same = [one for one in scene.processes if one.name == process.name]
        return f"{process.name} {process.pid}" if len(same) > 1 else process.name
    if scene.state.cpl == 3:
        space = scene.space_at(scene.linear_eip)
        if space is not None and space.kind is SpaceKind.PROGRAM:
            return space.name
    return ""


def _kernel(scene: Scene) -> Actor:
    detail, text, source = _KERNELS[scene.guest.spec.technique]
    tip = Tip("Guest kernel", f"The guest's operating system. {text}", source)
    return Actor("Guest kernel", "K", "kernel", _dim(detail), _running(scene, "kernel"), tip)


_MOVED: Final = (
    f"thinks ring 0 · really ring {KERNEL_RING}",
    "It believes to be in ring 0; the VMM started it one ring up.",
    "Adams & Agesen, ASPLOS 2006, §2.1",
)
_KERNELS: Final[dict[Technique, tuple[str, str, str]]] = {
    Technique.BARE_METAL: (
        "ring 0",
        "Nothing is below it: it owns the machine.",
        "Intel SDM Vol. 3A, §5.5",
    ),
    Technique.TRAP_AND_EMULATE: _MOVED,
    Technique.BINARY_TRANSLATION: _MOVED,
    Technique.HARDWARE_ASSIST: (
        "ring 0 · in non-root mode",
        "It is in ring 0, of a mode the CPU has for guests; what the VMM chose leaves that mode.",
        "Intel SDM Vol. 3C, ch. 23",
    ),
    Technique.PARAVIRTUAL: (
        f"ring {KERNEL_RING}, and knows it",
        "It was changed for this VMM: for what only ring 0 may do, it makes hypercalls.",
        "Barham et al., SOSP 2003, §2",
    ),
    Technique.EMULATION: (
        "ring 0, of an emulated CPU",
        "No instruction of it runs on the CPU itself; a program interprets them.",
        "Popek & Goldberg, CACM 17(7) 1974",
    ),
}
"""How a guest's kernel runs: in a few words, in a sentence, and says who."""


def _vmm(scene: Scene) -> Actor:
    running = _running(scene, "vmm")
    detail = _dim("ring 0 · ", *_task(scene)) if running else _dim("ring 0 · waits for a trap")
    return Actor("VMM", "V", "vmm", detail, running, _VMM_TIP)


def _task(scene: Scene) -> tuple[str | Span, ...]:
    """What the VMM is doing at this phase."""
    phase = scene.phase
    says = None if phase is None else _TASKS.get(type(phase))
    if says is not None:
        return says(scene, phase)
    at = scene.snapshot.at
    if not at.n:
        return ("about to start the guest",)
    waited = next(scene.snapshot.log.of(VcpuBlocked, Moment(at.n - 1), at), None)
    return ("about to resume a guest",) if waited is None else ("the timer ended a wait",)


_TASKS: Final[dict[type[Event], Callable[[Scene, Any], tuple[str | Span, ...]]]] = {
    VmmEntered: lambda scene, event: ("entered: ", Span(event.reason.label, "dim", code=True)),
    InstructionDecoded: lambda scene, event: ("has read ", Span(event.text, "dim", code=True)),
    InstructionEmulated: lambda scene, event: ("emulated ", Span(_decoded(scene, event.eip), "dim", code=True)),
    HypercallMade: lambda scene, event: ("served ", Span(event.name, "dim", code=True)),
    FaultClassified: lambda scene, event: (f"found a {event.kind.reason.label}",),
    ShadowFilled: lambda scene, event: ("filled a shadow entry",),
    FaultReflected: lambda scene, event: (f"delivered {vector_name(event.vector, event.error)} to the guest",),
    InterruptInjected: lambda scene, event: (f"injected {vector_name(event.vector, None)}",),
    InstructionInterpreted: lambda scene, event: ("interpreted one instruction",),
    VcpuSwitched: lambda scene, event: (f"switched to {event.after}",),
    WalkReferenced: lambda scene, event: ("walks the guest’s tables",),
}


def _decoded(scene: Scene, eip: int) -> str:
    """The words of the instruction the VMM read last in this unit."""
    at = scene.snapshot.at
    found = [e for e in scene.snapshot.log.of(InstructionDecoded, Moment(at.n), at) if e.eip == eip]
    return found[-1].text if found else "an instruction"


def _hardware(scene: Scene) -> Actor:
    cpu = scene.hardware
    values = f"IF = {int(bool(cpu.eflags & IF))} · CR3 = {hex32(cpu.cr3)}"
    running = scene.runner == "hardware"
    detail = _dim(f"{_alone(scene)} · ", values) if running else _dim(values)
    text = "The one physical CPU: what its IF and CR3 hold at this moment."
    return Actor("Hardware CPU", "H", "hardware", detail, running, Tip("Hardware CPU", text))


def _alone(scene: Scene) -> str:
    """What the hardware does while no software runs."""
    if scene.snapshot.state(scene.host).stopped is not None:
        return "stopped"
    match scene.phase:
        case ExceptionRaised(vector=vector, error=error):
            return f"delivers {vector_name(vector, error)}"
        case InterruptAccepted(vector=vector):
            return f"accepts {vector_name(vector, None)}"
        case HandlerEntered():
            return "enters the handler"
        case WalkReferenced(level=level):
            return f"page walker: read the {level.upper()}"
        case _:
            return "halted, waits for a device"


# ---- crossing ---------------------------------------------------------------------------------------------------


def _crossing(scene: Scene) -> Crossing | None:
    """The change of hands that is going on at this phase."""
    if scene.virtualized:
        return _into_vmm(scene)
    match scene.phase:
        case ExceptionRaised(vector=vector, error=error, cpl=cpl):
            return Crossing(PROGRAM if cpl == 3 else KERNEL, f"{vector_name(vector, error)} · fault")
        case InterruptAccepted(vector=vector):
            return Crossing(KERNEL, vector_name(vector, None), "hardware", down=False)
        case _:
            return None


def _into_vmm(scene: Scene) -> Crossing | None:
    at = scene.snapshot.at
    if isinstance(scene.phase, GuestResumed):
        return Crossing(KERNEL, "resume", "vmm", down=False)
    if scene.runner in ("program", "kernel") or not at.phase:
        return None
    log = scene.snapshot.log
    stop = Moment(at.n, at.phase + 1)
    entered = log.last_before(stop, (VmmEntered, GuestResumed))
    if isinstance(entered, VmmEntered) and entered.vm == scene.vm:
        tip = Tip(entered.reason.label, entered.reason.explanation, entered.reason.source)
        return Crossing(KERNEL, f"{vector_name(entered.vector, entered.error)} · trap", tip=tip)
    if isinstance(scene.phase, ExceptionRaised):
        return Crossing(KERNEL, f"{vector_name(scene.phase.vector, scene.phase.error)} · trap")
    return None


# ---- counts -----------------------------------------------------------------------------------------------------


def _stats(scene: Scene) -> StatsView:
    now = scene.snapshot
    totals = chronicle_of(now.world).totals(now.at, now.cycles)
    all_cycles = max(1, totals.program + totals.kernel + totals.vmm + totals.hardware)
    done = sum(_completed(scene, name) for name in now.world.guests)
    shares = [
        Share("program", totals.program / all_cycles, "program"),
        Share("kernel", totals.kernel / all_cycles, "kernel"),
    ]
    traps = _entries(scene) if scene.virtualized else totals.traps
    stats = [
        Stat("Traps so far", count(traps), tip=_traps_tip(scene)),
        Stat("Instructions", count(done), tip=Tip("Instructions", _done_text(scene, traps))),
    ]
    if scene.virtualized:
        shares.append(Share("VMM", totals.vmm / all_cycles, "vmm", pattern=True))
        share = percent(totals.vmm / all_cycles)
        text = f"{count(totals.vmm)} of {count(all_cycles)} host cycles; an instruction takes one."
        stats.append(Stat("Cycles in VMM", share, "vmm", Tip("Cycles in VMM", text)))
    else:
        stats.append(
            Stat("Cycles", count(now.cycles), tip=Tip("Cycles", "The host's clock; an instruction takes one."))
        )
    if totals.hardware:
        shares.append(Share("waiting", totals.hardware / all_cycles, "hardware"))
    return StatsView(tuple(stats), tuple(shares))


def _traps_tip(scene: Scene) -> Tip:
    if scene.virtualized:
        return Tip("Trap", "An entry into the VMM: an exception or an interrupt took the CPU from a guest.")
    return Tip("Trap", "An exception or an interrupt; on bare metal the guest's own kernel handles it.")


def _entries(scene: Scene) -> int:
    """Entries of all VMs, one that is still open included; what the VMM only interprets is no entry of the hardware."""
    entries = 0
    for name in scene.snapshot.world.guests:
        if f"{name}.ledger" not in scene.snapshot:
            continue  # a guest of another processor, which never leaves the interpreter
        ledger = scene.snapshot.state(f"{name}.ledger")
        entries += sum(many for reason, many in ledger.counts if reason.cost != "interpret")
        entries += scene.snapshot.state(f"{name}.engine").entry is not None
    return entries


def _completed(scene: Scene, name: str) -> int:
    if not scene.virtualized:
        return int(scene.snapshot.state(f"{name}.tenant").completed)
    state = scene.snapshot.state(name)
    return int(getattr(state, "direct", 0) + scene.snapshot.translated(name) + state.emulated)


def _done_text(scene: Scene, traps: int) -> str:
    if not scene.virtualized:
        return "All were executed directly by the hardware."
    states = [scene.snapshot.state(name) for name in scene.snapshot.world.guests]
    direct, emulated = sum(getattr(s, "direct", 0) for s in states), sum(s.emulated for s in states)
    cached = sum(scene.snapshot.translated(name) for name in scene.snapshot.world.guests)
    shown = f", {count(cached)} as translated" if cached else ""
    traps_text = f"{count(traps)} entries" if cached else f"{count(traps)} traps"
    return f"{count(direct)} directly on the hardware{shown}, {count(emulated)} emulated, in {traps_text}."


# ---- for somebody who cannot see it -----------------------------------------------------------------------------


def _announce(now: Snapshot, before: Snapshot | None) -> str:
    """What trapped since the moment shown before; nothing when time went backwards."""
    if before is None or before.at >= now.at or before.log is not now.log:
        return ""
    end = past_end(now)
    start = past_end(before)
    if end - start > ANNOUNCED:
        return ""
    hardware = now.world.host.machine.cpu.name
    said = [e for e in now.log.slice(start, end) if _is_trap(e, virtualized=now.world.virtualized)]
    if not said:
        return ""
    last = plainly(said[-1], hardware)
    return f"{last}." if len(said) == 1 else f"{len(said)} traps. The last: {last}."


def _is_trap(event: Event, *, virtualized: bool) -> bool:
    if isinstance(event, WorldEnded):
        return True
    if virtualized:
        return isinstance(event, VmmEntered)
    return isinstance(event, ExceptionRaised | InterruptAccepted | SoftwareInterrupted)
