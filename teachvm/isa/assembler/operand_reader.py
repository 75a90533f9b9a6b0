"""Operands as written: registers, numbers, far targets, and addresses in brackets.

Source: NASM manual, section 3.3 (effective addresses); where an address can be encoded in two ways, base and index
are chosen as NASM chooses, because the base decides between SS and DS.
"""

from collections.abc import Callable
from typing import Final

from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.expressions import (
    Binary,
    Constant,
    Expression,
    Scope,
    Unary,
    UndefinedError,
    Value,
    evaluate,
)
from teachvm.isa.assembler.expressions import Register as RegisterTerm
from teachvm.isa.assembler.lexer import Kind, Token
from teachvm.isa.assembler.reader import Reader, folded
from teachvm.isa.assembler.statements import Address, FarTarget, Number, Operand, Register
from teachvm.isa.operands import (
    EBP,
    EBX,
    EDI,
    ESI,
    ESP,
    REGISTER_NAMES,
    SEGMENT_NAMES,
    SIZE_KEYWORDS,
    Creg,
    Dreg,
    Reg,
    Sreg,
)

GENERAL: Final = {name: Reg(i, width) for width, names in REGISTER_NAMES.items() for i, name in enumerate(names)}
"""Every general register by its lower-case name."""
SEGMENTS: Final = {name: Sreg(i) for i, name in enumerate(SEGMENT_NAMES)}
SYSTEM: Final[dict[str, Creg | Dreg]] = {
    **{f"cr{i}": Creg(i) for i in (0, 2, 3, 4)},
    **{f"dr{i}": Dreg(i) for i in range(8)},
}
REGISTERS: Final[dict[str, Reg | Sreg | Creg | Dreg]] = {**GENERAL, **SEGMENTS, **SYSTEM}
_ABSENT: Final = frozenset((*(f"cr{i}" for i in (1, 5, 6, 7, 8)), *(f"tr{i}" for i in range(8))))
WIDTHS: Final = {keyword: width for width, keyword in SIZE_KEYWORDS.items()}
"""`byte` and its like -> width in bits."""
DISTANCES: Final = ("short", "near", "far")
KEYWORDS: Final = frozenset((*WIDTHS, *DISTANCES))
_FOREIGN: Final = {
    "ptr": "leave 'ptr' out: mov byte [ebx], 1",
    "offset": "leave 'offset' out: a label is its address",
    "strict": "leave it out: the shortest encoding is chosen",
}
"""Words of other assemblers -> what to write here."""


def general_register(word: str) -> Reg | None:
    """The general register of that lower-case name, if there is one."""
    return GENERAL.get(word)


