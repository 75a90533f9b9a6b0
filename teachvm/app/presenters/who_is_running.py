"""Who is running: the guest's program, its kernel, the VMM or the hardware alone, and how the time was shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from teachvm.app.chronicle import chronicle_of
from teachvm.app.listing import instruction
from teachvm.app.notation import count, hex32, percent, plural
from teachvm.app.past import past_end
from teachvm.app.phrases import fall, vector_name
from teachvm.app.presentation import Actor, ActorsView, CardView, Crossing, Share, Stat, StatsView
from teachvm.app.scene import Scene, entries_text, scene_of, techniques
from teachvm.app.sentences import plainly
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Role, Span, Text, Tip
from teachvm.guest.symbols import SpaceKind
from teachvm.isa.decode import MAX_LENGTH
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
from teachvm.vmm.entries import EntryKind
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
    TargetRemembered,
    UnitAdapted,
    UnitChained,
    UnitTranslated,
    VcpuBlocked,
    VcpuSwitched,
    VmmEntered,
)
from teachvm.vmm.prices import is_entry
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vmx.events import NestedFilled, VmExited
from teachvm.world.events import WorldEnded

PROGRAM, KERNEL, VMM = 0, 1, 2
ANNOUNCED: Final = 400
"""Most events looked at for an announcement; a longer run says only where it came to."""

_POPEK_GOLDBERG: Final = "Popek & Goldberg, CACM 17(7) 1974"
_VMM_TIP: Final = Tip(
    "Virtual machine monitor",
    "It runs only after an entry, and then in ring 0 of the hardware.",
    _POPEK_GOLDBERG,
)
_ROOT_TIP: Final = Tip(
    "Virtual machine monitor",
    "It runs only after an exit, and then in ring 0 of root mode.",
    "Intel SDM Vol. 3C, ch. 23",
)
_INTERPRETER_TIP: Final = Tip(
    "Interpreter",
    "A program reads each instruction of the guest and does on variables what it says.",
    _POPEK_GOLDBERG,
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
    name, words = _process(scene), scene.words
    where = f"translated, {words.program}" if scene.runner == "program" and scene.place is not None else words.program
    detail = _dim(f"{where} · ", Span(name, "dim", code=True)) if name else _dim(where)
    tip = Tip("Guest program", words.program_explanation, words.source)
    return Actor("Guest program", "U", "program", detail, _running(scene, "program"), tip)


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
    words = scene.words
    tip = Tip("Guest kernel", words.kernel_explanation, words.source)
    return Actor("Guest kernel", "K", "kernel", _dim(words.kernel), _running(scene, "kernel"), tip)


def _vmm(scene: Scene) -> Actor:
    running = _running(scene, "vmm")
    if not scene.technique.direct:
        detail = _dim(*_interprets(scene)) if running else _dim(scene.words.waiting)
        return Actor("VMM: interpreter", "V", "vmm", detail, running, _INTERPRETER_TIP)
    root = scene.technique is Technique.HARDWARE_ASSIST
    ring = "ring 0 of root mode" if root else "ring 0"
    detail = _dim(f"{ring} · ", *_task(scene)) if running else _dim(f"{ring} · {scene.words.waiting}")
    return Actor("VMM", "V", "vmm", detail, running, _ROOT_TIP if root else _VMM_TIP)


def _interprets(scene: Scene) -> tuple[str | Span, ...]:
    """What the interpreter does next."""
    if scene.vcpu.halted:
        return ("the guest has halted",)
    code = scene.read(scene.linear_eip, MAX_LENGTH)
    if not code:
        return ("every instruction passes here",)
    line = instruction(scene.linear_eip, code)
    return ("next: ", Span(line.mnemonic, "dim", code=True))


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
    return (_ABOUT.get(scene.technique, "about to resume a guest"),) if waited is None else ("the timer ended a wait",)


_WAYS: Final = {EntryKind.TRAP: "entered", EntryKind.CALLOUT: "called", EntryKind.EXIT: "exit"}

_TASKS: Final[dict[type[Event], Callable[[Scene, Any], tuple[str | Span, ...]]]] = {
    VmmEntered: lambda scene, event: (f"{_WAYS[event.kind]}: ", Span(event.reason.label, "dim", code=True)),
    VmExited: lambda scene, event: (f"{_WAYS[event.kind]}: ", Span(event.reason.label, "dim", code=True)),
    InstructionDecoded: lambda scene, event: ("has read ", Span(event.text, "dim", code=True)),
    InstructionEmulated: lambda scene, event: ("emulated ", Span(_decoded(scene, event.eip), "dim", code=True)),
    HypercallMade: lambda scene, event: ("served ", Span(event.name, "dim", code=True)),
    FaultClassified: lambda scene, event: (f"found a {event.kind.reason.label}",),
    ShadowFilled: lambda scene, event: ("filled a shadow entry",),
    NestedFilled: lambda scene, event: ("filled a nested entry",),
    UnitTranslated: lambda scene, event: (f"translated {plural(event.instructions, 'instruction')}",),
    UnitChained: lambda scene, event: ("chained two fragments",),
    TargetRemembered: lambda scene, event: ("noted where a target is in the cache",),
    UnitAdapted: lambda scene, event: ("translated an instruction anew",),
    FaultReflected: lambda scene, event: (f"delivered {vector_name(event.vector, event.error)} to the guest",),
    InterruptInjected: lambda scene, event: (f"injected {vector_name(event.vector, None)}",),
    InstructionInterpreted: lambda scene, event: ("interpreted one instruction",),
    VcpuSwitched: lambda scene, event: (f"switched to {event.after}",),
    WalkReferenced: lambda scene, event: ("walks the guest’s tables",),
}


_ABOUT: Final = {Technique.HARDWARE_ASSIST: "about to enter a guest"}


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
        return Crossing(KERNEL, _BACK.get(scene.technique, "resume"), "vmm", down=False)
    if scene.runner in ("program", "kernel") or not at.phase:
        return None
    log = scene.snapshot.log
    stop = Moment(at.n, at.phase + 1)
    entered = log.last_before(stop, (VmmEntered, GuestResumed))
    if isinstance(entered, VmmEntered) and entered.vm == scene.vm:
        tip = Tip(entered.reason.label, entered.reason.explanation, entered.reason.source)
        return Crossing(KERNEL, fall(entered, " · "), tip=tip)
    if isinstance(scene.phase, ExceptionRaised):
        return _raised(scene, scene.phase)
    return None


_BACK: Final = {Technique.HARDWARE_ASSIST: "VM entry"}
"""What the way back into the guest is called."""


def _raised(scene: Scene, raised: ExceptionRaised) -> Crossing | None:
    """An exception on its way: into the VMM, but in non-root mode perhaps to the guest's own kernel."""
    name = vector_name(raised.vector, raised.error)
    if scene.technique is not Technique.HARDWARE_ASSIST:
        return Crossing(KERNEL, f"{name} · trap")
    return Crossing(PROGRAM, f"{name} · fault") if raised.cpl == 3 else None


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
    completed = Stat("Instructions", count(done), tip=Tip("Instructions", _done_text(scene, traps)))
    entered = _entered_stat(scene, traps)
    stats = [_NOT_DIRECT, completed] if entered is None else [entered, completed]
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


