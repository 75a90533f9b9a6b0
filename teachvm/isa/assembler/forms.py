"""What the opcode rows say about a mnemonic as a whole, for choices and messages of the assembler."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from teachvm.isa.pattern import Kind, Pattern
from teachvm.isa.rows import PATTERNS

FAR: Final = {"JMP": "JMPF", "CALL": "CALLF"}
"""Mnemonic -> the rows of its far form."""


def _forms() -> dict[str, tuple[Pattern, ...]]:
    table: dict[str, tuple[Pattern, ...]] = {}
    for pattern in PATTERNS:
        table[pattern.row.mnemonic] = (*table.get(pattern.row.mnemonic, ()), pattern)
    return table


FORMS: Final[Mapping[str, tuple[Pattern, ...]]] = MappingProxyType(_forms())
REACHES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        mnemonic: tuple(
            "short" if "cb" in form.tail else "near" for form in forms if any(c.kind is Kind.J for c in form.operands)
        )
        for mnemonic, forms in FORMS.items()
    }
)
"""Mnemonic -> how far its relative forms reach, nearest first; empty for what is no branch."""
OF_ONE_WIDTH: Final = frozenset(
    mnemonic
    for mnemonic, forms in FORMS.items()
    if any({(code.kind, code.size) for code in form.operands} >= {(Kind.E, "v"), (Kind.G, "v")} for form in forms)
)
"""Mnemonics that work on two operands of the same width."""
STRINGS: Final = frozenset(
    mnemonic for mnemonic, forms in FORMS.items() if any(form.has_implied_memory for form in forms)
) - {"XLATB"}
"""Mnemonics whose operands are the strings at DS:ESI and ES:EDI."""
