"""Single-line macros: a name stands for the words it was defined as, wherever it appears later."""

from typing import Final

from teachvm.isa.assembler import limits
from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.lexer import Kind, Token, reread
from teachvm.isa.assembler.macros import Tokens

_PASTE: Final = "%+"


class Defines:
    """The names %define and %assign have given a meaning, and their use."""

    def __init__(self, budget: limits.Budget) -> None:
        self._budget = budget
        self._words: dict[str, Tokens] = {}
        self._touched = {_PASTE}

    def __contains__(self, name: str) -> bool:
        return name in self._words

    def define(self, name: str, words: Tokens) -> None:
        """From here on, `name` stands for `words`."""
        self._words[name] = words
        self._touched.add(name)

    def forget(self, name: str) -> None:
        """`name` stands for itself again."""
        self._words.pop(name, None)

    def expanded(self, tokens: Tokens) -> Tokens:
        """Tokens with single-line macros replaced and `%+` applied."""
        self._budget.spend(len(tokens))
        if self._touched.isdisjoint([token.text for token in tokens]):
            return tokens
        out: Tokens = []
        self._expand_into(out, tokens, None, ())
        return _pasted(out)

    def _expand_into(self, out: Tokens, tokens: Tokens, use: Token | None, active: tuple[str, ...]) -> None:
        """Append `tokens` with names replaced, each standing where it was used first."""
        for token in tokens:
            body = self._words.get(token.text) if token.kind is Kind.NAME else None
            place = use or token
            if body is None or token.text in active:
                # A name met again inside its own meaning stands for itself.
                out.append(token._replace(source=place.source, column=place.column) if use else token)
                if len(out) > limits.LINE_TOKENS:
                    raise error_at(place, f"this line expands to more than {limits.LINE_TOKENS} words")
                self._budget.spend()
                continue
            if len(active) >= limits.MACRO_DEPTH:
                raise error_at(place, f"%define '{token.text}' nests more than {limits.MACRO_DEPTH} deep")
            self._budget.spend()
            self._expand_into(out, body, place, (*active, token.text))


def _pasted(tokens: Tokens) -> Tokens:
    """Apply `%+`: the words on both sides become one."""
    out: Tokens = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.kind is Kind.PASTE:
            if not out or index + 1 >= len(tokens):
                raise error_at(token, "'%+' joins two words, and one is missing")
            out[-1] = reread(out[-1].text + tokens[index + 1].text, out[-1])
            index += 1
        else:
            out.append(token)
        index += 1
    return out