_NOT_DIRECT: Final = Stat(
    "Run directly", percent(0), "vmm", Tip("Run directly", "To Popek and Goldberg, no virtualization.", _POPEK_GOLDBERG)
)


def _entered_stat(scene: Scene, traps: int) -> Stat | None:
    """How often the processor was taken from a guest, called as it is under this technique; None where it has none."""
    if not scene.virtualized:
        tip = Tip("Trap", "An exception or an interrupt; on bare metal the guest's own kernel handles it.")
        return Stat("Traps so far", count(traps), tip=tip)
    ways = {technique: technique.words for technique in techniques(scene.snapshot.world) if technique.direct}
    if not ways:
        return None
    name = "Entries" if len(ways) > 1 else next(iter(ways.values())).entries
    text = "An entry into the VMM: " + "; ".join(
        f"under {technique.label.lower()} a {words.entry}" for technique, words in ways.items()
    )
    return Stat(f"{name} so far", count(traps), tip=Tip(name, f"{text}."))


def _entries(scene: Scene) -> int:
    """Entries of all VMs, one that is still open included; what the VMM only interprets is no entry of the hardware."""
    entries = 0
    for name, guest in scene.snapshot.world.guests.items():
        if f"{name}.ledger" not in scene.snapshot:
            continue  # a guest of another processor, which never leaves the interpreter
        technique = guest.spec.technique
        ledger = scene.snapshot.state(f"{name}.ledger")
        entries += sum(many for reason, many in ledger.counts if is_entry(technique, reason))
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
    parts = [f"{count(direct)} directly on the hardware"]
    parts += [f"{count(cached)} as translated"] if cached else []
    if not any(technique.direct for technique in techniques(scene.snapshot.world)):
        return f"{parts[0]}, {count(emulated)} interpreted."
    return f"{', '.join(parts)}, {count(emulated)} emulated, in {entries_text(scene.snapshot.world, traps)}."


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
    return f"{last}." if len(said) == 1 else f"{entries_text(now.world, len(said))}. The last: {last}."


def _is_trap(event: Event, *, virtualized: bool) -> bool:
    if isinstance(event, WorldEnded):
        return True
    if virtualized:
        return isinstance(event, VmmEntered)
    return isinstance(event, ExceptionRaised | InterruptAccepted | SoftwareInterrupted)
