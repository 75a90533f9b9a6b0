"""Loading a segment register on trial: a processor of its own does it, over memory that forgets what is stored.

What the guest's processor would refuse is refused there by the same checks, and nothing of the world has moved.
"""

from __future__ import annotations

from teachvm.app.notation import hex32
from teachvm.app.phrases import vector_name
from teachvm.app.scene import Scene
from teachvm.isa.descriptors import SYSTEM_TYPE_NAMES, Segment, is_null
from teachvm.isa.exceptions import Vector
from teachvm.machine.bus import PortBus
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Fault
from teachvm.machine.memory import ALL_ONES, Memory
from teachvm.machine.register_loads import load_register
from teachvm.machine.selectors import TABLE_INDICATOR, find_descriptor


class SceneMemory:
    """Guest-physical memory of one moment, with what was stored on trial over it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._stored: dict[int, int] = {}

    @property
    def ram(self) -> Memory | None:
        """None: every access has to ask."""
        return None

    def read(self, phys: int, size: int) -> int:
        """Read 1, 2 or 4 bytes; all ones where there is no RAM."""
        raw = self._scene.read_physical(phys, size)
        content = bytearray(ALL_ONES[size].to_bytes(size, "little") if raw is None else raw)
        for at in range(size):
            content[at] = self._stored.get(phys + at, content[at])
        return int.from_bytes(content, "little")

    def write(self, phys: int, size: int, value: int) -> None:
        """Keep 1, 2 or 4 bytes."""
        self._stored.update(enumerate(value.to_bytes(size, "little"), phys))


def refusal(scene: Scene, name: str, selector: int) -> str:
    """Why the guest's processor would not take a selector now, in one line; empty if it would.

    Args:
        scene: The moment.
        name: Of the register.
        selector: What it is to hold.
    """
    cpu = _processor(scene)
    try:
        load_register(cpu, name, selector)
    except Fault as fault:
        raised = vector_name(fault.vector, fault.error)
        if fault.vector == Vector.PF:
            return f"reading its descriptor at {hex32(fault.cr2 or 0)} raises {raised}"
        return f"loading it raises {raised}; {_what_is_there(cpu, selector)}"
    except CpuStopped as stop:
        return str(stop)
    return ""


def _processor(scene: Scene) -> Cpu:
    """A processor nobody else sees, with the guest's registers."""
    state = scene.state
    cpu = Cpu("trial", SceneMemory(scene), PortBus(), None, None)
    cpu.regs[:], cpu.segs[:], cpu.dr[:] = state.regs, state.segs, state.dr
    cpu.eip, cpu.eflags, cpu.cpl = state.eip, state.eflags, state.cpl
    cpu.ldtr, cpu.tr, cpu.gdtr, cpu.idtr = state.ldtr, state.tr, state.gdtr, state.idtr
    cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4 = state.cr0, state.cr2, state.cr3, state.cr4
    return cpu


def _what_is_there(cpu: Cpu, selector: int) -> str:
    """What a selector names, as far as that decides whether it can be loaded."""
    if is_null(selector):
        return "a null selector names no segment"
    table = "LDT" if selector & TABLE_INDICATOR else "GDT"
    found = find_descriptor(cpu, selector)
    if found is None:
        return f"the {table} ends before entry {selector >> 3}"
    return f"entry {selector >> 3} of the {table} is {_said(found.segment)}, RPL is {selector & 3}, CPL is {cpu.cpl}"


def _said(segment: Segment) -> str:
    if segment.is_system:
        kind = SYSTEM_TYPE_NAMES.get(segment.type, "reserved")
    elif segment.is_code:
        kind = f"{'conforming ' * segment.conforming}code{' that cannot be read' * (not segment.readable)}"
    else:
        kind = f"data{' that cannot be written' * (not segment.writable)}"
    return f"{kind}, DPL {segment.dpl}{'' if segment.present else ', not present'}"
