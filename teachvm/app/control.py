"""Moving one world for a person: steps of every grain, running, stopping, going back, changing the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from teachvm.app.edits import Edit, is_edit
from teachvm.app.notation import hex32
from teachvm.app.standing import Standing
from teachvm.host.stop import StopKind
from teachvm.machine.events import HandlerEntered
from teachvm.trace.events import Event
from teachvm.trace.futures import Fork
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START, Moment
from teachvm.trace.subject import Input
from teachvm.trace.timeline import Outcome
from teachvm.vmm.events import GuestResumed
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import WorldSpec
from teachvm.world.world import World

SEARCH_UNITS = 4_096
"""Units within which the next or previous trap is looked for at once; beyond, the search goes on in slices."""

BACK_UNITS = 1 << 16
"""Units of one slice of a run backwards that looks for breakpoints and watched bytes only: they are run compiled."""

UNLIMITED = 1 << 40


class Direction(Enum):
    """Which way the world runs."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True)
class Notice:
    """One clear line for the person: what happened, and what can be done. `failure` colours it as a problem."""

    text: str
    failure: bool = False


class Control(Standing):
    """One world on its timeline, and the person who moves it.

    Attributes:
        running: Direction of a run in progress, or None.
        notice: The last thing the person has to be told, or None.
        undone: Edits that were taken back, the last one last.
    """

    def __init__(self, spec: WorldSpec, make: Callable[[WorldSpec], World] = build) -> None:
        """Build the world and stand at its beginning.

        Raises:
            SpecError, GuestError, AsmError: The world cannot be built.
        """
        super().__init__(spec, make)
        self.running: Direction | None = None
        self._to_trap = False
        self._begun_at: frozenset[int] = frozenset()
        self._left: tuple[int | None, int] = (None, -1)
        """The instruction a run begins before, and how many were complete then: a breakpoint there is behind it."""
        self._asked: tuple[int | None, int] | None = None
        """Where the guest stood when it was asked last whether a run backwards ends."""
        self.notice: Notice | None = None
        self.undone: list[tuple[Moment, Edit]] = []

    # ---- moving --------------------------------------------------------------------------------

    def step(self, grain: Grain) -> None:
        """Go forward by one visible thing, one instruction, or to the next trap.

        A trap that is far goes on being looked for: the world then runs, and `work` has to be called.
        """
        if grain is Grain.TRAP:
            self.start(Direction.FORWARD, to_trap=True)
            self.work(limit=SEARCH_UNITS)
            return
        self.leave()
        match grain:
            case Grain.VISIBLE:
                outcome = self.timeline.step(self.visible)
            case Grain.INSTRUCTION if (vm := self._translated()) is not None:
                outcome = self._step_over_cache(vm)
            case _:
                outcome = self.timeline.step_instruction()
        self._tell(outcome)

    def back(self, grain: Grain) -> None:
        """Go backwards by one visible thing, one instruction, or to the previous trap, which may be far as well."""
        if grain is Grain.TRAP:
            self.start(Direction.BACKWARD, to_trap=True)
            self.work()
            return
        self.leave()
        vm = self._translated()
        if grain is Grain.VISIBLE:
            self.timeline.back(self.visible)
        elif grain is Grain.INSTRUCTION and vm is not None:
            self._step_back_over_cache(vm)
        else:
            self.timeline.back_instruction()

    def _translated(self) -> Vm | None:
        """The VM that has the processor, if several instructions of the processor may be one of its guest's."""
        host = self.world.host
        tenant = host.tenants.get(host.scheduler.current or "")
        if isinstance(tenant, Vm) and tenant.engine.technique is Technique.BINARY_TRANSLATION:
            return tenant
        return None

    def _step_back_over_cache(self, vm: Vm) -> None:
        """Go to where the step before the present instruction ended: the first boundary with that many completed."""

        def earlier(count: int) -> bool:
            return self.timeline.back_to(lambda event: False, stop_at=lambda: vm.instructions < count)

        inside = not vm.engine.settled
        if earlier(vm.instructions + inside) and earlier(vm.instructions):
            self._step_over_cache(vm)

    def _step_over_cache(self, vm: Vm) -> Outcome:
        """Go on until the guest has completed an instruction and stands before the next one."""
        done = vm.instructions
        outcome = self.timeline.run(
            SEARCH_UNITS, stop_at=lambda: vm.engine.settled and (vm.instructions != done or vm.wake_at is not None)
        )
        return Outcome.REACHED if outcome is Outcome.LIMIT else outcome

    def seek(self, moment: Moment) -> None:
        """Move the whole machine to a moment."""
        self.leave()
        self.timeline.seek(moment)

    def leave(self) -> None:
        """The world is about to move, and what was said of it holds no longer."""
        self.notice = None
        super().leave()

    def go_on(self) -> None:
        """A movement goes on after a slice, and what was said of the last one holds no longer."""
        self.notice = None
        super().go_on()

    def reset(self) -> None:
        """Back to the first moment."""
        self.seek(START)

    def inject(self, given: Input) -> None:
        """Let something come from outside now; a future already seen becomes a fork."""
        self.leave()
        self.timeline.inject(given)
        self.undone.clear()

    def take_up(self, fork: Fork) -> None:
        """Go to where a future branches off that was left behind, to go on in that one; the present one is left."""
        self.leave()
        self.timeline.take_up(fork)
        self.undone.clear()

    @property
    def edits(self) -> tuple[tuple[Moment, Edit], ...]:
        """What a person changed in registers and memory on this way through time, in order."""
        return tuple((Moment(number), given) for number, given in self.timeline.inputs if is_edit(given))

    def undo(self) -> None:
        """Go to where the last edit was made, and take it back; what came after it becomes a fork."""
        self.leave()
        at, edit = self.edits[-1]
        self.timeline.withdraw(at.n, edit)
        self.undone.append((at, edit))

    def redo(self) -> None:
        """Make the edit that was taken back last, where it was made."""
        at, edit = self.undone[-1]
        self.seek(at)
        kept = self.undone[:-1]
        self.inject(edit)
        self.undone[:] = kept

    def rebuild(self, spec: WorldSpec) -> None:
        """Exchange the world for another one, at its beginning.

        Raises:
            SpecError, GuestError, AsmError: It cannot be built; the old world stays.
        """
        self._exchange(spec)
        self.stop()
        self.notice = None
        self.undone.clear()

    # ---- running -------------------------------------------------------------------------------

    def start(self, direction: Direction = Direction.FORWARD, *, to_trap: bool = False) -> None:
        """Begin to run; `work` does it, a slice at a time.

        It ends at a breakpoint, behind an access to watched bytes, where the world ends, at the beginning, and if
        `to_trap` at the next or previous trap; backwards at the trap too if there is nothing else to stop at.
        """
        self.leave()
        self.running = direction
        self._to_trap = to_trap or (direction is Direction.BACKWARD and not self.stopping)

    def stop(self) -> None:
        """Stop running; always works."""
        self.running = None

    def work(self, keep_going: Callable[[], bool] | None = None, limit: int = UNLIMITED) -> bool:
        """Do one slice of the run in progress.

        Args:
            keep_going: False when the slice's time is over; the caller has the clock, this has none.
            limit: Most units of this slice, forwards.

        Returns:
            Whether the run goes on.
        """
        if self.running is Direction.FORWARD:
            self.go_on()
            self._forward(keep_going, limit)
        elif self.running is Direction.BACKWARD:
            self.go_on()
            self._backward()
        return self.running is not None

    def _forward(self, keep_going: Callable[[], bool] | None, limit: int) -> None:
        self._begun_at = self._begun_next()
        self._left = self._next_instruction(), self._completed()
        stop_when = self._stops if self._to_trap or self.focus.breakpoints else None
        stop_at = self.at_stop if self.stopping else None
        outcome = self.timeline.run(
            limit,
            stop_when=stop_when,
            stop_at=stop_at,
            barriers=self.focus.breakpoints,
            keep_going=keep_going,
        )
        if outcome in (Outcome.ENDED, Outcome.REACHED):
            self.running = None
            if self.position.phase and not self._to_trap:
                self._settle()
            self._tell(outcome)
            self._tell_watch()

    def _settle(self) -> None:
        """A resume that is the last thing of its unit is the boundary behind it: there values can be changed."""
        here, eip, done = self.position, self._next_instruction(), self._completed()
        self.timeline.run(1)
        if (self._next_instruction(), self._completed()) != (eip, done):
            self.timeline.seek(here)

    def _backward(self) -> None:
        floor = Moment(max(0, self.timeline.position.n - (SEARCH_UNITS if self._to_trap else BACK_UNITS)))
        self._left = self._next_instruction(), self._completed()
        self._begun_at, self._asked = frozenset(), None
        found = self.timeline.back_to(
            self._stops, floor, self._at_first_stop if self.stopping else None, self.focus.breakpoints
        )
        if found:
            self._tell_watch()
        if found or floor == START:
            self.running = None
        if not found and floor == START:
            what = "No trap" if self._to_trap else "Nothing to stop at"
            self.notice = Notice(f"{what} lies before this: this is the beginning.")

    def _stops(self, event: Event) -> bool:
        """Whether a run ends at a phase: the trap it looks for, or a handler whose first instruction has a breakpoint.

        A handler is entered inside a unit. That the guest is resumed where the unit began does not count: it was there.
        """
        if self._to_trap and self.is_trap(event):
            return True
        if not self.focus.breakpoints or not isinstance(event, GuestResumed | HandlerEntered):
            return False
        return self._anew(self._begun_next() - self._begun_at)

    @property
    def stopping(self) -> bool:
        """Whether there is a breakpoint or a watched byte to stop at."""
        return bool(self.focus.breakpoints or self.focus.watchpoints)

    def at_stop(self) -> bool:
        """Whether a run ends at this boundary: at a breakpoint, or right behind an access to watched bytes."""
        self._begun_at = self._begun_next()
        return self._anew(self._begun_at) or self.world.touched() is not None

    def _anew(self, begun: frozenset[int]) -> bool:
        """Whether a breakpoint is on one of the instructions that are begun, and not where the run began."""
        if begun.isdisjoint(self.focus.breakpoints):
            return False
        return (self._next_instruction(), self._completed()) != self._left

    def _at_first_stop(self) -> bool:
        """The same where the past is executed again, and the latest counts: of a place a guest stands at, the first.

        A translated guest may stand at one over several instructions of the processor's.
        """
        if not self.at_stop():
            return False
        here = self._next_instruction(), self._completed()
        before, self._asked = self._asked, here
        return here != before or self.world.touched() is not None

    def stops_here(self) -> bool:
        """Whether a walk in steps ends where the world stands, for the reasons a run does."""
        if self.stopping and not self.position.phase and self.at_stop():
            self._tell_watch()
            return True
        return False

    def _tell_watch(self) -> None:
        """Say which watched bytes were met, if a run stopped for that."""
        touched = None if self.position.phase else self.world.touched()
        if touched is None:
            return
        _guest, spot = touched
        how = "written or read" if spot.reads else "written"
        self.notice = Notice(f"The {spot.size} watched bytes at {hex32(spot.linear)} were just {how}.")

    # ---- inside --------------------------------------------------------------------------------

    def _tell(self, outcome: Outcome) -> None:
        stopped = self.world.stopped
        if outcome is Outcome.ENDED and stopped is not None:
            failed = stopped.kind is StopKind.GUEST_FAILURE
            self.notice = Notice(f"{stopped.text}. Step back, or press F3 to start again.", failed)
