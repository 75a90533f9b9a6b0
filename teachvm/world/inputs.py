"""What can come into a world from outside, at a moment: kept in the timeline's input log and applied again there."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.trace.timeline import Subject
from teachvm.vmm.vm import Vm
from teachvm.world.world import World


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
