"""The compiled function's local variables: lines, temporaries, registers, and statements done on a condition only.

Order is kept: a load is done where it stands, a register changes where it is stored to, and a value computed from its
old contents keeps them in a temporary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from teachvm.isa.descriptors import Segment
from teachvm.isa.operands import ESP
from teachvm.machine.tiers.flags import FlagState, undone
from teachvm.machine.tiers.values import (
    Change,
    Code,
    Known,
    Status,
    UnsupportedError,
    Value,
    mapped,
    needs_of,
    substitute,
)


class Line:
    """One line of the function: indentation, source, and which instruction it belongs to."""

    __slots__ = ("depth", "number", "text")

    def __init__(self, depth: int, text: str, number: int) -> None:
        self.depth, self.text, self.number = depth, text, number


class Locals:
    """State of a specialisation in progress.

    Attributes:
        segments: The segment registers the code is made for.
        lines: The function's body so far.
        depth: Indentation of the next line.
        number: The instruction being specialised, by its place in the table of exits.
        flags: Where the status flags are to be had.
        flags_dead: Nobody can see the flags this instruction writes.
        overwrites: Flags this instruction writes in any case.
        committed: This instruction has changed something: it cannot leave any more.
        may_leave: This instruction has lines that can leave.
        asks_flags: It has asked for flags.
        wrote_flags: Flags it has written so far.
        stack_aligned: ESP is a multiple of four throughout.
        unaligned: This instruction's accesses are most often not aligned.
        beside_code: This instruction stores into pages that hold code, most often beside it.
        branch: The conditional transfer of this instruction: condition and target.
        target: Its unconditional transfer.
        used: General registers the function reads or writes.
        dirty: Those it writes.
    """

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments
        self.lines: list[Line] = []
        self.depth = 0
        self.number = 0
        self.flags = FlagState()
        self.flags_dead = False
        self.overwrites = 0
        self.committed = self.may_leave = self.asks_flags = False
        self.wrote_flags = 0
        self.stack_aligned = False
        self.beside_code = self.unaligned = False
        self.branch: tuple[Code, Value] | None = None
        self.target: Value | None = None
        self.next_eip = 0
        self.used: set[int] = set()
        self.dirty: set[int] = set()
        self.frames: list[dict[str, Value]] = []
        self.names: list[dict[str, Any]] = []
        self._memo: dict[str, tuple[Code, frozenset[str]]] = {}
        self._temporaries = 0
        self._condition: Code | None = None
        self._condition_at = 0
        self._condition_frames = 0

    def begin(self) -> None:
        """A new instruction: expressions named for the last one are not looked for any more."""
        self._memo.clear()
        self.branch = self.target = None
        self.committed = self.may_leave = self.asks_flags = False
        self.wrote_flags = 0

    # ---- lines ---------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self.lines.append(Line(self.depth, text, self.number))

    def new_name(self) -> str:
        """A local nobody uses yet."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def temporary(self, text: str, bits: int | None = None) -> Code:
        """Compute something now and keep it."""
        name = self.new_name()
        self.line(f"{name} = {text}")
        return Code(name, frozenset((name,)), bits)

    def atom(self, code: Code) -> Code:
        """The value under a name, or as a plain constant."""
        if not code.loose:
            return code
        if code.text in self._memo:
            return self._memo[code.text][0]
        named = replace(self.temporary(code.text, code.bits), aligned=code.aligned)
        if self._condition is None:
            self._memo[code.text] = named, code.needs
        return named

    def leaving(self) -> None:
        """What is written next can leave the function before this instruction.

        Raises:
            UnsupportedError: The instruction has changed something by now.
        """
        if self.committed:
            raise UnsupportedError("an access after a change of state")
        self.may_leave = True

    # ---- registers -----------------------------------------------------------------------------

    def register(self, index: int) -> Code:
        """A general register."""
        self.used.add(index)
        return Code(f"r{index}", frozenset((f"r{index}",)), 32, aligned=index == ESP and self.stack_aligned)

    def store_register(self, index: int, value: Code) -> None:
        """Change a general register; whatever still needs its old contents gets a copy of them first."""
        if value.bits is None or value.bits > 32:
            raise UnsupportedError(f"{value.text} may not fit a register")
        name = f"r{index}"
        self.used.add(index)
        self.dirty.add(index)
        self.committed = True
        if value.text in self._memo:
            known = self._memo[value.text][0]
            self.replace(value, known)
            value = known
        inverses = self._preserve(name, value)
        self._memo = {text: kept for text, kept in self._memo.items() if name not in kept[1]}
        stored = Code(name, frozenset((name,)), value.bits)
        last = self.lines[-1] if self.lines and self.lines[-1].number == self.number else None
        if last is not None and value.text.startswith("t") and last.text.startswith(f"{value.text} = "):
            last.text = f"{name} = {last.text[len(value.text) + 3 :]}"
            self._rename(value.text, stored)
        else:
            if value.text != name:
                self.line(f"{name} = {value.text}")
            if self._condition is None and not value.text.isdigit():
                self.replace(value, stored)
        for frame, local, status in inverses:
            frame[local] = Status(status.function, status.operands, status.index, stored)

    def _preserve(self, name: str, stored: Code) -> list[tuple[dict[str, Value], str, Status]]:
        """Copy a register that is about to change, if something still needs it.

        Returns:
            Where flags wait that can be had from the register's new contents, and how, once that is stored.
        """
        inverses = [] if self._condition is not None else self._inverses(name, stored)
        needed = name in self.flags.needs(self.overwrites)
        needed = needed or any(name in needs_of(value) for value in self._live() if value != stored)
        if needed:
            copy = Code(self.new_name(), bits=32)
            copy = replace(copy, needs=frozenset((copy.text,)))
            text = f"{copy.text} = {name}"
            if self._condition is None:
                self.line(text)
            else:
                # Inside a conditional statement: the copy has to be there on both ways.
                self.lines.insert(self._condition_at, Line(self.depth - 1, text, self.number))
                self._condition_at += 1
            self.flags.rename(name, copy)
            self._map(lambda code: code if code == stored else substitute(code, name, copy))
        return inverses

    def _inverses(self, name: str, stored: Code) -> list[tuple[dict[str, Value], str, Status]]:
        """Take out the waiting flags that can be computed from the result that goes to a register."""
        found = []
        for frame in self.frames:
            for local, value in list(frame.items()):
                if isinstance(value, Status) and value.result == stored:
                    inverse = undone(value, name)
                    if inverse is not None:
                        found.append((frame, local, inverse))
                        frame[local] = Known(None)
        return found

    def _live(self) -> Iterator[Value]:
        for frame in self.frames:
            yield from frame.values()
        if self.branch is not None:
            yield self.branch[0]
            yield self.branch[1]
        if self.target is not None:
            yield self.target

    def _rename(self, name: str, copy: Code) -> None:
        """A local is called otherwise from now on."""
        self._memo = {text: kept for text, kept in self._memo.items() if kept[0].text != name}
        self.flags.rename(name, copy)
        self._map(lambda code: substitute(code, name, copy))

    def replace(self, old: Code, new: Code) -> None:
        """A value now has a name of its own."""
        self._map(lambda code: new if code == old else code)
        for layer in self.flags.layers:
            if isinstance(layer.source, Status) and layer.source.result == old:
                layer.source = Status(layer.source.function, layer.source.operands, layer.source.index, new)

    def _map(self, change: Change) -> None:
        for frame in self.frames:
            for name, value in frame.items():
                frame[name] = mapped(value, change)
        if self.branch is not None:
            self.branch = change(self.branch[0]), mapped(self.branch[1], change)
        if self.target is not None:
            self.target = mapped(self.target, change)

    # ---- choices -------------------------------------------------------------------------------

    @contextmanager
    def only_if(self, test: Code) -> Iterator[None]:
        """Statements that are done only if a condition holds; a jump among them becomes the instruction's branch."""
        if self._condition is not None:
            raise UnsupportedError("a choice within a choice")
        self.line(f"if {test.test}:")
        opened = self.lines[-1]
        self._condition, self._condition_at, self._condition_frames = test, len(self.lines) - 1, len(self.frames)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            self._condition = None
        if self.lines[-1] is opened:
            del self.lines[-1]

    @property
    def on_one_way(self) -> bool:
        """What happens now happens only if a condition holds."""
        return self._condition is not None

    @property
    def condition(self) -> Code | None:
        """The condition what happens now depends on."""
        return self._condition

    def require_own_frame(self) -> None:
        """A local of a meaning is assigned to.

        Raises:
            UnsupportedError: On one way only, so that it would not be known afterwards what it holds.
        """
        if self._condition is not None and len(self.frames) <= self._condition_frames:
            raise UnsupportedError("an assignment on one way only")
