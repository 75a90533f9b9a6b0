"""Changing a value in place: what a person wrote, checked against what the processor accepts, as an input to the world.

An edit is an input like typing on a console: it lies in the timeline's log at its moment, makes a recorded future a
fork, and is gone when it is taken back.
"""

from __future__ import annotations

import re
from typing import Final, TypeGuard

from teachvm.app import trial
from teachvm.app.cells import SEGMENTS
from teachvm.app.notation import hex32
from teachvm.app.places import PlaceError, evaluate
from teachvm.app.scene import MASK32, Scene
from teachvm.app.wording import Editable
from teachvm.isa import paging
from teachvm.isa.control import CR0_CD, CR0_ET, CR0_KNOWN, CR0_NW, CR0_PE, CR3_PCD, CR3_PWT, CR4_KNOWN
from teachvm.isa.flags import IOPL_MASK, IOPL_SHIFT, KNOWN, RESERVED_ONE, VM, Flag
from teachvm.machine.register_loads import SELECTORS
from teachvm.trace.subject import Input
from teachvm.world.inputs import MemoryEdited, RegisterEdited
from teachvm.world.world import Guest, World

Edit = RegisterEdited | MemoryEdited
ENTRY_FIELDS: Final = {
    "P": paging.P,
    "W": paging.RW,
    "U": paging.US,
    "A": paging.A,
    "D": paging.D,
}
"""Bits of a page table entry by the letters the walk shows."""


class EditError(ValueError):
    """What was written is no value for this; the message is one line for people."""


def is_edit(given: Input) -> TypeGuard[Edit]:
    """Whether an input is a person's change of a register or of memory."""
    return isinstance(given, RegisterEdited | MemoryEdited)


def described(edit: Edit) -> str:
    """An edit in a few words."""
    if isinstance(edit, RegisterEdited):
        return f"{edit.name} = {f'{edit.value:04x}' if edit.name in SELECTORS else hex32(edit.value)}"
    value = hex32(int.from_bytes(edit.content, "little")) if len(edit.content) == 4 else edit.content.hex(" ")
    return f"[{hex32(edit.address)}] = {value}"


def require_editable(world: World, guest: Guest) -> None:
    """Ask whether a value of the guest can be changed at all.

    Raises:
        EditError: Nothing runs any more, or there is no processor of ours whose checks an edit could pass.
    """
    if world.stopped is not None:
        raise EditError("Nothing runs any more, so an edit would change nothing. Step back first.")
    if guest.image.riscv:
        raise EditError("This guest is code for another processor; its values cannot be changed.")


def read(what: Editable, text: str, scene: Scene) -> Edit:
    """The edit a person asked for.

    Args:
        what: The value that is changed.
        text: What they wrote.
        scene: The moment, with the guest in the middle.

    Raises:
        EditError: It cannot be that.
    """
    if what.space == "host-physical":
        raise EditError(f"{what.name} is the VMM’s own, and would be made anew: change the guest’s table")
    try:
        match what.kind:
            case "register":
                return RegisterEdited(scene.vm, what.name, _register(what.name, text, scene))
            case "flag":
                return RegisterEdited(scene.vm, "EFLAGS", _flag(what.name, text, scene))
            case "memory":
                return MemoryEdited(scene.vm, _physical(what, scene), _content(what, text, scene))
            case "entry":
                return MemoryEdited(scene.vm, _physical(what, scene), _entry(what, text, scene))
    except PlaceError as error:
        raise EditError(f"{what.name}: {error}") from error


def _register(name: str, text: str, scene: Scene) -> int:
    value = _selector(text, scene) if name in SELECTORS else evaluate(text, scene)
    match name:
        case "EFLAGS":
            if value & ~(KNOWN | RESERVED_ONE) or value & VM:
                raise EditError(f"EFLAGS cannot be {hex32(value)}: reserved bits, or virtual-8086 mode")
            return value | RESERVED_ONE
        case "CR0":
            if not value & CR0_PE:
                raise EditError("CR0.PE has to stay set: there is no real mode here")
            if value & ~CR0_KNOWN or (value & CR0_NW and not value & CR0_CD):
                raise EditError(f"CR0 cannot be {hex32(value)}: reserved bits, or NW without CD")
            return value | CR0_ET
        case "CR3" if value & ~(paging.FRAME | CR3_PWT | CR3_PCD):
            raise EditError(f"CR3 cannot be {hex32(value)}: the page directory begins on a page")
        case "CR4" if value & ~CR4_KNOWN:
            raise EditError(f"CR4 cannot be {hex32(value)}: it has reserved bits set")
    if name in SELECTORS:
        refused = trial.refusal(scene, name, value)
        if refused:
            raise EditError(f"{name} cannot be {value:04x}: {refused}")
    return value


