"""Directives that make or place data: db, resb, times, align, incbin and their like."""

from collections.abc import Callable
from typing import Final, Protocol

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.expressions import NO_ADDRESS, Constant, Scope, UndefinedError, Value, evaluate, shown
from teachvm.isa.assembler.lexer import Kind, Token
from teachvm.isa.assembler.preprocessor import read_file
from teachvm.isa.assembler.reader import Reader
from teachvm.isa.assembler.resolver import Resolver
from teachvm.isa.assembler.statements import Align, Data, Item, Reserve
from teachvm.isa.fit import in_range

DATA: Final = {"db": 1, "dw": 2, "dd": 4, "dq": 8}
"""Directive -> bytes of one value."""
RESERVE: Final = {"resb": 1, "resw": 2, "resd": 4, "resq": 8}
NOP: Final = 0x90
"""What `align` fills with: execution may run through it."""
UNSUPPORTED: Final = {
    "section": "the output is one flat piece; use align and labels",
    "segment": "the output is one flat piece; use align and labels",
    "global": "there is no linker; every label can be seen",
    "extern": "there is no linker; %include the other source",
    "struc": "give the offsets names with equ",
    "use16": "write bits 16",
    "use32": "write bits 32",
    "dt": "there is no floating point",
    "do": "write two dq",
}
"""Directives of NASM that mean nothing here -> what to do instead."""


class Context(Protocol):
    """What directives need to know about the source so far."""

    @property
    def origin(self) -> int:
        """Address of the first byte."""

    @property
    def resolver(self) -> Resolver | None:
        """Where files come from."""

    @property
    def budget(self) -> limits.Budget:
        """Work left for this source."""

    def constant(self, name: str) -> Value | None:
        """The value of an `equ` above, where it needs no addresses."""


def known_number(reader: Reader, about: Token, constants: Callable[[str], Value | None]) -> int:
    """A plain number that is known before there are addresses.

    Raises:
        AsmError: It is not.
    """
    node = reader.expression()
    try:
        value = evaluate(node, Scope(constants, None, None))
    except UndefinedError as unknown:
        raise error_at(
            unknown.token, f"'{about.text}' needs a number known above, and '{unknown.name}' is none"
        ) from None
    return value.number


def read_data(reader: Reader, directive: Token) -> Data:
    """Values and strings of `db` and its like.

    Raises:
        AsmError: There are none, or they are not well formed.
    """
    unit = DATA[directive.word]
    items: list[bytes | Item] = []
    known = bytearray()  # what needs no addresses, up to the next value that does
    while True:
        token, after = reader.token, reader.peek(1)
        if token is None:
            raise reader.unexpected("a value")
        if token.kind is Kind.STRING and (after is None or after.text == ","):
            reader.next()
            # A string fills whole units: dw "abc" is 4 bytes.
            known += token.data + bytes(-len(token.data) % unit)
        else:
            value = reader.expression()
            if isinstance(value, Constant):
                known += item_bytes(unit, value.value, token)
            else:
                items += [bytes(known), Item(value, token)]
                known.clear()
        if not reader.take(","):
            break
    reader.finish()
    return Data(unit, (*items, bytes(known)))


def item_bytes(unit: int, value: Value, token: Token) -> bytes:
    """One value of a data directive.

    Raises:
        AsmError: It does not fit `unit` bytes, or is no number and no address.
    """
    if value.addresses not in (0, 1):
        raise error_at(token, NO_ADDRESS)
    if not in_range(value.number, 8 * unit):
        raise error_at(token, f"{shown(value.number)} does not fit in {8 * unit} bits")
    return (value.number & (1 << 8 * unit) - 1).to_bytes(unit, "little")


def read_reserve(reader: Reader, directive: Token) -> Reserve:
    """The count of `resb` and its like.

    Raises:
        AsmError: It is not well formed.
    """
    count = reader.expression()
    reader.finish()
    return Reserve(RESERVE[directive.word], count, directive)


def read_align(reader: Reader, directive: Token, context: Context) -> Align:
    """`align 16` or `align 16, db 0`.

    Raises:
        AsmError: The boundary is no power of two, too large, or no divisor of the origin.
    """
    boundary = known_number(reader, directive, context.constant)
    fill = NOP
    if reader.take(","):
        token = reader.token
        if token is None or token.word not in ("db", "nop"):
            raise reader.unexpected("'db' or 'nop'")
        reader.next()
        if token.word == "db":
            fill = known_number(reader, directive, context.constant)
            if not -128 <= fill <= 255:
                raise error_at(token, f"{fill} does not fit in 8 bits")
    reader.finish()
    if boundary < 1 or boundary & (boundary - 1):
        raise error_at(directive, f"{boundary} is no alignment", "use a power of two")
    if boundary > limits.OUTPUT_BYTES:
        raise error_at(directive, f"{boundary} is more than {limits.OUTPUT_BYTES} bytes")
    if context.origin % boundary:
        raise error_at(
            directive,
            f"the origin {context.origin:#x} is no multiple of {boundary}",
            "align counts from the first byte, so the addresses would not be aligned",
        )
    return Align(boundary, fill & 0xFF, directive)


def read_incbin(reader: Reader, directive: Token, context: Context) -> Data:
    """`incbin "file"`, with how many bytes to leave out before it and how many to take.

    Raises:
        AsmError: The file may not be read, or has fewer bytes.
    """
    name = reader.token
    if name is None or name.kind is not Kind.STRING:
        raise error_at(directive, "incbin needs a file name in quotes")
    reader.next()
    data = read_file(context.resolver, name, limits.OUTPUT_BYTES)
    context.budget.spend(len(data) // limits.CHARACTERS_PER_STEP)
    skip, length = 0, None
    if reader.take(","):
        skip = known_number(reader, directive, context.constant)
    if reader.take(","):
        length = known_number(reader, directive, context.constant)
    reader.finish()
    if not 0 <= skip <= len(data):
        raise error_at(directive, f"{name.text} has {len(data)} bytes, {skip} cannot be left out")
    if length is not None and not 0 <= length <= len(data) - skip:
        raise error_at(directive, f"{name.text} has {len(data) - skip} bytes from there on, not {length}")
    return Data(1, (data[skip:] if length is None else data[skip : skip + length],))
