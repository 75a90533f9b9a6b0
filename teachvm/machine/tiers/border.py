"""Where specialised code meets the machine: memory through page maps, flags, EIP.

Only what is named here touches state.
"""

from __future__ import annotations

from typing import Any, Final

from teachvm.isa.descriptors import DB_BIT, Segment
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import CS, SS
from teachvm.machine.bound import Bound
from teachvm.machine.bound_memory import Memory
from teachvm.machine.registers import MASK32
from teachvm.machine.segmentation import Segmentation
from teachvm.machine.tiers.locals import Locals
from teachvm.machine.tiers.values import Code, Known, Many, Status, UnsupportedError, Value, as_code, const

FLAT_LIMIT: Final = 0xFFBF_FFFF
"""Smallest limit of a segment that counts as flat: page maps hold nothing of the 4 MiB above."""
_SIZES: Final = {1: ("M8", 0), 2: ("M16", 1), 4: ("M32", 2)}
"""By access size: the view of memory, and how far an address is shifted to index it."""


def is_flat(segment: Segment) -> bool:
    """Whether offsets in a segment are linear addresses, as far as page maps go."""
    return segment.present and not segment.base and segment.limit >= FLAT_LIMIT and not segment.expand_down


class Border(Locals):
    """What specialised meanings may ask of the CPU and of memory."""

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
                self.asks_flags = True
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
            case (("read" | "read_for_write"), [Known(value=segment), offset, Known(value=size)]):
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
            case (("push" | "top" | "drop" | "moved_esp" | "stack_offset" | "frame_offset" | "esp_at_frame"), _):
                return self.call(getattr(Segmentation, name), [Known("cpu"), *arguments])
            case _:
                raise UnsupportedError(f"cpu.{name}()")

    def call(self, function: Any, arguments: list[Value]) -> Value:
        """Run a function of the project on values; the evaluator does."""
        raise NotImplementedError

    def _set_flags(self, flags: Value, mask: int) -> None:
        if mask & ~STATUS:
            raise UnsupportedError("flags beyond the status flags")
        if self.on_one_way:
            raise UnsupportedError("flags written on one way only")
        self.wrote_flags |= mask
        if self.flags_dead:
            self.flags.write(mask, Code("0"))
            return
        if isinstance(flags, Status):
            self.flags.write(mask, flags)
        else:
            self.flags.write(mask, self.atom(as_code(flags)))

    def _jump(self, target: Value) -> None:
        end = self.segments[CS].limit
        if isinstance(target, Known):
            if target.value > end:
                raise UnsupportedError("a jump out of the code segment")
        else:
            target = self.atom(as_code(target))
            if end != MASK32:
                self.leaving()
                self.line(f"if {target.text} > {FLAT_LIMIT}: raise UNALIGNED")
        if self.condition is None:
            self.target = target
        else:
            self.branch = (self.condition, target)

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
        if not is_flat(held) or not (held.writable if write else held.readable):
            raise UnsupportedError("a segment that is not flat")
        if segment == SS and not held.access & DB_BIT:
            raise UnsupportedError("a stack of 16 bits")

    def _place(self, offset: Code, size: int, pages: str) -> str:
        """Source of where in memory an access goes; an access it cannot do leaves."""
        if offset.bits is None or offset.bits > 32:
            raise UnsupportedError("an address of unknown size")
        self.leaving()
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
            named = self.temporary(value.text, value.bits)
            self.replace(value, named)
            value = named
        place = self._place(offset, size, "V" if self.beside_code else "W")
        if self.beside_code or self.unaligned:
            self.line(f"p = {place}")
            place = "p"
        if self.beside_code:
            self.line(f"if HOLDS_CODE(p, {size}): raise UNALIGNED")
        what = f"({value.text}).to_bytes({size}, 'little')" if self.unaligned and size > 1 else value.text
        self.line(f"{self._view(place, size)} = {what}")
        self.committed = True

    def called(self, name: str, operands: tuple[Known | Code, ...], count: int) -> Many:
        """A call that is made at run time."""
        self.leaving()
        results = [self.new_name() for _ in range(count)]
        arguments = ", ".join(as_code(operand).text for operand in operands)
        self.line(f"{', '.join(results)} = {name}({arguments})")
        return Many(tuple(Code(result, frozenset((result,)), 32) for result in results))
