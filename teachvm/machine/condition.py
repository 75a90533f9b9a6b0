"""Condition codes as operands: whether one holds, for every state of the flags."""

from __future__ import annotations

from functools import cache
from typing import Final

from teachvm.isa.conditions import CONDITIONS, holds

FLAG_STATES: Final = 1 << 12
"""The status flags lie in EFLAGS bits 11:0."""


class ConditionCode:
    """What a Jcc, SETcc or CMOVcc tests.

    Attributes:
        code: 0..15, the low opcode bits.
        table: 4096 bytes, by EFLAGS bits 11:0: 1 where the condition holds.
    """

    __slots__ = ("code", "table")

    def __init__(self, code: int) -> None:
        self.code = code
        self.table = bytes(holds(code, eflags) for eflags in range(FLAG_STATES))


@cache
def condition_code(code: int) -> ConditionCode:
    """The one object of a condition."""
    return ConditionCode(CONDITIONS[code].code)
