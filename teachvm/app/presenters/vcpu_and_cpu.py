"""VCPU and CPU: what the guest believes its processor holds, beside what the hardware holds while the guest runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from teachvm.app.cells import REGISTER_ORDER, REGISTERS, bits_tip, cell, flag_chips, hex_pair, selector_tip, tip
from teachvm.app.focus import Focus
from teachvm.app.notation import hex32
from teachvm.app.presentation import CardView, Cell, Pair, PairSection, PairsView
from teachvm.app.scene import Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Editable, Place, Role, Span, Text, Tip
from teachvm.isa.control import CR0_AM
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS
from teachvm.vmm.deprivilege import hardware_flags, hardware_ring, hardware_selector
from teachvm.vmm.engines.translate.decision import flags_allow
from teachvm.vmm.region import CACHE_CS, GDTR, IDTR
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vcpu import GUEST_CR0
from teachvm.vmm.vmx.setup import REAL_CR0

FIELDS = ("CPL", "IF", "CR0", "CR2", "CR3", "IDTR", "GDTR", "CS")
EDITABLE = ("CR0", "CR2", "CR3", "CS", "EIP")


@dataclass(frozen=True, slots=True)
class Held:
    """What the hardware holds while the guest runs.

    Attributes:
        values: By name of `FIELDS`, and EIP where it is known.
        eflags: All flags.
    """

    values: dict[str, int]
    eflags: int


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """Two columns under a VMM, one on bare metal; changed values with what they were."""
    scene = scene_of(now)
    earlier = None if before is None else scene_of(before, scene.vm)
    if not scene.virtualized:
        tables = _bare(scene, earlier)
    elif not scene.technique.direct:
        tables = _interpreted(scene, earlier)
    else:
        tables = _beside(scene, earlier)
    held = held_in_guest(scene).eflags if scene.virtualized and scene.technique.direct else None
    flags = flag_chips(
        scene.state.eflags,
        None if earlier is None else earlier.state.eflags,
        hardware=held,
        lit=lit_names(now.focus),
        vm=scene.vm,
    )
    return CardView(_subtitle(scene), (tables, flags))


def lit_names(focus: Focus) -> frozenset[str]:
    """Registers and flags a lesson wants seen, by the names of the cards: `vcpu.flags.IF` is IF."""
    return frozenset(name.rpartition(".")[2].upper() for name in focus.highlight)


def _lit(focus: Focus, *, real: bool) -> frozenset[str]:
    """The same for one column: `cpu.…` means the hardware, everything else what the guest sees."""
    chosen = (name for name in focus.highlight if (name.partition(".")[0] in ("cpu", "flags")) is real)
    return frozenset(name.rpartition(".")[2].upper() for name in chosen)


def _bare(scene: Scene, earlier: Scene | None) -> PairsView:
    lit = lit_names(scene.snapshot.focus)
    guest, was = _guest(scene), None if earlier is None else _guest(earlier)
    rows = tuple(Pair(name, (_value(scene, name, guest, was, "text", lit),), tip(name)) for name in FIELDS)
    shared = _shared(scene, earlier, lit, ("general",))
    return PairsView((PairSection(rows, ("the CPU",), tint="hardware"), shared))


def _interpreted(scene: Scene, earlier: Scene | None) -> PairsView:
    """An emulated processor is held by no other: it is the interpreter's variables."""
    lit = lit_names(scene.snapshot.focus)
    guest, was = _guest(scene), None if earlier is None else _guest(earlier)
    rows = tuple(Pair(name, (_value(scene, name, guest, was, "kernel", lit),), tip(name)) for name in FIELDS)
    shared = _shared(scene, earlier, lit, ("variables of the interpreter",))
    return PairsView((_live(scene, earlier), PairSection(rows, ("the emulated CPU",), tint="kernel"), shared))


def _beside(scene: Scene, earlier: Scene | None) -> PairsView:
    """What the guest sees beside what the hardware holds."""
    focus = scene.snapshot.focus
    guest, held = _guest(scene), held_in_guest(scene).values
    was = None if earlier is None else _guest(earlier)
    held_was = None if earlier is None else held_in_guest(earlier).values
    rows = []
    names = FIELDS if scene.technique is not Technique.BINARY_TRANSLATION else (*FIELDS, "EIP")
    for name in names:
        seen = _value(scene, name, guest, was, "kernel", _lit(focus, real=False))
        real = Cell("–", "dim", tip=_UNKNOWN)
        if name in held:
            real = _value(scene, name, held, held_was, "dim", _lit(focus, real=True), real=True)
        rows.append(Pair(name, (seen, real), tip(name)))
    right = "hardware, in guest" if scene.technique is not Technique.HARDWARE_ASSIST else "hardware, non-root mode"
    shared = "shared by both"
    if scene.place is not None and not scene.place.insn.recover.clean:
        shared = "the guest’s; a sequence of the cache borrows some"
    return PairsView(
        (
            _live(scene, earlier),
            PairSection(tuple(rows), ("guest sees", right), tint="kernel"),
            _shared(scene, earlier, _lit(focus, real=False), (shared,)),
        )
    )


_UNKNOWN: Final = Tip("Not decided yet", "The VMM finds, or makes, the translation when it goes back to the guest.")


def _subtitle(scene: Scene) -> Text:
    return (Span(scene.title if scene.virtualized else "bare metal: the guest has the CPU itself", "dim"),)


