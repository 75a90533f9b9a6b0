"""Multi-line macros: what a definition keeps, and how a use fills it in."""

from collections.abc import Iterator
from dataclasses import dataclass

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.lexer import Kind, Token, reread

Tokens = list[Token]


@dataclass(frozen=True, slots=True)
class Macro:
    """A definition: its name, how many parameters it takes, defaults for the last of them, and its lines."""

    name: Token
    least: int
    most: int
    defaults: tuple[Tokens, ...]
    body: tuple[Tokens, ...]

    def takes(self, count: int) -> bool:
        """Whether a use with `count` arguments means this definition."""
        return self.least <= count <= self.most

    def filled(self, arguments: list[Tokens]) -> list[Tokens]:
        """The arguments of a use, with defaults for those left out."""
        missing = self.most - len(arguments)
        if missing <= 0:
            return arguments
        # Defaults belong to the optional parameters, from the first of those on.
        given = len(arguments) - self.least
        rest = [*self.defaults[given:], *([] for _ in range(missing))]
        return arguments + rest[:missing]


def read_header(tokens: Tokens) -> tuple[Token, int, int, tuple[Tokens, ...]]:
    """`%macro NAME 2` or `%macro NAME 1-2 default`: name, fewest and most parameters, defaults.

    Raises:
        AsmError: It is not one of these.
    """
    directive = tokens[0]
    if len(tokens) < 2 or tokens[1].kind is not Kind.NAME:
        raise error_at(directive, "%macro needs a name", "write %macro name 1")
    if len(tokens) < 3 or tokens[2].kind is not Kind.NUMBER:
        raise error_at(tokens[1], f"%macro {tokens[1].text} needs its number of parameters", "0 for none")
    least = most = tokens[2].number
    rest = tokens[3:]
    if rest and rest[0].text == "-":
        if len(rest) < 2 or rest[1].kind is not Kind.NUMBER:
            raise error_at(rest[0], "%macro needs a number after '-'", "as many parameters as it takes at most")
        most, rest = rest[1].number, rest[2:]
    elif rest:
        raise error_at(rest[0], f"unexpected '{rest[0].text}' after the number of parameters")
    if not least <= most <= limits.MACRO_PARAMETERS:
        raise error_at(tokens[2], f"a macro takes 0 to {limits.MACRO_PARAMETERS} parameters, the smaller number first")
    defaults = tuple(split_arguments(rest))
    if len(defaults) > most - least:
        raise error_at(tokens[2], "more default values than optional parameters")
    return tokens[1], least, most, defaults


def split_arguments(tokens: Tokens) -> Iterator[Tokens]:
    """Arguments of a use: separated by commas; `{braces}` keep commas inside and are dropped.

    Raises:
        AsmError: A brace without its partner.
    """
    if not tokens:
        return
    argument: Tokens = []
    opened: list[Token] = []
    for token in tokens:
        if token.kind is Kind.SIGN and token.text == "{":
            opened.append(token)
            if len(opened) == 1:
                continue
        elif token.kind is Kind.SIGN and token.text == "}":
            if not opened:
                raise error_at(token, "'}' without '{'")
            opened.pop()
            if not opened:
                continue
        elif token.kind is Kind.SIGN and token.text == "," and not opened:
            yield argument
            argument = []
            continue
        argument.append(token)
    if opened:
        raise error_at(opened[-1], "'{' without '}'")
    yield argument


def substitute(row: Tokens, arguments: list[Tokens], given: int, unique: int) -> Tokens:
    """One line of a macro's body for one use: parameters filled in, `%%labels` made unique, words joined.

    A parameter that touches a word becomes part of it: with 3 for `%1`, `isr%1` is `isr3`.

    Raises:
        AsmError: A parameter the macro does not have.
    """
    if not any(token.kind in (Kind.PARAMETER, Kind.LOCAL) for token in row):
        return row
    out: Tokens = []
    made = False  # whether the last token of `out` came from an argument
    for token in row:
        fill = _filling(token, arguments, given, unique)
        if fill is None:
            _append(out, token, made)
            made = False
            continue
        for position, part in enumerate(fill):
            # The first word of an argument touches what the parameter touched.
            _append(out, part._replace(glued=token.glued) if position == 0 else part, position == 0)
        made = bool(fill)
    return out


def _filling(token: Token, arguments: list[Tokens], given: int, unique: int) -> Tokens | None:
    """What stands in a token's place, or None for the token itself."""
    if token.kind is Kind.LOCAL:
        # NASM's own spelling: not a word anybody writes, and it leaves the last label's locals alone.
        return [token._replace(kind=Kind.NAME, text=f"..@{unique}.{token.text}")]
    if token.kind is not Kind.PARAMETER:
        return None
    if token.number == 0:
        return [token._replace(kind=Kind.NUMBER, text=str(given), number=given)]
    if token.number > len(arguments):
        raise error_at(token, f"'{token.text}' is not a parameter of this macro", f"it takes {len(arguments)}")
    return arguments[token.number - 1]


def _append(out: Tokens, token: Token, joins: bool) -> None:
    """Add a token, as part of the word before where an argument touches it."""
    if joins and token.glued and out and _wordy(out[-1]) and _wordy(token):
        out[-1] = reread(out[-1].text + token.text, out[-1])
        return
    out.append(token)
    if len(out) > limits.LINE_TOKENS:
        raise error_at(token, f"this line expands to more than {limits.LINE_TOKENS} words")


def _wordy(token: Token) -> bool:
    return token.kind in (Kind.NAME, Kind.NUMBER)
