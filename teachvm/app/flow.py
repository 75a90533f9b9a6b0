"""A beat as a student goes through it: what is said, asked, run and judged next, and the one button for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from teachvm.app.rail import AskView, CheckView, HintView, PrimaryAction, RailPart, RailView, Said, TaskView
from teachvm.lesson.expressions import NoValueError
from teachvm.lesson.journey import Arrival, Journey
from teachvm.lesson.judging import UnanswerableError, Verdict, parse_number
from teachvm.lesson.model import Ask, Beat, Check, Do, Movement, Passage, Run
from teachvm.lesson.progress import LessonRun
from teachvm.lesson.steps import Step, StepKind
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline

ACT = "act"
"""Command of the one button: do what the beat waits for."""

STEP_COMMANDS: dict[Grain, str] = {
    Grain.VISIBLE: "step",
    Grain.INSTRUCTION: "step-instruction",
    Grain.TRAP: "next-trap",
    Grain.BEAT: "next-beat",
}
"""Command of the key table that goes forward by a grain."""

STEP_LABELS: dict[Grain, str] = {
    Grain.VISIBLE: "Step",
    Grain.INSTRUCTION: "Step one instruction",
    Grain.TRAP: "To the next trap",
    Grain.BEAT: "Next beat",
}


class Waiting(Enum):
    """What a beat waits for."""

    ANSWER = "answer"
    RUN = "run"
    TASK = "task"
    END = "end"


class Flow:
    """Leads through one lesson run; `moment` is where the present beat stands when the student has not wandered off.

    A run at the beginning of a beat happens when the beat is entered; one behind a question waits for the button, so
    that a prediction comes before what it is about.
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
        self._timeline = timeline
        self._problem = problem
        self._starts: dict[int, Moment] = {}
        self._at = 0
        self._asked = False
        self._prompts: dict[str, str] = {}
        self._journey: Journey | None = None
        self._movement: Movement | None = None

    # ---- where ---------------------------------------------------------------------------------

    @property
    def beat(self) -> Beat:
        """The present beat."""
        return self.run.here

    @property
    def waiting(self) -> Waiting:
        """What the beat waits for now."""
        step = self._step()
        if step is None:
            return Waiting.END
        if step.kind is StepKind.ASK:
            return Waiting.ANSWER
        return Waiting.TASK if isinstance(step.part, Do) else Waiting.RUN

    @property
    def travelling(self) -> bool:
        """A run to an anchor is in progress; `travel` goes on with it."""
        return self._journey is not None

    @property
    def untouched(self) -> bool:
        """Nobody has done anything in this beat yet: all there was happened by itself."""
        passed = self.run.steps[: self._at]
        alone = not any(step.kind is StepKind.ASK or isinstance(step.part, Do) for step in passed)
        return alone and self._timeline.position == self.moment

    @property
    def last(self) -> bool:
        """This is the lesson's last beat."""
        return self.run.beat == len(self.run.lesson.beats) - 1

    def _step(self) -> Step | None:
        steps = self.run.steps
        return steps[self._at] if self._at < len(steps) else None

    # ---- going through -------------------------------------------------------------------------

    def enter(self, beat: int) -> None:
        """Go to a beat; what lies between it and the last one entered is run through first."""
        self.cancel()
        known = max((index for index in self._starts if index <= beat), default=None)
        if known is None:
            self.run.enter(0)
            self._starts[0] = self.moment
            known = 0
        for index in range(known, beat):
            self._begin(index)
            self._run_through()
            self._starts[index + 1] = self.moment
        self._begin(beat)
        self._advance()

    def act(self) -> None:
        """Do what the one button says: take the answer, or begin the run."""
        match self.waiting:
            case Waiting.ANSWER:
                self._at += 1
                self._asked = True
                self._advance()
            case Waiting.RUN | Waiting.TASK:
                self._set_out()
            case Waiting.END:
                if not self.last:
                    self.enter(self.run.beat + 1)

    def answer(self, name: str, given: str) -> None:
        """Keep an answer to the question that is open; locked ones stay as they are."""
        step = self._step()
        if step is not None and step.kind is StepKind.ASK and isinstance(step.part, Ask) and step.part.id == name:
            self.run.answer(step.part, given)

    def reopen(self) -> None:
        """Put the beat's questions again; what was answered is what was chosen so far."""
        for ask in self.beat.asks:
            self.run.verdicts.pop(ask.id, None)

    def moved(self) -> None:
        """The student moved the world: perhaps the task is done."""
        step = self._step()
        if step is not None and isinstance(step.part, Do) and self.run.task_done(step.part):
            self._arrived(step.part)

    def travel(self, keep_going: Callable[[], bool] | None = None) -> bool:
        """Go on with the run in progress; False when it is over."""
        journey, movement = self._journey, self._movement
        if journey is None or movement is None:
            return False
        arrival = journey.advance(keep_going)
        if arrival is None:
            return True
        self._journey = self._movement = None
        if arrival.reached:
            self.run.arrived(movement)
            self._arrived(movement)
        else:
            self._strayed(arrival)
        return self._journey is not None

    def cancel(self) -> None:
        """Give the run in progress up; the button offers it again."""
        self._journey = self._movement = None

    # ---- inside --------------------------------------------------------------------------------

    def _begin(self, beat: int) -> None:
        self.run.enter(beat)
        self.moment = self._starts[beat]
        self._timeline.seek(self.moment)
        self._at = 0
        self._asked = False

    def _run_through(self) -> None:
        """Do all of a beat's movements at once, for a student who goes past it."""
        for movement in self.beat.movements:
            try:
                arrival: Arrival | None = self.run.journey(movement).advance()
            except NoValueError as error:
                self._problem(f"{movement.until.text} has no meaning here: {error}")
                return
            if arrival is not None and not arrival.reached:
                self._strayed(arrival)
                return
        self.moment = self._timeline.position

    def _strayed(self, arrival: Arrival) -> None:
        """An anchor was not reached, perhaps because this technique never comes by: stay where the run began."""
        self._timeline.seek(self.moment)
        self._problem(f"{arrival.text}. You are back where this run began: go on by single steps.")

    def _advance(self) -> None:
        """Pass everything that waits for nobody."""
        while (step := self._step()) is not None:
            match step.kind, step.part:
                case StepKind.ASK, Ask() as ask:
                    if ask.id not in self.run.verdicts:
                        self._prompts.setdefault(ask.id, self.run.prompt(ask))
                        return
                    self._asked = True
                case StepKind.JUDGE, Ask() as ask:
                    self._judge(ask)
                case StepKind.CHECK, Check() as check:
                    self.run.inspect(check)
                case StepKind.MOVE, Run():
                    if not self._asked:
                        self._set_out()
                    return
                case StepKind.MOVE, Do() as task:
                    self.run.begin(task)
                    return
                case _:
                    pass
            self._at += 1

    def _judge(self, ask: Ask) -> None:
        try:
            self.run.judge(ask)
        except UnanswerableError as error:
            self._problem(f"This lesson has a mistake: {error}.")

    def _set_out(self) -> None:
        step = self._step()
        if step is None or not isinstance(step.part, Run | Do):
            return
        if self._timeline.position != self.moment and isinstance(step.part, Run):
            self._timeline.seek(self.moment)
        try:
            self._journey = self.run.journey(step.part)
            self._movement = step.part
        except NoValueError as error:
            self._problem(f"{step.part.until.text} has no meaning here: {error}")

    def _arrived(self, movement: Movement) -> None:
        self.moment = self._timeline.position
        self._at += 1
        self._advance()

    # ---- what the rail says --------------------------------------------------------------------

    def rail(self) -> RailView:
        """The present beat as the student reads it."""
        beat = self.beat
        lesson = self.run.lesson
        minutes = max(1, round((lesson.front.teaching + lesson.front.exercises) / len(lesson.beats)))
        unit = "minute" if minutes == 1 else "minutes"
        return RailView(
            heading=beat.title,
            kicker=f"Beat {beat.index + 1} of {len(lesson.beats)} · about {minutes} {unit}",
            parts=tuple(self._parts()),
            hints=tuple(HintView(hint.title, hint.prose.markdown) for hint in beat.hints),
            action=self._action(),
            notes=beat.notes.markdown,
        )

    def _parts(self) -> Iterator[RailPart]:
        """What happened in this beat so far: what comes after a question may give its answer away."""
        lesson = self.run.lesson
        if self.beat.index == 0 and not self._asked and lesson.objectives.markdown:
            yield Said(f"### After this lesson you can\n\n{lesson.objectives.markdown}")
        for index, step in enumerate(self.run.steps[: self._at + 1]):
            match step.kind, step.part:
                case StepKind.SAY, Passage() as passage:
                    yield Said(passage.prose.markdown)
                case StepKind.ASK, Ask() as ask:
                    yield self._ask_view(ask, locked=index < self._at)
                case StepKind.MOVE, Do() as task:
                    yield TaskView(task.id, task.task.markdown, done=index < self._at)
                case StepKind.CHECK, Check() as check if check.id in self.run.outcomes:
                    yield self._check_view(check)
                case _:
                    pass
        if self.last and self.waiting is Waiting.END and lesson.keypoints.markdown:
            yield Said(f"### What to remember\n\n{lesson.keypoints.markdown}")

    def _ask_view(self, ask: Ask, *, locked: bool) -> AskView:
        verdict = self.run.verdicts.get(ask.id)
        return AskView(
            id=ask.id,
            prompt=self._prompts.get(ask.id) or self.run.prompt(ask),
            kind="choice" if ask.type == "choice" else "number" if ask.type == "number" else "text",
            kicker="Predict" if ask.predict else "Question",
            options=tuple(option.text for option in ask.options),
            chosen=self.run.answers.get(ask.id, ""),
            verdict="open" if verdict is None else "right" if verdict.right else "wrong",
            right="" if verdict is None else _right(ask, verdict),
            feedback="" if verdict is None else _feedback(ask, verdict),
            locked=locked,
        )

    def _check_view(self, check: Check) -> CheckView:
        outcome = self.run.outcomes[check.id]
        text = check.title or " and ".join(expression.text for expression in check.expect)
        return CheckView(
            check.id, text, outcome.passed, "; ".join(fact.found for fact in outcome.facts if not fact.held)
        )

    def _action(self) -> PrimaryAction:
        if self.travelling:
            return PrimaryAction("Running …", ACT, enabled=False, why="Esc stops the run.")
        step = self._step()
        match self.waiting:
            case Waiting.ANSWER:
                assert step is not None
                assert isinstance(step.part, Ask)
                text = "Keep this prediction" if step.part.predict else "Check the answer"
                why = self._why_not_taken(step.part)
                return PrimaryAction(text, ACT, not why, why)
            case Waiting.RUN:
                return PrimaryAction("Run and see", ACT)
            case Waiting.TASK:
                assert step is not None
                assert isinstance(step.part, Do)
                return PrimaryAction(STEP_LABELS[step.part.grain], STEP_COMMANDS[step.part.grain])
            case Waiting.END:
                return PrimaryAction("Back to all lessons", "home") if self.last else PrimaryAction("Next", "next-beat")

    def _why_not_taken(self, ask: Ask) -> str:
        """Why the answer to a question cannot be taken; empty if it can."""
        given = self.run.answers.get(ask.id, "").strip()
        if not given:
            return "Answer the question first."
        if ask.type == "number" and parse_number(given) is None:
            return "Give a number: 42, 0x2a or 2ah."
        return ""


def _right(ask: Ask, verdict: Verdict) -> str:
    """What would have been right, in the form an answer is given in."""
    if ask.type != "choice":
        return verdict.solution
    return next(str(at) for at, option in enumerate(ask.options) if option.text == verdict.solution)


def _feedback(ask: Ask, verdict: Verdict) -> str:
    """Whether the answer is right, and why, as Markdown; a wrong choice has the right one marked."""
    if verdict.right:
        said = "[**Right.**](role:good)"
    elif ask.type == "choice":
        said = "[**Not quite.**](role:trap)"
    else:
        said = f"[**Not quite:**](role:trap) it is **{verdict.solution}**."
    return f"{said} {verdict.explanation}".rstrip()
