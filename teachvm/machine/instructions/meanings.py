"""The register of meanings: one function per instruction, found by the rows' mnemonics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from teachvm.isa.decode import Insn

Meaning = Callable[..., Any]
"""Takes the CPU and the bound operands; returns the cycles it took where that is not one, else None."""
F = TypeVar("F", bound=Meaning)
Which = Callable[[Insn], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """A meaning as registered.

    Attributes:
        function: What the instruction does.
        which: The decoded instructions of the mnemonic it is for; None for all.
        shaped: It also takes the decoded instruction, right after the CPU, since sizes or prefixes matter.
    """

    function: Meaning
    which: Which | None
    shaped: bool


MEANINGS: dict[str, list[Entry]] = {}
"""Row mnemonic -> its meanings, of which exactly one applies to any decoded instruction."""


def meaning(*mnemonics: str, which: Which | None = None, shaped: bool = False) -> Callable[[F], F]:
    """Register a function as what the rows of some mnemonics do.

    Args:
        *mnemonics: As in the rows.
        which: Restricts it to some decoded instructions of these mnemonics.
        shaped: The function takes the decoded instruction too.

    Raises:
        ValueError: A mnemonic has a meaning without restriction already, or would have both kinds.
    """

    def register(function: F) -> F:
        for mnemonic in mnemonics:
            entries = MEANINGS.setdefault(mnemonic, [])
            if entries and (which is None or entries[0].which is None):
                raise ValueError(f"{mnemonic} has a meaning already: {entries[0].function.__qualname__}")
            entries.append(Entry(function, which, shaped))
        return function

    return register


def meaning_of(insn: Insn) -> Entry:
    """The one meaning of a decoded instruction.

    Raises:
        LookupError: None, or more than one, applies.
    """
    found = [entry for entry in MEANINGS.get(insn.row.mnemonic, ()) if entry.which is None or entry.which(insn)]
    if len(found) != 1:
        raise LookupError(f"{insn.row.encoding} {insn.row.syntax}: {len(found)} meanings")
    return found[0]
