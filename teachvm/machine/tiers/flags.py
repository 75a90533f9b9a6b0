"""Status flags kept as what they would be computed from.

A `FlagState` is a stack of layers over the EFLAGS value the compiled code was entered with. Each layer says: these
flags come from that function of those operands. Flags are computed only when something asks, by the very functions the
meanings name; a condition asks for less than that where algebra gives it directly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from teachvm.isa import alu, shifts
from teachvm.isa.flags import CF, OF, PF, SF, STATUS, ZF
from teachvm.machine.registers import MASK32
from teachvm.machine.tiers.values import Code, Known, Status, as_code, needs_of, renamed

ENTRY = "fl"
"""Local that holds EFLAGS as they were when the code was entered; bits that are no status flags stay so."""

_LOGIC = (alu.and_, alu.or_, alu.xor)
_COMPARING = (alu.sub,)
_RESULT_FLAGS = {
    alu.add, alu.adc, alu.sub, alu.sbb, alu.and_, alu.or_, alu.xor, alu.inc, alu.dec, alu.neg, shifts.shl, shifts.shr,
    shifts.sar, shifts.shld, shifts.shrd,
}  # fmt: skip
"""Functions whose ZF, SF and PF follow from their result."""


@dataclass(slots=True)
class Layer:
    """Flags of `mask` come from `source`: a computation not done, or code for their mask of bits."""

    mask: int
    source: Status | Code


@dataclass(slots=True)
class FlagState:
    """Where each flag's value is to be had, newest layer last."""

    layers: list[Layer] = field(default_factory=list)
    base: str = ENTRY

    def copy(self) -> FlagState:
        """An independent copy, for the other arm of a branch."""
        return FlagState([Layer(layer.mask, layer.source) for layer in self.layers], self.base)

    @property
    def complete(self) -> bool:
        """Every status flag is in some layer."""
        return sum(layer.mask & STATUS for layer in self.layers) == STATUS

    def write(self, mask: int, source: Status | Code) -> None:
        """Replace flags; layers that hold nothing any more are dropped."""
        for layer in self.layers:
            layer.mask &= ~mask
            if isinstance(layer.source, Status) and layer.source.function in _LOGIC and not layer.mask & ~(CF | OF):
                layer.source = Code("0", bits=0)
        self.layers = [layer for layer in self.layers if layer.mask]
        self.layers.append(Layer(mask, source))

    def needs(self, besides: int = 0) -> frozenset[str]:
        """Locals the flags depend on, but for those of a mask."""
        return frozenset().union(*(_needs(layer, layer.mask & ~besides) for layer in self.layers))

    def rename(self, name: str, copy: Code) -> None:
        """A local is about to change; its old value lives in another from now on."""
        for layer in self.layers:
            source = renamed(layer.source, name, copy)
            assert isinstance(source, Status | Code)
            layer.source = source

    def source_of(self, mask: int) -> Layer | None:
        """The one layer that holds all flags of a mask; None if it is the entry value or several."""
        for layer in self.layers:
            if layer.mask & mask:
                return layer if layer.mask & mask == mask else None
        return None

    def held(self, mask: int) -> bool:
        """Whether any layer holds one of these flags."""
        return any(layer.mask & mask for layer in self.layers)

    def eflags(self) -> str:
        """Source of the whole EFLAGS value."""
        text = ENTRY if self.complete else self.base
        for layer in self.layers:
            carry = _direct(layer.source, 1) if layer.mask == CF and isinstance(layer.source, Status) else None
            part = f"{_mask_text(layer.source)} & {layer.mask}" if carry is None else f"({carry})"
            text = f"({text} & {~layer.mask & 0xFFFFFFFF} | {part})"
        return text


def _needs(layer: Layer, mask: int) -> frozenset[str]:
    source = layer.source
    if not mask or (isinstance(source, Status) and source.function in _LOGIC and not mask & ~(CF | OF)):
        return frozenset()
    return needs_of(source)


def _mask_text(source: Status | Code) -> str:
    if isinstance(source, Code):
        return source.inner
    arguments = ", ".join(as_code(operand).text for operand in source.operands)
    call = f"{function_name(source.function)}({arguments})"
    return call if source.index is None else f"{call}[{source.index}]"


