"""Who did something to a value, with which instruction, and how one says what it became."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from teachvm.isa import disassembler
from teachvm.isa.decode import MAX_LENGTH
from teachvm.isa.operands import CS
from teachvm.lesson.reading import WorldScope
from teachvm.machine.events import ExceptionRaised, InterruptAccepted, SoftwareInterrupted, WalkReferenced
from teachvm.machine.registers import MASK32
from teachvm.trace.timeline import Timeline
from teachvm.vmm.vm import Vm
from teachvm.world.world import World

WALKER: Final = "the page walker of the processor"
DELIVERY: Final = "the processor, on its way into a handler"
OUTSIDE: Final = "somebody outside the machine"
_DELIVERING: Final = (ExceptionRaised, InterruptAccepted, SoftwareInterrupted)


@dataclass(frozen=True, slots=True)
class Doer:
    """Who did something, and with which instruction.

    Attributes:
        who: In words.
        eip: Linear address of the guest's instruction; None if none has a part in it.
        where: Its symbol, or empty.
        text: The instruction as people read it.
    """

    who: str
    eip: int | None = None
    where: str = ""
    text: str = ""

    def __str__(self) -> str:
        """As the end of a sentence."""
        if self.eip is None:
            return self.who
        return f"{self.who}, with {self.text} at {self.eip:#010x}{f' ({self.where})' if self.where else ''}"


def at_work(world: World, timeline: Timeline) -> Doer:
    """Who is at work where the world stands, possibly inside a unit."""
    if timeline.applying:
        return Doer(OUTSIDE)
    scope, name = WorldScope(world), world.host.on_cpu
    running, guest = scope.running(), scope.tenant(None)
    tenant = world.host.tenants.get(name or "")
    log = world.recorder.log
    latest = log.slice(log.cursor - 1, log.cursor)
    if latest and latest[0].at == world.recorder.clock.now:
        hardware = getattr(latest[0], "cpu", None) == world.host.machine.cpu.name
        if hardware and isinstance(latest[0], WalkReferenced):
            return _named(world, scope, WALKER)
        if hardware and isinstance(latest[0], _DELIVERING):
            return _named(world, scope, DELIVERY)
    if running in ("program", "kernel"):
        label = f"the {running} of {guest}" if world.virtualized else f"the guest {running}"
        if isinstance(tenant, Vm) and not tenant.vcpu.in_guest:
            label += ", interpreted by the VMM"
        return _named(world, scope, label)
    return _named(world, scope, "the VMM" if world.virtualized else "the processor")


def _named(world: World, scope: WorldScope, who: str) -> Doer:
    """With the instruction of the guest that is under way, the one the VMM emulates included."""
    state = scope.guest_state(None)
    eip = state.segs[CS].base + state.eip & MASK32
    physical = scope.translate(None, eip)
    if physical is None:
        return Doer(who)
    symbols = world.guests[scope.tenant(None)].symbols
    room = min(MAX_LENGTH, 0x1000 - (physical & 0xFFF))
    code = scope.read_physical(None, physical, room).to_bytes(room, "little")
    one = disassembler.text(code, eip, lambda address: symbols.name_at(address, scope.translate(None, address) or 0))
    return Doer(who, eip, symbols.name_at(eip, physical) or "", str(one))


def became(before: bytes, content: bytes) -> str:
    """What a write made of some bytes, as a sentence."""
    if before == content:
        return f"It wrote {number(content)}, which was there already."
    return f"It became {number(content)}; before it was {number(before)}."


def number(content: bytes) -> str:
    """Up to eight bytes as one number, as the processor would read it; more as bytes."""
    if len(content) in (1, 2, 4, 8):
        return f"0x{int.from_bytes(content, 'little'):0{2 * len(content)}x}"
    return content[:16].hex(" ") + (" …" if len(content) > 16 else "")


def said(value: object) -> str:
    """A value in a sentence; None is nothing."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:#x}" if isinstance(value, int) and value > 9 else str(value)
