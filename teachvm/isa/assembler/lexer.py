"""One line of source becomes tokens that remember where they stand.

A token's text is what was written; names keep their case. Comments end a line at `;`.
"""

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import AsmError, Problem, error_at


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    NUMBER = auto()
    STRING = auto()
    SIGN = auto()
    HERE = auto()
    """`$`, the address of this statement, or `$$`, the address of the first byte."""
    DIRECTIVE = auto()
    """`%define` and its like, lower case."""
    PARAMETER = auto()
    """`%1`, or `%0` for their number."""
    LOCAL = auto()
    """`%%name`, a label of one expansion of a macro."""
    PASTE = auto()
    """`%+`, which joins its neighbours into one word."""


class SourceLine(NamedTuple):
    """A line as it stands in a file."""

    file: str
    number: int
    text: str


class Token(NamedTuple):
    """One word of a line.

    Shape: `number` is the value of a NUMBER and the index of a PARAMETER; `data` the bytes of a STRING;
    `glued` says that no blank stands before it.
    """

    kind: Kind
    text: str
    source: SourceLine
    column: int
    glued: bool = False
    number: int = 0
    data: bytes = b""

    @property
    def file(self) -> str:
        """Name of the source file."""
        return self.source.file

    @property
    def line(self) -> int:
        """Line from 1."""
        return self.source.number

    @property
    def text_of_line(self) -> str:
        """The whole line as written."""
        return self.source.text

    @property
    def word(self) -> str:
        """The text in lower case, as mnemonics, registers and keywords compare."""
        return self.text.lower()


_TOKEN: Final = re.compile(
    r"(?P<blank>[ \t]+)"
    r"|(?P<comment>;.*)"
    r"|(?P<name>[A-Za-z_.?@][A-Za-z0-9_.$\#@~?]*)"
    r"|(?P<number>[0-9][0-9A-Za-z_]*)"
    r"|(?P<string>'[^']*'|\"[^\"]*\"|`(?:\\.|[^`\\])*`)"
    r"|(?P<here>\$\$?(?![A-Za-z0-9_.?@$]))"
    r"|(?P<local>%%[A-Za-z_.?@][A-Za-z0-9_.$\#@~?]*)"
    r"|(?P<parameter>%[0-9]{1,3}|%\{[0-9]{1,3}\})"
    r"|(?P<directive>%[A-Za-z][A-Za-z0-9]*)"
    r"|(?P<paste>%\+)"
    r"|(?P<sign><<|>>|<=|>=|==|!=|<>|&&|\|\||\^\^|//|%%|[-+*/%&|^~!()\[\]{},:=<>])"
)
_KINDS: Final = {
    "name": Kind.NAME,
    "here": Kind.HERE,
    "paste": Kind.PASTE,
    "sign": Kind.SIGN,
}
_RADIX_LETTERS: Final = {"x": 16, "h": 16, "d": 10, "t": 10, "o": 8, "q": 8, "b": 2, "y": 2}
_ESCAPES: Final = {
    "n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "e": 27, "f": 12, "v": 11, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63,
}  # fmt: skip
_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))|([^\\]+)", re.DOTALL)


def number_value(text: str) -> int | None:
    """Value of a number as NASM writes it (`0x1F`, `1Fh`, `0b101`, `101b`, `1_000`), or None.

    Where a prefix and a suffix both name a base, the larger base is meant: `0b1h` is hexadecimal.
    """
    digits = text.replace("_", "").lower()
    if not digits or len(digits) > limits.NUMBER_CHARACTERS:
        return None
    prefix = _RADIX_LETTERS.get(digits[1], 0) if digits[0] == "0" and len(digits) > 2 else 0
    suffix = _RADIX_LETTERS.get(digits[-1], 0) if len(digits) > 1 else 0
    radix = 10
    if prefix and prefix >= suffix:
        radix, digits = prefix, digits[2:]
    elif suffix:
        radix, digits = suffix, digits[:-1]
    try:
        return int(digits, radix)
    except ValueError:
        return None


