"""One open lesson: the world, the student's way through it, and everything a window or a terminal asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from teachvm.app import telling
from teachvm.app.comparison import Comparison
from teachvm.app.control import Control, Direction, Notice
from teachvm.app.flow import Flow, Waiting
from teachvm.app.focus import Focus
from teachvm.app.notation import count, plural
from teachvm.app.presentation import CardView
from teachvm.app.presenters import present
from teachvm.app.rail import HeaderView, RailView, TechniqueView
from teachvm.app.snapshot import Snapshot
from teachvm.guest.image import GuestError
from teachvm.host.costs import MOST_CYCLES, CostModel
from teachvm.isa.assembler.errors import AsmError
from teachvm.lesson.judging import parse_number
from teachvm.lesson.model import Lesson
from teachvm.lesson.progress import LessonRun, Stage
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Input
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build
from teachvm.world.inputs import ConsoleTyped, DerivedDropRequested
from teachvm.world.spec import SpecError, WorldSpec


class Session:
    """A lesson, opened. Commands are verbs; what is shown is asked for; nothing here knows how it is painted.

    Attributes:
        lesson: What is worked through.
        control: The world and its movements.
        run: The student's answers and results.
        flow: The beat's next thing.
    """

    def __init__(self, lesson: Lesson, saved: Mapping[str, Any] | None = None, student: str = "") -> None:
        """Open a lesson where the student left it.

        Args:
            lesson: The lesson, read and checked.
            saved: What `saved` gave at the end of an earlier session.
            student: Whose questions these are.

        Raises:
            SpecError, GuestError, AsmError: A file of the lesson has changed since it was read.
        """
        self.lesson = lesson
        self._student = student
        self.control = Control(lesson.spec, lambda spec: build(spec, lesson.folder))
        self._comparison: Comparison | None = None
        self._cards: dict[str, CardView] = {}
        self._shown: Snapshot | None = None
        self._wanted: Stage | None = None
        self._begin(saved)

    def _begin(self, saved: Mapping[str, Any] | None) -> None:
        self.run = LessonRun(self.lesson, self.control.world, self.control.timeline, self._student)
        if saved is not None:
            self.run.restore(saved)
        self.flow = Flow(self.run, self.control.timeline, self._problem)
        self.go_to_beat(self.run.beat)

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
        return self.control.running is not None or self.flow.travelling or self._comparison is not None

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
        view = self._cards.get(card)
        if view is None:
            view = self._cards[card] = present(card, now, self.control.before())
        return view

    def rail(self) -> RailView:
        """The beat as the student reads it."""
        rail = telling.rail(self.flow)
        return replace(rail, parts=(*telling.departures(self.lesson.spec, self.control.world.spec), *rail.parts))

    def header(self) -> HeaderView:
        """Lesson, beats and technique."""
        run = self.run
        technique = self.control.world.spec.host.vms[0].technique
        return HeaderView(
            number=str(self.lesson.number) if self.lesson.number else "",
            title=self.lesson.title,
            beats=tuple(
                "now" if index == run.beat else "done" if index < run.reached else "ahead"
                for index in range(len(self.lesson.beats))
            ),
            techniques=tuple(self._technique_view(each) for each in Technique),
            technique=technique.value,
        )

    def _technique_view(self, technique: Technique) -> TechniqueView:
        why = technique.unavailable_because or ""
        if not why and technique is Technique.BARE_METAL and len(self.lesson.spec.host.vms) > 1:
            why = "Several guests share this host; bare metal runs one operating system."
        return TechniqueView(technique.value, technique.short_label, technique.label, not why, why)

    def saved(self) -> dict[str, Any]:
        """Progress as plain values for a file."""
        return self.run.saved()

    # ---- moving --------------------------------------------------------------------------------

    def step(self, grain: Grain) -> None:
        """Go forward by a grain."""
        self.stop()
        if grain is Grain.BEAT:
            self.next_beat()
            return
        self.control.step(grain)
        self._moved()

    def back(self, grain: Grain) -> None:
        """Go backwards by a grain."""
        self.stop()
        if grain is Grain.BEAT:
            self.previous_beat()
            return
        self.control.back(grain)
        self._moved()

    def seek(self, moment: Moment) -> None:
        """Move the whole machine to a moment."""
        self.stop()
        self.control.seek(moment)
        self._moved()

    def start(self, direction: Direction = Direction.FORWARD) -> None:
        """Begin to run; `work` does it. While the beat waits for a task, a run forwards ends where that is done."""
        self.stop()
        task = self.flow.waiting is Waiting.TASK and not self.flow.stranded
        if task and direction is Direction.FORWARD and not self.control.focus.breakpoints:
            self.act()
        else:
            self.control.start(direction)

    def stop(self) -> None:
        """Stop whatever goes on; always works."""
        self._comparison = None
        self.control.stop()
        if self.flow.travelling:
            self.control.go_on()
            self.flow.cancel()
            self._look()

    def work(self, keep_going: Callable[[], bool]) -> bool:
        """Do one slice of what goes on; False when nothing does any more.

        Args:
            keep_going: False when the slice's time is over; the caller has the clock.
        """
        if self.flow.travelling:
            self.control.go_on()
            self.flow.travel(keep_going)
            self._look()
        elif self.control.running is not None:
            self.control.work(keep_going)
            self._moved()
        elif self._comparison is not None:
            said = self._comparison.advance(keep_going)
            if said is not None:
                self._comparison = None
                self.control.notice = Notice(said)
        return self.running

    @property
    def why_not_comparable(self) -> str:
        """Why this guest cannot be held against bare metal; empty if it can."""
        if len(self.lesson.spec.host.vms) > 1:
            return "Several guests share this host; bare metal runs one operating system."
        return "" if self.control.virtualized else "This guest runs on bare metal already."

    def compare(self) -> None:
        """Begin to look for the first difference from bare metal; `work` does it, and the notice says what came out."""
        self.stop()
        why = self.why_not_comparable
        if why:
            self.control.notice = Notice(why, failure=True)
            return
        self._comparison = Comparison(self.control.world.spec, self.lesson.folder)
        self.control.notice = Notice("The same guest runs on bare metal beside this one, step by step …")

    def reset(self) -> None:
        """Back to where the beat begins, its questions open again; pressed there, to the first beat."""
        if self.flow.untouched:
            self.go_to_beat(0)
            return
        self.flow.reopen()
        self.go_to_beat(self.run.beat)

    def toggle_breakpoint(self, address: int) -> None:
        """Set or clear a breakpoint."""
        self.control.toggle_breakpoint(address)

    def look(self, focus: Focus) -> None:
        """Look at something else."""
        self.control.look(focus)

    # ---- the lesson ----------------------------------------------------------------------------

    def go_to_beat(self, beat: int) -> None:
        """Go to a beat, counted from 0; what lies between is run through."""
        self.control.stop()
        self.control.leave()
        self._wanted = None
        self.flow.enter(min(max(beat, 0), len(self.lesson.beats) - 1))
        self._look()

    def next_beat(self) -> None:
        """Go to the next beat, if there is one."""
        if not self.flow.last:
            self.go_to_beat(self.run.beat + 1)

    def previous_beat(self) -> None:
        """Go to the previous beat, if there is one."""
        if self.run.beat:
            self.go_to_beat(self.run.beat - 1)

    def answer(self, question: str, given: str) -> None:
        """Choose an option, by its number from 0, or give a number or a text."""
        self.flow.answer(question, given)

    def act(self) -> None:
        """Do what the rail's one button says."""
        self.control.leave()
        self.flow.act()
        self._look()

    def set_technique(self, technique: Technique) -> None:
        """Run the same guests another way, from the beginning of this beat.

        The notice says so when that is not possible; the lesson then stays as it was.
        """
        view = self._technique_view(technique)
        if not view.available:
            self.control.notice = Notice(view.why, failure=True)
            return
        if technique is self.control.world.spec.host.vms[0].technique:
            return
        self._rebuild(self.control.world.spec.with_technique(technique))

    def set_cost(self, key: str, given: str) -> None:
        """Let a piece of work cost so many cycles, from the beginning of this beat; a notice says what is no cost."""
        cycles = parse_number("".join(given.split()))
        if cycles is None or not 0 <= cycles <= MOST_CYCLES:
            text = f"“{given}” is no cost: give whole cycles, from 0 to {count(MOST_CYCLES)}."
            self.control.notice = Notice(text, failure=True)
        elif cycles != CostModel(self.control.world.spec.host.costs).of(key):
            self.stop()
            self._rebuild(self.control.world.spec.with_cost(key, cycles))

    def _rebuild(self, spec: WorldSpec) -> None:
        saved = self.run.saved()
        try:
            self.control.rebuild(spec)
        except (SpecError, GuestError, AsmError) as error:
            self.control.notice = Notice(str(error), failure=True)
            return
        self._begin(saved)

    # ---- from outside --------------------------------------------------------------------------

    def type_text(self, guest: str, text: str) -> None:
        """Type on a guest's console; a future already seen becomes a fork."""
        self._inject(ConsoleTyped(guest, text.encode("latin-1", "replace")))

    def drop_derived(self) -> None:
        """Throw away everything the VMM can compute again."""
        self._inject(DerivedDropRequested())

    def _inject(self, given: Input) -> None:
        self.stop()
        known = self.control.timeline.frontier
        self.control.inject(given)
        self.flow.forked(self.position)
        left = known.n - self.position.n
        if left > 0:
            self.control.notice = Notice(
                f"You changed the past: {plural(left, 'instruction')} seen before {'is' if left == 1 else 'are'} "
                "left behind, and the machine goes on from here in another way. The timeline shows where."
            )

    # ---- inside --------------------------------------------------------------------------------

    def _moved(self) -> None:
        """The student moved the world: if a task is done, the beat goes on, and a run is over."""
        if self.flow.moved():
            self.control.stop()
        self._look()

    def _look(self) -> None:
        """Show what the lesson newly wants shown here; what the student opened or looked at since stays."""
        stage, before = self.run.stage(), self._wanted
        self._wanted = stage
        focus = self.control.focus
        self.control.look(
            replace(
                focus,
                cards=stage.cards if before is None or before.cards != stage.cards else focus.cards,
                guest=stage.vm if before is None or before.vm != stage.vm else focus.guest,
                code=stage.code if before is None or before.code != stage.code else focus.code,
                memory=stage.memory if before is None or before.memory != stage.memory else focus.memory,
                walk=stage.walk if before is None or before.walk != stage.walk else focus.walk,
                highlight=stage.highlight,
            )
        )

    def _problem(self, text: str) -> None:
        self.control.notice = Notice(text, failure=True)
