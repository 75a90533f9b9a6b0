"""One world where it stands: what is looked at, what was shown before, which instruction is next, what counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from teachvm.app.focus import Focus
from teachvm.app.snapshot import Snapshot
from teachvm.host.host import Tenant
from teachvm.isa.operands import CS
from teachvm.machine.debugging import Watched
from teachvm.machine.events import ExceptionRaised, HandlerEntered, InterruptAccepted, WalkReferenced
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.events import GuestResumed, VmmEntered
from teachvm.vmm.foreign import ForeignVm
from teachvm.vmm.vm import Vm
from teachvm.vmm.vmx.events import NestedReferenced
from teachvm.world.spec import WorldSpec
from teachvm.world.world import World


class Standing:
    """A world on its timeline, held still.

    Attributes:
        world: What is looked at; another object after `_exchange`.
        timeline: Where it is.
        focus: What is looked at.
    """

    def __init__(self, spec: WorldSpec, make: Callable[[WorldSpec], World]) -> None:
        """Build the world and stand at its beginning.

        Raises:
            SpecError, GuestError, AsmError: The world cannot be built.
        """
        self._make = make
        self.world = make(spec)
        self.timeline = Timeline(self.world)
        self.focus = Focus()
        self._now: Snapshot | None = None
        self._before: Snapshot | None = None

    def _exchange(self, spec: WorldSpec) -> None:
        """Stand at the beginning of another world.

        Raises:
            SpecError, GuestError, AsmError: It cannot be built; the old world stays.
        """
        world = self._make(spec)
        # On bare metal a guest is called as its host is: what was watched there is watched under its new name.
        names = dict(zip(self.world.guests, world.guests, strict=False))
        watched = tuple(replace(p, vm=names[p.vm]) for p in self.focus.watchpoints if p.vm in names)
        self.world, self.timeline = world, Timeline(world)
        self._now = self._before = None
        self.focus = replace(self.focus, watchpoints=watched)
        self._watch(self.focus)

    # ---- looking -------------------------------------------------------------------------------

    @property
    def position(self) -> Moment:
        """Where the world stands."""
        return self.timeline.position

    def snapshot(self) -> Snapshot:
        """The present moment, held still; the same object until the world moves or the focus changes."""
        if self._now is None:
            self._now = Snapshot(self.world, self.timeline, self.focus)
        return self._now

    def before(self) -> Snapshot | None:
        """The moment shown before the last movement, for what changed; None at the beginning."""
        return self._before

    def look(self, focus: Focus) -> None:
        """Look at something else; time does not move."""
        if focus.watchpoints != self.focus.watchpoints:
            self._watch(focus)
        self.focus = focus
        if self._now is not None:
            self._now = self._now.with_focus(focus)

    def _watch(self, focus: Focus) -> None:
        """Have the world note accesses to the bytes that are watched."""
        self.world.watch((point.vm, Watched(point.linear, point.size, point.reads)) for point in focus.watchpoints)

    def toggle_breakpoint(self, address: int) -> None:
        """Set or clear a breakpoint at a linear address."""
        self.look(replace(self.focus, breakpoints=self.focus.breakpoints ^ {address}))

    def leave(self) -> None:
        """The world is about to move: what is shown now becomes what was shown before."""
        self._before = self._now
        if self._before is not None:
            self._before.leave()
        self._now = None

    def go_on(self) -> None:
        """A movement goes on after a slice: what it is compared with stays what was shown before it began."""
        if self._now is not None:
            self._now.leave()
        self._now = None

    # ---- what counts ---------------------------------------------------------------------------

    def visible(self, event: Event) -> bool:
        """Whether the finest step stops at a phase, given what the stage shows.

        Walk references count only where a walk can be seen. Under a VMM the hardware's own delivery is part of the
        entry it leads to, and a resume after which the instruction is complete is the instruction boundary itself.
        """
        if isinstance(event, WalkReferenced):
            if isinstance(event, NestedReferenced) and event.nested:
                return "nested-walk" in self.focus.cards
            return bool({"guest-walk", "nested-walk", "tlb"} & set(self.focus.cards))
        if isinstance(event, ExceptionRaised | InterruptAccepted):
            return self.world.delivers_natively
        return not isinstance(event, HandlerEntered | GuestResumed)

    def is_trap(self, event: Event) -> bool:
        """Whether "next trap" stops at an event: an entry into the VMM, or on bare metal an interruption."""
        if self.virtualized:
            return isinstance(event, VmmEntered)
        return isinstance(event, ExceptionRaised | InterruptAccepted)

    @property
    def virtualized(self) -> bool:
        """Whether a VMM lies below the guests of this world."""
        return self.world.virtualized

    def _completed(self) -> int:
        """Instructions all guests have completed: one may take several units, in translated code."""
        return sum(tenant.instructions for tenant in self.world.host.tenants.values())

    def _next_instruction(self) -> int | None:
        """Linear address of the next instruction of the guest that has the processor, or gets it; None if none does."""
        tenant = self._guest()
        if tenant is None:
            return None
        if isinstance(tenant, ForeignVm):
            return tenant.cpu.pc
        cpu = tenant.vcpu.state() if isinstance(tenant, Vm) else self.world.host.machine.cpu
        return cpu.segs[CS].base + cpu.eip & 0xFFFF_FFFF

    def _begun_next(self) -> frozenset[int]:
        """Linear addresses of the instructions that are begun next.

        Inside translated code that stands for one there are none; with the one before an elided jump there are two.
        """
        tenant, here = self._guest(), self._next_instruction()
        if here is None:
            return frozenset()
        if not isinstance(tenant, Vm) or not tenant.in_cache:
            return frozenset((here,))
        base = tenant.vcpu.state().segs[CS].base
        return frozenset(base + eip & 0xFFFF_FFFF for eip in tenant.next_instructions)

    def _guest(self) -> Tenant | None:
        """Whoever has the processor, or gets it."""
        host = self.world.host
        return host.tenants.get(host.scheduler.current or next(iter(host.scheduler.waiting), ""))
