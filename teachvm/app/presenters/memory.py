"""Memory and stack: the guest's stack with what lies on it, or the bytes at an address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from teachvm.app.listing import listing_of
from teachvm.app.notation import hex32
from teachvm.app.presentation import CardView, HexMark, HexRow, HexView, NoteView
from teachvm.app.scene import MASK32, Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Place, Space, Span, Text, Tip
from teachvm.guest.symbols import SpaceKind
from teachvm.host.frames import OwnerKind
from teachvm.isa.descriptors import is_null
from teachvm.isa.exceptions import VECTORS
from teachvm.isa.flags import KNOWN, RESERVED_ONE, names
from teachvm.isa.operands import SS
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.machine.events import ExceptionRaised

STACK_ROWS: Final = 18
GRID_ROWS: Final = 16
ROW_BYTES: Final = 16
LEAD_ROWS: Final = 2
"""Rows before the one with the address in focus."""
CALLS: Final = (b"\xe8", b"\xff", b"\x9a")
"""First opcode bytes of CALL."""

FRAME: Final = ("EIP", "CS", "EFLAGS", "ESP", "SS")


@dataclass(frozen=True, slots=True)
class Frame:
    """What the processor pushed when it entered a handler.

    Attributes:
        at: Index, among the stack's double words, of the pushed EIP.
        words: 3, or 5 if the stack changed.
        error: The double word before it is an error code.
    """

    at: int
    words: int
    error: bool

    @property
    def first(self) -> int:
        """Index of its lowest double word."""
        return self.at - self.error

    def name(self, index: int) -> str | None:
        """What a double word of the stack is in it."""
        if self.error and index == self.at - 1:
            return "error code"
        return FRAME[index - self.at] if self.at <= index < self.at + self.words else None


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The bytes at the address in focus, else the stack."""
    scene = scene_of(now)
    earlier = None if before is None else scene_of(before, scene.vm)
    address = now.focus.memory
    if address is None:
        return _stack(scene, earlier)
    if now.focus.space == "linear":
        return _grid(scene, earlier, address & MASK32)
    return _frame_grid(scene, earlier, address & MASK32, now.focus.space)


def _way(scene: Scene, linear: int) -> Text:
    """An address on its way: gVA → gPA → hPA."""
    first, second = ("gVA", "gPA") if scene.virtualized else ("linear", "physical")
    spans = [*_step(f"{first} ", linear, Place("linear", linear, scene.vm))]
    gpa = scene.gpa(linear)
    if gpa is None:
        return (*spans, Span(" → not mapped", "dim"))
    place = Place("guest-physical", gpa, scene.vm) if scene.virtualized else Place("host-physical", gpa)
    spans += _step(f" → {second} ", gpa, place)
    hpa = scene.hpa(gpa)
    if hpa is None:
        return (*spans, Span(" → no RAM", "dim"))
    return (*spans, *_step(" → hPA ", hpa, Place("host-physical", hpa))) if scene.virtualized else tuple(spans)


def _step(words: str, address: int, place: Place) -> Text:
    return Span(words, "dim"), Span(hex32(address), "dim", code=True, link=place)


def _of_guest(scene: Scene, gpa: int) -> Text:
    """A guest-physical address on its way."""
    hpa = scene.hpa(gpa)
    first = _step("gPA " if scene.virtualized else "physical ", gpa, Place("guest-physical", gpa, scene.vm))
    if hpa is None:
        return (*first, Span(" → no RAM", "dim"))
    return (*first, *_step(" → hPA ", hpa, Place("host-physical", hpa))) if scene.virtualized else first


def _of_host(scene: Scene, hpa: int) -> Text:
    """A host-physical address, and whose frame it lies in."""
    owner, number = scene.owner(hpa)
    said = "nobody’s" if owner.kind is OwnerKind.FREE else " ".join(filter(None, (owner.name, owner.purpose)))
    if number is not None:
        said += f", its gPA {hex32(number << PAGE_SHIFT | hpa & 0xFFF)}"
    elif owner.kind is OwnerKind.VMM:
        said = f"the VMM’s: {owner.purpose} of {owner.name}"
    return (*_step("hPA ", hpa, Place("host-physical", hpa)), Span(f" · {said}", "dim"))


