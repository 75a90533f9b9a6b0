"""One line becomes statements: labels, then a directive or an instruction.

Source: NASM manual, section 3.1 (layout of a line). Deviation: a label before an instruction needs its colon, so that a
mistyped instruction is never taken for a label.
"""

from collections.abc import Iterator
from typing import Final

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.directives import (
    DATA,
    RESERVE,
    UNSUPPORTED,
    known_number,
    read_align,
    read_data,
    read_incbin,
    read_reserve,
)
from teachvm.isa.assembler.errors import did_you_mean, error_at
from teachvm.isa.assembler.expressions import Expression, Scope, UndefinedError, Value, evaluate
from teachvm.isa.assembler.lexer import Kind, Token
from teachvm.isa.assembler.macros import Tokens
from teachvm.isa.assembler.operand_reader import KEYWORDS, REGISTERS, OperandReader, general_register
from teachvm.isa.assembler.reader import Reader
from teachvm.isa.assembler.resolver import Resolver
from teachvm.isa.assembler.riscv import RISCV_REGISTERS, RISCV_WORDS, no_register, read_riscv
from teachvm.isa.assembler.statements import Code, Data, Equ, Label, Reserve, RiscvCode, Statement, Times
from teachvm.isa.names import FAR_NAMES, REP_NAMES, SPELLINGS

INSTRUCTIONS: Final = frozenset(name.lower() for name in SPELLINGS if name not in FAR_NAMES)
"""Every word that is an instruction."""
REPEATS: Final = {name.lower(): rep for name, rep in REP_NAMES.items()}
SIZE_PREFIXES: Final = ("o16", "o32", "a16", "a32")
PREFIXES: Final = frozenset(("lock", *REPEATS, *SIZE_PREFIXES, "es", "cs", "ss", "ds", "fs", "gs"))
_LAYOUT: Final = ("org", "bits", "arch", "align", "incbin")
_STARTERS: Final = frozenset((*DATA, *RESERVE, "times", "incbin", "equ"))
"""Words after which a name without a colon must be a label."""
WORDS: Final = frozenset((*INSTRUCTIONS, *PREFIXES, *DATA, *RESERVE, *_LAYOUT, "times", "equ"))
"""Every word a statement may begin with."""
RESERVED: Final = frozenset((*WORDS, *REGISTERS, *KEYWORDS))
"""Words that cannot name a label or a macro."""
ARCHITECTURES: Final = ("ia32", "rv32")
_RISCV_RESERVED: Final = frozenset((*RISCV_WORDS, *RISCV_REGISTERS, *DATA, *RESERVE, *_LAYOUT, "times", "equ"))
"""The same where the code is for a RISC-V processor."""


