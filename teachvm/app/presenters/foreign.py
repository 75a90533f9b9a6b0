"""What cards say of a guest for another processor: registers that are variables, code only an interpreter reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from teachvm.app.chronicle import chronicle_of
from teachvm.app.foreign import Foreign
from teachvm.app.notation import count, hex32, hexbytes, percent
from teachvm.app.presentation import (
    Actor,
    ActorsView,
    Badge,
    CardView,
    Cell,
    CodeLabel,
    CodeLine,
    CodeRow,
    CodeView,
    HexMark,
    HexRow,
    HexView,
    NoteView,
    Pair,
    PairSection,
    PairsView,
    Share,
    Stat,
    StatsView,
)
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Place, Role, Span, Text, Tip
from teachvm.guest.symbols import Space
from teachvm.isa.disassembler import riscv_text
from teachvm.isa.rv32.codec import LENGTH, IllegalInstructionError, decode
from teachvm.isa.rv32.rows import REGISTER_NAMES, Format
from teachvm.isa.text import TokenKind
from teachvm.lesson.cards import CARD_BY_ID
from teachvm.machine.rv32.board import RAM_BASE
from teachvm.world.world import Guest

SOURCE: Final = "RISC-V ISA manual Vol. I, ch. 2"
AROUND: Final = 24
"""Instructions shown before the next one, and behind it."""
ROW_BYTES: Final = 16
GRID_ROWS: Final = 12
STACK_POINTER: Final = 2

_ROLES: Final = Badge(
    "interpreted",
    "vmm",
    "info",
    Tip("Interpreted", "No instruction of this guest runs on the processor: a program does what it says.", SOURCE),
)


def present(card: str, now: Snapshot, before: Snapshot | None, guest: Guest) -> CardView:
    """What a card shows of such a guest; of what it has not, the card says so."""
    scene = Foreign(now, guest)
    earlier = None if before is None or f"{guest.name}.cpu" not in before else Foreign(before, guest)
    presenter = PRESENTERS.get(card)
    if presenter is not None:
        return presenter(scene, earlier)
    title = CARD_BY_ID[card].title
    text = f"{guest.name} is a RISC-V computer that an interpreter keeps in variables. It has nothing for “{title}”."
    return CardView(_subtitle(scene), (NoteView((Span(text),), "info"),))


def _subtitle(scene: Foreign, more: str = "") -> Text:
    return (Span(f"{scene.guest.name} · RISC-V{more}", "dim"),)


# ---- who is running ---------------------------------------------------------------------------------------------


def _who_is_running(scene: Foreign, earlier: Foreign | None) -> CardView:
    del earlier
    now = scene.snapshot
    host = now.state(now.world.host.name)
    mine = host.stopped is None and host.on_cpu == scene.guest.name
    interpreter = Tip("Interpreter", "A program reads each instruction and does on variables what it says.", SOURCE)
    guest = Tip("Guest", "Its instructions are data to the processor below; none of them runs on it.", SOURCE)
    detail = (Span("RISC-V · ", "dim"), Span(f"pc = {hex32(scene.cpu.pc)}", "dim", code=True))
    hardware = (Span("IA-32 · executes the interpreter", "dim"),)
    actors = (
        Actor("Guest", "K", "kernel", detail, running=False, tip=guest),
        Actor("VMM: interpreter", "V", "vmm", (Span("every instruction passes here", "dim"),), mine, interpreter),
        Actor("Hardware CPU", "H", "hardware", hardware, running=host.on_cpu is None or host.stopped is not None),
    )
    totals = chronicle_of(now.world).totals(now.at, now.cycles)
    everything = max(1, totals.program + totals.kernel + totals.vmm + totals.hardware)
    stats = (
        Stat("Instructions", count(now.state(scene.guest.name).emulated), tip=Tip("Instructions", "All interpreted.")),
        Stat("Run directly", percent(0), "vmm", Tip("Run directly", "To Popek and Goldberg, no virtualization.")),
        Stat("Cycles", count(now.cycles)),
    )
    shares = (
        Share("program", totals.program / everything, "program"),
        Share("kernel", totals.kernel / everything, "kernel"),
        Share("VMM", totals.vmm / everything, "vmm", pattern=True),
        Share("waiting", totals.hardware / everything, "hardware"),
    )
    return CardView(_subtitle(scene), (ActorsView(actors), StatsView(stats, tuple(s for s in shares if s.fraction))))


# ---- code -------------------------------------------------------------------------------------------------------


def _guest_code(scene: Foreign, earlier: Foreign | None) -> CardView:
    del earlier
    space, pc, centre = scene.symbols.kernel, scene.cpu.pc, scene.centre
    rows: list[CodeRow] = []
    first = max(space.linear, centre - AROUND * LENGTH)
    for address in range(first, centre + AROUND * LENGTH, LENGTH):
        code = scene.read(address, LENGTH)
        if len(code) < LENGTH or (address not in (pc, centre) and not space.is_code(address)):
            continue
        label = space.label_at(address)
        if label is not None:
            rows.append(CodeLabel(label))
        line = _line(space, address, code, current=address == pc)
        rows.append(replace(line, breakpoint=address in scene.snapshot.focus.breakpoints))
    return CardView(_subtitle(scene, " · capstone’s words"), (CodeView(tuple(rows), breakable=True),), (_ROLES,))


def _line(space: Space, address: int, code: bytes, *, current: bool) -> CodeLine:
    text = riscv_text(code, address)
    operands = "".join(word for kind, word in text.tokens if kind is not TokenKind.MNEMONIC).strip()
    shown: Text = (Span(operands, code=True),)
    try:
        insn = decode(int.from_bytes(code, "little"))
        tip = Tip(f"{insn.row.mnemonic} {insn.row.format.operands}".strip(), insn.row.meaning, SOURCE)
        if insn.row.format in (Format.B, Format.J):
            # capstone gives the distance; people look for the place
            target = address + insn.imm
            before, comma, _ = operands.rpartition(", ")
            shown = (Span(before + comma + (space.name_at(target) or f"{target:#x}"), code=True),)
    except IllegalInstructionError:
        tip = Tip("No instruction", "The processor would raise an illegal-instruction exception.", SOURCE)
    return CodeLine(address, hexbytes(code), text.mnemonic, shown, current=current, tip=tip)


# ---- registers and memory ---------------------------------------------------------------------------------------


def _registers(scene: Foreign, earlier: Foreign | None) -> CardView:
    was = None if earlier is None else earlier.cpu
    rows = [_pair(scene, name, scene.cpu.regs[at], None if was is None else was.regs[at], f"x{at}")
            for at, name in enumerate(REGISTER_NAMES)]  # fmt: skip
    rows.append(_pair(scene, "pc", scene.cpu.pc, None, "program counter"))
    return CardView(_subtitle(scene, " · variables of the interpreter"), (PairsView((PairSection(tuple(rows)),)),))


def _pair(scene: Foreign, name: str, value: int, old: int | None, also: str) -> Pair:
    del scene
    changed = old is not None and old != value
    role: Role = "now" if changed else "text"
    was = hex32(old) if old is not None and changed else None
    cell = Cell(hex32(value), role, was=was, changed=changed, value=value)
    return Pair(name, (cell,), Tip(name, f"{also}: a 32-bit variable of the interpreter.", SOURCE))


def _memory(scene: Foreign, earlier: Foreign | None) -> CardView:
    focus = scene.snapshot.focus.memory
    address = scene.cpu.regs[STACK_POINTER] if focus is None else focus
    start = max(RAM_BASE, (address & ~(ROW_BYTES - 1)) - 2 * ROW_BYTES)
    rows = []
    for at in range(start, start + GRID_ROWS * ROW_BYTES, ROW_BYTES):
        content = scene.read(at, ROW_BYTES)
        old = content if earlier is None else earlier.read(at, ROW_BYTES)
        changed = frozenset(index for index, (a, b) in enumerate(zip(content, old, strict=False)) if a != b)
        units = tuple(f"{byte:02x}" for byte in content) + ("",) * (ROW_BYTES - len(content))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in content)
        rows.append(HexRow(at, units, text, changed=changed))
    marks = (HexMark(address - start, 4, "now", "sp" if focus is None else "the address in focus"),)
    shown = marks if 0 <= address - start < GRID_ROWS * ROW_BYTES else ()
    place = Place("guest-physical", address, scene.guest.name)
    subtitle = (*_subtitle(scene, " · physical, there are no page tables · "), Span(hex32(address), "dim", link=place))
    return CardView(subtitle, (HexView(tuple(rows), marks=shown, space="guest-physical", vm=scene.guest.name),))


PRESENTERS: Final[dict[str, Callable[[Foreign, Foreign | None], CardView]]] = {
    "who-is-running": _who_is_running,
    "guest-code": _guest_code,
    "registers": _registers,
    "vcpu-and-cpu": _registers,
    "memory": _memory,
}
"""Cards that say something of such a guest."""