class OperandReader:
    """Reads operands for code of `bits` 16 or 32; `constants` tells the value of an `equ` above."""

    def __init__(self, reader: Reader, bits: int, constants: Callable[[str], Value | None]) -> None:
        self._reader = reader
        self._bits = bits
        self._scope = Scope(constants, None, None)

    def all(self) -> tuple[Operand, ...]:
        """Operands up to the end of the line.

        Raises:
            AsmError: They are not well formed.
        """
        if self._reader.token is None:
            return ()
        operands = [self._operand()]
        while self._reader.take(","):
            operands.append(self._operand())
        self._reader.finish()
        return tuple(operands)

    def _operand(self) -> Operand:
        reader = self._reader
        width, distance, sized = self._keywords()
        token = reader.token
        if token is None:
            raise reader.unexpected("an operand")
        if token.kind is Kind.NAME:
            if token.word in _FOREIGN:
                raise error_at(token, f"'{token.text}' is not a word here", _FOREIGN[token.word])
            if token.word in _ABSENT:
                raise error_at(token, f"the processor has no register '{token.text}'")
            after = reader.peek(1)
            if token.word in SEGMENTS and after is not None and after.text == ":":
                return self._overridden(token, width, distance == "far")
            register = REGISTERS.get(token.word)
            if register is not None:
                reader.next()
                self._check_size(register, sized, width)
                return Register(register, token)
        if reader.at("["):
            return self._address(None, width, distance == "far")
        value = reader.expression()
        if reader.take(":"):
            return FarTarget(value, reader.expression(), token, width)
        return Number(value, token, width, distance)

    def _keywords(self) -> tuple[int, str, Token | None]:
        """Size and distance written before an operand."""
        width, distance, sized = 0, "", None
        while (token := self._reader.token) is not None and token.kind is Kind.NAME and token.word in KEYWORDS:
            self._reader.next()
            if token.word in WIDTHS:
                if sized is not None:
                    raise error_at(token, "one size is enough")
                width, sized = WIDTHS[token.word], token
            else:
                distance = token.word
        return width, distance, sized

    def _check_size(self, register: Reg | Sreg | Creg | Dreg, sized: Token | None, width: int) -> None:
        """A size before a register must be the one it has."""
        own = register.width if isinstance(register, Reg) else 16 if isinstance(register, Sreg) else 32
        if sized is not None and width != own:
            raise error_at(sized, f"'{register.name}' is not a {sized.word}")

    # --- Addresses ---------------------------------------------------------------------------------------------

    def _overridden(self, token: Token, width: int, far: bool) -> Address:
        """`es:[edi]`."""
        self._reader.next()
        self._reader.next()
        if not self._reader.at("["):
            raise self._reader.unexpected("'['")
        return self._address(token, width, far)

    def _address(self, segment: Token | None, width: int, far: bool) -> Address:
        reader = self._reader
        opening = reader.next()
        token, after = reader.token, reader.peek(1)
        if token is not None and token.kind is Kind.NAME:
            if token.word in KEYWORDS:
                raise error_at(token, "a size stands before the bracket, not in it", f"{token.word} [...]")
            if token.word in SEGMENTS and after is not None and after.text == ":":
                if segment is not None:
                    raise error_at(token, "one segment is enough")
                segment = token
                reader.next()
                reader.next()
        node = reader.expression(registers=True)
        reader.expect("]")
        number = None if segment is None else SEGMENTS[segment.word].index
        base, index, scale, adsize = self._shape(_Terms(self._scope).of(node), opening)
        disp = _without_registers(node)
        known = isinstance(disp, Constant) and disp.value == Value(0) and (base is not None or index is not None)
        return Address(number, base, index, scale, None if known else disp, adsize, opening, width, far)

    def _shape(
        self, terms: list[tuple[Reg, int, Token, bool]], opening: Token
    ) -> tuple[int | None, int | None, int, int]:
        """Base, index, scale and address size of registers with their factors."""
        if not terms:
            return None, None, 1, self._bits
        widths = {register.width for register, _, _, _ in terms}
        for register, factor, token, _ in terms:
            if register.width == 8:
                raise error_at(token, f"'{token.text}' cannot be part of an address", "use a 32-bit register")
            if factor < 0:
                raise error_at(token, f"'{token.text}' cannot be subtracted in an address")
        if len(widths) > 1:
            raise error_at(opening, "an address cannot mix 16-bit and 32-bit registers")
        if len(terms) > 2:
            raise error_at(terms[2][2], "an address has at most two registers")
        if widths == {16}:
            return (*_shape_16(terms), 1, 16)
        if len(terms) == 1:
            return (*_shape_of_one(terms[0]), 32)
        return (*_shape_of_two(terms), 32)


