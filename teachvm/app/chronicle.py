"""Who had the CPU when: the event log told as stretches, read once and carried on as the log grows.

A stretch begins where control changed: at a VMM entry, a resume, a change of ring, an idle hop. Its cycles are the
events' own, so the sum over all actors is the host's clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from teachvm.app.drawing import Lane, Notch, Stretch
from teachvm.app.phrases import entry_word, vector_name
from teachvm.app.wording import Role, Tip
from teachvm.machine import events as machine
from teachvm.trace.events import Event, EventLog
from teachvm.trace.moment import START, Moment
from teachvm.vmm import events as vmm
from teachvm.vmm.entries import EntryKind
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vmx import events as vmx
from teachvm.world.events import WorldEnded
from teachvm.world.world import Guest, World

T = TypeVar("T")

PROGRAM, KERNEL, VMM, HARDWARE = range(4)
_RINGS: Final = {Technique.HARDWARE_ASSIST: (0, 3), Technique.PARAVIRTUAL: (1, 3)}
"""Rings of the hardware that a guest's own software goes to without the VMM, where there are such."""
ACTORS: Final[tuple[Role, ...]] = ("program", "kernel", "vmm", "hardware")
"""The roles of the four actors, in the order of the lanes."""


class Totals(NamedTuple):
    """Cycles by actor since the beginning, and how often control was taken away."""

    program: int
    kernel: int
    vmm: int
    hardware: int
    traps: int


class _Open(NamedTuple):
    """Who runs since when."""

    actor: int
    guest: int
    since: int
    at: Moment


