"""The opcode map, one module per concern, in the notation of the manual's appendix.

Role: data only; a second meaning for one opcode is an error at import.
May import: `isa.row`, `isa.pattern`, `isa.conditions` and `isa.flags`.

Design notes: a row is a line of the opcode map and nothing more, so a reader checks the modules against
the manual line by line. `isa.pattern` turns the notation into decode slots.
"""

from typing import Final

from teachvm.isa.pattern import OpcodeMap, Pattern
from teachvm.isa.row import Row
from teachvm.isa.rows import arithmetic, bits, data, flow, segments, strings, system

ROWS: Final[tuple[Row, ...]] = (
    *arithmetic.ROWS,
    *bits.ROWS,
    *data.ROWS,
    *segments.ROWS,
    *flow.ROWS,
    *strings.ROWS,
    *system.ROWS,
)
"""Every instruction the processor has."""

PATTERNS: Final[tuple[Pattern, ...]] = tuple(Pattern.of(row) for row in ROWS)
"""The same rows with their notation taken apart, in the same order."""

OPCODE_MAP: Final = OpcodeMap(PATTERNS)
"""Opcode byte -> what it means; refuses a second meaning."""

MNEMONICS: Final = frozenset(row.mnemonic for row in ROWS)
"""Upper-case names of all instructions; sizes and synonyms are in `row` and `conditions`."""
