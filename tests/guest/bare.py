"""A guest alone on the machine, without a host above it: what the tests of guests run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from teachvm.guest.image import Image
from teachvm.guest.library import build
from teachvm.guest.loader import load, start
from teachvm.isa.flags import IF
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder

MIB = 1 << 20


class BareMetal:
    """A loaded machine that goes on until it halts for good."""

    def __init__(
        self,
        guest: str = "tinyos",
        programs: Iterable[tuple[str, int]] = (),
        memory_bytes: int = 2 * MIB,
        folder: Path | None = None,
    ) -> None:
        self.recorder = Recorder()
        self.clock = self.recorder.clock
        self.image: Image = build(guest, programs, folder)
        self.machine = Machine("host", memory_bytes, self.recorder)
        self.cpu, self.board = self.machine.cpu, self.machine.board
        load(self.image, memory_bytes, self.machine.memory.write_bytes)
        start(self.cpu, self.image)
        self.hops = 0

    @property
    def console(self) -> str:
        return self.board.console.text.decode("ascii")

    def turn(self) -> bool:
        """One instruction, one interruption or one idle hop; False when nothing can happen any more."""
        if self.clock.cycles >= self.board.timer.due:
            self.board.service()
        if self.cpu.halted and not (self.board.pic.pending and self.cpu.eflags & IF):
            due = self.board.next_due()
            if due is None or not self.cpu.eflags & IF:
                return False
            self.hops += 1
            self.clock.retire(due - self.clock.cycles)
            return True
        cycles = self.cpu.step()
        if cycles:
            self.clock.retire(cycles)
        return True

    def typed(self, text: bytes) -> BareMetal:
        """Run until a program does, so that the console listens, and type something there."""
        while self.cpu.cpl != 3:
            assert self.turn()
        self.board.console.receive(text)
        return self

    def run(self, limit: int = 200_000, watch: Callable[[], None] | None = None) -> str:
        """Run to the end and return the console's text."""
        while self.clock.n < limit:
            if watch is not None:
                watch()
            if not self.turn():
                return self.console
        raise AssertionError(f"not finished after {limit} moments:\n{self.console}")
