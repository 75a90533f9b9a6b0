"""One host: a physical machine, the tenants that share it, and who is next."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from teachvm.host.costs import CostModel
from teachvm.host.frames import FRAME_BYTES, FrameTable
from teachvm.host.scheduler import RoundRobin, Scheduler
from teachvm.host.stop import StopKind, StopReason, together
from teachvm.host.timer import HostTimer
from teachvm.machine.computer import Machine
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Interruption
from teachvm.machine.interrupts import deliver_through_idt
from teachvm.machine.mmu import walk_two_levels
from teachvm.machine.registers import goes_on
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry

MOST_DELIVERIES: Final = 64
"""Turns of one tenant without a completed instruction before it counts as faulting for ever."""


class Tenant(Protocol):
    """Something that can have the processor: a guest on the bare machine, a VM, later a container.

    Attributes:
        name: Unique on its host.
        ended: Why it runs no further; None while it does.
        wake_at: Host cycles at which a blocked tenant becomes runnable again.
        stalled: Turns since it last completed an instruction.
    """

    name: str
    ended: StopReason | None
    wake_at: int | None
    stalled: int

    def turn(self) -> None:
        """Let the processor do the next thing for this tenant: complete one instruction, or take one interruption."""

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Complete up to `limit` instructions that nothing interrupts, and that need nobody but the processor.

        Args:
            limit: Most instructions.
            barriers: Linear addresses of instructions that may only be come to, not executed, after the first.
            through: Single instructions that record facts may be among them; the last may be left half-way, with an
                exception delivered, for `turn` to go on with.

        Returns:
            How many were completed; 0 says that `turn` has to do the next thing.
        """

    @property
    def instructions(self) -> int:
        """Instructions it has completed, however each was executed."""

    @property
    def interrupted(self) -> bool:
        """Whether an interrupt the tenant would take waits for it, such as input from outside."""

    def wake(self) -> None:
        """The time a blocked tenant waited for has come, or an interrupt before it."""

    def register(self, registry: Registry) -> None:
        """Enter the tenant's state in a world's registry."""


