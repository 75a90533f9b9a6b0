"""Which actions can be done now, and why not: one place for buttons, keys and menus."""

from __future__ import annotations

from typing import Final

from teachvm.app.keys import COMPARED
from teachvm.app.laboratory import Laboratory
from teachvm.app.session import Session
from teachvm.trace.grain import Grain
from teachvm.ui.window.actions import Actions
from teachvm.vmm.techniques import Technique

FORWARD: Final = {
    "step": Grain.VISIBLE,
    "step-processor": Grain.PROCESSOR,
    "step-instruction": Grain.INSTRUCTION,
    "next-trap": Grain.TRAP,
    "next-beat": Grain.BEAT,
}
BACK: Final = {
    "back": Grain.VISIBLE,
    "back-processor": Grain.PROCESSOR,
    "back-instruction": Grain.INSTRUCTION,
    "previous-trap": Grain.TRAP,
    "previous-beat": Grain.BEAT,
}
COMPARISONS: Final = {
    "compare": Technique.BARE_METAL,
    **{f"compare-{technique.value}": technique for technique in COMPARED},
}
OTHERS: Final = (
    "run",
    "run-back",
    "reset",
    "find-change",
    "find-change-back",
    "breakpoint",
    "stop",
    *COMPARISONS,
    "measure",
    "drop-derived",
    "flush-tlb",
    "go-to",
    "undo-edit",
    "redo-edit",
)

CHANGES: Final = ("undo-edit", "redo-edit", "drop-derived", "flush-tlb")
"""Actions that change a running world, called as the session's methods."""


def allow(actions: Actions, session: Session | None) -> None:
    """Enable what can be done with what is open, and let the rest say why it cannot."""
    for name in (*FORWARD, *BACK, *OTHERS):
        actions.allow(name, session is not None, "Open a lesson or a guest first.")
    if session is None:
        return
    actions["next-trap"].setText(f"Next {session.technique.words.one}")
    actions["previous-trap"].setText(f"Previous {session.technique.words.one}")
    laboratory = isinstance(session, Laboratory)
    for name in ("next-beat", "previous-beat"):
        actions.allow(name, not laboratory, "A laboratory has no beats.")
    actions.allow("go-to", laboratory, "The laboratory goes to any address; in a lesson, follow a value.")
    actions.allow("undo-edit", bool(session.control.edits), "Nothing was changed by hand.")
    actions.allow("redo-edit", bool(session.control.undone), "Nothing was taken back.")
    for name, against in COMPARISONS.items():
        why = session.why_not_comparable(against)
        actions.allow(name, not why, why)
    why = session.why_not_measurable
    actions.allow("measure", not why, why)
    actions.allow("drop-derived", session.control.virtualized, "On bare metal nothing is derived from the guest.")
    begun = session.position.n > 0 or session.position.phase > 0
    for name in ("back", "back-instruction", "previous-trap", "run-back", "find-change-back"):
        actions.allow(name, begun, "This is the beginning: there is nothing before it.")
