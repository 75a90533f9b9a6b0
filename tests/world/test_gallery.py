"""The gallery measures, and what it measures is what a bare-metal kernel measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachvm.isa.row import InstructionClass
from teachvm.isa.rows import ROWS
from teachvm.world.gallery import COUNT_SAID, EXHIBITS, RINGS, Exhibit, Family, measure

RECORDED = (Path(__file__).parents[1] / "machine" / "data" / "rings_pentium.txt").read_text(encoding="ascii")
COMPARABLE = {
    "SMSW": "SMSW",
    "PUSHF": "PUSHF(real IF=1)",
    "POPF": "POPF clear IF (from IF=1)",
    "LAR": "LAR ring0 data",
    "LSL": "LSL ring0 data",
    "VERR": "VERR ring0 data",
    "VERW": "VERW ring0 data",
    "MOV": "MOV eax,cs",
    "PUSH": "PUSH cs",
}
"""Exhibits whose probe is the very one that was recorded, so that registers and flags must be equal."""
FAULTING = {"POP": "#GP(0x38)", "CALL": "#GP(0x8)", "JMP": "#GP(0x8)", "INT n": "#GP(0x18a)"}
BY_NAME = {exhibit.mnemonic: exhibit for exhibit in EXHIBITS}


@pytest.mark.parametrize("name", COMPARABLE)
def test_an_exhibit_does_in_each_ring_what_was_recorded(name: str) -> None:
    for ring, measured in zip(RINGS, measure(BY_NAME[name]), strict=True):
        row = re.search(rf"^{re.escape(COMPARABLE[name])}\|r{ring}\|ok (.*)$", RECORDED, re.MULTILINE)
        assert row is not None
        recorded = dict(pair.split("=") for pair in row[1].split())
        mine = {"eax": measured.eax, "efl": measured.eflags, "cs": measured.cs}
        assert measured.silent
        assert {key: int(recorded[key], 16) for key in mine} == mine


@pytest.mark.parametrize("name", FAULTING)
def test_these_fault_outside_ring_0_with_the_selector_or_gate_as_error_code(name: str) -> None:
    kernel, *others = measure(BY_NAME[name])
    assert kernel.silent
    assert [measured.exception for measured in others] == [FAULTING[name]] * 2


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.mnemonic)
def test_every_other_exhibit_is_silent_in_every_ring(exhibit: Exhibit) -> None:
    if exhibit.mnemonic not in FAULTING:
        assert all(measured.silent for measured in measure(exhibit))


def test_the_list_is_robin_and_irvine_s_in_two_families() -> None:
    families = [[each.mnemonic for each in EXHIBITS if each.family is family] for family in Family]
    assert families[0] == ["SGDT", "SIDT", "SLDT", "SMSW", "PUSHF", "POPF"]
    assert len(families[1]) == 12
    assert str(len(EXHIBITS)) in COUNT_SAID


def test_every_row_that_is_sensitive_without_being_privileged_is_shown() -> None:
    short = {"PUSHFD": "PUSHF", "POPFD": "POPF", "CALLF": "CALL", "JMPF": "JMP", "RETF": "RET", "INT": "INT n"}
    sensitive = {row.mnemonic for row in ROWS if row.klass is InstructionClass.SENSITIVE_UNPRIVILEGED}
    # The list counts loads of far pointers with MOV, and the short software interrupts and IRET with INT n and RET.
    counted_with_others = {"IRETD", "INT3", "INTO", "LES", "LDS", "LSS", "LFS", "LGS"}
    assert {short.get(name, name) for name in sensitive} - {*BY_NAME} == counted_with_others
