"""Where specialised code meets the machine: registers as locals, memory through page maps, flags, EIP.

Only what is named here touches state. Order is kept: a load is done where it stands, a register changes where it is
stored to, and a value computed from its old contents keeps them in a temporary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from teachvm.isa.descriptors import DB_BIT, Segment
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import ESP
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.registers import MASK32
from teachvm.machine.tiers.flags import FlagState, substitute, undone
from teachvm.machine.tiers.values import Code, Known, Many, Status, UnsupportedError, Value, as_code, const

FLAT_LIMIT: Final = 0xFFBF_FFFF
"""Smallest limit of a segment that counts as flat: page maps hold nothing of the 4 MiB above."""
_SIZES: Final = {1: ("M8", 0), 2: ("M16", 1), 4: ("M32", 2)}
"""By access size: the view of memory, and how far an address is shifted to index it."""


class Line:
    """One line of the function: indentation, source, and which instruction it belongs to."""

    __slots__ = ("depth", "number", "text")

    def __init__(self, depth: int, text: str, number: int) -> None:
        self.depth, self.text, self.number = depth, text, number


class Border:
    """State of a specialisation in progress.

    Attributes:
        lines: The function's body so far.
        depth: Indentation of the next line.
        number: The instruction being specialised, by its place in the table of exits.
        flags: Where the status flags are to be had.
        flags_dead: Nobody can see the flags this instruction writes.
        overwrites: Flags this instruction writes in any case.
        stack_aligned: ESP is a multiple of four throughout.
        unaligned: This instruction's accesses are most often not aligned.
        beside_code: This instruction stores into pages that hold code, most often beside it.
        branch: The conditional transfer of this instruction: condition and target.
        target: Its unconditional transfer.
    """

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments
        self.lines: list[Line] = []
        self.depth = 0
        self.number = 0
        self.flags = FlagState()
        self.flags_dead = False
        self.frames: list[dict[str, Value]] = []
        self.names: list[dict[str, Any]] = []
        self.branch: tuple[Code, Value] | None = None
        self.target: Value | None = None
        self.next_eip = 0
        self.used: set[int] = set()
        self.dirty: set[int] = set()
        self.touches_memory = False
        self.overwrites = 0
        self.stack_aligned = False
        self.beside_code = self.unaligned = False
        self.memo: dict[str, Code] = {}
        self._memo_needs: dict[str, frozenset[str]] = {}
        self._temporaries = 0
        self._condition: Code | None = None
        self._condition_at = 0

    # ---- lines ---------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self.lines.append(Line(self.depth, text, self.number))

    def temporary(self, text: str, needs: frozenset[str] = frozenset(), bits: int | None = None) -> Code:
        """Compute something now and keep it."""
        del needs
        self._temporaries += 1
        name = f"t{self._temporaries}"
        self.line(f"{name} = {text}")
        return Code(name, frozenset((name,)), bits)

    def atom(self, code: Code) -> Code:
        """The value under a name, or as a plain constant."""
        if not code.loose:
            return code
        known = self.memo.get(code.text)
        if known is None:
            known = replace(self.temporary(code.text, code.needs, code.bits), aligned=code.aligned)
            if self._condition is None:
                self.memo[code.text] = known
                self._memo_needs[code.text] = code.needs
        return known

    def forget_names(self) -> None:
        """A new instruction: expressions named for the last one are not looked for any more."""
        self.memo.clear()
        self._memo_needs.clear()

    def shared(self, code: Code) -> Code:
        """A value that is used more than once; a register takes it without a temporary (see `store_register`)."""
        return code

    # ---- expressions ---------------------------------------------------------------------------

    def join(self, symbol: str, left: Value, right: Value) -> Code | Known:
        """Two operands of an arithmetic operator, with what is known about the size of the result."""
        a, b = as_code(left), as_code(right)
        if symbol == "+" and isinstance(right, Known) and right.value < 0:
            symbol, right, b = "-", Known(-right.value), const(-right.value)
        simple = _identity(symbol, left, right, a, b)
        if simple is not None:
            return simple
        bits = _bits(symbol, left, right, a, b)
        aligned = _aligned(symbol, right, a)
        return Code(f"{a.inner} {symbol} {b.inner}", a.needs | b.needs, bits, loose=True, aligned=aligned)

    def called(self, name: str, operands: tuple[Known | Code, ...], count: int) -> Many:
        """A call that is made at run time."""
        results = [f"t{self._temporaries + index + 1}" for index in range(count)]
        self._temporaries += count
        arguments = ", ".join(as_code(operand).text for operand in operands)
        self.line(f"{', '.join(results)} = {name}({arguments})")
        return Many(tuple(Code(result, frozenset((result,)), 32) for result in results))

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
        value = self.memo.get(value.text, value)
        self._keep(name, value)
        for text in [text for text, needs in self._memo_needs.items() if name in needs]:
            del self.memo[text], self._memo_needs[text]
        last = self.lines[-1] if self.lines else None
        if last is not None and last.text.startswith(f"{value.text} = ") and value.text.startswith("t"):
            if self._condition is None or len(self.lines) > self._condition_at + 1:
                last.text = f"{name} = {last.text[len(value.text) + 3 :]}"
                self._replace(value, Code(name, frozenset((name,)), value.bits))
                return
        if value.text != name:
            self.line(f"{name} = {value.text}")
        if self._condition is None and not value.text.isdigit():
            self._replace(value, Code(name, frozenset((name,)), value.bits))

    def _live(self) -> Iterator[Value]:
        for frame in self.frames:
            yield from frame.values()
        if self.branch is not None:
            yield self.branch[0]
            yield self.branch[1]

    def _keep(self, name: str, stored: Code) -> None:
        """Copy a register that is about to change, if something still needs it."""
        for frame in self.frames:
            for local, value in frame.items():
                if isinstance(value, Status) and value.result is stored:
                    frame[local] = undone(value, name)
        needed = name in self.flags.needs(self.overwrites)
        for value in self._live():
            if value is not stored and name in _needed(value, stored, name):
                needed = True
        if not needed:
            return
        self._temporaries += 1
        copy = Code(f"t{self._temporaries}", frozenset((f"t{self._temporaries}",)), 32)
        text = f"{copy.text} = {name}"
        if self._condition is None:
            self.line(text)
        else:
            # Inside a conditional statement: the copy has to be there on both ways.
            self.lines.insert(self._condition_at, Line(self.depth - 1, text, self.number))
            self._condition_at += 1
        self.flags.rename(name, copy)
        self._map(lambda code: code if code is stored else substitute(code, name, copy), stored)

    def _replace(self, old: Code, new: Code) -> None:
        """A value now has a name of its own."""
        self._map(lambda code: new if code is old else code, None)
        for layer in self.flags.layers:
            if isinstance(layer.source, Status) and layer.source.result is old:
                layer.source = Status(layer.source.function, layer.source.operands, layer.source.index, new)

    def _map(self, change: Any, stored: Code | None) -> None:
        for frame in self.frames:
            for name, value in frame.items():
                frame[name] = _mapped(value, change, stored)
        if self.branch is not None:
            self.branch = (change(self.branch[0]), _mapped(self.branch[1], change, stored))

    # ---- choices -------------------------------------------------------------------------------

    @contextmanager
    def only_if(self, test: Code) -> Iterator[None]:
        """Statements that are done only if a condition holds; a jump among them becomes the instruction's branch."""
        if self._condition is not None:
            raise UnsupportedError("a choice within a choice")
        before = self.flags.copy()
        self._condition, self._condition_at = test, len(self.lines)
        self.line(f"if {test.test}:")
        self.depth += 1
        start = len(self.lines)
        try:
            yield
        finally:
            self.depth -= 1
            self._condition = None
        if [(layer.mask, layer.source) for layer in before.layers] != [
            (layer.mask, layer.source) for layer in self.flags.layers
        ] and len(before.layers) != len(self.flags.layers):
            raise UnsupportedError("flags written on one way only")
        if len(self.lines) == start:
            del self.lines[start - 1]

    # ---- what meanings ask of the CPU ----------------------------------------------------------

    def cpu_attribute(self, name: str) -> Value:
        """A member of the CPU that is read."""
        match name:
            case "regs":
                return Known("regs")
            case "segs":
                return Known(self.segments)
            case "next_eip":
                return Known(self.next_eip)
            case "eflags":
                return Code(self.flags.eflags(), self.flags.needs() | {"fl"}, 32, loose=True)
            case _:
                raise UnsupportedError(f"cpu.{name}")

    def cpu_call(self, name: str, arguments: list[Value]) -> Value:
        """A method of the CPU that is called."""
        match name, arguments:
            case "set_flags", [flags, Known(value=mask)]:
                self._set_flags(flags, mask)
                return Known(None)
            case "jump", [target]:
                self._jump(target)
                return Known(None)
            case "read8", [Known(value=segment), offset]:
                return self.load(segment, as_code(offset), 1, write=False)
            case "read32", [Known(value=segment), offset]:
                return self.load(segment, as_code(offset), 4, write=False)
            case "read_for_write32", [Known(value=segment), offset]:
                return self.load(segment, as_code(offset), 4, write=True)
            case ("read" | "read_for_write"), [Known(value=segment), offset, Known(value=size)]:
                return self.load(segment, as_code(offset), size, write=name != "read")
            case "write8", [Known(value=segment), offset, value]:
                self.store(segment, as_code(offset), 1, as_code(value))
                return Known(None)
            case "write32", [Known(value=segment), offset, value]:
                self.store(segment, as_code(offset), 4, as_code(value))
                return Known(None)
            case "write", [Known(value=segment), offset, Known(value=size), value]:
                self.store(segment, as_code(offset), size, as_code(value))
                return Known(None)
            case ("push" | "top" | "drop" | "moved_esp" | "stack_offset" | "frame_offset" | "esp_at_frame"), _:
                from teachvm.machine.segmentation import Segmentation

                return self.call(getattr(Segmentation, name), [Known("cpu"), *arguments])
            case _:
                raise UnsupportedError(f"cpu.{name}()")

    def call(self, function: Any, arguments: list[Value]) -> Value:
        """Run a function of the project on values; the evaluator does."""
        raise NotImplementedError

    def _set_flags(self, flags: Value, mask: int) -> None:
        if mask & ~STATUS:
            raise UnsupportedError("flags beyond the status flags")
        if self._condition is not None:
            raise UnsupportedError("flags written on one way only")
        if self.flags_dead:
            self.flags.write(mask, Code("0"))
            return
        if isinstance(flags, Status):
            self.flags.write(mask, flags)
        else:
            self.flags.write(mask, self.atom(as_code(flags)))

    def _jump(self, target: Value) -> None:
        if isinstance(target, Code):
            target = self.atom(target)
        if self._condition is None:
            self.target = target
        else:
            self.branch = (self._condition, target)

    # ---- memory --------------------------------------------------------------------------------

    def address(self, operand: Bound) -> Code:
        """The offset of a memory operand."""
        if not isinstance(operand, Memory) or operand.mem.adsize != 32 or operand.popped:
            raise UnsupportedError("this way of addressing")
        mem = operand.mem
        terms = [] if mem.base is None else [self.register(mem.base)]
        if mem.index is not None:
            index = self.register(mem.index)
            terms.append(index if mem.scale == 1 else Code(f"{index.text} * {mem.scale}", index.needs, 35))
        if not terms:
            return const(mem.disp & MASK32)
        needs = frozenset().union(*(term.needs for term in terms))
        disp = mem.disp - (1 << 32) if mem.disp >= 1 << 31 else mem.disp
        if len(terms) == 1 and not disp and terms[0].bits == 32:
            return terms[0]
        text = " + ".join(term.text for term in terms) + (f" {'-' if disp < 0 else '+'} {abs(disp)}" if disp else "")
        aligned = len(terms) == 1 and terms[0].aligned and not disp & 3
        return Code(f"{text} & {MASK32}", needs, 32, loose=True, aligned=aligned)

    def _flat(self, segment: int, *, write: bool) -> None:
        held = self.segments[segment]
        usable = held.present and (held.writable if write else held.readable)
        if held.base or held.limit < FLAT_LIMIT or not usable or not held.access & DB_BIT and segment == 2:
            raise UnsupportedError("a segment that is not flat")

    def _place(self, offset: Code, size: int, pages: str) -> str:
        """Source of where in memory an access goes; an access it cannot do leaves."""
        if offset.bits is None or offset.bits > 32:
            raise UnsupportedError("an address of unknown size")
        at = self.atom(offset)
        fixed = int(at.text) if at.text.isdigit() else None
        if self.unaligned and size > 1:
            self.line(f"if {at.text} & 4095 > {4096 - size}: raise UNALIGNED")
        elif size > 1 and not at.aligned:
            if fixed is None:
                self.line(f"if {at.text} & {size - 1}: raise UNALIGNED")
            elif fixed & size - 1:
                self.line("raise UNALIGNED")
        return f"{at.text} + {pages}[{at.text + ' >> 12' if fixed is None else fixed >> 12}]"

    def _view(self, place: str, size: int) -> str:
        """Source of the memory at a place."""
        view, shift = _SIZES[size]
        if self.unaligned and size > 1:
            return f"M8[{place}:{place} + {size}]"
        return f"{view}[({place}) >> {shift}]" if shift else f"{view}[{place}]"

    def load(self, segment: int, offset: Code, size: int, *, write: bool) -> Code:
        """Read memory now."""
        if size not in _SIZES:
            raise UnsupportedError("an access of this size")
        self._flat(segment, write=write)
        place = self._place(offset, size, "W" if write and not self.beside_code else "V" if write else "R")
        if not self.unaligned or size == 1:
            return self.temporary(self._view(place, size), bits=8 * size)
        self.line(f"p = {place}")
        return self.temporary(f"int.from_bytes({self._view('p', size)}, 'little')", bits=8 * size)

    def store(self, segment: int, offset: Code, size: int, value: Code) -> None:
        """Write memory now."""
        if size not in _SIZES or value.bits is None or value.bits > 8 * size:
            raise UnsupportedError("a store of this value")
        self._flat(segment, write=True)
        if value.loose:
            named = self.temporary(value.text, value.needs, value.bits)
            self._replace(value, named)
            value = named
        place = self._place(offset, size, "V" if self.beside_code else "W")
        if self.beside_code or self.unaligned:
            self.line(f"p = {place}")
            place = "p"
        if self.beside_code:
            self.line(f"if HOLDS_CODE(p, {size}): raise UNALIGNED")
        what = f"({value.text}).to_bytes({size}, 'little')" if self.unaligned and size > 1 else value.text
        self.line(f"{self._view(place, size)} = {what}")


