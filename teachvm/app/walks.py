"""One walk of the guest's two-level page tables: the one going on, the one done last, or the one asked about."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.app.past import past_end
from teachvm.app.scene import Scene
from teachvm.isa import paging
from teachvm.isa.control import CR4_PSE
from teachvm.machine.events import PageWalked, WalkReferenced
from teachvm.trace.moment import Moment
from teachvm.vmm.region import VMM_BASE
from teachvm.vmm.techniques import Paging
from teachvm.vmm.vmx.events import NestedReferenced

LOOKED_BACK = 4_000
"""Most events searched for the last walk."""


@dataclass(frozen=True, slots=True)
class Step:
    """One reference of a walk.

    Attributes:
        address: Guest-physical address of the entry.
        entry: Its value when it was read.
    """

    address: int
    entry: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk as far as it has come.

    Attributes:
        linear: The address translated.
        pde: The first reference; None before it.
        pte: The second; None before it, or where there is none.
        large: The directory entry maps a 4 MB page.
        done: It has ended.
        frame: Guest-physical address of the page's frame, once it is known.
        error: The page-fault error code it ended with, or None.
        access: `read`, `write` or `fetch`; empty if nobody makes one.
        user: Made at CPL 3.
        at: When it was made; None for a mere look.
    """

    linear: int
    pde: Step | None
    pte: Step | None
    large: bool
    done: bool
    frame: int | None
    error: int | None
    access: str
    user: bool
    at: Moment | None

    @property
    def references(self) -> int:
        """How many references were made so far."""
        return (self.pde is not None) + (self.pte is not None)


def walker(scene: Scene) -> str:
    """Name of the CPU whose walks go through the guest's tables: with nested paging the hardware's do."""
    software = scene.virtualized and scene.paging is not Paging.NESTED
    return scene.vm if software else scene.snapshot.world.host.machine.cpu.name


def _is_of_guest(event: WalkReferenced) -> bool:
    """Whether a reference is one to the guest's own tables."""
    return not isinstance(event, NestedReferenced) or not event.nested


def chosen(scene: Scene) -> Walk | None:
    """The walk to show; None while the guest's paging is off.

    An address asked about is shown as it is walked, while and right after that happens, else as the tables are now.
    """
    if not scene.mode.enabled:
        return None
    asked = scene.snapshot.focus.walk
    going_on = _going_on(scene)
    if going_on is not None and (asked is None or _same_page(going_on.linear, asked)):
        return going_on
    last = _last(scene)
    if asked is None:
        return last or looked_at(scene, scene.linear_eip)
    if last is not None and _same_page(last.linear, asked) and _just_now(scene, last):
        return last
    return looked_at(scene, asked)


def _same_page(one: int, other: int) -> bool:
    return one >> paging.PAGE_SHIFT == other >> paging.PAGE_SHIFT


def _just_now(scene: Scene, walk: Walk) -> bool:
    """Whether a walk was made by the instruction going on, or by the one just completed."""
    at = scene.snapshot.at
    return walk.at is not None and walk.at.n >= (at.n if at.phase else at.n - 1)


def looked_at(scene: Scene, linear: int) -> Walk:
    """What a read by the kernel would find in the tables now; nothing is touched."""
    walk = scene.look(linear)
    high, low, _ = paging.split(linear)
    pde = Step((scene.state.cr3 & paging.FRAME) + high * paging.ENTRY_SIZE, walk.pde)
    pte = None
    if walk.pte is not None and walk.table is not None:
        pte = Step((walk.table << paging.PAGE_SHIFT) + low * paging.ENTRY_SIZE, walk.pte)
    error = walk.error(write=False, user=False, wp=scene.mode.wp)
    frame = None if error is not None else walk.gpa & paging.FRAME
    return Walk(linear, pde, pte, walk.large, True, frame, error, "", False, None)


def _large(scene: Scene, pde: int) -> bool:
    return paging.is_large(pde, pse=bool(scene.state.cr4 & CR4_PSE))


def _going_on(scene: Scene) -> Walk | None:
    """The walk whose reference is the phase the world stands at."""
    phase = scene.phase
    if not isinstance(phase, WalkReferenced) or phase.cpu != walker(scene) or phase.linear >= VMM_BASE:
        return None
    log = scene.snapshot.log
    made = [*_made_before(scene, phase.index), phase]
    steps = [Step(each.entry_address, each.entry) for each in made if _is_of_guest(each)]
    if not steps:
        return Walk(phase.linear, None, None, False, False, None, None, "", False, phase.at)
    pte = steps[1] if len(steps) > 1 else None
    large = _large(scene, steps[0].entry)
    # What the access is for is recorded when the walk ends; if the log knows that end already, it is certain.
    known = next(
        (e for e in log.of(PageWalked, scene.snapshot.at, Moment(scene.snapshot.at.n + 1)) if e.cpu == phase.cpu), None
    )
    access, user = (known.access, known.user) if known is not None else ("", False)
    return Walk(phase.linear, steps[0], pte, large, False, None, None, access, user, phase.at)


def _made_before(scene: Scene, count: int) -> list[WalkReferenced]:
    """The references of this walk that came before the one the world stands at."""
    found: list[WalkReferenced] = []
    moment = scene.snapshot.at
    while len(found) < count:
        event = scene.snapshot.log.last_before(moment, WalkReferenced)
        if event is None or event.index != count - len(found) - 1:
            break
        found.insert(0, event)
        moment = event.at
    return found


def _last(scene: Scene) -> Walk | None:
    """The walk that ended last before this moment."""
    log, cpu = scene.snapshot.log, walker(scene)
    end = past_end(scene.snapshot)
    for event in reversed(log.slice(max(0, end - LOOKED_BACK), end)):
        if isinstance(event, PageWalked) and event.cpu == cpu and event.linear < VMM_BASE and event.steps:
            steps = [Step(address, entry) for _, address, entry in event.steps]
            pte = steps[1] if len(steps) > 1 else None
            large = pte is None and _large(scene, steps[0].entry)
            return Walk(
                event.linear, steps[0], pte, large, True, event.frame, event.error, event.access, event.user, event.at
            )
    return None