def _now(scene: Scene) -> str:
    """Where the one physical CPU is at this moment."""
    if scene.runner == "vmm":
        return "VMM"
    if scene.runner == "hardware":
        waits = scene.phase is None and (scene.hardware.halted or scene.virtualized)
        return "waiting" if waits else "delivery"
    return f"guest {scene.runner}" if scene.alone else f"{scene.in_guest} {scene.runner}"


_LIVE: Final = Tip(
    "The CPU itself",
    "What the one physical CPU holds at this very moment. In the VMM that is the VMM's own: interrupts off, ring 0.",
)


def _live(scene: Scene, earlier: Scene | None) -> PairSection:
    """One row for the hardware as it stands."""
    cpu = scene.hardware
    values = f"ring {cpu.cpl} · IF {int(bool(cpu.eflags & IF))}"
    role: Role = scene.runner
    where = _now(scene)
    old = None if earlier is None else _now(earlier)
    changed = old is not None and old != where
    cells = (Cell(where, role, True, changed=changed, tip=_LIVE), Cell(values, "dim", tip=_LIVE))
    return PairSection((Pair("now", cells, _LIVE),), tint="hardware")


def _guest(scene: Scene) -> dict[str, int]:
    state = scene.state
    cpl, cs = state.cpl, state.segs[CS].selector
    if scene.guest.spec.technique is Technique.PARAVIRTUAL:
        # The VMM keeps the kernel as ring 0 of the VCPU; the kernel itself is shown where it is.
        cpl, cs = hardware_ring(cpl), hardware_selector(cs, cpl)
    return {
        "CPL": cpl,
        "IF": int(bool(state.eflags & IF)),
        "CR0": state.cr0,
        "CR2": state.cr2,
        "CR3": state.cr3,
        "IDTR": state.idtr.base,
        "GDTR": state.gdtr.base,
        "CS": cs,
        "EIP": state.eip,
    }


def held_in_guest(scene: Scene) -> Held:
    """What the hardware holds, or will hold, while this guest runs.

    While it does, these are the CPU's own registers; while the VMM has the CPU, they are what the VMM is going to
    resume the guest with, by the same rules it uses itself.
    """
    hardware, state = scene.hardware, scene.state
    assisted = scene.technique is Technique.HARDWARE_ASSIST
    if scene.in_guest == scene.vm and (hardware.cpl or assisted):
        return _holds(hardware)
    if assisted:
        return _will_enter(scene)
    translated = scene.technique is Technique.BINARY_TRANSLATION and not flags_allow(state.cpl, state.eflags)
    selector = CACHE_CS if translated else state.segs[CS].selector
    eflags = hardware_flags(state.eflags)
    values = {
        "CPL": hardware_ring(state.cpl),
        "IF": int(bool(eflags & IF)),
        "CR0": GUEST_CR0 | state.cr0 & CR0_AM,
        "CR2": hardware.cr2,
        "CR3": _shadow_directory(scene),
        "IDTR": IDTR.base,
        "GDTR": GDTR.base,
        "CS": hardware_selector(selector, state.cpl),
    }
    if not translated:
        values["EIP"] = state.eip
    return Held(values, eflags)


def _holds(cpu: Any) -> Held:
    """What a processor holds now."""
    values = {
        "CPL": cpu.cpl,
        "IF": int(bool(cpu.eflags & IF)),
        "CR0": cpu.cr0,
        "CR2": cpu.cr2,
        "CR3": cpu.cr3,
        "IDTR": cpu.idtr.base,
        "GDTR": cpu.gdtr.base,
        "CS": cpu.segs[CS].selector,
        "EIP": cpu.eip,
    }
    return Held(values, cpu.eflags)


def _will_enter(scene: Scene) -> Held:
    """What VM entry is going to load: the guest's own registers, but for what the VMM translates addresses with."""
    state = scene.state
    values = _guest(scene)
    if scene.paging is Paging.SHADOW:
        values |= {"CR0": state.cr0 | REAL_CR0, "CR3": _shadow_directory(scene)}
    return Held(values, state.eflags)


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
        nested = scene.paging is Paging.NESTED
        link = Place("host-physical", value) if real and not nested else Place("guest-physical", value, scene.vm)
    elif name in ("IDTR", "GDTR", "CR2", "EIP") and not real:
        link = Place("linear", value, scene.vm)
    elif name == "EIP" and real and scene.place is not None:
        hint = Tip("EIP of the hardware", "In the translation cache: what runs here is the rewritten copy.")
    elif name == "CS" and not real:
        hint = selector_tip("CS", scene.state.segs[CS])
    was = None if before is None or name == "EIP" or name not in before else _text(name, before[name])
    shown = cell(_text(name, value), value, was, role, strong=role == "kernel", lit=name in lit, tip=hint, link=link)
    return shown if real else replace(shown, alters=_alters(scene, name))


def _alters(scene: Scene, name: str) -> Editable | None:
    """What changing a value of the guest's changes; a kernel that knows its ring shows another CS than the VCPU has."""
    if name == "IF":
        return Editable("flag", name, scene.vm)
    if name not in EDITABLE or (name == "CS" and scene.technique is Technique.PARAVIRTUAL):
        return None
    return Editable("register", name, scene.vm)


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
    if scene.technique is not Technique.BINARY_TRANSLATION:  # there it is one of those that differ
        rows.append(hex_pair("EIP", state.eip, None, scene.vm, lit="EIP" in lit))  # it changes with every step
    return PairSection(tuple(rows), headings)