# ---- bytes ------------------------------------------------------------------------------------------------------


def _grid(scene: Scene, earlier: Scene | None, address: int) -> CardView:
    start = max(0, (address & ~(ROW_BYTES - 1)) - LEAD_ROWS * ROW_BYTES)
    rows = tuple(_bytes_row(scene, earlier, start + ROW_BYTES * at & MASK32) for at in range(GRID_ROWS))
    label = scene.name_at(address) or ""
    mark = HexMark(address - start, 4, "now", label or "the address in focus", Tip(hex32(address), label))
    name = Span(f" · {label}", "dim") if label else Span("")
    return CardView(
        (Span(f"{scene.title} · ", "dim"), *_way(scene, address), name),
        (HexView(rows, marks=(mark,), vm=scene.vm, editable=True),),
    )


def _frame_grid(scene: Scene, earlier: Scene | None, address: int, space: Space) -> CardView:
    """Bytes by their physical address, the guest's or the host's."""
    start = max(0, (address & ~(ROW_BYTES - 1)) - LEAD_ROWS * ROW_BYTES)
    rows = []
    for at in range(start, start + GRID_ROWS * ROW_BYTES, ROW_BYTES):
        old = None if earlier is None else earlier.read_space(at, ROW_BYTES, space)
        rows.append(_row_of(at, scene.read_space(at, ROW_BYTES, space) or b"", old or b""))
    mark = HexMark(address - start, 4, "now", "the address in focus", Tip(hex32(address)))
    way = _of_guest(scene, address) if space == "guest-physical" else _of_host(scene, address)
    grid = HexView(tuple(rows), marks=(mark,), space=space, vm=scene.vm if space == "guest-physical" else "")
    return CardView((Span(f"{scene.title} · ", "dim"), *way), (grid,))


def _row_of(address: int, content: bytes, old: bytes, label: str | None = None) -> HexRow:
    units = tuple(f"{byte:02x}" for byte in content) + ("",) * (ROW_BYTES - len(content))
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in content)
    changed = frozenset(at for at, (one, other) in enumerate(zip(content, old, strict=False)) if one != other)
    return HexRow(address, units, text, (Span(label, "kernel"),) if label else (), changed)


def _bytes_row(scene: Scene, earlier: Scene | None, address: int) -> HexRow:
    space = scene.space_at(address)
    label = None
    if space is not None:
        label = next((space.label_at(address + at) for at in range(ROW_BYTES) if space.label_at(address + at)), None)
    old = b"" if earlier is None else earlier.read(address, ROW_BYTES)
    return _row_of(address, scene.read(address, ROW_BYTES), old, label)


# ---- stack ------------------------------------------------------------------------------------------------------


def _stack(scene: Scene, earlier: Scene | None) -> CardView:
    esp = scene.linear_esp
    subtitle = (Span(f"{scene.title} · stack, SS:ESP = ", "dim"), *_way(scene, esp))
    content = scene.read(esp, 4 * STACK_ROWS)
    words = [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content) - 3, 4)]
    if not words:
        text = f"Nothing is mapped at {hex32(esp)}, where ESP points; a push there is a page fault."
        return CardView(subtitle, (NoteView((Span(text),), "info"),))
    if is_null(scene.state.segs[SS].selector) and scene.state.cpl == 3:
        return CardView(subtitle, (NoteView((Span("SS holds no segment: there is no stack yet."),), "info"),))
    del words[_room(scene, esp, len(words)) :]
    frames = _frames(scene, words)
    old = b"" if earlier is None else earlier.read(esp, 4 * STACK_ROWS)
    rows = tuple(_word_row(scene, esp + 4 * at & MASK32, word, at, frames, old) for at, word in enumerate(words))
    marks = tuple(
        HexMark(frame.first, frame.words + frame.error, "hardware", "frame the CPU pushed", _FRAME_TIP)
        for frame in frames
        if frame.first + frame.words + frame.error <= len(words)
    )
    return CardView(subtitle, (HexView(rows, 4, marks, vm=scene.vm, editable=True),))


