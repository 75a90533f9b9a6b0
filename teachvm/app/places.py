"""Places as people write them in one line: an address, a symbol, a register, or sums of them, with `[…]` for memory.

Bare digits are hexadecimal, as everything here is shown, and may be grouped (`0010 0247`); `#` begins a decimal number.
A register goes before a symbol, a symbol before a number: `bad` is a label where there is one, and 0xbad elsewhere.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from teachvm.app.notation import hex32
from teachvm.app.scene import MASK32
from teachvm.guest.symbols import Symbols, UnknownLabelError
from teachvm.isa.assembler.errors import did_you_mean

LONGEST: Final = 200
_TOKEN: Final = re.compile(
    r"\s*(?:(#\d+)|(0[xX][0-9a-fA-F]+)|([0-9a-fA-F]{4} [0-9a-fA-F]{4})(?![\w.$@])|([\w.$@:#]+)|(.))"
)


class Ground(Protocol):
    """One moment of one guest, as far as places are found in it."""

    @property
    def symbols(self) -> Symbols:
        """Names of the guest's places."""

    def register(self, name: str) -> int | None:
        """A register; of a segment register or table, its base. None if there is none of that name."""

    def read(self, linear: int, size: int) -> bytes:
        """Memory; shorter where nothing is mapped."""


class PlaceError(ValueError):
    """What was written names no place; the message is one line for people."""


def evaluate(text: str, scene: Ground) -> int:
    """The 32-bit value of an expression, in one moment of one guest.

    Raises:
        PlaceError: It has none.
    """
    if len(text) > LONGEST:
        raise PlaceError(f"this is longer than {LONGEST} characters")
    return _Reader(text, scene).whole()


class _Reader:
    """Reads `term { (+|-) term }`, where a term is a number, a register, a symbol, `[…]` or `(…)`, and `*` binds."""

    def __init__(self, text: str, scene: Ground) -> None:
        self._scene = scene
        self._tokens = [match[0].strip() for match in _TOKEN.finditer(text) if match[0].strip()]
        self._at = 0
        self._depth = 0

    def whole(self) -> int:
        if not self._tokens:
            raise PlaceError("write an address, a symbol or an expression, such as ESP+8")
        value = self._sum()
        if self._at < len(self._tokens):
            raise PlaceError(f"'{self._tokens[self._at]}' is not understood here")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _sum(self) -> int:
        self._depth += 1
        if self._depth > 20:
            raise PlaceError("these brackets are nested too deeply")
        value = self._product()
        while self._peek() in ("+", "-"):
            value = value + self._product() if self._take() == "+" else value - self._product()
        self._depth -= 1
        return value & MASK32

    def _product(self) -> int:
        value = self._term()
        while self._peek() == "*":
            self._take()
            value = value * self._term() & MASK32
        return value

    def _term(self) -> int:
        token = self._take()
        if not token:
            raise PlaceError("something is missing at the end")
        if token == "-":
            return -self._term() & MASK32
        if token in ("[", "("):
            value = self._sum()
            end = "]" if token == "[" else ")"
            if self._take() != end:
                raise PlaceError(f"'{end}' is missing")
            return self._memory(value) if token == "[" else value
        if token.startswith("#") and token[1:].isdigit():
            return _number(int(token[1:]), token)
        return self._name(token)

    def _memory(self, linear: int) -> int:
        raw = self._scene.read(linear, 4)
        if len(raw) < 4:
            raise PlaceError(f"nothing is mapped at {hex32(linear)}")
        return int.from_bytes(raw, "little")

    def _name(self, token: str) -> int:
        register = self._scene.register(token)
        if register is not None:
            return register
        space, _, label = token.rpartition(":")
        try:
            return self._scene.symbols.address_of(label, space or None)
        except UnknownLabelError as error:
            digits = token.replace(" ", "")
            if re.fullmatch(r"(0[xX])?[0-9a-fA-F]+", digits):
                return _number(int(digits, 16), token)
            if space:
                raise PlaceError(str(error)) from error
            known = [name for one in self._scene.symbols.spaces for name in one.assembly.labels]
            near = did_you_mean(token, sorted(known))
            raise PlaceError(f"there is no symbol or register '{token}'{', ' + near if near else ''}") from error


def _number(value: int, token: str) -> int:
    if value > MASK32:
        raise PlaceError(f"'{token}' has more than 32 bits")
    return value
