"""What can come into a world from outside, at a moment: kept in the timeline's input log and applied again there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from teachvm.host.bare import BareGuest
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Fault
from teachvm.machine.register_loads import SELECTORS, load_register
from teachvm.trace.subject import Subject
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.techniques import Paging, ShadowPolicy
from teachvm.vmm.vm import Vm
from teachvm.world.world import World

ASKED = "asked"
"""Cause of a TLB flush that no instruction made."""


@dataclass(frozen=True, slots=True)
class ConsoleTyped:
    """Somebody typed on a guest's console: its serial port receives the bytes."""

    guest: str
    text: bytes

    def apply(self, subject: Subject) -> None:
        """Put the bytes into the port's receive queue."""
        assert isinstance(subject, World)
        subject.guests[self.guest].board.console.receive(self.text)


@dataclass(frozen=True, slots=True)
class DerivedDropRequested:
    """Somebody pressed the button that throws away what the VMMs can compute again."""

    def apply(self, subject: Subject) -> None:
        """Drop the derived state of every VM."""
        assert isinstance(subject, World)
        for tenant in subject.host.tenants.values():
            if isinstance(tenant, Vm):
                tenant.engine.drop_derived()


@dataclass(frozen=True, slots=True)
class TlbFlushRequested:
    """Somebody pressed the button that empties the TLB a guest's addresses go through.

    Unlike what VMMs derive, a TLB is machine state: stale entries are visible, and after this they are gone.

    Attributes:
        guest: The tenant; under emulation its TLB is the interpreter's, else the hardware's.
    """

    guest: str

    def apply(self, subject: Subject) -> None:
        """Flush it."""
        assert isinstance(subject, World)
        tenant, hardware = subject.host.tenants[self.guest], subject.host.machine.cpu
        cpu = tenant.processor if isinstance(tenant, Vm) else hardware
        cpu.flush_tlb(ASKED)


@dataclass(frozen=True, slots=True)
class PagingChosen:
    """Somebody chose who translates a guest's guest-physical addresses, while it runs.

    Attributes:
        guest: The VM; its technique has the choice.
        paging: Who does from now on.
        walk_cache: The hardware's walker remembers where guest-physical pages lie.
    """

    guest: str
    paging: Paging
    walk_cache: bool = False

    def apply(self, subject: Subject) -> None:
        """Switch; what was derived for the other way is dropped."""
        assert isinstance(subject, World)
        tenant = subject.host.tenants[self.guest]
        if isinstance(tenant, Vm) and isinstance(tenant.engine, HardwareAssist):
            tenant.engine.set_paging(self.paging, walk_cache=self.walk_cache)


@dataclass(frozen=True, slots=True)
class ShadowChosen:
    """Somebody chose how a guest's shadow tables are kept in step with its own, while it runs.

    Attributes:
        guest: The VM.
        shadow: How, from now on.
    """

    guest: str
    shadow: ShadowPolicy

    def apply(self, subject: Subject) -> None:
        """Switch; what was derived under the other policy is dropped."""
        assert isinstance(subject, World)
        tenant = subject.host.tenants[self.guest]
        if isinstance(tenant, Vm):
            tenant.keep_shadow(self.shadow)


@dataclass(frozen=True, slots=True)
class RegisterEdited:
    """Somebody changed a register of a guest's processor between two instructions.

    Attributes:
        guest: The tenant.
        name: As `load_register` has them.
        value: One the processor accepts; of a selector, by its descriptor tables at that moment.
    """

    guest: str
    name: str
    value: int

    def apply(self, subject: Subject) -> None:
        """Set it: in the VCPU, from where the next resume brings it into the hardware, or in the bare processor.

        A processor that refuses it keeps what it has: somebody's recording may ask for anything.
        """
        assert isinstance(subject, World)
        cpu = _processor(subject, self.guest)
        recorder = cpu.recorder
        if self.name in SELECTORS:
            cpu.recorder = None  # no step of the guest's walks to its descriptor tables here
        with suppress(Fault, CpuStopped):
            load_register(cpu, self.name, self.value)
        cpu.recorder = recorder
        cpu.restored()


@dataclass(frozen=True, slots=True)
class MemoryEdited:
    """Somebody changed bytes of a guest's memory.

    Attributes:
        guest: The tenant.
        address: Guest-physical; on bare metal physical.
        content: The bytes.
    """

    guest: str
    address: int
    content: bytes

    def apply(self, subject: Subject) -> None:
        """Store them; what a VMM derived from the page follows, as after the guest's own store."""
        assert isinstance(subject, World)
        tenant = subject.host.tenants[self.guest]
        memory = tenant.memory if isinstance(tenant, Vm) else subject.host.machine.memory
        memory.write_bytes(self.address, self.content)


Given = (
    ConsoleTyped
    | DerivedDropRequested
    | TlbFlushRequested
    | PagingChosen
    | ShadowChosen
    | RegisterEdited
    | MemoryEdited
)
"""Everything that can come into a world from outside; what a recording may hold."""


def _processor(world: World, guest: str) -> Cpu:
    tenant = world.host.tenants[guest]
    if isinstance(tenant, Vm):
        tenant.take_back()
        return tenant.vcpu.cpu
    assert isinstance(tenant, BareGuest)
    return tenant.cpu
