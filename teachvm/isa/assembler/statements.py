"""What one line asks for, once read: facts without addresses."""

from collections.abc import Iterator
from dataclasses import dataclass

from teachvm.isa.assembler.expressions import Binary, Expression, Symbol, Unary
from teachvm.isa.assembler.lexer import SourceLine, Token
from teachvm.isa.operands import Creg, Dreg, Reg, Sreg


@dataclass(frozen=True, slots=True)
class Number:
    """An operand that is a value: a constant or a branch target.

    Shape: `width` in bits as written before it, or 0; `distance` is 'short', 'near' or ''.
    """

    value: Expression
    token: Token
    width: int = 0
    distance: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """An operand in memory.

    Shape: `segment` is the one written, or None; `width` in bits as written, or 0; `far` marks a far pointer.
    """

    segment: int | None
    base: int | None
    index: int | None
    scale: int
    disp: Expression | None
    adsize: int
    token: Token
    width: int = 0
    far: bool = False


@dataclass(frozen=True, slots=True)
class FarTarget:
    """An operand `selector:offset`; `width` of the offset in bits as written, or 0."""

    selector: Expression
    offset: Expression
    token: Token
    width: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """An operand that is a register."""

    register: Reg | Sreg | Creg | Dreg
    token: Token


@dataclass(frozen=True, slots=True)
class BaseAddress:
    """A RISC-V operand `offset(base)`; no offset means 0."""

    offset: Expression | None
    base: int
    token: Token


@dataclass(frozen=True, slots=True)
class Indexed:
    """A RISC-V operand that is a register, by its number."""

    register: int
    token: Token


@dataclass(frozen=True, slots=True)
class RiscvCode:
    """A RISC-V instruction: its word and operands."""

    word: Token
    operands: tuple[Indexed | BaseAddress | Number, ...]


Operand = Number | Address | FarTarget | Register


@dataclass(frozen=True, slots=True)
class Code:
    """An instruction: its word, prefixes before it, operands, and the bits of the code segment it is for."""

    word: Token
    prefixes: tuple[Token, ...]
    operands: tuple[Operand, ...]
    bits: int


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a data directive, with the token errors point at."""

    value: Expression
    token: Token


@dataclass(frozen=True, slots=True)
class Data:
    """`db` and its like: strings as bytes, values of `unit` bytes each."""

    unit: int
    items: tuple[bytes | Item, ...]


@dataclass(frozen=True, slots=True)
class Reserve:
    """`resb` and its like: so many times `unit` zero bytes."""

    unit: int
    count: Expression
    token: Token


@dataclass(frozen=True, slots=True)
class Align:
    """Fill with `fill` up to a multiple of `boundary`, a power of two."""

    boundary: int
    fill: int
    token: Token


@dataclass(frozen=True, slots=True)
class Times:
    """`times count` of what follows; `$` in it is the address of the first round."""

    count: Expression
    token: Token
    body: Code | RiscvCode | Data | Reserve


@dataclass(frozen=True, slots=True)
class Label:
    """The next byte has a name."""

    name: str
    token: Token


@dataclass(frozen=True, slots=True)
class Equ:
    """A name for a value."""

    name: str
    token: Token
    value: Expression


Statement = Code | RiscvCode | Data | Reserve | Align | Times | Label | Equ


@dataclass(frozen=True, slots=True)
class Placed:
    """A statement, the line of a file it counts for, and the way it came through, innermost first."""

    statement: Statement
    origin: SourceLine
    trail: tuple[str, ...]


def symbols_of(statement: Statement) -> Iterator[Symbol]:
    """Every name a statement mentions, where it stands."""
    for node in _expressions(statement):
        yield from _symbols(node)


def _expressions(statement: Statement) -> Iterator[Expression]:
    match statement:
        case Code(_, _, operands):
            for operand in operands:
                match operand:
                    case Number(value):
                        yield value
                    case FarTarget(selector, offset):
                        yield from (selector, offset)
                    case Address(disp=disp) if disp is not None:
                        yield disp
                    case _:
                        pass
        case RiscvCode(_, operands):
            yield from (one.value for one in operands if isinstance(one, Number))
            yield from (one.offset for one in operands if isinstance(one, BaseAddress) and one.offset is not None)
        case Data(_, items):
            yield from (item.value for item in items if isinstance(item, Item))
        case Reserve(_, count):
            yield count
        case Times(count, _, body):
            yield count
            yield from _expressions(body)
        case Equ(_, _, value):
            yield value
        case _:
            pass


def _symbols(node: Expression) -> Iterator[Symbol]:
    match node:
        case Symbol():
            yield node
        case Unary(operand):
            yield from _symbols(operand)
        case Binary(left, right):
            yield from _symbols(left)
            yield from _symbols(right)
        case _:
            pass
