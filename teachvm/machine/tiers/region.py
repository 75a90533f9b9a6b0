"""Instructions joined to one Python function: discovery in a page, control flow, counting, and ways out.

The function works on registers as locals. Each *head* (the entry, and every place several ways lead to) is a `while`
loop of its own; what only one way leads to is written where that way goes. Instructions are counted when control passes
a head; a head is passed only if the longest way to the next one fits into the limit. Leaving writes everything back at
an instruction boundary; an instruction that cannot go on the fast way leaves before itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Final

from teachvm.isa import alu, shifts
from teachvm.isa.descriptors import Segment
from teachvm.machine.registers import MASK32
from teachvm.machine.tiers.discovery import Block, keeps_alignment, successors
from teachvm.machine.tiers.flags import FlagState, function_name
from teachvm.machine.tiers.specialise import Specialiser, dead_flags
from teachvm.machine.tiers.values import Known, Value, as_code

MOST_DEPTH: Final = 12
"""Choices inside each other before one becomes a head."""


class UnalignedError(Exception):
    """An access that is not aligned, or anything else tier 0 has to do."""


PURE: Final[dict[str, Any]] = {
    function_name(function): function
    for module in (alu, shifts)
    for function in vars(module).values()
    if callable(function) and getattr(function, "__module__", "") == module.__name__ and not isinstance(function, type)
}
LATE_NAMES: Final = ("fa", "fb", "fc", "fd")
LATE: Final = f"late(fk, {', '.join(LATE_NAMES)}, fl)"
"""EFLAGS at a head: what an earlier way there left to be computed, or the value at entry."""
LEFT: Final = (KeyError, UnalignedError, alu.DivideError)
"""What makes compiled code leave before an instruction: no page map entry, unaligned, #DE."""

Compiled = Callable[..., tuple[int, int, int]]
Way = tuple[int, ...]
"""Addresses of instructions executed one behind the other, from a head to the next one or out."""


@dataclass(slots=True)
class Exit:
    """How to leave before an instruction: where it is, what was done since the last head, how flags are had."""

    eip: int
    way: Way
    flags: str
    code: CodeType | None = None

    def compile(self) -> CodeType:
        """The expression of the flags, compiled when it is first needed."""
        self.code = compile(self.flags, "<flags>", "eval")
        return self.code


