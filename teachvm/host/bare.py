"""Bare metal: one guest that owns the whole machine, with nobody below it."""

from __future__ import annotations

from typing import ClassVar

from teachvm.host.frames import Owner, OwnerKind
from teachvm.host.host import Host
from teachvm.host.stop import StopKind, StopReason, switched_off
from teachvm.isa.flags import IF
from teachvm.machine.exceptions import CpuStopped
from teachvm.trace.state import Registry


class BareGuest:
    """The only tenant of its host: its kernel runs in ring 0 of the real processor.

    It is called as its host is, since it is the host's own operating system. `completed` counts its instructions.
    """

    STATE: ClassVar[tuple[str, ...]] = ("ended", "wake_at", "stalled", "completed")
    DERIVED: ClassVar[tuple[str, ...]] = ("name", "host", "cpu", "board", "clock")

    def __init__(self, host: Host) -> None:
        """Give the guest every frame of the machine."""
        self.name = host.name
        self.host = host
        self.cpu = host.machine.cpu
        self.board = host.machine.board
        self.clock = host.clock
        self.ended: StopReason | None = None
        self.wake_at: int | None = None
        self.stalled = 0
        self.completed = 0
        owner = Owner(OwnerKind.HOST, self.name)
        host.frames.allocate(owner, host.frames.count, first_number=0)
        host.on_cpu = self.name
        host.admit(self)

    def register(self, registry: Registry) -> None:
        """Enter the tenant's state in a world's registry; the machine enters its own."""
        registry.add(f"{self.name}.tenant", self)

    def turn(self) -> None:
        """Complete one instruction, or accept one interrupt, or find that there is nothing to do."""
        clock = self.clock
        board = self.board
        if clock.cycles >= board.timer.due:
            board.service()
        if self.cpu.halted and not self.interrupted:
            self._wait()
            return
        try:
            cycles = self.cpu.step()
        except CpuStopped as stop:
            self._fail(stop)
            return
        if cycles:
            self.completed_one(cycles)
            self._look_whether_off()

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Complete instructions up to the next one that a device may interrupt."""
        if through:
            try:
                done = 0 if self.cpu.tiers is None else self.cpu.tiers.run_through(limit, self)
            except CpuStopped:
                return 0  # the next turn finds it stopped, and says why
            self._look_whether_off()
            return done
        count = self.host.machine.burst(limit, barriers)
        self.completed_all(count)
        return count

    def completed_all(self, count: int) -> None:
        """Compiled code completed so many instructions."""
        self.completed += count
        self.clock.retire_all(count)

    def completed_unit(self) -> None:
        """One instruction that records facts was completed."""
        self.completed += 1
        self.clock.retire()

    def completed_one(self, cycles: int) -> int:
        """One instruction was completed; cycles until a device is due, or an interrupt accepted."""
        self.completed += 1
        self.clock.retire(cycles)
        return self.host.machine.room()

    def room(self) -> int:
        """Cycles until a device is due, or an interrupt accepted."""
        return self.host.machine.room()

    def _look_whether_off(self) -> None:
        """Run no further if the guest has ended its run through a port."""
        board = self.board
        if board.ended:
            self.host.end(self, switched_off(self.name, board.ended, failed=board.failed))

    def _fail(self, stop: CpuStopped) -> None:
        self.host.end(self, StopReason(StopKind.GUEST_FAILURE, self.name, f"{self.name}: {stop}"))

    @property
    def instructions(self) -> int:
        """All are executed by the processor."""
        return self.completed

    @property
    def interrupted(self) -> bool:
        """Whether the processor would take an interrupt now."""
        return self.board.pic.pending and bool(self.cpu.eflags & IF)

    def wake(self) -> None:
        """A device is due: it is served before the next instruction."""

    def _wait(self) -> None:
        due = self.board.next_due()
        if not self.cpu.eflags & IF:
            text = f"{self.name} halted with interrupts off"
        elif due is None:
            text = f"{self.name} halted, and no device will ever interrupt it"
        else:
            self.host.block(self, due)
            return
        self.host.end(self, StopReason(StopKind.ENDED_WELL, self.name, text))