class Chronicle:
    """The stretches and traps of one world's log.

    Attributes:
        lanes: One per actor, or one per guest if there are several, then VMM and hardware.
        stretches: Closed stretches, oldest first.
        notches: Traps, oldest first.
        kinds: How often the VMM was entered by `trap`, `exit`, `callout` and `hypercall`.
    """

    def __init__(self, world: World) -> None:
        self._guests = tuple(world.guests)
        self._virtualized = world.virtualized
        self._hardware = world.host.machine.cpu.name
        self._changing = {
            name: _RINGS[guest.spec.technique] for name, guest in world.guests.items() if guest.spec.technique in _RINGS
        }
        self._several = len(self._guests) > 1
        self.lanes = _lanes(world)
        self._steps: dict[type[Event], Callable[[Any], None]] = (
            {
                vmm.VmmEntered: self._entered,
                vmm.GuestResumed: self._resumed,
                vmx.VmExited: self._entered,
                vmx.GuestEntered: self._resumed,
                machine.HandlerEntered: self._by_itself,
                machine.InterruptReturned: self._by_itself,
                vmm.VcpuBlocked: self._blocked,
                vmm.VcpuSwitched: self._awake,
                vmm.InterruptInjected: self._awake,
                vmm.InstructionInterpreted: self._awake,
                WorldEnded: self._ended,
            }
            if self._virtualized
            else {
                machine.ExceptionRaised: self._raised,
                machine.InterruptAccepted: self._accepted,
                machine.HandlerEntered: self._handler,
                machine.InterruptReturned: self._returned,
                machine.CpuHalted: self._halted,
                WorldEnded: self._ended,
            }
        )
        self._clear()

    def _clear(self) -> None:
        self.stretches: list[Stretch] = []
        self.notches: list[Notch] = []
        self.kinds: Counter[str] = Counter()
        self._totals: list[Totals] = []
        self._sum = [0, 0, 0, 0]
        self._read = 0
        self._seen = 0
        self._wakes: dict[str, int] = {}
        self._last = _Open(VMM if self._virtualized else KERNEL, 0, 0, START)
        self._opened: list[_Open] = [self._last]
        self._cuts = 0

    # ---- reading on ----------------------------------------------------------------------------

    def read(self, log: EventLog) -> None:
        """Carry on with what was recorded since the last time; after a fork, begin again."""
        if log.cuts != self._cuts:
            self._clear()
            self._cuts = log.cuts
        if self._read == log.end:
            return
        if self._read < log.first:
            self._skip(log.slice(log.first, log.first + 1)[0])
        steps = self._steps
        events = log.slice(self._read, log.end)
        self._seen = events[-1].cycles
        for event in events:
            step = steps.get(type(event))
            if step is not None:
                step(event)
        self._read = log.end

    def _skip(self, event: Event) -> None:
        """More happened unread than the log keeps: what lies in between stays blank, and belongs to nobody."""
        self._turn(self._last.actor, self._last.guest, self._seen, event.at)
        self._last = self._last._replace(since=event.cycles)
        self._opened[-1] = self._last

    def _turn(self, actor: int, guest: int, cycles: int, at: Moment) -> None:
        """Somebody else has the CPU from now on."""
        last = self._last
        if cycles > last.since:
            self._sum[last.actor] += cycles - last.since
            self.stretches.append(self._stretch(last, cycles))
        self._last = _Open(actor, guest, cycles, at)
        self._opened.append(self._last)
        self._totals.append(_totals(self._sum, len(self.notches)))

    def _stretch(self, opened: _Open, stop: int) -> Stretch:
        lane = self._lane(opened.actor, opened.guest)
        role = ACTORS[opened.actor] if self._several and opened.actor <= KERNEL else None
        return Stretch(opened.since, stop, lane, opened.at, role)

    def _lane(self, actor: int, guest: int) -> int:
        if self._several:
            return guest if actor <= KERNEL else len(self._guests) + actor - VMM
        return actor if self._virtualized or actor <= KERNEL else actor - 1

    # ---- with a VMM ----------------------------------------------------------------------------

    def _entered(self, event: vmm.VmmEntered) -> None:
        guest = self._guests.index(event.vm)
        source = self._lane(PROGRAM if event.cpl == 3 else KERNEL, guest)
        how = vector_name(event.vector, event.error) if event.kind is EntryKind.TRAP else event.kind.value
        text = f"{how}: {event.reason.label}"
        self.kinds[entry_word(event)] += 1
        self.notches.append(Notch(event.cycles, source, self._lane(VMM, guest), event.at, text))
        self._turn(VMM, guest, event.cycles, event.at)

    def _resumed(self, event: vmm.GuestResumed) -> None:
        self._awake(event)
        actor = PROGRAM if event.cpl == 3 else KERNEL
        self._turn(actor, self._guests.index(event.vm), event.cycles, Moment(event.at.n + 1))

    def _by_itself(self, event: machine.HandlerEntered | machine.InterruptReturned) -> None:
        """The hardware changes the guest's ring without the VMM: in non-root mode, and past a VMM the kernel knows."""
        last = self._last
        if event.cpu != self._hardware or last.actor > KERNEL:
            return
        if event.to_cpl in self._changing.get(self._guests[last.guest], ()):
            actor = PROGRAM if event.to_cpl == 3 else KERNEL
            if actor != last.actor:
                self._turn(actor, last.guest, event.cycles, Moment(event.at.n + 1))

    def _blocked(self, event: vmm.VcpuBlocked) -> None:
        if event.wake_at is not None:
            self._wakes[event.vm] = event.wake_at
        self._turn(HARDWARE, self._guests.index(event.vm), event.cycles, event.at)

    def _awake(self, event: Event) -> None:
        """The VMM works: if the processor seemed to wait, it did so only until the first guest was due."""
        last = self._last
        if last.actor != HARDWARE:
            return
        due = min(self._wakes.values(), default=last.since)
        if event.cycles < due:
            # Nobody waited: another guest was ready at once.
            self._last = last._replace(actor=VMM)
            self._opened[-1] = self._last
            return
        for vm in [vm for vm, wake in self._wakes.items() if wake <= event.cycles]:
            del self._wakes[vm]
        self._turn(VMM, last.guest, max(due, last.since), event.at)

    # ---- on bare metal -------------------------------------------------------------------------

    def _raised(self, event: machine.ExceptionRaised) -> None:
        source = self._lane(PROGRAM if event.cpl == 3 else KERNEL, 0)
        text = vector_name(event.vector, event.error)
        self.notches.append(Notch(event.cycles, source, self._lane(KERNEL, 0), event.at, text))

    def _accepted(self, event: machine.InterruptAccepted) -> None:
        text = vector_name(event.vector, None)
        source = self._lane(HARDWARE, 0)
        self.notches.append(Notch(event.cycles, source, self._lane(KERNEL, 0), event.at, text))
        if self._last.actor == HARDWARE:
            self._turn(KERNEL, 0, event.cycles, event.at)

    def _handler(self, event: machine.HandlerEntered) -> None:
        self._ring(event.to_cpl, event)

    def _returned(self, event: machine.InterruptReturned) -> None:
        self._ring(event.to_cpl, event)

    def _ring(self, cpl: int, event: Event) -> None:
        actor = PROGRAM if cpl == 3 else KERNEL
        if actor != self._last.actor:
            self._turn(actor, 0, event.cycles, Moment(event.at.n + 1))

    def _halted(self, event: machine.CpuHalted) -> None:
        self._turn(HARDWARE, 0, event.cycles + 1, Moment(event.at.n + 1))

    def _ended(self, event: WorldEnded) -> None:
        self._turn(HARDWARE, 0, event.cycles, event.at)

    # ---- asking --------------------------------------------------------------------------------

    def totals(self, now: Moment, cycles: int) -> Totals:
        """Cycles by actor until a moment, and the traps until then, one that is happening included."""
        at = bisect_right(self._opened, now, key=lambda opened: opened.at) - 1
        while at >= 0 and self._opened[at].since > cycles:
            at -= 1
        sums = list(self._totals[at - 1][:4]) if at > 0 else [0, 0, 0, 0]
        opened = self._opened[max(at, 0)]
        sums[opened.actor] += max(0, cycles - opened.since)
        traps = bisect_right(self.notches, now, key=lambda notch: notch.at)
        return _totals(sums, traps)

    def until(self, cycles: int) -> Sequence[Stretch]:
        """All stretches, the one still open included as far as `cycles`."""
        if cycles > self._last.since:
            return _Series(self.stretches, self._stretch(self._last, cycles))
        return _Series(self.stretches)

    def traps(self) -> Sequence[Notch]:
        """All traps."""
        return _Series(self.notches)


