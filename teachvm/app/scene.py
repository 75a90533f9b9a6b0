"""What one snapshot means: which guest is looked at, what it believes, what the hardware holds, who has the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from teachvm.app.cells import REGISTERS, SEGMENTS
from teachvm.app.notation import count
from teachvm.app.snapshot import Snapshot
from teachvm.guest.processes import Process, processes
from teachvm.guest.symbols import Space, Symbols
from teachvm.host.frames import FRAME_BYTES, FREE, FrameTable, Owner, OwnerKind
from teachvm.isa import paging
from teachvm.isa.operands import CS, ESP, SS
from teachvm.machine.events import ExceptionRaised, HandlerEntered, InterruptAccepted, WalkReferenced
from teachvm.machine.register_loads import DEBUG
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.vmm.addresses import Gva
from teachvm.vmm.engines.translate.engine import BinaryTranslation
from teachvm.vmm.engines.translate.precise import Captured, Recovery
from teachvm.vmm.engines.translate.precise import Place as CachePlace
from teachvm.vmm.memory.walk import GuestWalk, PagingMode, look
from teachvm.vmm.region import CACHE_CS
from teachvm.vmm.region import FRAME_BYTES as EXCEPTION_FRAME_BYTES
from teachvm.vmm.techniques import Paging, Technique, Words
from teachvm.vmm.view import GuestState, guest_state, state_of
from teachvm.vmm.vm import Vm
from teachvm.world.world import Guest, World

MASK32: Final = 0xFFFF_FFFF
_OTHER_REGISTERS: Final = ("EIP", "EFLAGS", "CR0", "CR2", "CR3", "CR4")
_TABLES: Final = ("GDTR", "IDTR", "LDTR", "TR")
Runner = Literal["program", "kernel", "vmm", "hardware"]
"""Who has the CPU, as roles and lessons call them."""


@lru_cache(maxsize=8)
def scene_of(snapshot: Snapshot, vm: str = "") -> Scene:
    """The scene of a snapshot; the same object for the same snapshot and guest.

    Args:
        snapshot: The moment.
        vm: The guest to look at; empty means the one in focus.
    """
    return Scene(snapshot, vm)


def chosen_guest(snapshot: Snapshot, vm: str = "") -> Guest:
    """The guest asked for; else the one in focus; else the one the host runs, or ran last."""
    guests, host = snapshot.world.guests, snapshot.state(snapshot.world.host.name)
    scheduler = snapshot.state(f"{snapshot.world.host.name}.scheduler")
    for name in (vm, snapshot.focus.guest, scheduler.current, host.on_cpu):
        if name in guests:
            return guests[name]
        for guest in guests.values():
            if name and guest.spec.name == name:
                return guest
    return next(iter(guests.values()))


def techniques(world: World) -> tuple[Technique, ...]:
    """How the guests of a world are run, each way once."""
    return tuple(dict.fromkeys(guest.spec.technique for guest in world.guests.values()))


def entries_text(world: World, amount: int) -> str:
    """So many entries into the VMM, called as they are under the world's techniques: `1 exit`, `3 traps`."""
    words = {(each.words.one, each.words.entries.lower()) for each in techniques(world) if each.direct}
    one, many = words.pop() if len(words) == 1 else ("entry", "entries")
    return f"{count(amount)} {one if amount == 1 else many}"


