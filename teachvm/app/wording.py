"""The smallest things a view can say: a coloured run of text, an explanation, a badge, a place to go to.

Colour is a *role* (who acts, or what a thing means), never a colour value; the theme maps roles to colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teachvm.trace.moment import Moment

Role = Literal["program", "kernel", "vmm", "hardware", "trap", "good", "now", "text", "dim", "faint", "line", "card"]
ROLES: tuple[Role, ...] = (
    "program",
    "kernel",
    "vmm",
    "hardware",
    "trap",
    "good",
    "now",
    "text",
    "dim",
    "faint",
    "line",
    "card",
)

Space = Literal["linear", "guest-physical", "host-physical"]
Align = Literal["left", "center", "right"]
Progress = Literal["done", "now", "ahead"]


@dataclass(frozen=True, slots=True)
class Tip:
    """An explanation shown on hover: the field's term, what it means here, and the book it comes from."""

    term: str
    text: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An address a value points at; activating it shows that place. `vm` is empty for the host's own memory."""

    space: Space
    address: int
    vm: str = ""


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment a value points at; activating it moves the whole machine there."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Walked:
    """A linear address a value stands for; activating it shows how the guest's tables translate it."""

    linear: int


@dataclass(frozen=True, slots=True)
class Command:
    """An action of the key table; activating it does the same as its key."""

    action: str


Link = Place | Instant | Walked | Command


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one role; `code` is a machine value (fixed pitch), `strong` is emphasised."""

    text: str
    role: Role = "text"
    strong: bool = False
    code: bool = False
    tip: Tip | None = None
    link: Link | None = None


EditKind = Literal["register", "flag", "memory", "entry"]


@dataclass(frozen=True, slots=True)
class Editable:
    """A value a person may change in place: what it is, and whose.

    Attributes:
        kind: A register, a flag, bytes of memory, or an entry of a page table.
        name: The register's or flag's name; for memory what people call the place.
        vm: The guest.
        address: Where memory lies.
        space: What kind of address that is.
        size: Bytes of memory.
    """

    kind: EditKind
    name: str
    vm: str
    address: int = 0
    space: Space = "linear"
    size: int = 4


Text = tuple[Span, ...]


def plain(text: Text | str) -> str:
    """Return the characters of a text without its roles."""
    return text if isinstance(text, str) else "".join(span.text for span in text)


@dataclass(frozen=True, slots=True)
class Badge:
    """A small label with a role's tint; `icon` is a stem of assets/icons, so that hue is never the only sign."""

    text: str
    role: Role
    icon: str = ""
    tip: Tip | None = None