@dataclass(slots=True)
class Region:
    """A compiled stretch of code.

    Attributes:
        run: Takes (limit, regs, eflags, R, W, V, M8, M16, M32): page maps for reads, for writes, and for writes beside
            code, and views of memory; returns (instructions done, eip, eflags).
        need: Least limit it can be entered with.
        source: Its Python source.
        ways: If that is tallied, the number of each way that can be gone between two heads, or from one to leaving.
        tally: By number, how often it was since somebody asked.
    """

    run: Compiled
    need: int
    source: str
    ways: dict[Way, int] = field(default_factory=dict)
    tally: list[int] = field(default_factory=list)

    def took(self, way: Way) -> None:
        """A way was left before its end: it is one of its own."""
        if way:
            number = self.ways.setdefault(way, len(self.ways))
            if number == len(self.tally):
                self.tally.append(0)
            self.tally[number] += 1

    def went(self) -> Iterator[tuple[Way, int]]:
        """The ways gone since the last time this was asked, and how often each."""
        for way, number in self.ways.items():
            times = self.tally[number]
            if times:
                self.tally[number] = 0
                yield way, times


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known about how code behaves, and where it has to stop.

    Attributes:
        beside_code: Addresses of instructions that often store into pages that hold code.
        unaligned: Addresses of instructions whose accesses are often not aligned.
        barriers: Addresses at which compiled code is left.
        tallied: Which way was gone is counted, for somebody to whom instructions are not all the same.
    """

    beside_code: frozenset[int] = frozenset()
    unaligned: frozenset[int] = frozenset()
    barriers: frozenset[int] = frozenset()
    tallied: bool = False


class Builder(Specialiser):
    """Writes the function of a region."""

    def __init__(
        self,
        entry: int,
        blocks: dict[int, Block],
        segments: tuple[Segment, ...],
        advice: Advice,
        holds_code: Callable[[int, int], bool],
    ) -> None:
        super().__init__(segments)
        self._advice = advice
        self._holds_code = holds_code
        self.entry = entry
        self.blocks = blocks
        self.exits: list[Exit] = []
        self.ways: dict[Way, int] = {}
        self.heads = self._find_heads()
        self.longest: dict[int, int] = {}
        self.late: dict[str, int] = {}
        self.stack_aligned = all(keeps_alignment(o) for block in blocks.values() for o in block.operations)
        self._head = entry
        self._worst = 0

    def _find_heads(self) -> dict[int, int]:
        """Places that get a loop of their own, with their numbers; the entry is the first."""
        ways: dict[int, int] = {}
        returns: set[int] = set()
        for block in self.blocks.values():
            for target in successors(block):
                ways[target] = ways.get(target, 0) + 1
            if block.transfers and block.operations[-1].insn.row.mnemonic == "CALL":
                returns.add(block.end)
        self.returns = {a for a in returns if a in self.blocks and a not in self._advice.barriers}
        heads = [self.entry]
        heads += [s for s in self.blocks if s != self.entry and (ways.get(s, 0) != 1 or s in self.returns)]
        return {head: number for number, head in enumerate(heads)}

    # ---- the function --------------------------------------------------------------------------

    def build(self, missed: list[Exception]) -> Region:
        """Write and compile the function.

        Raises:
            UnsupportedError: Not even the first instruction can be compiled.
        """
        todo = list(self.heads)
        self.depth = 4
        while todo:
            head = todo.pop(0)
            if head in self.longest:
                continue
            self._loop(head)
            todo += [other for other in self.heads if other not in self.longest and other not in todo]
        return self._assemble(missed)

    def _loop(self, head: int) -> None:
        number = self.heads[head]
        self.depth = 3
        self.number = self._exit_here(head, (), FlagState(base=LATE))
        self.line(f"{'if' if number == 0 else 'elif'} b == {number}:")
        self.depth = 4
        self.line("while True:")
        self.depth = 5
        self.line(f"if n > l{number}:")
        self.depth = 6
        self.line(f"e = {head}; x = {LATE}")
        self.line("@return")
        self.depth = 5
        self._head, self._worst = head, 0
        self.longest[head] = 0
        self.flags = FlagState(base=LATE)
        self._block(head, (), 0)
        self.longest[head] = self._worst

    def _exit_here(self, eip: int, way: Way, flags: FlagState) -> int:
        self.exits.append(Exit(eip, way, flags.eflags()))
        return len(self.exits) - 1

    def _done(self, way: Way) -> None:
        """Count what was executed since the last head."""
        self._worst = max(self._worst, len(way))
        if way:
            self.line(f"n += {len(way)}")
            if self._advice.tallied:
                self.line(f"TALLY[{self._number_of(way)}] += 1")

    def _number_of(self, way: Way) -> int:
        return self.ways.setdefault(way, len(self.ways))

    def _block(self, start: int, way: Way, depth: int) -> None:
        block = self.blocks[start]
        dead = dead_flags(block.traits)
        for index, operation in enumerate(block.operations):
            eip = block.addresses[index]
            self.number = self._exit_here(eip, way, self.flags)
            self.flags_dead = dead[index]
            self.next_eip = eip + operation.length & MASK32
            self.overwrites = block.traits[index].overwrites
            self.beside_code, self.unaligned = eip in self._advice.beside_code, eip in self._advice.unaligned
            self.specialise(operation)
            way += (eip,)
        if block.transfers:
            self._transfer(block, way, depth)
        else:
            self._go(block.end, way, depth)

    # ---- control flow --------------------------------------------------------------------------

    def _transfer(self, block: Block, way: Way, depth: int) -> None:
        if self.branch is not None:
            test, target = self.branch
            self.line(f"if {test.test}:")
            self.depth += 1
            flags = self.flags.copy()
            self._to(target, way, depth)
            self.depth -= 1
            self.flags = flags
            self._go(block.end, way, depth)
        elif self.target is not None:
            self._to(self.target, way, depth)
        else:
            self._go(block.end, way, depth)

    def _to(self, target: Value, way: Way, depth: int) -> None:
        if isinstance(target, Known):
            self._go(target.value & MASK32, way, depth)
            return
        text = as_code(target).text
        if self.returns:
            self.line(f"b = RETURNS.get({text}, -1)")
            self.line("if b >= 0:")
            self.depth += 1
            self._pass_on(way)
            self.line("break")
            self.depth -= 1
        self._leave(text, way)

    def _go(self, target: int, way: Way, depth: int) -> None:
        if target not in self.blocks or target in self._advice.barriers:
            self._leave(str(target), way)
        elif target in self.heads or depth >= MOST_DEPTH:
            self.heads.setdefault(target, len(self.heads))
            self._pass_on(way)
            if target == self._head:
                self.line("continue")
            else:
                self.line(f"b = {self.heads[target]}")
                self.line("break")
        else:
            self._block(target, way, depth + 1)

    def _pass_on(self, way: Way) -> None:
        """Reach a head: count, and put the flags where every head expects them."""
        self._done(way)
        if self.flags.layers and len(self.flags.needs()) <= len(LATE_NAMES):
            self._postpone()
        elif self.flags.layers:
            self.line(f"fl = {self.flags.eflags()}; fk = 0")

    def _postpone(self) -> None:
        """Keep what the flags would be computed from, and how: most often nobody asks."""
        names = sorted(self.flags.needs())
        text = FlagState(self.flags.layers).eflags()
        for name, late in zip(names, LATE_NAMES, strict=False):
            text = re.sub(rf"\b{name}\b", late, text)
        number = self.late.setdefault(text, len(self.late) + 1)
        if not self.flags.complete:
            # Flags not written here stay in `fl`, where they are already if they were left in this way before.
            self.line(f"if fk != {number}: fl = {LATE}")
        kept = "".join(f"; {late} = {name}" for name, late in zip(names, LATE_NAMES, strict=False))
        self.line(f"fk = {number}{kept}")

    def _leave(self, eip: str, way: Way) -> None:
        """Leave the function at an instruction boundary."""
        self.line(f"e = {eip}")
        self._done(way)
        self.line(f"x = {self.flags.eflags()}")
        self.line("@return")

    # ---- source --------------------------------------------------------------------------------

    def _assemble(self, missed: list[Exception]) -> Region:
        save = "; ".join(f"regs[{index}] = r{index}" for index in sorted(self.dirty)) or "pass"
        head = ["def run(limit, regs, fl, R, W, V, M8, M16, M32):"]
        head += [f"    r{index} = regs[{index}]" for index in sorted(self.used)]
        head += [f"    l{number} = limit - {self.longest[h]}" for h, number in self.heads.items()]
        if self.stack_aligned and 4 in self.used:
            head.append(f"    if r4 & 3: return 0, {self.entry}, fl")
        head += ["    n = b = fk = fa = fb = fc = fd = 0", "    try:", "        while True:"]
        source = list(head)
        numbers: dict[int, int] = {}
        for line in self.lines:
            if line.text == "@return":
                source.append(f"{'    ' * line.depth}{save}")
                numbers[len(source)] = line.number
                source.append(f"{'    ' * line.depth}return n, e, x")
            else:
                source.append(f"{'    ' * line.depth}{line.text}")
            numbers[len(source)] = line.number
        source += ["    except LEFT as error:"]
        source += ["        MISSED.append(error)"]
        source += ["        out = EXITS[LINES[error.__traceback__.tb_lineno]]", f"        {save}"]
        if self._advice.tallied:
            source += ["        took(out.way)"]
        source += ["        return n + len(out.way), out.eip, eval(out.code or out.compile(), NAMES, locals())"]
        text = "\n".join(source) + "\n"
        names: dict[str, Any] = dict(PURE)
        names.update(
            EXITS=self.exits,
            LINES=numbers,
            LEFT=LEFT,
            MISSED=missed,
            HOLDS_CODE=self._holds_code,
            NAMES=names,
            UNALIGNED=UnalignedError,
            RETURNS={address: self.heads[address] for address in self.returns},
        )
        lates: list[Any] = [None]
        names["late"] = lambda fk, *kept: lates[fk](*kept) if fk else kept[-1]
        lates += [eval(f"lambda {', '.join(LATE_NAMES)}, fl: {way}", names) for way in self.late]
        region = Region(_not_yet, self.longest[self.entry], text, self.ways, [0] * len(self.ways))
        names["TALLY"], names["took"] = region.tally, region.took
        exec(compile(text, f"<region {self.entry:#x}>", "exec"), names)
        region.run = names["run"]
        return region


def _not_yet(*arguments: Any) -> tuple[int, int, int]:
    """A region that is being written cannot be run."""
    raise NotImplementedError