class _Terms:
    """Takes an address apart into registers and their factors, in the order they are written."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._found: dict[Reg, tuple[int, Token, bool]] = {}

    def of(self, node: Expression) -> list[tuple[Reg, int, Token, bool]]:
        """Registers with factor, token, and whether a factor was written; those that cancel out are gone."""
        self._add(node, 1, False)
        return [(reg, factor, token, marked) for reg, (factor, token, marked) in self._found.items() if factor]

    def _add(self, node: Expression, factor: int, marked: bool) -> None:
        match node:
            case RegisterTerm(register, token):
                before, first, mark = self._found.get(register, (0, token, False))
                self._found[register] = (before + factor, first, mark or marked)
            case Unary(operand, token) if token.text == "-":
                self._add(operand, -factor, marked)
            case Binary(left, right, token) if token.text in ("+", "-"):
                self._add(left, factor, marked)
                self._add(right, factor if token.text == "+" else -factor, marked)
            case Binary(left, right, token) if token.text == "*" and _has_register(node):
                scaled, by = (left, right) if _has_register(left) else (right, left)
                if not _has_register(by):
                    self._add(scaled, factor * self._scale(by, token), True)
                    return
                raise error_at(token, "registers cannot be multiplied with each other")
            case Unary() | Binary() if _has_register(node):
                raise error_at(node.token, f"'{node.token.text}' cannot be applied to a register")
            case _:
                pass

    def _scale(self, node: Expression, token: Token) -> int:
        try:
            value = evaluate(node, self._scope)
        except UndefinedError as unknown:
            raise error_at(
                unknown.token, f"'{unknown.name}' must be a number known above, to scale a register"
            ) from None
        if value.addresses or not 0 <= value.number <= 9:
            raise error_at(token, f"a register cannot be scaled by {value.number}", "only by 1, 2, 4 or 8")
        return value.number


def _has_register(node: Expression) -> bool:
    match node:
        case RegisterTerm():
            return True
        case Unary(operand):
            return _has_register(operand)
        case Binary(left, right):
            return _has_register(left) or _has_register(right)
        case _:
            return False


def _without_registers(node: Expression) -> Expression:
    """The displacement: an address is linear in its registers, so it is the value with all of them zero."""
    match node:
        case RegisterTerm(_, token):
            return Constant(Value(0), token)
        case Unary(operand, token, depth):
            return folded(Unary(_without_registers(operand), token, depth))
        case Binary(left, right, token, depth):
            left, right = _without_registers(left), _without_registers(right)
            if token.text in ("+", "-") and right == Constant(Value(0), right.token):
                return left
            if token.text == "+" and left == Constant(Value(0), left.token):
                return right
            return folded(Binary(left, right, token, depth))
        case _:
            return node


def _shape_of_one(term: tuple[Reg, int, Token, bool]) -> tuple[int | None, int | None, int]:
    """`[r]`, and `[r*n]`: n of 2, 3, 5, 9 takes the register twice, which saves a long displacement."""
    register, factor, token, _ = term
    number = register.index
    if factor == 1:
        return number, None, 1
    if number == ESP:
        raise error_at(token, "'esp' cannot be scaled")
    if factor in (2, 3, 5, 9):
        return number, number, factor - 1
    if factor in (4, 8):
        return None, number, factor
    raise error_at(token, f"'{token.text}' cannot be scaled by {factor}", "only by 1, 2, 4 or 8")


def _shape_of_two(terms: list[tuple[Reg, int, Token, bool]]) -> tuple[int | None, int | None, int]:
    """`[r+s*n]`: the one with a factor is the index; of two without, the second."""
    (first, factor, token, marked), (second, factor_2, token_2, _) = terms
    base, index, scale, at = first.index, second.index, factor_2, token_2
    if factor != 1 or (marked and factor_2 == 1):
        base, index, scale, at = second.index, first.index, factor, token
        if factor_2 != 1:
            raise error_at(token_2, "only one register of an address can be scaled")
    if index == ESP and scale == 1:
        base, index = index, base
    if index == ESP:
        raise error_at(at, "'esp' cannot be scaled" if scale > 1 else "'esp' cannot be both base and index")
    if scale not in (1, 2, 4, 8):
        raise error_at(at, f"'{at.text}' cannot be scaled by {scale}", "only by 1, 2, 4 or 8")
    return base, index, scale


def _shape_16(terms: list[tuple[Reg, int, Token, bool]]) -> tuple[int | None, int | None]:
    """The eight forms of 16-bit addressing."""
    for _, factor, token, _ in terms:
        if factor != 1:
            raise error_at(token, "16-bit addresses know no scale")
    numbers = {register.index for register, _, _, _ in terms}
    if len(numbers) == 1 and numbers <= {EBX, EBP, ESI, EDI}:
        return numbers.pop(), None
    bases, indexes = numbers & {EBX, EBP}, numbers & {ESI, EDI}
    if len(bases) == len(indexes) == 1:
        return bases.pop(), indexes.pop()
    raise error_at(terms[0][2], "no such 16-bit address", "bx or bp, plus si or di")