def function_name(function: object) -> str:
    """Name of a pure function in compiled code."""
    return f"{getattr(function, '__module__', '').rpartition('.')[2]}_{getattr(function, '__name__', '')}"


_INVERSE: Final = {alu.add: "-", alu.sub: "+", alu.xor: "^", alu.inc: "-", alu.dec: "+"}


def undone(status: Status, name: str) -> Status | None:
    """The same flags, their first operand computed back from the result once that is in register `name`.

    So the register's old contents need not be kept. None if that cannot be done.
    """
    first = status.operands[0]
    symbol = _INVERSE.get(status.function)
    if symbol is None or not isinstance(first, Code) or first.text != name or _width(status) != 32:
        return None
    other = status.operands[1] if len(status.operands) == 3 else Known(1)
    right = as_code(other)
    if name in right.needs or right.loose:
        return None
    again = Code(f"{name} {symbol} {right.text} & {MASK32}", frozenset((name,)) | right.needs, 32, loose=True)
    return Status(status.function, (again, *status.operands[1:]), status.index, status.result)


# ---- conditions ----------------------------------------------------------------------------------


def condition(state: FlagState, code: int) -> str:
    """Source that is true where condition `code` (0..15) holds."""
    text = _positive(state, code >> 1)
    return f"not ({text})" if code & 1 else text


_TESTED = (OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF)
"""By condition pair: the flags it tests."""


def _positive(state: FlagState, pair: int) -> str:
    layer = state.source_of(_TESTED[pair])
    if layer is not None and isinstance(layer.source, Status):
        direct = _direct(layer.source, pair)
        if direct is not None:
            return direct
    eflags = state.eflags()
    match pair:
        case 6:
            return f"({eflags} >> 4 ^ {eflags}) & {SF}" if not state.layers else _less(eflags)
        case 7:
            return f"{eflags} & {ZF} or {_less(eflags)}"
        case _:
            return f"{eflags} & {_TESTED[pair]}"


def _less(eflags: str) -> str:
    """SF differs from OF: they are four bits apart."""
    return f"(({eflags}) >> 4 ^ ({eflags})) & {SF}"


def _direct(source: Status, pair: int) -> str | None:
    """Algebra for a condition right after a known operation; None where there is none."""
    function, width = source.function, _width(source)
    if width is None:
        return None
    if function is alu.sub:
        return _compared(source, pair, width)
    if pair == 2 and function in _RESULT_FLAGS and source.result is not None:
        return f"not {as_code(source.result).inner}"
    if pair == 4 and function in _RESULT_FLAGS and source.result is not None:
        return f"{as_code(source.result).inner} > {(1 << width - 1) - 1}"
    if function in _LOGIC and source.result is not None:
        return _logic(as_code(source.result), pair, width)
    if pair == 1 and function is alu.add and source.result is not None:
        return f"{as_code(source.result).inner} < {as_code(source.operands[0]).inner}"
    return None


def _width(source: Status) -> int | None:
    last = source.operands[-1] if source.operands else None
    return last.value if isinstance(last, Known) and isinstance(last.value, int) else None


def _compared(source: Status, pair: int, width: int) -> str | None:
    a, b = as_code(source.operands[0]), as_code(source.operands[1])
    top = 1 << width - 1
    match pair:
        case 1:
            return f"{a.inner} < {b.inner}"
        case 2:
            return f"{a.inner} == {b.inner}"
        case 3:
            return f"{a.inner} <= {b.inner}"
        case 4:
            return f"({a.inner} - {b.inner}) & {top}"
        case 6:
            return f"({a.inner} ^ {top}) < ({b.inner} ^ {top})"
        case 7:
            return f"({a.inner} ^ {top}) <= ({b.inner} ^ {top})"
        case _:
            return None


def _logic(result: Code, pair: int, width: int) -> str | None:
    """After AND, OR, XOR, TEST: CF and OF are clear."""
    top = (1 << width - 1) - 1
    match pair:
        case 0 | 1:
            return "False"
        case 3:
            return f"not {result.inner}"
        case 6:
            return f"{result.inner} > {top}"
        case 7:
            return f"not 0 < {result.inner} <= {top}"
        case _:
            return None


assert STATUS == CF | PF | 1 << 4 | ZF | SF | OF
