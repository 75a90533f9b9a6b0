"""Timeline: who ran when, in host cycles, and where the traps were."""

from __future__ import annotations

from teachvm.app.chronicle import Chronicle, chronicle_of
from teachvm.app.drawing import Branch, LanesView
from teachvm.app.edits import described, is_edit
from teachvm.app.notation import count
from teachvm.app.presentation import CardView
from teachvm.app.scene import entries_text, techniques
from teachvm.app.snapshot import Snapshot
from teachvm.app.wording import Span, Text
from teachvm.trace.futures import Fork
from teachvm.trace.subject import Input
from teachvm.world.inputs import ConsoleTyped


def present(now: Snapshot, before: Snapshot | None) -> CardView:
    """All that has been run, with the playhead at the snapshot's moment."""
    del before
    chronicle = chronicle_of(now.world)
    frontier = max(now.cycles, now.log.cycles_at(now.frontier))
    lanes = LanesView(
        chronicle.lanes,
        chronicle.until(frontier),
        chronicle.traps(),
        now.cycles,
        frontier,
        key=f"{id(now.world):x}.{now.log.cuts}",
        branches=tuple(_branch(fork) for fork in now.forks),
        counted=entries_text(now.world, len(chronicle.notches)),
    )
    return CardView(_subtitle(now, chronicle), (lanes,))


def _subtitle(now: Snapshot, chronicle: Chronicle) -> Text:
    amount = chronicle.totals(now.at, now.cycles).traps
    traps = entries_text(now.world, amount) if any(one.direct for one in techniques(now.world)) else "interpreted"
    place = f"instruction {count(now.at.n)}" + (f", phase {now.at.phase}" if now.at.phase else "")
    return (Span(f"{place} · {traps} · cycle {count(now.cycles)}", "dim"),)


def _branch(fork: Fork) -> Branch:
    came = [given for number, given in fork.inputs if number >= fork.at.n]
    said = _came(came[0]) if came else ""
    if len(came) > 1:
        said += f" and {count(len(came) - 1)} more"
    return Branch(fork.cycles, fork.frontier_cycles, fork.at, fork.frontier, said)


def _came(given: Input) -> str:
    """What came from outside, in a few words."""
    if is_edit(given):
        return described(given)
    if isinstance(given, ConsoleTyped):
        typed = given.text.decode("latin-1").strip()
        return f"typed “{typed[:12]}{'…' * (len(typed) > 12)}”" if typed.isprintable() and typed else "typed"
    return "another way to run it"
