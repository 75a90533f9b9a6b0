"""One two-dimensional walk: the one going on, the one done last, or the one an address asked about would take."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.app.past import past_end
from teachvm.app.scene import Scene
from teachvm.app.walks import LOOKED_BACK
from teachvm.isa import paging
from teachvm.isa.control import CR4_PSE
from teachvm.trace.moment import Moment
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.vm import Vm
from teachvm.vmm.vmx.events import NestedPageWalked, NestedReferenced, WalkReference
from teachvm.vmm.vmx.walker import references


@dataclass(frozen=True, slots=True)
class Row:
    """One guest-physical address on the way: its nested references, and the guest's entry read there.

    Attributes:
        name: What it is the address of, for people.
        gpa: The address; None while it is not known.
        nested: References to the nested tables, at most two.
        entry: The guest's entry; None before it is read, and in the last row.
    """

    name: str
    gpa: int | None
    nested: tuple[WalkReference, ...] = ()
    entry: WalkReference | None = None


@dataclass(frozen=True, slots=True)
class NestedWalk:
    """A walk as far as it has come.

    Attributes:
        linear: The address translated.
        made: The references, in order.
        large: The guest's directory entry maps a 4 MB page.
        enabled: The guest's paging is on.
        done: It has ended, in a translation or in a fault of the guest's.
        frame: Guest-physical frame it came to.
        host_frame: Host-physical frame it came to.
        error: The guest's page-fault error code, or None.
        at: When its last reference was made; None for a mere look.
    """

    linear: int
    made: tuple[WalkReference, ...]
    large: bool
    enabled: bool
    done: bool
    frame: int | None
    host_frame: int | None
    error: int | None
    at: Moment | None

    @property
    def most(self) -> int:
        """References it takes if nothing is remembered and nothing is in the way."""
        return references((1 if self.large else 2) if self.enabled else 0, 2)

    def rows(self) -> tuple[Row, ...]:
        """The walk by the guest-physical addresses it translates."""
        names = ["page directory", "page table", "page"]
        if not self.enabled:
            names = ["page"]
        elif self.large:
            names = ["page directory", "page"]
        rows: list[Row] = []
        nested: list[WalkReference] = []
        for reference in self.made:
            if reference.nested:
                nested.append(reference)
            else:
                rows.append(Row(names[len(rows)], reference.gpa, tuple(nested), reference))
                nested = []
        if len(rows) < len(names):
            gpa = nested[0].gpa if nested else self._arrived()
            rows.append(Row(names[len(rows)], gpa, tuple(nested)))
        return (*rows, *(Row(name, None) for name in names[len(rows) :]))

    def _arrived(self) -> int | None:
        return None if self.frame is None else self.frame | self.linear & 0xFFF


def chosen(scene: Scene) -> NestedWalk | None:
    """The walk to show; None if none was made and none is asked about."""
    asked = scene.snapshot.focus.walk
    last = _last(scene)
    if asked is None or (last is not None and last.linear >> 12 == asked >> 12 and _just_now(scene, last)):
        return last or looked_at(scene, scene.linear_eip)
    return looked_at(scene, asked)


def _just_now(scene: Scene, walk: NestedWalk) -> bool:
    at = scene.snapshot.at
    return walk.at is not None and walk.at.n >= (at.n if at.phase else at.n - 1)


def _last(scene: Scene) -> NestedWalk | None:
    """The walk that made the last reference before this moment, ended or not."""
    log, cpu = scene.snapshot.log, scene.snapshot.world.host.machine.cpu.name
    end = past_end(scene.snapshot)
    made: list[WalkReference] = []
    latest: NestedReferenced | None = None
    for event in reversed(log.slice(max(0, end - LOOKED_BACK), end)):
        if isinstance(event, NestedPageWalked) and event.cpu == cpu and latest is None:
            return _ended(scene, event)
        if isinstance(event, NestedReferenced) and event.cpu == cpu:
            latest = latest or event
            made.insert(0, WalkReference(event.level, event.entry_address, event.host_address, event.entry, event.gpa))
            if event.index == 0:
                break
    if latest is None:
        return None
    large = any(_large(scene, each) for each in made)
    return NestedWalk(latest.linear, tuple(made), large, scene.mode.enabled, False, None, None, None, latest.at)


def _ended(scene: Scene, event: NestedPageWalked) -> NestedWalk:
    large = any(_large(scene, each) for each in event.references)
    enabled = bool(event.steps)
    return NestedWalk(
        event.linear, event.references, large, enabled, True, event.frame, event.host_frame, event.error, event.at
    )


def _large(scene: Scene, reference: WalkReference) -> bool:
    return reference.level == "pde" and paging.is_large(reference.entry, pse=bool(scene.state.cr4 & CR4_PSE))


def looked_at(scene: Scene, linear: int) -> NestedWalk:
    """What a read would find in both dimensions now; nothing is touched, and it ends where something is missing."""
    walk = scene.look(linear)
    high, low, _ = paging.split(linear)
    made: list[WalkReference] = []
    enabled = scene.mode.enabled
    complete = True
    if enabled:
        directory = (scene.state.cr3 & paging.FRAME) + high * paging.ENTRY_SIZE
        complete = _guest_reference(scene, made, "pde", directory, walk.pde)
        if complete and walk.pte is not None and walk.table is not None:
            table = (walk.table << paging.PAGE_SHIFT) + low * paging.ENTRY_SIZE
            complete = _guest_reference(scene, made, "pte", table, walk.pte)
    error = walk.error(write=False, user=False, wp=scene.mode.wp)
    frame = host = None
    if complete and error is None:
        frame = walk.gpa & paging.FRAME
        host = _nested(scene, made, frame | linear & 0xFFF)
    return NestedWalk(linear, tuple(made), walk.large, enabled, complete, frame, host, error, None)


def _guest_reference(scene: Scene, made: list[WalkReference], level: str, gpa: int, entry: int) -> bool:
    frame = _nested(scene, made, gpa)
    if frame is None:
        return False
    made.append(WalkReference(level, gpa, frame | gpa & 0xFFF, entry, gpa))
    return True


def _nested(scene: Scene, made: list[WalkReference], gpa: int) -> int | None:
    """Both nested references for a guest-physical address; None if the tables lack it."""
    tenant = scene.snapshot.world.host.tenants[scene.vm]
    assert isinstance(tenant, Vm)
    assert isinstance(tenant.engine, HardwareAssist)
    high, low, _ = paging.split(gpa)
    at = tenant.engine.nested.root + high * paging.ENTRY_SIZE
    entry = scene.read_host(at, 4)
    made.append(WalkReference("nested-pde", at, at, entry, gpa))
    if not entry & paging.P:
        return None
    at = (entry & paging.FRAME) + low * paging.ENTRY_SIZE
    leaf = scene.read_host(at, 4)
    made.append(WalkReference("nested-pte", at, at, leaf, gpa))
    return leaf & paging.FRAME if leaf & paging.P else None
