"""Every key, once: the window binds this table, tooltips and the key sheet print it.

One rule: Shift is the same thing backwards, Ctrl is coarser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from teachvm.vmm.techniques import Technique


@dataclass(frozen=True, slots=True)
class Key:
    """An action of the window and the keys that do it, in Qt's portable spelling; the first is the one shown."""

    action: str
    keys: tuple[str, ...]
    label: str
    does: str
    unless_editing: bool = False  # left to a list or a text while one has the focus


COMPARED: Final = tuple(each for each in Technique if each.as_built and each is not Technique.BARE_METAL)
"""Techniques a guest can be held against, besides bare metal, which has a key of its own."""

KEYS: tuple[Key, ...] = (
    Key("run", ("F5",), "Run", "Run, or pause"),
    Key("run-back", ("Shift+F5",), "Run back", "Run backwards to the previous trap"),
    Key("run-until", ("Ctrl+F5",), "Run until", "Run, either way, until something you write down is so"),
    Key("step", ("F7",), "Step", "Next visible thing: VMM phase, walk reference or instruction"),
    Key("back", ("Shift+F7", "F6"), "Back", "Previous visible thing"),
    Key("step-instruction", ("F8",), "Instruction", "One guest instruction, with its trap"),
    Key("back-instruction", ("Shift+F8",), "Instruction back", "One guest instruction back"),
    Key(
        "step-processor",
        ("Alt+F7",),
        "Processor step",
        "One instruction of the processor, in the translation cache too",
    ),
    Key("back-processor", ("Alt+Shift+F7",), "Processor step back", "One instruction of the processor back"),
    Key("next-trap", ("Ctrl+F7",), "Next trap", "To the next trap or exit"),
    Key("previous-trap", ("Ctrl+Shift+F7",), "Previous trap", "To the previous trap or exit"),
    Key("find-change", ("F4",), "Next change", "On to where the value pointed at is written or changes next"),
    Key(
        "find-change-back",
        ("Shift+F4",),
        "Last change",
        "Back to where it was written or changed last",
    ),
    Key("breakpoint", ("F9",), "Breakpoint", "Set or clear a breakpoint at the selected instruction"),
    Key("go-to", ("Ctrl+G",), "Go to", "Go to an address, a symbol or an expression (laboratory)"),
    Key("undo-edit", ("Ctrl+Z",), "Undo", "Go back to the last value changed by hand, and take it back"),
    Key("redo-edit", ("Ctrl+Shift+Z",), "Redo", "Change the value again that was taken back last"),
    Key("save-recording", ("Ctrl+S",), "Save recording", "Write what happened up to here as a recording"),
    Key("stop", ("Esc",), "Stop", "Stop whatever runs; always works"),
    Key("reset", ("F3",), "Reset", "Back to the first moment"),
    Key("compare", ("Ctrl+D",), "Compare", "Find the first thing this guest could see that differs from bare metal"),
    Key("measure", ("Ctrl+M",), "Measure", "Run this guest by each technique, and set what came out side by side"),
    Key(
        "drop-derived",
        ("Ctrl+E",),
        "Drop derived state",
        "Drop all derived state: shadow and nested tables, translations",
    ),
    Key("flush-tlb", ("Ctrl+L",), "Flush the TLB", "Flush the TLB: forget every translation the CPU remembers"),
    Key("zoom-in", ("Ctrl+=", "Ctrl++"), "Larger", "Zoom in, drawings too"),
    Key("zoom-out", ("Ctrl+-",), "Smaller", "Zoom out, drawings too"),
    Key("zoom-reset", ("Ctrl+0",), "Normal size", "Zoom back to 100 %"),
    Key("next-beat", ("PgDown", "Ctrl+Right"), "Next beat", "To the next beat of the lesson", unless_editing=True),
    Key("previous-beat", ("PgUp", "Ctrl+Left"), "Previous beat", "To the previous beat", unless_editing=True),
    Key("presenter", ("Ctrl+Shift+P",), "Presenter", "Presenter mode: bigger type for a hall"),
    *(
        Key(f"technique-{technique.value}", (f"Alt+{technique.number}",), technique.label, technique.explanation)
        for technique in Technique
    ),
    *(
        Key(
            f"compare-{technique.value}",
            (f"Alt+Shift+{technique.number}",),
            f"Compare with {technique.label.lower()}",
            f"Find the first thing this guest could see that differs from {technique.label.lower()}",
        )
        for technique in COMPARED
    ),
    Key("key-sheet", ("?",), "Keys", "Every key, on one sheet"),
)

KEY_BY_ACTION: dict[str, Key] = {key.action: key for key in KEYS}
