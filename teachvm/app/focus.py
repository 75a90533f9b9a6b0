"""What the student looks at: which guest, which addresses, which cards; plain values beside the machine's own."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.app.wording import Space


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """Bytes at which a run stops when they are written, or read.

    Attributes:
        vm: The guest whose they are.
        linear: Where they lie, in the address space they were chosen in.
        size: How many.
        reads: Reading stops too.
    """

    vm: str
    linear: int
    size: int = 4
    reads: bool = False


@dataclass(frozen=True, slots=True)
class Focus:
    """The eye of the person, not state of the machine: kept when time moves, sent along with each snapshot.

    Attributes:
        cards: Ids of the cards on the stage, in order.
        guest: The guest that was chosen; empty means whichever runs.
        code: Label, or linear address as `0x…`, the code card shows; empty means where the guest stands.
        memory: Address the memory card shows; None means the stack.
        walk: Linear address the walk card shows; None means the last walk.
        highlight: Names the lesson wants seen, such as `vcpu.flags.IF`.
        breakpoints: Linear addresses in the kernel's or the current program's code.
        watchpoints: Bytes of memory a run stops at.
        space: What kind of address `memory` is.
    """

    cards: tuple[str, ...] = ()
    guest: str = ""
    code: str = ""
    memory: int | None = None
    walk: int | None = None
    highlight: tuple[str, ...] = ()
    breakpoints: frozenset[int] = frozenset()
    watchpoints: tuple[Watchpoint, ...] = ()
    space: Space = "linear"
