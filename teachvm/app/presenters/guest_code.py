"""Guest code: the instructions around the guest's EIP, and inside a trap what happens step by step."""

from __future__ import annotations

from dataclasses import replace

from teachvm.app.badges import INTERPRETED, Badges
from teachvm.app.listing import Rows, forward, instruction, listing_of
from teachvm.app.notation import hex32
from teachvm.app.past import Episode, episodes
from teachvm.app.phases import phase_block, returned
from teachvm.app.presentation import CardView, CodeLabel, CodeLine, CodeRow, CodeView, NoteView, PhaseBlock
from teachvm.app.scene import MASK32, Scene, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Span, Text
from teachvm.guest.symbols import Space, SpaceKind, UnknownLabelError
from teachvm.isa.decode import MAX_LENGTH, DecodeError, decode
from teachvm.isa.operands import CS
from teachvm.isa.row import InstructionClass
from teachvm.machine.events import ExceptionRaised
from teachvm.trace.moment import START

FORWARD_BYTES = 24 * MAX_LENGTH


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The listing that holds the guest's next instruction, or the label in focus."""
    del before
    scene = scene_of(now)
    traps = _traps(scene)
    current = _current(scene, traps)
    wanted = _wanted(scene)
    space, linear = wanted if wanted is not None else (scene.space_at(current), current)
    rows = _listing(scene, space, linear)
    if not rows:
        text = f"Nothing is mapped at {hex32(linear)}: the next fetch is a page fault."
        return CardView(_subtitle(scene, space), (NoteView((Span(text),), "warning"),))
    marked = _badged(scene, _marked(scene, rows, current, traps, here=wanted is None))
    aside = () if scene.technique.direct else (INTERPRETED,)
    return CardView(_subtitle(scene, space), (CodeView(marked),), aside)


def _subtitle(scene: Scene, space: Space | None) -> Text:
    where = "outside every image" if space is None else "kernel" if space.kind is SpaceKind.KERNEL else space.name
    return (Span(f"{scene.title} · {where}", "dim"),)


# ---- where ------------------------------------------------------------------------------------------------------


def _wanted(scene: Scene) -> tuple[Space | None, int] | None:
    """The address in focus, or the label, `label` or `program:label`, if the guest has it."""
    asked = scene.snapshot.focus.code
    if not asked:
        return None
    if asked.startswith("0x"):
        linear = int(asked, 16)
        return scene.space_at(linear), linear
    program, _, label = asked.rpartition(":")
    try:
        return next(scene.symbols.where(label, program or None), None)
    except UnknownLabelError:
        return None


def _traps(scene: Scene) -> tuple[Episode, ...]:
    """The traps of this unit; at a boundary, those of the unit just completed."""
    at = scene.snapshot.at
    if at == START:
        return ()
    n = at.n if at.phase else at.n - 1
    happened = episodes(scene.snapshot, n, scene.vm)
    end = scene.snapshot.log.number(at) + bool(at.phase)
    return tuple(one for one in happened if one.first < end)


def _current(scene: Scene, traps: tuple[Episode, ...]) -> int:
    """Linear address of the bar: the guest's next instruction, or the one that traps while it does."""
    if scene.snapshot.at.phase and traps and traps[-1].eip >= 0:
        trap = traps[-1]
        last = trap.events[-1][1]
        if not trap.over or last.at >= scene.snapshot.at:
            return _linear(scene, trap.eip)
    return scene.linear_eip


def _linear(scene: Scene, eip: int) -> int:
    return scene.state.segs[CS].base + eip & MASK32


# ---- rows -------------------------------------------------------------------------------------------------------


def _listing(scene: Scene, space: Space | None, linear: int) -> Rows:
    if space is not None:
        listing = listing_of(space)
        if listing.index(linear) is not None:
            first, last = listing.around(linear)
            start, size = listing.extent(first, last)
            content = scene.read_physical(space.phys + start - space.linear, size) or b""
            return listing.rows(first, last, content)
    kernel = scene.symbols.kernel
    if not kernel.assembly.pieces and space in (None, kernel):
        return listing_of(kernel).found(linear, scene.guest.image.entry, scene.read)
    code = scene.read(linear, FORWARD_BYTES)
    return forward(linear, code, None if space is None else space.name_at)


def _marked(scene: Scene, rows: Rows, current: int, traps: tuple[Episode, ...], *, here: bool) -> list[CodeRow]:
    """Rows with the bar, breakpoints, and the phases under their instructions."""
    breakpoints = scene.snapshot.focus.breakpoints
    blocks, shown = _blocks(scene, rows, traps)
    marked: list[CodeRow] = []
    if here:
        for address, block in blocks:
            if address not in shown:
                marked += [*_elsewhere(scene, address), block]
    trapping = bool(scene.snapshot.at.phase and traps and isinstance(traps[-1].cause, ExceptionRaised))
    for row in rows:
        if isinstance(row, CodeLabel):
            marked.append(row)
            continue
        at_row = row.address == current
        if at_row or row.address in breakpoints:
            marked.append(
                replace(row, current=at_row, trapping=at_row and trapping, breakpoint=row.address in breakpoints)
            )
        else:
            marked.append(row)
        marked += [block for address, block in blocks if address == row.address]
    return marked


def _badged(scene: Scene, rows: list[CodeRow]) -> tuple[CodeRow, ...]:
    """The same rows with the badges of this technique."""
    badges = Badges(scene)
    done: list[CodeRow] = []
    for row in rows:
        badge = badges.of(row) if isinstance(row, CodeLine) else None
        done.append(replace(row, badge=badge) if isinstance(row, CodeLine) and badge != row.badge else row)
    return tuple(done)


def _blocks(
    scene: Scene, rows: Rows, traps: tuple[Episode, ...]
) -> tuple[list[tuple[int, PhaseBlock]], frozenset[int]]:
    """The phases of each trap with the address they stand under, and which addresses the rows hold."""
    lines = {row.address: row for row in rows if isinstance(row, CodeLine)}
    blocks = []
    for trap in traps:
        if returned(trap):
            continue
        eip = trap.eip if trap.eip >= 0 else scene.state.eip
        address = _linear(scene, eip)
        blocks.append((address, phase_block(scene, trap, _class(scene, address))))
    return blocks, frozenset(lines)


def _class(scene: Scene, address: int) -> InstructionClass | None:
    """The class of the instruction at an address, if it can be read."""
    try:
        return decode(scene.read(address, MAX_LENGTH)).row.klass
    except DecodeError:
        return None


def _elsewhere(scene: Scene, address: int) -> list[CodeRow]:
    """The instruction a trap happened at, when the guest goes on somewhere else."""
    space = scene.space_at(address)
    code = scene.read(address, MAX_LENGTH)
    if not code:
        return [CodeLabel(f"at {hex32(address)}")]
    name = None if space is None else space.name_at(address)
    whose = "" if space is None or space.kind is SpaceKind.KERNEL else f"{space.name} "
    line = instruction(address, code, None if space is None else space.name_at)
    return [CodeLabel(f"{whose}{name or hex32(address)}"), line]
