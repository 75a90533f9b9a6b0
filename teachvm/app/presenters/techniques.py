"""Techniques side by side: what each made of the same guest, on one axis, and where one went wrong."""

from __future__ import annotations

from typing import Final

from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.notation import count, percent
from teachvm.app.presentation import Bar, BarPart, BarsView, Block, CardView, NoteView
from teachvm.app.side_by_side import Part, Run
from teachvm.app.snapshot import Snapshot
from teachvm.app.survey import Finding
from teachvm.app.wording import Badge, Command, Span, Tip
from teachvm.vmm.techniques import Technique

PER: Final = 10_000
"""Guest instructions the bars are for."""
_MODEL: Final = "cycle counts are parameters of the model, not measurements; the order follows Adams & Agesen"
_WARM: Final = Tip(
    "Warm and cold",
    "Each run is cut at the same number of guest instructions, half of what bare metal needed. Cold, thin: before it, "
    "from the start of the machine, everything met for the first time. Warm: after it. Time in which nobody ran is "
    "left out.",
    _MODEL,
)
_LEGEND: Final = (
    Badge("guest", "program", "", Tip("Guest", "Cycles of the guest's own code, programs and kernel, run directly.")),
    Badge("VMM", "vmm", "", Tip("VMM", "Cycles of the VMM: entries, emulation, translation, interpreting.")),
    Badge("thick: warm · thin: cold", "text", "", _WARM),
)


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """The bars of what is known so far; before anything is, how to begin."""
    del before
    survey = now.survey
    if len(now.world.guests) > 1:
        text = "Techniques are compared on one guest; several share this host."
        return CardView((Span("several guests", "dim"),), (NoteView((Span(text),), "info"),))
    if survey is None:
        key = KEY_BY_ACTION["measure"]
        does = Tip(key.label, f"{key.does} ({key.keys[0]}).")
        said = (
            Span(key.label, "now", strong=True, tip=does, link=Command(key.action)),
            Span(
                f" ({key.keys[0]}) runs the guest by each technique from its start, in worlds of their own. "
                "The one you look at stays where it is."
            ),
        )
        return CardView((Span("not measured", "dim"),), (NoteView(said, "info"),))
    blocks: list[Block] = [_bars(finding) for finding in survey.findings if finding.runs]
    if survey.going:
        blocks.append(NoteView((Span(f"Running {survey.going} … Esc stops."),), "info"))
    subtitle = f"host cycles for {count(PER)} guest instructions · log axis"
    return CardView((Span(subtitle, "dim", tip=_WARM),), tuple(blocks), _LEGEND)


def _bars(finding: Finding) -> BarsView:
    bars = tuple(_bar(run) for run in finding.runs)
    return BarsView(bars, finding.workload, f"cycles / {count(PER)} guest instructions")


def _bar(run: Run) -> Bar:
    warm, cold = _split(run.warm), _split(run.cold)
    total = sum(part.value for part in warm)
    said: list[Span] = [Span(_short(total), "text", strong=True), Span(f" {_entries(run)}", "dim")]
    tip = Tip(
        run.technique.label,
        f"{run.technique.explanation} Warm: {count(run.warm.instructions)} guest instructions, "
        f"{count(run.warm.guest)} cycles in the guest and {count(run.warm.vmm)} in the VMM; cold: "
        f"{count(run.cold.instructions)}, {count(run.cold.guest)} and {count(run.cold.vmm)}. "
        f"{percent(run.direct_share)} of all instructions ran on the processor.",
        _MODEL,
    )
    if run.diverged is not None:
        said.append(Span(f", and the answer is wrong: {run.diverged.text} at {run.diverged.place}", "trap"))
        tip = Tip(tip.term, str(run.diverged), tip.source)
    return Bar(run.technique.label, warm, cold, tuple(said), tip)


def _split(part: Part) -> tuple[BarPart, ...]:
    scale = PER / max(1, part.instructions)
    return (BarPart("guest", part.guest * scale, "program"), BarPart("VMM", part.vmm * scale, "vmm", pattern=True))


def _short(cycles: float) -> str:
    """`31 k`, or the number itself."""
    return f"{count(round(cycles / 1000))}\u202fk" if cycles >= 10_000 else count(round(cycles))


def _entries(run: Run) -> str:
    """What there was in the warm part, by its name; every instruction, under emulation."""
    if run.technique is Technique.EMULATION:
        return " every instruction interpreted"
    parts = [f"{count(many)} {name}{'' if many == 1 else 's'}" for name, many in sorted(run.warm.kinds.items())]
    said = ", ".join(parts) or ("no VMM" if run.technique is Technique.BARE_METAL else "no entry")
    return f" {said} · {percent(run.direct_share)} on the CPU"