def _needed(value: Value, stored: Code, name: str) -> frozenset[str]:
    match value:
        case Code():
            return value.needs
        case Many(items=items):
            return frozenset().union(*(_needed(item, stored, name) for item in items if item is not stored))
        case Status(operands=operands, result=result):
            parts = [*operands, *([] if result is None or result is stored else [result])]
            if any(isinstance(part, Code) and part.truth == AFTER + name for part in parts):
                return frozenset()
            return frozenset().union(*(_needed(part, stored, name) for part in parts))
        case _:
            return frozenset()


AFTER: Final = "after "
"""Marks an operand computed back from the register the result goes to: it is good once that is stored."""


def _mapped(value: Value, change: Any, stored: Code | None) -> Value:
    match value:
        case Code():
            return value if value is stored else change(value)
        case Many(items=items):
            return Many(tuple(_mapped(item, change, stored) for item in items))  # type: ignore[misc,arg-type]
        case Status(function=function, operands=operands, index=index, result=result):
            changed = tuple(_mapped(operand, change, stored) for operand in operands)
            new = None if result is None else _mapped(result, change, stored)
            return Status(function, changed, index, new)  # type: ignore[arg-type]
        case _:
            return value


def _identity(symbol: str, left: Value, right: Value, a: Code, b: Code) -> Code | Known | None:
    """Operations that change nothing."""
    if isinstance(right, Known):
        value = right.value
        if value == 0 and symbol in ("+", "-", "|", "^", "<<", ">>"):
            return a
        if symbol == "&" and a.bits is not None and value >= 0 and value & (1 << a.bits) - 1 == (1 << a.bits) - 1:
            return a
        if symbol == "&" and value == 0 or symbol == ">>" and a.bits is not None and a.bits <= value:
            return Known(0)
        if symbol == "*" and value == 1:
            return a
    if isinstance(left, Known) and left.value == 0 and symbol in ("+", "|", "^"):
        return b
    return None


def _aligned(symbol: str, right: Value, a: Code) -> bool:
    """Whether a result is a multiple of four because the left operand is."""
    if not a.aligned or not isinstance(right, Known):
        return False
    return right.value & 3 == 0 if symbol in ("+", "-") else symbol == "&"


def _bits(symbol: str, left: Value, right: Value, a: Code, b: Code) -> int | None:
    """How many bits a result can have at the most."""
    if symbol == "&":
        known = [code.bits for code in (a, b) if code.bits is not None]
        return min(known, default=None)
    if symbol == ">>" and isinstance(right, Known) and a.bits is not None:
        return max(a.bits - right.value, 0)
    if a.bits is None or b.bits is None:
        return None
    match symbol:
        case "+":
            return max(a.bits, b.bits) + 1
        case "|" | "^":
            return max(a.bits, b.bits)
        case "*":
            return a.bits + b.bits
        case "<<" if isinstance(right, Known):
            return a.bits + right.value
        case _:
            return None


assert ESP == 4