def _room(scene: Scene, esp: int, most: int) -> int:
    """Double words up to where another image begins: what lies there is no stack."""
    here = scene.space_at(esp)
    for at in range(1, most):
        linear = esp + 4 * at & MASK32
        if linear & 0xFFF < 4 and scene.space_at(linear) is not here:
            return at
    return most


_FRAME_TIP: Final = Tip(
    "Interrupt frame",
    "What the processor pushes when it enters a handler; iret takes it back.",
    "Intel SDM Vol. 3A, §6.12.1",
)


def _word_row(scene: Scene, address: int, word: int, at: int, frames: list[Frame], old: bytes) -> HexRow:
    note: list[Span] = [Span("ESP", "now", strong=True)] if at == 0 else []
    said = _word_note(scene, word, at, frames)
    if said and note:
        note.append(Span(" · ", "dim"))
    note += said
    was = old[4 * at : 4 * at + 4]
    changed = frozenset((0,)) if len(was) == 4 and int.from_bytes(was, "little") != word else frozenset()
    return HexRow(address, (f"{word:08x}",), "", tuple(note), changed)


def _word_note(scene: Scene, word: int, at: int, frames: list[Frame]) -> list[Span]:
    """What a double word on the stack is: part of a frame, a return address, or nothing known."""
    for frame in frames:
        field = frame.name(at)
        if field is not None:
            return [Span(field, "hardware", strong=True), *_field_value(scene, field, word)]
    place = _return_address(scene, word)
    if place:
        return [Span("return to ", "dim"), Span(place, "kernel", link=Place("linear", word, scene.vm))]
    return []


def _field_value(scene: Scene, field: str, word: int) -> list[Span]:
    if field == "EIP":
        name = scene.name_at(word)
        return [Span(f" {name}", "dim")] if name else []
    if field in ("CS", "SS"):
        return [Span(f" ring {word & 3}", "dim")]
    if field == "EFLAGS":
        return [Span(f" {' '.join(names(word)) or 'none set'}", "dim")]
    return []


def _return_address(scene: Scene, word: int) -> str | None:
    """The name of a place right behind a CALL; None for any other number."""
    space = scene.space_at(word)
    if space is None:
        return None
    before = listing_of(space).before(word)
    if before is None:
        return None
    opcode = scene.read(before, 1)
    name = space.name_at(word)
    if opcode not in CALLS or name is None:
        return None
    return name if space.kind is SpaceKind.KERNEL else f"{space.name}:{name}"


def _frames(scene: Scene, words: list[int]) -> list[Frame]:
    """Interrupt frames on the stack: an address of code, a code selector, flags, and from ring 3 a stack."""
    found: list[Frame] = []
    if scene.state.cpl:
        return found
    at = 0
    while at + 3 <= len(words):
        size = _frame_size(scene, words, at)
        if size:
            found.append(Frame(at, size, _has_error(scene, words[at], at)))
            at += size
        else:
            at += 1
    return found


def _frame_size(scene: Scene, words: list[int], at: int) -> int:
    eip, cs, eflags = words[at : at + 3]
    if cs >> 16 or not cs & ~7 or eflags & ~(KNOWN | RESERVED_ONE) or not eflags & RESERVED_ONE:
        return 0
    space = scene.space_at(eip)
    if space is None or listing_of(space).index(eip) is None or not space.is_code(eip):
        return 0
    if cs & 3 == 0:
        return 3
    if cs & 3 == 3 and at + 5 <= len(words) and words[at + 4] & 3 == 3 and not words[at + 4] >> 16:
        return 5
    return 0


def _has_error(scene: Scene, eip: int, at: int) -> bool:
    """Whether the exception raised last is the one this frame is from, and has an error code."""
    if not at:
        return False
    raised = scene.snapshot.log.last_before(scene.snapshot.at, ExceptionRaised)
    if raised is None or raised.eip != eip:
        return False
    info = VECTORS.get(raised.vector)
    return info is not None and info.has_error_code