class Parser:
    """Reads lines in order; keeps the origin, the code size, and the label that local ones belong to."""

    def __init__(self, resolver: Resolver | None, budget: limits.Budget) -> None:
        self.resolver = resolver
        self.budget = budget
        self.origin = 0
        self.bits = 32
        self.riscv = False
        self.defined: dict[str, Token] = {}
        self._constants: dict[str, Value] = {}
        self._parent: str | None = None
        self._placed = False
        self._origin_token: Token | None = None

    def constant(self, name: str) -> Value | None:
        """The value of an `equ` above, where it needs no addresses."""
        return self._constants.get(name)

    def statements(self, tokens: Tokens) -> Iterator[Statement]:
        """Statements of one line.

        Raises:
            AsmError: The line is not well formed; labels before the mistake are already given.
        """
        if tokens[0].text == "[":
            tokens = _unbracketed(tokens)
        reader = Reader(tokens, self._full_name, no_register if self.riscv else general_register)
        while (label := self._label(reader)) is not None:
            yield label
        if reader.token is not None:
            statement = self._statement(reader)
            if statement is not None:
                self._placed = True
                yield statement

    # --- Labels ------------------------------------------------------------------------------------------------

    def _full_name(self, token: Token) -> str:
        """The name of a symbol, local ones with the label they belong to."""
        name = token.text
        if not name.startswith(".") or name.startswith("..@"):
            return name
        if name.startswith("..") or name == ".":
            raise error_at(token, f"'{name}' is not a name")
        if self._parent is None:
            raise error_at(token, f"there is no label before the local label '{name}'")
        return self._parent + name

    def _label(self, reader: Reader) -> Label | Equ | None:
        """The label or `equ` at the start of a line, if there is one."""
        token, after = reader.token, reader.peek(1)
        if token is None or token.kind is not Kind.NAME or after is None:
            return None
        colon = after.kind is Kind.SIGN and after.text == ":"
        reserved = _RISCV_RESERVED if self.riscv else RESERVED
        if not colon and (
            token.word in (reserved if self.riscv else WORDS)
            or after.kind is not Kind.NAME
            or after.word not in _STARTERS
        ):
            return None
        if token.word in reserved:
            raise error_at(token, f"'{token.text}' is a word of the assembler", "give the label another name")
        name = self._full_name(token)
        reader.next()
        if colon:
            reader.next()
        following = reader.token
        is_equ = following is not None and following.kind is Kind.NAME and following.word == "equ"
        earlier = self.defined.get(name)
        if earlier is not None:
            raise error_at(token, f"'{name}' is already defined, in {earlier.file}:{earlier.line}")
        self.defined[name] = token
        if is_equ:
            reader.next()
            return self._equ(name, token, reader)
        if not token.text.startswith("."):
            self._parent = name
        self._placed = True
        return Label(name, token)

    def _equ(self, name: str, token: Token, reader: Reader) -> Equ:
        value = reader.expression()
        reader.finish()
        known = self._known(value)
        if known is not None:
            self._constants[name] = known
        return Equ(name, token, value)

    def _known(self, value: Expression) -> Value | None:
        """The value, if it needs no addresses and nothing from below."""
        try:
            return evaluate(value, Scope(self.constant, None, None))
        except UndefinedError:
            return None

    # --- Statements --------------------------------------------------------------------------------------------

    def _statement(self, reader: Reader) -> Statement | None:
        token = reader.token
        if token is None or token.kind is not Kind.NAME:
            raise reader.unexpected("an instruction, a directive or a label")
        word = token.word
        if word == "org":
            self._org(reader)
        elif word == "bits":
            self._set_bits(reader)
        elif word == "arch":
            self._set_arch(reader)
        elif word == "align":
            return read_align(reader, reader.next(), self)
        elif word == "times":
            return self._times(reader)
        elif word in UNSUPPORTED:
            raise error_at(token, f"there is no '{word}' here", UNSUPPORTED[word])
        elif word == "equ":
            raise error_at(token, "'equ' needs a name before it")
        else:
            return self._repeatable(reader)
        return None

    def _repeatable(self, reader: Reader) -> Code | RiscvCode | Data | Reserve:
        """A statement that `times` may stand before."""
        token = reader.next()
        if token.word in DATA:
            return read_data(reader, token)
        if token.word in RESERVE:
            return read_reserve(reader, token)
        if token.word == "incbin":
            return read_incbin(reader, token, self)
        if self.riscv:
            return read_riscv(token, reader)
        return self._code(token, reader)

    def _code(self, word: Token, reader: Reader) -> Code:
        prefixes = []
        while word.word in PREFIXES:
            prefixes.append(word)
            following = reader.token
            if following is None:
                raise error_at(word, f"'{word.text}' stands before an instruction")
            word = reader.next()
        if word.word not in INSTRUCTIONS:
            raise self._unknown(word, reader)
        operands = OperandReader(reader, self.bits, self.constant).all()
        return Code(word, tuple(prefixes), operands, self.bits)

    def _unknown(self, word: Token, reader: Reader) -> Exception:
        if word.word in UNSUPPORTED:
            return error_at(word, f"there is no '{word.text}' here", UNSUPPORTED[word.word])
        if word.kind is not Kind.NAME:
            return error_at(word, f"expected an instruction, found '{word.text[:40]}'")
        if word.word in WORDS:
            return error_at(word, f"'{word.text}' cannot stand here")
        hint, following = did_you_mean(word.word, WORDS), reader.token
        if not hint and (following is None or following.word in WORDS):
            hint = "a label ends with ':'"
        return error_at(word, f"unknown instruction '{word.text[:40]}'", hint)

    def _times(self, reader: Reader) -> Times:
        token = reader.next()
        count = reader.expression()
        following = reader.token
        if following is None or following.kind is not Kind.NAME:
            raise reader.unexpected("an instruction or data")
        if following.word in ("times", *_LAYOUT[:3]):
            raise error_at(following, f"'{following.text}' cannot be repeated with times")
        return Times(count, token, self._repeatable(reader))

    def _org(self, reader: Reader) -> None:
        token = reader.next()
        origin = known_number(reader, token, self.constant)
        reader.finish()
        if self._origin_token is not None:
            raise error_at(token, f"the origin is already set, in line {self._origin_token.line}")
        if self._placed:
            raise error_at(token, "org stands before the first label, instruction and data")
        if not 0 <= origin < 1 << 32:
            raise error_at(token, f"{origin:#x} is not a 32-bit address")
        self.origin, self._origin_token = origin, token

    def _set_bits(self, reader: Reader) -> None:
        token = reader.next()
        bits = known_number(reader, token, self.constant)
        reader.finish()
        if bits not in (16, 32):
            raise error_at(token, f"there is no {bits}-bit code here", "bits 32 or bits 16")
        self.bits = bits

    def _set_arch(self, reader: Reader) -> None:
        token = reader.next()
        name = reader.next() if reader.token is not None else None
        reader.finish()
        if name is None or name.word not in ARCHITECTURES:
            raise error_at(name or token, "arch names a processor", f"one of {', '.join(ARCHITECTURES)}")
        if self._placed:
            raise error_at(token, "arch stands before the first label, instruction and data")
        self.riscv = name.word == "rv32"


def _unbracketed(tokens: Tokens) -> Tokens:
    """`[bits 32]` and `[org 0x7c00]`, which NASM also knows, without their brackets."""
    if len(tokens) > 2 and tokens[1].word in ("bits", "org") and tokens[-1].text == "]":
        return tokens[1:-1]
    raise error_at(tokens[0], "expected an instruction, a directive or a label, found '['")
