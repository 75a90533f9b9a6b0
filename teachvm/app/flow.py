"""A beat as a student goes through it: what is said, asked, run and judged next, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.journey import Arrival, Journey
from teachvm.lesson.judging import UnanswerableError, parse_number
from teachvm.lesson.model import Ask, Beat, Check, Do, Movement, Part, Run, Show
from teachvm.lesson.progress import LessonRun
from teachvm.lesson.steps import Step, StepKind
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline

ACT = "act"
"""Command of the one button: do what the beat waits for."""


class Waiting(Enum):
    """What a beat waits for; `NOTHING` when its next run cannot arrive, so that only the next beat is left."""

    ANSWER = "answer"
    RUN = "run"
    TASK = "task"
    NOTHING = "nothing"
    END = "end"


class Flow:
    """Leads through one lesson run; `moment` is where the present beat stands when the student has not wandered off.

    A run at the beginning of a beat happens when the beat is entered; one behind a question waits for the button, so
    that a prediction comes before what it is about. Whatever the beat does next it does at its own moment: the student
    may have looked around elsewhere in between. What takes time is done by `travel`, in slices.

    Attributes:
        run: The student's run of the lesson.
        moment: Where the present beat stands.
        at: The step of the beat that comes next.
        asked: Something was asked in this beat, so runs wait for the button.
    """

    def __init__(self, run: LessonRun, timeline: Timeline, problem: Callable[[str], None]) -> None:
        """Lead through a lesson.

        Args:
            run: The student's run of it.
            timeline: What moves its world.
            problem: Told, in one sentence, when the lesson cannot go on as written.
        """
        self.run = run
        self.moment = timeline.position
        self.at = 0
        self.asked = False
        self._timeline = timeline
        self._problem = problem
        self._unsaid = ""
        self._starts: dict[int, Moment] = {0: self.moment}
        self._prompts: dict[str, str] = {}
        self._journey: Journey | None = None
        self._movement: Movement | None = None
        self._target: int | None = None
        """The beat to come to, while those before it are run through."""
        self._left: list[Movement] = []
        self._lost = False
        self._undone = self.moment
        """The latest moment at which the present task was seen to be not done yet."""

    # ---- where ---------------------------------------------------------------------------------

    @property
    def beat(self) -> Beat:
        """The present beat."""
        return self.run.here

    @property
    def part(self) -> Part | None:
        """What the beat waits for; None at its end."""
        step = self._step()
        return None if step is None else step.part

    @property
    def waiting(self) -> Waiting:
        """What the beat waits for now."""
        step = self._step()
        if step is None:
            return Waiting.END
        if self._lost:
            return Waiting.NOTHING
        if step.kind is StepKind.ASK:
            return Waiting.ANSWER
        return Waiting.TASK if isinstance(step.part, Do) else Waiting.RUN

    @property
    def travelling(self) -> bool:
        """A run to an anchor is in progress; `travel` goes on with it."""
        return self._journey is not None

    @property
    def stranded(self) -> bool:
        """The beat waits for a task, and the world has ended: no step leads on."""
        return self.waiting is Waiting.TASK and self.run.world.stopped is not None

    @property
    def untouched(self) -> bool:
        """Nobody has done anything in this beat yet: all there was happened by itself."""
        passed = self.run.steps[: self.at]
        alone = not any(step.kind is StepKind.ASK or isinstance(step.part, Do) for step in passed)
        return alone and not self._lost and self._timeline.position == self.moment

    @property
    def last(self) -> bool:
        """This is the lesson's last beat."""
        return self.run.beat == len(self.run.lesson.beats) - 1

    def _step(self) -> Step | None:
        steps = self.run.steps
        return steps[self.at] if self.at < len(steps) else None

    # ---- going through -------------------------------------------------------------------------

    def enter(self, beat: int) -> None:
        """Go to a beat; what lies between it and the last one whose beginning is known is run through first."""
        self._journey = self._movement = None
        self._target = beat
        self._begin(max(index for index in self._starts if index <= beat))
        self._pass()
        self._say_now()

    def act(self) -> None:
        """Do what the one button says: take the answer, or begin the run."""
        if self.travelling:
            return
        match self.waiting:
            case Waiting.ANSWER:
                part = self.part
                if isinstance(part, Ask) and not self.why_not_taken(part):
                    self.at += 1
                    self.asked = True
                    self._advance()
            case Waiting.RUN | Waiting.TASK:
                self._set_out()
            case Waiting.END | Waiting.NOTHING:
                if not self.last:
                    self.enter(self.run.beat + 1)
        self._say_now()

    def answer(self, name: str, given: str) -> None:
        """Keep an answer to the question that is open; locked ones stay as they are."""
        part = self.part
        if self.waiting is Waiting.ANSWER and isinstance(part, Ask) and part.id == name:
            self.run.answer(part, given)

    def why_not_taken(self, ask: Ask) -> str:
        """Why the answer to a question cannot be taken; empty if it can."""
        given = self.run.answers.get(ask.id, "").strip()
        if not given:
            return "Answer the question first."
        if ask.type == "number" and parse_number(given) is None:
            return "Give a number: 42, 0x2a or 2ah."
        return ""

    def prompt(self, ask: Ask) -> str:
        """A question's words, with the values they had when it was put."""
        return self._prompts.get(ask.id) or self.run.prompt(ask)

    def reopen(self) -> None:
        """Put the beat's questions again; what was answered is what was chosen so far."""
        for ask in self.beat.asks:
            self.run.verdicts.pop(ask.id, None)

    def moved(self) -> bool:
        """The student moved the world: perhaps the task is done. If so, the world stands where that happened.

        Returns:
            Whether the beat went on.
        """
        task = self.part
        if self.travelling or self.waiting is not Waiting.TASK or not isinstance(task, Do):
            return False
        if not self.run.task_done(task):
            self._undone = max(self._undone, self._timeline.position)
            return False
        self._find_done(task)
        self._arrived()
        self._say_now()
        return True

    def forked(self, at: Moment) -> None:
        """What lies beyond a moment is no longer as it was: beginnings of beats there are not known any more."""
        self._starts = {
            beat: min(start, at) for beat, start in self._starts.items() if start <= at or beat == self.run.beat
        }
        self.moment, self._undone = min(self.moment, at), min(self._undone, at)

    def travel(self, keep_going: Callable[[], bool] | None = None) -> bool:
        """Go on with the run in progress; False when it is over."""
        journey, movement = self._journey, self._movement
        if journey is None or movement is None:
            return False
        arrival = journey.advance(keep_going)
        if arrival is None:
            return True
        self._journey = self._movement = None
        if self._target is not None:
            self._passed(arrival)
        elif arrival.reached:
            self.run.arrived(movement)
            self._arrived()
        else:
            text = f"{arrival.text}. You are back where this run began: look around, or go on with Next."
            self._stray(f"{text} {self._other_way}".rstrip())
        self._say_now()
        return self.travelling

    def cancel(self) -> None:
        """Give the run in progress up; the button offers it again. On the way to a beat, stay in the one come to."""
        self._journey = self._movement = None
        if self._target is not None:
            self._target = None
            self._begin(self.run.beat)
            self._advance(by_itself=False)

    # ---- to a beat -----------------------------------------------------------------------------

    def _begin(self, beat: int) -> None:
        self.run.enter(beat)
        self.moment = self._undone = self._starts[beat]
        self._timeline.seek(self.moment)
        self.at = 0
        self.asked = self._lost = False
        self._left = list(self.beat.movements)

    def _pass(self) -> None:
        """Pass beats on the way to the target, up to a run, which takes time."""
        while self._target is not None:
            if self.run.beat == self._target:
                self._target = None
                self._advance()
            elif not self._left:
                self._starts[self.run.beat + 1] = self.moment
                self._begin(self.run.beat + 1)
            elif self._depart(self._left.pop(0)):
                return

    def _passed(self, arrival: Arrival) -> None:
        if arrival.reached:
            self.moment = self._timeline.position
        else:
            self._miss(f"In beat {self.run.beat + 1}, {arrival.text}")
        self._pass()

    def _miss(self, text: str) -> None:
        """A run on the way to another beat led nowhere: that beat counts as over where the run began."""
        self._timeline.seek(self.moment)
        self._left.clear()
        self._unsaid = f"{text}."

    # ---- in a beat -----------------------------------------------------------------------------

    def _advance(self, *, by_itself: bool = True) -> None:
        """Pass everything that waits for nobody.

        Args:
            by_itself: A run that nothing was asked before begins at once.
        """
        if self._timeline.position != self.moment:
            self._timeline.seek(self.moment)
        while (step := self._step()) is not None:
            match step.kind, step.part:
                case StepKind.ASK, Ask() as ask:
                    if ask.id not in self.run.verdicts:
                        self._prompts.setdefault(ask.id, self.run.prompt(ask))
                        return
                    self.asked = True
                case StepKind.JUDGE, Ask() as ask:
                    self._judge(ask)
                case StepKind.CHECK, Check() as check:
                    self.run.inspect(check)
                case StepKind.SHOW, Show() as show:
                    self.run.shown = show
                case StepKind.MOVE, Run():
                    if by_itself and not self.asked:
                        self._set_out()
                    return
                case StepKind.MOVE, Do() as task:
                    self._undone = self.moment
                    self.run.begin(task)
                    return
                case _:
                    pass
            self.at += 1
        self._starts[self.run.beat + 1] = self.moment

    def _judge(self, ask: Ask) -> None:
        try:
            self.run.judge(ask)
        except UnanswerableError as error:
            other = self._other_way
            self._unsaid = (
                f"{other} The question has no answer here: {error}."
                if other
                else f"This lesson has a mistake: {error}."
            )

    @property
    def _other_way(self) -> str:
        """That the guest is not run as the lesson was written; empty if it is."""
        written = self.run.lesson.spec.host.vms[0].technique
        present = self.run.world.spec.host.vms[0].technique
        if present is written:
            return ""
        return (
            f"This beat is written for {written.label.lower()}, and the guest runs by {present.label.lower()} now; "
            f"Alt+{written.number} leads back."
        )

    def _set_out(self) -> None:
        """Begin the movement the beat waits for, where the beat stands."""
        part = self.part
        if isinstance(part, Run | Do):
            if self._timeline.position != self.moment:
                self._timeline.seek(self.moment)
            self._depart(part)

    def _depart(self, movement: Movement) -> bool:
        """Begin a journey; false, and said, if its anchor has no meaning here."""
        try:
            self._journey = self.run.journey(movement)
        except NoValueError as error:
            text = f"{movement.until.text} has no meaning here: {error}"
            if self._target is None:
                self._stray(f"{text}. Look around, or go on with Next.")
            else:
                self._miss(text)
            return False
        self._movement = movement
        return True

    def _stray(self, text: str) -> None:
        """The present run does not arrive, perhaps because this technique never comes by: stay where it began."""
        self._timeline.seek(self.moment)
        self._lost = True
        self._starts[self.run.beat + 1] = self.moment
        self._unsaid = text

    def _arrived(self) -> None:
        self.moment = self._timeline.position
        self.at += 1
        self._advance()

    def _find_done(self, task: Do) -> None:
        """The task is done here: go to the first moment at which it was, as a run to its anchor would have."""
        here = self._timeline.position
        if self._undone >= here:
            self._undone = self.moment
        low, high = self._undone.n, here.n + bool(here.phase)
        while high - low > 1:
            middle = (low + high) // 2
            if self._done_at(task, Moment(middle)):
                high = middle
            else:
                low = middle
        phases = self.run.world.recorder.log.of(Event, Moment(high - 1, 1), Moment(high))
        for moment in sorted({event.at for event in phases if event.PHASE and self._undone < event.at <= here}):
            if self._done_at(task, moment):
                return
        self._timeline.seek(min(here, Moment(high)))

    def _done_at(self, task: Do, moment: Moment) -> bool:
        self._timeline.seek(moment)
        return self.run.task_done(task)

    def _say_now(self) -> None:
        """Say what could not be done, when nothing is under way that would wipe it off."""
        if self._unsaid and not self.travelling:
            self._problem(self._unsaid)
            self._unsaid = ""
