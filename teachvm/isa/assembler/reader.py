"""Reads the tokens of one statement from left to right; expressions are what it knows by itself.

Source: NASM manual, chapter 3 (the operators and their order).
"""

from collections.abc import Callable
from typing import Final

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import AsmError, error_at
from teachvm.isa.assembler.expressions import (
    Binary,
    Constant,
    Expression,
    Position,
    Register,
    Scope,
    Symbol,
    Unary,
    Value,
    evaluate,
)
from teachvm.isa.assembler.lexer import Kind, Token
from teachvm.isa.operands import Reg

_PRECEDENCE: Final = {
    "||": 1, "^^": 2, "&&": 3,
    "=": 4, "==": 4, "!=": 4, "<>": 4, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9,
    "*": 10, "/": 10, "//": 10, "%": 10, "%%": 10,
}  # fmt: skip
_NOTHING: Final = Scope(lambda _: None, None, None)


class Reader:
    """Reads tokens of one statement from left to right; expressions are the words it knows.

    `full_name` makes a local label's full name; `register` names the register a word is, if it is one.
    """

    def __init__(
        self, tokens: list[Token], full_name: Callable[[Token], str], register: Callable[[str], Reg | None]
    ) -> None:
        self.tokens = tokens
        self.index = 0
        self._full_name = full_name
        self._register = register

    @property
    def token(self) -> Token | None:
        """The next token, or None at the end."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def peek(self, offset: int) -> Token | None:
        """The token `offset` after the next one."""
        index = self.index + offset
        return self.tokens[index] if index < len(self.tokens) else None

    def next(self) -> Token:
        """Take the next token; the caller knows that there is one."""
        token = self.tokens[self.index]
        self.index += 1
        return token

    def at(self, sign: str) -> bool:
        """Whether the next token is this sign."""
        token = self.token
        return token is not None and token.kind is Kind.SIGN and token.text == sign

    def take(self, sign: str) -> bool:
        """Take this sign if it is next."""
        if self.at(sign):
            self.index += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        """Take this sign.

        Raises:
            AsmError: Something else is next.
        """
        if not self.take(sign):
            raise self.unexpected(f"'{sign}'")

    def finish(self) -> None:
        """The statement ends here.

        Raises:
            AsmError: Something is left over.
        """
        if self.token is not None:
            raise self.unexpected("the end of the line")

    def unexpected(self, wanted: str) -> AsmError:
        """The error for meeting something else than `wanted`."""
        token = self.token
        if token is None:
            last = self.tokens[-1]
            end = last._replace(column=last.column + len(last.text))
            return error_at(end, f"{wanted} is missing here")
        if token.kind is Kind.LOCAL:
            return error_at(token, f"'%%{token.text}' means something only inside a %macro")
        if token.kind is Kind.PARAMETER:
            return error_at(
                token, f"'{token.text}' means something only inside a %macro", "write '% ' for the remainder"
            )
        if token.kind is Kind.DIRECTIVE:
            return error_at(token, f"'{token.text}' stands at the start of a line", "write '% ' for the remainder")
        return error_at(token, f"expected {wanted}, found '{token.text[:40]}'")

    def expression(self, registers: bool = False) -> Expression:
        """Read one expression; `registers` are words of it inside an address only.

        Raises:
            AsmError: It is not well formed, or nested too deeply.
        """
        return self._binary(0, registers, 0)

    def _binary(self, floor: int, registers: bool, nested: int) -> Expression:
        left = self._unary(registers, nested)
        while (token := self.token) is not None and token.kind is Kind.SIGN:
            precedence = _PRECEDENCE.get(token.text, 0)
            if precedence <= floor:
                break
            self.index += 1
            right = self._binary(precedence, registers, nested + 1)
            left = folded(Binary(left, right, token, 1 + max(left.depth, right.depth)))
        return left

    def _unary(self, registers: bool, nested: int) -> Expression:
        token = self.token
        if token is None:
            raise self.unexpected("a value")
        if nested > limits.EXPRESSION_DEPTH:
            raise error_at(token, "this expression is nested too deeply")
        if token.kind is not Kind.SIGN:
            return self._atom(token, registers)
        if token.text == "(":
            self.index += 1
            inner = self._binary(0, registers, nested + 1)
            self.expect(")")
            return inner
        if token.text == "+":
            self.index += 1
            return self._unary(registers, nested + 1)
        if token.text in ("-", "~", "!"):
            self.index += 1
            operand = self._unary(registers, nested + 1)
            return folded(Unary(operand, token, operand.depth + 1))
        raise self.unexpected("a value")

    def _atom(self, token: Token, registers: bool) -> Expression:
        if token.kind is Kind.NUMBER:
            self.index += 1
            return Constant(Value(token.number), token)
        if token.kind is Kind.STRING:
            self.index += 1
            if len(token.data) > 8:
                raise error_at(token, "a string of more than 8 bytes is not a number")
            return Constant(Value(int.from_bytes(token.data, "little")), token)
        if token.kind is Kind.HERE:
            self.index += 1
            return Position(token)
        if token.kind is not Kind.NAME:
            raise self.unexpected("a value")
        register = self._register(token.word)
        if register is None:
            self.index += 1
            return Symbol(self._full_name(token), token)
        if not registers:
            raise error_at(token, f"register '{token.text}' cannot be part of a number")
        self.index += 1
        return Register(register, token)


def folded(node: Unary | Binary) -> Expression:
    """A constant where only constants stand below, else the node itself; depth stays bounded."""
    if node.depth > limits.EXPRESSION_DEPTH:
        raise error_at(node.token, "this expression is too long", "give a part of it a name with equ")
    below = (node.operand,) if isinstance(node, Unary) else (node.left, node.right)
    if all(isinstance(part, Constant) for part in below):
        return Constant(evaluate(node, _NOTHING), node.token)
    return node