def _selector(text: str, scene: Scene) -> int:
    """A selector: as a number, or as that of another register."""
    name = text.strip().upper()
    if name in ("LDTR", "TR"):
        return int(getattr(scene.state, name.lower()).selector)
    if name in SEGMENTS:
        return scene.state.segs[SEGMENTS.index(name)].selector
    value = evaluate(text, scene)
    if value >> 16:
        raise EditError(f"a selector has 16 bits, so it cannot be {hex32(value)}")
    return value


def _flag(name: str, text: str, scene: Scene) -> int:
    value = text.strip()
    eflags = scene.state.eflags
    if name == "IOPL":
        if value not in ("0", "1", "2", "3"):
            raise EditError("IOPL is a ring: 0, 1, 2 or 3")
        return eflags & ~IOPL_MASK | int(value) << IOPL_SHIFT
    if value not in ("0", "1"):
        raise EditError(f"{name} is one bit: write 0 or 1")
    return eflags | Flag[name] if value == "1" else eflags & ~Flag[name]


def _content(what: Editable, text: str, scene: Scene) -> bytes:
    pairs = text.split()
    if what.size == 1 and len(pairs) > 1 and all(re.fullmatch(r"[0-9a-fA-F]{2}", pair) for pair in pairs):
        content = bytes.fromhex("".join(pairs))
        if (what.address & 0xFFF) + len(content) > paging.PAGE_SIZE:
            raise EditError("these bytes reach into the next page; edit them there")
        return content
    value = evaluate(text, scene)
    if what.size < 4 and value >> 8 * what.size:
        raise EditError(
            f"{hex32(what.address)} holds {what.size} byte{'s' * (what.size > 1)}: at most {'ff' * what.size}"
        )
    return value.to_bytes(4, "little")[: what.size]


def _entry(what: Editable, text: str, scene: Scene) -> bytes:
    """A whole entry, or single fields of it: `P=0 W=1 frame=5000`."""
    if "=" not in text:
        return evaluate(text, scene).to_bytes(4, "little")
    raw = scene.read_physical(_physical(what, scene), 4)
    entry = 0 if raw is None else int.from_bytes(raw, "little")
    for part in text.replace(",", " ").split():
        name, _, value = part.partition("=")
        if name.upper() in ENTRY_FIELDS and value in ("0", "1"):
            bit = ENTRY_FIELDS[name.upper()]
            entry = entry | bit if value == "1" else entry & ~bit
        elif name.lower() == "frame" and value:
            frame = evaluate(value, scene)
            if frame & ~paging.FRAME:
                raise EditError(f"{hex32(frame)} is no frame: a page begins there, so its low 12 bits are zero")
            entry = entry & ~paging.FRAME & MASK32 | frame
        else:
            raise EditError(f"'{part}' is no field of an entry; write P=0, W=1, U=1, A=0, D=0 or frame=5000")
    return entry.to_bytes(4, "little")


def _physical(what: Editable, scene: Scene) -> int:
    """Guest-physical address of what is edited; all of it has to be RAM."""
    if what.kind == "entry" or what.space != "linear":
        gpa: int | None = what.address
    else:
        gpa = scene.gpa(what.address)
        if gpa is None:
            raise EditError(f"nothing is mapped at {hex32(what.address)}, so nothing can be written there")
        if (gpa & 0xFFF) + what.size > paging.PAGE_SIZE:
            raise EditError(f"{hex32(what.address)} lies across two pages; edit the bytes one by one")
    assert gpa is not None
    if scene.hpa(gpa) is None or scene.hpa(gpa + what.size - 1) is None:
        raise EditError(f"there is no RAM at {hex32(gpa)}")
    return gpa
