"""One world that somebody has open: what a window or a terminal asks of it, with a lesson or without one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from teachvm.app import edits, errands, page_tables, recordings
from teachvm.app.chronicle import chronicle_of
from teachvm.app.comparison import Comparison
from teachvm.app.control import Control, Direction, Notice
from teachvm.app.edits import EditError
from teachvm.app.errands import Again, Errand, ErrandError
from teachvm.app.focus import Focus
from teachvm.app.notation import count, plural
from teachvm.app.presentation import CardView
from teachvm.app.presenters import present
from teachvm.app.rail import HeaderView, TechniqueView
from teachvm.app.scene import chosen_guest, scene_of
from teachvm.app.snapshot import Snapshot
from teachvm.app.survey import Measuring, why_not
from teachvm.app.techniques import technique_view
from teachvm.app.wording import Editable
from teachvm.guest.image import GuestError
from teachvm.guest.library import Folder
from teachvm.host.costs import MOST_CYCLES, CostModel
from teachvm.isa.assembler.errors import AsmError
from teachvm.lesson.judging import parse_number
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.trace.subject import Input
from teachvm.vmm.techniques import Technique
from teachvm.world import divergence
from teachvm.world.build import build
from teachvm.world.inputs import ConsoleTyped, DerivedDropRequested, TlbFlushRequested
from teachvm.world.recording import RecordingError
from teachvm.world.spec import SpecError, WorldSpec


class Session(ABC):
    """A world, opened. Commands are verbs; what is shown is asked for; nothing here knows how it is painted.

    Attributes:
        control: The world and its movements.
    """

    def __init__(self, spec: WorldSpec, folder: Folder | None) -> None:
        """Build a world and stand at its beginning.

        Args:
            spec: What it consists of.
            folder: Where its guests' files lie.

        Raises:
            SpecError, GuestError, AsmError: It cannot be built.
        """
        self._spec = spec
        self._folder = folder
        self._files: tuple[str, ...] = ()
        self.control = Control(spec, lambda asked: build(asked, folder))
        self._comparison: Comparison | None = None
        self._errand: Errand | None = None
        self._measuring = Measuring()
        self._cards: dict[str, CardView] = {}
        self._shown: Snapshot | None = None

    # ---- looking -------------------------------------------------------------------------------

    @property
    def position(self) -> Moment:
        """Where the world stands."""
        return self.control.position

    @property
    def notice(self) -> Notice | None:
        """The last thing the student has to be told."""
        return self.control.notice

    @property
    def running(self) -> bool:
        """Something goes on by itself: a run, the way to an anchor, a comparison."""
        going = self.control.running, self._comparison, self._errand
        return self._measuring.going or any(each is not None for each in going)

    @property
    def stage(self) -> tuple[str, ...]:
        """Ids of the cards this beat asks for, in order."""
        return self.control.focus.cards

    def card(self, card: str) -> CardView:
        """What a card says now."""
        now = self.control.snapshot()
        if now is not self._shown:
            self._cards.clear()
            self._shown = now
        now.survey = self._measuring.view
        view = None if self._measuring.going else self._cards.get(card)
        if view is None:
            view = self._cards[card] = present(card, now, self.control.before())
        return view

    def files(self) -> tuple[Path, ...]:
        """The guests' own files on disk; while there is a mistake in one, those it was made of before."""
        if self._folder is not None:
            with suppress(GuestError, AsmError):
                self._files = tuple(recordings.guest_files(self.control.world, self._folder))
        return tuple(self._folder / name for name in self._files) if self._folder is not None else ()

    @property
    @abstractmethod
    def title(self) -> str:
        """What is open, as people call it."""

    @abstractmethod
    def header(self) -> HeaderView:
        """What the window's header says."""

    @property
    def technique(self) -> Technique:
        """How the guests are run."""
        return self.control.world.spec.host.vms[0].technique

    def techniques(self) -> tuple[TechniqueView, ...]:
        """Every technique, and why one cannot be chosen."""
        return tuple(technique_view(each, self.control.world) for each in Technique)

    # ---- moving --------------------------------------------------------------------------------

    def step(self, grain: Grain) -> None:
        """Go forward by a grain."""
        self.stop()
        self.control.step(grain)
        self._moved()

    def back(self, grain: Grain) -> None:
        """Go backwards by a grain."""
        self.stop()
        self.control.back(grain)
        self._moved()

    def seek(self, moment: Moment) -> None:
        """Move the whole machine to a moment."""
        self.stop()
        self.control.seek(moment)
        self._moved()

    def start(self, direction: Direction = Direction.FORWARD) -> None:
        """Begin to run; `work` does it."""
        self.stop()
        self.control.start(direction)

    def stop(self) -> None:
        """Stop whatever goes on; always works."""
        self._comparison = None
        self._measuring.going = False
        if self._errand is not None:
            self.control.go_on()
            self._errand.give_up()
            self._errand = None
            self._moved()
        self.control.stop()

    def work(self, keep_going: Callable[[], bool]) -> bool:
        """Do one slice of what goes on; False when nothing does any more.

        Args:
            keep_going: False when the slice's time is over; the caller has the clock.
        """
        if self.control.running is not None:
            self.control.work(lambda: self._told() and keep_going())
            self._moved()
        elif self._comparison is not None:
            said = self._comparison.advance(keep_going)
            if said is not None:
                self._comparison = None
                self.control.notice = Notice(said)
        elif self._measuring.going:
            self.control.notice = self._measuring.work(keep_going)
            self._cards.clear()
        elif self._errand is not None:
            self._run_errand(self._errand, keep_going)
        return self.running

    def _told(self) -> bool:
        """Read what a run recorded while its slice lasts: all of it at the next picture would take a frame."""
        chronicle_of(self.control.world)
        return True

    def save_recording(self, path: Path) -> None:
        """Write everything up to here as a recording; the notice says what came of it."""
        try:
            recordings.save(path, self.control.world, self.control.timeline, self._folder)
        except RecordingError as error:
            self.control.notice = Notice(f"The recording could not be saved: {error}.", failure=True)
        else:
            self.control.notice = Notice(f"Saved as {path.name}. `teachvm {path.name}` opens it, here or elsewhere.")

    # ---- errands -------------------------------------------------------------------------------

    def run_until(self, text: str, direction: Direction = Direction.FORWARD) -> None:
        """Run to the next moment, or back to the previous one, at which something a lesson can say is so."""
        self._set_out(lambda: errands.until(self.control.world, self.control.timeline, text, direction))

    def find_origin(self, what: Editable, direction: Direction = Direction.BACKWARD) -> None:
        """Go to where a value was written or changed last, or is next; the notice says who does it."""
        self._set_out(lambda: errands.origin(self.control.world, self.control.timeline, what, direction))

    def _set_out(self, make: Callable[[], Errand]) -> None:
        self.stop()
        try:
            errand = make()
        except ErrandError as error:
            self.control.notice = Notice(str(error), failure=True)
            return
        self.control.leave()
        self._errand = errand
        self.control.notice = Notice(errand.progress)

    def _run_errand(self, errand: Errand, keep_going: Callable[[], bool]) -> None:
        self.control.go_on()
        said = errand.advance(keep_going)
        if said is not None:
            self._errand = None
            self._moved()
        self.control.notice = said or Notice(errand.progress)

    def why_not_comparable(self, against: Technique = Technique.BARE_METAL) -> str:
        """Why this guest cannot be held against itself by another technique; empty if it can."""
        world = self.control.world
        return technique_view(against, world).why or divergence.why_not(world.spec, against)

    def compare(self, against: Technique = Technique.BARE_METAL) -> None:
        """Begin to look for the first difference from another technique; the notice says what `work` found."""
        self.stop()
        why = self.why_not_comparable(against)
        if why:
            self.control.notice = Notice(why, failure=True)
            return
        self._comparison = Comparison(self.control.world.spec, self._folder, against)
        self.control.notice = Notice(f"The same guest runs {against.sentence} beside this one, step by step …")

    @property
    def why_not_measurable(self) -> str:
        """Why the techniques cannot be set side by side here; empty if they can."""
        return why_not(self._spec)

    def measure(self) -> None:
        """Begin to run the guest by every technique, or go on where that was stopped; `work` does it."""
        self.stop()
        self.control.notice = self._measuring.begin(self.control.world.spec, self._folder)

    @abstractmethod
    def reset(self) -> None:
        """Back to where it begins."""

    def toggle_breakpoint(self, address: int) -> None:
        """Set or clear a breakpoint."""
        self.control.toggle_breakpoint(address)

    def look(self, focus: Focus) -> None:
        """Look at something else."""
        self.control.look(focus)

    # ---- the world ----------------------------------------------------------------------------

    def set_technique(self, technique: Technique) -> None:
        """Run the same guests another way, from the beginning.

        The notice says so when that is not possible; everything then stays as it was.
        """
        view = technique_view(technique, self.control.world)
        if not view.available:
            self.control.notice = Notice(view.why, failure=True)
            return
        if technique is self.technique:
            return
        self.stop()
        self._rebuild(self.control.world.run_by(technique))

    def set_paging(self, name: str) -> None:
        """Let the guests' addresses be translated another way from this moment on; the guests go on as they are.

        Args:
            name: Who translates, or how shadow tables are kept in step; see `page_tables`.
        """
        for given in list(page_tables.chosen(self.control, name)):
            self._inject(given)

    def set_cost(self, key: str, given: str) -> None:
        """Let a piece of work cost so many cycles, from the beginning of this beat; a notice says what is no cost."""
        cycles = parse_number("".join(given.split()))
        if cycles is None or not 0 <= cycles <= MOST_CYCLES:
            text = f"“{given}” is no cost: give whole cycles, from 0 to {count(MOST_CYCLES)}."
            self.control.notice = Notice(text, failure=True)
        elif cycles != CostModel(self.control.world.spec.host.costs).of(key):
            self.stop()
            self._measuring.forget()
            self._rebuild(self.control.world.spec.with_cost(key, cycles))

    def _rebuild(self, spec: WorldSpec) -> None:
        try:
            self.control.rebuild(spec)
        except (SpecError, GuestError, AsmError) as error:
            first, *more = str(error).splitlines()
            self.control.notice = Notice(first + f" … and {count(len(more))} more" * bool(more), failure=True)
            return
        self._rebuilt()

    # ---- from outside --------------------------------------------------------------------------

    def type_text(self, guest: str, text: str) -> None:
        """Type on a guest's console; a future already seen becomes a fork."""
        self._inject(ConsoleTyped(guest, text.encode("latin-1", "replace")))

    def drop_derived(self) -> None:
        """Throw away everything the VMM can compute again."""
        self._inject(DerivedDropRequested())

    def flush_tlb(self) -> None:
        """Empty the TLB the guest's addresses go through: machine state, so the guest may notice."""
        self._inject(TlbFlushRequested(chosen_guest(self.control.snapshot()).name))

    def _inject(self, given: Input) -> None:
        self.stop()
        known = self.control.timeline.frontier
        self.control.inject(given)
        self._forked()
        self._tell_left(known)

    def take_up(self, number: int) -> None:
        """Go on in a future that was left behind, by its place among them; `work` executes it again."""
        forks = self.control.timeline.forks
        if number in range(len(forks)):
            self.stop()
            self.control.take_up(forks[number])
            self._forked()
            self._set_out(lambda: Again(self.control.timeline, forks[number].frontier))

    def _tell_left(self, known: Moment) -> None:
        """Say what part of a known future was left behind."""
        left = known.n - self.position.n
        if left > 0:
            self.control.notice = Notice(
                f"You changed the past: {plural(left, 'instruction')} seen before {'is' if left == 1 else 'are'} "
                "left behind, and the machine goes on from here in another way. A click on the timeline's dashed line "
                "leads back."
            )

    # ---- changing values -----------------------------------------------------------------------

    def edit(self, what: Editable, text: str) -> bool:
        """Change a register, a flag, memory or a page table entry now; a future already seen becomes a fork.

        Returns:
            Whether it was done; if not, the notice says why.
        """
        self.stop()
        try:
            edits.require_editable(self.control.world, chosen_guest(self.control.snapshot(), what.vm))
            edit = edits.read(what, text, scene_of(self.control.snapshot(), what.vm))
        except EditError as error:
            self.control.notice = Notice(str(error), failure=True)
            return False
        inside = self.position.phase > 0
        self._inject(edit)
        if inside:
            self.control.notice = Notice("A value changes between two instructions: this is where that one begins.")
        return True

    def undo_edit(self) -> None:
        """Go back to the last edit and take it back."""
        if self.control.edits:
            self.stop()
            self.control.undo()
            self._forked()

    def redo_edit(self) -> None:
        """Make the edit taken back last again."""
        if self.control.undone:
            self.stop()
            self.control.redo()
            self._forked()

    # ---- for kinds of sessions -----------------------------------------------------------------

    @abstractmethod
    def _moved(self) -> None:
        """The person moved the world."""

    @abstractmethod
    def _forked(self) -> None:
        """The world stands where something came from outside, or was taken back."""

    @abstractmethod
    def _rebuilt(self) -> None:
        """There is another world, at its beginning."""
