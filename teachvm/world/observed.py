"""One guest of a world, watched from outside while it runs: by whatever technique, the same questions.

No guest and no VMM can tell that somebody looks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from teachvm.host.bare import BareGuest
from teachvm.isa.decode import MAX_LENGTH
from teachvm.isa.operands import CS
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE
from teachvm.machine.events import HandlerEntered
from teachvm.machine.mmu import Access
from teachvm.vmm.addresses import Gfn, Gva
from teachvm.vmm.events import FaultReflected, InterruptInjected
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState, state_of
from teachvm.vmm.vm import Vm
from teachvm.world.world import World


class Observed(ABC):
    """A guest and its world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def complete(self) -> bool:
        """Let the world run until the guest has completed one more instruction; False if it ends before."""
        before = self.completed
        while self.completed == before:
            if not self.world.unit():
                return False
        return True

    @property
    @abstractmethod
    def completed(self) -> int:
        """Instructions the guest has completed."""

    @property
    @abstractmethod
    def time(self) -> int:
        """The guest's own time, in cycles."""

    @property
    @abstractmethod
    def flags_are_dead(self) -> bool:
        """Whether the guest's status flags may be lost, since nobody will see them."""

    @abstractmethod
    def state(self) -> GuestState:
        """What the guest sees of its processor."""

    @abstractmethod
    def written(self) -> set[int]:
        """Guest frames written since this was asked last, as far as they are RAM."""

    @abstractmethod
    def page(self, gfn: int) -> bytes:
        """Contents of a guest frame."""

    @abstractmethod
    def was_table(self, gfn: int) -> bool:
        """Whether a guest frame was shadowed as a page table once."""

    @abstractmethod
    def on_delivery(self, told: Callable[[], None]) -> None:
        """Be told whenever an exception or interrupt has led the guest to a handler."""

    @abstractmethod
    def resident(self, linear: Gva, state: GuestState) -> int | None:
        """Guest-physical address the next instruction is fetched from; None if a page fault comes."""

    def remembers(self, linear: Gva) -> bool:
        """Whether a TLB the guest sees has a translation for an address that its tables do not give any more."""
        return False

    @abstractmethod
    def read_bytes(self, gpa: int, count: int) -> bytes:
        """Guest-physical memory, within a page."""

    def next_code(self, state: GuestState) -> bytes:
        """Bytes the guest stands at, as far as they can be fetched."""
        linear, code = state.segs[CS].base + state.eip & 0xFFFF_FFFF, b""
        while len(code) < MAX_LENGTH:
            here = Gva(linear + len(code) & 0xFFFF_FFFF)
            gpa = self.resident(here, state)
            if gpa is None:
                break
            code += self.read_bytes(gpa, min(MAX_LENGTH - len(code), PAGE_SIZE - (here & PAGE_SIZE - 1)))
        return code


def _walked(read: Callable[[int, int], int], linear: Gva, state: GuestState) -> int | None:
    mode = PagingMode(state.cr0, state.cr3, state.cr4)
    walk = look(read, mode, linear)
    return walk.gpa if walk.error(write=False, user=state.cpl == 3, wp=mode.wp) is None else None


