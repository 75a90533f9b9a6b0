"""A world as expressions see it: values read from machine, VMM and guests, and nothing that can change them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from teachvm.guest.symbols import UnknownLabelError
from teachvm.host.bare import BareGuest
from teachvm.host.host import Tenant
from teachvm.isa import paging
from teachvm.lesson import records
from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.happenings import Facts, Happenings
from teachvm.lesson.judging import hex_text
from teachvm.lesson.names import FUNCTION
from teachvm.lesson.scope import Record, Scalar, Value
from teachvm.trace.moment import START, Moment
from teachvm.vmm.addresses import Gpa, Gva
from teachvm.vmm.foreign import ForeignVm
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.view import GuestState, state_of
from teachvm.vmm.vm import Vm
from teachvm.world.gallery import EXHIBIT, RINGS, measure
from teachvm.world.world import World

MOST_CONSOLE = 100_000


@dataclass(frozen=True, slots=True)
class Baseline:
    """The counters when a run or a task began; `run.…` and `recent=true` count from here."""

    at: Moment = START
    cycles: int = 0
    entries: int = 0
    vmm_cycles: int = 0


class WorldScope:
    """The names table bound to one world, at whatever moment it stands.

    Attributes:
        baseline: When the last run or task began.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._happenings = Happenings(world)
        self._counts: dict[tuple[str, str, str], tuple[Moment, int]] = {}
        self.baseline = Baseline()
        self._functions: Mapping[str, Callable[[Mapping[str, Scalar]], Value]] = {
            "walk": self._walk,
            "tlb": self._tlb,
            "memory": self._memory,
            "label": self._label,
            "at": self._at,
            "count": self._count,
            "cost": self._cost,
            "last": self._last,
            "measured": self._measured,
            "console": self._console,
            "printed": self._printed,
            "host": self._host,
            "bit": self._bit,
            "hex": self._hex,
        }

    def mark(self) -> None:
        """A run or a task begins."""
        clock = self._world.recorder.clock
        self.baseline = Baseline(clock.now, clock.cycles, self._entries(None), self._vmm_cycles(None))

    # ---- Scope ---------------------------------------------------------------------------------

    def name(self, name: str) -> Value:
        """The value of a name, or of a VM's name."""
        host = self._world.host
        match name:
            case "cpu":
                return records.processor(state_of(host.machine.cpu))
            case "flags":
                return records.flags(host.machine.cpu.eflags)
            case "vcpu":
                return records.processor(self.guest_state(None))
            case "moment":
                now = self._now
                return Record("moment", {"n": lambda: now.n, "phase": lambda: now.phase})
            case "cycles":
                return self._world.recorder.clock.cycles
            case "stopped":
                return host.stopped is not None
            case "running":
                return self.running()
            case "current":
                return self.tenant(None)
            case "run":
                return self._stretch()
            case _:
                return self._vm(name)

    def call(self, function: str, positional: Sequence[Scalar], named: Mapping[str, Scalar]) -> Value:
        """The value of a function."""
        given: dict[str, Scalar] = dict(named)
        places = [parameter.name for parameter in FUNCTION[function].parameters if not parameter.keyword]
        given.update(zip(places, positional, strict=False))
        return self._functions[function](given)

    # ---- who -----------------------------------------------------------------------------------

    @property
    def _now(self) -> Moment:
        return self._world.recorder.clock.now

    def tenant(self, vm: Scalar) -> str:
        """Name of the tenant a lesson's word means; nothing means the one that has the CPU, or had it last.

        Raises:
            NoValueError: There is no such VM in this world.
        """
        guests = self._world.guests
        if vm is None:
            on_cpu = self._world.host.on_cpu
            return on_cpu if on_cpu in guests else next(iter(guests))
        if vm in guests:
            return str(vm)
        bare = self._world.host.name
        if bare in guests and (vm in (bare, "host") or vm == guests[bare].spec.name):
            return bare  # a lesson calls its guest by one name, whether or not something is below it
        raise NoValueError(f"there is no VM '{vm}' in this world")

    def virtual(self, vm: Scalar) -> Vm | None:
        """The VM of that name; None on bare metal.

        Raises:
            NoValueError: Its processor is another one than the host's.
        """
        tenant = self._world.host.tenants[self.tenant(vm)]
        if isinstance(tenant, ForeignVm):
            raise NoValueError(f"{tenant.name} is a RISC-V computer; it has no IA-32 processor and no page tables")
        return tenant if isinstance(tenant, Vm) else None

    def guest_state(self, vm: Scalar) -> GuestState:
        """What a guest sees of its processor."""
        virtual = self.virtual(vm)
        return state_of(self._world.host.machine.cpu) if virtual is None else virtual.vcpu.state()

    def next_instructions(self, vm: Scalar) -> Callable[[], tuple[int, ...]]:
        """Reads which instructions whatever executes a guest's comes to next; cheap, whoever has the processor."""
        tenant = self._world.host.tenants[self.tenant(vm)]
        if isinstance(tenant, ForeignVm):
            variables = tenant.cpu
            return lambda: (variables.pc,)
        if isinstance(tenant, Vm):
            return lambda: tenant.next_instructions
        cpu = self._world.host.machine.cpu
        return lambda: (cpu.eip,)

    def completed(self, vm: Scalar) -> Callable[[], int]:
        """Reads how many instructions a guest has completed."""
        tenant = self._world.host.tenants[self.tenant(vm)]
        return lambda: tenant.instructions

    def has_cpu(self, vm: Scalar) -> bool:
        """Whether this guest's own code runs now."""
        name, virtual = self.tenant(vm), self.virtual(vm)
        return self._world.host.on_cpu == name and (virtual is None or virtual.executing)

    def running(self) -> str:
        """Who has the CPU."""
        host = self._world.host
        name = host.on_cpu
        if name is None or host.stopped is not None:
            return "hardware"
        tenant = host.tenants.get(name)
        if isinstance(tenant, ForeignVm):
            return "vmm"
        if isinstance(tenant, Vm) and not tenant.vcpu.in_guest:
            return "hardware" if tenant.wake_at is not None else "vmm"
        if self.guest_state(name).halted:
            return "hardware"
        return "program" if self.guest_state(name).cpl == 3 else "kernel"

    # ---- guest memory --------------------------------------------------------------------------

    def read_physical(self, vm: Scalar, physical: int, size: int) -> int:
        """Guest-physical memory; what is not RAM reads as all ones."""
        virtual = self.virtual(vm)
        if virtual is not None:
            return virtual.memory.read(physical, size) if physical + size <= virtual.memory.size else ~(-1 << 8 * size)
        raw = self._world.read_physical(physical, size)
        return ~(-1 << 8 * size) if raw is None else int.from_bytes(raw, "little")

    def translate(self, vm: Scalar, linear: int) -> int | None:
        """Guest-physical address by the guest's own tables; None where they have none."""
        walk = look(lambda address, size: self.read_physical(vm, address, size), self._mode(vm), Gva(linear))
        present = walk.directory is None or walk.error(write=False, user=False, wp=False) is None
        return int(walk.gpa) if present else None

    def _mode(self, vm: Scalar) -> PagingMode:
        state = self.guest_state(vm)
        return PagingMode(state.cr0, state.cr3, state.cr4)

    def is_at(self, address: int, vm: Scalar, process: Scalar) -> bool:
        """Whether the guest's next instruction is at a linear address, in the kernel or in the named program."""
        tenant = self._world.host.tenants[self.tenant(vm)]
        if isinstance(tenant, ForeignVm):
            return self._world.host.on_cpu == tenant.name and tenant.cpu.pc == address
        if not self.has_cpu(vm):
            return False
        if self.guest_state(vm).eip != address and not (isinstance(tenant, Vm) and address in tenant.next_instructions):
            return False
        if process is None:
            return True
        physical = self.translate(vm, address)
        space = None if physical is None else self._world.guests[self.tenant(vm)].symbols.space_at(physical)
        return space is not None and space.called(str(process))

    def address_of(self, label: Scalar, vm: Scalar, process: Scalar) -> int:
        """Linear address of a label.

        Raises:
            NoValueError: The guest has no such label.
        """
        symbols = self._world.guests[self.tenant(vm)].symbols
        try:
            return symbols.address_of(str(label), None if process is None else str(process))
        except UnknownLabelError as error:
            raise NoValueError(str(error)) from None

    # ---- counts --------------------------------------------------------------------------------

    def _virtuals(self, vm: Scalar) -> list[Vm]:
        tenants = self._world.host.tenants.values() if vm is None else [self._world.host.tenants[self.tenant(vm)]]
        return [tenant for tenant in tenants if isinstance(tenant, Vm)]

    def _entries(self, vm: Scalar) -> int:
        return sum(virtual.ledger.total_count for virtual in self._virtuals(vm))

    def _vmm_cycles(self, vm: Scalar) -> int:
        return sum(virtual.ledger.total_cycles for virtual in self._virtuals(vm))

    def _stretch(self) -> Record:
        clock, since = self._world.recorder.clock, self.baseline
        return Record(
            "stretch",
            {
                "instructions": lambda: clock.n - since.at.n,
                "cycles": lambda: clock.cycles - since.cycles,
                "entries": lambda: self._entries(None) - since.entries,
                "vmm_cycles": lambda: self._vmm_cycles(None) - since.vmm_cycles,
            },
        )

    def _vm(self, vm: str) -> Record:
        name = self.tenant(vm)
        guest, tenant = self._world.guests[name], self._world.host.tenants[name]
        time, direct, translated, emulated = _counts(tenant, self._world.recorder.clock.cycles)
        return Record(
            "vm",
            {
                "vcpu": lambda: records.processor(self.guest_state(name)),
                "technique": lambda: guest.spec.technique.value,
                "console": lambda: self._world.console(name)[-MOST_CONSOLE:],
                "running": lambda: self._world.host.on_cpu == name and tenant.ended is None and tenant.wake_at is None,
                "ended": lambda: tenant.ended is not None,
                "instructions": lambda: time,
                "direct": lambda: direct,
                "translated": lambda: translated,
                "emulated": lambda: emulated,
                "entries": lambda: self._entries(name),
                "vmm_cycles": lambda: self._vmm_cycles(name),
                "memory": lambda: guest.spec.memory_bytes,
            },
        )

    # ---- functions -----------------------------------------------------------------------------

    def _walk(self, given: Mapping[str, Scalar]) -> Value:
        vm, linear = given.get("vm"), _int(given["linear"]) & 0xFFFF_FFFF
        mode = self._mode(vm)
        if not mode.enabled:
            raise NoValueError("paging is off, there is nothing to walk")
        walk = look(lambda address, size: self.read_physical(vm, address, size), mode, Gva(linear))
        return records.walk(linear, mode.cr3 & paging.FRAME, walk)

    def _tlb(self, given: Mapping[str, Scalar]) -> Value:
        tlb = self._world.host.machine.cpu.tlb
        return records.cached(None if tlb is None else tlb.find(_int(given["linear"]) >> 12 & 0xFFFFF))

    def _memory(self, given: Mapping[str, Scalar]) -> Value:
        vm, linear, size = given.get("vm"), _int(given["linear"]), _int(given.get("size", 4))
        if size not in (1, 2, 4):
            raise NoValueError("memory is read in 1, 2 or 4 bytes")
        value = 0
        for index in range(size):
            physical = self.translate(vm, linear + index & 0xFFFF_FFFF)
            if physical is None:
                return None
            value |= self.read_physical(vm, physical, 1) << 8 * index
        return value

    def _label(self, given: Mapping[str, Scalar]) -> Value:
        return self.address_of(given["name"], given.get("vm"), given.get("process"))

    def _at(self, given: Mapping[str, Scalar]) -> Value:
        vm, process = given.get("vm"), given.get("process")
        return self.is_at(self.address_of(given["label"], vm, process), vm, process)

    def _count(self, given: Mapping[str, Scalar]) -> Value:
        word, vm, reason = str(given["milestone"]), given.get("vm"), given.get("reason")
        name = "" if vm is None else self.tenant(vm)
        wanted = "" if reason is None else str(reason).replace("_", "-")
        if given.get("recent"):
            found = self._happenings.between(word, self.baseline.at, self._now)
            return sum(_is(happening.facts, name, wanted) for happening in found)
        return self._counted(word, name, wanted)

    def _counted(self, word: str, name: str, reason: str) -> int:
        """All until now; counting goes on where it stopped, so that a condition tested often stays cheap."""
        now = self._now
        until, count = self._counts.get((word, name, reason), (None, 0))
        if until is None or until > now:
            until, count = None, 0
        found = self._happenings.between(word, until, now)
        count += sum(_is(happening.facts, name, reason) for happening in found)
        self._counts[word, name, reason] = now, count
        return count

    def _cost(self, given: Mapping[str, Scalar]) -> Value:
        vm, reason = given.get("vm"), given.get("reason")
        if reason is None:
            return self._vmm_cycles(vm)
        wanted = str(reason).replace("_", "-")
        ledgers = (virtual.ledger.cycles for virtual in self._virtuals(vm))
        return sum(cycles for ledger in ledgers for entry, cycles in ledger.items() if entry.value == wanted)

    def _last(self, given: Mapping[str, Scalar]) -> Value:
        word, vm = str(given["milestone"]), given.get("vm")
        name = "" if vm is None else self.tenant(vm)
        return records.milestone(self._happenings.latest(word, name, self._now))

    def _measured(self, given: Mapping[str, Scalar]) -> Value:
        ring = _int(given.get("ring", 1))
        if ring not in RINGS:
            raise NoValueError("the gallery is measured in rings 0, 1 and 3")
        rows = measure(EXHIBIT[str(given["mnemonic"])])
        return records.measured(rows[RINGS.index(ring)], rows[0])

    def _console(self, given: Mapping[str, Scalar]) -> Value:
        return self._world.console(self.tenant(given.get("vm")))[-MOST_CONSOLE:]

    def _printed(self, given: Mapping[str, Scalar]) -> Value:
        _, found, rest = self._world.console(self.tenant(given.get("vm"))).rpartition(str(given["text"]))
        match = re.match(r"-?\d{1,19}", rest) if found else None
        return None if match is None else int(match[0])

    def _host(self, given: Mapping[str, Scalar]) -> Value:
        physical, virtual = _int(given["physical"]), self.virtual(given.get("vm"))
        if virtual is None:
            return physical
        hpa = virtual.memory.hpa(Gpa(physical))
        return None if hpa is None else int(hpa)

    def _bit(self, given: Mapping[str, Scalar]) -> Value:
        number = _int(given["number"])
        if not 0 <= number < 64:
            raise NoValueError("bits are numbered from 0 to 63")
        return _int(given["value"]) >> number & 1

    def _hex(self, given: Mapping[str, Scalar]) -> Value:
        return hex_text(_int(given["value"]))


def _int(value: Scalar) -> int:
    if not isinstance(value, int):
        raise NoValueError("a number is needed here")
    return int(value)


def _is(facts: Facts, vm: str, reason: str) -> bool:
    return vm in ("", facts.get("vm")) and reason in ("", facts.get("reason"))


def _counts(tenant: Tenant, cycles: int) -> tuple[int, int, int, int]:
    """A guest's own time, and its instructions that ran directly, as rewritten copies, or were done in their place."""
    if isinstance(tenant, Vm):
        return tenant.time, tenant.direct, tenant.translated, tenant.emulated
    if isinstance(tenant, ForeignVm):
        return tenant.emulated, 0, 0, tenant.emulated
    return cycles, tenant.completed if isinstance(tenant, BareGuest) else 0, 0, 0