class Scene:
    """One moment with one guest in the middle. Everything is read from the snapshot, nothing from the live world.

    Attributes:
        snapshot: The moment.
        guest: The guest looked at.
        vm: Its tenant's name.
        virtualized: Whether a VMM lies below it.
        hardware: The physical CPU's registers as captured.
        vcpu: The VCPU's registers as captured; on bare metal the physical CPU's.
    """

    def __init__(self, snapshot: Snapshot, vm: str = "") -> None:
        self.snapshot = snapshot
        self.host: str = snapshot.world.host.name
        self.hardware: Any = snapshot.state(snapshot.world.host.machine.cpu.name)
        self.guest = chosen_guest(snapshot, vm)
        self.vm = self.guest.name
        self.virtualized = snapshot.world.virtualized
        self.vcpu: Any = snapshot.state(f"{self.vm}.vcpu") if self.virtualized else self.hardware
        self._pages: dict[int, bytes | None] = {}

    # ---- names ---------------------------------------------------------------------------------

    @property
    def symbols(self) -> Symbols:
        """Names of the guest's places."""
        return self.guest.symbols

    @property
    def technique(self) -> Technique:
        """How the guest looked at is run."""
        return self.guest.spec.technique

    @property
    def words(self) -> Words:
        """How one speaks of it."""
        return self.technique.words

    @property
    def title(self) -> str:
        """What people call the guest."""
        return self.vm if self.virtualized else self.guest.spec.name

    @property
    def alone(self) -> bool:
        """Whether this is the only guest of its world."""
        return len(self.snapshot.world.guests) == 1

    # ---- who has the CPU -----------------------------------------------------------------------

    @cached_property
    def in_guest(self) -> str | None:
        """Name of the guest whose own code the hardware executes now, or None."""
        if not self.virtualized:
            return self.vm
        for name in self.snapshot.world.guests:
            held = f"{name}.held"
            if held in self.snapshot and self.snapshot.state(held).in_guest:
                return name
        return None

    @cached_property
    def runner(self) -> Runner:
        """Who has the CPU at this moment."""
        host = self.snapshot.state(self.host)
        delivering = (ExceptionRaised, InterruptAccepted, HandlerEntered, WalkReferenced)
        phase = self.phase
        if host.stopped is not None or (isinstance(phase, delivering) and self._by_hardware(phase)):
            return "hardware"
        if not self.virtualized:
            if self.hardware.halted:
                return "hardware"
            return "program" if self.hardware.cpl == 3 else "kernel"
        if self.in_guest is not None and (self.hardware.cpl or self.paging_of(self.in_guest) is not None):
            return "program" if self.hardware.cpl == 3 else "kernel"
        scheduler = self.snapshot.state(f"{self.host}.scheduler")
        return "hardware" if scheduler.current is None and not scheduler.queue else "vmm"

    def paging_of(self, vm: str) -> Paging | None:
        """Who translates a guest's guest-physical addresses, if it runs in non-root mode; else None."""
        return getattr(self.snapshot.state(f"{vm}.held"), "paging", None) if self.virtualized else None

    @property
    def paging(self) -> Paging | None:
        """The same for the guest looked at."""
        return self.paging_of(self.vm)

    def _by_hardware(self, event: Event) -> bool:
        return getattr(event, "cpu", None) == self.snapshot.world.host.machine.cpu.name

    @cached_property
    def phase(self) -> Event | None:
        """The phase the world stands at; None at an instruction boundary."""
        at = self.snapshot.at
        if not at.phase:
            return None
        return next(self.snapshot.log.of(Event, at, Moment(at.n, at.phase + 1)), None)

    # ---- the guest's registers -----------------------------------------------------------------

    @cached_property
    def state(self) -> GuestState:
        """What the guest sees of its processor."""
        if not self.virtualized:
            return state_of(self.hardware)
        held = self.snapshot.state(f"{self.vm}.held")
        table = self.snapshot.state(f"{self.vm}.gdt").copy
        return guest_state(self.vcpu, held, table, self.hardware, self._frame(), self.recovery)

    @cached_property
    def recovery(self) -> Recovery | None:
        """The way back from translated code to the guest's registers; None where nothing is translated."""
        path = f"{self.vm}.cache"
        if path not in self.snapshot:
            return None
        tenant, cache = self.snapshot.world.host.tenants[self.vm], self.snapshot.state(path)
        assert isinstance(tenant, Vm)
        assert isinstance(tenant.engine, BinaryTranslation)
        fragments, landings = dict(cache.fragments).values(), dict(cache.landings).values()
        known = Captured(tenant.engine.cache.misses.values(), fragments, landings)
        fields = tenant.engine.cache.fields.address
        return Recovery(known, lambda offset: self.read_host(fields + offset, 4))

    @property
    def place(self) -> CachePlace | None:
        """The instruction of the translation cache the hardware is about to execute; None where it is in none."""
        if self.in_guest != self.vm or self.recovery is None:
            return None
        if self.hardware.segs[CS].selector & 0xFFFC != CACHE_CS:
            return None
        return self.recovery.known.get(self.hardware.eip)

    def _frame(self) -> bytes:
        """The exception frame on the VMM's stack."""
        tenant = self.snapshot.world.host.tenants[self.vm]
        assert isinstance(tenant, Vm)
        address = tenant.region.frame_address
        page = self._page(address >> paging.PAGE_SHIFT) or bytes(FRAME_BYTES)
        offset = address & 0xFFF
        return page[offset : offset + EXCEPTION_FRAME_BYTES]

    def register(self, name: str) -> int | None:
        """A register of the guest's; of a segment register or a table, its base. None if there is none of that name."""
        state, name = self.state, name.upper()
        if name in REGISTERS:
            return state.regs[REGISTERS.index(name)]
        if name in SEGMENTS:
            return state.segs[SEGMENTS.index(name)].base
        if name in DEBUG:
            return state.dr[DEBUG[name]]
        if name in _TABLES:
            return int(getattr(state, name.lower()).base)
        return int(getattr(state, name.lower())) if name in _OTHER_REGISTERS else None

    @property
    def mode(self) -> PagingMode:
        """The guest's control registers for paging."""
        return PagingMode(self.state.cr0, self.state.cr3, self.state.cr4)

    @property
    def linear_eip(self) -> int:
        """Linear address of the guest's next instruction."""
        return self.state.segs[CS].base + self.state.eip & MASK32

    @property
    def linear_esp(self) -> int:
        """Linear address of the top of the guest's stack."""
        return self.state.segs[SS].base + self.state.regs[ESP] & MASK32

    # ---- the guest's memory --------------------------------------------------------------------

    @cached_property
    def _pmap(self) -> tuple[int, ...]:
        frames = self.snapshot.state(f"{self.host}.frames")
        return pmap(frames.owners, frames.records, self.vm)

    def hpa(self, gpa: int) -> int | None:
        """Host-physical address behind a guest-physical one; None where there is no RAM."""
        if not self.virtualized:
            return gpa if gpa < self.snapshot.world.memories[0].size else None
        gfn = gpa >> paging.PAGE_SHIFT
        return self._pmap[gfn] << paging.PAGE_SHIFT | gpa & 0xFFF if gfn < len(self._pmap) else None

    def _page(self, frame: int) -> bytes | None:
        """A whole host frame: the snapshot then knows, later too, what was in it."""
        if frame not in self._pages:
            self._pages[frame] = self.snapshot.read(frame << paging.PAGE_SHIFT, FRAME_BYTES)
        return self._pages[frame]

    def read_physical(self, gpa: int, size: int) -> bytes | None:
        """Guest-physical memory; None where there is no RAM, or nobody looked in time."""
        content = b""
        while len(content) < size:
            here = gpa + len(content)
            hpa = self.hpa(here)
            page = None if hpa is None else self._page(hpa >> paging.PAGE_SHIFT)
            if page is None:
                return None
            content += page[here & 0xFFF : (here & 0xFFF) + size - len(content)]
        return content

    def read_space(self, address: int, size: int, space: str) -> bytes | None:
        """Guest-physical or host-physical memory; None where there is no RAM, or nobody looked in time."""
        if space == "guest-physical" and self.virtualized:
            return self.read_physical(address, size)
        page = self._page(address >> paging.PAGE_SHIFT)
        return None if page is None else page[address & 0xFFF : (address & 0xFFF) + size]

    def owner(self, hpa: int) -> tuple[Owner, int | None]:
        """Who owns the host frame an address lies in, and which frame of a guest it stands for."""
        frames, hfn = self.snapshot.state(f"{self.host}.frames"), hpa >> paging.PAGE_SHIFT
        table = FrameTable(0)
        table.owners, table.records = frames.owners, frames.records
        return (table.owner(hfn), table.number(hfn)) if hfn < self._frames else (FREE, None)

    @property
    def _frames(self) -> int:
        return self.snapshot.world.host.frames.count

    def read_host(self, hpa: int, size: int) -> int:
        """A number in host-physical memory; all ones where there is no RAM, or nobody looked in time."""
        page = self._page(hpa >> paging.PAGE_SHIFT)
        offset = hpa & 0xFFF
        return (1 << 8 * size) - 1 if page is None else int.from_bytes(page[offset : offset + size], "little")

    def _entry(self, gpa: int, size: int) -> int:
        raw = self.read_physical(gpa, size)
        return (1 << 8 * size) - 1 if raw is None else int.from_bytes(raw, "little")

    def look(self, linear: int) -> GuestWalk:
        """The guest's entries that translate a linear address, looked at without touching them."""
        return look(self._entry, self.mode, Gva(linear))

    def gpa(self, linear: int) -> int | None:
        """Guest-physical address behind a linear one, by the guest's tables; None where they have none."""
        walk = self.look(linear)
        present = walk.directory is None or walk.error(write=False, user=False, wp=False) is None
        return int(walk.gpa) if present else None

    def read(self, linear: int, size: int) -> bytes:
        """Memory at a linear address, through the guest's tables; shorter where nothing is mapped."""
        content = b""
        while len(content) < size:
            here = linear + len(content) & MASK32
            gpa = self.gpa(here)
            room = min(size - len(content), paging.PAGE_SIZE - (here & 0xFFF))
            raw = None if gpa is None else self.read_physical(gpa, room)
            if raw is None:
                break
            content += raw
        return content

    # ---- places --------------------------------------------------------------------------------

    def space_at(self, linear: int) -> Space | None:
        """The kernel's or program's names that hold for a linear address; None outside every image."""
        gpa = self.gpa(linear)
        space = None if gpa is None else self.symbols.space_at(gpa)
        return space if space is not None and linear in space else None

    def name_at(self, linear: int) -> str | None:
        """`label+offset` for a linear address of the guest's code or data."""
        space = self.space_at(linear)
        return None if space is None else space.name_at(linear)

    @cached_property
    def processes(self) -> Sequence[Process]:
        """The guest kernel's own table of processes."""
        return processes(self.symbols, lambda gpa, size: self.read_physical(gpa, size) or bytes(size))

    @cached_property
    def process(self) -> Process | None:
        """The process the guest's CR3 belongs to."""
        directory = self.state.cr3 & paging.FRAME
        found = [one for one in self.processes if self.mode.enabled and one.directory == directory]
        return next((one for one in found if one.current), found[0] if found else None)


@lru_cache(maxsize=16)
def pmap(owners: tuple[Owner, ...], records: bytes, vm: str) -> tuple[int, ...]:
    """Host frame of each guest frame of a VM, from captured frame records."""
    table = FrameTable(0)
    table.owners, table.records = owners, records
    numbered = [(number, hfn) for hfn, number in table.owned_by(Owner(OwnerKind.VM, vm)) if number is not None]
    return tuple(hfn for _, hfn in sorted(numbered))