class ObservedBare(Observed):
    """A guest on bare metal."""

    def __init__(self, world: World, guest: BareGuest) -> None:
        super().__init__(world)
        self._guest = guest
        self._frames = next(iter(world.guests.values())).spec.memory_bytes // PAGE_SIZE

    @property
    def completed(self) -> int:
        """As the tenant counts them."""
        return self._guest.completed

    @property
    def time(self) -> int:
        """The host's clock is the guest's."""
        return self.world.recorder.clock.cycles

    @property
    def flags_are_dead(self) -> bool:
        """Nobody touches its flags."""
        return False

    def state(self) -> GuestState:
        """The real processor's."""
        return state_of(self._guest.cpu)

    def written(self) -> set[int]:
        """Host frames are guest frames."""
        memory = self.world.memories[0]
        pages = {pfn for pfn in memory.dirty_pages() if pfn < self._frames}
        memory.clean()
        return pages

    def page(self, gfn: int) -> bytes:
        """Host frames are guest frames."""
        return self.world.memories[0].page(gfn)

    def was_table(self, gfn: int) -> bool:
        """Nobody shadows anything."""
        return False

    def on_delivery(self, told: Callable[[], None]) -> None:
        """The processor enters handlers."""
        self.world.recorder.log.subscribe(HandlerEntered, lambda _event: told())

    def resident(self, linear: Gva, state: GuestState) -> int | None:
        """As the TLB has it, or the tables; neither is touched."""
        cpu, user = self._guest.cpu, state.cpl == 3
        if cpu.resident(linear, Access.FETCH, user):
            return cpu.translate(linear, Access.FETCH, user)
        return _walked(self.world.memories[0].read, linear, state)

    def remembers(self, linear: Gva) -> bool:
        """The hardware's TLB is the guest's."""
        cpu = self._guest.cpu
        entry = cpu.tlb.find(linear >> PAGE_SHIFT) if cpu.tlb is not None else None
        if entry is None:
            return False
        walk = look(self.world.memories[0].read, PagingMode(cpu.cr0, cpu.cr3, cpu.cr4), linear)
        now = walk.error(write=False, user=False, wp=False) is None, walk.writable, walk.user
        return now != (True, entry.writable, entry.user) or walk.gpa & ~(PAGE_SIZE - 1) != entry.frame

    def read_bytes(self, gpa: int, count: int) -> bytes:
        """Host-physical memory."""
        return self.world.memories[0].read_bytes(gpa, count)


class ObservedVm(Observed):
    """A guest in a virtual machine."""

    def __init__(self, world: World, vm: Vm) -> None:
        super().__init__(world)
        self._vm = vm
        self._tables: set[int] = set()

    @property
    def completed(self) -> int:
        """By the hardware and by the VMM."""
        return self._vm.instructions

    @property
    def time(self) -> int:
        """The VM's."""
        return self._vm.time

    @property
    def flags_are_dead(self) -> bool:
        """As the engine says."""
        return self._vm.engine.flags_are_dead

    def state(self) -> GuestState:
        """The virtual processor's, wherever it is held."""
        return self._vm.vcpu.state()

    def written(self) -> set[int]:
        """Host frames written, by the numbers the guest has for them."""
        memory, frames, ram = self._vm.memory, self.world.host.frames, self.world.memories[0]
        numbers = [frames.number(hfn) for hfn in ram.dirty_pages() if frames.owner(hfn) == memory.owner]
        ram.clean()
        return {number for number in numbers if number is not None}

    def page(self, gfn: int) -> bytes:
        """What the host frame behind it holds."""
        return self.world.memories[0].page(self._vm.memory.hfn(Gfn(gfn)))

    def was_table(self, gfn: int) -> bool:
        """As the VMM has it now, or had it when this was asked before: it may have given a table up since."""
        shadow = self._vm.shadow
        self._tables.update(key.gfn for key in shadow.tables)
        self._tables.update(key.gfn for key in shadow.directories)
        return gfn in self._tables

    def on_delivery(self, told: Callable[[], None]) -> None:
        """The VMM delivers, and where the hardware has a mode for guests, the processor too."""
        # Without a mode for guests, the handlers the processor enters are the VMM's.
        by_itself = (HandlerEntered,) if self._vm.engine.technique is Technique.HARDWARE_ASSIST else ()
        for kind in (FaultReflected, InterruptInjected, *by_itself):
            self.world.recorder.log.subscribe(kind, lambda _event: told())

    def resident(self, linear: Gva, state: GuestState) -> int | None:
        """As the guest's own tables have it."""
        return _walked(self._vm.memory.read, linear, state)

    def read_bytes(self, gpa: int, count: int) -> bytes:
        """Guest-physical memory."""
        return self._vm.memory.read_bytes(gpa, count)


def observe(world: World) -> Observed:
    """Watch the one guest of a world."""
    (tenant,) = world.host.tenants.values()
    if isinstance(tenant, BareGuest):
        return ObservedBare(world, tenant)
    assert isinstance(tenant, Vm)
    return ObservedVm(world, tenant)
