"""The sixteen conditions, each against its definition over all flag settings."""

from collections.abc import Callable
from itertools import product

import pytest

from teachvm.isa.conditions import BY_MNEMONIC, CONDITIONS, SYNONYMS, holds
from teachvm.isa.flags import CF, OF, PF, SF, ZF
from teachvm.isa.rows import MNEMONICS, ROWS

# SDM Vol. 1, Table B-1: c, p, z, s, o.
DEFINITIONS: dict[str, Callable[[bool, bool, bool, bool, bool], bool]] = {
    "O": lambda c, p, z, s, o: o,
    "NO": lambda c, p, z, s, o: not o,
    "B": lambda c, p, z, s, o: c,
    "AE": lambda c, p, z, s, o: not c,
    "E": lambda c, p, z, s, o: z,
    "NE": lambda c, p, z, s, o: not z,
    "BE": lambda c, p, z, s, o: c or z,
    "A": lambda c, p, z, s, o: not (c or z),
    "S": lambda c, p, z, s, o: s,
    "NS": lambda c, p, z, s, o: not s,
    "P": lambda c, p, z, s, o: p,
    "NP": lambda c, p, z, s, o: not p,
    "L": lambda c, p, z, s, o: s != o,
    "GE": lambda c, p, z, s, o: s == o,
    "LE": lambda c, p, z, s, o: z or s != o,
    "G": lambda c, p, z, s, o: not z and s == o,
}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: one.suffix)
def test_a_condition_holds_exactly_when_its_definition_does(condition: object) -> None:
    from teachvm.isa.conditions import Condition

    assert isinstance(condition, Condition)
    for values in product((False, True), repeat=5):
        eflags = sum(flag for flag, value in zip((CF, PF, ZF, SF, OF), values, strict=True) if value)
        assert holds(condition.code, eflags) is DEFINITIONS[condition.suffix](*values)
        # Only the flags it names matter.
        assert holds(condition.code, eflags & condition.tested) is holds(condition.code, eflags)


def test_codes_are_the_low_opcode_bits_in_order() -> None:
    assert [condition.code for condition in CONDITIONS] == list(range(16))


def test_every_conditional_row_names_its_condition_and_tests_its_flags() -> None:
    conditional = [row for row in ROWS if row.mnemonic in BY_MNEMONIC]
    assert len(conditional) == 64
    for row in conditional:
        condition = BY_MNEMONIC[row.mnemonic]
        assert row.flags.tested == condition.tested
        assert int(row.encoding.removeprefix("0F ").split()[0], 16) & 15 == condition.code


def test_synonyms_lead_to_rows_and_are_not_rows() -> None:
    assert SYNONYMS["JZ"] == "JE"
    assert SYNONYMS["SETNAE"] == "SETB"
    assert set(SYNONYMS.values()) <= MNEMONICS
    assert not set(SYNONYMS) & MNEMONICS
