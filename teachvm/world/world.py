"""A world: one host with its tenants, on one timeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from teachvm.guest.image import Image
from teachvm.guest.symbols import Symbols
from teachvm.host.host import Host
from teachvm.host.stop import StopKind, StopReason
from teachvm.machine.computer import Board
from teachvm.machine.cpu import Cpu
from teachvm.machine.debugging import Touched, Watched
from teachvm.machine.memory import Memory
from teachvm.machine.rv32.board import Rv32Board
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry
from teachvm.vmm.addresses import Gva
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.events import WorldEnded
from teachvm.world.spec import VmSpec, WorldSpec

LONGEST_BURST: Final = 1 << 12
"""Cycles after which a burst ends at the next unit: a repeated string instruction is one, but it takes its time."""

SINGLE_UNIT: Final = 8
"""How much longer a cycle of a unit executed alone takes us, at least, than one of compiled code: a string instruction
that the VMM interprets walks page tables for every iteration, and whoever waits for a slice to end waits for it."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest of the world, however it is run.

    Attributes:
        name: The tenant's name: the VM's, or the host's for bare metal.
        spec: What was asked for.
        image: What the loader put into its memory.
        board: The devices it talks to: the physical ones on bare metal, its virtual ones in a VM.
    """

    name: str
    spec: VmSpec
    image: Image
    board: Board | Rv32Board

    @property
    def symbols(self) -> Symbols:
        """Names of its places."""
        return self.image.symbols


class World:
    """Everything that moves together; deterministic, and moved by a timeline only.

    Attributes:
        spec: What it was built from.
        recorder: Clock and event log.
        registry: All state but memory pages.
        host: The physical machine and its tenants.
        guests: By tenant name.

    State: `ended`, that the end was noted.
    """

    STATE: ClassVar[tuple[str, ...]] = ("ended",)
    DERIVED: ClassVar[tuple[str, ...]] = ("spec", "recorder", "registry", "host", "guests", "_watched", "_touched")

    def __init__(self, spec: WorldSpec, recorder: Recorder, host: Host, guests: Mapping[str, Guest]) -> None:
        self.spec = spec
        self.recorder = recorder
        self.host = host
        self.guests = dict(guests)
        self.ended = False
        self._watched: tuple[tuple[str, Watched, int | None], ...] = ()
        """Whose bytes are watched, which, and the guest frame they lay in when they were chosen."""
        self._touched: tuple[int, tuple[str, Watched] | None] = (-1, None)
        """The unit in which watched bytes were accessed last, and which."""
        self.registry = Registry()
        self.registry.add("clock", recorder.clock)
        host.machine.register(self.registry)
        host.register(self.registry)
        for tenant in host.tenants.values():
            tenant.register(self.registry)
        self.registry.add("world", self)

    @property
    def memories(self) -> Sequence[Memory]:
        """The host's RAM: all guests' memory lies in it."""
        return (self.host.machine.memory,)

    @property
    def stopped(self) -> StopReason | None:
        """Why nothing runs any more, or None."""
        return self.host.stopped

    @property
    def virtualized(self) -> bool:
        """Whether a VMM lies below the guests."""
        return self.spec.host.vms[0].technique is not Technique.BARE_METAL

    @property
    def delivers_natively(self) -> bool:
        """Whether an exception the processor raises is the guest's own business: nobody below, or non-root mode."""
        return self.spec.host.vms[0].technique in (Technique.BARE_METAL, Technique.HARDWARE_ASSIST)

    @property
    def foreign(self) -> bool:
        """Whether every guest is for another processor, so that only emulation can run them."""
        return all(guest.image.riscv for guest in self.guests.values())

    def run_by(self, technique: Technique) -> WorldSpec:
        """What the same world would be with its guests run another way; those for another processor stay emulated."""
        spec = self.spec
        stay = {guest.spec.name for guest in self.guests.values() if guest.image.riscv}
        for vm in spec.host.vms:
            if vm.name not in stay:
                spec = spec.with_technique(technique, vm.name)
        return spec

    def unit(self) -> bool:
        """Execute until one instruction is complete, or one idle hop; False when nothing can run any more."""
        clock, host = self.recorder.clock, self.host
        before = clock.n
        while clock.n == before:
            if host.stopped is not None:
                self._end(host.stopped)
                return False
            host.turn()
        return True

    def burst(self, limit: int, barriers: frozenset[int], units: int = 0) -> int:
        """Complete up to `limit` instructions, compiled where nothing but registers and memory changes; see `unit`.

        Args:
            limit: Most instructions.
            barriers: Linear addresses of instructions that may only be come to, not executed, after the first.
            units: Most units executed one by one in between, with whatever they record.
        """
        clock, host = self.recorder.clock, self.host
        start, end, late = clock.n, clock.n + limit, clock.cycles + LONGEST_BURST
        if host.stopped is not None:
            return 0
        through, last = units > 0, clock.units + units
        host.burst(limit, barriers, through=through)
        while clock.phase or (clock.units < last and clock.n < end and clock.cycles < late):
            if host.stopped is not None:
                self._end(host.stopped)
                break
            before = clock.cycles
            if not self.unit():
                break
            late -= SINGLE_UNIT * (clock.cycles - before)
            if clock.units < last and clock.n < end and clock.cycles < late:
                host.burst(end - clock.n, barriers, through=through)
        return clock.n - start

    def _end(self, reason: StopReason) -> None:
        if not self.ended:
            self.ended = True
            self.recorder.mark(WorldEnded, text=reason.text, failed=reason.kind is StopKind.GUEST_FAILURE)

    def console(self, guest: str) -> str:
        """What a guest has written to its serial port, as far as it is kept."""
        return self.guests[guest].board.console.text.decode("latin-1")

    # ---- watched from outside ------------------------------------------------------------------

    def watch(self, watched: Iterable[tuple[str, Watched]]) -> None:
        """Note accesses to these bytes from now on; no guest and no digest can tell.

        Args:
            watched: The tenant, and linear addresses in its present address space; other spaces do not count.
        """
        self._watched = tuple((guest, spot, self._page_of(guest, spot.linear)) for guest, spot in watched)
        self._touched = -1, None
        spots = [spot for _, spot, _ in self._watched]
        for cpu, heard in self._processors():
            cpu.watch(spots, heard)

    def touched(self) -> tuple[str, Watched] | None:
        """Whose bytes were accessed in the unit that led to this boundary, and which; None if none were."""
        unit, which = self._touched
        return which if unit + 1 == self.recorder.clock.n else None

    def _processors(self) -> Iterator[tuple[Cpu, Touched]]:
        """Every processor that executes guest code, and what hears of its accesses."""
        yield self.host.machine.cpu, lambda _cpu, linear, size, write: self._heard("", linear, size, write)
        for name, tenant in self.host.tenants.items():
            if isinstance(tenant, Vm):
                yield tenant.vcpu.cpu, partial(self._heard_by_vcpu, name)

    def _heard_by_vcpu(self, guest: str, _cpu: Cpu, linear: int, size: int, write: bool) -> None:
        self._heard(guest, linear, size, write)

    def _heard(self, guest: str, linear: int, size: int, write: bool) -> None:
        """Somebody accessed watched bytes: the software CPU of a guest, or the hardware for whoever it runs."""
        whose = guest or self.host.on_cpu
        for name, spot, page in self._watched:
            meets = linear < spot.linear + spot.size and spot.linear < linear + size
            if name == whose and meets and (write or spot.reads) and self._page_of(name, spot.linear) == page:
                self._touched = self.recorder.clock.n, (name, spot)

    def _page_of(self, guest: str, linear: int) -> int | None:
        """Guest frame behind a linear address, by the guest's tables; None where there is none."""
        tenant = self.host.tenants[guest]
        if isinstance(tenant, Vm):
            walk = look(tenant.memory.read, tenant.vcpu.mode, Gva(linear))
        else:
            cpu = self.host.machine.cpu
            walk = look(self.host.machine.memory.read, PagingMode(cpu.cr0, cpu.cr3, cpu.cr4), Gva(linear))
        return walk.gpa >> 12 if walk.error(write=False, user=False, wp=False) is None else None

    def read_physical(self, address: int, size: int) -> bytes | None:
        """Host-physical memory, or None where there is no RAM."""
        memory = self.host.machine.memory
        if not 0 <= address <= memory.size - size:
            return None
        return memory.read_bytes(address, size)
