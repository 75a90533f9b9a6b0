"""A VM of another kind of processor: a RISC-V computer that exists only as an interpreter's variables.

Source: Popek & Goldberg, CACM 17(7) 1974, p. 413: where no instruction of the guest runs directly, it is emulation.
"""

from __future__ import annotations

from typing import ClassVar, Final

from teachvm.host.host import Host
from teachvm.host.stop import StopKind, StopReason, switched_off
from teachvm.machine.rv32.board import Rv32Board
from teachvm.machine.rv32.cpu import Rv32Cpu, Rv32Stopped
from teachvm.trace.state import Registry
from teachvm.vmm.handover import take_over
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.techniques import Technique

LONGEST_BURST: Final = 4_096
"""Instructions interpreted in one go, where nobody waits for the processor."""


class ForeignVm:
    """A tenant whose guest is RISC-V code; every instruction is interpreted, and costs what interpreting costs.

    State: `emulated`, instructions completed.

    Attributes:
        name: Unique on its host.
        memory: The guest's RAM, on frames of the host.
        board: Its address space and devices.
        cpu: The processor's registers, as variables.
    """

    technique = Technique.EMULATION
    STATE: ClassVar[tuple[str, ...]] = ("ended", "wake_at", "stalled", "emulated")
    DERIVED: ClassVar[tuple[str, ...]] = ("name", "host", "memory", "board", "cpu")

    def __init__(self, host: Host, name: str, memory_bytes: int) -> None:
        """Make the computer with empty memory, and admit it to its host.

        Raises:
            OutOfFramesError: The host has too little memory.
            ValueError: The name is taken, or the size is no multiple of a page.
        """
        self.name = name
        self.host = host
        self.ended: StopReason | None = None
        self.wake_at: int | None = None
        self.stalled = 0
        self.emulated = 0
        self.memory = GuestMemory(host, name, memory_bytes)
        self.board = Rv32Board(name, self.memory, host.recorder)
        self.cpu = Rv32Cpu(self.board)
        host.start_timer()
        host.admit(self)

    def register(self, registry: Registry) -> None:
        """Enter the computer's state in a world's registry, under its name."""
        registry.add(f"{self.name}.memory", self.memory)
        registry.add(f"{self.name}.cpu", self.cpu)
        self.board.register(registry, self.name)
        registry.add(self.name, self)

    def turn(self) -> None:
        """Interpret one instruction."""
        if self.host.on_cpu != self.name:
            take_over(self.host, self.name)
        try:
            completed = self._step()
        except Rv32Stopped as stop:
            self.host.end(self, StopReason(StopKind.GUEST_FAILURE, self.name, f"{self.name}: {stop}"))
            return
        if completed:
            self._retire()

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Interpret up to `limit` instructions, as long as they end nothing and nobody else is due."""
        del through  # none of them records a fact
        if self.host.on_cpu != self.name:
            return 0
        clock, host = self.host.clock, self.host
        cost, deadline = host.costs.of("emulate"), host.deadline()
        done = 0
        while done < min(limit, LONGEST_BURST):
            if deadline is not None and clock.cycles + cost >= deadline:
                break
            if done and self.cpu.pc in barriers:
                break
            try:
                if not self._step():
                    break
            except Rv32Stopped:
                break  # the next turn finds it stopped, and says why
            clock.retire(cost)
            done += 1
        return done

    def _step(self) -> bool:
        """Complete one instruction; false when the finisher made it the last.

        Raises:
            Rv32Stopped: It cannot be done, and nothing was.
        """
        self.cpu.step()
        self.emulated += 1
        finisher = self.board.finisher
        if finisher.ended:
            self.host.end(self, switched_off(self.name, finisher.ended, failed=finisher.failed))
            self.host.clock.retire(self.host.costs.of("emulate"))
            return False
        return True

    def _retire(self) -> None:
        """Let the instruction's cycles pass; another tenant may be due after them."""
        clock, spent = self.host.clock, self.host.costs.of("emulate")
        deadline = self.host.deadline()
        if deadline is not None and clock.cycles + spent >= deadline:
            clock.spend(spent)
            spent = 0
            self.host.reschedule()
        clock.retire(spent)

    @property
    def instructions(self) -> int:
        """All are interpreted."""
        return self.emulated

    @property
    def interrupted(self) -> bool:
        """Never: the base instruction set has no interrupts."""
        return False

    def wake(self) -> None:
        """Never asked: it does not wait."""
