"""One open lesson: a session with the student's way through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from teachvm.app import page_tables, telling
from teachvm.app.control import Direction, Notice
from teachvm.app.flow import Flow, Waiting
from teachvm.app.rail import HeaderView, RailView
from teachvm.app.session import Session
from teachvm.lesson.folder import LESSON_FILE
from teachvm.lesson.model import Lesson
from teachvm.lesson.progress import LessonRun, Stage
from teachvm.trace.grain import Grain


class LessonSession(Session):
    """A lesson, opened.

    Attributes:
        lesson: What is worked through.
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
        super().__init__(lesson.spec, lesson.folder)
        self.lesson = lesson
        self._student = student
        self._wanted: Stage | None = None
        self._begin(saved)

    def _begin(self, saved: Mapping[str, Any] | None) -> None:
        self.run = LessonRun(self.lesson, self.control.world, self.control.timeline, self._student)
        if saved is not None:
            self.run.restore(saved)
        self.flow = Flow(self.run, self.control.timeline, self._problem)
        self.go_to_beat(self.run.beat)

    # ---- looking -------------------------------------------------------------------------------

    def files(self) -> tuple[Path, ...]:
        """The lesson itself, and its guests' own files."""
        return (self.lesson.folder / LESSON_FILE, *super().files())

    @property
    def title(self) -> str:
        """The lesson's title."""
        return self.lesson.title

    @property
    def running(self) -> bool:
        """Something goes on by itself: a run, the way to an anchor, a comparison."""
        return self.flow.travelling or super().running

    def rail(self) -> RailView:
        """The beat as the student reads it."""
        rail = telling.rail(self.flow)
        return replace(rail, parts=(*telling.departures(self.lesson.spec, self.control.world.spec), *rail.parts))

    def header(self) -> HeaderView:
        """Lesson, beats and technique."""
        run, vm = self.run, page_tables.looked_at(self.control)
        shown = "shadow-tables" in self.stage
        return HeaderView(
            number=str(self.lesson.number) if self.lesson.number else "",
            title=self.lesson.title,
            beats=tuple(
                "now" if index == run.beat else "done" if index < run.reached else "ahead"
                for index in range(len(self.lesson.beats))
            ),
            techniques=self.techniques(),
            technique=self.technique.value,
            pagings=page_tables.pagings(vm, policies=shown),
            paging=page_tables.paging(vm, policies=shown),
        )

    def saved(self) -> dict[str, Any]:
        """Progress as plain values for a file."""
        return self.run.saved()

    # ---- moving --------------------------------------------------------------------------------

    def step(self, grain: Grain) -> None:
        """Go forward by a grain, a beat too."""
        if grain is Grain.BEAT:
            self.stop()
            self.next_beat()
        else:
            super().step(grain)

    def back(self, grain: Grain) -> None:
        """Go backwards by a grain, a beat too."""
        if grain is Grain.BEAT:
            self.stop()
            self.previous_beat()
        else:
            super().back(grain)

    def start(self, direction: Direction = Direction.FORWARD) -> None:
        """Begin to run; `work` does it. While the beat waits for a task, a run forwards ends where that is done."""
        self.stop()
        task = self.flow.waiting is Waiting.TASK and not self.flow.stranded
        if task and direction is Direction.FORWARD and not self.control.stopping:
            self.act()
        else:
            super().start(direction)

    def stop(self) -> None:
        """Stop whatever goes on; always works."""
        super().stop()
        if self.flow.travelling:
            self.control.go_on()
            self.flow.cancel()
            self._look()

    def work(self, keep_going: Callable[[], bool]) -> bool:
        """Do one slice of what goes on, the way to an anchor too; see `Session.work`."""
        if not self.flow.travelling:
            return super().work(keep_going)
        self.control.go_on()
        self.flow.travel(keep_going)
        self._look()
        return self.running

    def reset(self) -> None:
        """Back to where the beat begins, its questions open again; pressed there, to the first beat."""
        if self.flow.untouched:
            self.go_to_beat(0)
            return
        self.flow.reopen()
        self.go_to_beat(self.run.beat)

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

    # ---- inside --------------------------------------------------------------------------------

    def _rebuilt(self) -> None:
        self._begin(self.run.saved())

    def _forked(self) -> None:
        self.flow.forked(self.position)

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
        remembered = before is not None and before.memory == stage.memory
        self.control.look(
            replace(
                focus,
                cards=stage.cards if before is None or before.cards != stage.cards else focus.cards,
                guest=stage.vm if before is None or before.vm != stage.vm else focus.guest,
                code=stage.code if before is None or before.code != stage.code else focus.code,
                memory=focus.memory if remembered else stage.memory,
                space=focus.space if remembered else "linear",
                walk=stage.walk if before is None or before.walk != stage.walk else focus.walk,
                highlight=stage.highlight,
            )
        )

    def _problem(self, text: str) -> None:
        self.control.notice = Notice(text, failure=True)
