"""What a beat tells the student, as far as they have come, and the one button for what comes next."""

from __future__ import annotations

from collections.abc import Iterator

from teachvm.app.flow import ACT, Flow, Waiting
from teachvm.app.notation import count
from teachvm.app.prose import inline
from teachvm.app.rail import AskView, CheckView, HintView, PrimaryAction, RailPart, RailView, Said, TaskView
from teachvm.app.wording import plain
from teachvm.host.costs import COST_BY_KEY, CostModel
from teachvm.lesson.judging import Verdict
from teachvm.lesson.model import Ask, Check, Do, Passage
from teachvm.lesson.steps import StepKind
from teachvm.trace.grain import Grain
from teachvm.world.spec import WorldSpec

STEP_COMMANDS: dict[Grain, str] = {
    Grain.VISIBLE: "step",
    Grain.PROCESSOR: "step-processor",
    Grain.INSTRUCTION: "step-instruction",
    Grain.TRAP: "next-trap",
    Grain.BEAT: "next-beat",
}
"""Command of the key table that goes forward by a grain."""

STEP_LABELS: dict[Grain, str] = {
    Grain.VISIBLE: "Step",
    Grain.PROCESSOR: "Step the processor",
    Grain.INSTRUCTION: "Step one instruction",
    Grain.TRAP: "To the next trap",
    Grain.BEAT: "Next beat",
}


def rail(flow: Flow) -> RailView:
    """The present beat as the student reads it."""
    beat, lesson = flow.beat, flow.run.lesson
    minutes = max(1, round((lesson.front.teaching + lesson.front.exercises) / len(lesson.beats)))
    unit = "minute" if minutes == 1 else "minutes"
    return RailView(
        heading=plain(inline(beat.title)),
        kicker=f"Beat {beat.index + 1} of {len(lesson.beats)} · about {minutes} {unit}",
        parts=tuple(_parts(flow)),
        hints=tuple(HintView(hint.title, hint.prose.markdown) for hint in beat.hints),
        action=action(flow),
        notes=beat.notes.markdown,
    )


def departures(written: WorldSpec, present: WorldSpec) -> Iterator[Said]:
    """What the student changed about the world the lesson was written for."""
    was, now = written.host.vms[0].technique, present.host.vms[0].technique
    if now is not was:
        yield Said(
            f"> You run this guest another way now: **{now.label.lower()}**. What you read here is written for "
            f"**{was.label.lower()}**; Alt+{was.number} leads back."
        )
    usual, costs = CostModel(written.host.costs).cycles, CostModel(present.host.costs).cycles
    changed = [
        f"{COST_BY_KEY[key].label}: **{count(costs[key])}** cycles, not {count(usual[key])}"
        for key in costs
        if costs[key] != usual[key]
    ]
    if changed:
        yield Said(f"> You changed what work costs here. {'; '.join(changed)}. Cycles in the text may differ.")


def _parts(flow: Flow) -> Iterator[RailPart]:
    """What happened in this beat so far: what comes after a question may give its answer away."""
    lesson = flow.run.lesson
    if flow.beat.index == 0 and not flow.asked and lesson.objectives.markdown:
        yield Said(f"### After this lesson you can\n\n{lesson.objectives.markdown}")
    for index, step in enumerate(flow.run.steps[: flow.at + 1]):
        match step.kind, step.part:
            case StepKind.SAY, Passage() as passage:
                yield Said(passage.prose.markdown)
            case StepKind.ASK, Ask() as ask:
                yield _ask_view(flow, ask, locked=index < flow.at)
            case StepKind.MOVE, Do() as task:
                yield TaskView(task.id, task.task.markdown, done=index < flow.at)
            case StepKind.CHECK, Check() as check if check.id in flow.run.outcomes:
                yield _check_view(flow, check)
            case _:
                pass
    if flow.last and flow.waiting is Waiting.END and lesson.keypoints.markdown:
        yield Said(f"### What to remember\n\n{lesson.keypoints.markdown}")


def _ask_view(flow: Flow, ask: Ask, *, locked: bool) -> AskView:
    verdict = flow.run.verdicts.get(ask.id)
    return AskView(
        id=ask.id,
        prompt=flow.prompt(ask),
        kind="choice" if ask.type == "choice" else "number" if ask.type == "number" else "text",
        kicker="Predict" if ask.predict else "Question",
        options=tuple(option.text for option in ask.options),
        chosen=flow.run.answers.get(ask.id, ""),
        verdict="open" if verdict is None else "right" if verdict.right else "wrong",
        right="" if verdict is None else _right(ask, verdict),
        feedback="" if verdict is None else _feedback(ask, verdict),
        locked=locked,
        predict=ask.predict,
    )


def _check_view(flow: Flow, check: Check) -> CheckView:
    outcome = flow.run.outcomes[check.id]
    text = check.title or " and ".join(expression.text for expression in check.expect)
    return CheckView(check.id, text, outcome.passed, "; ".join(fact.found for fact in outcome.facts if not fact.held))


def action(flow: Flow) -> PrimaryAction:
    """The one button: what the beat waits for."""
    if flow.travelling:
        return PrimaryAction("Running …", ACT, enabled=False, why="Esc stops the run.")
    part = flow.part
    match flow.waiting:
        case Waiting.ANSWER:
            assert isinstance(part, Ask)
            why = flow.why_not_taken(part)
            return PrimaryAction("Keep this prediction" if part.predict else "Check the answer", ACT, not why, why)
        case Waiting.RUN:
            return PrimaryAction("Run and see", ACT)
        case Waiting.TASK if flow.stranded:
            return PrimaryAction("Go back and run there", ACT)
        case Waiting.TASK:
            assert isinstance(part, Do)
            return PrimaryAction(STEP_LABELS[part.grain], STEP_COMMANDS[part.grain])
        case Waiting.END | Waiting.NOTHING:
            return PrimaryAction("Back to all lessons", "home") if flow.last else PrimaryAction("Next", "next-beat")


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
