"""What the laboratory's control panel says: value types a window paints and a terminal prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One thing in a list of the panel; `key` is what a command about it names."""

    key: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PanelView:
    """The panel: what runs, what a run stops at, and what was changed by hand.

    Attributes:
        heading: The guest.
        kicker: What its file is, and how it is run.
        facts: Name and value, such as where it starts.
        memory_mib: Memory of each guest.
        stops: Breakpoints and watched bytes; the key names one to remove.
        edits: What was changed, in order of time; the key is the moment.
        can_redo: An edit was taken back and can be made again.
    """

    heading: str
    kicker: str
    facts: tuple[PanelRow, ...] = ()
    memory_mib: int = 0
    stops: tuple[PanelRow, ...] = ()
    edits: tuple[PanelRow, ...] = ()
    can_redo: bool = False