class Host:
    """A machine and everything that shares it.

    State: `stopped`, why nothing runs here any more; `on_cpu`, whose state the processor's registers hold or held last.

    Attributes:
        name: The host's name.
        machine: The physical machine.
        frames: Who owns each frame of its memory.
        costs: What work costs here.
        scheduler: Who is next.
        timer: The host's one-shot timer; None on a bare machine, whose guest owns the 8254.
        tenants: By name, in the order they came.
    """

    STATE: ClassVar[tuple[str, ...]] = ("stopped", "on_cpu")
    DERIVED: ClassVar[tuple[str, ...]] = (
        "name",
        "machine",
        "recorder",
        "clock",
        "frames",
        "costs",
        "scheduler",
        "timer",
        "tenants",
        "caught",
        "_running",
        "_root_deliver",
    )

    def __init__(
        self,
        machine: Machine,
        recorder: Recorder,
        *,
        name: str = "host",
        scheduler: Scheduler | None = None,
        costs: CostModel | None = None,
    ) -> None:
        self.name = name
        self.machine = machine
        self.recorder = recorder
        self.clock = recorder.clock
        self.frames = FrameTable(machine.memory.size // FRAME_BYTES)
        self.costs = costs or CostModel()
        self.scheduler: Scheduler = scheduler or RoundRobin(4_000)
        self.timer: HostTimer | None = None
        self.tenants: dict[str, Tenant] = {}
        self.stopped: StopReason | None = None
        self.on_cpu: str | None = None
        self.caught: Interruption | None = None
        """What the processor delivered last, for whoever owns its exceptions; taken right after the step."""
        self._running: Tenant | None = None
        self._root_deliver: Callable[[Cpu, Interruption], None] = deliver_through_idt

    def restored(self) -> None:
        """Find the running tenant again; a stop inside a unit may have left something caught."""
        self.caught = None
        current = self.scheduler.current
        self._running = None if current is None else self.tenants[current]

    def register(self, registry: Registry) -> None:
        """Enter the host's own state in a world's registry, under its name; machine and tenants enter themselves."""
        registry.add(f"{self.name}.frames", self.frames)
        registry.add(f"{self.name}.costs", self.costs)
        registry.add(f"{self.name}.scheduler", self.scheduler)
        if self.timer is not None:
            registry.add(f"{self.name}.oneshot", self.timer)
        registry.add(self.name, self)

    def admit(self, tenant: Tenant) -> None:
        """Take in a tenant, runnable from now on.

        Raises:
            ValueError: The name is taken.
        """
        if tenant.name in self.tenants:
            raise ValueError(f"two tenants of {self.name} are called '{tenant.name}'")
        self.tenants[tenant.name] = tenant
        self.scheduler.ready(tenant.name)

    def start_timer(self) -> HostTimer:
        """Take the machine's timer and interrupt controllers for the host itself; done once, by whoever needs them."""
        if self.timer is None:
            self.timer = HostTimer(self.machine.board, self.clock)
        return self.timer

    def take_exceptions(self) -> None:
        """Catch what the processor delivers: first through the IDT, as always, then to the tenant that runs."""
        self._root_deliver = self.machine.cpu.deliver = self._first_level

    def own_processor(self) -> None:
        """Give the processor's hooks the host's own answers again, after a mode for guests had others."""
        cpu = self.machine.cpu
        cpu.deliver = self._root_deliver
        cpu.walker, cpu.second_level = walk_two_levels, False
        cpu.intercept = cpu.control_view = None
        cpu.delivery_fault = goes_on

    def _first_level(self, cpu: Cpu, interruption: Interruption) -> None:
        deliver_through_idt(cpu, interruption)
        if cpu.cpl == 0:
            self.caught = interruption

    # ---- running -------------------------------------------------------------------------------

    def turn(self) -> None:
        """Let the processor do the next thing: an instruction, an interruption, a change of tenants, an idle hop."""
        tenant = self._running
        if tenant is None:
            tenant = self._dispatch()
            if tenant is None:
                return
        before = self.clock.n
        tenant.turn()
        if self.clock.n != before:
            tenant.stalled = 0
            return
        if tenant.wake_at is not None:
            return
        tenant.stalled += 1
        if tenant.stalled > MOST_DELIVERIES and tenant.ended is None:
            self.give_up(tenant)

    def give_up(self, tenant: Tenant) -> None:
        """End a tenant that has not completed an instruction for too long."""
        text = f"{tenant.name}: the guest faults for ever, {MOST_DELIVERIES} times without completing an instruction"
        self.end(tenant, StopReason(StopKind.GUEST_FAILURE, tenant.name, text))

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Let the running tenant complete instructions that nothing interrupts; see `Tenant.burst`."""
        tenant, clock = self._running, self.clock
        if tenant is None:
            return 0
        before = clock.n
        try:
            done = tenant.burst(limit, barriers, through=through)
        finally:
            if clock.n != before:
                tenant.stalled = 0
        if clock.phase and self.machine.cpu.stopped is None:
            tenant.stalled += 1  # left half-way: its last turn completed nothing
        return done

    def _dispatch(self) -> Tenant | None:
        """Choose who runs from now on; an idle hop, or the end, when nobody can."""
        if self.stopped is not None:
            return None
        self.wake_due()
        name = self.scheduler.pick(self.clock.cycles)
        if name is None:
            self._idle()
            return None
        self._running = self.tenants[name]
        return self._running

    def wake_due(self) -> None:
        """Make the blocked tenants runnable whose time, or interrupt, has come."""
        now = self.clock.cycles
        for tenant in self.tenants.values():
            if tenant.wake_at is not None and (tenant.wake_at <= now or tenant.interrupted):
                tenant.wake_at = None
                tenant.wake()
                self.scheduler.ready(tenant.name)

    def deadline(self) -> int | None:
        """Host cycles at which the running tenant has to be interrupted on account of the others, or None."""
        times = [tenant.wake_at for tenant in self.tenants.values() if tenant.wake_at is not None]
        end = self.scheduler.slice_end
        if end is not None:
            times.append(end)
        return min(times, default=None)

    def reschedule(self) -> bool:
        """Ask the scheduler who should have the processor; true if the running tenant keeps it."""
        running = self._running
        self.wake_due()
        name = self.scheduler.pick(self.clock.cycles)
        self._running = None if name is None else self.tenants[name]
        return running is not None and self._running is running

    def block(self, tenant: Tenant, wake_at: int) -> None:
        """A tenant has nothing to do until a time in host cycles."""
        tenant.wake_at = wake_at
        tenant.stalled = 0
        self._leave(tenant)

    def end(self, tenant: Tenant, reason: StopReason) -> None:
        """A tenant runs no further; the host stops when it was the last."""
        tenant.ended = reason
        tenant.wake_at = None
        self._leave(tenant)
        reasons = [each.ended for each in self.tenants.values()]
        ended = tuple(each for each in reasons if each is not None)
        if len(ended) == len(reasons):
            self.stopped = ended[0] if len(ended) == 1 else together(self.name, ended)

    def _leave(self, tenant: Tenant) -> None:
        self.scheduler.block(tenant.name)
        if self._running is tenant:
            self._running = None

    def _idle(self) -> None:
        """Nobody is runnable: hop to the time at which the first blocked tenant wakes."""
        due = min((tenant.wake_at for tenant in self.tenants.values() if tenant.wake_at is not None), default=None)
        assert due is not None, "a tenant that nothing can wake has ended"
        clock = self.clock
        if self.timer is None:
            clock.retire(max(0, due - clock.cycles))
        else:
            # The host itself halts with its timer armed, and takes the interrupt when it comes.
            clock.retire(self.timer.arm(due) - clock.cycles)
            self.machine.board.service()
            if self.machine.board.pic.pending:
                self.machine.board.pic.acknowledge()
                self.timer.end_of_interrupt()
        self.wake_due()
