"""Which recorded events are the past of a moment, and which of them belong to one trap.

The log may reach beyond the moment that is looked at: what lies there was seen before and will come again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from teachvm.app.snapshot import Snapshot
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
from teachvm.trace.moment import Moment
from teachvm.vmm.events import (
    FaultClassified,
    FaultReflected,
    GuestResumed,
    HypercallMade,
    InstructionDecoded,
    InstructionEmulated,
    InstructionInterpreted,
    InterruptInjected,
    ShadowDropped,
    ShadowFilled,
    TargetRemembered,
    UnitAdapted,
    UnitChained,
    UnitTranslated,
    VcpuBlocked,
    VcpuSwitched,
    VmmEntered,
)
from teachvm.vmm.vmx.events import NestedFilled, VmExited

VMM_STEPS: Final = (
    GuestResumed,
    InstructionDecoded,
    InstructionEmulated,
    HypercallMade,
    FaultClassified,
    ShadowFilled,
    FaultReflected,
    InterruptInjected,
    InstructionInterpreted,
    ShadowDropped,
    VcpuSwitched,
    VcpuBlocked,
    NestedFilled,
    UnitTranslated,
    UnitChained,
    TargetRemembered,
    UnitAdapted,
)
"""What a VMM does after an entry, the resume included."""
Cause = ExceptionRaised | InterruptAccepted | SoftwareInterrupted


def past_end(snapshot: Snapshot) -> int:
    """Number of the first event that has not happened yet at a snapshot's moment.

    Standing at a phase, that phase is the last thing that has happened: what is recorded at the same moment behind it
    comes after it.
    """
    log, at = snapshot.log, snapshot.at
    number = log.number(at)
    return min(number + 1, log.end) if at.phase else number


def unit_events(snapshot: Snapshot, n: int) -> list[tuple[int, Event]]:
    """The events of the unit that leads to `n + 1`, recorded so far, with their numbers."""
    log = snapshot.log
    start, stop = log.number(Moment(n)), log.number(Moment(n + 1))
    return log.numbered(start, stop)


@dataclass(slots=True)
class Episode:
    """One trap or interruption: from its cause until the interrupted code, or a handler, goes on.

    Attributes:
        eip: The instruction it happened at.
        cause: What the processor met; None when the VMM took up a guest that had waited.
        entered: The entry into the VMM; None on bare metal.
        events: Everything that counts as a step, with event numbers, the cause included.
        over: The code goes on.
    """

    eip: int
    cause: Cause | None = None
    entered: VmmEntered | None = None
    events: list[tuple[int, Event]] = field(default_factory=list)
    over: bool = False

    @property
    def first(self) -> int:
        """Number of its first event."""
        return self.events[0][0]


def episodes(snapshot: Snapshot, n: int, vm: str) -> tuple[Episode, ...]:
    """The traps of one unit as far as one guest takes part in them, recorded future included.

    Args:
        snapshot: The moment.
        n: The unit.
        vm: The guest.
    """
    found = _virtual(snapshot, n, vm) if snapshot.world.virtualized else _bare(snapshot, n)
    return tuple(found)


def _virtual(snapshot: Snapshot, n: int, vm: str) -> list[Episode]:
    hardware = snapshot.world.host.machine.cpu.name
    found: list[Episode] = []
    cause: tuple[int, Cause] | None = None
    current: Episode | None = None
    for number, event in unit_events(snapshot, n):
        if isinstance(event, ExceptionRaised | InterruptAccepted) and event.cpu == hardware:
            cause = number, event
        elif isinstance(event, HandlerEntered) and cause is not None and snapshot.world.delivers_natively:
            if event.cpu == hardware and _belongs(snapshot, cause[1], vm):
                found.append(Episode(cause[1].eip, cause[1], None, [cause, (number, event)], over=True))
            cause = None
        elif isinstance(event, VmmEntered):
            current = None
            if isinstance(event, VmExited):
                cause = None  # what non-root mode delivered by itself before is another story
            if event.vm == vm:
                current = Episode(event.eip, entered=event)
                if cause is not None:
                    current.cause = cause[1]
                    current.events.append(cause)
                current.events.append((number, event))
                found.append(current)
            cause = None
        elif isinstance(event, VMM_STEPS) or _done_by(event, vm):
            current = _continued(current, number, event, vm, found)
    if cause is not None and _belongs(snapshot, cause[1], vm):
        found.append(Episode(cause[1].eip, cause[1], None, [cause]))
    return found


def _belongs(snapshot: Snapshot, cause: Cause, vm: str) -> bool:
    """Whether an exception that has not reached the VMM yet is this guest's: only the running one can have any."""
    return cause.eip >= 0 and snapshot.state(snapshot.world.host.name).on_cpu == vm


def _done_by(event: Event, cpu: str) -> bool:
    """Whether a VCPU's software CPU did this: a page walk, or an access to a virtual device."""
    return isinstance(event, WalkReferenced | PortAccessed) and event.cpu == cpu


def _continued(current: Episode | None, number: int, event: Event, vm: str, found: list[Episode]) -> Episode | None:
    """Add a VMM step to the episode it belongs to; the VMM may go on with a guest it was not just entered from."""
    whose = event.after if isinstance(event, VcpuSwitched) else getattr(event, "vm", vm)
    if whose != vm:
        return current
    if current is None:
        eip = getattr(event, "eip", None)
        current = Episode(-1 if eip is None or isinstance(event, InterruptInjected) else eip)
        found.append(current)
    if current.eip < 0 and isinstance(event, GuestResumed):
        current.eip = event.eip
    current.events.append((number, event))
    if isinstance(event, GuestResumed):
        current.over = True
        return None
    return current


def _bare(snapshot: Snapshot, n: int) -> list[Episode]:
    found: list[Episode] = []
    current: Episode | None = None
    for number, event in unit_events(snapshot, n):
        if isinstance(event, ExceptionRaised | InterruptAccepted | SoftwareInterrupted):
            # A fault while delivering another one belongs to the same story.
            if current is None:
                current = Episode(event.eip, event)
                found.append(current)
            current.events.append((number, event))
        elif isinstance(event, HandlerEntered) and current is not None:
            current.events.append((number, event))
            current.over = True
            current = None
        elif isinstance(event, InterruptReturned):
            found.append(Episode(-1, None, None, [(number, event)], over=True))
    return found
