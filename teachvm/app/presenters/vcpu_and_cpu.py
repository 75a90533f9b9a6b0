"""VCPU and CPU: what the guest believes its processor holds, beside what the hardware holds while the guest runs."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.app.cells import REGISTER_ORDER, REGISTERS, bits_tip, cell, flag_chips, hex_pair, selector_tip, tip
from teachvm.app.focus import Focus
from teachvm.app.notation import hex32
from teachvm.app.presentation import CardView, Cell, Pair, PairSection, PairsView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Place, Role, Span, Text, Tip
from teachvm.isa.control import CR0_AM
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS
from teachvm.vmm.deprivilege import hardware_flags, hardware_ring, hardware_selector
from teachvm.vmm.region import GDTR, IDTR
from teachvm.vmm.vcpu import GUEST_CR0

FIELDS = ("CPL", "IF", "CR0", "CR2", "CR3", "IDTR", "GDTR", "CS")


@dataclass(frozen=True, slots=True)
class Held:
    """What the hardware holds while the guest runs.

    Attributes:
        values: By name of `FIELDS`.
        eflags: All flags.
    """

    values: dict[str, int]
    eflags: int


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Two columns under a VMM, one on bare metal; changed values with what they were."""
    scene = scene_of(now)
    earlier = None if before is None else scene_of(before, scene.vm)
    lit = lit_names(now.focus)
    guest, was = _guest(scene), None if earlier is None else _guest(earlier)
    if not scene.virtualized:
        rows = tuple(Pair(name, (_value(scene, name, guest, was, "text", lit),), tip(name)) for name in FIELDS)
        flags = flag_chips(scene.state.eflags, None if earlier is None else earlier.state.eflags, lit=lit)
        sections = (PairSection(rows, ("the CPU",), tint="hardware"), _shared(scene, earlier, lit, ("general",)))
        return CardView(_subtitle(scene), (PairsView(sections), flags))
    held, held_was = held_in_guest(scene), None if earlier is None else held_in_guest(earlier)
    rows = tuple(
        Pair(
            name,
            (
                _value(scene, name, guest, was, "kernel", lit),
                _value(
                    scene,
                    name,
                    held.values,
                    None if held_was is None else held_was.values,
                    "dim",
                    frozenset(),
                    real=True,
                ),
            ),
            tip(name),
        )
        for name in FIELDS
    )
    flags = flag_chips(
        scene.state.eflags, None if earlier is None else earlier.state.eflags, hardware=held.eflags, lit=lit
    )
    sections = (
        PairSection(rows, ("guest sees", "hardware, in guest"), tint="kernel"),
        _shared(scene, earlier, lit, ("shared by both",)),
    )
    return CardView(_subtitle(scene), (PairsView(sections), flags))


def lit_names(focus: Focus) -> frozenset[str]:
    """Registers and flags a lesson wants seen, by the names of the cards: `vcpu.flags.IF` is IF."""
    return frozenset(name.rpartition(".")[2].upper() for name in focus.highlight)


def _subtitle(scene: Scene) -> Text:
    cpl, interrupts = scene.hardware.cpl, int(bool(scene.hardware.eflags & IF))
    live = f"ring {cpl} · IF {interrupts} · CR3 {hex32(scene.hardware.cr3)}"
    if scene.runner == "hardware":
        who = "nobody: it waits" if scene.hardware.halted or not scene.in_guest else "nobody: it delivers"
    elif scene.runner == "vmm":
        who = "the VMM"
    else:
        name = "" if scene.alone else f"{scene.in_guest}’s "
        who = f"{name}{scene.runner}"
    text = f"right now the CPU is in {who}" if not who.startswith("nobody") else f"right now the CPU serves {who}"
    return (Span(f"{text}, {live}", "dim", tip=Tip("The CPU itself", "What the one physical CPU holds now.")),)


def _guest(scene: Scene) -> dict[str, int]:
    state = scene.state
    return {
        "CPL": state.cpl,
        "IF": int(bool(state.eflags & IF)),
        "CR0": state.cr0,
        "CR2": state.cr2,
        "CR3": state.cr3,
        "IDTR": state.idtr.base,
        "GDTR": state.gdtr.base,
        "CS": state.segs[CS].selector,
    }


def held_in_guest(scene: Scene) -> Held:
    """What the hardware holds, or will hold, while this guest runs.

    While it does, these are the CPU's own registers; while the VMM has the CPU, they are what the VMM is going to
    resume the guest with, by the same rules it uses itself.
    """
    hardware, state = scene.hardware, scene.state
    if scene.in_guest == scene.vm and hardware.cpl:
        eflags, cpl, cr0, cs = hardware.eflags, hardware.cpl, hardware.cr0, hardware.segs[CS].selector
    else:
        eflags = hardware_flags(state.eflags)
        cpl = hardware_ring(state.cpl)
        cr0 = GUEST_CR0 | state.cr0 & CR0_AM
        cs = hardware_selector(state.segs[CS].selector, state.cpl)
    values = {
        "CPL": cpl,
        "IF": int(bool(eflags & IF)),
        "CR0": cr0,
        "CR2": hardware.cr2,
        "CR3": _shadow_directory(scene),
        "IDTR": IDTR.base,
        "GDTR": GDTR.base,
        "CS": cs,
    }
    return Held(values, eflags)


def _shadow_directory(scene: Scene) -> int:
    """Host-physical address of the shadow of the guest's directory in use."""
    shadow = scene.snapshot.state(f"{scene.vm}.shadow")
    directory = dict(shadow.directories).get(shadow.active)
    return int(scene.hardware.cr3) if directory is None else int(directory) << 12


def _value(
    scene: Scene,
    name: str,
    values: dict[str, int],
    before: dict[str, int] | None,
    role: Role,
    lit: frozenset[str],
    *,
    real: bool = False,
) -> Cell:
    value = values[name]
    hint, link = tip(name), None
    if name in ("CR0", "CR4"):
        hint = bits_tip(name, value)
    elif name == "CR3":
        link = Place("host-physical", value) if real else Place("guest-physical", value, scene.vm)
    elif name in ("IDTR", "GDTR", "CR2") and not real:
        link = Place("linear", value, scene.vm)
    elif name == "CS" and not real:
        hint = selector_tip("CS", scene.state.segs[CS])
    was = None if before is None else _text(name, before[name])
    return cell(_text(name, value), value, was, role, strong=role == "kernel", lit=name in lit, tip=hint, link=link)


def _text(name: str, value: int) -> str:
    if name in ("CPL", "IF"):
        return str(value)
    return f"{value:04x}" if name == "CS" else hex32(value)


def _shared(scene: Scene, earlier: Scene | None, lit: frozenset[str], headings: tuple[str, ...]) -> PairSection:
    """The general registers and EIP: the guest has the hardware's own."""
    state, was = scene.state, None if earlier is None else earlier.state
    rows = []
    for index in REGISTER_ORDER:
        old = None if was is None else was.regs[index]
        rows.append(hex_pair(REGISTERS[index], state.regs[index], old, scene.vm, lit=REGISTERS[index] in lit))
    rows.append(hex_pair("EIP", state.eip, None, scene.vm, lit="EIP" in lit))  # it changes with every step
    return PairSection(tuple(rows), headings)