def _totals(sums: list[int], traps: int) -> Totals:
    program, kernel, vmm_, hardware = sums
    return Totals(program, kernel, vmm_, hardware, traps)


class _Series(Sequence[T]):
    """The items a list has now, and perhaps one more: the list may grow, so that nothing needs copying."""

    def __init__(self, items: list[T], last: T | None = None) -> None:
        self._items = items
        self._length = len(items)
        self._last = last

    def __len__(self) -> int:
        return self._length + (self._last is not None)

    def __getitem__(self, index: Any) -> Any:
        """One stretch, or a list of them for a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            part = self._items[start : min(stop, self._length) : step]
            tail = self._last is not None and stop > self._length and (self._length - start) % step == 0
            return [*part, self._last] if tail else part
        if index < 0:
            index += len(self)
        if index == self._length and self._last is not None:
            return self._last
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._items[index]


_CHRONICLES: WeakKeyDictionary[World, Chronicle] = WeakKeyDictionary()


def chronicle_of(world: World) -> Chronicle:
    """The chronicle of a world, read up to the end of its log."""
    chronicle = _CHRONICLES.get(world)
    if chronicle is None:
        chronicle = _CHRONICLES[world] = Chronicle(world)
    chronicle.read(world.recorder.log)
    return chronicle


def _lanes(world: World) -> tuple[Lane, ...]:
    technique = world.spec.host.vms[0].technique
    words = technique.words
    several = len(world.guests) > 1
    runs = "It runs only after an entry, in ring 0."
    if not technique.direct and not several:
        runs = "It interprets every instruction of the guest: all the guest does is done here."
    elif words.waiting and not several:
        runs = f"In ring 0. While the guest has the CPU, it {words.waiting}."
    vmm_lane = Lane("VMM", "V", "vmm", Tip("Virtual machine monitor", runs))
    idle = Lane("Hardware", "H", "hardware", Tip("Hardware alone", "The CPU waits, halted; only devices count."))
    if several:
        named = (_guest_lane(name, guest, at) for at, (name, guest) in enumerate(world.guests.items()))
        return (*named, vmm_lane, idle)
    kernel = "Translated" if technique is Technique.BINARY_TRANSLATION else "Guest kernel"
    lanes = (
        Lane("Guest program", "U", "program", Tip("Guest program", words.program_explanation, words.source)),
        Lane(kernel, "K", "kernel", Tip("Guest kernel", words.kernel_explanation, words.source)),
    )
    return (*lanes, vmm_lane, idle) if world.virtualized else (*lanes, idle)


def _guest_lane(name: str, guest: Guest, at: int) -> Lane:
    tip = "Blue: its programs, in ring 3; violet: its kernel."
    if not guest.spec.technique.direct:
        tip = "It is interpreted: all it does is done by the VMM, in the VMM's lane."
    return Lane(name, chr(ord("A") + at), "kernel", Tip(name, tip))
