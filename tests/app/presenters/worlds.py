"""Real worlds at interesting moments, for the tests of what cards say about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from teachvm.app.control import Control
from teachvm.app.presentation import (
    ActorsView,
    CardView,
    CodeLine,
    CodeView,
    Pair,
    PairsView,
    PhaseBlock,
    StatsView,
    TableView,
    plain,
)
from teachvm.app.presenters import present
from teachvm.trace.events import Event
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.techniques import Paging, ShadowPolicy, Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec

PAGING_LESSON = Path(__file__).parents[3] / "lessons" / "06-two-level-paging"
ALL = 1 << 40


def tinyos(
    technique: Technique = Technique.TRAP_AND_EMULATE,
    vms: tuple[str, ...] = ("alpha",),
    paging_by: Paging = Paging.SHADOW,
    shadow: ShadowPolicy = ShadowPolicy.CACHING,
) -> Control:
    """The shipped guest, as often as there are names."""
    guests = tuple(VmSpec(name, "tinyos", technique=technique, paging=paging_by, shadow=shadow) for name in vms)
    return Control(WorldSpec(HostSpec(vms=guests)))


def bare() -> Control:
    """The shipped guest without a VMM."""
    return tinyos(Technique.BARE_METAL)


def paging(technique: Technique = Technique.BARE_METAL) -> Control:
    """The guest of the lesson on page tables, with the walk on the stage."""
    spec = WorldSpec(HostSpec(vms=(VmSpec("alpha", "guest.asm", technique=technique),)))
    control = Control(spec, lambda asked: build(asked, PAGING_LESSON))
    control.look(replace(control.focus, cards=("guest-walk",)))
    return control


def until(control: Control, label: str, offset: int = 0) -> int:
    """Run until the hardware stands at a label of the first guest; returns its address."""
    guest = next(iter(control.world.guests.values()))
    address = guest.symbols.address_of(label) + offset
    cpu = control.world.host.machine.cpu
    control.leave()
    control.timeline.run(10_000_000, stop_at=lambda: cpu.eip == address)
    control.leave()
    assert cpu.eip == address
    control.snapshot()
    return address


def finish(control: Control) -> None:
    """Run to the end of the world."""
    control.leave()
    control.timeline.run(ALL)
    control.leave()


def find(control: Control, which: Callable[[Event], bool]) -> Event:
    """The first recorded event that is wanted."""
    return next(event for event in control.world.recorder.log.of(Event) if which(event))


def after(control: Control, event: Event) -> None:
    """Go to the instruction boundary behind an event."""
    control.seek(Moment(event.at.n + 1))


def visible(control: Control, times: int = 1) -> None:
    """Step to the next visible thing, having looked at where it was."""
    for _ in range(times):
        control.snapshot()
        control.step(Grain.VISIBLE)


def card(control: Control, name: str) -> CardView:
    """What a card says now."""
    return present(name, control.snapshot(), control.before())


def code(control: Control) -> CodeView:
    """The listing."""
    view = card(control, "guest-code").body[0]
    assert isinstance(view, CodeView)
    return view


def current(control: Control) -> CodeLine:
    """The line with the bar."""
    return next(row for row in code(control).rows if isinstance(row, CodeLine) and row.current)


def phases(control: Control) -> list[tuple[str, str]]:
    """Sentence and progress of each step of the last phase block."""
    blocks = [row for row in code(control).rows if isinstance(row, PhaseBlock)]
    return [(plain(step.text), step.progress) for step in blocks[-1].steps] if blocks else []


def under(control: Control) -> CodeLine:
    """The instruction the last phase block stands under."""
    rows = code(control).rows
    at = max(index for index, row in enumerate(rows) if isinstance(row, PhaseBlock))
    return next(row for row in reversed(rows[:at]) if isinstance(row, CodeLine))


def pairs(control: Control, name: str) -> dict[str, Pair]:
    """The named values of a card."""
    views = [block for block in card(control, name).body if isinstance(block, PairsView)]
    return {pair.name: pair for view in views for section in view.sections for pair in section.rows}


def actors(control: Control) -> ActorsView:
    """The stack of who is running."""
    view = card(control, "who-is-running").body[0]
    assert isinstance(view, ActorsView)
    return view


def running(control: Control) -> list[str]:
    """Names of the actors marked as running."""
    return [actor.name for actor in actors(control).actors if actor.running]


def stats(control: Control) -> dict[str, str]:
    """Counted things of who is running."""
    view = card(control, "who-is-running").body[1]
    assert isinstance(view, StatsView)
    return {stat.name: stat.value for stat in view.stats}


def table(control: Control, name: str, at: int = 0) -> TableView:
    """A table of a card."""
    return [block for block in card(control, name).body if isinstance(block, TableView)][at]


def texts(view: TableView) -> list[list[str]]:
    """A table's cells as text."""
    return [[cell.text for cell in row.cells] for row in view.rows]