def tokenize(line: SourceLine) -> list[Token]:
    """Split a line into tokens.

    Raises:
        AsmError: A character, number or string that means nothing, at its column.
    """
    text = line.text
    if len(text) > limits.LINE_CHARACTERS:
        raise _wrong(
            line._replace(text=""),
            limits.LINE_CHARACTERS + 1,
            f"this line is longer than {limits.LINE_CHARACTERS} characters",
        )
    tokens: list[Token] = []
    position, end, glued = 0, len(text), False
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unexpected(line, position)
        group = match.lastgroup or ""
        if group == "blank":
            glued = False
        elif group != "comment":
            tokens.append(_token(group, match.group(), line, position + 1, glued))
            glued = True
        position = match.end()
    return tokens


def reread(text: str, model: Token) -> Token:
    """A word made by pasting, read again; it stands where `model` stands.

    Raises:
        AsmError: It is neither a name nor a number.
    """
    match = _TOKEN.fullmatch(text)
    group = match.lastgroup if match else None
    if group not in ("name", "number"):
        raise error_at(model, f"'{text[:40]}', pasted together here, is neither a name nor a number")
    return _token(group, text, model.source, model.column, model.glued)


def _token(group: str, text: str, line: SourceLine, column: int, glued: bool) -> Token:
    """Make the token of a regular-expression group."""
    kind = _KINDS.get(group)
    if len(text) > limits.NAME_CHARACTERS and group in ("name", "number", "local", "directive"):
        raise _wrong(line, column, f"this word is longer than {limits.NAME_CHARACTERS} characters")
    if kind is not None:
        return Token(kind, text, line, column, glued)
    if group == "number":
        value = number_value(text)
        token = Token(Kind.NUMBER, text, line, column, glued, value or 0)
        if value is None:
            raise error_at(token, f"'{text[:40]}' is not a number", _number_hint(text))
        if value >> 64:
            raise error_at(token, f"'{text[:40]}' does not fit in 64 bits")
        return token
    if group == "string":
        return Token(Kind.STRING, text, line, column, glued, 0, _string_bytes(text, line, column))
    if group == "parameter":
        return Token(Kind.PARAMETER, text, line, column, glued, int(text.strip("%{}")))
    if group == "local":
        return Token(Kind.LOCAL, text[2:], line, column, glued)
    return Token(Kind.DIRECTIVE, text.lower(), line, column, glued)


def _number_hint(text: str) -> str:
    """What the writer of a broken number probably meant."""
    if re.fullmatch(r"[0-9][0-9A-Fa-f_]*", text):
        return f"write 0x{text} for hexadecimal"
    if re.fullmatch(r"[0-9].*[A-Za-z_]+.*", text) and not text.lower().startswith(("0x", "0b")):
        return "names begin with a letter"
    return ""


def _string_bytes(text: str, line: SourceLine, column: int) -> bytes:
    """Bytes of a quoted string: UTF-8; only `backquotes` know escapes, as in NASM."""
    body = text[1:-1]
    if text[0] != "`":
        return body.encode("utf-8", "surrogatepass")
    out = bytearray()
    for match in _ESCAPE.finditer(body):
        hexadecimal, octal, letter, plain = match.groups()
        if plain is not None:
            out += plain.encode("utf-8", "surrogatepass")
        elif hexadecimal is not None:
            out.append(int(hexadecimal, 16))
        elif octal is not None:
            out.append(int(octal, 8) & 0xFF)
        elif letter in _ESCAPES:
            out.append(_ESCAPES[letter])
        else:
            raise _wrong(line, column + 1 + match.start(), f"unknown escape '\\{letter}' in a `string`")
    return bytes(out)


def _unexpected(line: SourceLine, position: int) -> AsmError:
    """The error for a character no token starts with."""
    character = line.text[position]
    column = position + 1
    if character in "'\"`":
        return _wrong(line, column, "this string has no closing quote", f"end it with {character}")
    if character == "$":
        return _wrong(line, column, "'$' stands alone, for the address of this statement", "write 0x for hexadecimal")
    shown = character if character.isprintable() else f"\\x{ord(character):02x}"
    hint = {"#": "comments begin with ';'", "\\": "a statement ends with its line"}.get(character, "")
    return _wrong(line, column, f"unexpected character '{shown}'", hint)


def _wrong(line: SourceLine, column: int, message: str, hint: str = "") -> AsmError:
    """An error at a place that is not a token."""
    return AsmError([Problem(line.file, line.number, column, message, hint, line.text)])
